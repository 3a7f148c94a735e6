//! What a signature is asked about logs while it is judged: by which keys, as trust lists say, and what of it a log may know.

use crate::domain::audit::checkpoint::Verifier;
use crate::domain::verify::Report;

/// Beside one signature's report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::domain::verify) struct Asked {
    logs: Vec<Verifier>,
    things: Vec<[u8; 32]>,
}

impl Asked {
    /// It must be in one of the logs of these keys, as the trust list of an anchor says.
    pub(in crate::domain::verify) fn must_be_in(&mut self, logs: &[String]) {
        // Each was read when the list was checked.
        for key in logs.iter().filter_map(|text| Verifier::parse(text).ok()) {
            if !self.logs.contains(&key) {
                self.logs.push(key);
            }
        }
    }

    /// The keys of the logs in which it must be, as trust lists say; empty where none does.
    pub(in crate::domain::verify) fn logs(&self) -> &[Verifier] {
        &self.logs
    }

    /// Notes by its SM3 a thing of which a log at hand may know.
    pub(in crate::domain::verify) fn may_be_known(&mut self, thing: [u8; 32]) {
        if !self.things.contains(&thing) {
            self.things.push(thing);
        }
    }
}

impl Report {
    /// SM3 of each thing of which the service's own log may know, each once: noted where its keys are among the evidence.
    #[must_use]
    pub fn things(&self) -> Vec<[u8; 32]> {
        let mut things = Vec::new();
        for thing in self.signatures.iter().flat_map(|signature| &signature.asked.things) {
            if !things.contains(thing) {
                things.push(*thing);
            }
        }
        things
    }
}

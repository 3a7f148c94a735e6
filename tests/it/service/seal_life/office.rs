//! The offices elsewhere that make seals and file them: the simulator of the product, on loopback, with faults by order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use yinxin::base::clock::Clock;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::PublicKey;
use yinxin::service::office_simulator::{OfficeKeys, Simulator};

pub(crate) use yinxin::service::office_simulator::desk::{Desk, Fault, Unfit, Work};

/// The office.
pub(crate) struct OfficeDouble {
    pub(crate) address: SocketAddr,
    pub(crate) desk: Arc<Mutex<Desk>>,
    pub(crate) public_key: PublicKey,
    pub(crate) root: Vec<u8>,
}

impl OfficeDouble {
    pub(crate) async fn open(clock: Arc<dyn Clock>) -> Self {
        let keys = OfficeKeys::generate(&SystemRandom).unwrap();
        let public_key = keys.public_key();
        let at = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::open(at, keys, (clock, Arc::new(SystemRandom)), None).await.unwrap();
        let (address, desk) = (simulator.address(), simulator.desk());
        let root = desk.lock().unwrap().root.clone();
        tokio::spawn(simulator.serve());
        Self { address, desk, public_key, root }
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.desk.lock().unwrap().faults.push_back(Some(fault));
    }

    pub(super) fn work(&self, subject: &str) -> Option<Work> {
        self.desk.lock().unwrap().orders.get(subject).cloned()
    }

    /// The state that the office believes a seal to be in.
    pub(super) fn state(&self, subject: &str) -> Option<String> {
        match self.work(subject) {
            Some(Work::Made { state, .. }) => Some(state),
            _ => None,
        }
    }

    /// How often that was heard of a subject.
    pub(super) fn count(&self, subject: &str, kind: &str) -> usize {
        self.desk.lock().unwrap().heard.iter().filter(|(about, what, _)| about == subject && *what == kind).count()
    }

    /// Requests that were not as they must be.
    pub(super) fn turned_away(&self) -> Vec<&'static str> {
        self.desk.lock().unwrap().turned_away.clone()
    }
}

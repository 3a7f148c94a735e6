//! `[verification]`: whether the status of others' certificates is fetched, and how much of it; what seals reports.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::id::SealId;
use crate::config::raw;

/// `[verification]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetching {
    /// Whether revocation lists and OCSP answers are fetched, from hosts that the trust lists in force name.
    pub fetch: bool,
    /// Whether certificates of issuers are fetched too, for certificates that lead to no anchor yet.
    pub issuers: bool,
    /// For all that one verification fetches.
    pub time: Duration,
    /// Octets of one revocation list; twice as many for all that one verification fetches.
    pub list_bytes: usize,
    /// PEM files of the authorities by which servers of https must be known; without any none is asked.
    pub https_anchors: Vec<PathBuf>,
    /// The seal for the documents of reports; without one the report key signs them.
    pub report_seal: Option<SealId>,
}

impl Fetching {
    /// The keys with their defaults: nothing is fetched unless somebody says so.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Verification) -> Result<Self, (&'static str, String)> {
        let seconds = raw.fetch_seconds.unwrap_or(15);
        if !(1..=60).contains(&seconds) {
            return Err(("verification.fetch_seconds", "1 to 60".to_owned()));
        }
        let mebibytes = usize::try_from(raw.list_mebibytes.unwrap_or(16)).ok().filter(|size| (1..=256).contains(size));
        let Some(mebibytes) = mebibytes else {
            return Err(("verification.list_mebibytes", "1 to 256".to_owned()));
        };
        let seal = raw.report_seal.as_deref().map(SealId::parse).transpose();
        let Ok(report_seal) = seal else {
            return Err(("verification.report_seal", "the name of a seal".to_owned()));
        };
        Ok(Self {
            fetch: raw.fetch.unwrap_or(false),
            issuers: raw.fetch_issuers.unwrap_or(false),
            time: Duration::from_secs(seconds),
            list_bytes: mebibytes << 20,
            https_anchors: raw.https_anchors.clone().unwrap_or_default(),
            report_seal,
        })
    }

    pub(super) fn effective(&self) -> raw::Verification {
        raw::Verification {
            fetch: Some(self.fetch),
            fetch_issuers: Some(self.issuers),
            fetch_seconds: Some(self.time.as_secs()),
            list_mebibytes: u64::try_from(self.list_bytes >> 20).ok(),
            https_anchors: Some(self.https_anchors.clone()),
            report_seal: self.report_seal.as_ref().map(SealId::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_unless_somebody_says_so() {
        let usual = Fetching::checked(&raw::Verification::default()).unwrap();
        assert_eq!((usual.fetch, usual.issuers), (false, false));
        assert_eq!((usual.time, usual.list_bytes), (Duration::from_secs(15), 16 << 20));
        assert_eq!(Fetching::checked(&usual.effective()), Ok(usual));
    }

    #[test]
    fn a_seal_for_reports_has_a_name() {
        let with = |name: &str| {
            let raw = raw::Verification { report_seal: Some(name.to_owned()), ..raw::Verification::default() };
            Fetching::checked(&raw).map(|verification| verification.report_seal)
        };
        let id = "01890000-0000-7000-8000-000000000001";
        assert_eq!(with(id), Ok(Some(SealId::parse(id).unwrap())));
        assert_eq!(with("a b"), Err(("verification.report_seal", "the name of a seal".to_owned())));
    }

    #[test]
    fn time_and_size_have_bounds() {
        let with = |fetch_seconds, list_mebibytes| {
            let raw = raw::Verification { fetch_seconds, list_mebibytes, ..raw::Verification::default() };
            Fetching::checked(&raw).map(|fetching| (fetching.time.as_secs(), fetching.list_bytes >> 20))
        };
        assert_eq!(with(Some(1), Some(1)), Ok((1, 1)));
        assert_eq!(with(Some(60), Some(256)), Ok((60, 256)));
        for seconds in [0, 61, u64::MAX] {
            assert_eq!(with(Some(seconds), None), Err(("verification.fetch_seconds", "1 to 60".to_owned())));
        }
        for size in [0, 257, u64::MAX] {
            assert_eq!(with(None, Some(size)), Err(("verification.list_mebibytes", "1 to 256".to_owned())));
        }
    }
}

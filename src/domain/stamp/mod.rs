//! Time stamps (RFC 3161, RFC 5816; GB/T 20520): what an authority decides, and what a token proves.
//!
//! Three pieces, each without a clock of its own: [`clock`] judges readings of clocks and says whether the time may be
//! certified, [`issuance`] turns a request and such a time into the bytes to sign and the token, [`verify`] judges a
//! token. Keys, storage of serial numbers and readings belong to the service.

pub mod clock;
pub mod issuance;
pub mod rules;
#[cfg(test)]
mod sample;
pub mod verify;

pub use clock::Precision;
pub use clock::{ClockDiscipline, ClockRefusal, Reading, SourceReading, Thresholds, TrustedTime};
pub use issuance::{AcceptedRequest, Authority, Offer, Refusal, Stamp, StampToken, UnfitAuthority, judge, prepare};
pub use rules::{InvalidRule, Rules};
pub use verify::{
    CertificateUnfit, Expected, Imprint, NamedBySha1, StrangeCertificates, TokenRefusal, VerifiedToken, verify_token,
};

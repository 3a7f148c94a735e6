//! DER (ITU-T X.690): the only code that sees a tag or a length.
//!
//! Reading is strict: definite minimal lengths, canonical BOOLEAN, INTEGER and times, nothing left over. The `der`
//! crate judges tags, lengths and primitive values; [`Reader`] keeps the slice that arrived beside every value,
//! since that slice is what was signed. What genuine files do otherwise is each format's named deviation, never
//! this reader's leniency. What is streamed in BER is rewritten first, by [`ber`].

pub mod ber;
pub mod reader;
pub mod time;
pub mod writer;

pub use ::der::Tag;
pub use ::der::asn1::ObjectIdentifier;
pub use reader::{Error, Reader, Value, walk};
pub use writer::Writer;

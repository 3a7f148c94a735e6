//! The OFD package: container, parts, document tree, signature list. GB/T 33190-2016.
//!
//! What is accepted and what is refused, and why:
//! - ZIP: stored and deflated entries, UTF-8 names, no ZIP64, no encryption, no links. Local and central headers must
//!   agree, entries must not overlap, names must be plain and unique. Bytes that belong to no entry are accepted,
//!   because genuine files carry them, and reported by [`container::Container::foreign_bytes`].
//! - XML: UTF-8 only, strictly well-formed, no DOCTYPE, no entities but the five predefined ones, no processing
//!   instructions. Both namespaces `http://www.ofdspec.org/2016` and `http://www.ofdspec.org` are the OFD namespace:
//!   genuine files mix them in one package. Unqualified elements match too; genuine annotations contain them.
//! - Elements may come in any order, because in genuine files they do.
//!
//! Clause numbers of GB/T 33190-2016 other than 18 are recollection and wait for confirmation against the text.

pub mod container;
pub mod document;
mod error;
pub mod fields;
pub mod letters;
pub mod path;
mod records;
pub mod shown;
pub mod signatures;
pub mod signing;
pub mod value;
pub mod xml;
mod xml_bytes;
mod xml_piece;
mod xml_scan;
mod xml_shape;
mod xml_text;
mod xml_walk;

pub use error::Error;

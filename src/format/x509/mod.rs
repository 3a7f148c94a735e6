//! Certificates and names, RFC 5280 and GB/T 20518.

pub mod certificate;
pub mod extension;
pub mod name;

pub use certificate::{Certificate, NewCertificate};
pub use extension::{BasicConstraints, Extension, KeyUsage};
pub use name::{Name, NewName};

//! Certificates, requests for them, and names: RFC 5280, RFC 2986 and GB/T 20518.

pub mod certificate;
pub mod extension;
pub mod general_name;
pub mod name;

pub use certificate::{Certificate, NewCertificate};
pub use extension::{BasicConstraints, Extension, ExtensionValue, KeyUsage, NewExtension};
pub use general_name::{GeneralName, NewGeneralName};
pub use name::{Name, NameBuf, NewName};

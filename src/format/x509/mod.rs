//! Certificates, requests for them, and names: RFC 5280, RFC 2986 and GB/T 20518.

pub mod certificate;
pub mod csr;
pub mod extension;
pub mod general_name;
pub mod name;

pub use certificate::{Certificate, Deviation, NewCertificate};
pub use csr::{CertificationRequest, NewCertificationRequest};
pub use extension::{BasicConstraints, Extension, ExtensionValue, KeyUsage, NewExtension};
pub use general_name::{GeneralName, NewGeneralName};
pub use name::{Name, NameAttributes, NameBuf, NewName};

//! Certificates, requests for them, their revocation, and names: RFC 5280, RFC 2986, RFC 6960 and GB/T 20518.

pub mod certificate;
pub mod crl;
pub mod csr;
pub mod event;
pub mod extension;
pub mod general_name;
pub mod name;
pub mod ocsp;

pub use certificate::{Certificate, Deviation, NewCertificate};
pub use crl::CertificateList;
pub use csr::{CertificationRequest, NewCertificationRequest};
pub use event::{AssuranceLevel, EventBinding, EventStatement};
pub use extension::{BasicConstraints, Extension, ExtensionValue, KeyUsage, NewExtension};
pub use general_name::{GeneralName, NewGeneralName};
pub use name::{Name, NameAttributes, NameBuf, NewName};
pub use ocsp::{OcspRequest, OcspResponse};

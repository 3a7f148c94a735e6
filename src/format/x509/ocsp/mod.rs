//! OCSP (RFC 6960, the profile of RFC 5019, nonces of RFC 8954): requests and responses, read as borrowed slices,
//! written as DER.
//!
//! Accepted: a written-out `version` of v1, which DER leaves out and some clients send; nonces of 1 to 128 octets
//! (RFC 8954 2.1 has 1 to 32, RFC 9654 raises it to 128). Refused: anything that is not DER, trailing bytes, two
//! extensions of one kind, nonces that are no OCTET STRING inside, response types other than `id-pkix-ocsp-basic`,
//! a refusal that carries a response. Read over: `serviceLocator`, `id-pkix-ocsp-extended-revoke`, CRL references.
//! Digests of names and keys are bytes here.

mod cert_id;
mod request;
mod response;

use crate::format::der::{self, ObjectIdentifier, Reader, Tag};
use crate::format::x509::extension::Extension;

pub use cert_id::{CertId, NewCertId};
pub use request::{NewOcspRequest, OcspRequest, RequestSignature, SingleRequest};
pub use response::{
    BasicResponse, CertificateStatus, NewBasicResponse, NewSingleResponse, OcspRefusal, OcspResponse, ResponderId,
    SingleResponse,
};

/// `id-pkix-ocsp-basic`.
pub const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// `id-pkix-ocsp-nonce` (RFC 8954).
pub const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
/// `id-pkix-ocsp-crl` (RFC 6960 4.4.2).
pub const CRL_REFERENCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.3");
/// `id-pkix-ocsp-response` (RFC 6960 4.4.3).
pub const ACCEPTABLE_RESPONSES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.4");
/// `id-pkix-ocsp-archive-cutoff` (RFC 6960 4.4.4).
pub const ARCHIVE_CUTOFF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.6");
/// `id-pkix-ocsp-service-locator` (RFC 6960 4.4.6).
pub const SERVICE_LOCATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.7");
/// `id-pkix-ocsp-pref-sig-algs` (RFC 6960 4.4.7.1).
pub const PREFERRED_SIGNATURES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.8");
/// `id-pkix-ocsp-extended-revoke` (RFC 6960 4.4.8).
pub const EXTENDED_REVOKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.9");

/// Octets of a nonce that are read.
pub const MAX_NONCE: usize = 128;
/// Octets of a nonce that we send (RFC 8954 2.1: 32 are recommended).
pub const USUAL_NONCE: usize = 32;

/// Questions in one request, answers in one response: RFC 5019 2.1.1 has one, others send what a page shows.
const MAX_SINGLES: usize = 256;
/// Certificates beside a signature.
const MAX_CERTIFICATES: usize = 16;

const fn explicit(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) }
}

/// `[0] EXPLICIT Version DEFAULT v1`: there is no other.
fn version(reader: &mut Reader<'_>) -> Result<(), der::Error> {
    const WHAT: &str = "version";
    let Some(value) = reader.optional(explicit(0), WHAT)? else { return Ok(()) };
    let mut inside = value.inside();
    let number = inside.small(WHAT)?;
    inside.finish(WHAT)?;
    if number == 0 { Ok(()) } else { Err(der::Error::InvalidValue { what: WHAT }) }
}

/// Explicitly tagged Extensions, if there are some.
fn extensions<'a>(reader: &mut Reader<'a>, number: u32, what: &'static str) -> Result<Vec<Extension<'a>>, der::Error> {
    let Some(value) = reader.optional(explicit(number), what)? else { return Ok(Vec::new()) };
    let mut inside = value.inside();
    let list = crate::format::x509::crl::read_extension_list(&mut inside, what)?;
    inside.finish(what)?;
    Ok(list)
}

fn value_of<'a>(extensions: &[Extension<'a>], oid: ObjectIdentifier) -> Option<&'a [u8]> {
    extensions.iter().find(|extension| extension.oid == oid).map(|extension| extension.value)
}

/// The nonce's octets (RFC 8954 2.1).
fn nonce<'a>(extensions: &[Extension<'a>]) -> Result<Option<&'a [u8]>, der::Error> {
    let Some(value) = value_of(extensions, NONCE) else { return Ok(None) };
    let mut reader = Reader::new(value);
    let octets = reader.octet_string("nonce")?;
    reader.finish("nonce")?;
    match octets.len() {
        1..=MAX_NONCE => Ok(Some(octets)),
        _ => Err(der::Error::InvalidValue { what: "nonce" }),
    }
}

/// `[0] EXPLICIT SEQUENCE OF Certificate`, each as it arrived; what is in them is not read here.
fn certificates<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, der::Error> {
    const WHAT: &str = "certs";
    let Some(value) = reader.optional(explicit(0), WHAT)? else { return Ok(Vec::new()) };
    let mut inside = value.inside();
    let mut list = inside.sequence(WHAT)?;
    inside.finish(WHAT)?;
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() >= MAX_CERTIFICATES {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_CERTIFICATES });
        }
        found.push(list.expect(Tag::Sequence, WHAT)?.raw());
    }
    Ok(found)
}

//! `OCSPRequest` (RFC 6960 4.1.1).

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::extension::Extension;
use crate::format::x509::general_name::GeneralName;
use crate::format::x509::ocsp::{
    ACCEPTABLE_RESPONSES, CertId, EXTENDED_REVOKE, MAX_SINGLES, NONCE, PREFERRED_SIGNATURES, SERVICE_LOCATOR,
    certificates, explicit, extensions, nonce, value_of, version,
};

/// Response types that one request may name.
const MAX_RESPONSE_TYPES: usize = 16;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleRequest<'a> {
    /// `reqCert`.
    pub cert_id: CertId<'a>,
    /// `singleRequestExtensions`.
    pub extensions: Vec<Extension<'a>>,
}

/// `optionalSignature`. It covers [`OcspRequest::tbs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSignature<'a> {
    /// `signatureAlgorithm`.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// `signature` without the octet that counts unused bits.
    pub value: &'a [u8],
    /// `certs`, each as DER.
    pub certificates: Vec<&'a [u8]>,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspRequest<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `tbsRequest`.
    pub tbs: &'a [u8],
    /// `requestorName`.
    pub requestor: Option<GeneralName<'a>>,
    /// `requestList`, at least one.
    pub requests: Vec<SingleRequest<'a>>,
    /// `requestExtensions`.
    pub extensions: Vec<Extension<'a>>,
    /// The nonce, if one was sent.
    pub nonce: Option<&'a [u8]>,
    /// The response types that the client takes, if it says so.
    pub acceptable_responses: Option<Vec<ObjectIdentifier>>,
    /// `optionalSignature`.
    pub signature: Option<RequestSignature<'a>>,
}

impl<'a> OcspRequest<'a> {
    /// Reads a request that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as RFC 6960 4.1.1 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "OCSPRequest";
        let raw = der::reader::only(der, WHAT)?;
        if raw.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: raw.tag() });
        }
        let mut outer = raw.inside();
        let tbs = outer.expect(Tag::Sequence, "tbsRequest")?;
        let signature = outer.optional(explicit(0), "optionalSignature")?;
        let signature = signature.map(|value| read_signature(value.inside())).transpose()?;
        outer.finish(WHAT)?;

        let mut inner = tbs.inside();
        version(&mut inner)?;
        let requestor = match inner.optional(explicit(1), "requestorName")? {
            Some(value) => {
                let mut inside = value.inside();
                let name = GeneralName::read(&mut inside)?;
                inside.finish("requestorName")?;
                Some(name)
            }
            None => None,
        };
        let requests = read_requests(inner.sequence("requestList")?)?;
        let extensions = extensions(&mut inner, 2, "requestExtensions")?;
        inner.finish("tbsRequest")?;
        let acceptable = value_of(&extensions, ACCEPTABLE_RESPONSES);
        Ok(Self {
            raw: raw.raw(),
            tbs: tbs.raw(),
            requestor,
            requests,
            nonce: nonce(&extensions)?,
            acceptable_responses: acceptable.map(read_response_types).transpose()?,
            extensions,
            signature,
        })
    }

    /// The first critical extension that RFC 6960 does not know; a responder must not answer over it.
    #[must_use]
    pub fn unknown_critical(&self) -> Option<ObjectIdentifier> {
        const KNOWN: [ObjectIdentifier; 5] =
            [NONCE, ACCEPTABLE_RESPONSES, SERVICE_LOCATOR, PREFERRED_SIGNATURES, EXTENDED_REVOKE];
        let singles = self.requests.iter().flat_map(|request| &request.extensions);
        let mut all = self.extensions.iter().chain(singles);
        all.find(|extension| extension.critical && !KNOWN.contains(&extension.oid)).map(|extension| extension.oid)
    }
}

fn read_signature(mut outer: Reader<'_>) -> Result<RequestSignature<'_>, der::Error> {
    const WHAT: &str = "optionalSignature";
    let mut inner = outer.sequence(WHAT)?;
    outer.finish(WHAT)?;
    let algorithm = AlgorithmIdentifier::read(&mut inner, "signatureAlgorithm")?;
    let value = inner.bit_string("signature")?;
    let certificates = certificates(&mut inner)?;
    inner.finish(WHAT)?;
    Ok(RequestSignature { algorithm, value, certificates })
}

fn read_requests(mut list: Reader<'_>) -> Result<Vec<SingleRequest<'_>>, der::Error> {
    const WHAT: &str = "requestList";
    if list.is_empty() {
        return Err(der::Error::Missing { what: WHAT });
    }
    let mut requests = Vec::with_capacity(1);
    while !list.is_empty() {
        if requests.len() >= MAX_SINGLES {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_SINGLES });
        }
        let mut inner = list.sequence("Request")?;
        let cert_id = CertId::read(&mut inner)?;
        let extensions = extensions(&mut inner, 0, "singleRequestExtensions")?;
        inner.finish("Request")?;
        requests.push(SingleRequest { cert_id, extensions });
    }
    Ok(requests)
}

fn read_response_types(value: &[u8]) -> Result<Vec<ObjectIdentifier>, der::Error> {
    const WHAT: &str = "acceptableResponses";
    let mut outer = Reader::new(value);
    let mut list = outer.sequence(WHAT)?;
    outer.finish(WHAT)?;
    let mut types = Vec::new();
    while !list.is_empty() {
        if types.len() >= MAX_RESPONSE_TYPES {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_RESPONSE_TYPES });
        }
        types.push(list.oid(WHAT)?);
    }
    Ok(types)
}

/// A request of ours: unsigned, as RFC 5019 2.1.2 wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOcspRequest<'a> {
    /// What is asked about: CertIDs as DER.
    pub cert_ids: &'a [&'a [u8]],
    /// The nonce; [`super::USUAL_NONCE`] octets are right.
    pub nonce: Option<&'a [u8]>,
    /// The response types that we take; empty: not said.
    pub acceptable_responses: &'a [ObjectIdentifier],
}

impl NewOcspRequest<'_> {
    /// The DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|request| {
            request.sequence(|tbs| {
                tbs.sequence(|list| {
                    for cert_id in self.cert_ids {
                        list.sequence(|single| {
                            single.raw(cert_id);
                        });
                    }
                });
                if self.nonce.is_some() || !self.acceptable_responses.is_empty() {
                    tbs.context(2, |outer| {
                        outer.sequence(|list| self.write_extensions(list));
                    });
                }
            });
        });
        writer.into_bytes()
    }

    fn write_extensions(&self, list: &mut Writer) {
        if let Some(nonce) = self.nonce {
            list.sequence(|extension| {
                extension.oid(NONCE).octets_of(|value| {
                    value.octet_string(nonce);
                });
            });
        }
        if !self.acceptable_responses.is_empty() {
            list.sequence(|extension| {
                extension.oid(ACCEPTABLE_RESPONSES).octets_of(|value| {
                    value.sequence(|types| {
                        for oid in self.acceptable_responses {
                            types.oid(*oid);
                        }
                    });
                });
            });
        }
    }
}

//! `OCSPResponse` and `BasicOCSPResponse` (RFC 6960 4.2.1).

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::certificate::write_signature_algorithm;
use crate::format::x509::crl::{HOLD_INSTRUCTION_CODE, INVALIDITY_DATE, REASON_CODE, RevocationReason};
use crate::format::x509::extension::Extension;
use crate::format::x509::name::Name;
use crate::format::x509::ocsp::{
    ARCHIVE_CUTOFF, BASIC, CRL_REFERENCE, CertId, EXTENDED_REVOKE, MAX_SINGLES, NONCE, certificates, explicit,
    extensions, nonce, value_of, version,
};

/// A response without an answer: `responseStatus` other than `successful`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcspRefusal {
    /// `malformedRequest`.
    MalformedRequest,
    /// `internalError`.
    InternalError,
    /// `tryLater`.
    TryLater,
    /// `sigRequired`.
    SignatureRequired,
    /// `unauthorized`: not asked of the one who knows (RFC 5019 2.2.3).
    Unauthorized,
}

impl OcspRefusal {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::MalformedRequest, Self::InternalError, Self::TryLater, Self::SignatureRequired, Self::Unauthorized];

    /// The number in the ENUMERATED; 4 is not used.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::SignatureRequired => 5,
            Self::Unauthorized => 6,
        }
    }

    /// The name in the standard.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SignatureRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }

    /// The whole response.
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|response| {
            response.enumerated(self.number());
        });
        writer.into_bytes()
    }
}

/// A response as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OcspResponse<'a> {
    /// `successful`, with an answer.
    Successful(Box<BasicResponse<'a>>),
    /// Anything else.
    Refused(OcspRefusal),
}

/// `ResponderID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponderId<'a> {
    /// `byName`.
    Name(Name<'a>),
    /// `byKey`: SHA-1 over the content of the responder's `subjectPublicKey`.
    Key(&'a [u8]),
}

/// `CertStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// `good`.
    Good,
    /// `revoked`.
    Revoked {
        /// `revocationTime`.
        since: Timestamp,
        /// `revocationReason`.
        reason: Option<RevocationReason>,
    },
    /// `unknown`.
    Unknown,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleResponse<'a> {
    /// `certID`.
    pub cert_id: CertId<'a>,
    /// `certStatus`.
    pub status: CertificateStatus,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`; absent: newer answers can be had at any time.
    pub next_update: Option<Timestamp>,
    /// `singleExtensions`.
    pub extensions: Vec<Extension<'a>>,
    /// `archiveCutoff` (RFC 6960 4.4.4): the responder knows of certificates that expired after this.
    pub archive_cutoff: Option<Timestamp>,
    /// `invalidityDate` of the CRL entry (RFC 6960 4.4.5).
    pub invalidity_date: Option<Timestamp>,
}

/// `BasicOCSPResponse` as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicResponse<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `tbsResponseData`: what was signed.
    pub tbs: &'a [u8],
    /// `responderID`.
    pub responder: ResponderId<'a>,
    /// `producedAt`.
    pub produced_at: Timestamp,
    /// `responses`, at least one.
    pub responses: Vec<SingleResponse<'a>>,
    /// `responseExtensions`.
    pub extensions: Vec<Extension<'a>>,
    /// The nonce, if one came back.
    pub nonce: Option<&'a [u8]>,
    /// `signatureAlgorithm`.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// `signature` without the octet that counts unused bits.
    pub signature: &'a [u8],
    /// `certs`, each as DER.
    pub certificates: Vec<&'a [u8]>,
}

impl<'a> OcspResponse<'a> {
    /// Reads a response that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as RFC 6960 4.2.1 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "OCSPResponse";
        let mut reader = Reader::new(der);
        let mut outer = reader.sequence(WHAT)?;
        reader.finish(WHAT)?;
        let status = outer.expect(Tag::Enumerated, "responseStatus")?;
        let [status] = status.content() else {
            return Err(der::Error::InvalidValue { what: "responseStatus" });
        };
        let bytes = outer.optional(explicit(0), "responseBytes")?;
        outer.finish(WHAT)?;
        if *status != 0 {
            let refusal = OcspRefusal::ALL.into_iter().find(|refusal| refusal.number() == *status);
            return match (refusal, bytes) {
                (Some(refusal), None) => Ok(Self::Refused(refusal)),
                (Some(_), Some(_)) => Err(der::Error::InvalidValue { what: "responseBytes" }),
                (None, _) => Err(der::Error::InvalidValue { what: "responseStatus" }),
            };
        }
        let bytes = bytes.ok_or(der::Error::Missing { what: "responseBytes" })?;
        let mut inside = bytes.inside();
        let mut inner = inside.sequence("responseBytes")?;
        inside.finish("responseBytes")?;
        if inner.oid("responseType")? != BASIC {
            return Err(der::Error::InvalidValue { what: "responseType" });
        }
        let response = inner.octet_string("response")?;
        inner.finish("responseBytes")?;
        Ok(Self::Successful(Box::new(BasicResponse::parse(response)?)))
    }
}

impl<'a> BasicResponse<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as RFC 6960 4.2.1 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "BasicOCSPResponse";
        let raw = der::reader::only(der, WHAT)?;
        if raw.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: raw.tag() });
        }
        let mut outer = raw.inside();
        let tbs = outer.expect(Tag::Sequence, "tbsResponseData")?;
        let signature_algorithm = AlgorithmIdentifier::read(&mut outer, "signatureAlgorithm")?;
        let signature = outer.bit_string("signature")?;
        let certificates = certificates(&mut outer)?;
        outer.finish(WHAT)?;

        let mut inner = tbs.inside();
        version(&mut inner)?;
        let responder = ResponderId::read(&mut inner)?;
        let produced_at = inner.generalized_time("producedAt")?;
        let responses = read_responses(inner.sequence("responses")?)?;
        let extensions = extensions(&mut inner, 1, "responseExtensions")?;
        inner.finish("tbsResponseData")?;
        Ok(Self {
            raw: raw.raw(),
            tbs: tbs.raw(),
            responder,
            produced_at,
            responses,
            nonce: nonce(&extensions)?,
            extensions,
            signature_algorithm,
            signature,
            certificates,
        })
    }

    /// The first critical extension, of the response or of an answer, that RFC 6960 does not know.
    #[must_use]
    pub fn unknown_critical(&self) -> Option<ObjectIdentifier> {
        const KNOWN: [ObjectIdentifier; 7] = [
            NONCE,
            EXTENDED_REVOKE,
            ARCHIVE_CUTOFF,
            CRL_REFERENCE,
            REASON_CODE,
            INVALIDITY_DATE,
            HOLD_INSTRUCTION_CODE,
        ];
        let singles = self.responses.iter().flat_map(|response| &response.extensions);
        let mut all = self.extensions.iter().chain(singles);
        all.find(|extension| extension.critical && !KNOWN.contains(&extension.oid)).map(|extension| extension.oid)
    }
}

impl<'a> ResponderId<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "responderID";
        let value = reader.value(WHAT)?;
        let mut inside = value.inside();
        let read = match value.tag() {
            tag if tag == explicit(1) => Self::Name(Name::read(&mut inside, WHAT)?),
            tag if tag == explicit(2) => Self::Key(inside.octet_string(WHAT)?),
            _ => return Err(der::Error::InvalidValue { what: WHAT }),
        };
        inside.finish(WHAT)?;
        match read {
            // KeyHash ::= OCTET STRING -- SHA-1 hash of responder's public key.
            Self::Key(hash) if hash.len() != 20 => Err(der::Error::InvalidValue { what: WHAT }),
            _ => Ok(read),
        }
    }
}

fn read_responses(mut list: Reader<'_>) -> Result<Vec<SingleResponse<'_>>, der::Error> {
    const WHAT: &str = "responses";
    if list.is_empty() {
        return Err(der::Error::Missing { what: WHAT });
    }
    let mut responses = Vec::with_capacity(1);
    while !list.is_empty() {
        if responses.len() >= MAX_SINGLES {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_SINGLES });
        }
        responses.push(SingleResponse::read(list.sequence("SingleResponse")?)?);
    }
    Ok(responses)
}

impl<'a> SingleResponse<'a> {
    fn read(mut inner: Reader<'a>) -> Result<Self, der::Error> {
        let cert_id = CertId::read(&mut inner)?;
        let status = CertificateStatus::read(&mut inner)?;
        let this_update = inner.generalized_time("thisUpdate")?;
        let next_update = match inner.optional(explicit(0), "nextUpdate")? {
            Some(value) => Some(moment_in(value.inside(), "nextUpdate")?),
            None => None,
        };
        let extensions = extensions(&mut inner, 1, "singleExtensions")?;
        inner.finish("SingleResponse")?;
        let moment =
            |oid, what| value_of(&extensions, oid).map(|value| moment_in(Reader::new(value), what)).transpose();
        Ok(Self {
            cert_id,
            status,
            this_update,
            next_update,
            archive_cutoff: moment(ARCHIVE_CUTOFF, "archiveCutoff")?,
            invalidity_date: moment(INVALIDITY_DATE, "invalidityDate")?,
            extensions,
        })
    }
}

fn moment_in(mut reader: Reader<'_>, what: &'static str) -> Result<Timestamp, der::Error> {
    let moment = reader.generalized_time(what)?;
    reader.finish(what)?;
    Ok(moment)
}

impl CertificateStatus {
    fn read(reader: &mut Reader<'_>) -> Result<Self, der::Error> {
        const WHAT: &str = "certStatus";
        let primitive = |number| Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(number) };
        let value = reader.value(WHAT)?;
        match value.tag() {
            tag if tag == primitive(0) && value.content().is_empty() => Ok(Self::Good),
            tag if tag == primitive(2) && value.content().is_empty() => Ok(Self::Unknown),
            tag if tag == explicit(1) => {
                let mut inner = value.inside();
                let since = inner.generalized_time("revocationTime")?;
                let reason = match inner.optional(explicit(0), "revocationReason")? {
                    Some(value) => {
                        let mut inside = value.inside();
                        let reason = RevocationReason::read(&mut inside, "revocationReason")?;
                        inside.finish("revocationReason")?;
                        Some(reason)
                    }
                    None => None,
                };
                inner.finish(WHAT)?;
                Ok(Self::Revoked { since, reason })
            }
            _ => Err(der::Error::InvalidValue { what: WHAT }),
        }
    }

    fn write(self, writer: &mut Writer) {
        match self {
            Self::Good => writer.context_primitive(0, &[]),
            Self::Unknown => writer.context_primitive(2, &[]),
            Self::Revoked { since, reason } => writer.context(1, |revoked| {
                revoked.generalized_time(since);
                if let Some(reason) = reason.filter(|reason| *reason != RevocationReason::Unspecified) {
                    revoked.context(0, |explicit| {
                        explicit.enumerated(reason.number());
                    });
                }
            }),
        };
    }
}

/// One answer of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSingleResponse<'a> {
    /// The CertID of the question, as it was asked.
    pub cert_id: &'a [u8],
    /// `certStatus`.
    pub status: CertificateStatus,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`; RFC 5019 2.2.4 demands one.
    pub next_update: Option<Timestamp>,
    /// `archiveCutoff`.
    pub archive_cutoff: Option<Timestamp>,
    /// `invalidityDate`.
    pub invalidity_date: Option<Timestamp>,
}

impl NewSingleResponse<'_> {
    fn write(&self, writer: &mut Writer) {
        writer.sequence(|single| {
            single.raw(self.cert_id);
            self.status.write(single);
            single.generalized_time(self.this_update);
            if let Some(moment) = self.next_update {
                single.context(0, |explicit| {
                    explicit.generalized_time(moment);
                });
            }
            let moments = [(ARCHIVE_CUTOFF, self.archive_cutoff), (INVALIDITY_DATE, self.invalidity_date)];
            if moments.iter().any(|(_, moment)| moment.is_some()) {
                single.context(1, |outer| {
                    outer.sequence(|list| {
                        for (oid, moment) in moments.into_iter().filter_map(|(oid, moment)| Some((oid, moment?))) {
                            list.sequence(|extension| {
                                extension.oid(oid).octets_of(|value| {
                                    value.generalized_time(moment);
                                });
                            });
                        }
                    });
                });
            }
        });
    }
}

/// A response of ours, before its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewBasicResponse<'a> {
    /// `responderID`.
    pub responder: ResponderId<'a>,
    /// `producedAt`.
    pub produced_at: Timestamp,
    /// `responses`.
    pub responses: &'a [NewSingleResponse<'a>],
    /// The nonce of the request, given back.
    pub nonce: Option<&'a [u8]>,
}

impl NewBasicResponse<'_> {
    /// The DER of `tbsResponseData`: the bytes to sign.
    #[must_use]
    pub fn to_tbs(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            match self.responder {
                ResponderId::Name(name) => tbs.context(1, |explicit| {
                    explicit.raw(name.raw());
                }),
                ResponderId::Key(hash) => tbs.context(2, |explicit| {
                    explicit.octet_string(hash);
                }),
            };
            tbs.generalized_time(self.produced_at);
            tbs.sequence(|list| self.responses.iter().for_each(|single| single.write(list)));
            if let Some(nonce) = self.nonce {
                tbs.context(1, |outer| {
                    outer.sequence(|list| {
                        list.sequence(|extension| {
                            extension.oid(NONCE).octets_of(|value| {
                                value.octet_string(nonce);
                            });
                        });
                    });
                });
            }
        });
        writer.into_bytes()
    }

    /// The whole OCSPResponse from its signed part, the encoded signature value, and certificates that help to check it.
    #[must_use]
    pub fn assemble(
        tbs: &[u8],
        signature_algorithm: ObjectIdentifier,
        signature: &[u8],
        certificates: &[&[u8]],
    ) -> Vec<u8> {
        let room = certificates.iter().map(|der| der.len()).sum::<usize>();
        let mut writer = Writer::with_capacity(tbs.len().saturating_add(signature.len()).saturating_add(room + 128));
        writer.sequence(|response| {
            response.enumerated(0).context(0, |explicit| {
                explicit.sequence(|bytes| {
                    bytes.oid(BASIC).octets_of(|octets| {
                        octets.sequence(|basic| {
                            basic.raw(tbs);
                            write_signature_algorithm(basic, signature_algorithm);
                            basic.bit_string(signature);
                            if !certificates.is_empty() {
                                basic.context(0, |outer| {
                                    outer.sequence(|list| {
                                        for der in certificates {
                                            list.raw(der);
                                        }
                                    });
                                });
                            }
                        });
                    });
                });
            });
        });
        writer.into_bytes()
    }
}

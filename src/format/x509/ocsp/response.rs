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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::extension::NewExtension;
    use crate::format::x509::name::NewName;
    use crate::format::x509::ocsp::{MAX_NONCE, NewCertId, NewOcspRequest, OcspRequest};

    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
    const SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");
    const MOMENT: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn cert_id(serial: &[u8]) -> Vec<u8> {
        let hash = [3; 32];
        NewCertId { hash_algorithm: SM3, issuer_name_hash: &hash, issuer_key_hash: &hash, serial }.to_der()
    }

    fn single(cert_id: &[u8], status: CertificateStatus) -> NewSingleResponse<'_> {
        NewSingleResponse {
            cert_id,
            status,
            this_update: MOMENT,
            next_update: Some(MOMENT.plus_days(1)),
            archive_cutoff: None,
            invalidity_date: None,
        }
    }

    /// A response around this `tbsResponseData`.
    fn around(tbs: &[u8]) -> Vec<u8> {
        NewBasicResponse::assemble(tbs, OID, &[9; 64], &[])
    }

    /// `tbsResponseData` with this much put in its places.
    fn tbs(head: &[u8], status: &[u8], response_extensions: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.raw(head).generalized_time(MOMENT).sequence(|list| {
                list.sequence(|single| {
                    single.raw(&cert_id(&[1])).raw(status).generalized_time(MOMENT);
                });
            });
            tbs.raw(response_extensions);
        });
        writer.into_bytes()
    }

    const BY_KEY: [u8; 24] = [0xa2, 22, 4, 20, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    const GOOD: [u8; 2] = [0x80, 0];

    fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.context(1, |outer| {
            outer.sequence(|list| NewExtension { oid, critical, value: value.to_vec() }.write(list));
        });
        writer.into_bytes()
    }

    #[test]
    fn what_is_written_is_read() {
        let name = NewName { organisation: "示例".into(), common_name: "OCSP".into() }.to_der();
        let ids = [cert_id(&[0x91]), cert_id(&[2]), cert_id(&[3])];
        let reason = Some(RevocationReason::CertificateHold);
        let revoked = CertificateStatus::Revoked { since: MOMENT.plus_days(-1), reason };
        let full = NewSingleResponse {
            next_update: None,
            archive_cutoff: Some(MOMENT.plus_days(-400)),
            invalidity_date: Some(MOMENT.plus_days(-2)),
            ..single(&ids[1], revoked)
        };
        let responses = [single(&ids[0], CertificateStatus::Good), full, single(&ids[2], CertificateStatus::Unknown)];
        let certificate = [0x30, 3, 2, 1, 7];
        for responder in [ResponderId::Name(Name::parse(&name, "x").unwrap()), ResponderId::Key(&[1; 20])] {
            let new = NewBasicResponse { responder, produced_at: MOMENT, responses: &responses, nonce: Some(&[8; 32]) };
            let tbs = new.to_tbs();
            let der = NewBasicResponse::assemble(&tbs, OID, &[9; 64], &[&certificate]);
            let OcspResponse::Successful(read) = OcspResponse::parse(&der).unwrap() else { panic!("refused") };
            assert_eq!((read.tbs, read.responder, read.produced_at), (&tbs[..], responder, MOMENT));
            assert_eq!((read.nonce, read.signature), (Some(&[8; 32][..]), &[9; 64][..]));
            assert_eq!(read.certificates, [&certificate[..]]);
            assert_eq!(read.unknown_critical(), None);
            assert_eq!(read.responses.len(), 3);
            for (read, (new, id)) in read.responses.iter().zip(responses.iter().zip(&ids)) {
                assert_eq!((read.cert_id.raw, read.status), (&id[..], new.status));
                assert_eq!((read.this_update, read.next_update), (new.this_update, new.next_update));
                assert_eq!((read.archive_cutoff, read.invalidity_date), (new.archive_cutoff, new.invalidity_date));
            }
            assert_eq!(read.responses[0].cert_id.serial, [0, 0x91]);
            assert_eq!(read.responses[0].cert_id.hash_algorithm.oid, SM3);
        }
        for refusal in OcspRefusal::ALL {
            assert_eq!(OcspResponse::parse(&refusal.to_der()), Ok(OcspResponse::Refused(refusal)));
        }
    }

    #[test]
    fn malformed_responses_are_refused_exactly() {
        let invalid = |what| der::Error::InvalidValue { what };
        let nonce = |octets: usize| {
            let mut value = Writer::new();
            value.octet_string(&vec![1; octets]);
            extension(NONCE, false, &value.into_bytes())
        };
        let with = |head: &[u8], status: &[u8], extensions: &[u8]| around(&tbs(head, status, extensions));
        let version = [&[0xa0, 3, 2, 1, 1][..], &BY_KEY].concat();
        let v1 = [&[0xa0, 3, 2, 1, 0][..], &BY_KEY].concat();
        let short_hash = [0xa2, 3, 4, 1, 1];
        let twice = [&nonce(32)[4..], &nonce(32)[4..]].concat();
        let twice =
            [&[0xa1, u8::try_from(twice.len() + 2).unwrap(), 0x30, u8::try_from(twice.len()).unwrap()][..], &twice]
                .concat();
        let mut no_answers = Writer::new();
        no_answers.sequence(|tbs| {
            tbs.raw(&BY_KEY).generalized_time(MOMENT).sequence(|_| {});
        });
        let cases: [(Vec<u8>, der::Error); 17] = [
            (vec![0x30, 3, 10, 1, 0], der::Error::Missing { what: "responseBytes" }),
            (vec![0x30, 3, 10, 1, 4], invalid("responseStatus")),
            (vec![0x30, 3, 10, 1, 7], invalid("responseStatus")),
            (vec![0x30, 7, 10, 1, 3, 0xa0, 2, 5, 0], invalid("responseBytes")),
            (
                vec![0x30, 3, 2, 1, 0],
                der::Error::UnexpectedTag { what: "responseStatus", expected: Tag::Enumerated, found: Tag::Integer },
            ),
            (vec![0x30, 9, 10, 1, 0, 0xa0, 4, 0x30, 2, 6, 0], invalid("responseType")),
            (vec![0x30, 11, 10, 1, 0, 0xa0, 6, 0x30, 4, 6, 2, 0x2a, 3], invalid("responseType")),
            (with(&version, &GOOD, &[]), invalid("version")),
            (with(&short_hash, &GOOD, &[]), invalid("responderID")),
            (with(&[0xa3, 2, 5, 0], &GOOD, &[]), invalid("responderID")),
            (with(&BY_KEY, &[0x80, 1, 0], &[]), invalid("certStatus")),
            (with(&BY_KEY, &[0x83, 0], &[]), invalid("certStatus")),
            (with(&BY_KEY, &GOOD, &nonce(0)), invalid("nonce")),
            (with(&BY_KEY, &GOOD, &nonce(MAX_NONCE + 1)), invalid("nonce")),
            (with(&BY_KEY, &GOOD, &twice), invalid("responseExtensions")),
            (around(&no_answers.into_bytes()), der::Error::Missing { what: "responses" }),
            ([with(&BY_KEY, &GOOD, &[]), vec![0]].concat(), der::Error::TrailingBytes { what: "OCSPResponse" }),
        ];
        for (index, (der, expected)) in cases.into_iter().enumerate() {
            assert_eq!(OcspResponse::parse(&der), Err(expected), "case {index}");
        }
        for (head, extensions) in [(&v1[..], nonce(1)), (&BY_KEY, nonce(MAX_NONCE))] {
            assert!(matches!(OcspResponse::parse(&with(head, &GOOD, &extensions)), Ok(OcspResponse::Successful(_))));
        }
        let strange = ObjectIdentifier::new_unwrap("1.2.3.4");
        for critical in [false, true] {
            let der = with(&BY_KEY, &GOOD, &extension(strange, critical, &[5, 0]));
            let OcspResponse::Successful(read) = OcspResponse::parse(&der).unwrap() else { panic!("refused") };
            assert_eq!(read.unknown_critical(), critical.then_some(strange));
        }
    }

    #[test]
    fn requests_are_written_and_read() {
        let ids = [cert_id(&[1]), cert_id(&[0xff, 1])];
        let ids: Vec<_> = ids.iter().map(Vec::as_slice).collect();
        let new = NewOcspRequest { cert_ids: &ids, nonce: Some(&[4; 32]), acceptable_responses: &[BASIC] };
        let der = new.to_der();
        let read = OcspRequest::parse(&der).unwrap();
        assert_eq!((read.raw, read.nonce, read.requestor), (&der[..], Some(&[4; 32][..]), None));
        assert_eq!(read.acceptable_responses, Some(vec![BASIC]));
        assert_eq!(read.requests.iter().map(|request| request.cert_id.raw).collect::<Vec<_>>(), ids);
        assert_eq!((read.signature, read.extensions.len()), (None, 2));
        let plain = NewOcspRequest { cert_ids: &ids[..1], nonce: None, acceptable_responses: &[] }.to_der();
        let plain = OcspRequest::parse(&plain).unwrap();
        assert_eq!((plain.nonce, plain.acceptable_responses, plain.extensions.len()), (None, None, 0));
    }

    #[test]
    fn signed_requests_and_their_senders_are_read() {
        let id = cert_id(&[1]);
        let name = NewName { organisation: "示例".into(), common_name: "client".into() }.to_der();
        let mut writer = Writer::new();
        let mut tbs = Writer::new();
        tbs.sequence(|tbs| {
            tbs.context(1, |explicit| {
                explicit.context(4, |directory| {
                    directory.raw(&name);
                });
            });
            tbs.sequence(|list| {
                list.sequence(|request| {
                    request.raw(&id);
                });
            });
        });
        let tbs = tbs.into_bytes();
        writer.sequence(|request| {
            request.raw(&tbs).context(0, |explicit| {
                explicit.sequence(|signature| {
                    write_signature_algorithm(signature, OID);
                    signature.bit_string(&[7; 8]).context(0, |outer| {
                        outer.sequence(|certificates| {
                            certificates.raw(&[0x30, 0]);
                        });
                    });
                });
            });
        });
        let der = writer.into_bytes();
        let read = OcspRequest::parse(&der).unwrap();
        assert_eq!(read.tbs, tbs);
        assert!(matches!(read.requestor, Some(crate::format::x509::GeneralName::Directory(by)) if by.raw() == name));
        let signature = read.signature.unwrap();
        assert_eq!((signature.algorithm.oid, signature.value), (OID, &[7; 8][..]));
        assert_eq!(signature.certificates, [&[0x30, 0][..]]);
        // And without a question.
        let refused = OcspRequest::parse(&[0x30, 4, 0x30, 2, 0x30, 0]);
        assert_eq!(refused, Err(der::Error::Missing { what: "requestList" }));
        assert_eq!(
            OcspRequest::parse(&[der, vec![0]].concat()),
            Err(der::Error::TrailingBytes { what: "OCSPRequest" })
        );
    }

    proptest::proptest! {
        #[test]
        fn every_answer_comes_back(
            serials in proptest::collection::vec(proptest::collection::vec(1_u8.., 1..20), 1..6),
            kind in 0_usize..12,
            seconds in 0_i64..4_000_000_000,
            nonce in proptest::option::of(proptest::collection::vec(0_u8.., 1..=MAX_NONCE)),
        ) {
            let since = Timestamp::from_unix(seconds);
            let status = match kind {
                0 => CertificateStatus::Good,
                1 => CertificateStatus::Unknown,
                2 => CertificateStatus::Revoked { since, reason: None },
                other => CertificateStatus::Revoked { since, reason: RevocationReason::ALL.get(other - 2).copied() },
            };
            let ids: Vec<_> = serials.iter().map(|serial| cert_id(serial)).collect();
            let singles: Vec<_> = ids.iter().map(|id| single(id, status)).collect();
            let new = NewBasicResponse {
                responder: ResponderId::Key(&[1; 20]),
                produced_at: since,
                responses: &singles,
                nonce: nonce.as_deref(),
            };
            let der = around(&new.to_tbs());
            let OcspResponse::Successful(read) = OcspResponse::parse(&der).unwrap() else { panic!("refused") };
            proptest::prop_assert_eq!(read.nonce, nonce.as_deref());
            proptest::prop_assert_eq!(read.produced_at, since);
            let read: Vec<_> = read.responses.iter().map(|single| (single.cert_id.raw.to_vec(), single.status)).collect();
            let written: Vec<_> = ids.into_iter().map(|id| (id, status)).collect();
            proptest::prop_assert_eq!(read, written);
        }
    }
}

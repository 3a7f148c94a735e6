//! Signed messages around somebody's content, one way for all forms: CMS, CAdES, GB/T 35275, JWS, OFD of type Sign.
//!
//! The order: [`prepare`] decides all that is signed, the key signs [`MessageToken::to_sign`], [`MessageToken::value`] checks
//! the value, a time stamp may be taken over [`MessageValue::octets`], [`MessageValue::assemble`] joins.
//!
//! What is signed is never the caller's octets alone: always a SET OF attributes (RFC 5652 5.4) or a protected header with
//! what follows it (RFC 7515 5.1), both written here. So a digest that somebody hands in lands in `messageDigest`, or in `sigD`,
//! and no value that a key gives here is the value of something else.

mod cms;
pub mod jws;
mod ofd_sign;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::digest;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::key::{encode_value, public_key};
use crate::format::cms::Family;
use crate::format::ofd;
use crate::format::ofd::signing::PreparedSignature;
use crate::format::tsp::TimeStampToken;
use crate::format::x509::Certificate;

/// In which form a content is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// SignedData with the identifiers of RFC 5652, whatever the key; of attributes those that RFC 5652 11 asks for, and the time.
    Cms,
    /// CAdES-B (ETSI EN 319 122-1 6.3): the certificate is named inside the signature (RFC 5035). With SM2 the identifiers are
    /// those of GB/T 35275.
    CadesB,
    /// CAdES-T: the same, with a time stamp over the value (ETSI EN 319 122-1 5.3).
    CadesT,
    /// SignedData with the identifiers of GB/T 35275, for SM2 alone; attributes as [`Form::Cms`].
    Gbt35275,
    /// JSON Web Signature, compact (RFC 7515 7.1).
    Jws,
    /// JSON Web Signature, flattened JSON (RFC 7515 7.2.2).
    JwsJson,
    /// A document of GB/T 33190 with a signature of type Sign over every part of it (18.1).
    OfdSign,
}

/// Whether a form carries a time stamp over its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStamping {
    /// It is not this form without one.
    Needed,
    /// With one or without.
    Possible,
    /// It has no place for one, or would be another form with one.
    Impossible,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 7] =
        [Self::Cms, Self::CadesB, Self::CadesT, Self::Gbt35275, Self::Jws, Self::JwsJson, Self::OfdSign];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cms => "cms",
            Self::CadesB => "cades-b",
            Self::CadesT => "cades-t",
            Self::Gbt35275 => "gbt35275",
            Self::Jws => "jws",
            Self::JwsJson => "jws-json",
            Self::OfdSign => "ofd-sign",
        }
    }

    /// The form of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// Whether it carries a time stamp. JAdES has a place for one (`etsiU`), which is not written here.
    #[must_use]
    pub const fn time_stamping(self) -> TimeStamping {
        match self {
            Self::CadesT => TimeStamping::Needed,
            Self::Cms | Self::Gbt35275 | Self::OfdSign => TimeStamping::Possible,
            Self::CadesB | Self::Jws | Self::JwsJson => TimeStamping::Impossible,
        }
    }
}

/// What is signed, and where it is afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Octets that the message holds. For [`Form::OfdSign`]: the document.
    Attached(&'a [u8]),
    /// Octets that stay beside the message.
    Detached(&'a [u8]),
    /// Octets beside the message of which the digest alone is at hand.
    Digest(ContentDigest<'a>),
}

/// The digest of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest<'a> {
    /// By which algorithm. SignedData takes the one that belongs to the key's algorithm.
    pub algorithm: DigestAlgorithm,
    /// Its octets.
    pub value: &'a [u8],
    /// How the content is called, a URI reference: a JWS needs it, SignedData has no place for it.
    pub uri: Option<&'a str>,
}

/// What somebody wants to have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<'a> {
    /// In which form.
    pub form: Form,
    /// What.
    pub content: Content<'a>,
    /// [`Form::OfdSign`]: whether nothing may be added to the document afterwards. Other forms have no such thing.
    pub lock: bool,
}

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub struct Signatory<'a> {
    /// Its certificate, DER.
    pub certificate: &'a [u8],
    /// Those above it that go along, DER; not the root.
    pub chain: &'a [Vec<u8>],
    /// How its key signs.
    pub algorithm: SignatureAlgorithm,
}

/// Why a content is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate cannot be read, is not for signing, or is of another key.
    #[error("the certificate of the key is unusable")]
    Certificate,
    /// The certificate is not valid now.
    #[error("the certificate of the key is valid from {start} to {end} only")]
    NotValid {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The form has no name for the key's algorithm.
    #[error("{form} has no name for {algorithm}")]
    FormUnfitForKey {
        /// The form.
        form: &'static str,
        /// The key's algorithm.
        algorithm: &'static str,
    },
    /// The form always holds what it signs.
    #[error("{form} holds what it signs: nothing of it stays beside")]
    ContentBeside {
        /// The form.
        form: &'static str,
    },
    /// The form needs more than the digest.
    #[error("a digest is not enough for {form}: {cure}")]
    DigestNotEnough {
        /// The form.
        form: &'static str,
        /// What helps.
        cure: &'static str,
    },
    /// The digest is of another algorithm than the message needs.
    #[error("the digest is {given}, and the message needs {needed}")]
    DigestOfAnotherAlgorithm {
        /// The one handed in.
        given: &'static str,
        /// Those that will do.
        needed: &'static str,
    },
    /// The digest does not have the length of its algorithm.
    #[error("a digest of {algorithm} has {expected} octets, not {length}")]
    DigestLength {
        /// The algorithm.
        algorithm: &'static str,
        /// Its length.
        expected: usize,
        /// What was handed in.
        length: usize,
    },
    /// The content's name is no URI reference.
    #[error("the name of the content is no URI reference of 1 to {limit} characters (RFC 3986 4.1)")]
    ContentName {
        /// How long it may be.
        limit: usize,
    },
    /// The document cannot be read, or does not take the signature.
    #[error("the document cannot be signed")]
    Document(#[from] ofd::Error),
    /// What came back from the key store is not the key's signature.
    #[error("the signature is not the key's over this message")]
    Signature,
    /// The form is nothing without a time stamp.
    #[error("{form} is nothing without a time stamp")]
    TimeStampMissing {
        /// The form.
        form: &'static str,
    },
    /// The form carries no time stamp.
    #[error("{form} carries no time stamp")]
    FormUnfitForTimeStamp {
        /// The form.
        form: &'static str,
    },
    /// The form has nothing that could be locked.
    #[error("{form} has nothing that could be locked")]
    FormUnfitForLock {
        /// The form.
        form: &'static str,
    },
    /// The time stamp cannot be read, or is over something else than the value.
    #[error("the time stamp is not one over the signature's value")]
    TimeStampOfAnother,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate => "message-certificate-unusable",
            Self::NotValid { .. } => "message-certificate-outside-validity",
            Self::FormUnfitForKey { .. } => "form-unfit-for-key",
            Self::ContentBeside { .. } => "form-holds-content",
            Self::DigestNotEnough { .. } => "digest-not-enough",
            Self::DigestOfAnotherAlgorithm { .. } => "digest-of-another-algorithm",
            Self::DigestLength { .. } => "digest-length",
            Self::ContentName { .. } => "content-name",
            Self::Document(error) => error.code(),
            Self::Signature => "message-not-signed",
            Self::TimeStampMissing { .. } => "time-stamp-missing",
            Self::FormUnfitForTimeStamp { .. } => "form-unfit-for-time-stamp",
            Self::FormUnfitForLock { .. } => "form-unfit-for-lock",
            Self::TimeStampOfAnother => "time-stamp-of-another",
        }
    }
}

/// A message that lacks only the signature's value.
#[derive(Debug)]
pub struct MessageToken<'a> {
    form: Form,
    to_sign: Vec<u8>,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    around: Around<'a>,
}

#[derive(Debug)]
enum Around<'a> {
    SignedData(cms::Draft<'a>),
    Jws(jws::Draft),
    Document { prepared: Box<PreparedSignature>, draft: cms::Draft<'a> },
}

/// Decides everything about the message but the signature's value.
///
/// # Errors
/// The certificate does not allow it now, or the form does not go with the key or with the content; nothing is signed.
pub fn prepare<'a>(
    order: &Order<'a>,
    signatory: Signatory<'a>,
    now: Timestamp,
    limits: &Limits,
) -> Result<MessageToken<'a>, Error> {
    let (form, algorithm) = (order.form, signatory.algorithm);
    let certificate = Certificate::parse(signatory.certificate).map_err(|_| Error::Certificate)?;
    let key = public_key(&certificate.public_key).filter(|key| key.signs_with(algorithm)).ok_or(Error::Certificate)?;
    if !certificate.allows_signing() {
        return Err(Error::Certificate);
    }
    if now < certificate.not_before || now > certificate.not_after {
        return Err(Error::NotValid { start: certificate.not_before, end: certificate.not_after });
    }
    let signer = Signer { form, algorithm, certificate, chain: signatory.chain, now };
    let (to_sign, around) = match form {
        Form::Cms | Form::CadesB | Form::CadesT | Form::Gbt35275 => {
            let draft = cms::Draft::of(&signer, order.content)?;
            (draft.to_sign(), Around::SignedData(draft))
        }
        Form::Jws | Form::JwsJson => {
            let (draft, to_sign) = jws::Draft::of(&signer, &key, order.content)?;
            (to_sign, Around::Jws(draft))
        }
        Form::OfdSign => {
            let (prepared, draft) = ofd_sign::prepare(&signer, order, limits)?;
            (draft.to_sign(), Around::Document { prepared, draft })
        }
    };
    Ok(MessageToken { form, to_sign, key, algorithm, around })
}

/// Who signs, once the certificate has been looked at.
struct Signer<'a> {
    form: Form,
    algorithm: SignatureAlgorithm,
    certificate: Certificate<'a>,
    chain: &'a [Vec<u8>],
    now: Timestamp,
}

impl<'a> Signer<'a> {
    /// The certificate, then those above it.
    fn certificates(&self) -> Vec<&'a [u8]> {
        std::iter::once(self.certificate.raw).chain(self.chain.iter().map(Vec::as_slice)).collect()
    }

    fn unfit(&self) -> Error {
        Error::FormUnfitForKey { form: self.form.name(), algorithm: self.algorithm.name() }
    }

    /// Which identifiers go with form and key.
    fn family(&self) -> Result<Family, Error> {
        let sm2 = self.algorithm == SignatureAlgorithm::Sm2Sm3;
        match self.form {
            Form::Cms => Ok(Family::Cms),
            Form::Gbt35275 if !sm2 => Err(self.unfit()),
            _ if sm2 => Ok(Family::Gm),
            _ => Ok(Family::Cms),
        }
    }
}

impl ContentDigest<'_> {
    fn check_length(&self) -> Result<(), Error> {
        let (expected, length) = (self.algorithm.size(), self.value.len());
        let algorithm = self.algorithm.name();
        if length == expected { Ok(()) } else { Err(Error::DigestLength { algorithm, expected, length }) }
    }
}

impl<'a> MessageToken<'a> {
    /// The bytes to sign.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Takes the value of fixed width that the key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing leaves.
    pub fn value(self, value: &[u8], tables: &KeyTables) -> Result<MessageValue<'a>, Error> {
        let Self { form, to_sign, key, algorithm, around } = self;
        if !key.verify_by(tables, algorithm, &to_sign, value) {
            return Err(Error::Signature);
        }
        let value = match around {
            Around::Jws(_) => value.to_vec(),
            Around::SignedData(_) | Around::Document { .. } => encode_value(algorithm, value),
        };
        Ok(MessageValue { form, to_sign, around, value })
    }
}

/// A message whose value is right.
#[derive(Debug)]
pub struct MessageValue<'a> {
    form: Form,
    to_sign: Vec<u8>,
    around: Around<'a>,
    value: Vec<u8>,
}

impl MessageValue<'_> {
    /// The octets that a time stamp is over: the value as the message carries it (ETSI EN 319 122-1 5.3).
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.value
    }

    /// The message, with the token of a time stamp over the value where there is one. That the token is over this value is
    /// checked; whose it is, and whether it is right, is not: that is `domain::stamp`'s.
    ///
    /// # Errors
    /// [`Error::TimeStampMissing`], [`Error::FormUnfitForTimeStamp`], [`Error::TimeStampOfAnother`]; the package cannot be written.
    pub fn assemble(self, time_stamp: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let form = self.form.name();
        match (self.form.time_stamping(), time_stamp) {
            (TimeStamping::Needed, None) => return Err(Error::TimeStampMissing { form }),
            (TimeStamping::Impossible, Some(_)) => return Err(Error::FormUnfitForTimeStamp { form }),
            (_, Some(token)) if !is_over(token, &self.value) => return Err(Error::TimeStampOfAnother),
            _ => {}
        }
        Ok(match self.around {
            Around::SignedData(draft) => draft.to_der(&self.value, time_stamp),
            Around::Jws(draft) => draft.assemble(self.to_sign, &self.value),
            Around::Document { prepared, draft } => prepared.finish(&draft.to_der(&self.value, time_stamp))?,
        })
    }
}

/// Whether the token is over that value, by its own word.
fn is_over(token: &[u8], value: &[u8]) -> bool {
    TimeStampToken::parse(token).is_ok_and(|token| {
        let imprint = &token.info.imprint;
        DigestAlgorithm::from_oid(imprint.algorithm.oid).is_some_and(|kind| digest(kind, value) == imprint.digest)
    })
}

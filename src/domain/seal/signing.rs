//! Using a seal (签章): `prepare` writes everything but the value, the signer's key signs, `assemble` checks and joins.
//!
//! The new signature never touches a part that an earlier one protects: `format::ofd::signing` refuses it.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{digest, digest_many};
use crate::domain::seal::stamp_plan::{StampPlan, stamps};
use crate::domain::seal::taking::lists;
use crate::domain::trust::key::{encode_value, public_key};
use crate::format::der::time::to_generalized;
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, Package, PageBox};
use crate::format::ofd::signing::{NewSealPart, NewSignature as NewOfdSignature, PreparedSignature, prepare_signature};
use crate::format::ses::{self, Layout, NewSignature, SesSeal};
use crate::format::x509::Certificate;

/// One stamp at one point; a [`StampPlan`] says more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The page, from 1.
    pub page: u32,
    /// The stamp's left edge from the page's left edge, millimetres.
    pub x_mm: f64,
    /// The stamp's upper edge from the page's upper edge, millimetres.
    pub y_mm: f64,
    /// Whether Signatures.xml is protected too, so that no further signature can follow.
    pub lock: bool,
}

/// Why a document is not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document cannot be read, or cannot take another signature.
    #[error(transparent)]
    Document(#[from] ofd::Error),
    /// The page does not exist.
    #[error("there is no page {page}: the document has {pages}")]
    PageUnknown {
        /// Asked for.
        page: u32,
        /// How many there are.
        pages: usize,
    },
    /// The stamp would lie outside of its page.
    #[error("a stamp of {width} by {height} mm at {place} mm lies outside of the page of {page} mm")]
    StampOutside {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// Where it would lie.
        place: String,
        /// The page's size.
        page: String,
    },
    /// The choice of pages names none of the document.
    #[error("none of the {pages} pages is chosen")]
    NoPage {
        /// How many there are.
        pages: usize,
    },
    /// A stamp over the seam of one page.
    #[error("a stamp over the seam needs two pages")]
    SeamOfOnePage,
    /// Strips of the stamp that nobody could see.
    #[error(
        "{millimetres} mm of stamp over {pages} pages leave each a strip that is too thin: let a stamp span fewer sheets"
    )]
    SeamTooThin {
        /// Over how many pages.
        pages: usize,
        /// The stamp, across the edge.
        millimetres: u32,
    },
    /// The keyword does not stand on those pages, or not so often.
    #[error("the keyword does not stand on these pages, or not so often")]
    KeywordAbsent,
    /// The document has no such field, or none with a place.
    #[error("the document has no field of that name that has a place on a page")]
    FieldAbsent,
    /// More stamps than one signature may have.
    #[error("one signature has at most {limit} stamps")]
    TooManyStamps {
        /// The bound.
        limit: usize,
    },
    /// A page with more letters than are searched.
    #[error("a page has more than {limit} letters, too many to look for a keyword")]
    TooManyLetters {
        /// The bound.
        limit: usize,
    },
    /// Our own seal cannot be read.
    #[error("the seal cannot be read")]
    Seal(#[from] ses::Error),
    /// The signer's certificate cannot be read, is not for signing, or is of another key.
    #[error("the signer's certificate is unusable")]
    Certificate,
    /// The seal does not list the signer.
    #[error("the seal does not list the signer's certificate")]
    NotListed,
    /// The seal is not valid now.
    #[error("the seal is valid from {start} to {end} only")]
    SealNotValid {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The signer's certificate is not valid now.
    #[error("the signer's certificate is valid from {start} to {end} only")]
    SignerNotValid {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// What came back from the key store is not the signer's signature.
    #[error("the signature is not the signer's over this document")]
    Signature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document(error) => error.code(),
            Self::PageUnknown { .. } => "page-unknown",
            Self::StampOutside { .. } => "stamp-outside",
            Self::NoPage { .. } => "page-unknown",
            Self::SeamOfOnePage => "seam-one-page",
            Self::SeamTooThin { .. } => "seam-too-thin",
            Self::KeywordAbsent => "keyword-absent",
            Self::FieldAbsent => "field-absent",
            Self::TooManyStamps { .. } => "too-many-stamps",
            Self::TooManyLetters { .. } => "too-many-letters",
            Self::Seal(_) => "seal-unreadable",
            Self::Certificate => "signer-certificate-unusable",
            Self::NotListed => "signer-not-listed",
            Self::SealNotValid { .. } => "seal-not-valid",
            Self::SignerNotValid { .. } => "signer-not-valid",
            Self::Signature => "signature-wrong",
        }
    }
}

/// A sealed document that lacks only the signature's value.
#[derive(Debug)]
pub struct SigningToken {
    layout: Layout,
    prepared: PreparedSignature,
    tbs: Vec<u8>,
    certificate: Vec<u8>,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
}

/// Decides everything about the new signature.
///
/// # Errors
/// The document, the seal, the signer or the place does not allow it; nothing is signed.
pub fn prepare(
    original: &[u8],
    seal_der: &[u8],
    certificate_der: &[u8],
    algorithm: SignatureAlgorithm,
    plan: &StampPlan,
    now: Timestamp,
    limits: &Limits,
) -> Result<SigningToken, Error> {
    let seal = SesSeal::parse_any(seal_der)?;
    let certificate = Certificate::parse(certificate_der).map_err(|_| Error::Certificate)?;
    let key = may_use(&seal, &certificate, now)?;
    let oid = algorithm.oid().ok_or(Error::Certificate)?;
    let container = Container::read(original, limits)?;
    let stamps = stamps(&container, (seal.width, seal.height), plan, limits)?;
    let digests = |parts: &[&[u8]]| digest_many(algorithm.digest(), parts);
    let new = NewOfdSignature {
        body: 0,
        provider: "yinxin",
        check_method: &algorithm.digest().oid().to_string(),
        signature_method: &oid.to_string(),
        signature_date_time: &to_generalized(now),
        stamps: &stamps,
        seal: NewSealPart::File(seal_der),
        lock: plan.lock,
        digests: &digests,
    };
    let prepared = prepare_signature(&container, original, &new, limits)?;
    let tbs = NewSignature {
        layout: seal.layout,
        seal: seal_der,
        time: now,
        data_hash: &digest(algorithm.digest(), prepared.signature_xml()),
        property_info: prepared.property_info(),
        certificate: certificate_der,
        signature_algorithm: oid,
    }
    .to_tbs();
    Ok(SigningToken { layout: seal.layout, prepared, tbs, certificate: certificate_der.to_vec(), key, algorithm })
}

/// The signer's key, if seal and certificate allow its use now (GB/T 38540-2020 7, making a signature).
fn may_use(seal: &SesSeal<'_>, certificate: &Certificate<'_>, now: Timestamp) -> Result<PublicKey, Error> {
    if !lists(seal, certificate.raw) {
        return Err(Error::NotListed);
    }
    if now < seal.valid_start || now > seal.valid_end {
        return Err(Error::SealNotValid { start: seal.valid_start, end: seal.valid_end });
    }
    if now < certificate.not_before || now > certificate.not_after {
        return Err(Error::SignerNotValid { start: certificate.not_before, end: certificate.not_after });
    }
    if !certificate.allows_signing() {
        return Err(Error::Certificate);
    }
    public_key(&certificate.public_key).ok_or(Error::Certificate)
}

/// The place for a stamp where nobody names one: the lower right corner of that page, else of the last one, 20 mm
/// from its edges, or as far from them as a small page allows.
///
/// # Errors
/// The document cannot be read, or has no such page.
pub fn corner(original: &[u8], page: Option<u32>, size_mm: u16, limits: &Limits) -> Result<Placement, Error> {
    const MARGIN: f64 = 20.0;
    let container = Container::read(original, limits)?;
    let page = match page {
        Some(page) => page,
        None => {
            let package = Package::read(&container, limits)?;
            let body = package.bodies.first().ok_or(ofd::Error::BodyUnknown { index: 0 })?;
            let pages = Document::read(&container, &body.doc_root, limits)?.page_count();
            u32::try_from(pages).unwrap_or(u32::MAX).max(1)
        }
    };
    let (_, area) = page_area(&container, page, limits)?;
    let place = |length: f64| (length - f64::from(size_mm) - MARGIN).max(0.0);
    Ok(Placement { page, x_mm: place(area.width), y_mm: place(area.height), lock: false })
}

/// The width of a page, from 1, in millimetres.
///
/// # Errors
/// The document cannot be read, or has no such page.
pub fn page_width(original: &[u8], page: u32, limits: &Limits) -> Result<f64, Error> {
    let container = Container::read(original, limits)?;
    Ok(page_area(&container, page, limits)?.1.width)
}

/// The ID and the box of a page, from 1.
fn page_area(container: &Container, page: u32, limits: &Limits) -> Result<(String, PageBox), Error> {
    let package = Package::read(container, limits)?;
    let body = package.bodies.first().ok_or(ofd::Error::BodyUnknown { index: 0 })?;
    let document = Document::read(container, &body.doc_root, limits)?;
    let index = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
    let unknown = Error::PageUnknown { page, pages: document.page_count() };
    let found = index.and_then(|index| document.pages.get(index)).ok_or(unknown)?;
    Ok((found.id.clone(), document.page_box(container, &found.id, limits)?))
}

impl SigningToken {
    /// The bytes to sign: `TBS_Sign`.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.tbs
    }

    /// The sealed document, from the value of fixed width that the signer's key gave; also SM3's input for the
    /// ledger, the encoded SES_Signature.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing leaves.
    pub fn assemble(self, value: &[u8]) -> Result<SealedDocument, Error> {
        if !self.key.verify(self.algorithm, &self.tbs, value) {
            return Err(Error::Signature);
        }
        let oid = self.algorithm.oid().ok_or(Error::Certificate)?;
        let encoded = encode_value(self.algorithm, value);
        let signed_value = NewSignature::assemble(self.layout, &self.tbs, &self.certificate, oid, &encoded);
        let id = self.prepared.id().to_owned();
        let document = self.prepared.finish(&signed_value)?;
        Ok(SealedDocument { document, signed_value, id })
    }
}

/// A document with its new signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedDocument {
    /// The OFD package.
    pub document: Vec<u8>,
    /// SignedValue.dat.
    pub signed_value: Vec<u8>,
    /// The signature's ID in the package.
    pub id: String,
}

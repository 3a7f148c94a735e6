//! Seal signatures as read, and the digests by which they are judged: those of many are computed together, since SM3 of
//! several messages at once costs little more than of one.

use std::borrow::Cow;

use crate::crypto::{PublicKey, sm2, sm3};
use crate::domain::trust::public_key;
use crate::format::der;
use crate::format::ses::{self, SesSeal, SesSignature};
use crate::format::x509::Certificate;

/// What SM3 is wanted of: the octets before a message, and the message.
type Message<'m> = (Option<[u8; 32]>, Cow<'m, [u8]>);

/// A seal signature and its certificates.
#[derive(Debug)]
pub(in crate::domain::verify) struct Sealed<'a> {
    /// All of it, as it arrived.
    pub(in crate::domain::verify) value: &'a [u8],
    pub(in crate::domain::verify) signature: SesSignature<'a>,
    pub(in crate::domain::verify) signer: Result<Certificate<'a>, der::Error>,
    pub(in crate::domain::verify) maker: Result<Certificate<'a>, der::Error>,
}

/// The digests by which a seal is judged.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::verify) struct SealDigests {
    /// SM3 of eSealInfo.
    pub(in crate::domain::verify) info: [u8; 32],
    /// The digest e of what the maker signed, where the maker's key is one of SM2 (GB/T 32918.2 6.1).
    pub(in crate::domain::verify) made: Option<[u8; 32]>,
}

/// The digests by which a seal signature is judged.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::verify) struct SealedDigests {
    /// SM3 of what was signed: Signature.xml, or the document of a detached signature.
    pub(in crate::domain::verify) original: [u8; 32],
    /// SM3 of toSign.
    pub(in crate::domain::verify) to_sign: [u8; 32],
    /// The digest e of toSign, where the signer's key is one of SM2 (GB/T 32918.2 6.1).
    pub(in crate::domain::verify) signed: Option<[u8; 32]>,
    /// Those of the seal inside.
    pub(in crate::domain::verify) seal: SealDigests,
}

impl SealDigests {
    /// Computes those of a seal alone.
    pub(in crate::domain::verify) fn of(seal: &SesSeal<'_>, maker: Option<&Certificate<'_>>) -> Self {
        let (identity, messages) = seal_messages(seal, maker);
        let [info, made] = digests(&messages).as_slice().try_into().unwrap_or_default();
        Self { info, made: identity.map(|_| made) }
    }
}

impl<'a> Sealed<'a> {
    /// Reads a value of any version, and the certificates in it.
    ///
    /// # Errors
    /// Those of [`SesSignature::parse_any`]. A certificate that cannot be read is kept as such.
    pub(in crate::domain::verify) fn read(value: &'a [u8]) -> Result<Self, ses::Error> {
        let signature = SesSignature::parse_any(value)?;
        let signer = Certificate::parse(signature.certificate);
        let maker = Certificate::parse(signature.seal.maker_certificate);
        Ok(Self { value, signature, signer, maker })
    }

    /// The digests of one signature over its original.
    pub(in crate::domain::verify) fn digests(&self, original: &[u8]) -> SealedDigests {
        let (has, messages) = self.messages(original);
        has.named(digests(&messages).as_slice().try_into().unwrap_or_default())
    }

    fn messages<'m>(&'m self, original: &'m [u8]) -> (Identities, [Message<'m>; 5]) {
        let to_sign = self.signature.tbs;
        let signer = identity(self.signer.as_ref().ok());
        let (maker, [info, made]) = seal_messages(&self.signature.seal, self.maker.as_ref().ok());
        let plain = |message| (None, Cow::Borrowed(message));
        let has = Identities { signer: signer.is_some(), maker: maker.is_some() };
        (has, [plain(original), plain(to_sign), begun(signer, to_sign.into()), info, made])
    }
}

/// Whose key is one of SM2, so that a digest e is wanted.
#[derive(Clone, Copy)]
struct Identities {
    signer: bool,
    maker: bool,
}

impl Identities {
    /// The digests of [`Sealed::messages`] by their names.
    fn named(self, [original, to_sign, signed, info, made]: [[u8; 32]; 5]) -> SealedDigests {
        let seal = SealDigests { info, made: self.maker.then_some(made) };
        SealedDigests { original, to_sign, signed: self.signer.then_some(signed), seal }
    }
}

/// The digests of many signatures, each over its original, and SM3 of other messages, in their order.
pub(in crate::domain::verify) fn digest_together(
    signatures: &[(&Sealed<'_>, &[u8])],
    others: &[&[u8]],
) -> (Vec<SealedDigests>, Vec<[u8; 32]>) {
    let (has, messages): (Vec<_>, Vec<_>) =
        signatures.iter().map(|(sealed, original)| sealed.messages(original)).unzip();
    let others = others.iter().map(|other| (None, Cow::Borrowed(*other)));
    let mut all = digests(&messages.into_iter().flatten().chain(others).collect::<Vec<_>>());
    let of_others = all.split_off(all.len().min(has.len().saturating_mul(5)));
    let of_signatures = has.iter().zip(all.as_chunks().0).map(|(has, set)| has.named(*set)).collect();
    (of_signatures, of_others)
}

/// Z of the maker, and eSealInfo and what the maker signed.
fn seal_messages<'m>(seal: &SesSeal<'m>, maker: Option<&Certificate<'_>>) -> (Option<[u8; 32]>, [Message<'m>; 2]) {
    let identity = identity(maker);
    (identity, [(None, Cow::Borrowed(seal.info)), begun(identity, seal.signed_bytes())])
}

/// Z of an SM2 key under the default signer ID (GB/T 32918.2 5.5).
fn identity(certificate: Option<&Certificate<'_>>) -> Option<[u8; 32]> {
    match public_key(&certificate?.public_key)? {
        PublicKey::Sm2(key) => key.identity(sm2::DEFAULT_ID).ok(),
        _ => None,
    }
}

/// A message after Z; an empty one where there is no Z: nobody asks for its digest.
fn begun<'m>(identity: Option<[u8; 32]>, message: Cow<'m, [u8]>) -> Message<'m> {
    if identity.is_some() { (identity, message) } else { (None, Cow::Borrowed(&[])) }
}

fn digests(messages: &[Message<'_>]) -> Vec<[u8; 32]> {
    let messages: Vec<_> = messages.iter().map(|(before, message)| (*before, message.as_ref())).collect();
    sm3::digest_many_after(&messages)
}

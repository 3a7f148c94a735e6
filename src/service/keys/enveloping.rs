//! Private keys that leave for their owners, enveloped for a public key: SM2 as GM/T 0009 has it, RSA in a message of CMS.

use zeroize::Zeroizing;

use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::crypto::algorithm::OID_MGF1;
use crate::crypto::digest::{sha256, sm3};
use crate::crypto::sm4::Sm4;
use crate::crypto::{self, PublicKey, rsa, sm2};
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::key::subject_public_key_info;
use crate::format::cms::{ContentType, Family, NewEnvelopedData, NewKeyTransport, SignerIdentifier};
use crate::format::der::{ObjectIdentifier, Writer};
use crate::format::keys::enveloped_key::Sm2EnvelopedKey;
use crate::format::keys::pbe::Cipher;
use crate::format::keys::pkcs8::{KeyKind, PrivateKeyInfo};
use crate::format::keys::sm2_ciphertext::Sm2Ciphertext;
use crate::format::keys::{SubjectPublicKeyInfo, oid, read_pem, write_pem};
use crate::format::x509::Certificate;
use crate::service::keys::Error;
use crate::service::keys::passphrase::encrypt_cbc;

/// `id-RSAES-OAEP` (RFC 8017 A.2.1).
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
/// `id-sha256` (RFC 8017 A.1).
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// Octets of a block of SM4, and of its key.
const BLOCK: usize = 16;

/// What an envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeForm {
    /// `SM2EnvelopedKey` (GM/T 0009 7.4; the clause is recollection): the scalar under SM4-ECB, the SM4 key under SM2.
    Sm2EnvelopedKey,
    /// `EnvelopedData` (RFC 5652 6): PKCS#8 under AES-256-CBC, its key under RSAES-OAEP with SHA-256.
    EnvelopedData,
}

impl EnvelopeForm {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm2EnvelopedKey => "sm2-enveloped-key",
            Self::EnvelopedData => "cms-enveloped-data",
        }
    }

    /// The form of what stands in that DER: a message of CMS begins with an object identifier.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        if Sm2EnvelopedKey::parse(der).is_ok() { Self::Sm2EnvelopedKey } else { Self::EnvelopedData }
    }
}

/// A private key under a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub form: EnvelopeForm,
    /// Its octets.
    pub der: Vec<u8>,
    /// SM3 of the public key that it is for, as SubjectPublicKeyInfo.
    pub recipient_sm3: [u8; 32],
}

/// The label of an SM2 envelope in PEM. RFC 7468 has none for it; this one is ours.
const SM2_LABEL: &str = "SM2 ENVELOPED KEY";
/// The label of a message of CMS (RFC 7468 9).
const CMS_LABEL: &str = "CMS";

/// The envelope as a PEM block.
#[must_use]
pub fn envelope_pem(envelope: &Envelope) -> String {
    let label = match envelope.form {
        EnvelopeForm::Sm2EnvelopedKey => SM2_LABEL,
        EnvelopeForm::EnvelopedData => CMS_LABEL,
    };
    write_pem(&envelope.der, label)
}

/// The SubjectPublicKeyInfo in a file: a public key or a certificate in PEM. Whether it is a key is not judged.
#[must_use]
pub fn public_key_in(file: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(file).ok()?;
    let labelled = |label| read_pem(text, label).and_then(|found| found.into_iter().next());
    if let Some(der) = labelled("PUBLIC KEY") {
        return Some(der);
    }
    let der = labelled("CERTIFICATE")?;
    Some(Certificate::parse(&der).ok()?.public_key.raw.to_vec())
}

/// Envelopes a private key, as [`crate::service::keys::KeyStore::keep`] takes it, for a public key of the same kind.
///
/// # Errors
/// [`Error::EnvelopeKind`]: SM2 goes to SM2, RSA to RSA, and nothing else anywhere; no randomness.
pub fn envelope(
    (algorithm, private, public): (KeyAlgorithm, &Secret, &[u8]),
    recipient: &PublicKey,
    random: &dyn Random,
) -> Result<Envelope, Error> {
    let (form, der) = match (algorithm, recipient) {
        (KeyAlgorithm::Sm2, PublicKey::Sm2(to)) => {
            (EnvelopeForm::Sm2EnvelopedKey, of_sm2(private, public, to, random)?)
        }
        (KeyAlgorithm::Rsa, PublicKey::Rsa(to)) => (EnvelopeForm::EnvelopedData, of_rsa(private, to, random)?),
        _ => return Err(Error::EnvelopeKind { algorithm, recipient: recipient.name() }),
    };
    Ok(Envelope { form, der, recipient_sm3: sm3(&subject_public_key_info(recipient)) })
}

/// A fresh SM4 key, under SM2; the scalar's 32 octets as two blocks under it. GM/T 0018 fills the scalar up to 64 octets in
/// its C structure; the DER of GM/T 0009 has the 32 (both recollection), and readers of ours take either.
fn of_sm2(private: &Secret, public: &[u8], to: &sm2::PublicKey, random: &dyn Random) -> Result<Vec<u8>, Error> {
    let info = SubjectPublicKeyInfo::parse(public).map_err(|_| Error::PairMismatch)?;
    let point: &[u8; 65] = info.key.try_into().map_err(|_| Error::PairMismatch)?;
    let session = Zeroizing::new(array::<BLOCK>(random)?);
    let cipher = Sm4::new(&session);
    let mut scalar = Zeroizing::new(Vec::with_capacity(32));
    scalar.extend_from_slice(private.expose()); // to be enveloped
    let encrypted_private = ecb(&scalar, |block| cipher.encrypt_block(block)).ok_or(Error::PairMismatch)?;
    let sm2::Ciphertext { c1, c3, c2 } = to.encrypt(&*session, random)?;
    let encrypted_key = Sm2Ciphertext { c1, c3, c2 };
    Ok(Sm2EnvelopedKey { encrypted_key, public: point, encrypted_private: &encrypted_private }.to_der())
}

/// Block by block (ECB), which is no weakness for one random scalar under a key of its own.
fn ecb(octets: &[u8], mut apply: impl FnMut(&mut [u8; BLOCK])) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(octets.len()));
    for part in octets.chunks(BLOCK) {
        let mut block: [u8; BLOCK] = part.try_into().ok()?;
        apply(&mut block);
        out.extend_from_slice(&block);
    }
    Some(out)
}

fn of_rsa(private: &Secret, to: &rsa::PublicKey, random: &dyn Random) -> Result<Vec<u8>, Error> {
    let (session, iv) = (Zeroizing::new(array::<32>(random)?), array::<16>(random)?);
    let plain = PrivateKeyInfo::write(KeyKind::Rsa, private, &[]);
    let ciphertext = encrypt_cbc(Cipher::Aes256Cbc, &*session, &iv, &plain)?;
    let encrypted_key = to.encrypt_oaep_sha256(&*session)?;
    let mut algorithm = Writer::new();
    algorithm.sequence(|inner| {
        inner.oid(oid::AES_256_CBC).octet_string(&iv);
    });
    // Named by the identifier that certificates of ours carry (RFC 7093 2, method 1).
    let info = subject_public_key_info(&PublicKey::Rsa(to.clone()));
    let bits = SubjectPublicKeyInfo::parse(&info).map_err(|_| Error::PairMismatch)?.key;
    let identifier = sha256(bits);
    let identifier = identifier.first_chunk::<20>().map_or(&identifier[..], |identifier| &identifier[..]);
    let transport = NewKeyTransport {
        identifier: SignerIdentifier::SubjectKeyIdentifier(identifier),
        algorithm: &oaep(),
        encrypted_key: &encrypted_key,
    };
    let family = Family::Cms;
    let message = NewEnvelopedData {
        family,
        recipients: &[transport],
        content_type: family.oid(ContentType::Data),
        algorithm: &algorithm.into_bytes(),
        ciphertext: &ciphertext,
    };
    Ok(message.to_der())
}

/// RSAES-OAEP-params with SHA-256 throughout (RFC 8017 A.2.1).
fn oaep() -> Vec<u8> {
    let digest = |to: &mut Writer| {
        to.sequence(|inner| {
            inner.oid(SHA256).null();
        });
    };
    let mut writer = Writer::new();
    writer.sequence(|outer| {
        outer.oid(RSAES_OAEP).sequence(|parameters| {
            parameters.context(0, digest).context(1, |mask| {
                mask.sequence(|inner| {
                    digest(inner.oid(OID_MGF1));
                });
            });
        });
    });
    writer.into_bytes()
}

/// Checks that a new pair decrypts what is encrypted to it (pairwise check; GM/T 0028 as remembered).
///
/// # Errors
/// It does not, it is of a kind that does not encrypt, or there is no randomness.
pub fn check_pair(
    algorithm: KeyAlgorithm,
    private: &Secret,
    public: &PublicKey,
    random: &dyn Random,
) -> Result<(), Error> {
    const PAIRWISE: &[u8] = b"yinxin pairwise check";
    let opened = match (algorithm, public) {
        (KeyAlgorithm::Sm2, PublicKey::Sm2(public)) => {
            let private = sm2::PrivateKey::from_bytes(private.expose())?; // to decrypt with
            private.decrypt(&public.encrypt(PAIRWISE, random)?)?
        }
        (KeyAlgorithm::Rsa, PublicKey::Rsa(public)) => {
            let private = rsa::PrivateKey::from_bytes(private.expose())?; // to decrypt with
            private.decrypt_oaep_sha256(&public.encrypt_oaep_sha256(PAIRWISE)?, b"")?
        }
        _ => return Err(Error::EnvelopeKind { algorithm, recipient: public.name() }),
    };
    if opened.expose() == PAIRWISE { Ok(()) } else { Err(crypto::Error::Fault.into()) } // a constant
}

/// Opens an envelope of an SM2 key by the private key that it is for; gives the scalar, which belongs to the public key
/// that the envelope names.
///
/// # Errors
/// [`Error::EnvelopeBroken`].
pub fn open_sm2(der: &[u8], by: &sm2::PrivateKey) -> Result<sm2::PrivateKey, Error> {
    let read = Sm2EnvelopedKey::parse(der).map_err(|_| Error::EnvelopeBroken)?;
    let Sm2Ciphertext { c1, c3, c2 } = read.encrypted_key.clone();
    let session = by.decrypt(&sm2::Ciphertext { c1, c3, c2 }).map_err(|_| Error::EnvelopeBroken)?;
    let session: &[u8; BLOCK] = session.expose().try_into().map_err(|_| Error::EnvelopeBroken)?; // to decrypt with
    let cipher = Sm4::new(session);
    let scalar = ecb(read.encrypted_private, |block| cipher.decrypt_block(block)).ok_or(Error::EnvelopeBroken)?;
    // 64 octets begin with zeros.
    let (filling, scalar) = scalar.split_last_chunk::<32>().ok_or(Error::EnvelopeBroken)?;
    if filling.iter().any(|octet| *octet != 0) {
        return Err(Error::EnvelopeBroken);
    }
    let key = sm2::PrivateKey::from_bytes(scalar).map_err(|_| Error::EnvelopeBroken)?;
    if key.public_key().to_bytes() == *read.public { Ok(key) } else { Err(Error::EnvelopeBroken) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::crypto::Signer;
    use crate::domain::key::KeyPurpose::Escrow;
    use crate::service::keys::NewKey;

    fn made(algorithm: KeyAlgorithm) -> NewKey {
        NewKey::generate(Escrow, algorithm, &SystemRandom).unwrap()
    }

    fn wrapped(key: &NewKey, to: &PublicKey) -> Result<Envelope, Error> {
        envelope((key.algorithm, &key.private, &key.public), to, &SystemRandom)
    }

    #[test]
    fn an_sm2_key_comes_out_by_its_owners_key_only() {
        let (key, owner) = (made(KeyAlgorithm::Sm2), sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let sent = wrapped(&key, &Signer::public_key(&owner)).unwrap();
        assert_eq!((sent.form, EnvelopeForm::of(&sent.der)), (EnvelopeForm::Sm2EnvelopedKey, sent.form));
        let opened = open_sm2(&sent.der, &owner).unwrap();
        assert_eq!(opened.to_bytes().expose(), key.private.expose());
        let code = |der: &[u8], by: &sm2::PrivateKey| open_sm2(der, by).map(|_| ()).unwrap_err().code();
        let other = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        assert_eq!(code(&sent.der, &other), "envelope-broken");
        // Every octet counts.
        let mut opened_changed = 0;
        for at in 0..sent.der.len() {
            let mut changed = sent.der.clone();
            changed[at] ^= 1;
            opened_changed += usize::from(open_sm2(&changed, &owner).is_ok());
        }
        assert_eq!(opened_changed, 0);
        // As the structure of GM/T 0018 fills it up.
        let read = Sm2EnvelopedKey::parse(&sent.der).unwrap();
        let session = owner
            .decrypt(&sm2::Ciphertext {
                c1: read.encrypted_key.c1,
                c3: read.encrypted_key.c3,
                c2: read.encrypted_key.c2.clone(),
            })
            .unwrap();
        let cipher = Sm4::new(session.expose().try_into().unwrap());
        let fill = |first: u8| {
            let mut scalar = [&[first][..], &[0; 31], key.private.expose()].concat();
            scalar = ecb(&scalar, |block| cipher.encrypt_block(block)).unwrap().to_vec();
            Sm2EnvelopedKey { encrypted_private: &scalar, ..read.clone() }.to_der()
        };
        assert_eq!(open_sm2(&fill(0), &owner).unwrap().to_bytes().expose(), key.private.expose());
        assert_eq!(code(&fill(1), &owner), "envelope-broken");
    }

    #[test]
    fn each_kind_goes_to_its_own_and_randomness_is_needed() {
        let keys = [KeyAlgorithm::Sm2, KeyAlgorithm::Rsa, KeyAlgorithm::EcdsaP256].map(made);
        for (i, key) in keys.iter().enumerate() {
            for (j, to) in keys.iter().enumerate() {
                let outcome = wrapped(key, &to.public_key()).map(|sent| sent.form.name()).map_err(|error| error.code());
                let expected = match (i, j) {
                    (0, 0) => Ok("sm2-enveloped-key"),
                    (1, 1) => Ok("cms-enveloped-data"),
                    _ => Err("envelope-kind"),
                };
                assert_eq!(outcome, expected, "{i} for {j}");
            }
        }
        let [sm2, ..] = &keys;
        let refused = envelope((sm2.algorithm, &sm2.private, &sm2.public), &sm2.public_key(), &DeadRandom);
        assert_eq!(refused.unwrap_err().code(), "random-unavailable");
    }

    /// OpenSSL opens what an owner of an RSA key gets, and reads the key in it.
    #[test]
    fn openssl_opens_the_envelope_of_an_rsa_key() {
        use openssl::cms::CmsContentInfo;
        use openssl::pkey::PKey;
        use openssl::rsa::Rsa;

        let (key, owner) = (made(KeyAlgorithm::Rsa), made(KeyAlgorithm::Rsa));
        let sent = wrapped(&key, &owner.public_key()).unwrap();
        let message = CmsContentInfo::from_der(&sent.der).unwrap();
        let by = PKey::from_rsa(Rsa::private_key_from_der(owner.private.expose()).unwrap()).unwrap();
        let plain = message.decrypt_without_cert_check(&by).unwrap();
        let read = PKey::private_key_from_pkcs8(&plain).unwrap();
        assert_eq!(read.rsa().unwrap().private_key_to_der().unwrap(), key.private.expose());
        let other = made(KeyAlgorithm::Rsa);
        let by = PKey::from_rsa(Rsa::private_key_from_der(other.private.expose()).unwrap()).unwrap();
        let refused = message.decrypt_without_cert_check(&by).map(|plain| PKey::private_key_from_pkcs8(&plain).is_ok());
        assert!(!matches!(refused, Ok(true)));
    }
}

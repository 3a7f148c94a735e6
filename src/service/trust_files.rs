//! Trust lists as files: made, signed, read and bundled, without an installation.

use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::digest::sm3;
use crate::domain::trust::key::{decode_value, subject_public_key_info};
use crate::domain::trust::list::{list_key, signature_algorithm};
use crate::domain::trust::{AlgorithmPolicy, CheckedList};
use crate::format::keys::{SubjectPublicKeyInfo, read_pem};
use crate::format::trust_list::{ListSignature, SignedTrustList, TrustBundle, TrustList, TrustListError};
use crate::format::x509::Certificate;
use crate::service::keys::{import, software_signer};
use crate::service::{Error, keys};

/// Octets of the largest such file: a bundle.
pub const MOST: usize = crate::format::trust_list::MOST_BUNDLE;

/// The key of a certificate or a public key, PEM or DER, as lists name it.
///
/// # Errors
/// [`Error::CallerCertificate`]: there is none, or it is neither SM2 nor P-256.
pub fn signer_key(octets: &[u8]) -> Result<Vec<u8>, Error> {
    let text = std::str::from_utf8(octets).unwrap_or_default();
    let block = |label| read_pem(text, label).and_then(|blocks| blocks.into_iter().next());
    let der = block("CERTIFICATE").or_else(|| block("PUBLIC KEY")).unwrap_or_else(|| octets.to_vec());
    let info = match Certificate::parse(&der) {
        Ok(certificate) => certificate.public_key.raw.to_vec(),
        Err(_) => SubjectPublicKeyInfo::parse(&der).map_err(|_| Error::CallerCertificate)?.raw.to_vec(),
    };
    list_key(&info).map(|_| info).ok_or(Error::CallerCertificate)
}

/// The one certificate of a file, PEM or DER.
///
/// # Errors
/// [`Error::CallerCertificate`]: there is none, or more than one.
pub fn one_certificate(octets: &[u8]) -> Result<Vec<u8>, Error> {
    match &certificates(octets)?[..] {
        [one] => Ok(one.clone()),
        _ => Err(Error::CallerCertificate),
    }
}

/// The certificates of a file, PEM or DER.
///
/// # Errors
/// [`Error::CallerCertificate`]: there is none, or one that cannot be read.
pub fn certificates(octets: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let found = ders(octets, "CERTIFICATE");
    let readable = !found.is_empty() && found.iter().all(|der| Certificate::parse(der).is_ok());
    if readable { Ok(found) } else { Err(Error::CallerCertificate) }
}

/// The revocation lists of a file, PEM or DER.
#[must_use]
pub fn crls(octets: &[u8]) -> Vec<Vec<u8>> {
    ders(octets, "X509 CRL")
}

fn ders(octets: &[u8], label: &str) -> Vec<Vec<u8>> {
    match std::str::from_utf8(octets) {
        Ok(text) if text.contains("-----BEGIN") => read_pem(text, label).unwrap_or_default(),
        _ if octets.first() == Some(&0x30) => vec![octets.to_vec()],
        _ => Vec::new(),
    }
}

/// The file of a list that nobody has signed yet.
///
/// # Errors
/// The list breaks a rule of the format.
pub fn make(list: TrustList) -> Result<Vec<u8>, Error> {
    Ok(SignedTrustList::unsigned(list)?.to_json())
}

/// The list in a file, its signatures not checked.
///
/// # Errors
/// It cannot be read.
pub fn open(octets: &[u8]) -> Result<SignedTrustList, Error> {
    Ok(SignedTrustList::parse(octets)?)
}

/// The lists of a file, or of a bundle, each with its own signatures checked.
///
/// # Errors
/// One cannot be read, or is not signed rightly.
pub fn check(octets: &[u8], algorithms: &AlgorithmPolicy, now: Timestamp) -> Result<Vec<CheckedList>, Error> {
    let lists = TrustBundle::parse(octets)?.lists.into_iter();
    Ok(lists.map(|signed| CheckedList::check(signed, algorithms, now)).collect::<Result<_, _>>()?)
}

/// The octets that the holder of this key signs (RFC 7515 5.1).
///
/// # Errors
/// The key is neither SM2 nor P-256, or the list does not name it.
pub fn to_sign(list: &SignedTrustList, key: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, algorithm) = list_key(key).ok_or(Error::CallerCertificate)?;
    Ok(list.signing_input(algorithm, &sm3(key)))
}

/// The list with the signature of this key's holder, DER or r‖s, if it is right.
///
/// # Errors
/// It is not right, or the key has signed already.
pub fn attach(list: SignedTrustList, key: &[u8], value: &[u8]) -> Result<SignedTrustList, Error> {
    let (of, algorithm) = list_key(key).ok_or(Error::CallerCertificate)?;
    let (key_sm3, by) = (sm3(key), signature_algorithm(algorithm));
    let value = decode_value(by, value).unwrap_or_default();
    if !of.verify(by, &list.signing_input(algorithm, &key_sm3), &value) {
        return Err(TrustListError::Member { member: "signature", rule: "is right over this list" }.into());
    }
    Ok(list.with_signature(ListSignature { algorithm, key_sm3, value })?)
}

/// The list signed by a key file. A key that signs lists is better kept in a token, which signs elsewhere.
///
/// # Errors
/// The file is no private key of SM2 or P-256; no randomness; the key has signed already.
pub fn sign(
    list: SignedTrustList,
    file: &Secret,
    passphrase: Option<&Secret>,
    random: &dyn Random,
) -> Result<SignedTrustList, Error> {
    let imported = import::open(file.expose(), passphrase).map_err(keys::Error::from)?; // to be read
    let signer = software_signer(imported.algorithm, &imported.private)?;
    let key = subject_public_key_info(&signer.public_key());
    let octets = to_sign(&list, &key)?;
    let value = signer.sign(&octets, random).map_err(keys::Error::from)?;
    attach(list, &key, &value)
}

/// A bundle of lists with certificates and revocation lists.
///
/// # Errors
/// Something in it cannot be read, or it is larger than is read again.
pub fn bundle(lists: Vec<SignedTrustList>, certificates: Vec<Vec<u8>>, crls: Vec<Vec<u8>>) -> Result<Vec<u8>, Error> {
    let octets = TrustBundle { lists, certificates, crls }.to_json();
    TrustBundle::parse(&octets)?;
    Ok(octets)
}

//! TLS: the server's certificate, and client certificates as mere envelopes of registered keys.
//!
//! A client certificate is neither required nor checked for its issuer or dates: the identity is the registered key.
//! What TLS proves is that the client holds the private key; the registry decides whose it is.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PublicKeyData};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{DigitallySignedStruct, DistinguishedName as Hint, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;

/// Bytes of a client's certificate.
const CERTIFICATE_BYTES: usize = 16 << 10;
/// Certificates that a client may send along; we look at none of them.
const INTERMEDIATES: usize = 8;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTls {
    /// The certificates are no PEM, or there are none.
    #[error("the server's certificates cannot be read")]
    Certificates,
    /// The key is no PEM.
    #[error("the server's private key cannot be read")]
    Key,
    /// They do not fit each other, or TLS does not take them.
    #[error("the server's certificate and key cannot be used")]
    Unusable(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("a development certificate cannot be made")]
    Development(#[from] rcgen::Error),
}

/// Server settings: TLS 1.2 and 1.3 by ring, HTTP/2 and HTTP/1.1, client certificates welcome.
///
/// Sessions are not resumed: each connection proves its key anew.
///
/// # Errors
/// Certificates or key cannot be used.
pub fn server(certificates_pem: &[u8], key_pem: &Secret) -> Result<Arc<ServerConfig>, InvalidTls> {
    let chain = CertificateDer::pem_slice_iter(certificates_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| InvalidTls::Certificates)?;
    if chain.is_empty() {
        return Err(InvalidTls::Certificates);
    }
    // Exposed to be parsed; rustls keeps the key from here on.
    let key = PrivateKeyDer::from_pem_slice(key_pem.expose()).map_err(|_| InvalidTls::Key)?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Possession { provider }))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo; `None` when it is no certificate.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(sha256(parsed.subject_public_key_info().as_ref()))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(::ring::digest::digest(&::ring::digest::SHA256, bytes).as_ref());
    hash
}

/// Accepts any well-formed certificate whose key signed the handshake.
#[derive(Debug)]
struct Possession {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Possession {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Hint] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if end_entity.len() > CERTIFICATE_BYTES || intermediates.len() > INTERMEDIATES {
            return Err(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding));
        }
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A self-signed certificate for development, and its key. Neither belongs into production.
#[derive(Debug)]
pub struct Development {
    /// PEM.
    pub certificate_pem: String,
    /// PKCS#8, PEM.
    pub key_pem: Secret,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
    /// SHA-256 of `spki`: names the key in `keyid` and in the registry.
    pub fingerprint: [u8; 32],
}

/// Makes a server's certificate (P-256, 90 days) for these names and addresses. Randomness comes from ring.
///
/// # Errors
/// A name is none, or the generator failed.
pub fn development_certificate(names: &[&str], now: Timestamp) -> Result<Development, InvalidTls> {
    let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    development(params, "Yinxin development server", ExtendedKeyUsagePurpose::ServerAuth, now, 90)
}

/// Makes a caller's key and an envelope for it (P-256, one year). Randomness comes from ring.
///
/// # Errors
/// The generator failed.
pub fn development_client(name: &str, now: Timestamp) -> Result<Development, InvalidTls> {
    development(CertificateParams::default(), name, ExtendedKeyUsagePurpose::ClientAuth, now, 365)
}

fn development(
    mut params: CertificateParams,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
    now: Timestamp,
    days: i64,
) -> Result<Development, InvalidTls> {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![purpose];
    // An hour earlier, for clients whose clocks are late.
    params.not_before = now.plus_seconds(-3600).to_utc();
    params.not_after = now.plus_days(days).to_utc();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    let spki = key.subject_public_key_info();
    Ok(Development {
        certificate_pem: certificate.pem(),
        key_pem: Secret::new(key.serialize_pem().into_bytes()),
        fingerprint: sha256(&spki),
        spki,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-23T00:00:00Z").unwrap()
    }

    #[test]
    fn a_certificate_and_its_key_have_one_fingerprint() {
        let client = development_client("a caller", now()).unwrap();
        let certificate = CertificateDer::from_pem_slice(client.certificate_pem.as_bytes()).unwrap();
        assert_eq!(fingerprint(&certificate), Some(client.fingerprint));
        assert_eq!(client.fingerprint, sha256(&client.spki));
        assert_eq!(fingerprint(&CertificateDer::from(vec![0x30, 0x00])), None);
    }

    #[test]
    fn unusable_parts_are_named() {
        let (one, other) = (development_certificate(&["localhost"], now()), development_client("x", now()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(server(one.certificate_pem.as_bytes(), &one.key_pem).is_ok());
        assert!(matches!(server(b"", &one.key_pem), Err(InvalidTls::Certificates)));
        let no_key = Secret::new(b"x".to_vec());
        assert!(matches!(server(one.certificate_pem.as_bytes(), &no_key), Err(InvalidTls::Key)));
        assert!(matches!(server(one.certificate_pem.as_bytes(), &other.key_pem), Err(InvalidTls::Unusable(_))));
    }
}

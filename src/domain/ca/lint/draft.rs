//! Certificates for the rules' tests: sound ones, whose parts a test replaces.

use std::sync::LazyLock;

pub(super) use crate::base::clock::Timestamp;
use crate::base::random::SystemRandom;
use crate::crypto::{PublicKey, Signer, ecdsa, sm2};
use crate::domain::trust::key::subject_public_key_info;
pub(super) use crate::format::der::{ObjectIdentifier, Writer};
pub(super) use crate::format::x509::extension::{self, *};
pub(super) use crate::format::x509::{ExtensionValue, GeneralName, NewExtension};

/// Makes a certificate.
pub(super) type Case = fn() -> Draft;

static SM2_KEY: LazyLock<Vec<u8>> =
    LazyLock::new(|| subject_public_key_info(&Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap())));
static P256_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| subject_public_key_info(&PublicKey::EcdsaP256(ecdsa_key())));

fn ecdsa_key() -> ecdsa::PublicKey {
    // The base point of P-256 (FIPS 186-5, SP 800-186 3.2.1.3).
    let hex = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let octets: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    ecdsa::PublicKey::from_bytes(&octets).unwrap()
}

/// A certificate in parts, each DER.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) version: Option<u32>,
    pub(super) serial: Vec<u8>,
    pub(super) inner: Vec<u8>,
    pub(super) outer: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) not_before: Vec<u8>,
    pub(super) not_after: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) unique: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

/// One value with that tag octet.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = Writer::sequence_of(content);
    der[0] = tag;
    der
}

pub(super) const UTF8: u8 = 0x0c;
pub(super) const PRINTABLE: u8 = 0x13;
pub(super) const IA5: u8 = 0x16;
pub(super) const TELETEX: u8 = 0x14;

/// A name of attributes: object identifier, string type, text.
pub(super) fn name(attributes: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut parts = Vec::new();
    for (kind, tag, text) in attributes {
        let mut inner = Writer::new();
        inner.oid(kind.parse().unwrap()).raw(&tlv(*tag, text.as_bytes()));
        parts.extend(tlv(0x31, &Writer::sequence_of(&inner.into_bytes())));
    }
    Writer::sequence_of(&parts)
}

/// An AlgorithmIdentifier.
pub(super) fn algorithm(oid: &str, parameters: &[u8]) -> Vec<u8> {
    let mut inner = Writer::new();
    inner.oid(oid.parse().unwrap()).raw(parameters);
    Writer::sequence_of(&inner.into_bytes())
}

/// An extension of these content octets.
pub(super) fn octets(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> NewExtension {
    NewExtension { oid, critical, value: value.to_vec() }
}

pub(super) fn uri(text: &str) -> GeneralName<'_> {
    GeneralName::Uri(text)
}

/// A SubjectPublicKeyInfo.
pub(super) fn key(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    let mut inner = Writer::new();
    inner.raw(algorithm).bit_string(bits);
    Writer::sequence_of(&inner.into_bytes())
}

pub(super) fn constraints(minimum: u32, maximum: Option<u32>) -> NameConstraints<'static> {
    let subtree = GeneralSubtree { base: GeneralName::Dns("a.example"), minimum, maximum };
    NameConstraints { permitted: vec![subtree], excluded: Vec::new() }
}

pub(super) fn policies(policy: ObjectIdentifier, qualifiers: &[u8]) -> CertificatePolicies<'_> {
    CertificatePolicies(vec![PolicyInformation { policy, qualifiers }])
}

pub(super) fn access(location: &str) -> AuthorityInfoAccess<'_> {
    AuthorityInfoAccess(vec![AccessDescription { method: ACCESS_OCSP, location: uri(location) }])
}

/// A distribution point of that URI.
pub(super) fn point(text: &str) -> DistributionPoint<'_> {
    let name = Some(DistributionPointName::FullName(vec![uri(text)]));
    DistributionPoint { name, reasons: None, crl_issuer: Vec::new() }
}

impl Draft {
    /// With that extension in place of one of its kind, or added.
    pub(super) fn with<'a, T: ExtensionValue<'a>>(self, critical: bool, value: &T) -> Self {
        self.with_extension(&NewExtension::new(critical, value))
    }

    pub(super) fn with_extension(mut self, new: &NewExtension) -> Self {
        let mut writer = Writer::new();
        new.write(&mut writer);
        let at = self.position(new.oid);
        match at {
            Some(at) => self.extensions[at] = writer.into_bytes(),
            None => self.extensions.push(writer.into_bytes()),
        }
        self
    }

    pub(super) fn without(mut self, oid: ObjectIdentifier) -> Self {
        let at = self.position(oid).unwrap();
        self.extensions.remove(at);
        self
    }

    fn position(&self, oid: ObjectIdentifier) -> Option<usize> {
        let mut wanted = Writer::new();
        wanted.oid(oid);
        let wanted = wanted.into_bytes();
        self.extensions
            .iter()
            .position(|der| der.windows(wanted.len()).next().is_some() && der[2..].starts_with(&wanted))
    }

    pub(super) fn subject(mut self, attributes: &[(&str, u8, &str)]) -> Self {
        self.subject = name(attributes);
        self
    }

    pub(super) fn usage(self, bits: u16) -> Self {
        self.with(true, &KeyUsage(bits))
    }

    pub(super) fn purposes(self, critical: bool, purposes: &[ObjectIdentifier]) -> Self {
        self.with(critical, &ExtendedKeyUsage(purposes.to_vec()))
    }

    /// With a key over P-256.
    pub(super) fn p256(mut self) -> Self {
        self.key = P256_KEY.clone();
        self
    }

    /// With an RSA key of that many octets, its exponent 65537.
    pub(super) fn rsa(mut self, octets: usize) -> Self {
        let mut numbers = Writer::new();
        let mut modulus = vec![0xc5; octets];
        modulus[octets - 1] = 0x6b;
        numbers.unsigned(&modulus).small(65537);
        let mut info = Writer::new();
        info.raw(&algorithm("1.2.840.113549.1.1.1", &[5, 0])).bit_string(&Writer::sequence_of(&numbers.into_bytes()));
        self.key = Writer::sequence_of(&info.into_bytes());
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        let mut tbs = Writer::new();
        if let Some(version) = self.version {
            tbs.context(0, |inner| {
                inner.small(version);
            });
        }
        tbs.raw(&tlv(2, &self.serial)).raw(&self.inner).raw(&self.issuer);
        tbs.raw(&Writer::sequence_of(&[&self.not_before[..], &self.not_after].concat()));
        tbs.raw(&self.subject).raw(&self.key).raw(&self.unique);
        tbs.context(3, |outer| {
            outer.raw(&Writer::sequence_of(&self.extensions.concat()));
        });
        let mut whole = Writer::new();
        whole.raw(&Writer::sequence_of(&tbs.into_bytes())).raw(&self.outer).bit_string(&[0x30, 6, 2, 1, 1, 2, 1, 1]);
        Writer::sequence_of(&whole.into_bytes())
    }
}

/// An end certificate of an SM2 key that signs.
pub(super) fn end() -> Draft {
    let sm2 = algorithm("1.2.156.10197.1.501", &[]);
    let subject = [("2.5.4.6", PRINTABLE, "CN"), ("2.5.4.10", UTF8, "示例"), ("2.5.4.3", UTF8, "签章人")];
    let draft = Draft {
        version: Some(2),
        serial: vec![0x5a; 16],
        inner: sm2.clone(),
        outer: sm2,
        issuer: name(&[("2.5.4.6", PRINTABLE, "CN"), ("2.5.4.3", UTF8, "根")]),
        not_before: tlv(0x17, b"260101000000Z"),
        not_after: tlv(0x17, b"280101000000Z"),
        subject: name(&subject),
        key: SM2_KEY.clone(),
        unique: Vec::new(),
        extensions: Vec::new(),
    };
    draft
        .with(true, &BasicConstraints { authority: false, path_length: None })
        .usage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION)
        .with(false, &SubjectKeyIdentifier(&[7; 20]))
        .with(false, &AuthorityKeyIdentifier { key_identifier: Some(&[8; 20]), ..Default::default() })
}

/// An authority.
pub(super) fn authority() -> Draft {
    end()
        .with(true, &BasicConstraints { authority: true, path_length: Some(0) })
        .usage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)
}

/// A root.
pub(super) fn root() -> Draft {
    let draft = authority().without(extension::AUTHORITY_KEY_IDENTIFIER);
    let issuer = draft.issuer.clone();
    draft.change(|draft| draft.subject = issuer)
}

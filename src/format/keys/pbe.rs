//! How a passphrase protects a key file: PBES2 (RFC 8018) and the older schemes of PKCS#12 (RFC 7292 C), as parsed values.

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::{AlgorithmIdentifier, Error, oid};

/// Iterations of one derivation. The advice of today is 600 000 for HMAC-SHA256 and 1 300 000 for HMAC-SHA1; a core does
/// about a million in a second with SM3, so that one derivation ends within seconds.
pub const MAX_ITERATIONS: u32 = 2_000_000;
/// Bytes of salt; files in the wild have 8, 16 or 20.
pub const MAX_SALT: usize = 256;

/// The pseudorandom function of PBKDF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prf {
    /// HMAC-SHA1: only read.
    HmacSha1,
    /// HMAC-SHA256.
    HmacSha256,
    /// HMAC-SHA384.
    HmacSha384,
    /// HMAC-SHA512.
    HmacSha512,
    /// HMAC-SM3.
    HmacSm3,
}

impl Prf {
    const ALL: [Self; 5] = [Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512, Self::HmacSm3];

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::HmacSha1 => oid::HMAC_SHA1,
            Self::HmacSha256 => oid::HMAC_SHA256,
            Self::HmacSha384 => oid::HMAC_SHA384,
            Self::HmacSha512 => oid::HMAC_SHA512,
            Self::HmacSm3 => oid::HMAC_SM3,
        }
    }
}

/// The block cipher under PBES2, always in CBC mode with the padding of RFC 8018 6.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// AES with a key of 16 bytes.
    Aes128Cbc,
    /// AES with a key of 32 bytes.
    Aes256Cbc,
    /// SM4 (GB/T 32907).
    Sm4Cbc,
    /// Triple DES with three keys: only read.
    DesEde3Cbc,
}

impl Cipher {
    const ALL: [Self; 4] = [Self::Aes128Cbc, Self::Aes256Cbc, Self::Sm4Cbc, Self::DesEde3Cbc];

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128Cbc => oid::AES_128_CBC,
            Self::Aes256Cbc => oid::AES_256_CBC,
            Self::Sm4Cbc => oid::SM4_CBC,
            Self::DesEde3Cbc => oid::DES_EDE3_CBC,
        }
    }

    /// Bytes of its key.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Sm4Cbc => 16,
            Self::Aes256Cbc => 32,
            Self::DesEde3Cbc => 24,
        }
    }

    /// Bytes of its block, and so of its initialisation vector.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes256Cbc | Self::Sm4Cbc => 16,
            Self::DesEde3Cbc => 8,
        }
    }
}

/// The ciphers of PKCS#12's own schemes, all with SHA-1 and in CBC mode with a block of 8 bytes: only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkcs12Cipher {
    /// Triple DES with three keys.
    TripleDes3,
    /// Triple DES with two keys.
    TripleDes2,
    /// RC2 with an effective key of 128 bits.
    Rc2Bits128,
    /// RC2 with an effective key of 40 bits.
    Rc2Bits40,
}

impl Pkcs12Cipher {
    const ALL: [Self; 4] = [Self::TripleDes3, Self::TripleDes2, Self::Rc2Bits128, Self::Rc2Bits40];

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::TripleDes3 => oid::PBE_SHA1_3DES_3,
            Self::TripleDes2 => oid::PBE_SHA1_3DES_2,
            Self::Rc2Bits128 => oid::PBE_SHA1_RC2_128,
            Self::Rc2Bits40 => oid::PBE_SHA1_RC2_40,
        }
    }

    /// Bytes of its key.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::TripleDes3 => 24,
            Self::TripleDes2 | Self::Rc2Bits128 => 16,
            Self::Rc2Bits40 => 5,
        }
    }
}

/// How a passphrase becomes a key, and what that key decrypts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// PBES2 with PBKDF2 (RFC 8018 6.2, 5.2).
    Pbes2 {
        /// What PBKDF2 iterates.
        prf: Prf,
        /// Its salt.
        salt: Vec<u8>,
        /// How often: 1 to [`MAX_ITERATIONS`].
        iterations: u32,
        /// What decrypts.
        cipher: Cipher,
        /// As long as the cipher's block.
        iv: Vec<u8>,
    },
    /// A scheme of RFC 7292 C; key and initialisation vector come from the passphrase (RFC 7292 B).
    Pkcs12 {
        /// What decrypts.
        cipher: Pkcs12Cipher,
        /// The salt of the derivation.
        salt: Vec<u8>,
        /// How often: 1 to [`MAX_ITERATIONS`].
        iterations: u32,
    },
}

impl Scheme {
    /// Reads the AlgorithmIdentifier of an encryption.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for other schemes (scrypt, PBES1, RC4 …); [`Error::TooManyIterations`],
    /// [`Error::TooLong`]; or not this structure.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        const WHAT: &str = "encryptionAlgorithm";
        let algorithm = AlgorithmIdentifier::read(reader, WHAT)?;
        let parameters = algorithm.parameters.ok_or(der::Error::Missing { what: WHAT });
        if algorithm.oid == oid::PBES2 {
            return read_pbes2(parameters?);
        }
        let cipher = Pkcs12Cipher::ALL.into_iter().find(|cipher| cipher.oid() == algorithm.oid);
        let cipher = cipher.ok_or(Error::Unsupported { what: WHAT, oid: algorithm.oid })?;
        let mut outer = Reader::new(parameters?);
        let mut inner = outer.sequence("pkcs-12PbeParams")?;
        let salt = read_salt(inner.octet_string("salt")?)?;
        let iterations = read_iterations(&mut inner)?;
        inner.finish("pkcs-12PbeParams")?;
        Ok(Self::Pkcs12 { cipher, salt, iterations })
    }

    /// The AlgorithmIdentifier.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|algorithm| match self {
            Self::Pbes2 { prf, salt, iterations, cipher, iv } => {
                algorithm.oid(oid::PBES2).sequence(|parameters| {
                    parameters.sequence(|derivation| {
                        derivation.oid(oid::PBKDF2).sequence(|inner| {
                            inner.octet_string(salt).small(*iterations);
                            // HMAC-SHA1 is the DEFAULT, which DER leaves out (X.690 11.5).
                            if *prf != Prf::HmacSha1 {
                                inner.sequence(|function| {
                                    function.oid(prf.oid()).null();
                                });
                            }
                        });
                    });
                    parameters.sequence(|encryption| {
                        encryption.oid(cipher.oid()).octet_string(iv);
                    });
                });
            }
            Self::Pkcs12 { cipher, salt, iterations } => {
                algorithm.oid(cipher.oid()).sequence(|parameters| {
                    parameters.octet_string(salt).small(*iterations);
                });
            }
        });
        writer.into_bytes()
    }

    /// How often the passphrase is to be stretched.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        match self {
            Self::Pbes2 { iterations, .. } | Self::Pkcs12 { iterations, .. } => *iterations,
        }
    }
}

/// `PBES2-params ::= SEQUENCE { keyDerivationFunc AlgorithmIdentifier, encryptionScheme AlgorithmIdentifier }`
/// (RFC 8018 A.4).
fn read_pbes2(parameters: &[u8]) -> Result<Scheme, Error> {
    const WHAT: &str = "PBES2-params";
    let mut outer = Reader::new(parameters);
    let mut inner = outer.sequence(WHAT)?;
    let derivation = AlgorithmIdentifier::read(&mut inner, "keyDerivationFunc")?;
    let encryption = AlgorithmIdentifier::read(&mut inner, "encryptionScheme")?;
    inner.finish(WHAT)?;
    if derivation.oid != oid::PBKDF2 {
        return Err(Error::Unsupported { what: "keyDerivationFunc", oid: derivation.oid });
    }
    let cipher = Cipher::ALL.into_iter().find(|cipher| cipher.oid() == encryption.oid);
    let cipher = cipher.ok_or(Error::Unsupported { what: "encryptionScheme", oid: encryption.oid })?;
    let (prf, salt, iterations) = read_pbkdf2(derivation.parameters, cipher)?;
    let mut reader = Reader::new(encryption.parameters.unwrap_or_default());
    let iv = reader.octet_string("initialisation vector")?.to_vec();
    reader.finish("initialisation vector")?;
    if iv.len() != cipher.block_bytes() {
        return Err(der::Error::InvalidValue { what: "initialisation vector" }.into());
    }
    Ok(Scheme::Pbes2 { prf, salt, iterations, cipher, iv })
}

/// `PBKDF2-params ::= SEQUENCE { salt OCTET STRING, iterationCount INTEGER, keyLength INTEGER OPTIONAL, prf
/// AlgorithmIdentifier DEFAULT hmacWithSHA1 }` (RFC 8018 A.2); its other choice of salt was never used.
fn read_pbkdf2(parameters: Option<&[u8]>, cipher: Cipher) -> Result<(Prf, Vec<u8>, u32), Error> {
    const WHAT: &str = "PBKDF2-params";
    let mut outer = Reader::new(parameters.unwrap_or_default());
    let mut inner = outer.sequence(WHAT)?;
    let salt = read_salt(inner.octet_string("salt")?)?;
    let iterations = read_iterations(&mut inner)?;
    if inner.peek() == Some(Tag::Integer) {
        let length = inner.small("keyLength")?;
        if usize::try_from(length) != Ok(cipher.key_bytes()) {
            return Err(Error::Contradiction { what: "keyLength" });
        }
    }
    let prf = if inner.is_empty() {
        Prf::HmacSha1
    } else {
        let function = AlgorithmIdentifier::read(&mut inner, "prf")?;
        if function.parameters.is_some_and(|parameters| parameters != [5, 0]) {
            return Err(der::Error::InvalidValue { what: "prf" }.into());
        }
        match function.oid {
            oid::HMAC_SM3_OPENSSL => Prf::HmacSm3,
            oid => Prf::ALL.into_iter().find(|prf| prf.oid() == oid).ok_or(Error::Unsupported { what: "prf", oid })?,
        }
    };
    inner.finish(WHAT)?;
    Ok((prf, salt, iterations))
}

pub(in crate::format::keys) fn read_salt(salt: &[u8]) -> Result<Vec<u8>, Error> {
    if salt.len() > MAX_SALT {
        return Err(Error::TooLong { what: "salt", limit: MAX_SALT });
    }
    Ok(salt.to_vec())
}

/// A count of 1 to [`MAX_ITERATIONS`].
pub(in crate::format::keys) fn read_iterations(reader: &mut Reader<'_>) -> Result<u32, Error> {
    const WHAT: &str = "iterations";
    let magnitude = reader.unsigned(WHAT)?;
    let number = magnitude.iter().take(4).fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    match number {
        0 => Err(der::Error::InvalidValue { what: WHAT }.into()),
        number if magnitude.len() > 4 || number > MAX_ITERATIONS => {
            Err(Error::TooManyIterations { limit: MAX_ITERATIONS })
        }
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(der: &[u8]) -> Result<Scheme, Error> {
        let mut reader = Reader::new(der);
        let scheme = Scheme::read(&mut reader)?;
        reader.finish("test")?;
        Ok(scheme)
    }

    fn pbes2(prf: Prf, cipher: Cipher, iterations: u32) -> Scheme {
        Scheme::Pbes2 { prf, salt: vec![1; 16], iterations, cipher, iv: vec![2; cipher.block_bytes()] }
    }

    #[test]
    fn every_scheme_there_and_back() {
        for prf in Prf::ALL {
            for cipher in Cipher::ALL {
                let scheme = pbes2(prf, cipher, MAX_ITERATIONS);
                assert_eq!(read(&scheme.to_der()), Ok(scheme));
            }
        }
        for cipher in Pkcs12Cipher::ALL {
            let scheme = Scheme::Pkcs12 { cipher, salt: vec![1; 8], iterations: 1 };
            assert_eq!(read(&scheme.to_der()), Ok(scheme));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let too_many = Err(Error::TooManyIterations { limit: 2_000_000 });
        for iterations in [MAX_ITERATIONS + 1, u32::MAX] {
            assert_eq!(read(&pbes2(Prf::HmacSm3, Cipher::Sm4Cbc, iterations).to_der()), too_many);
        }
        let invalid = |what| Err(Error::from(der::Error::InvalidValue { what }));
        assert_eq!(read(&pbes2(Prf::HmacSm3, Cipher::Sm4Cbc, 0).to_der()), invalid("iterations"));
        let mut endless = Writer::new();
        endless.unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let bomb = read_iterations(&mut Reader::new(&endless.into_bytes()));
        assert_eq!(bomb, Err(Error::TooManyIterations { limit: 2_000_000 }));
        let salted = |salt: usize, iv: usize| Scheme::Pbes2 {
            prf: Prf::HmacSha256,
            salt: vec![1; salt],
            iterations: 1,
            cipher: Cipher::Aes128Cbc,
            iv: vec![2; iv],
        };
        assert_eq!(read(&salted(257, 16).to_der()), Err(Error::TooLong { what: "salt", limit: 256 }));
        assert_eq!(read(&salted(256, 15).to_der()), invalid("initialisation vector"));
    }

    #[test]
    fn other_algorithms_are_named() {
        let scrypt = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");
        let aes192 = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22");
        let sha224 = ObjectIdentifier::new_unwrap("1.2.840.113549.2.8");
        let write = |derivation, prf, encryption, length: Option<u32>| {
            let mut writer = Writer::new();
            writer.sequence(|algorithm| {
                algorithm.oid(oid::PBES2).sequence(|parameters| {
                    parameters.sequence(|inner| {
                        inner.oid(derivation).sequence(|inner| {
                            inner.octet_string(&[1; 8]).small(1);
                            if let Some(length) = length {
                                inner.small(length);
                            }
                            inner.sequence(|function| {
                                function.oid(prf);
                            });
                        });
                    });
                    parameters.sequence(|inner| {
                        inner.oid(encryption).octet_string(&[2; 16]);
                    });
                });
            });
            read(&writer.into_bytes())
        };
        let unsupported = |what, oid| Err(Error::Unsupported { what, oid });
        let (pbkdf2, sm3, sm4) = (oid::PBKDF2, oid::HMAC_SM3_OPENSSL, oid::SM4_CBC);
        assert!(matches!(write(pbkdf2, sm3, sm4, Some(16)), Ok(Scheme::Pbes2 { prf: Prf::HmacSm3, .. })));
        assert_eq!(write(scrypt, sm3, sm4, None), unsupported("keyDerivationFunc", scrypt));
        assert_eq!(write(pbkdf2, sha224, sm4, None), unsupported("prf", sha224));
        assert_eq!(write(pbkdf2, sm3, aes192, None), unsupported("encryptionScheme", aes192));
        assert_eq!(write(pbkdf2, sm3, sm4, Some(32)), Err(Error::Contradiction { what: "keyLength" }));
        let rc4 = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.1");
        let mut writer = Writer::new();
        writer.sequence(|algorithm| {
            algorithm.oid(rc4).null();
        });
        assert_eq!(read(&writer.into_bytes()), unsupported("encryptionAlgorithm", rc4));
    }
}

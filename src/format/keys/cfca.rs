//! The key file of CFCA (中国金融认证中心, `.sm2`): SM4 under a passphrase, and the certificate beside it.
//!
//! No standard describes it; the structure is read off two samples that CFCA's test authority issued. The key of SM4 is
//! one round of SM3 over the passphrase, so the file protects little; it is read, never written.

use crate::format::der::{self, Reader};
use crate::format::keys::{Error, oid};

/// `SEQUENCE { INTEGER 1, SEQUENCE { OID data, OID SM4, OCTET STRING }, SEQUENCE { OID data, OCTET STRING } }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CfcaKeyFile<'a> {
    /// The scalar of 32 bytes, by SM4-CBC with padding: 48 bytes.
    pub encrypted: &'a [u8; 48],
    /// The certificate.
    pub certificate: &'a [u8],
}

impl<'a> CfcaKeyFile<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure; [`Error::Unsupported`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "CFCA key file";
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        if inner.small("version")? != 1 {
            return Err(der::Error::InvalidValue { what: "version" }.into());
        }
        let mut key = inner.sequence("encrypted key")?;
        let mut certificate = inner.sequence("certificate")?;
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        for (what, reader, expected) in [
            ("encrypted key", &mut key, &[oid::GM_DATA, oid::SM4][..]),
            ("certificate", &mut certificate, &[oid::GM_DATA]),
        ] {
            for expected in expected {
                let oid = reader.oid(what)?;
                if oid != *expected {
                    return Err(Error::Unsupported { what, oid });
                }
            }
        }
        let encrypted = key.octet_string("encrypted key")?;
        key.finish("encrypted key")?;
        let encrypted = encrypted.try_into().map_err(|_| der::Error::InvalidValue { what: "encrypted key" })?;
        let octets = certificate.octet_string("certificate")?;
        certificate.finish("certificate")?;
        Ok(Self { encrypted, certificate: octets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::{ObjectIdentifier, Writer};

    #[test]
    fn the_structure_and_nothing_else() {
        let write = |cipher: ObjectIdentifier, size: usize| {
            let mut writer = Writer::new();
            writer.sequence(|file| {
                file.small(1);
                file.sequence(|key| {
                    key.oid(oid::GM_DATA).oid(cipher).octet_string(&vec![7; size]);
                });
                file.sequence(|certificate| {
                    certificate.oid(oid::GM_DATA).octet_string(b"cert");
                });
            });
            writer.into_bytes()
        };
        let file = write(oid::SM4, 48);
        assert_eq!(CfcaKeyFile::parse(&file), Ok(CfcaKeyFile { encrypted: &[7; 48], certificate: b"cert" }));
        let invalid = der::Error::InvalidValue { what: "encrypted key" };
        assert_eq!(CfcaKeyFile::parse(&write(oid::SM4, 32)), Err(invalid.into()));
        let unsupported = Error::Unsupported { what: "encrypted key", oid: oid::SM4_CBC };
        assert_eq!(CfcaKeyFile::parse(&write(oid::SM4_CBC, 48)), Err(unsupported));
    }
}

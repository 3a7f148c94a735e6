//! `[keys.pkcs11]` and `[keys.sdf]`: devices that hold keys.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::keys::Refused;
use crate::config::raw;

/// `[keys.pkcs11]`.
#[derive(Debug, Clone)]
pub struct Pkcs11 {
    /// The module, a shared library.
    pub module: PathBuf,
    /// The token.
    pub token: Token,
    /// File of the user's PIN.
    pub pin_file: PathBuf,
    /// Calls side by side.
    pub sessions: usize,
    /// Most time for a call.
    pub timeout: Duration,
    /// Whether RSAES-OAEP uses SHA-1 instead of SHA-256.
    pub oaep_sha1: bool,
    /// The maker's mechanism that makes SM2 pairs.
    pub sm2_key_pair: Option<u64>,
    /// The maker's mechanism that signs by SM2.
    pub sm2_sign: Option<u64>,
    /// The maker's SM3.
    pub sm3: Option<u64>,
    /// The maker's HMAC-SM3.
    pub sm3_hmac: Option<u64>,
}

/// How a token is named.
#[derive(Debug, Clone)]
pub enum Token {
    /// By its label.
    Label(String),
    /// By its slot's number.
    Slot(u64),
}

/// `[keys.sdf]`.
#[derive(Debug, Clone)]
pub struct Sdf {
    /// The maker's library.
    pub library: PathBuf,
    /// Indexes of our pairs.
    pub pairs: Vec<u32>,
    /// File of the pairs' passwords.
    pub password_file: Option<PathBuf>,
    /// Index of the device's key-encryption key.
    pub key_encryption_key: u32,
    /// Calls side by side.
    pub sessions: usize,
    /// Most time for a call.
    pub timeout: Duration,
}

fn sessions(key: &'static str, written: Option<u64>) -> Result<usize, Refused> {
    match written.map(usize::try_from) {
        None => Ok(4),
        Some(Ok(sessions)) if (1..=64).contains(&sessions) => Ok(sessions),
        Some(_) => Err((key, "1 to 64".into())),
    }
}

fn timeout(key: &'static str, written: Option<u64>) -> Result<Duration, Refused> {
    match written.unwrap_or(5) {
        seconds @ 1..=600 => Ok(Duration::from_secs(seconds)),
        _ => Err((key, "1 to 600 seconds".into())),
    }
}

fn needed<T>(key: &'static str, written: Option<T>) -> Result<T, Refused> {
    written.ok_or_else(|| (key, "needed".into()))
}

/// Mechanisms of makers begin here (`CKM_VENDOR_DEFINED`).
fn vendor(key: &'static str, written: Option<u64>) -> Result<Option<u64>, Refused> {
    match written {
        Some(number) if !(0x8000_0000..=0xffff_ffff).contains(&number) => {
            Err((key, "0x80000000 to 0xffffffff: the numbers of makers".into()))
        }
        written => Ok(written),
    }
}

impl Pkcs11 {
    pub(super) fn checked(raw: raw::KeysPkcs11) -> Result<Self, Refused> {
        let token = match (raw.token, raw.slot) {
            (Some(label), None) => Token::Label(label),
            (None, Some(slot)) => Token::Slot(slot),
            _ => return Err(("keys.pkcs11.token", "either a token's label, or keys.pkcs11.slot".into())),
        };
        let oaep_sha1 = match raw.oaep_digest.as_deref() {
            None | Some("sha256") => false,
            Some("sha1") => true,
            Some(other) => return Err(("keys.pkcs11.oaep_digest", format!("sha256 or sha1, not {other:?}"))),
        };
        Ok(Self {
            module: needed("keys.pkcs11.module", raw.module)?,
            token,
            pin_file: needed("keys.pkcs11.pin_file", raw.pin_file)?,
            sessions: sessions("keys.pkcs11.sessions", raw.sessions)?,
            timeout: timeout("keys.pkcs11.timeout", raw.timeout)?,
            oaep_sha1,
            sm2_key_pair: vendor("keys.pkcs11.sm2_key_pair", raw.sm2_key_pair)?,
            sm2_sign: vendor("keys.pkcs11.sm2_sign", raw.sm2_sign)?,
            sm3: vendor("keys.pkcs11.sm3", raw.sm3)?,
            sm3_hmac: vendor("keys.pkcs11.sm3_hmac", raw.sm3_hmac)?,
        })
    }

    pub(super) fn effective(&self) -> raw::KeysPkcs11 {
        let (token, slot) = match &self.token {
            Token::Label(label) => (Some(label.clone()), None),
            Token::Slot(slot) => (None, Some(*slot)),
        };
        raw::KeysPkcs11 {
            module: Some(self.module.clone()),
            token,
            slot,
            pin_file: Some(self.pin_file.clone()),
            sessions: u64::try_from(self.sessions).ok(),
            timeout: Some(self.timeout.as_secs()),
            oaep_digest: Some(if self.oaep_sha1 { "sha1" } else { "sha256" }.to_owned()),
            sm2_key_pair: self.sm2_key_pair,
            sm2_sign: self.sm2_sign,
            sm3: self.sm3,
            sm3_hmac: self.sm3_hmac,
        }
    }
}

impl Sdf {
    pub(super) fn checked(raw: raw::KeysSdf) -> Result<Self, Refused> {
        Ok(Self {
            library: needed("keys.sdf.library", raw.library)?,
            pairs: needed("keys.sdf.pairs", raw.pairs)?,
            password_file: raw.password_file,
            key_encryption_key: raw.key_encryption_key.unwrap_or(1),
            sessions: sessions("keys.sdf.sessions", raw.sessions)?,
            timeout: timeout("keys.sdf.timeout", raw.timeout)?,
        })
    }

    pub(super) fn effective(&self) -> raw::KeysSdf {
        raw::KeysSdf {
            library: Some(self.library.clone()),
            pairs: Some(self.pairs.clone()),
            password_file: self.password_file.clone(),
            key_encryption_key: Some(self.key_encryption_key),
            sessions: u64::try_from(self.sessions).ok(),
            timeout: Some(self.timeout.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::Settings;
    use crate::config::devices::Token;

    fn load(text: &str) -> Result<Settings, String> {
        Settings::from_text("y.toml", text, []).map_err(|error| error.to_string())
    }

    #[test]
    fn devices_are_read_and_written_back() {
        let text = "[keys.pkcs11]\nmodule = '/m.so'\ntoken = 't'\npin_file = '/p'\nsm2_sign = 0x80000001\n\
                    [keys.sdf]\nlibrary = '/s.so'\npairs = [1, 2]\ntimeout = 7\n";
        let keys = load(text).unwrap().keys;
        let (pkcs11, sdf) = (keys.pkcs11.unwrap(), keys.sdf.unwrap());
        assert!(matches!(&pkcs11.token, Token::Label(label) if label == "t"));
        assert_eq!((pkcs11.sm2_sign, pkcs11.sessions, pkcs11.oaep_sha1), (Some(0x8000_0001), 4, false));
        assert_eq!((sdf.pairs.as_slice(), sdf.key_encryption_key), ([1, 2].as_slice(), 1));
        assert_eq!((pkcs11.timeout, sdf.timeout), (Duration::from_secs(5), Duration::from_secs(7)));
        let written = load(text).unwrap().effective();
        assert_eq!(load(&written).unwrap().effective(), written);
        assert!(load("").unwrap().keys.sdf.is_none());
    }

    #[test]
    fn each_wrong_value_is_refused_by_its_key() {
        let pkcs11 = "[keys.pkcs11]\nmodule = '/m.so'\npin_file = '/p'\n";
        let sdf = "[keys.sdf]\nlibrary = '/s.so'\n";
        let cases = [
            (pkcs11.to_owned(), "keys.pkcs11.token: either a token's label, or keys.pkcs11.slot"),
            (
                format!("{pkcs11}token = 't'\nslot = 1"),
                "keys.pkcs11.token: either a token's label, or keys.pkcs11.slot",
            ),
            (format!("{pkcs11}slot = 1\nsessions = 0"), "keys.pkcs11.sessions: 1 to 64"),
            (format!("{pkcs11}slot = 1\nsessions = 65"), "keys.pkcs11.sessions: 1 to 64"),
            (format!("{pkcs11}slot = 1\ntimeout = 601"), "keys.pkcs11.timeout: 1 to 600 seconds"),
            (format!("{pkcs11}slot = 1\noaep_digest = 'md5'"), "keys.pkcs11.oaep_digest: sha256 or sha1, not \"md5\""),
            (format!("{pkcs11}slot = 1\nsm3 = 1"), "keys.pkcs11.sm3: 0x80000000 to 0xffffffff: the numbers of makers"),
            ("[keys.pkcs11]\nslot = 1\npin_file = '/p'".into(), "keys.pkcs11.module: needed"),
            ("[keys.pkcs11]\nslot = 1\nmodule = '/m'".into(), "keys.pkcs11.pin_file: needed"),
            (sdf.to_owned(), "keys.sdf.pairs: needed"),
            (format!("{sdf}pairs = [1]\ntimeout = 0"), "keys.sdf.timeout: 1 to 600 seconds"),
        ];
        for (text, expected) in cases {
            assert_eq!(load(&text).err(), Some(format!("y.toml: {expected}")), "{text}");
        }
    }
}

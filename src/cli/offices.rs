//! Setting up the offices elsewhere that an installation writes to, from its settings.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::cli::fetching::{self, https_anchors};
use crate::cli::installation::Error;
use crate::config::{OfficeSettings, Settings};
use crate::crypto::PublicKey;
use crate::domain::trust::{TrustAnchors, public_key};
use crate::domain::verify::address::Address;
use crate::format::keys::{SubjectPublicKeyInfo, read_pem};
use crate::service::offices::{MakerOffice, Office, Offices};
use crate::service::outside::exchange::Correspondent;

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(fs::read(path).map_err(|source| fetching::Error::Unreadable { path: path.to_owned(), source })?)
}

/// The public key in a PEM file.
fn key_in(path: &Path) -> Result<PublicKey, Error> {
    let octets = read(path)?;
    let ders = std::str::from_utf8(&octets).ok().and_then(|text| read_pem(text, "PUBLIC KEY")).unwrap_or_default();
    let key = ders.first().and_then(|der| public_key(&SubjectPublicKeyInfo::parse(der).ok()?));
    Ok(key.ok_or_else(|| fetching::Error::PublicKey { path: path.to_owned() })?)
}

fn office(settings: &OfficeSettings) -> Result<Office, Error> {
    // It was read with the settings.
    let address = Address::parse(&settings.address)
        .map_err(|_| fetching::Error::ServerName { host: settings.address.clone() })?;
    let correspondent = Correspondent::new(address, https_anchors(&settings.https_anchors)?, key_in(&settings.key)?);
    Ok(Office { correspondent, every: settings.every, silent: settings.silent })
}

/// The offices of these settings.
pub(crate) fn of(settings: &Settings) -> Result<Offices, Error> {
    let maker = match &settings.national_maker {
        None => None,
        Some(maker) => {
            let mut trust = TrustAnchors::none();
            for path in &maker.anchors {
                let added = trust.add_anchors(&read(path)?, &path.display().to_string());
                added.map_err(|source| fetching::Error::Trust { path: path.clone(), source })?;
            }
            Some(MakerOffice { office: office(&maker.office)?, kinds: maker.kinds.clone(), trust: Arc::new(trust) })
        }
    };
    let filing = settings.filing.as_ref().map(office).transpose()?;
    Ok(Offices { maker, filing })
}

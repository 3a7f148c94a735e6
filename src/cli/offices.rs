//! Setting up the offices elsewhere that an installation writes to, and the receivers of its notices, from its settings.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cli::fetching::{self, https_anchors};
use crate::cli::installation::Error;
use crate::config::{OfficeSettings, Settings, WebhookSettings};
use crate::domain::trust::TrustAnchors;
use crate::domain::verify::address::Address;
use crate::service::issuance::Issuance;
use crate::service::offices::sending::keep_writing;
use crate::service::offices::{MakerOffice, Office, Offices};
use crate::service::outside::exchange::{Correspondent, public_key_in};
use crate::service::outside::notices::Destination;
use crate::service::webhooks::{self, Receiver};
use crate::service::{Services, prepared_signings};

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(fs::read(path).map_err(|source| fetching::Error::Unreadable { path: path.to_owned(), source })?)
}

fn office(settings: &OfficeSettings) -> Result<Office, Error> {
    // It was read with the settings.
    let address = Address::parse(&settings.address)
        .map_err(|_| fetching::Error::ServerName { host: settings.address.clone() })?;
    let key = public_key_in(&read(&settings.key)?);
    let key = key.ok_or_else(|| fetching::Error::PublicKey { path: settings.key.clone() })?;
    let correspondent = Correspondent::new(address, https_anchors(&settings.https_anchors)?, key);
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

fn receiver(settings: &WebhookSettings) -> Result<Receiver, Error> {
    // It was read with the settings.
    let address =
        Address::parse(&settings.url).map_err(|_| fetching::Error::ServerName { host: settings.url.clone() })?;
    let tls = https_anchors(&settings.https_anchors)?;
    Ok(Receiver {
        name: settings.name.clone(),
        destination: Destination { address, tls, patience: settings.timeout },
        subscription: settings.subscription.clone(),
        since: settings.since,
        give_up_after: settings.give_up_after,
        algorithm: settings.algorithm,
    })
}

/// The receivers of notices of these settings.
pub(crate) fn receivers(settings: &Settings) -> Result<Arc<[Receiver]>, Error> {
    settings.webhooks.iter().map(receiver).collect()
}

/// Writes to the offices and the receivers of notices, and gives back what clients did not complete, for as long as what comes
/// back is held. What is being sent then goes again under the same name.
pub(crate) fn start(services: &Services, issuance: &Issuance) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_writing(services.clone(), issuance.clone()));
    tasks.spawn(webhooks::keep_sending(services.clone()));
    tasks.spawn(prepared_signings::keep_expiring(services.clone()));
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::keys::{read_pem, write_pem};
    use crate::format::x509::Certificate;

    #[test]
    fn offices_are_read_from_the_settings_and_faults_are_named() {
        let folder = std::env::temp_dir().join(format!("yinxin-offices-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let anchor = include_str!("../../tests/vectors/keys/maker.pem");
        let der = read_pem(anchor, "CERTIFICATE").unwrap().remove(0);
        let key = Certificate::parse(&der).unwrap().public_key.raw.to_vec();
        fs::write(path("anchor.pem"), anchor).unwrap();
        fs::write(path("key.pem"), write_pem(&key, "PUBLIC KEY")).unwrap();
        let with = |key: &str, anchor: &str| {
            let text = format!(
                "[national_maker]\naddress = 'http://127.0.0.1:1/orders'\nkinds = [1]\nkey = {key:?}\nanchors = [{anchor:?}]\n\
                 [filing]\naddress = 'http://localhost:2/filing'\nkey = {key:?}\n",
                key = path(key),
                anchor = path(anchor),
            );
            fs::write(path("y.toml"), text).unwrap();
            let settings = Settings::load(Some(&path("y.toml")), std::iter::empty()).unwrap();
            of(&settings).map(|offices| offices.names()).map_err(|error| error.line())
        };
        assert_eq!(with("key.pem", "anchor.pem").unwrap(), ["national-maker", "filing"]);
        let refused = |key, anchor| with(key, anchor).unwrap_err();
        assert!(refused("anchor.pem", "anchor.pem").ends_with("(public-key-malformed)"));
        assert!(refused("none.pem", "anchor.pem").ends_with("(file-unreadable)"));
        assert!(refused("key.pem", "key.pem").ends_with("(anchors-malformed)"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

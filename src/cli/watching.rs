//! Setting up those who watch over the audit log for `serve`: rules against misuse, and receivers of security events.

use std::fs;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::task::JoinSet;

use crate::base::clock::SystemClock;
use crate::cli::fetching;
use crate::cli::installation::Error;
use crate::config::{JsonPlace, Settings, Siem, SyslogTarget, siem_address};
use crate::domain::audit::misuse::Misuse;
use crate::service::Services;
use crate::service::outside::web::server_anchors;
use crate::service::watching::delivery::{Sink, keep_delivering};
use crate::service::watching::json_lines::{JsonLines, Place};
use crate::service::watching::keep_watching;
use crate::service::watching::syslog::{Sender, Syslog, Target};

/// Who watches.
pub(crate) struct Watching {
    misuse: Misuse,
    retention_days: u32,
    down: std::time::Duration,
    syslog: Option<(Target, Sender)>,
    json: Option<Place>,
}

/// By the settings.
pub(crate) fn served(settings: &Settings) -> Result<Watching, Error> {
    let (siem, retention_days) = (&settings.siem, settings.log.retention_days);
    let sender = Sender { enterprise: siem.enterprise, hostname: siem.hostname.clone() };
    let json = siem.json.as_ref().map(|json| match json {
        JsonPlace::Stdout => Place::Stdout,
        JsonPlace::File(path) => Place::File(path.clone(), retention_days),
    });
    let syslog = target(siem)?.map(|target| (target, sender));
    Ok(Watching { misuse: settings.alarms.clone(), retention_days, down: siem.down, syslog, json })
}

fn target(siem: &Siem) -> Result<Option<Target>, Error> {
    let Some(target) = &siem.syslog else { return Ok(None) };
    Ok(Some(match target {
        SyslogTarget::Udp(host, port) => Target::Udp(siem_address(host, *port)),
        SyslogTarget::Tcp(host, port) => Target::Tcp(siem_address(host, *port)),
        SyslogTarget::Unix(path) => Target::Unix(path.clone()),
        SyslogTarget::Tls(host, port) => {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| fetching::Error::ServerName { host: host.clone() })?;
            Target::Tls(siem_address(host, *port), name, anchors(siem)?)
        }
    }))
}

/// Those who vouch for the receiver of TLS, from all files together.
fn anchors(siem: &Siem) -> Result<Arc<ClientConfig>, Error> {
    let (mut pem, mut last) = (Vec::new(), std::path::PathBuf::new());
    for path in &siem.syslog_anchors {
        let unreadable = |source| fetching::Error::Unreadable { path: path.clone(), source };
        pem.extend_from_slice(&fs::read(path).map_err(unreadable)?);
        pem.push(b'\n');
        last.clone_from(path);
    }
    Ok(server_anchors(&pem).map_err(|source| fetching::Error::Anchors { path: last, source })?)
}

impl Watching {
    /// Watches for as long as what comes back is held. What is being written then is kept whole or not at all, and what was
    /// being handed over goes again at the next start.
    pub(crate) fn start(self, services: &Services) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_watching(services.clone(), self.misuse, self.retention_days));
        if let Some((target, sender)) = self.syslog {
            let make = move || -> Box<dyn Sink> { Box::new(Syslog::new(target.clone(), sender.clone())) };
            tasks.spawn(keep_delivering(services.clone(), make, self.down));
        }
        if let Some(place) = self.json {
            let make = move || -> Box<dyn Sink> { Box::new(JsonLines::new(place.clone(), Arc::new(SystemClock))) };
            tasks.spawn(keep_delivering(services.clone(), make, self.down));
        }
        tasks
    }
}

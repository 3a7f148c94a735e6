//! Configuration: raw (unknown keys refused) → validated.

mod alarms;
pub mod algorithms;
mod audit_log;
mod batches;
pub mod ceremony;
pub mod devices;
mod escrow;
pub mod faces;
mod fetching;
mod keys;
mod offices;
mod persons;
pub mod profiles;
mod publication;
mod raw;
mod registration;
mod seal_kinds;
mod settings;
mod siem;
mod stamping;
pub mod trust_list;
pub mod verification;
mod webhooks;

use std::path::PathBuf;

pub use audit_log::{AuditLogSettings, OldTilesPlace};
pub use batches::BatchSettings;
pub use escrow::Escrow;
pub use fetching::Fetching;
pub use keys::{Keys, Source};
pub use offices::{MakerSettings, OfficeSettings};
pub use publication::Publication;
pub use registration::Registration;
pub use settings::{Database, Log, LogFormat, Policies, Server, Settings, Tls, Trust};
pub use siem::{JsonPlace, Siem, SyslogTarget, address as siem_address};
pub use stamping::Stamping;
pub use webhooks::WebhookSettings;

/// Why a configuration is refused. Each names the key, and the file or variable it stands in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not TOML, or has a key that is not known, or a value of the wrong kind.
    #[error("{place}: {message}")]
    Malformed {
        /// The file, or the environment variable.
        place: String,
        /// What is wrong and where.
        message: String,
    },
    /// A value is outside what its key allows.
    #[error("{place}: {key}: {message}")]
    Refused {
        /// The file, or `environment`, or `defaults`.
        place: String,
        /// The key, with its section.
        key: &'static str,
        /// Why.
        message: String,
    },
}

//! The configuration as written: every key optional, unknown ones refused.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::seal_kinds::RawKind;
use crate::config::webhooks::RawWebhook;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub(super) $field: Option<$kind>,)*
        }
    )*};
}

sections! {
    /// The whole file.
    Raw {
        data_dir: PathBuf,
        profile: String,
        server: Server,
        database: Database,
        keys: Keys,
        policies: Policies,
        trust: Trust,
        stamping: Stamping,
        publication: Publication,
        registration: Registration,
        escrow: Escrow,
        national_maker: NationalMaker,
        filing: Filing,
        webhooks: Vec<RawWebhook>,
        seals: Seals,
        persons: Persons,
        verification: Verification,
        batches: Batches,
        audit_log: AuditLog,
        alarms: Alarms,
        siem: Siem,
        log: Log,
    }
    Server {
        listen: Vec<String>,
        publication: Vec<String>,
        tls_certificate: PathBuf,
        tls_key: PathBuf,
        max_upload: u64,
        keep_batches: u64,
        keep_answers: u64,
        request_timeout: u64,
        shutdown_grace: u64,
        trusted_hosts: Vec<String>,
    }
    Database {
        url: String,
    }
    AuditLog {
        origin: String,
        checkpoint_ms: u64,
        merge_delay: u64,
        witnesses: Vec<String>,
        mirror: PathBuf,
        keep_events_days: u64,
        old_tiles: String,
        old_tiles_after: u64,
        old_tiles_credentials: PathBuf,
        old_tiles_region: String,
    }
    Keys {
        encryption_key_file: PathBuf,
        passphrase_file: PathBuf,
        environment: String,
        share_files: Vec<PathBuf>,
        sealing: String,
        signing_places: u64,
        signing_timeout: u64,
        pkcs11: KeysPkcs11,
        sdf: KeysSdf,
    }
    KeysPkcs11 {
        module: PathBuf,
        token: String,
        slot: u64,
        pin_file: PathBuf,
        sessions: u64,
        timeout: u64,
        oaep_digest: String,
        sm2_key_pair: u64,
        sm2_sign: u64,
        sm3: u64,
        sm3_hmac: u64,
    }
    KeysSdf {
        library: PathBuf,
        pairs: Vec<u32>,
        password_file: PathBuf,
        key_encryption_key: u32,
        sessions: u64,
        timeout: u64,
    }
    Policies {
        verification: String,
        access: PathBuf,
        algorithms: PathBuf,
        profiles: PathBuf,
    }
    Trust {
        development: bool,
        anchors: Vec<PathBuf>,
    }
    Stamping {
        enabled: bool,
        policies: Vec<String>,
        digests: Vec<String>,
        accuracy: u64,
        precision: String,
        ordering: bool,
        ntp: Vec<String>,
        ntp_agree: u64,
        ntp_interval: u64,
        per_minute: u64,
    }
    Publication {
        full_every: u64,
        delta_every: u64,
        keep: u64,
        answer_validity: u64,
        answer_max_age: u64,
        answers: u64,
        alert_days: Vec<u32>,
    }
    Registration {
        lapse_days: u64,
        keep_days: u64,
        approve: Vec<String>,
    }
    Verification {
        fetch: bool,
        fetch_issuers: bool,
        report_seal: String,
        fetch_seconds: u64,
        list_mebibytes: u64,
        https_anchors: Vec<PathBuf>,
    }
    Batches {
        of_caller: u64,
        files: u64,
        mebibytes: u64,
        all_mebibytes: u64,
    }
    Escrow {
        keep_years: u64,
    }
    NationalMaker {
        address: String,
        key: PathBuf,
        https_anchors: Vec<PathBuf>,
        kinds: Vec<u8>,
        anchors: Vec<PathBuf>,
        every_seconds: u64,
        silent_minutes: u64,
    }
    Filing {
        address: String,
        key: PathBuf,
        https_anchors: Vec<PathBuf>,
        every_seconds: u64,
        silent_minutes: u64,
    }
    Seals {
        unkept: String,
        time_stamp: String,
        value_within: i64,
        keep_messages_days: u64,
        kinds: Vec<RawKind>,
    }
    Persons {
        authority: String,
        least_level: u64,
        minutes: u64,
        proof_minutes: u64,
    }
    Alarms {
        night: String,
        offset: String,
        burst_uses: u64,
        burst_minutes: u64,
        new_caller_days: u64,
        new_division_days: u64,
        new_division_digits: u64,
        refusals: u64,
        stranger_refusals: u64,
        refusal_minutes: u64,
        suspend: Vec<String>,
    }
    Siem {
        syslog: String,
        syslog_anchors: Vec<PathBuf>,
        enterprise: u64,
        hostname: String,
        json: String,
        down_minutes: u64,
    }
    Log {
        format: String,
        level: String,
        retention_days: u64,
    }
}

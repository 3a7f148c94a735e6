//! Drafts of trust lists: TOML that names files of certificates and keys, from which a list is made.

use std::path::PathBuf;

use serde::Deserialize;

use crate::base::clock::Timestamp;
use crate::domain::trust::{Region, SignerIdRule, StatusService, TrustUse};

/// Why a draft is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// Not TOML of this shape; unknown keys are refused.
    #[error("the draft cannot be read: {reason}")]
    Malformed {
        /// What is wrong, with its line.
        reason: String,
    },
    /// A moment is not in RFC 3339 form.
    #[error("{key} is not a moment in RFC 3339 form")]
    Moment {
        /// Which key.
        key: &'static str,
    },
    /// Neither or both of `expires` and `days` are given.
    #[error("one of expires and days is given")]
    Expiry,
}

/// A key that shall sign, by a file with its certificate or public key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftSigner {
    /// Whose.
    pub name: String,
    /// The file, PEM or DER.
    pub file: PathBuf,
}

/// An anchor, by the file of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftAnchor {
    /// What people call it.
    pub name: String,
    /// The file, PEM or DER.
    pub file: PathBuf,
    /// What it is trusted for.
    pub uses: Vec<TrustUse>,
    /// Where; nothing: everywhere.
    pub regions: Vec<Region>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Which signer IDs count.
    pub signer_id: SignerIdRule,
    /// Where the status of certificates can be asked.
    pub status: Vec<StatusService>,
    /// Verifier keys of the logs in which whatever is issued below it must be.
    pub logs: Vec<String>,
}

/// A list below.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftList {
    /// Its name.
    pub name: String,
    /// What its anchors may be trusted for.
    pub uses: Vec<TrustUse>,
    /// Where; nothing: everywhere.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// How many signers must sign it.
    pub threshold: u64,
    /// Who signs it.
    #[serde(rename = "signer")]
    pub signers: Vec<DraftSigner>,
    /// Where it is published.
    pub address: Option<String>,
}

/// A list to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// Who answers for it.
    pub operator: String,
    /// When it is made; now where nothing is told.
    pub issued: Option<Timestamp>,
    /// Its end.
    pub expires: Expiry,
    /// How many signers must sign.
    pub threshold: u64,
    /// Who signs it.
    pub signers: Vec<DraftSigner>,
    /// Its anchors.
    pub anchors: Vec<DraftAnchor>,
    /// The lists below it.
    pub lists: Vec<DraftList>,
}

/// When a list ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Then.
    At(Timestamp),
    /// So many days after it was made.
    Days(i64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDraft {
    name: String,
    number: u64,
    operator: String,
    issued: Option<String>,
    expires: Option<String>,
    days: Option<u32>,
    threshold: u64,
    signer: Vec<DraftSigner>,
    #[serde(default)]
    anchor: Vec<RawAnchor>,
    #[serde(default)]
    list: Vec<DraftList>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnchor {
    name: String,
    file: PathBuf,
    uses: Vec<TrustUse>,
    #[serde(default)]
    regions: Vec<Region>,
    from: Option<String>,
    until: Option<String>,
    signer_id: Option<SignerIdRule>,
    #[serde(default)]
    status: Vec<StatusService>,
    #[serde(default)]
    logs: Vec<String>,
}

/// The draft that a TOML text is.
///
/// # Errors
/// The text is none.
pub fn parse(text: &str) -> Result<Draft, DraftError> {
    let raw: RawDraft = toml::from_str(text).map_err(|error| DraftError::Malformed { reason: error.to_string() })?;
    let expires = match (moment("expires", raw.expires.as_deref())?, raw.days) {
        (Some(at), None) => Expiry::At(at),
        (None, Some(days)) => Expiry::Days(i64::from(days)),
        _ => return Err(DraftError::Expiry),
    };
    let anchor = |raw: RawAnchor| {
        Ok(DraftAnchor {
            name: raw.name,
            file: raw.file,
            uses: raw.uses,
            regions: raw.regions,
            from: moment("anchor.from", raw.from.as_deref())?,
            until: moment("anchor.until", raw.until.as_deref())?,
            signer_id: raw.signer_id.unwrap_or(SignerIdRule::Default),
            status: raw.status,
            logs: raw.logs,
        })
    };
    Ok(Draft {
        name: raw.name,
        number: raw.number,
        operator: raw.operator,
        issued: moment("issued", raw.issued.as_deref())?,
        expires,
        threshold: raw.threshold,
        signers: raw.signer,
        anchors: raw.anchor.into_iter().map(anchor).collect::<Result<_, _>>()?,
        lists: raw.list,
    })
}

fn moment(key: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, DraftError> {
    text.map(Timestamp::parse_rfc3339).transpose().map_err(|_| DraftError::Moment { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = 'zj'\nnumber = 1\noperator = '甲'\ndays = 30\nthreshold = 1\n\
                        [[signer]]\nname = '乙'\nfile = 'a.pem'\n\
                        [[anchor]]\nname = '根'\nfile = 'r.pem'\nuses = ['seal-making']\nfrom = '2026-01-01T00:00:00Z'\n\
                        regions = [{ code = '330000', names = ['浙江省'] }]\n";

    #[test]
    fn a_draft_says_everything_or_is_refused() {
        let draft = parse(TEXT).unwrap();
        assert_eq!((draft.expires, draft.issued, draft.signers.len()), (Expiry::Days(30), None, 1));
        let anchor = &draft.anchors[0];
        assert_eq!((&anchor.uses[..], anchor.signer_id), (&[TrustUse::SealMaking][..], SignerIdRule::Default));
        assert_eq!(anchor.from, Some(Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap()));
        assert_eq!(parse(&TEXT.replace("days = 30\n", "")), Err(DraftError::Expiry));
        let both = TEXT.replace("days = 30", "days = 30\nexpires = '2027-01-01T00:00:00Z'");
        assert_eq!(parse(&both), Err(DraftError::Expiry));
        let refused = parse(&TEXT.replace("2026-01-01T00:00:00Z", "2026"));
        assert_eq!(refused, Err(DraftError::Moment { key: "anchor.from" }));
        for wrong in [TEXT.replace("number", "numbers"), TEXT.replace("seal-making", "all"), String::new()] {
            assert!(matches!(parse(&wrong), Err(DraftError::Malformed { .. })), "{wrong}");
        }
    }
}

//! Types of seals that an installation knows beside the common ones: `seals.kinds`, one table each.

use serde::{Deserialize, Serialize};

use crate::domain::seal::kind::{KindError, Naming, SealKind, SealKinds};

/// A type as written; unknown keys are refused.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKind {
    /// Its code, 1 to 99.
    code: u8,
    /// What it is called.
    name: String,
    /// `holder`, `holder-then`, `person` or `free`.
    naming: String,
    /// The words at the end of a name, where naming is `holder-then`; none may be wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<String>,
    /// Whether a holder has one at most at a time.
    single: bool,
}

/// The common types and those that are written, or why not.
pub(super) fn read(written: Option<Vec<RawKind>>) -> Result<SealKinds, String> {
    let kinds = written.unwrap_or_default().into_iter().map(RawKind::read).collect::<Result<Vec<_>, _>>()?;
    SealKinds::with(kinds).map_err(|error: KindError| error.to_string())
}

impl RawKind {
    fn read(self) -> Result<SealKind, String> {
        let Self { code, name, naming, ending, single } = self;
        let naming = match (naming.as_str(), ending) {
            ("holder", None) => Naming::Holder,
            ("holder-then", Some(ending)) => Naming::HolderThen(ending),
            ("person", None) => Naming::Person,
            ("free", None) => Naming::Free,
            ("holder" | "person" | "free", Some(_)) => {
                return Err(format!("the type {code:02} has no use for an ending"));
            }
            ("holder-then", None) => return Err(format!("the type {code:02} needs an ending, which may be empty")),
            _ => return Err(format!("the naming of type {code:02} is one of holder, holder-then, person, free")),
        };
        Ok(SealKind { code, name, naming, is_single: single })
    }

    fn of(kind: &SealKind) -> Self {
        let (naming, ending) = match &kind.naming {
            Naming::Holder => ("holder", None),
            Naming::HolderThen(ending) => ("holder-then", Some(ending.clone())),
            Naming::Person => ("person", None),
            Naming::Free => ("free", None),
        };
        Self { code: kind.code, name: kind.name.clone(), naming: naming.to_owned(), ending, single: kind.is_single }
    }
}

/// Those beside the common types, as they would be written.
pub(super) fn effective(kinds: &SealKinds) -> Vec<RawKind> {
    let common = SealKinds::common();
    kinds.iter().filter(|kind| common.find(kind.code).is_none()).map(RawKind::of).collect()
}

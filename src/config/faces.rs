//! The faces of seals by type and rank: the table that is built in, and files of the same shape.

use serde::Deserialize;

use crate::domain::seal::face_table::{FaceEvidence, FaceRule, FaceShape, FaceTable, FaceTableError};

/// The text of the built-in table.
pub const BUILT_IN: &str = include_str!("../../policies/faces.toml");

/// Why a table of faces was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FacesError {
    /// Not TOML, or not of this shape; unknown keys are refused.
    #[error("the table of faces {origin} cannot be read: {reason}")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// Its rows contradict each other.
    #[error(transparent)]
    Table(#[from] FaceTableError),
}

impl FacesError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "face-table-malformed",
            Self::Table(error) => error.code(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    face: Vec<RawFace>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFace {
    #[serde(rename = "type")]
    seal_type: String,
    rank: Option<String>,
    shape: RawShape,
    width_mm: u16,
    height_mm: u16,
    line: Option<String>,
    evidence: RawEvidence,
    clause: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawShape {
    RoundStar,
    RoundEmblem,
    RoundEmpty,
    Oval,
    Square,
    Rectangle,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawEvidence {
    Regulation,
    Custom,
    Choice,
}

/// The built-in table.
///
/// # Errors
/// Never: tests read it.
pub fn built_in() -> Result<FaceTable, FacesError> {
    parse(BUILT_IN, "built in")
}

/// A table from its TOML text.
///
/// # Errors
/// The text is not such a table.
pub fn parse(text: &str, origin: &str) -> Result<FaceTable, FacesError> {
    let raw: RawTable = toml::from_str(text).map_err(|error: toml::de::Error| FacesError::Malformed {
        origin: origin.to_owned(),
        reason: error.to_string().trim().to_owned(),
    })?;
    let rules = raw.face.into_iter().map(|face| FaceRule {
        seal_type: face.seal_type,
        rank: face.rank,
        shape: match face.shape {
            RawShape::RoundStar => FaceShape::RoundStar,
            RawShape::RoundEmblem => FaceShape::RoundEmblem,
            RawShape::RoundEmpty => FaceShape::RoundEmpty,
            RawShape::Oval => FaceShape::Oval,
            RawShape::Square => FaceShape::Square,
            RawShape::Rectangle => FaceShape::Rectangle,
        },
        width_mm: face.width_mm,
        height_mm: face.height_mm,
        line: face.line,
        evidence: match face.evidence {
            RawEvidence::Regulation => FaceEvidence::Regulation,
            RawEvidence::Custom => FaceEvidence::Custom,
            RawEvidence::Choice => FaceEvidence::Choice,
        },
        clause: face.clause,
    });
    Ok(FaceTable::new(rules.collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_says_what_regulations_say() {
        let table = built_in().unwrap();
        let size = |seal_type, rank| {
            let rule = table.rule(seal_type, rank).unwrap();
            (rule.shape, rule.width_mm, rule.height_mm, rule.line.as_deref())
        };
        assert_eq!(size("01", Some("state-council")), (FaceShape::RoundEmblem, 60, 60, None));
        assert_eq!(size("01", Some("province")), (FaceShape::RoundEmblem, 50, 50, None));
        assert_eq!(size("01", Some("city-or-county")), (FaceShape::RoundEmblem, 45, 45, None));
        assert_eq!(size("01", Some("township")), (FaceShape::RoundStar, 42, 42, None));
        assert_eq!(size("03", None), (FaceShape::Oval, 40, 30, Some("发票专用章")));
        for seal_type in ["01", "02", "03", "04", "05", "06", "07", "08", "99"] {
            assert!(table.rule(seal_type, None).is_ok(), "{seal_type}");
        }
    }

    #[test]
    fn unknown_keys_and_words_are_refused() {
        for (from, to) in [
            ("width_mm", "width"),
            ("shape = \"oval\"", "shape = \"egg\""),
            ("evidence = \"custom\"", "evidence = \"hearsay\""),
        ] {
            let refused = parse(&BUILT_IN.replacen(from, to, 1), "a.toml").map(|_| ()).unwrap_err();
            assert!(matches!(refused, FacesError::Malformed { .. }), "{from}: {refused:?}");
        }
        let refused = parse(&BUILT_IN.replace("type = \"99\"", "type = \"9\""), "a.toml").unwrap_err();
        assert_eq!(refused.code(), "face-table-malformed");
        assert_eq!(refused.to_string(), "the type of a seal is two digits, not 9");
    }
}

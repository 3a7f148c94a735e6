//! Which face a seal of some type and rank has, and how large it is: data, with a source for every row.

/// The shape of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceShape {
    /// Round, with a star.
    RoundStar,
    /// Round, with an empty place for the national emblem.
    RoundEmblem,
    /// Round, with lines in the middle.
    RoundEmpty,
    /// Oval.
    Oval,
    /// Square, for names.
    Square,
    /// Rectangular.
    Rectangle,
}

/// What a row of the table rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceEvidence {
    /// The text of a regulation, read in copies.
    Regulation,
    /// What seal makers do.
    Custom,
    /// Our choice.
    Choice,
}

/// The face of seals of a type and rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaceRule {
    /// The type's code: two digits.
    pub seal_type: String,
    /// The rank of the organisation, or the form; none for whoever has no row of its own.
    pub rank: Option<String>,
    /// The shape.
    pub shape: FaceShape,
    /// The width in millimetres.
    pub width_mm: u16,
    /// The height in millimetres.
    pub height_mm: u16,
    /// The line that such seals carry, such as 财务专用章.
    pub line: Option<String>,
    /// What the row rests on.
    pub evidence: FaceEvidence,
    /// Where that stands.
    pub clause: String,
}

/// Why a table is not taken, or has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaceTableError {
    /// A type's code is not two digits.
    #[error("the type of a seal is two digits, not {seal_type}")]
    TypeMalformed {
        /// What stands there.
        seal_type: String,
    },
    /// Two rows for the same type and rank.
    #[error("type {seal_type} has two rows for the same rank")]
    Repeated {
        /// The type.
        seal_type: String,
    },
    /// A type has rows for ranks and none for everybody else.
    #[error("type {seal_type} has no row without a rank")]
    NoDefault {
        /// The type.
        seal_type: String,
    },
    /// A round or square face is not as high as wide.
    #[error("type {seal_type}: {width_mm} × {height_mm} mm is no such shape")]
    SizeMalformed {
        /// The type.
        seal_type: String,
        /// The width.
        width_mm: u16,
        /// The height.
        height_mm: u16,
    },
    /// A row says not where it comes from.
    #[error("type {seal_type}: a row without its source")]
    Uncited {
        /// The type.
        seal_type: String,
    },
    /// No row for that type.
    #[error("no face is known for seals of type {seal_type}")]
    UnknownType {
        /// The type asked for.
        seal_type: String,
    },
    /// No row for that rank.
    #[error("seals of type {seal_type} have no face for {rank}")]
    UnknownRank {
        /// The type asked for.
        seal_type: String,
        /// The rank asked for.
        rank: String,
    },
}

impl FaceTableError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownType { .. } => "seal-type-unknown",
            Self::UnknownRank { .. } => "seal-rank-unknown",
            Self::TypeMalformed { .. }
            | Self::Repeated { .. }
            | Self::NoDefault { .. }
            | Self::SizeMalformed { .. }
            | Self::Uncited { .. } => "face-table-malformed",
        }
    }
}

/// The faces of all types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaceTable {
    rules: Vec<FaceRule>,
}

impl FaceTable {
    /// Takes rows that do not contradict each other.
    ///
    /// # Errors
    /// What is wrong with a row, by name.
    pub fn new(rules: Vec<FaceRule>) -> Result<Self, FaceTableError> {
        for (number, rule) in rules.iter().enumerate() {
            let seal_type = rule.seal_type.clone();
            if seal_type.len() != 2 || !seal_type.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(FaceTableError::TypeMalformed { seal_type });
            }
            let equal = |other: &FaceRule| other.seal_type == rule.seal_type && other.rank == rule.rank;
            if rules.iter().take(number).any(equal) {
                return Err(FaceTableError::Repeated { seal_type });
            }
            if !rules.iter().any(|other| other.seal_type == rule.seal_type && other.rank.is_none()) {
                return Err(FaceTableError::NoDefault { seal_type });
            }
            let (width_mm, height_mm) = (rule.width_mm, rule.height_mm);
            let even = !matches!(rule.shape, FaceShape::Oval | FaceShape::Rectangle);
            if width_mm == 0 || height_mm == 0 || (even && width_mm != height_mm) {
                return Err(FaceTableError::SizeMalformed { seal_type, width_mm, height_mm });
            }
            if rule.clause.trim().is_empty() {
                return Err(FaceTableError::Uncited { seal_type });
            }
        }
        Ok(Self { rules })
    }

    /// The face for a type and rank; without a rank the one for everybody.
    ///
    /// # Errors
    /// [`FaceTableError::UnknownType`], [`FaceTableError::UnknownRank`].
    pub fn rule(&self, seal_type: &str, rank: Option<&str>) -> Result<&FaceRule, FaceTableError> {
        let of_type = || self.rules.iter().filter(|rule| rule.seal_type == seal_type);
        if of_type().next().is_none() {
            return Err(FaceTableError::UnknownType { seal_type: seal_type.to_owned() });
        }
        of_type().find(|rule| rule.rank.as_deref() == rank).ok_or_else(|| FaceTableError::UnknownRank {
            seal_type: seal_type.to_owned(),
            rank: rank.unwrap_or_default().to_owned(),
        })
    }

    /// All rows, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &FaceRule> {
        self.rules.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(seal_type: &str, rank: Option<&str>, width_mm: u16) -> FaceRule {
        FaceRule {
            seal_type: seal_type.to_owned(),
            rank: rank.map(str::to_owned),
            shape: FaceShape::RoundStar,
            width_mm,
            height_mm: 42,
            line: None,
            evidence: FaceEvidence::Choice,
            clause: "a test".to_owned(),
        }
    }

    #[test]
    fn a_type_and_a_rank_have_one_row() {
        let table = FaceTable::new(vec![rule("01", None, 42), rule("01", Some("county"), 42)]).unwrap();
        assert_eq!(table.rule("01", None).unwrap().rank, None);
        assert_eq!(table.rule("01", Some("county")).unwrap().rank.as_deref(), Some("county"));
        assert_eq!(table.rule("01", Some("moon")).unwrap_err().code(), "seal-rank-unknown");
        assert_eq!(table.rule("02", None).unwrap_err().code(), "seal-type-unknown");
        assert_eq!(table.rules().count(), 2);
    }

    #[test]
    fn tables_that_contradict_themselves_are_refused() {
        let seal_type = || "01".to_owned();
        let mut silent = rule("01", None, 42);
        silent.clause = " ".to_owned();
        for (rules, refusal) in [
            (vec![rule("1", None, 42)], FaceTableError::TypeMalformed { seal_type: "1".to_owned() }),
            (vec![rule("01", None, 42), rule("01", None, 42)], FaceTableError::Repeated { seal_type: seal_type() }),
            (vec![rule("01", Some("county"), 42)], FaceTableError::NoDefault { seal_type: seal_type() }),
            (
                vec![rule("01", None, 41)],
                FaceTableError::SizeMalformed { seal_type: seal_type(), width_mm: 41, height_mm: 42 },
            ),
            (vec![silent], FaceTableError::Uncited { seal_type: seal_type() }),
        ] {
            assert_eq!(FaceTable::new(rules), Err(refusal));
        }
    }
}

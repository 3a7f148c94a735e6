//! Pictures of seals: faces drawn by the table of faces, and pictures that somebody hands in.
//!
//! Nothing is kept and nobody is asked: whoever makes a seal of a picture records that.

use crate::domain::seal::face_table::{FaceRule, FaceShape};
use crate::render::seal::{
    self, Centre, NameEnding, OvalFace, PictureKind, PictureRule, RectangleFace, RoundFace, SealFace, SquareFace,
    UploadError,
};

pub use crate::render::seal::{Ink, InkChoice, Trust, UploadedPicture};

/// What a face says, beside what its type says.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaceTexts<'a> {
    /// The organisation's name, or the person's.
    pub name: &'a str,
    /// Level lines; without any, the line of the type.
    pub lines: &'a [String],
    /// The taxpayer's number of an oval seal.
    pub tax_number: Option<&'a str>,
    /// The code of the seal, 14 digits.
    pub code: Option<&'a str>,
    /// The note on the inner lower arc of a round seal.
    pub note: Option<&'a str>,
}

/// The form of a drawn face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureForm {
    /// Vector.
    Svg,
    /// 600 dots per inch.
    Png,
    /// The drawing that seals of GB/T 38540 carry.
    Ofd,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The face cannot be drawn.
    #[error(transparent)]
    Face(#[from] seal::Error),
    /// The picture that was handed in is refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// A text for which the shape has no place.
    #[error("seals of this shape have no place for {text}")]
    NoPlace {
        /// Which.
        text: &'static str,
    },
}

impl PictureError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Face(error) => error.code(),
            Self::Upload(error) => error.code(),
            Self::NoPlace { .. } => "text-without-place",
        }
    }
}

/// The face that a rule and its texts make.
///
/// # Errors
/// [`PictureError::NoPlace`]; whether the texts fit is found out by drawing.
pub fn face(rule: &FaceRule, texts: FaceTexts<'_>) -> Result<SealFace, PictureError> {
    let FaceTexts { name, lines, tax_number, code, note } = texts;
    let lines: Vec<String> = if lines.is_empty() { rule.line.iter().cloned().collect() } else { lines.to_vec() };
    let round = |centre| RoundFace {
        organisation: name.to_owned(),
        centre,
        lines: lines.clone(),
        code: code.map(str::to_owned),
        note: note.map(str::to_owned),
        diameter_mm: rule.width_mm,
    };
    let absent = |there: bool, text| if there { Err(PictureError::NoPlace { text }) } else { Ok(()) };
    if !matches!(rule.shape, FaceShape::Oval) {
        absent(tax_number.is_some(), "a taxpayer's number")?;
    }
    if matches!(rule.shape, FaceShape::Oval | FaceShape::Square | FaceShape::Rectangle) {
        absent(note.is_some(), "a note")?;
    }
    if matches!(rule.shape, FaceShape::Square | FaceShape::Rectangle) {
        absent(code.is_some(), "a code")?;
        absent(!lines.is_empty(), "a line")?;
    }
    let (width_mm, height_mm) = (rule.width_mm, rule.height_mm);
    Ok(match rule.shape {
        FaceShape::RoundStar => SealFace::Round(round(Centre::Star)),
        FaceShape::RoundEmblem => SealFace::Round(round(Centre::EmblemSlot)),
        FaceShape::RoundEmpty => SealFace::Round(round(Centre::Empty)),
        FaceShape::Oval => {
            let mut lines = lines.into_iter();
            let (line, number) = (lines.next(), lines.next());
            absent(lines.next().is_some(), "a third line")?;
            SealFace::Oval(OvalFace {
                organisation: name.to_owned(),
                tax_number: tax_number.map(str::to_owned),
                line,
                number,
                code: code.map(str::to_owned),
                width_mm,
                height_mm,
            })
        }
        FaceShape::Square => {
            SealFace::Square(SquareFace { name: name.to_owned(), ending: NameEnding::Customary, side_mm: width_mm })
        }
        FaceShape::Rectangle => SealFace::Rectangle(RectangleFace { text: name.to_owned(), width_mm, height_mm }),
    })
}

/// Draws a face.
///
/// # Errors
/// What is wrong with its texts, by name.
pub fn drawn(face: &SealFace, trust: Trust, form: PictureForm) -> Result<Vec<u8>, PictureError> {
    Ok(match form {
        PictureForm::Svg => seal::draw(face, trust)?.svg.into_bytes(),
        PictureForm::Png => seal::draw(face, trust)?.png,
        PictureForm::Ofd => seal::ofd_face(face, trust)?,
    })
}

/// Judges a picture of such a seal that somebody hands in, and redraws it.
///
/// # Errors
/// What is wrong with it, by name.
pub fn taken(file: &[u8], rule: &FaceRule, ink: InkChoice, trust: Trust) -> Result<UploadedPicture, PictureError> {
    let (width_mm, height_mm) = (rule.width_mm, rule.height_mm);
    Ok(seal::normalise(file, PictureRule { kind: PictureKind::Seal(ink), width_mm, height_mm, trust })?)
}

/// Judges a signature by hand, and redraws it in the middle of so many millimetres.
///
/// # Errors
/// What is wrong with it, by name.
pub fn written(file: &[u8], (width_mm, height_mm): (u16, u16), trust: Trust) -> Result<UploadedPicture, PictureError> {
    Ok(seal::normalise(file, PictureRule { kind: PictureKind::Writing, width_mm, height_mm, trust })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seal::face_table::FaceEvidence;

    fn rule(shape: FaceShape, line: Option<&str>) -> FaceRule {
        FaceRule {
            seal_type: "99".to_owned(),
            rank: None,
            shape,
            width_mm: 40,
            height_mm: 30,
            line: line.map(str::to_owned),
            evidence: FaceEvidence::Choice,
            clause: "a test".to_owned(),
        }
    }

    #[test]
    fn the_line_of_the_type_stands_unless_another_is_given() {
        let texts = FaceTexts { name: "示例市印信演示局", ..FaceTexts::default() };
        let of = |texts| match face(&rule(FaceShape::RoundStar, Some("财务专用章")), texts).unwrap() {
            SealFace::Round(round) => round.lines,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(texts), ["财务专用章"]);
        assert_eq!(of(FaceTexts { lines: &["业务专用章".to_owned()], ..texts }), ["业务专用章"]);
    }

    #[test]
    fn texts_without_a_place_are_refused_by_name() {
        let three = ["一".to_owned(), "二".to_owned(), "三".to_owned()];
        let texts = FaceTexts { name: "张三", ..FaceTexts::default() };
        for (shape, texts, text) in [
            (FaceShape::RoundStar, FaceTexts { tax_number: Some("9"), ..texts }, "a taxpayer's number"),
            (FaceShape::Oval, FaceTexts { note: Some("9"), ..texts }, "a note"),
            (FaceShape::Oval, FaceTexts { lines: &three, ..texts }, "a third line"),
            (FaceShape::Square, FaceTexts { code: Some("9"), ..texts }, "a code"),
            (FaceShape::Rectangle, FaceTexts { lines: &three, ..texts }, "a line"),
        ] {
            let refused = face(&rule(shape, None), texts).unwrap_err();
            assert_eq!(refused.to_string(), format!("seals of this shape have no place for {text}"));
            assert_eq!(refused.code(), "text-without-place");
        }
    }
}

//! Square and rectangular faces: a frame and rows or columns of letters in it.
//!
//! A square name seal reads as seals have always been read: columns from top to bottom, the right column first, so 张三之印
//! has 张三 on the right. Where letters do not fill the columns evenly, the first columns get fewer and taller ones: the
//! surname of three letters stands alone on the right. A rectangular seal reads as lines of today: from left to right, rows from
//! top to bottom. That is custom; no regulation that we know says it (docs/pictures.md).

use crate::render::Error;
use crate::render::outline::{Outline, Place, Point, Typeface};
use crate::render::seal::error::TextPart;
use crate::render::seal::text::{Level, characters, count};
use crate::render::seal::{
    NameEnding, Part, Piece, RECTANGLE_LENGTHS, RectangleFace, SPECIMEN, SQUARE_LENGTHS, SquareFace, Trust, labelled,
};

/// The least height of a letter, and the least width.
const LEAST: f64 = 2.0;
const NARROWEST: f64 = 1.2;
/// Letters are stretched to their cells, but not farther than this.
const STRETCH: f64 = 1.6;

/// A box in the picture.
#[derive(Debug, Clone, Copy)]
struct Field {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

fn frame(width: f64, height: f64) -> (Piece, f64) {
    let line = (width.min(height) / 20.0).clamp(0.5, 1.2);
    (Piece { part: Part::Border, outline: Outline::frame(width, height, line) }, line)
}

/// The name with its ending.
fn completed(mut name: Vec<char>, ending: NameEnding) -> Vec<char> {
    let letters = name.iter().filter(|character| **character != '·').count();
    let dotted = letters < name.len();
    match (ending, letters) {
        (NameEnding::Customary, 2) if !dotted => name.extend("之印".chars()),
        (NameEnding::Customary, 3) if !dotted => name.push('印'),
        _ => {}
    }
    name
}

/// A square face.
pub(super) fn square(typeface: &Typeface, face: &SquareFace, trust: Trust) -> Result<Vec<Piece>, Error> {
    let name = characters(TextPart::Name, &face.name, *SQUARE_LENGTHS.start(), *SQUARE_LENGTHS.end())?;
    let text = completed(name, face.ending);
    let side = f64::from(face.side_mm);
    let (border, line) = frame(side, side);
    let mut pieces = vec![border];
    let inset = line + side * 0.035;
    let mut field = Field { left: inset, top: inset, width: side - 2.0 * inset, height: side - 2.0 * inset };
    if trust == Trust::Development {
        let height = (field.height * 0.22).max(LEAST);
        pieces.extend(specimen(typeface, Field { top: field.top + field.height - height, height, ..field }, true)?);
        field.height -= height + side * 0.02;
    }
    // A dot hangs below the letter before it, so no column begins with one.
    let dotted = |character: &char| *character == '·';
    let letters = text.iter().filter(|character| !dotted(character)).count();
    let columns = columns(letters);
    let gap = side * 0.02;
    let width = (field.width + gap) / count(columns) - gap;
    let mut rest = text.iter().copied().peekable();
    let (mut outlines, mut left) = (Vec::with_capacity(text.len()), letters);
    for column in 0..columns {
        let mut take = left / columns.saturating_sub(column).max(1);
        left = left.saturating_sub(take);
        let mut letters = Vec::new();
        while let Some(character) = rest.next_if(|next| take > 0 || dotted(next)) {
            take = take.saturating_sub(usize::from(!dotted(&character)));
            letters.push(character);
        }
        let at = field.left + field.width - count(column.saturating_add(1)) * (width + gap) + gap;
        let set = stacked(typeface, &letters, Field { left: at, width, ..field }, gap)?;
        let Some(set) = set else {
            let fit = fitting_square(field, gap);
            return Err(Error::TextTooLong { part: TextPart::Name, characters: text.len(), fit });
        };
        outlines.extend(set);
    }
    pieces.extend(labelled(Part::Name, outlines));
    Ok(pieces)
}

/// In how many columns so many letters stand.
fn columns(letters: usize) -> usize {
    match letters {
        0..=6 => 2,
        7..=9 => 3,
        _ => 4,
    }
}

/// How many letters a square takes: the most for which every column's letters are as high and wide as the least.
fn fitting_square(field: Field, gap: f64) -> usize {
    let fits = |letters: &usize| {
        let columns = columns(*letters);
        let (width, rows) = ((field.width + gap) / count(columns) - gap, letters.div_ceil(columns));
        width >= NARROWEST && (field.height + gap) / count(rows) - gap >= LEAST
    };
    (1..=*SQUARE_LENGTHS.end()).rev().find(fits).unwrap_or(0)
}

/// A column of letters, from top to bottom, spread over its field; none when they would be too small.
fn stacked(typeface: &Typeface, letters: &[char], field: Field, gap: f64) -> Result<Option<Vec<Outline>>, Error> {
    // A dot between two names needs less than a letter.
    let share = |character: char| if character == '·' { 0.4 } else { 1.0 };
    let shares: f64 = letters.iter().map(|character| share(*character)).sum();
    let cell = (field.height - gap * (count(letters.len()) - 1.0)) / shares.max(1.0);
    if !letters.is_empty() && (cell < LEAST || field.width < NARROWEST) {
        return Ok(None);
    }
    let (width, height) = (field.width.min(cell * STRETCH), cell.min(field.width * STRETCH));
    let mut top = field.top;
    let mut set = Vec::with_capacity(letters.len());
    for character in letters {
        let share = share(*character);
        let centre = Point { x: field.left + field.width / 2.0, y: top + cell * share / 2.0 };
        set.push(typeface.letter(*character, Place { centre, width, height, turn: 0.0 })?);
        top += cell * share + gap;
    }
    Ok(Some(set))
}

/// 样章 in a field of its own, level or upright.
fn specimen(typeface: &Typeface, field: Field, level: bool) -> Result<Vec<Piece>, Error> {
    let text: Vec<char> = SPECIMEN.chars().collect();
    let middle = Point { x: field.left + field.width / 2.0, y: field.top + field.height / 2.0 };
    let outlines = if level {
        let room = field.width / 2.0;
        let line = Level { middle, room, tallest: field.height, least: 0.0, slender: 0.9, gap: 0.5 };
        line.set(typeface, TextPart::Line, &text)?
    } else {
        let height = (field.height * 0.42).min(field.width * STRETCH);
        let place = |y: f64| Place { centre: Point { y, ..middle }, width: field.width, height, turn: 0.0 };
        let offset = (field.height * 0.23).max(height * 0.52);
        let both = text.iter().zip([middle.y - offset, middle.y + offset]);
        both.map(|(character, y)| typeface.letter(*character, place(y))).collect::<Result<_, _>>()?
    };
    Ok(labelled(Part::Specimen, outlines).collect())
}

/// A rectangular face.
pub(super) fn rectangle(typeface: &Typeface, face: &RectangleFace, trust: Trust) -> Result<Vec<Piece>, Error> {
    let text = characters(TextPart::Name, &face.text, *RECTANGLE_LENGTHS.start(), *RECTANGLE_LENGTHS.end())?;
    let (width, height) = (f64::from(face.width_mm), f64::from(face.height_mm));
    let (border, line) = frame(width, height);
    let mut pieces = vec![border];
    let inset = line + width.min(height) * 0.05;
    let mut field = Field { left: inset, top: inset, width: width - 2.0 * inset, height: height - 2.0 * inset };
    if trust == Trust::Development {
        let upright = field.width >= field.height * 1.3;
        if upright {
            let width = (field.height * 0.3).clamp(LEAST.min(field.width / 4.0), field.width / 4.0);
            pieces.extend(specimen(typeface, Field { left: field.left + field.width - width, width, ..field }, false)?);
            field.width -= width + height.min(width) * 0.1;
        } else {
            let height = (field.height * 0.22).max(LEAST);
            pieces.extend(specimen(typeface, Field { top: field.top + field.height - height, height, ..field }, true)?);
            field.height -= height + width.min(height) * 0.1;
        }
    }
    let cells = text.iter().map(|character| typeface.cell(*character)).collect::<Result<Vec<_>, _>>()?;
    let best = (1..=3usize).map(|rows| Rows::of(&text, &cells, rows, field)).reduce(|best, other| {
        // More rows only where they make letters clearly larger.
        if other.size() > best.size() * 1.1 { other } else { best }
    });
    let Some(best) = best.filter(|rows| rows.height >= LEAST && rows.width >= NARROWEST) else {
        let fits = |n: &usize| {
            (1..=3usize).any(|rows| {
                let size = Rows::sized(count(n.div_ceil(rows)), rows, field);
                size.0 >= NARROWEST && size.1 >= LEAST
            })
        };
        let fit = (1..text.len()).rev().find(fits).unwrap_or(0);
        return Err(Error::TextTooLong { part: TextPart::Name, characters: text.len(), fit });
    };
    pieces.extend(labelled(Part::Name, best.set(typeface, field)?));
    Ok(pieces)
}

/// Rows of letters of one size.
struct Rows {
    rows: Vec<Vec<(char, f64)>>,
    width: f64,
    height: f64,
}

/// White between rows, in heights of a letter, and between letters, in widths.
const ROW_GAP: f64 = 0.12;
const LETTER_GAP: f64 = 0.06;

impl Rows {
    /// Breaks a text into so many rows of about the same length; no row begins with a dot or a closing bracket.
    fn of(text: &[char], cells: &[f64], rows: usize, field: Field) -> Self {
        let total: f64 = cells.iter().sum();
        let mut broken = vec![Vec::new()];
        let mut used = 0.0;
        for (character, cell) in text.iter().zip(cells) {
            let due = total * count(broken.len()) / count(rows);
            let bound = matches!(character, '·' | '）' | ')' | '》' | '、' | '。' | '”' | '’');
            if used + cell / 2.0 > due && broken.len() < rows && !bound {
                broken.push(Vec::new());
            }
            if let Some(row) = broken.last_mut() {
                row.push((*character, *cell));
            }
            used += cell;
        }
        let longest = |row: &Vec<(char, f64)>| row.iter().map(|(_, cell)| cell + LETTER_GAP).sum::<f64>();
        let longest = broken.iter().map(longest).fold(0.0, f64::max);
        let (width, height) = Self::sized(longest, broken.len(), field);
        Self { rows: broken, width, height }
    }

    /// Width and height of letters when the longest of so many rows has so many squares.
    fn sized(squares: f64, rows: usize, field: Field) -> (f64, f64) {
        let height = field.height / (count(rows) * (1.0 + ROW_GAP) - ROW_GAP);
        let width = field.width / squares.max(1.0);
        (width.min(height * 1.1), height.min(width * STRETCH))
    }

    fn size(&self) -> f64 {
        self.width * self.height
    }

    fn set(&self, typeface: &Typeface, field: Field) -> Result<Vec<Outline>, Error> {
        // Rows are spread when letters are lower than their share, but not torn apart.
        let lines = count(self.rows.len());
        let spare = field.height - lines * self.height;
        let gap = (spare / (lines + 1.0)).clamp(0.0, self.height * 0.5).max(self.height * ROW_GAP);
        let mut middle =
            field.top + (field.height - lines * self.height - gap * (lines - 1.0)) / 2.0 + self.height / 2.0;
        let mut set = Vec::new();
        for row in &self.rows {
            let cells: f64 = row.iter().map(|(_, cell)| cell).sum::<f64>() * self.width;
            let spaces = count(row.len());
            let gap_x = ((field.width - cells) / spaces).clamp(0.0, self.width * 0.45);
            let mut left = field.left + (field.width - cells - gap_x * (spaces - 1.0)) / 2.0;
            for (character, cell) in row {
                let centre = Point { x: left + cell * self.width / 2.0, y: middle };
                let place = Place { centre, width: self.width, height: self.height, turn: 0.0 };
                set.push(typeface.letter(*character, place)?);
                left += cell * self.width + gap_x;
            }
            middle += self.height + gap;
        }
        Ok(set)
    }
}

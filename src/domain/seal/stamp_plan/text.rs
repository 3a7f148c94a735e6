//! The written form of a place of a stamp: its kind, then what it says, `name=value` by single spaces; what is a text of its own
//! stands last and goes to the end. Numbers are millimetres.
//!
//! ```text
//! at pages=1,3-last x=124 y=211.5
//! seam edge=right pages=all at=100 sheets=8
//! keyword which=last pages=all dx=0 dy=-5 text=（盖章）
//! field dx=0 dy=0 name=盖章处
//! ```
//!
//! What is left out is `pages=all`, `which=all`, `dx=0`, `dy=0`; of a seam, `at` is its middle and `sheets` as many as fit.

use std::fmt;
use std::str::FromStr;

use crate::domain::seal::stamp_plan::{Edge, PageNumber, PageRange, Pages, StampPlace, Which};

/// The farthest that anybody places a stamp: pages are smaller.
const FARTHEST_MM: f64 = 100_000.0;

/// Ranges of pages that one place may name.
const MAX_RANGES: usize = 32;

/// The greatest number of a page.
const MAX_PAGE: u32 = 100_000;

/// The longest keyword or name of a field, in characters.
const MAX_TEXT: usize = 64;

/// Octets of the longest place.
const MAX_PLACE: usize = 1024;

/// Why a text is no place: which part of it, and what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} of a place: {expected} was expected")]
pub struct PlaceMalformed {
    /// The part: `place` for its kind, else the name of a value.
    pub part: &'static str,
    /// What belongs there.
    pub expected: &'static str,
}

const fn malformed(part: &'static str, expected: &'static str) -> PlaceMalformed {
    PlaceMalformed { part, expected }
}

impl FromStr for StampPlace {
    type Err = PlaceMalformed;

    fn from_str(text: &str) -> Result<Self, PlaceMalformed> {
        if text.len() > MAX_PLACE {
            return Err(malformed("place", "at most 1024 octets"));
        }
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut values = Values::read(rest)?;
        let place = match kind {
            "at" => {
                Self::At { pages: values.pages()?, x_mm: values.required("x", 0.0)?, y_mm: values.required("y", 0.0)? }
            }
            "seam" => Self::Seam {
                edge: values.edge()?,
                pages: values.pages()?,
                at_mm: values.millimetres("at", 0.0)?,
                sheets: values.sheets()?,
            },
            "keyword" => Self::Keyword {
                text: values.own("text")?,
                which: values.which()?,
                pages: values.pages()?,
                dx_mm: values.millimetres("dx", -FARTHEST_MM)?.unwrap_or(0.0),
                dy_mm: values.millimetres("dy", -FARTHEST_MM)?.unwrap_or(0.0),
            },
            "field" => Self::Field {
                name: values.own("name")?,
                dx_mm: values.millimetres("dx", -FARTHEST_MM)?.unwrap_or(0.0),
                dy_mm: values.millimetres("dy", -FARTHEST_MM)?.unwrap_or(0.0),
            },
            _ => return Err(malformed("place", "at, seam, keyword or field")),
        };
        values.finish()?;
        Ok(place)
    }
}

/// The values of a place that have not been read yet.
struct Values<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Values<'t> {
    fn read(mut rest: &'t str) -> Result<Self, PlaceMalformed> {
        let mut values: Vec<(&str, &str)> = Vec::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or(malformed("place", "name=value by single spaces"))?;
            let own = matches!(name, "text" | "name");
            let (value, next) = if own { (after, "") } else { after.split_once(' ').unwrap_or((after, "")) };
            if values.iter().any(|(known, _)| *known == name) {
                return Err(malformed("place", "each value once"));
            }
            values.push((name, value));
            rest = next;
        }
        Ok(Self(values))
    }

    fn take(&mut self, name: &str) -> Option<&'t str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn finish(self) -> Result<(), PlaceMalformed> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed("place", "only the values of its kind")) }
    }

    fn millimetres(&mut self, name: &'static str, least: f64) -> Result<Option<f64>, PlaceMalformed> {
        let Some(text) = self.take(name) else { return Ok(None) };
        // `inf`, `nan` and what has an exponent are no millimetres that anybody writes.
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        let number = text.parse::<f64>().ok().filter(|_| plain);
        let within = number.filter(|number| (least..=FARTHEST_MM).contains(number));
        // Minus nought is nought.
        within.map(|number| Some(number + 0.0)).ok_or(malformed(name, "millimetres, such as 12.5"))
    }

    fn required(&mut self, name: &'static str, least: f64) -> Result<f64, PlaceMalformed> {
        self.millimetres(name, least)?.ok_or(malformed(name, "millimetres, such as 12.5"))
    }

    fn own(&mut self, name: &'static str) -> Result<String, PlaceMalformed> {
        let text = self.take(name).unwrap_or_default().trim();
        let fits = (1..=MAX_TEXT).contains(&text.chars().count()) && !text.contains(char::is_control);
        if fits { Ok(text.to_owned()) } else { Err(malformed(name, "1 to 64 characters, the last value")) }
    }

    fn edge(&mut self) -> Result<Edge, PlaceMalformed> {
        match self.take("edge") {
            Some("left") => Ok(Edge::Left),
            Some("right") => Ok(Edge::Right),
            Some("top") => Ok(Edge::Top),
            Some("bottom") => Ok(Edge::Bottom),
            _ => Err(malformed("edge", "left, right, top or bottom")),
        }
    }

    fn sheets(&mut self) -> Result<Option<u32>, PlaceMalformed> {
        let Some(text) = self.take("sheets") else { return Ok(None) };
        let sheets = whole(text).filter(|sheets| *sheets >= 2);
        sheets.map(Some).ok_or(malformed("sheets", "how many pages one stamp spans, from 2"))
    }

    fn which(&mut self) -> Result<Which, PlaceMalformed> {
        match self.take("which") {
            None | Some("all") => Ok(Which::All),
            Some("first") => Ok(Which::Number(1)),
            Some("last") => Ok(Which::Last),
            Some(text) => {
                let number = whole(text).map(Which::Number);
                number.ok_or(malformed("which", "all, first, last or a number from 1"))
            }
        }
    }

    fn pages(&mut self) -> Result<Pages, PlaceMalformed> {
        const EXPECTED: PlaceMalformed = malformed("pages", "all, odd, even, or such as 1,3-5,last");
        let Some(text) = self.take("pages") else { return Ok(Pages::all()) };
        if text == "all" {
            return Ok(Pages::all());
        }
        let ranges: Option<Vec<_>> = text.split(',').take(MAX_RANGES.saturating_add(1)).map(range).collect();
        ranges.filter(|ranges| ranges.len() <= MAX_RANGES).map(Pages).ok_or(EXPECTED)
    }
}

/// A number from 1.
fn whole(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|number| digits && (1..=MAX_PAGE).contains(number))
}

fn range(text: &str) -> Option<PageRange> {
    let number = |text: &str| match text {
        "last" => Some(PageNumber::Last),
        text => whole(text).map(PageNumber::At),
    };
    match text {
        "odd" => Some(PageRange::Odd),
        "even" => Some(PageRange::Even),
        text => match text.split_once('-') {
            None => number(text).map(|page| PageRange::Span { from: page, to: page }),
            Some((from, to)) => Some(PageRange::Span { from: number(from)?, to: number(to)? }),
        },
    }
}

impl fmt::Display for PageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(number) => write!(f, "{number}"),
            Self::Last => f.write_str("last"),
        }
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all");
        }
        for (n, range) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match range {
                PageRange::Span { from, to } if from == to => write!(f, "{from}")?,
                PageRange::Span { from, to } => write!(f, "{from}-{to}")?,
                PageRange::Odd => f.write_str("odd")?,
                PageRange::Even => f.write_str("even")?,
            }
        }
        Ok(())
    }
}

/// The one form of a place: read again, it is the same place.
impl fmt::Display for StampPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { pages, x_mm, y_mm } => write!(f, "at pages={pages} x={x_mm} y={y_mm}"),
            Self::Seam { edge, pages, at_mm, sheets } => {
                let edge = match edge {
                    Edge::Left => "left",
                    Edge::Right => "right",
                    Edge::Top => "top",
                    Edge::Bottom => "bottom",
                };
                write!(f, "seam edge={edge} pages={pages}")?;
                if let Some(at) = at_mm {
                    write!(f, " at={at}")?;
                }
                if let Some(sheets) = sheets {
                    write!(f, " sheets={sheets}")?;
                }
                Ok(())
            }
            Self::Keyword { text, which, pages, dx_mm, dy_mm } => {
                f.write_str("keyword which=")?;
                match which {
                    Which::All => f.write_str("all")?,
                    Which::Last => f.write_str("last")?,
                    Which::Number(number) => write!(f, "{number}")?,
                }
                write!(f, " pages={pages} dx={dx_mm} dy={dy_mm} text={text}")
            }
            Self::Field { name, dx_mm, dy_mm } => write!(f, "field dx={dx_mm} dy={dy_mm} name={name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> (&'static str, &'static str) {
        let PlaceMalformed { part, expected } = text.parse::<StampPlace>().unwrap_err();
        (part, expected)
    }

    #[test]
    fn places_are_read_and_written() {
        for (text, written) in [
            ("at x=124 y=211.50", "at pages=all x=124 y=211.5"),
            ("at y=0 x=-0 pages=1,3-last,odd,even", "at pages=1,3-last,odd,even x=0 y=0"),
            ("seam edge=right", "seam edge=right pages=all"),
            ("seam sheets=8 at=100 pages=2-9 edge=top", "seam edge=top pages=2-9 at=100 sheets=8"),
            ("keyword text=（盖 章）=1", "keyword which=all pages=all dx=0 dy=0 text=（盖 章）=1"),
            ("keyword which=first dy=-5 text= 公章 ", "keyword which=1 pages=all dx=0 dy=-5 text=公章"),
            ("field name=盖章处", "field dx=0 dy=0 name=盖章处"),
        ] {
            let place: StampPlace = text.parse().unwrap();
            assert_eq!(place.to_string(), written);
            assert_eq!(written.parse(), Ok(place));
        }
    }

    #[test]
    fn what_is_no_place_says_where() {
        let (mm, pages) = ("millimetres, such as 12.5", "all, odd, even, or such as 1,3-5,last");
        for (text, expected) in [
            ("", ("place", "at, seam, keyword or field")),
            ("corner x=1", ("place", "at, seam, keyword or field")),
            ("at x", ("place", "name=value by single spaces")),
            ("at x=1 x=2 y=3", ("place", "each value once")),
            ("at x=1 y=2 which=all", ("place", "only the values of its kind")),
            ("at  x=1 y=2", ("x", mm)),
            ("at x=1", ("y", mm)),
            ("at x=-1 y=2", ("x", mm)),
            ("at x=inf y=2", ("x", mm)),
            ("at x=1e2 y=2", ("x", mm)),
            ("at x=1 y=100001", ("y", mm)),
            ("at pages= x=1 y=2", ("pages", pages)),
            ("at pages=0 x=1 y=2", ("pages", pages)),
            ("at pages=+1 x=1 y=2", ("pages", pages)),
            ("at pages=01 x=1 y=2", ("pages", pages)),
            ("at pages=100001 x=1 y=2", ("pages", pages)),
            ("at pages=1-2-3 x=1 y=2", ("pages", pages)),
            ("at pages=1,,2 x=1 y=2", ("pages", pages)),
            ("seam pages=all", ("edge", "left, right, top or bottom")),
            ("seam edge=left sheets=1", ("sheets", "how many pages one stamp spans, from 2")),
            ("keyword which=0 text=a", ("which", "all, first, last or a number from 1")),
            ("keyword which=all", ("text", "1 to 64 characters, the last value")),
            ("keyword text= ", ("text", "1 to 64 characters, the last value")),
            ("keyword text=a\nb", ("text", "1 to 64 characters, the last value")),
            ("field name=", ("name", "1 to 64 characters, the last value")),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
        let many = format!("at pages={} x=1 y=2", ["1"; 33].join(","));
        assert_eq!(refused(&many), ("pages", pages));
        assert_eq!(refused(&format!("field name={}", "章".repeat(65))), ("name", "1 to 64 characters, the last value"));
        assert_eq!(refused(&format!("field name={}", "a".repeat(1024))), ("place", "at most 1024 octets"));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_is_read(text in "(at|seam|keyword|field)( (pages|x|y|at|edge|dx|which|text|name)=[a-z0-9,.-]{0,6}){0,6}") {
            if let Ok(place) = text.parse::<StampPlace>() {
                prop_assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
    }
}

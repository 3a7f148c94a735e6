//! Where the stamps of one signature go: at a point of some pages, over a seam (骑缝), by a keyword, by a field of the document.
//!
//! `text` is the one written form of a place, in forms, on the command line and in rows; `resolve` finds the places in a document.

mod resolve;
mod seam;
mod text;

pub(in crate::domain::seal) use resolve::stamps;
pub use text::PlaceMalformed;

use crate::domain::seal::signing::Placement;

/// Places that one signature may ask for.
pub const MAX_PLACES: usize = 16;

/// Stamps that one signature may have: a seam over a bound volume.
pub const MAX_STAMPS: usize = 1000;

/// Where the stamps of one signature go, and whether it is the last.
#[derive(Debug, Clone, PartialEq)]
pub struct StampPlan {
    /// At least one, at most [`MAX_PLACES`].
    places: Vec<StampPlace>,
    /// Whether Signatures.xml is protected too, so that no further signature can follow.
    pub lock: bool,
}

impl StampPlan {
    /// A plan of those places; nothing where there is none, or more than [`MAX_PLACES`].
    #[must_use]
    pub fn new(places: Vec<StampPlace>, lock: bool) -> Option<Self> {
        (1..=MAX_PLACES).contains(&places.len()).then_some(Self { places, lock })
    }

    /// The places.
    #[must_use]
    pub fn places(&self) -> &[StampPlace] {
        &self.places
    }

    /// The plan of one stamp at a point; nothing where it is another one.
    #[must_use]
    pub fn single(&self) -> Option<Placement> {
        match self.places.as_slice() {
            [StampPlace::At { pages: Pages(ranges), x_mm, y_mm }] => match ranges.as_slice() {
                [PageRange::Span { from: PageNumber::At(page), to: PageNumber::At(last) }] if page == last => {
                    Some(Placement { page: *page, x_mm: *x_mm, y_mm: *y_mm, lock: self.lock })
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl StampPlan {
    /// The places as text, one a line, without the lock.
    #[must_use]
    pub fn text(&self) -> String {
        self.places.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// What [`Self::text`] wrote.
    ///
    /// # Errors
    /// A line that is no place; none, or more than [`MAX_PLACES`].
    pub fn read(text: &str, lock: bool) -> Result<Self, PlaceMalformed> {
        let lines = text.split('\n').take(MAX_PLACES.saturating_add(1));
        let places: Vec<StampPlace> = lines.map(str::parse).collect::<Result<_, _>>()?;
        Self::new(places, lock).ok_or(PlaceMalformed { part: "place", expected: "1 to 16 of them" })
    }

    /// One text for each plan, to tell orders apart. That of one stamp at a point is as it was before there were others.
    #[must_use]
    pub fn named(&self) -> String {
        match self.single() {
            Some(place) => format!("{}|{:?}|{:?}|{}", place.page, place.x_mm, place.y_mm, place.lock),
            None => format!("{}|{}", self.text(), self.lock),
        }
    }
}

impl From<Placement> for StampPlan {
    fn from(Placement { page, x_mm, y_mm, lock }: Placement) -> Self {
        Self { places: vec![StampPlace::At { pages: Pages::one(page), x_mm, y_mm }], lock }
    }
}

/// One place of a plan; on many pages it is many stamps.
#[derive(Debug, Clone, PartialEq)]
pub enum StampPlace {
    /// The same point of each of the pages.
    At {
        /// Which pages.
        pages: Pages,
        /// The stamp's left edge from the page's left edge, millimetres.
        x_mm: f64,
        /// The stamp's upper edge from the page's upper edge, millimetres.
        y_mm: f64,
    },
    /// Over the seam (骑缝): each page bears a strip of the stamp at its edge, so that the pages fanned out, or laid together, show
    /// it whole.
    Seam {
        /// At which edge.
        edge: Edge,
        /// Which pages, in their order.
        pages: Pages,
        /// The near end of the stamp along the edge, from the page's left or upper edge, millimetres; nothing to have it in the middle.
        at_mm: Option<f64>,
        /// How many pages one stamp spans at most, from 2; nothing for as many as leave each a strip of 2 mm.
        sheets: Option<u32>,
    },
    /// Upon a text of the pages: the middle of the stamp on the middle of the text.
    Keyword {
        /// The text; white space in it does not count.
        text: String,
        /// Which of the places where it stands.
        which: Which,
        /// On which pages it is looked for.
        pages: Pages,
        /// How far to the right of there, millimetres.
        dx_mm: f64,
        /// How far below, millimetres.
        dy_mm: f64,
    },
    /// Upon a field of the document, as its custom tags (自定义标引) name it: the middle of the stamp on the middle of each object.
    Field {
        /// The local name of the tag's element.
        name: String,
        /// How far to the right of there, millimetres.
        dx_mm: f64,
        /// How far below, millimetres.
        dy_mm: f64,
    },
}

/// An edge of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// The upper one.
    Top,
    /// The lower one.
    Bottom,
}

/// Which of the places where a text stands, by pages, from above to below, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The last.
    Last,
    /// That one, from 1.
    Number(u32),
}

/// Which pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages(Vec<PageRange>);

impl Pages {
    /// All pages.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![PageRange::Span { from: PageNumber::At(1), to: PageNumber::Last }])
    }

    /// That page, from 1.
    #[must_use]
    pub fn one(page: u32) -> Self {
        Self(vec![PageRange::Span { from: PageNumber::At(page), to: PageNumber::At(page) }])
    }
}

/// A range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageRange {
    /// From one to another, both included.
    Span { from: PageNumber, to: PageNumber },
    /// The first, the third, …
    Odd,
    /// The second, the fourth, …
    Even,
}

/// A page by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageNumber {
    /// That one, from 1.
    At(u32),
    /// The last one.
    Last,
}

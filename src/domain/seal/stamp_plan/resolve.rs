//! Finding the places of a plan in a document.

use std::collections::BTreeMap;

use crate::base::limits::Limits;
use crate::domain::seal::signing::Error;
use crate::domain::seal::stamp_plan::{
    Edge, MAX_STAMPS, PageNumber, PageRange, Pages, StampPlace, StampPlan, Which, seam,
};
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, Package, PageBox, ReadingBudget};
use crate::format::ofd::fields::places_of_field;
use crate::format::ofd::letters::{Area, find_text, letters_of};
use crate::format::ofd::path::PartName;
use crate::format::ofd::signing::NewStamp;

/// Letters of one page among which a keyword is looked for.
const MAX_LETTERS: usize = 200_000;

/// The stamps of a plan, each of that size in millimetres, in the order of the plan's places and then of the pages.
///
/// # Errors
/// A page is not there, a stamp would lie outside of its page, there is no such text or field, too many stamps; those of reading
/// the document.
pub(in crate::domain::seal) fn stamps(
    container: &Container,
    (width_mm, height_mm): (u32, u32),
    plan: &StampPlan,
    limits: &Limits,
) -> Result<Vec<NewStamp>, Error> {
    let package = Package::read(container, limits)?;
    let body = package.bodies.first().ok_or(ofd::Error::BodyUnknown { index: 0 })?;
    let document = Document::read(container, &body.doc_root, limits)?;
    let mut finding = Finding {
        container,
        document: &document,
        limits,
        size: (width_mm, height_mm),
        budget: ReadingBudget::new(limits),
        boxes: BTreeMap::new(),
        stamps: Vec::new(),
    };
    for place in plan.places() {
        match place {
            StampPlace::At { pages, x_mm, y_mm } => finding.at(pages, *x_mm, *y_mm)?,
            StampPlace::Seam { edge, pages, at_mm, sheets } => finding.seam(*edge, pages, *at_mm, *sheets)?,
            StampPlace::Keyword { text, which, pages, dx_mm, dy_mm } => {
                finding.keyword(text, *which, pages, (*dx_mm, *dy_mm))?;
            }
            StampPlace::Field { name, dx_mm, dy_mm } => finding.field(name, (*dx_mm, *dy_mm))?,
        }
    }
    Ok(finding.stamps)
}

struct Finding<'c> {
    container: &'c Container<'c>,
    document: &'c Document,
    limits: &'c Limits,
    /// Of the stamp, whole millimetres.
    size: (u32, u32),
    budget: ReadingBudget,
    /// By their content: pages may share it.
    boxes: BTreeMap<PartName, PageBox>,
    stamps: Vec<NewStamp>,
}

impl Finding<'_> {
    fn at(&mut self, pages: &Pages, x: f64, y: f64) -> Result<(), Error> {
        for page in self.pages(pages)? {
            let area = self.area(page)?;
            self.whole(page, (area.x + x, area.y + y))?;
        }
        Ok(())
    }

    fn seam(&mut self, edge: Edge, pages: &Pages, at: Option<f64>, sheets: Option<u32>) -> Result<(), Error> {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let across = match edge {
            Edge::Left | Edge::Right => self.size.0,
            Edge::Top | Edge::Bottom => self.size.1,
        };
        let pages = self.pages(pages)?;
        if pages.len() < 2 {
            return Err(Error::SeamOfOnePage);
        }
        let most =
            sheets.map_or_else(|| seam::most_sheets(across), |sheets| usize::try_from(sheets).unwrap_or(usize::MAX));
        let mut rest = pages.as_slice();
        for of in seam::groups(pages.len(), most) {
            if !seam::fits(across, of) {
                return Err(Error::SeamTooThin { pages: of, millimetres: across });
            }
            let (group, after) = rest.split_at_checked(of).unwrap_or((rest, &[]));
            rest = after;
            for (n, page) in group.iter().enumerate() {
                let area = self.area(*page)?;
                let (along, long) = match edge {
                    Edge::Left | Edge::Right => (height, area.height),
                    Edge::Top | Edge::Bottom => (width, area.width),
                };
                let at = at.unwrap_or_else(|| seam::micrometres((long - along) / 2.0));
                // Negated, so that NaN lies outside.
                let inside = at >= 0.0 && at + along <= long;
                if !inside {
                    return Err(self.outside(area, &format!("{at} along its edge")));
                }
                let strip = seam::strip(edge, (n, of), (width, height), &area, at);
                self.add(*page, strip.boundary, Some(strip.clip))?;
            }
        }
        Ok(())
    }

    fn keyword(&mut self, text: &str, which: Which, pages: &Pages, by: (f64, f64)) -> Result<(), Error> {
        let mut known: BTreeMap<PartName, Vec<Area>> = BTreeMap::new();
        let mut found: Vec<(usize, Area)> = Vec::new();
        for page in self.pages(pages)? {
            let content = self.content(page)?;
            let areas = match known.get(&content) {
                Some(areas) => areas,
                None => {
                    let of = (self.document, &content);
                    let letters = letters_of(self.container, of, MAX_LETTERS, &mut self.budget, self.limits)?;
                    if letters.len() > MAX_LETTERS {
                        return Err(Error::TooManyLetters { limit: MAX_LETTERS });
                    }
                    known.entry(content).or_insert(find_text(&letters, text, MAX_STAMPS))
                }
            };
            found.extend(areas.iter().map(|area| (page, *area)));
            if found.len() > MAX_STAMPS {
                return Err(Error::TooManyStamps { limit: MAX_STAMPS });
            }
        }
        let chosen = match which {
            Which::All => found,
            Which::Last => found.last().copied().into_iter().collect(),
            Which::Number(number) => {
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                index.and_then(|index| found.get(index)).copied().into_iter().collect()
            }
        };
        if chosen.is_empty() {
            return Err(Error::KeywordAbsent);
        }
        chosen.iter().try_for_each(|(page, area)| self.upon(*page, area, by))
    }

    fn field(&mut self, name: &str, by: (f64, f64)) -> Result<(), Error> {
        let places = places_of_field(self.container, self.document, name, MAX_STAMPS, self.limits)?;
        if places.is_empty() {
            return Err(Error::FieldAbsent);
        }
        for place in places {
            let page = self.document.pages.iter().position(|page| page.id == place.page);
            let page = page.ok_or(Error::FieldAbsent)?;
            self.upon(page, &place.area, by)?;
        }
        Ok(())
    }

    /// A stamp whose middle lies on the middle of that area.
    fn upon(&mut self, page: usize, area: &Area, (dx, dy): (f64, f64)) -> Result<(), Error> {
        let (x, y) = area.centre();
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let corner = (x + dx - width / 2.0, y + dy - height / 2.0);
        self.whole(page, (seam::micrometres(corner.0), seam::micrometres(corner.1)))
    }

    /// A whole stamp, its upper left corner in the page's own coordinates.
    fn whole(&mut self, page: usize, (x, y): (f64, f64)) -> Result<(), Error> {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let area = self.area(page)?;
        // Negated, so that NaN lies outside.
        let inside =
            x >= area.x && y >= area.y && x + width <= area.x + area.width && y + height <= area.y + area.height;
        if !inside {
            return Err(self.outside(area, &format!("{}, {}", x - area.x, y - area.y)));
        }
        self.add(page, [x, y, width, height], None)
    }

    fn outside(&self, area: PageBox, place: &str) -> Error {
        Error::StampOutside {
            width: self.size.0,
            height: self.size.1,
            place: place.to_owned(),
            page: format!("{} × {}", area.width, area.height),
        }
    }

    fn add(&mut self, page: usize, boundary: [f64; 4], clip: Option<[f64; 4]>) -> Result<(), Error> {
        if self.stamps.len() >= MAX_STAMPS {
            return Err(Error::TooManyStamps { limit: MAX_STAMPS });
        }
        let page_ref = self.document.pages.get(page).map(|page| page.id.clone()).unwrap_or_default();
        self.stamps.push(NewStamp { page_ref, boundary, clip });
        Ok(())
    }

    fn content(&self, page: usize) -> Result<PartName, Error> {
        let found = self.document.pages.get(page).map(|page| page.content.clone());
        found.ok_or_else(|| self.unknown(page.saturating_add(1)))
    }

    fn area(&mut self, page: usize) -> Result<PageBox, Error> {
        let content = self.content(page)?;
        if let Some(area) = self.boxes.get(&content) {
            return Ok(*area);
        }
        let area = self.document.content_box(self.container, &content, &mut self.budget, self.limits)?;
        self.boxes.insert(content, area);
        Ok(area)
    }

    fn unknown(&self, page: usize) -> Error {
        Error::PageUnknown { page: u32::try_from(page).unwrap_or(u32::MAX), pages: self.document.page_count() }
    }

    /// The pages of that choice from zero, in the order of the document, each once.
    fn pages(&self, Pages(ranges): &Pages) -> Result<Vec<usize>, Error> {
        let count = self.document.page_count();
        let number = |page: PageNumber| match page {
            PageNumber::Last if count > 0 => Ok(count),
            PageNumber::Last => Err(self.unknown(1)),
            PageNumber::At(page) => {
                let page = usize::try_from(page).unwrap_or(usize::MAX);
                if (1..=count).contains(&page) { Ok(page) } else { Err(self.unknown(page)) }
            }
        };
        let mut chosen = vec![false; count];
        for range in ranges {
            let (from, to, step) = match *range {
                PageRange::Span { from, to } => (number(from)?, number(to)?, 1),
                PageRange::Odd => (1, count, 2),
                PageRange::Even => (2, count, 2),
            };
            let taken = chosen.iter_mut().take(to).skip(from.saturating_sub(1)).step_by(step);
            taken.for_each(|page| *page = true);
        }
        let pages: Vec<usize> = chosen.iter().enumerate().filter_map(|(page, taken)| taken.then_some(page)).collect();
        if pages.is_empty() { Err(Error::NoPage { pages: count }) } else { Ok(pages) }
    }
}

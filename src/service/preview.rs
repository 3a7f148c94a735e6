//! Draws the first pages of an uploaded document, so that people can compare what they see with what was signed.
//!
//! Nothing is kept, nothing is fetched, and nothing of it reaches a verdict.

use crate::base::limits::Limits;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::Package;
use crate::render::page::{Document, Rendered, StampBox, stamps_of};

/// Pages that are drawn: a licence or letter has a few, and nobody compares a book.
const MOST_PAGES: usize = 20;
/// Octets of all pictures together; the answer carries them.
const MOST_OCTETS: usize = 12 << 20;

/// How a ZIP archive begins: the only documents with pages that we draw are packages of GB/T 33190.
const ARCHIVE: &[u8] = b"PK\x03\x04";

/// What a document's pages look like, for people to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Its first pages.
    pub pages: Vec<PreviewPage>,
    /// How many it has.
    pub page_count: usize,
    /// Why nothing can be drawn, where that is so.
    pub refused: Option<String>,
}

/// One page, drawn. Lengths are in mm from the page's upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewPage {
    /// The first is 1.
    pub number: usize,
    /// Width.
    pub width_mm: f64,
    /// Height.
    pub height_mm: f64,
    /// The picture: SVG without scripts and outside references.
    pub svg: String,
    /// Where signatures are stamped.
    pub stamps: Vec<PreviewStamp>,
    /// What the page holds and the picture does not show.
    pub unsupported: Vec<String>,
}

/// The place of a stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewStamp {
    /// The signature's ID, as the report names it.
    pub signature: String,
    /// Left edge.
    pub x_mm: f64,
    /// Upper edge.
    pub y_mm: f64,
    /// Width.
    pub width_mm: f64,
    /// Height.
    pub height_mm: f64,
}

/// Draws the first pages; none where the file is no package.
#[must_use]
pub fn preview(file: &[u8], limits: &Limits) -> Option<Preview> {
    file.starts_with(ARCHIVE).then(|| match drawn(file, limits) {
        Ok(preview) => preview,
        Err(why) => Preview { pages: Vec::new(), page_count: 0, refused: Some(why) },
    })
}

fn drawn(file: &[u8], limits: &Limits) -> Result<Preview, String> {
    let container = Container::read(file, limits).map_err(|refused| refused.to_string())?;
    let package = Package::read(&container, limits).map_err(|refused| refused.to_string())?;
    let (mut pages, mut page_count, mut octets) = (Vec::new(), 0_usize, 0_usize);
    let mut refused = None;
    for (index, body) in package.bodies.iter().enumerate() {
        let document = match Document::open(&container, index, limits) {
            Ok(document) => document,
            Err(why) => {
                refused.get_or_insert(why.to_string());
                continue;
            }
        };
        // Signatures that cannot be read have no stamps; the report says what is wrong with them.
        let stamps = stamps_of(&container, body, limits).unwrap_or_default();
        for page in 0..document.page_count() {
            page_count = page_count.saturating_add(1);
            if pages.len() >= MOST_PAGES || octets >= MOST_OCTETS {
                continue;
            }
            let row = match document.render_page(page, &stamps) {
                Ok(rendered) => row(page_count, &rendered),
                Err(why) => {
                    refused.get_or_insert(why.to_string());
                    continue;
                }
            };
            octets = octets.saturating_add(row.svg.len());
            // The one page that would go beyond is left out, like those behind it.
            if octets <= MOST_OCTETS {
                pages.push(row);
            }
        }
    }
    Ok(Preview { pages, page_count, refused })
}

fn row(number: usize, rendered: &Rendered) -> PreviewPage {
    PreviewPage {
        number,
        width_mm: rendered.width,
        height_mm: rendered.height,
        svg: rendered.svg(),
        stamps: rendered.stamps.iter().filter_map(place).collect(),
        unsupported: rendered
            .unsupported
            .iter()
            .map(|note| format!("{} {} × {}", note.code, note.what, note.count))
            .collect(),
    }
}

/// What shows of a stamp. One that shows nothing has no mark.
fn place(stamp: &StampBox) -> Option<PreviewStamp> {
    let [x_mm, y_mm, width_mm, height_mm] = stamp.visible?;
    Some(PreviewStamp { signature: stamp.signature.clone(), x_mm, y_mm, width_mm, height_mm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::development::NOTICE;

    #[test]
    fn pages_are_drawn_and_what_is_none_is_none() {
        let limits = Limits::DEFAULT;
        let preview = preview(NOTICE, &limits).unwrap();
        assert_eq!((preview.page_count, preview.pages.len(), preview.refused), (3, 3, None));
        let page = &preview.pages[0];
        assert_eq!((page.width_mm, page.height_mm, page.stamps.as_slice()), (210.0, 297.0, [].as_slice()));
        assert!(page.svg.starts_with("<svg ") && !page.svg.contains("<script"));
        assert_eq!(super::preview(b"{}", &limits), None);
        let broken = super::preview(b"PK\x03\x04", &limits).unwrap();
        assert!(broken.pages.is_empty() && broken.refused.is_some());
    }
}

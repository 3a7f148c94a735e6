//! Stamps: where signatures put them, and the pictures of their seals. GB/T 33190-2016, 18.2; GB/T 38540-2020, 6.
//!
//! A stamp's picture comes from the signed value, never from the seal file beside it, which nobody may have signed.
//! Nothing is verified here: a stamp is shown as the file has it, and its verdict stands elsewhere.

use crate::base::limits::Limits;
use crate::format::der::{Reader, Tag};
use crate::format::ofd::container::Container;
use crate::format::ofd::document::DocBody;
use crate::format::ofd::signatures::{SignatureDescription, SignatureList, StampAnnot};
use crate::render::page::affine::{Affine, Bounds};
use crate::render::page::error::Error;
use crate::render::page::image::read_picture;
use crate::render::page::notes::Notes;
use crate::render::page::painter::{Context, Cut, Painter, Region};
use crate::render::page::{Document, Stamp, StampBox};

/// Values of a signature that are searched for the picture.
const MAX_VALUES: usize = 20_000;

/// How deep the picture of a seal lies in a signature: the standards have it at five.
const MAX_LEVELS: usize = 8;

/// A seal's picture in OFD is one small page.
const PICTURE: Limits = Limits {
    file_bytes: 4 << 20,
    zip_entries: 64,
    zip_entry_bytes: 4 << 20,
    zip_total_bytes: 8 << 20,
    xml_bytes: 2 << 20,
    xml_nodes: 20_000,
    ..Limits::DEFAULT
};

/// Stamps keep their images apart from those of resources.
const STAMPS: u32 = u32::MAX;

/// The picture of a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealPicture {
    /// What it says to be: `png`, `ofd`, … Not believed; the bytes decide.
    pub kind: String,
    /// The picture.
    pub bytes: Vec<u8>,
}

/// The stamps of a document body, in the order of its signatures.
///
/// # Errors
/// Those of reading the list of signatures. A signature whose description cannot be read has no stamp; the verifier
/// says why.
pub fn stamps_of(container: &Container, body: &DocBody, limits: &Limits) -> Result<Vec<Stamp>, Error> {
    let Some(list) = &body.signatures else { return Ok(Vec::new()) };
    let mut stamps = Vec::new();
    for entry in SignatureList::read(container, list, limits)?.entries {
        let Ok(description) = SignatureDescription::read(container, &entry.base_loc, limits) else { continue };
        let picture = container.part(&description.signed_value).and_then(seal_picture);
        for StampAnnot { id, page_ref, boundary, clip } in description.stamps {
            if stamps.len() >= limits.references {
                return Ok(stamps);
            }
            stamps.push(Stamp { signature: entry.id.clone(), id, page_ref, boundary, clip, picture: picture.clone() });
        }
    }
    Ok(stamps)
}

/// The picture in a seal or a signature of any version: the first SEQUENCE { type, data, width, height }.
///
/// GM/T 0031-2014, GB/T 38540-2020 and GM/T 0031-2025 all write SES_ESPictrueInfo so.
#[must_use]
pub fn seal_picture(der: &[u8]) -> Option<SealPicture> {
    let mut pending = vec![(Reader::new(der), 0_usize)];
    let mut count = 0_usize;
    while let Some((mut reader, level)) = pending.pop() {
        if let Some(picture) = picture_here(reader.clone()) {
            return Some(picture);
        }
        let mut inner = Vec::new();
        while let Ok(value) = reader.value("value") {
            count = count.saturating_add(1);
            if count > MAX_VALUES {
                return None;
            }
            if value.tag().is_constructed() && level < MAX_LEVELS {
                inner.push((value.inside(), level.saturating_add(1)));
            }
        }
        pending.extend(inner.into_iter().rev());
    }
    None
}

fn picture_here(mut reader: Reader<'_>) -> Option<SealPicture> {
    if !matches!(reader.peek(), Some(Tag::Ia5String | Tag::Utf8String | Tag::PrintableString)) {
        return None;
    }
    let kind = reader.value("type").ok()?;
    let data = reader.octet_string("data").ok()?;
    reader.integer("width").ok()?;
    reader.integer("height").ok()?;
    reader.finish("picture").ok()?;
    let kind = std::str::from_utf8(kind.content()).ok()?;
    Some(SealPicture { kind: kind.chars().take(16).collect(), bytes: data.to_vec() })
}

impl<'t> Painter<'t, '_, '_> {
    /// Draws a stamp over everything else, and says where it stands.
    pub(super) fn stamp(&mut self, stamp: &Stamp, context: &Context<'t>) -> Option<StampBox> {
        let [x, y, width, height] = stamp.boundary;
        let boundary = Bounds::of(stamp.boundary);
        let far = [x, y, width, height].iter().any(|value| value.abs() > 10_000.0);
        if far || width <= 0.0 || height <= 0.0 {
            self.note_value("StampAnnot Boundary");
            return None;
        }
        let clip = stamp.clip.map(|[cx, cy, cw, ch]| Bounds::of([x + cx, y + cy, cw, ch]));
        let shown = clip.map_or(boundary, |clip| clip.shared(&boundary));
        let seen = shown.shared(&self.out.page);
        let origin = (self.out.page.left, self.out.page.top);
        let in_page = |area: &Bounds| [area.left - origin.0, area.top - origin.1, area.width(), area.height()];
        let found = StampBox {
            signature: stamp.signature.clone(),
            id: stamp.id.clone(),
            boundary: in_page(&boundary),
            visible: (!seen.is_nothing()).then(|| in_page(&seen)),
        };
        let region = Region { area: shown, chain: None };
        let place = Affine::scale(width, height).then(&Affine::shift(x, y));
        match &stamp.picture {
            None => self.out.notes.add("stamp-without-picture", &stamp.id),
            Some(picture) if picture.bytes.starts_with(b"PK\x03\x04") => {
                if !seen.is_nothing() && !self.seal_page(picture, &place, region) {
                    self.out.notes.add("stamp-picture-unreadable", "OFD");
                    self.blank(&place, None);
                }
            }
            Some(picture) => {
                let Cut::Shown(clip) = self.cut(context, &region, boundary, 0.0, f64::INFINITY) else {
                    return Some(found);
                };
                // Stamps of one signature share its picture.
                let read = |notes: &mut Notes| read_picture(&picture.bytes, &picture.kind, notes);
                match self.out.image(STAMPS, &stamp.signature, read) {
                    Some(image) => self.picture(image, &place, 1.0, clip),
                    None => self.blank(&place, clip),
                }
            }
        }
        Some(found)
    }

    /// Draws the first page of a seal's OFD picture into the unit square of `place`. Stamps inside it are not drawn.
    fn seal_page(&mut self, picture: &SealPicture, place: &Affine, region: Region) -> bool {
        let Ok(container) = Container::read(&picture.bytes, &PICTURE) else { return false };
        let Ok(document) = Document::open(&container, 0, &PICTURE) else { return false };
        document.draw_into(self.out, place, region).is_ok()
    }
}

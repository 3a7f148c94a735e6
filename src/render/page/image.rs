//! Image objects: a resource's picture in the unit square that the CTM carries to the page. GB/T 33190-2016, 10.

use std::fmt::Write;

use crate::format::ofd::container::Container;
use crate::format::ofd::xml::Element;
use crate::render::page::affine::{Affine, Bounds};
use crate::render::page::drawing::Cost;
use crate::render::page::notes::Notes;
use crate::render::page::painter::{Context, Cut, Painter};
use crate::render::page::picture::{self, Fault, Picture};
use crate::render::page::resources::Filed;

impl<'t> Painter<'t, '_, '_> {
    pub(super) fn image_object(&mut self, element: Element<'t>, context: &Context<'t>) {
        let Some(frame) = self.frame(element, context) else { return };
        let id = element.attribute("ResourceID").map(str::trim).unwrap_or_default();
        for name in ["ImageMask", "Border"] {
            if element.attribute(name).is_some() || element.child(name).is_some() {
                self.out.notes.add("image-attribute-unsupported", name);
            }
        }
        let place = if frame.has_transform {
            frame.inner
        } else {
            let [width, height] = frame.size;
            Affine::scale(width, height).then(&frame.outer)
        };
        if frame.opacity <= 0.0 || !place.is_drawable() {
            return;
        }
        let content = place.bounds(Bounds::of([0.0, 0.0, 1.0, 1.0]));
        let Cut::Shown(clip) = self.cut(context, &frame.region, content, 0.05, f64::INFINITY) else { return };
        let Some(media) = self.resources.media.get(id).copied() else {
            self.out.notes.add("resource-missing", &format!("MultiMedia {id}"));
            return self.blank(&place, clip);
        };
        let container = self.container;
        let number = self.out.image(self.space, id, |notes| read(container, media, notes));
        match number {
            Some(number) => self.picture(number, &place, frame.opacity, clip),
            None => self.blank(&place, clip),
        }
    }

    /// Draws a picture that the drawing knows.
    pub(super) fn picture(&mut self, number: usize, place: &Affine, opacity: f64, clip: Option<u32>) {
        let decoded = self.out.images.get(number).map_or(0, |picture| picture.decoded);
        if self.out.affords(Cost { decoded, ..Cost::default() }) {
            self.out.place_image(number, place, opacity, clip);
        }
    }

    /// A grey pane where a picture should be: what is not shown is seen to be missing.
    pub(super) fn blank(&mut self, place: &Affine, clip: Option<u32>) {
        self.out.open_clip(clip);
        let transform = place.svg();
        let _ = write!(
            self.out.body,
            "<path transform=\"{transform}\" fill=\"#808080\" fill-opacity=\"0.25\" d=\"M0 0H1V1H0Z\"/>"
        );
        self.out.close_clip(clip);
    }
}

fn read(container: &Container, media: Filed<'_>, notes: &mut Notes) -> Option<Picture> {
    let file = media.element.child("MediaFile").map(|file| file.text()).unwrap_or_default();
    let part = media.base.part(file).ok().and_then(|part| container.part(&part));
    let Some(bytes) = part else {
        notes.add("resource-missing", file);
        return None;
    };
    read_picture(bytes, file, notes)
}

/// Reads a picture, or says why not.
pub(super) fn read_picture(bytes: &[u8], name: &str, notes: &mut Notes) -> Option<Picture> {
    match picture::read(bytes) {
        Ok(picture) => return Some(picture),
        Err(Fault::Format(format)) => notes.add("image-unsupported", format),
        Err(Fault::TooLarge) => notes.add("image-too-large", name),
        Err(Fault::Broken) => notes.add("image-broken", name),
    }
    None
}

//! A drawn page as PNG.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree};

use crate::render::page::{Error, Rendered};

/// Pixels of a picture: 16 MiB. A4 at 200 dots per inch has 3.9 million.
const MAX_PIXELS: f64 = 4_000_000.0;

/// Draws the page so many pixels wide.
pub(super) fn png(page: &Rendered, width: u16) -> Result<Vec<u8>, Error> {
    let (wide, high) = size(page, width).ok_or(Error::Pixels)?;
    let svg = page.written(|number, _| format!("picture-{number}"));
    let pictures: Vec<_> = page.images.iter().map(|picture| picture.kind()).collect();
    // The SVG is ours, and yet: no file, no address, nothing but the page's own pictures.
    let image_href_resolver = ImageHrefResolver {
        resolve_data: Box::new(|_, _, _| None),
        resolve_string: Box::new(move |address, _| {
            let number: usize = address.strip_prefix("picture-")?.parse().ok()?;
            pictures.get(number).cloned()
        }),
    };
    let options = Options { image_href_resolver, ..Options::default() };
    let tree = Tree::from_str(&svg, &options).map_err(Error::Svg)?;
    drop(svg);
    let mut pixmap = Pixmap::new(wide.into(), high.into()).ok_or(Error::Pixels)?;
    pixmap.fill(Color::WHITE);
    let across = f32::from(wide) / tree.size().width();
    let down = f32::from(high) / tree.size().height();
    resvg::render(&tree, Transform::from_scale(across, down), &mut pixmap.as_mut());
    drop(tree);
    pixmap.encode_png().map_err(|_| Error::Pixels)
}

/// Width and height in pixels, in the page's proportion.
fn size(page: &Rendered, width: u16) -> Option<(u16, u16)> {
    let wide = f64::from(width);
    let high = wide * page.height / page.width;
    let shrink = (MAX_PIXELS / (wide * high)).sqrt().min(30_000.0 / high).min(1.0);
    let whole = |length: f64| format!("{:.0}", (length * shrink).max(1.0)).parse().ok();
    if width == 0 { None } else { whole(wide).zip(whole(high)) }
}

//! SVG → PNG at 600 dots per inch, transparent outside the ink.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::render::Error;

/// The resolution of seal pictures.
pub const DOTS_PER_INCH: u16 = 600;

/// The same in pixels per metre, as a PNG says it: 600 / 0.0254, rounded.
const PIXELS_PER_METRE: u32 = 23_622;

/// Signature, then the header chunk: length, name, 13 bytes, check sum.
const AFTER_HEADER: usize = 8 + 4 + 4 + 13 + 4;

/// How many pixels a length has at [`DOTS_PER_INCH`], rounded to the nearest.
#[must_use]
pub fn pixels(millimetres: u16) -> u32 {
    // An inch is 254 tenths of a millimetre; adding half of them rounds.
    (u32::from(millimetres) * u32::from(DOTS_PER_INCH) * 10 + 127) / 254
}

/// Draws an SVG that is so wide and high.
///
/// # Errors
/// [`Error::Svg`] when the text is not SVG, [`Error::Pixels`] when there is no memory for the picture.
pub fn rasterise(svg: &str, width_mm: u16, height_mm: u16) -> Result<Vec<u8>, Error> {
    let options = Options { dpi: f32::from(DOTS_PER_INCH), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(Error::Svg)?;
    let (width, height) = (pixels(width_mm), pixels(height_mm));
    let mut pixmap = Pixmap::new(width, height).ok_or(Error::Pixels)?;
    let scale = |side: u32, length: f32| Ok(f32::from(u16::try_from(side).map_err(|_| Error::Pixels)?) / length);
    let (x, y) = (scale(width, tree.size().width())?, scale(height, tree.size().height())?);
    resvg::render(&tree, Transform::from_scale(x, y), &mut pixmap.as_mut());
    encode(&pixmap)
}

/// Writes pixels as PNG that says its resolution.
///
/// # Errors
/// [`Error::Pixels`] when there is no memory for the picture.
pub(super) fn encode(pixmap: &Pixmap) -> Result<Vec<u8>, Error> {
    with_resolution(&pixmap.encode_png().map_err(|_| Error::Pixels)?)
}

/// Adds the chunk that says how large a pixel is (PNG, third edition, §11.3.4.3).
fn with_resolution(png: &[u8]) -> Result<Vec<u8>, Error> {
    let (header, rest) = png.split_at_checked(AFTER_HEADER).ok_or(Error::Pixels)?;
    let mut chunk = b"pHYs".to_vec();
    chunk.extend(PIXELS_PER_METRE.to_be_bytes());
    chunk.extend(PIXELS_PER_METRE.to_be_bytes());
    chunk.push(1);
    let check = crc32(&chunk);
    let length: [u8; 4] = 9u32.to_be_bytes();
    Ok([header, &length, &chunk, &check.to_be_bytes(), rest].concat())
}

/// The check sum of PNG chunks (§5.5), bit by bit: thirteen bytes need no table.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_rounded_to_the_nearest() {
        for millimetres in 20..=60u16 {
            let exact = (f64::from(millimetres) / 25.4 * 600.0).round();
            assert_eq!(f64::from(pixels(millimetres)), exact, "{millimetres} mm");
        }
        assert_eq!([pixels(40), pixels(42), pixels(45)], [945, 992, 1063]);
    }

    #[test]
    fn the_check_sum_is_that_of_the_png_standard() {
        // Every PNG ends with this chunk: its name and its check sum.
        assert_eq!(crc32(b"IEND"), 0xAE42_6082);
    }

    #[test]
    fn text_that_is_no_svg_is_refused() {
        assert!(matches!(rasterise("<html/>", 42, 42), Err(Error::Svg(_))));
    }
}

//! Raster images of a page: told apart by their first bytes, measured before anybody decodes them, and rewritten so
//! that only pixels remain.
//!
//! A PNG keeps its critical chunks and tRNS, a JPEG loses Exif, colour profiles and comments, a GIF keeps its first
//! frame, a BMP becomes a PNG. So a browser, our own PNG and the next reader show the same picture: no animation, no
//! rotation by Exif, nothing to inflate but pixels.

use resvg::tiny_skia::Pixmap;
use resvg::usvg::{ImageKind, Options, Tree};
use std::sync::Arc;

/// Bytes that decoding one image may take: a colour scan of A4 at 300 dots per inch as JPEG (35 MB) fits.
const MAX_DECODED: usize = 44 << 20;

/// Scans of a progressive JPEG: encoders write about ten; each costs a pass over all coefficients.
const MAX_SCANS: usize = 16;

/// Pieces of one image file that are walked.
const MAX_PIECES: usize = 100_000;

/// A picture that a browser and our own painter show alike.
#[derive(Debug, Clone)]
pub(in crate::render) struct Picture {
    pub(super) form: Form,
    pub(super) bytes: Arc<Vec<u8>>,
    /// Bytes that decoding takes.
    pub(super) decoded: usize,
    /// Width and height in pixels.
    pub(in crate::render) size: (u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Png,
    Jpeg,
    Gif,
}

impl Form {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
        }
    }
}

/// Why a picture is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Fault {
    /// A format that is not drawn; its name, as far as it is known.
    Format(&'static str),
    /// Decoding it would take too much.
    TooLarge,
    /// It cannot be decoded.
    Broken,
}

impl Picture {
    pub(super) fn kind(&self) -> ImageKind {
        let bytes = Arc::clone(&self.bytes);
        match self.form {
            Form::Png => ImageKind::PNG(bytes),
            Form::Jpeg => ImageKind::JPEG(bytes),
            Form::Gif => ImageKind::GIF(bytes),
        }
    }

    /// Its pixels, one for one.
    pub(in crate::render) fn pixels(&self) -> Option<Pixmap> {
        let (width, height) = self.size;
        self.drawn(width, height)
    }

    /// The picture, stretched to so many pixels.
    fn drawn(&self, width: u32, height: u32) -> Option<Pixmap> {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"><image width=\"{width}\" \
             height=\"{height}\" preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" href=\"picture\"/></svg>"
        );
        let kind = self.kind();
        let mut options = Options::default();
        options.image_href_resolver.resolve_string = Box::new(move |_, _| Some(kind.clone()));
        let tree = Tree::from_str(&svg, &options).ok()?;
        let mut pixmap = Pixmap::new(width, height)?;
        resvg::render(&tree, resvg::tiny_skia::Transform::identity(), &mut pixmap.as_mut());
        Some(pixmap)
    }
}

/// Reads a picture.
pub(in crate::render) fn read(bytes: &[u8]) -> Result<Picture, Fault> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        png(bytes)
    } else if starts(&[0xFF, 0xD8]) {
        jpeg(bytes)
    } else if starts(b"GIF8") {
        gif(bytes)
    } else if starts(b"BM") {
        bmp(bytes)
    } else if starts(b"II*\0") || starts(b"MM\0*") {
        Err(Fault::Format("TIFF"))
    } else if starts(b"\x97JB2") {
        Err(Fault::Format("JBIG2"))
    } else if bytes.get(8..12) == Some(b"WEBP") {
        Err(Fault::Format("WebP"))
    } else if starts(b"PK\x03\x04") {
        Err(Fault::Format("OFD"))
    } else if starts(b"<") {
        Err(Fault::Format("XML"))
    } else {
        Err(Fault::Format("unknown"))
    }
}

fn bounded(width: u32, height: u32, bytes_each: usize) -> Result<usize, Fault> {
    if width == 0 || height == 0 {
        return Err(Fault::Broken);
    }
    let sides = usize::try_from(width).ok().zip(usize::try_from(height).ok());
    let total = sides.and_then(|(w, h)| w.checked_mul(h)?.checked_mul(bytes_each)).ok_or(Fault::TooLarge)?;
    if total > MAX_DECODED || width > 20_000 || height > 20_000 { Err(Fault::TooLarge) } else { Ok(total) }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..)?.first_chunk::<2>().copied()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..)?.first_chunk::<4>().copied()?))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk::<2>().copied()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk::<4>().copied()?))
}

/// PNG, third edition, 5.3 and 11.2.
fn png(bytes: &[u8]) -> Result<Picture, Fault> {
    let width = be32(bytes, 16).ok_or(Fault::Broken)?;
    let height = be32(bytes, 20).ok_or(Fault::Broken)?;
    let depth: usize = bytes.get(24).copied().ok_or(Fault::Broken)?.into();
    let channels = match bytes.get(25).copied() {
        // A palette is widened to three or four channels.
        Some(3 | 6) => 4,
        Some(0) => 1,
        Some(2) => 3,
        Some(4) => 2,
        _ => return Err(Fault::Broken),
    };
    let decoded = bounded(width, height, channels * depth.div_ceil(8).max(1) + 4)?;
    let mut kept = bytes.get(..8).unwrap_or_default().to_vec();
    let mut rest = bytes.get(8..).unwrap_or_default();
    for _ in 0..MAX_PIECES {
        let length = be32(rest, 0).and_then(|length| usize::try_from(length).ok()).ok_or(Fault::Broken)?;
        let end = length.checked_add(12).ok_or(Fault::Broken)?;
        let (chunk, after) = rest.split_at_checked(end).ok_or(Fault::Broken)?;
        let name = chunk.get(4..8).unwrap_or_default();
        if [b"IHDR".as_slice(), b"PLTE", b"tRNS", b"IDAT", b"IEND"].contains(&name) {
            kept.extend_from_slice(chunk);
        }
        rest = after;
        if name == b"IEND" {
            Pixmap::decode_png(&kept).map_err(|_| Fault::Broken)?;
            return Ok(Picture { form: Form::Png, bytes: Arc::new(kept), decoded, size: (width, height) });
        }
    }
    Err(Fault::Broken)
}

/// ITU-T T.81, B.1 and B.2: markers, frame header, scans.
fn jpeg(bytes: &[u8]) -> Result<Picture, Fault> {
    let mut kept = vec![0xFF, 0xD8];
    let mut at: usize = 2;
    let mut size = None;
    let mut scans: usize = 0;
    for _ in 0..MAX_PIECES {
        // Fill bytes may stand before a marker.
        while bytes.get(at) == Some(&0xFF) && bytes.get(at.saturating_add(1)) == Some(&0xFF) {
            at = at.saturating_add(1);
        }
        if bytes.get(at) != Some(&0xFF) {
            return Err(Fault::Broken);
        }
        let marker = bytes.get(at.saturating_add(1)).copied().ok_or(Fault::Broken)?;
        if marker == 0xD9 {
            kept.extend_from_slice(&[0xFF, 0xD9]);
            let (decoded, size) = size.ok_or(Fault::Broken)?;
            let picture = Picture { form: Form::Jpeg, bytes: Arc::new(kept), decoded, size };
            return if decodes(&picture) { Ok(picture) } else { Err(Fault::Broken) };
        }
        let length = be16(bytes, at.saturating_add(2)).ok_or(Fault::Broken)?;
        let mut end = at.saturating_add(2).saturating_add(length.into());
        match marker {
            0xC0..=0xC2 if size.is_none() => {
                let height = be16(bytes, at.saturating_add(5)).ok_or(Fault::Broken)?;
                let width = be16(bytes, at.saturating_add(7)).ok_or(Fault::Broken)?;
                let components: usize = bytes.get(at.saturating_add(9)).copied().ok_or(Fault::Broken)?.into();
                // A progressive one keeps all coefficients, sixteen bits each.
                let each = if marker == 0xC2 { 4 + 2 * components } else { 4 };
                size = Some((bounded(width.into(), height.into(), each)?, (width.into(), height.into())));
            }
            0xC0..=0xC2 => return Err(Fault::Broken),
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(Fault::Format("JPEG")),
            0xDA => {
                scans = scans.saturating_add(1);
                if scans > MAX_SCANS {
                    return Err(Fault::TooLarge);
                }
                end = scan_end(bytes, end).ok_or(Fault::Broken)?;
            }
            _ => {}
        }
        let piece = bytes.get(at..end).ok_or(Fault::Broken)?;
        // Exif would turn the picture in browsers only; profiles and comments are not pixels. Adobe's APP14 says how
        // colours are meant.
        if !matches!(marker, 0xE1..=0xED | 0xEF | 0xFE) {
            kept.extend_from_slice(piece);
        }
        at = end;
    }
    Err(Fault::Broken)
}

/// Where the entropy-coded data of a scan ends: at the next marker that is no restart.
fn scan_end(bytes: &[u8], from: usize) -> Option<usize> {
    let data = bytes.get(from..)?;
    let pairs = data.iter().zip(data.iter().skip(1));
    let length = pairs.enumerate().find_map(|(n, pair)| match pair {
        (0xFF, 0x00 | 0xFF | 0xD0..=0xD7) => None,
        (0xFF, _) => Some(n),
        _ => None,
    })?;
    Some(from.saturating_add(length))
}

/// True if a JPEG decodes: it has no transparent pixel, so it leaves ink wherever it is drawn.
fn decodes(picture: &Picture) -> bool {
    let Some(pixmap) = picture.drawn(4, 4) else { return false };
    pixmap.pixels().iter().any(|pixel| pixel.alpha() > 0)
}

/// GIF89a: the first frame alone, where it fills the screen.
fn gif(bytes: &[u8]) -> Result<Picture, Fault> {
    let broken = || Fault::Broken;
    let width = le16(bytes, 6).ok_or_else(broken)?;
    let height = le16(bytes, 8).ok_or_else(broken)?;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3_usize << (usize::from(flags & 7).saturating_add(1)) };
    let flags = bytes.get(10).copied().ok_or_else(broken)?;
    let mut at = 13_usize.saturating_add(table(flags));
    let mut kept = bytes.get(..at).ok_or_else(broken)?.to_vec();
    for _ in 0..MAX_PIECES {
        let start = at;
        match bytes.get(at).copied().ok_or_else(broken)? {
            0x21 => {
                let control = bytes.get(at.saturating_add(1)) == Some(&0xF9);
                at = blocks_end(bytes, at.saturating_add(2)).ok_or_else(broken)?;
                if control {
                    kept.extend_from_slice(bytes.get(start..at).ok_or_else(broken)?);
                }
            }
            0x2C => {
                let place = bytes.get(at.saturating_add(1)..at.saturating_add(5));
                let same = le16(bytes, at.saturating_add(5)) == Some(width)
                    && le16(bytes, at.saturating_add(7)) == Some(height)
                    && place == Some(&[0; 4]);
                if !same {
                    return Err(Fault::Format("GIF"));
                }
                let flags = bytes.get(at.saturating_add(9)).copied().ok_or_else(broken)?;
                let data = at.saturating_add(11).saturating_add(table(flags));
                at = blocks_end(bytes, data).ok_or_else(broken)?;
                kept.extend_from_slice(bytes.get(start..at).ok_or_else(broken)?);
                kept.push(0x3B);
                let decoded = bounded(width.into(), height.into(), 8)?;
                let size = (width.into(), height.into());
                return Ok(Picture { form: Form::Gif, bytes: Arc::new(kept), decoded, size });
            }
            _ => return Err(Fault::Broken),
        }
    }
    Err(Fault::Broken)
}

/// Walks sub-blocks up to the empty one.
fn blocks_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let length: usize = bytes.get(at).copied()?.into();
        at = at.checked_add(length)?.checked_add(1)?;
        if length == 0 {
            return Some(at);
        }
    }
}

/// A BMP without compression becomes a PNG; browsers show both, our painter only this one.
fn bmp(bytes: &[u8]) -> Result<Picture, Fault> {
    let number = |at| le32(bytes, at).ok_or(Fault::Broken);
    let (data, header) = (number(10)?, number(14)?);
    let width = number(18)?;
    let signed = i32::from_le_bytes(number(22)?.to_le_bytes());
    let height = signed.unsigned_abs();
    let depth = le16(bytes, 28).ok_or(Fault::Broken)?;
    if header < 40 || number(30)? != 0 || ![1, 4, 8, 24, 32].contains(&depth) {
        return Err(Fault::Format("BMP"));
    }
    let decoded = bounded(width, height, 8)?;
    let wide = usize::try_from(width).map_err(|_| Fault::TooLarge)?;
    let bits: usize = depth.into();
    let stride = wide.saturating_mul(bits).div_ceil(32).saturating_mul(4);
    let pixels = usize::try_from(data).ok().and_then(|data| bytes.get(data..)).ok_or(Fault::Broken)?;
    let palette = usize::try_from(header).ok().and_then(|h| bytes.get(h.checked_add(14)?..)).ok_or(Fault::Broken)?;
    let rows = usize::try_from(height).map_err(|_| Fault::TooLarge)?;
    let mut pixmap = Pixmap::new(width, height).ok_or(Fault::TooLarge)?;
    let mut out = pixmap.data_mut().chunks_exact_mut(4);
    for row in 0..rows {
        let from = if signed < 0 { row } else { rows.saturating_sub(row).saturating_sub(1) };
        let line = pixels.get(from.saturating_mul(stride)..).unwrap_or_default();
        let line = line.get(..stride).ok_or(Fault::Broken)?;
        for column in 0..wide {
            let colour = if bits >= 24 {
                line.get(column.saturating_mul(bits / 8)..)
            } else {
                let bit = column.saturating_mul(bits);
                let byte = usize::from(line.get(bit / 8).copied().ok_or(Fault::Broken)?);
                let index = (byte >> (8_usize.saturating_sub(bits).saturating_sub(bit % 8))) & ((1 << bits) - 1);
                palette.get(index.saturating_mul(4)..)
            };
            let [blue, green, red] = colour.and_then(|c| c.first_chunk::<3>()).copied().ok_or(Fault::Broken)?;
            if let Some(pixel) = out.next() {
                pixel.copy_from_slice(&[red, green, blue, 255]);
            }
        }
    }
    let png = pixmap.encode_png().map_err(|_| Fault::TooLarge)?;
    Ok(Picture { form: Form::Png, bytes: Arc::new(png), decoded, size: (width, height) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut pixmap = Pixmap::new(3, 2).unwrap();
        pixmap.data_mut().chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[200, 10, 20, 255]));
        pixmap.encode_png().unwrap()
    }

    fn fault(bytes: &[u8]) -> Fault {
        read(bytes).unwrap_err()
    }

    /// A 1 × 1 GIF, and after its frame another one.
    fn animated() -> Vec<u8> {
        let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\xC8\x0A\x14\0\0\0".to_vec();
        let frame = b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
        gif.extend_from_slice(b"\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0");
        gif.extend_from_slice(frame);
        gif.extend_from_slice(frame);
        gif.push(0x3B);
        gif
    }

    #[test]
    fn a_png_keeps_its_pixels_and_loses_its_words() {
        let plain = sample();
        let mut wordy = plain[..33].to_vec();
        wordy.extend_from_slice(&[0, 0, 0, 2]);
        wordy.extend_from_slice(b"tEXthi\0\0\0\0");
        wordy.extend_from_slice(&plain[33..]);
        assert_eq!(*read(&wordy).unwrap().bytes, plain);
        assert_eq!(read(&plain).unwrap().decoded, 3 * 2 * 8);
    }

    #[test]
    fn what_cannot_be_decoded_is_broken() {
        let plain = sample();
        for length in 8..plain.len() {
            assert_eq!(fault(&plain[..length]), Fault::Broken, "{length}");
        }
        let mut wrong = plain.clone();
        let at = wrong.len() - 20;
        wrong[at] ^= 1;
        assert_eq!(fault(&wrong), Fault::Broken);
        assert_eq!(fault(&[0xFF, 0xD8, 0xFF, 0xD9]), Fault::Broken);
    }

    #[test]
    fn sizes_are_judged_before_decoding() {
        let mut large = sample();
        large[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        assert_eq!(fault(&large), Fault::TooLarge);
        let jpeg = [0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0x40, 0, 0x40, 0, 1, 1, 0x11, 0, 0xFF, 0xD9];
        assert_eq!(fault(&jpeg), Fault::TooLarge);
        assert_eq!(
            fault(&[&b"GIF89a\xFF\xFF\xFF\xFF\0\0\0\x2C\0\0\0\0\xFF\xFF\xFF\xFF\0\x02\0\x3B"[..]].concat()),
            Fault::TooLarge
        );
    }

    #[test]
    fn a_gif_keeps_its_first_frame() {
        let picture = read(&animated()).unwrap();
        let frames = picture.bytes.windows(10).filter(|w| w.starts_with(&[0x2C, 0, 0, 0, 0, 1])).count();
        assert_eq!((picture.form, frames, picture.bytes.last()), (Form::Gif, 1, Some(&0x3B)));
    }

    #[test]
    fn a_bmp_becomes_a_png() {
        let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
        bmp.resize(0x36, 0);
        bmp.extend_from_slice(&[1, 2, 3, 4, 5, 6, 0, 0]);
        let picture = read(&bmp).unwrap();
        let pixmap = Pixmap::decode_png(&picture.bytes).unwrap();
        assert_eq!(pixmap.data(), [3, 2, 1, 255, 6, 5, 4, 255]);
        assert_eq!(fault(&bmp[..60]), Fault::Broken);
        bmp[30] = 1;
        assert_eq!(fault(&bmp), Fault::Format("BMP"));
    }

    #[test]
    fn other_formats_are_named() {
        for (bytes, name) in
            [(b"II*\0rest".as_slice(), "TIFF"), (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"), (b"<svg/>", "XML"), (b"", "unknown")]
        {
            assert_eq!(fault(bytes), Fault::Format(name));
        }
    }
}

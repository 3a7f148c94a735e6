//! The face of a seal as a one-page OFD, the picture type "ofd" of GB/T 38540 seals: vector, and without fonts.
//!
//! The genuine tax seals that we have seen carry such a picture. The page is as large as the stamp and holds nothing but
//! PathObjects, so a reader needs neither the standard's text machinery nor our typeface. The clause numbers of
//! GB/T 33190-2016 here are from memory.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::render::Error;
use crate::render::seal::{INK, Piece, SealFace, Trust, pieces};

const NAMESPACE: &str = "http://www.ofdspec.org/2016";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Draws a face as OFD (GB/T 33190-2016): the same outlines as [`crate::render::draw`].
///
/// # Errors
/// As [`crate::render::draw`].
pub fn ofd_face(face: &SealFace, trust: Trust) -> Result<Vec<u8>, Error> {
    let pieces = pieces(face, trust)?;
    let size = face.size_mm();
    let parts = [
        ("Doc_0/Document.xml", document(size, pieces.len())),
        ("Doc_0/Pages/Page_0/Content.xml", content(size, &pieces)),
        ("OFD.xml", entrance()),
    ];
    packed(&parts).map_err(Error::Container)
}

/// OFD.xml (§7.4).
fn entrance() -> String {
    format!(
        "{DECLARATION}<ofd:OFD xmlns:ofd=\"{NAMESPACE}\" DocType=\"OFD\" Version=\"1.0\"><ofd:DocBody><ofd:DocInfo>\
         <ofd:DocID>{:032x}</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>\n",
        0
    )
}

/// Document.xml (§7.5): one page, identifier 1; its layer is 2 and its outlines follow.
fn document((width, height): (u16, u16), outlines: usize) -> String {
    format!(
        "{DECLARATION}<ofd:Document xmlns:ofd=\"{NAMESPACE}\"><ofd:CommonData><ofd:MaxUnitID>{}</ofd:MaxUnitID>\
         <ofd:PageArea><ofd:PhysicalBox>0 0 {width} {height}</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData>\
         <ofd:Pages><ofd:Page ID=\"1\" BaseLoc=\"Pages/Page_0/Content.xml\"/></ofd:Pages></ofd:Document>\n",
        outlines.saturating_add(2)
    )
}

/// Content.xml (§7.7): a PathObject for each outline, in the coordinates of the page.
fn content((width, height): (u16, u16), pieces: &[Piece]) -> String {
    let [red, green, blue] = INK;
    let paths: String = (3u32..)
        .zip(pieces)
        .map(|(identifier, piece)| {
            format!(
                "<ofd:PathObject ID=\"{identifier}\" Boundary=\"0 0 {width} {height}\" Stroke=\"false\" Fill=\"true\">\
                 <ofd:FillColor Value=\"{red} {green} {blue}\"/><ofd:AbbreviatedData>{}</ofd:AbbreviatedData></ofd:PathObject>\n",
                piece.outline.ofd_path()
            )
        })
        .collect();
    format!(
        "{DECLARATION}<ofd:Page xmlns:ofd=\"{NAMESPACE}\"><ofd:Area><ofd:PhysicalBox>0 0 {width} {height}</ofd:PhysicalBox>\
         </ofd:Area><ofd:Content><ofd:Layer ID=\"2\">\n{paths}</ofd:Layer></ofd:Content></ofd:Page>\n"
    )
}

fn packed(parts: &[(&str, String)]) -> Result<Vec<u8>, std::io::Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut container = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        container.start_file(*name, options)?;
        container.write_all(text.as_bytes())?;
    }
    Ok(container.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::seal::{Centre, NameEnding, RoundFace, SquareFace};
    use std::io::Read;

    fn face() -> SealFace {
        SealFace::Round(RoundFace {
            organisation: "示例市印信演示局".to_owned(),
            centre: Centre::Star,
            lines: Vec::new(),
            code: None,
            note: None,
            diameter_mm: 42,
        })
    }

    fn drawn() -> Vec<u8> {
        ofd_face(&face(), Trust::Development).unwrap()
    }

    fn parts(bytes: Vec<u8>) -> Vec<(String, String)> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let read = |n| {
            let mut entry = archive.by_index(n).unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.name().unwrap().into_owned(), text)
        };
        (0..3).map(read).collect()
    }

    #[test]
    fn the_package_holds_every_part_that_it_names() {
        let parts = parts(drawn());
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Doc_0/Document.xml", "Doc_0/Pages/Page_0/Content.xml", "OFD.xml"]);
        assert!(parts[2].1.contains("<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>"));
        assert!(parts[0].1.contains("BaseLoc=\"Pages/Page_0/Content.xml\""));
        assert!(parts[0].1.contains("<ofd:PhysicalBox>0 0 42 42</ofd:PhysicalBox>"));
    }

    #[test]
    fn the_page_draws_the_same_outlines_as_the_svg() {
        let content = &parts(drawn())[1].1;
        let drawn: Vec<&str> = content
            .split("<ofd:AbbreviatedData>")
            .skip(1)
            .map(|rest| rest.split_once("</ofd:AbbreviatedData>").unwrap().0)
            .collect();
        let expected: Vec<String> =
            pieces(&face(), Trust::Development).unwrap().iter().map(|piece| piece.outline.ofd_path()).collect();
        assert_eq!(drawn, expected);
        assert_eq!(drawn.len(), 1 + 1 + 8 + 2);
    }

    #[test]
    fn the_same_face_gives_the_same_bytes() {
        assert_eq!(drawn(), drawn());
    }

    #[test]
    fn a_refused_face_is_refused_here_too() {
        let face = SquareFace { name: "张三".to_owned(), ending: NameEnding::None, side_mm: 81 };
        let refused = ofd_face(&SealFace::Square(face), Trust::Production).unwrap_err();
        assert!(matches!(refused, Error::Size { width_mm: 81, height_mm: 81 }));
    }
}

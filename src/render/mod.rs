//! Types → pictures: seal faces as SVG, PNG and OFD drawing; pages of documents as SVG and PNG; text as OFD. Pure; no system fonts.
//!
//! The national emblem is never drawn: only bodies that the State names may carry it, and their seals are made elsewhere.
//!
//! Every picture is a function of its input alone: the same face gives the same bytes.

pub mod outline;
pub mod page;
pub mod png;
pub mod seal;
pub mod text_ofd;

pub use seal::{Error, SealFace, SealPicture, Trust, draw, ofd_face};

/// Yinxin Song, the typeface of seals: every character of 通用规范汉字表, ASCII, Chinese punctuation, full-width forms.
///
/// `assets/fonts/README.md` says where it comes from and under which licence.
pub const SEAL_FONT: &[u8] = include_bytes!("../../assets/fonts/yinxin-song.otf");

/// A three-page official notice of an organisation that does not exist, for trying out seals (OFD, GB/T 33190).
pub const NOTICE: &[u8] = include_bytes!("../../assets/notice.ofd");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::{Cursor, Read};

    fn notice() -> BTreeMap<String, Vec<u8>> {
        let mut archive = zip::ZipArchive::new(Cursor::new(NOTICE)).unwrap();
        let mut parts = BTreeMap::new();
        for n in 0..archive.len() {
            let mut entry = archive.by_index(n).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            parts.insert(entry.name().unwrap().into_owned(), bytes);
        }
        parts
    }

    fn text(parts: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
        String::from_utf8(parts[name].clone()).unwrap()
    }

    /// What stands between two marks, wherever they occur.
    fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        text.split(start).skip(1).map(|rest| rest.split_once(end).unwrap().0).collect()
    }

    #[test]
    fn the_notice_holds_every_part_that_it_names_and_no_other() {
        let parts = notice();
        let mut named = vec!["OFD.xml".to_owned()];
        let roots = text(&parts, "OFD.xml");
        for root in between(&roots, "<ofd:DocRoot>", "</ofd:DocRoot>") {
            named.push(root.to_owned());
            let document = text(&parts, root);
            named.extend(between(&document, "BaseLoc=\"", "\"").iter().map(|page| format!("Doc_0/{page}")));
            for resources in between(&document, "<ofd:PublicRes>", "</ofd:PublicRes>") {
                named.push(format!("Doc_0/{resources}"));
                let listed = text(&parts, &format!("Doc_0/{resources}"));
                let folder = between(&listed, "BaseLoc=\"", "\"")[0];
                let fonts = between(&listed, "<ofd:FontFile>", "</ofd:FontFile>");
                named.extend(fonts.iter().map(|font| format!("Doc_0/{folder}/{font}")));
            }
        }
        named.sort();
        assert_eq!(named, parts.keys().cloned().collect::<Vec<_>>());
        assert_eq!(named.iter().filter(|name| name.starts_with("Doc_0/Pages/")).count(), 3);
    }

    #[test]
    fn the_notice_embeds_every_letter_that_it_uses() {
        let parts = notice();
        let fonts = [("1", "regular"), ("2", "semibold")];
        for (identifier, style) in fonts {
            let bytes = &parts[&format!("Doc_0/Res/yinxin-song-{style}.ttf")];
            let font = ttf_parser::Face::parse(bytes, 0).unwrap();
            let mut letters = 0;
            for page in 0..3 {
                let content = text(&parts, &format!("Doc_0/Pages/Page_{page}/Content.xml"));
                for object in between(&content, "<ofd:TextObject ", "</ofd:TextObject>") {
                    if !object.contains(&format!("Font=\"{identifier}\"")) {
                        continue;
                    }
                    let line = object.rsplit_once("</ofd:TextCode>").unwrap().0.rsplit_once('>').unwrap().1;
                    let gaps = between(object, "DeltaX=\"", "\"").first().map_or(0, |gaps| gaps.split(' ').count());
                    assert_eq!(gaps + 1, line.chars().count(), "one gap between each two letters: {line}");
                    for letter in line.chars() {
                        assert!(font.glyph_index(letter).is_some(), "{style} lacks {letter}");
                        letters += 1;
                    }
                }
            }
            assert!(letters > 0, "{style} is used");
        }
    }

    #[test]
    fn every_page_of_the_notice_says_that_it_is_a_sample() {
        let parts = notice();
        for page in 0..3 {
            let content = text(&parts, &format!("Doc_0/Pages/Page_{page}/Content.xml"));
            assert!(content.contains("【样本】本文件为演示示例"), "page {page}");
        }
    }
}

//! Headings, paragraphs and tables as an OFD document of A4 pages, with one file attached.
//!
//! The text is text: readers find and copy it. Each letter has its place, an ideograph a full square and a narrow letter
//! half of one, so that lines break alike everywhere. No typeface is embedded: pages name Songti (宋体), which every
//! reader of GB/T 33190 has. The clause numbers of GB/T 33190-2016 here are from memory.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use quick_xml::escape::escape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::render::Error;

const NAMESPACE: &str = "http://www.ofdspec.org/2016";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The page, millimetres: A4.
const PAGE: (f64, f64) = (210.0, 297.0);
/// Its margins, millimetres.
const MARGIN: f64 = 20.0;
/// Where text ends, millimetres from the upper edge: the number of the page stands below.
const BOTTOM: f64 = 277.0;
/// From line to line, in type sizes.
const LEADING: f64 = 1.5;
/// The upper edge of a line's squares to its base line, in type sizes.
const BASE_LINE: f64 = 0.88;
/// Between the border of a cell and its text, millimetres.
const PADDING: f64 = 1.2;
/// Pages at most; what would follow is in the attachment.
const MOST_PAGES: usize = 200;
/// The identifier of the typeface.
const FONT: u32 = 1;

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Type size, millimetres.
    pub size: f64,
    /// Red, green, blue.
    pub ink: [u8; 3],
    /// Free space above, millimetres.
    pub above: f64,
}

/// One part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Text that is broken into lines.
    Text(Style, String),
    /// Rows with a border around each cell.
    Table {
        /// Columns, as parts of the whole width.
        columns: Vec<f64>,
        /// How the text of the cells is set.
        style: Style,
        /// The rows, cell by cell.
        rows: Vec<Vec<String>>,
    },
}

/// A document to write.
#[derive(Debug, Clone, PartialEq)]
pub struct TextDocument<'a> {
    /// DocID: 32 hexadecimal digits.
    pub id: &'a str,
    /// Title.
    pub title: &'a str,
    /// CreationDate, such as 2026-11-23.
    pub created: &'a str,
    /// What the pages show.
    pub blocks: &'a [Block],
    /// Name (ASCII) and content of the attached file (§20).
    pub attachment: (&'a str, &'a [u8]),
    /// Shown where there is more than the pages take.
    pub cut_off: &'a str,
}

/// Writes the document (GB/T 33190-2016 7).
///
/// # Errors
/// [`Error::Container`].
pub fn text_document(document: &TextDocument<'_>) -> Result<Vec<u8>, Error> {
    let mut pages =
        Pages { next: FONT.saturating_add(1), done: Vec::new(), page: String::new(), y: MARGIN, full: false };
    for block in document.blocks {
        pages.block(block);
    }
    if pages.full {
        // The last page has room below its text for this one line.
        pages.line(document.cut_off, (MARGIN, BOTTOM), SMALL);
    }
    let (contents, last) = pages.finish();
    let (name, content) = document.attachment;
    let mut parts = vec![
        ("OFD.xml".to_owned(), entrance(document).into_bytes()),
        ("Doc_0/Document.xml".to_owned(), root(contents.len(), last).into_bytes()),
        ("Doc_0/PublicRes.xml".to_owned(), resources().into_bytes()),
        ("Doc_0/Attachs/Attachments.xml".to_owned(), attachments(name, content.len()).into_bytes()),
        (format!("Doc_0/Attachs/{name}"), content.to_vec()),
    ];
    for (number, content) in contents.into_iter().enumerate() {
        parts.push((format!("Doc_0/Pages/Page_{number}/Content.xml"), content.into_bytes()));
    }
    packed(&parts).map_err(Error::Container)
}

/// The number of the page.
const SMALL: Style = Style { size: 3.0, ink: [0x4a, 0x4d, 0x57], above: 0.0 };

/// Pages, as they fill.
struct Pages {
    /// The next identifier.
    next: u32,
    done: Vec<String>,
    /// Objects of the page that is being filled.
    page: String,
    y: f64,
    full: bool,
}

impl Pages {
    fn block(&mut self, block: &Block) {
        if self.full {
            return;
        }
        match block {
            Block::Text(style, text) => {
                if self.y > MARGIN {
                    self.y += style.above;
                }
                for line in broken(text, PAGE.0 - 2.0 * MARGIN, style.size) {
                    if !self.room(style.size * LEADING) {
                        return;
                    }
                    self.line(&line, (MARGIN, self.y), *style);
                    self.y += style.size * LEADING;
                }
            }
            Block::Table { columns, style, rows } => {
                self.y += style.above;
                for row in rows {
                    self.row(columns, *style, row);
                }
            }
        }
    }

    /// Turns the page where the current one has no room for that height; false where there is no further page.
    fn room(&mut self, height: f64) -> bool {
        if self.y + height <= BOTTOM {
            return true;
        }
        if self.done.len().saturating_add(1) >= MOST_PAGES {
            self.full = true;
            return false;
        }
        self.done.push(std::mem::take(&mut self.page));
        self.y = MARGIN;
        true
    }

    /// A row, over as many pages as it wants.
    fn row(&mut self, columns: &[f64], style: Style, cells: &[String]) {
        let width = PAGE.0 - 2.0 * MARGIN;
        let leading = style.size * LEADING;
        let widths: Vec<f64> = columns.iter().map(|part| part * width).collect();
        let mut left: Vec<Vec<String>> =
            cells.iter().zip(&widths).map(|(text, width)| broken(text, width - 2.0 * PADDING, style.size)).collect();
        loop {
            let most = left.iter().map(Vec::len).max().unwrap_or(0);
            if most == 0 || !self.room(2.0 * PADDING + leading) {
                return;
            }
            let mut lines = 0_usize;
            let mut height = 2.0 * PADDING;
            while lines < most && self.y + height + leading <= BOTTOM {
                lines = lines.saturating_add(1);
                height += leading;
            }
            // A row that would begin with a line or two at the foot of a page begins on the next one.
            if lines < most && lines < 3 && self.y > MARGIN {
                self.y = BOTTOM;
                continue;
            }
            let mut x = MARGIN;
            for (cell, width) in left.iter_mut().zip(&widths) {
                self.border((x, self.y), (*width, height));
                let mut y = self.y + PADDING;
                let rest = cell.split_off(lines.min(cell.len()));
                for line in std::mem::replace(cell, rest) {
                    self.line(&line, (x + PADDING, y), style);
                    y += leading;
                }
                x += width;
            }
            self.y += height;
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }

    /// A line of text (§11.2): its box begins at that place.
    fn line(&mut self, text: &str, (x, y): (f64, f64), style: Style) {
        if text.is_empty() {
            return;
        }
        let Style { size, ink: [red, green, blue], .. } = style;
        let steps: Vec<f64> = text.chars().map(|c| squares(c) * size).collect();
        let width: f64 = steps.iter().sum();
        let mut deltas = String::new();
        for step in steps.iter().take(steps.len().saturating_sub(1)) {
            let space = if deltas.is_empty() { "" } else { " " };
            let _ = write!(deltas, "{space}{}", millimetres(*step));
        }
        let deltas = if deltas.is_empty() { deltas } else { format!(" DeltaX=\"{deltas}\"") };
        let id = self.number();
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(
            self.page,
            "<ofd:TextObject ID=\"{id}\" Boundary=\"{} {} {} {}\" Font=\"{FONT}\" Size=\"{}\"><ofd:FillColor Value=\"{red} {green} {blue}\"/>\
             <ofd:TextCode X=\"0\" Y=\"{}\"{deltas}>{}</ofd:TextCode></ofd:TextObject>",
            millimetres(x),
            millimetres(y),
            millimetres(width + size / 2.0),
            millimetres(size * 1.25),
            millimetres(size),
            millimetres(size * BASE_LINE),
            escape(text),
        );
    }

    /// A rectangle's outline (§9.1).
    fn border(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let id = self.number();
        let (w, h) = (millimetres(width), millimetres(height));
        let _ = writeln!(
            self.page,
            "<ofd:PathObject ID=\"{id}\" Boundary=\"{} {} {w} {h}\" LineWidth=\"0.2\" Stroke=\"true\" Fill=\"false\">\
             <ofd:StrokeColor Value=\"160 164 174\"/><ofd:AbbreviatedData>M 0 0 L {w} 0 L {w} {h} L 0 {h} C</ofd:AbbreviatedData></ofd:PathObject>",
            millimetres(x),
            millimetres(y),
        );
    }

    /// The contents of all pages, each with its number below, and the last identifier.
    fn finish(mut self) -> (Vec<String>, u32) {
        let mut all = std::mem::take(&mut self.done);
        all.push(std::mem::take(&mut self.page));
        let count = all.len();
        let mut contents = Vec::with_capacity(count);
        for (number, objects) in (1_usize..).zip(all) {
            self.page = objects;
            let text = format!("第 {number} 页，共 {count} 页  Page {number} of {count}");
            let width: f64 = text.chars().map(squares).sum::<f64>() * SMALL.size;
            self.line(&text, ((PAGE.0 - width) / 2.0, PAGE.1 - 13.0), SMALL);
            let (page, layer) = (std::mem::take(&mut self.page), self.number());
            contents.push(format!(
                "{DECLARATION}<ofd:Page xmlns:ofd=\"{NAMESPACE}\"><ofd:Area><ofd:PhysicalBox>0 0 {} {}</ofd:PhysicalBox></ofd:Area>\
                 <ofd:Content><ofd:Layer ID=\"{layer}\" Type=\"Body\">\n{page}</ofd:Layer></ofd:Content></ofd:Page>\n",
                PAGE.0, PAGE.1
            ));
        }
        let pages = u32::try_from(count).unwrap_or(u32::MAX);
        (contents, self.next.saturating_add(pages))
    }
}

/// OFD.xml (§7.4).
fn entrance(document: &TextDocument<'_>) -> String {
    let TextDocument { id, title, created, .. } = document;
    format!(
        "{DECLARATION}<ofd:OFD xmlns:ofd=\"{NAMESPACE}\" DocType=\"OFD\" Version=\"1.0\"><ofd:DocBody><ofd:DocInfo>\
         <ofd:DocID>{}</ofd:DocID><ofd:Title>{}</ofd:Title><ofd:CreationDate>{}</ofd:CreationDate><ofd:Creator>yinxin</ofd:Creator>\
         </ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>\n",
        escape(*id),
        escape(*title),
        escape(*created)
    )
}

/// Document.xml (§7.5). The pages' identifiers come after those of their objects; `last` is the last of all.
fn root(pages: usize, last: u32) -> String {
    let first = last.saturating_sub(u32::try_from(pages).unwrap_or(u32::MAX));
    let listed: String = (0..pages)
        .zip(first..)
        .map(|(number, id)| format!("<ofd:Page ID=\"{id}\" BaseLoc=\"Pages/Page_{number}/Content.xml\"/>"))
        .collect();
    format!(
        "{DECLARATION}<ofd:Document xmlns:ofd=\"{NAMESPACE}\"><ofd:CommonData><ofd:MaxUnitID>{last}</ofd:MaxUnitID>\
         <ofd:PageArea><ofd:PhysicalBox>0 0 {} {}</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>\
         </ofd:CommonData><ofd:Pages>{listed}</ofd:Pages><ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments></ofd:Document>\n",
        PAGE.0, PAGE.1
    )
}

/// PublicRes.xml (§7.9): the one typeface.
fn resources() -> String {
    format!(
        "{DECLARATION}<ofd:Res xmlns:ofd=\"{NAMESPACE}\" BaseLoc=\"Res\"><ofd:Fonts>\
         <ofd:Font ID=\"{FONT}\" FontName=\"宋体\" FamilyName=\"宋体\" Serif=\"true\"/></ofd:Fonts></ofd:Res>\n"
    )
}

/// Attachments.xml (§20.1); sizes are in KiB there.
fn attachments(name: &str, octets: usize) -> String {
    let size = f64::from(u32::try_from(octets).unwrap_or(u32::MAX)) / 1024.0;
    let format = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    format!(
        "{DECLARATION}<ofd:Attachments xmlns:ofd=\"{NAMESPACE}\"><ofd:Attachment ID=\"1\" Name=\"{}\" Format=\"{}\" Size=\"{size:.3}\" \
         Visible=\"true\"><ofd:FileLoc>{}</ofd:FileLoc></ofd:Attachment></ofd:Attachments>\n",
        escape(name),
        escape(format),
        escape(name)
    )
}

fn packed(parts: &[(String, Vec<u8>)]) -> Result<Vec<u8>, std::io::Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut container = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        container.start_file(name.as_str(), options)?;
        container.write_all(content)?;
    }
    Ok(container.finish()?.into_inner())
}

/// A length to the micrometre.
fn millimetres(length: f64) -> String {
    let text = format!("{length:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How wide a letter is, in squares: letters of Latin, Greek and Cyrillic scripts and their marks take half of one.
fn squares(c: char) -> f64 {
    if c < '\u{1100}' && c != '×' && c != '·' { 0.5 } else { 1.0 }
}

/// What may not stand in XML, or turns the direction of a text, is shown as such.
fn shown(c: char) -> char {
    let turns = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    if c.is_control() || turns || matches!(c, '\u{FFFE}' | '\u{FFFF}') { '\u{FFFD}' } else { c }
}

/// Lines of at most that width: broken before ideographs and at spaces, and inside of words only where a word alone is
/// longer. At least one line, which may be empty.
fn broken(text: &str, width: f64, size: f64) -> Vec<String> {
    // Half squares, so that sums are exact.
    let most = (width / size * 2.0).floor();
    let halves = |text: &str| text.chars().map(|c| squares(c) * 2.0).sum::<f64>();
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
    for word in words(text) {
        let needed = halves(word.trim_end());
        if used > 0.0 && used + needed > most {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0.0;
        }
        for c in word.chars() {
            let step = squares(c) * 2.0;
            if used + step > most && c != ' ' {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0.0;
            }
            line.push(c);
            used += step;
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Pieces between which a line may be broken: each ideograph with the punctuation behind it, each word with its space.
fn words(text: &str) -> Vec<String> {
    const CLOSING: &str = "，。；：、！？）》」』】…";
    let mut pieces: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in text.chars().map(shown) {
        let wide = squares(c) > 0.5;
        let begins = before == ' ' || (wide && !CLOSING.contains(c)) || (!wide && squares(before) > 0.5 && c != ' ');
        match pieces.last_mut() {
            Some(piece) if !begins => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        before = c;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::format::ofd::container::Container;
    use crate::render::page::Document;

    const PLAIN: Style = Style { size: 4.0, ink: [0; 3], above: 2.0 };

    fn document(blocks: &[Block]) -> Vec<u8> {
        let id = "0123456789abcdef0123456789abcdef";
        let attachment = ("report.json", b"{}".as_slice());
        text_document(&TextDocument {
            id,
            title: "报告 <&>",
            created: "2026-11-23",
            blocks,
            attachment,
            cut_off: "其余",
        })
        .unwrap()
    }

    /// The text of each page, as a reader of the document finds it, and what could not be drawn.
    fn read(bytes: &[u8]) -> Vec<(String, Vec<String>)> {
        let container = Container::read(bytes, &Limits::DEFAULT).unwrap();
        let document = Document::open(&container, 0, &Limits::DEFAULT).unwrap();
        let pages = (0..document.page_count()).map(|page| document.render_page(page, &[]).unwrap());
        pages
            .map(|page| (page.text.clone(), page.unsupported.iter().map(|note| note.code.to_owned()).collect()))
            .collect()
    }

    #[test]
    fn text_and_tables_are_drawn_and_found() {
        let rows = vec![vec!["内容完整 intact".to_owned(), "正常 <ok> & \u{202e}x".to_owned()]];
        let blocks = [
            Block::Text(PLAIN, "签章真实有效，内容未被改动 Genuine and unchanged".to_owned()),
            Block::Table { columns: vec![0.3, 0.7], style: PLAIN, rows },
        ];
        let bytes = document(&blocks);
        assert_eq!(bytes, document(&blocks), "the document depends on its arguments alone");
        let pages = read(&bytes);
        let [(text, notes)] = pages.as_slice() else { panic!("{pages:?}") };
        for wanted in [
            "签章真实有效，内容未被改动 Genuine and unchanged",
            "内容完整 intact",
            "正常 <ok> & \u{fffd}x",
            "第 1 页，共 1 页",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        // The second is the mark that stands for the turn of direction.
        assert_eq!(notes, &["font-substituted", "glyph-missing"]);
    }

    #[test]
    fn long_rows_go_over_pages_and_the_last_page_says_that_there_is_more() {
        let row = vec!["甲".to_owned(), "部件 ".repeat(4_000)];
        let blocks = [Block::Table { columns: vec![0.2, 0.8], style: PLAIN, rows: vec![row] }];
        let pages = read(&document(&blocks));
        assert!(pages.len() > 3, "{}", pages.len());
        let parts: usize = pages.iter().map(|(text, _)| text.matches("部件").count()).sum();
        assert_eq!(parts, 4_000, "nothing is lost between pages");
        let endless = [Block::Text(PLAIN, "永".repeat(600_000))];
        let bytes = document(&endless);
        let pages = read(&bytes);
        assert_eq!(pages.len(), MOST_PAGES);
        assert!(pages.last().unwrap().0.contains("其余"));
    }

    #[test]
    fn lines_break_before_ideographs_and_at_spaces_but_not_before_closing_marks() {
        assert_eq!(broken("电子印章。甲", 16.0, 4.0), ["电子印", "章。甲"]);
        assert_eq!(broken("one two", 16.0, 4.0), ["one two"]);
        assert_eq!(broken("one twos!", 16.0, 4.0), ["one", "twos!"]);
        assert_eq!(broken("abcdefghij", 16.0, 4.0), ["abcdefgh", "ij"]);
        assert_eq!(broken("", 16.0, 4.0), [""]);
    }
}

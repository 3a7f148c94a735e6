//! Where stamps go: each option is sealed, judged and drawn, and the stamp is looked for in the pixels of the pages.
//!
//! The seal's picture has forty columns and forty rows of a colour of their own each, a millimetre wide, so that a pixel of a page
//! says which piece of the stamp it shows. The drawing is ours; `tests/interop.rs` has another reader draw the first stamp.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

#[path = "../benches/material/mod.rs"]
#[expect(dead_code, reason = "shared with the benchmarks")]
mod material;

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::sm2::PrivateKey;
use yinxin::domain::seal::signing;
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::domain::verify::Indication;
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::document::Package;
use yinxin::render::page::{Document, stamps_of};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use material::{Material, policy};

const LIMITS: Limits = Limits::DEFAULT;

/// Pixels of a millimetre of a page.
const SCALE: u32 = 4;

static MADE: LazyLock<Material> = LazyLock::new(|| {
    let [root, maker, signer] = [(); 3].map(|()| PrivateKey::generate(&SystemRandom).unwrap());
    Material::new(&root, &maker, signer, &picture())
});

/// The colour of a millimetre of the stamp: green says the column, blue the row.
fn colour(column: u32, row: u32) -> [u8; 4] {
    [255, (column * 6) as u8, (row * 6) as u8, 255]
}

fn picture() -> Vec<u8> {
    let mut drawn = Pixmap::new(160, 160).unwrap();
    for (at, pixel) in drawn.pixels_mut().iter_mut().enumerate() {
        let [red, green, blue, alpha] = colour(at as u32 % 160 / 4, at as u32 / 160 / 4);
        *pixel = PremultipliedColorU8::from_rgba(red, green, blue, alpha).unwrap();
    }
    drawn.encode_png().unwrap()
}

/// A document of five pages, the third of them lying: `盖章` in two objects on the second, `（公章）` on the second and the last,
/// a field on the fourth.
fn document() -> Vec<u8> {
    let text = |x: f64, y: f64, said: &str| {
        format!(
            "<TextObject ID='{}' Boundary='{x} {y} 100 10' Font='1' Size='5'><TextCode X='0' Y='4.4' DeltaX='g 20 5'>{said}\
             </TextCode></TextObject>",
            (x * 1000.0 + y) as u32
        )
    };
    let pages: [(&str, String); 5] = [
        ("0 0 210 297", String::new()),
        ("0 0 210 297", [text(100.0, 150.0, "盖"), text(105.0, 150.0, "章"), text(60.0, 60.0, "（公章）")].concat()),
        ("0 0 297 210", String::new()),
        ("10 20 210 297", "<PathObject ID='77' Boundary='110 220 60 20'/>".to_owned()),
        ("0 0 210 297", [text(60.0, 100.0, "（公章）"), text(120.0, 200.0, "（公章）")].concat()),
    ];
    let named = (1..=5).map(|n| format!("<Page ID='{n}' BaseLoc='P{n}.xml'/>")).collect::<String>();
    let mut parts = vec![
        ("OFD.xml".to_owned(), "<OFD><DocBody><DocRoot>D/D.xml</DocRoot></DocBody></OFD>".to_owned()),
        (
            "D/D.xml".to_owned(),
            format!(
                "<Document><CommonData><MaxUnitID>99</MaxUnitID></CommonData><Pages>{named}</Pages>\
                 <CustomTags>Tags.xml</CustomTags></Document>"
            ),
        ),
        (
            "D/Tags.xml".to_owned(),
            "<CustomTags><CustomTag TypeID='t'><FileLoc>T.xml</FileLoc></CustomTag></CustomTags>".to_owned(),
        ),
        (
            "D/T.xml".to_owned(),
            "<t:form xmlns:t='http://example.test/'><t:盖章处><t:ObjectRef PageRef='4'>77</t:ObjectRef></t:盖章处></t:form>"
                .to_owned(),
        ),
    ];
    for (n, (area, objects)) in pages.iter().enumerate() {
        let page = format!(
            "<Page><Area><PhysicalBox>{area}</PhysicalBox></Area><Content><Layer ID='{}'>{objects}</Layer></Content></Page>",
            n + 90
        );
        parts.push((format!("D/P{}.xml", n + 1), page));
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        let content = content.replacen('>', " xmlns='http://www.ofdspec.org/2016'>", 1);
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn seal(document: &[u8], places: &[&str], lock: bool) -> Result<Vec<u8>, signing::Error> {
    let (made, plan) = (&*MADE, StampPlan::read(&places.join("\n"), lock).unwrap());
    let algorithm = made.signer_key.algorithm();
    let token = signing::prepare(document, &made.seal, &made.signer, algorithm, &plan, made.now, &LIMITS)?;
    let value = made.signer_key.sign(token.to_sign(), &SystemRandom).unwrap();
    Ok(token.assemble(&value)?.document)
}

/// What the pixels of each page show of stamps: the box in millimetres of the page's upper left corner, and the first and last
/// column and row of the stamp that is seen in it.
fn seen(sealed: &[u8]) -> Vec<Vec<([u32; 4], [u32; 4])>> {
    let container = Container::read(sealed, &LIMITS).unwrap();
    let package = Package::read(&container, &LIMITS).unwrap();
    let stamps = stamps_of(&container, &package.bodies[0], &LIMITS).unwrap();
    let document = Document::open(&container, 0, &LIMITS).unwrap();
    let pages = (0..document.page_count()).map(|index| {
        let page = document.render_page(index, &stamps).unwrap();
        let drawn = Pixmap::decode_png(&page.png((page.width as u32 * SCALE) as u16).unwrap()).unwrap();
        // The middle of each millimetre; where the paper shows there is no stamp, and text is black.
        let at = |x: u32, y: u32| {
            let pixel = drawn.pixel(x * SCALE + SCALE / 2, y * SCALE + SCALE / 2).unwrap();
            let stamp = pixel.red() > 250 && pixel.green() < 240 && pixel.blue() < 240;
            stamp.then(|| ((u32::from(pixel.green()) + 3) / 6, (u32::from(pixel.blue()) + 3) / 6))
        };
        let mut found: Vec<([u32; 4], [u32; 4])> = Vec::new();
        for y in 0..page.height as u32 {
            for x in 0..page.width as u32 {
                let inside = |area: &[u32; 4]| (area[0]..area[2]).contains(&x) && (area[1]..area[3]).contains(&y);
                let Some(first) = at(x, y).filter(|_| !found.iter().any(|(area, _)| inside(area))) else { continue };
                let (mut right, mut below) = (x, y);
                while right < page.width as u32 && at(right, y).is_some() {
                    right += 1;
                }
                while below < page.height as u32 && at(x, below).is_some() {
                    below += 1;
                }
                let last = at(right - 1, below - 1).unwrap();
                // Each millimetre shows the piece that belongs there, but where letters lie over or under it.
                for (dx, dy) in [(0, 0), (right - 1 - x, 0), (0, below - 1 - y), (right - 1 - x, below - 1 - y)] {
                    assert_eq!(at(x + dx, y + dy), Some((first.0 + dx, first.1 + dy)));
                }
                found.push(([x, y, right, below], [first.0, last.0, first.1, last.1]));
            }
        }
        found
    });
    pages.collect()
}

const WHOLE: [u32; 4] = [0, 39, 0, 39];

fn placed(places: &[&str]) -> Vec<Vec<([u32; 4], [u32; 4])>> {
    let sealed = seal(&document(), places, false).unwrap();
    let report = MADE.judge(&sealed, &MADE.trust(), &policy());
    assert_eq!(report.indication, Indication::TotalPassed, "{places:?}: {report:?}");
    seen(&sealed)
}

fn whole(x: u32, y: u32) -> ([u32; 4], [u32; 4]) {
    ([x, y, x + 40, y + 40], WHOLE)
}

#[test]
fn a_point_of_some_pages() {
    let at = whole(20, 30);
    assert_eq!(placed(&["at x=20 y=30"]), vec![vec![at]; 5]);
    assert_eq!(placed(&["at pages=odd x=20 y=30"]), [vec![at], vec![], vec![at], vec![], vec![at]]);
    assert_eq!(
        placed(&["at pages=2,4-last x=20 y=30", "at pages=5 x=100 y=200"]),
        [vec![], vec![at], vec![], vec![at], vec![at, whole(100, 200)]]
    );
}

#[test]
fn a_seam_on_each_edge() {
    // Eight millimetres a page; the third page lies, the fourth begins at (10, 20).
    let strips = |edge: &str| placed(&[&format!("seam edge={edge} at=100")]);
    let right = [210, 210, 297, 210, 210].into_iter().zip(0..);
    let right = right.map(|(w, n)| vec![([w - 8, 100, w, 140], [n * 8, n * 8 + 7, 0, 39])]);
    assert_eq!(strips("right"), right.collect::<Vec<_>>());
    let left = (0..5).map(|n| 4 - n).map(|n| vec![([0, 100, 8, 140], [n * 8, n * 8 + 7, 0, 39])]);
    assert_eq!(strips("left"), left.collect::<Vec<_>>());
    let bottom = [297, 297, 210, 297, 297].into_iter().zip(0..);
    let bottom = bottom.map(|(h, n)| vec![([100, h - 8, 140, h], [0, 39, n * 8, n * 8 + 7])]);
    assert_eq!(strips("bottom"), bottom.collect::<Vec<_>>());
    let top = (0..5).map(|n| 4 - n).map(|n| vec![([100, 0, 140, 8], [0, 39, n * 8, n * 8 + 7])]);
    assert_eq!(strips("top"), top.collect::<Vec<_>>());
}

#[test]
fn a_seam_in_the_middle_in_groups_of_sheets() {
    // Two pages of twenty millimetres each, twice; the third page is left out.
    let first = |x: u32| vec![([x, 128, 210, 168], [0, 19, 0, 39])];
    let second = |x: u32| vec![([x, 128, 210, 168], [20, 39, 0, 39])];
    let drawn = placed(&["seam edge=right pages=1-2,4-5 sheets=2 at=128"]);
    assert_eq!(drawn, [first(190), second(190), vec![], first(190), second(190)]);
    // (297 − 40) / 2 and (210 − 40) / 2.
    let sealed = seal(&document(), &["seam edge=right"], false).unwrap();
    let container = Container::read(&sealed, &LIMITS).unwrap();
    let package = Package::read(&container, &LIMITS).unwrap();
    let stamps = stamps_of(&container, &package.bodies[0], &LIMITS).unwrap();
    let along: Vec<f64> = stamps.iter().map(|stamp| stamp.boundary[1]).collect();
    assert_eq!(along, [128.5, 128.5, 85.0, 148.5, 128.5]);
}

#[test]
fn upon_a_keyword() {
    // The letters take 100 to 110 by 150 to 155, and 60 to 80 by 60 to 65.
    let near = |x: u32, y: u32| vec![whole(x, y)];
    assert_eq!(placed(&["keyword dx=0 dy=0.5 text=盖章"]), [vec![], near(85, 133), vec![], vec![], vec![]]);
    let drawn = placed(&["keyword dy=-0.5 text=（公 章）"]);
    assert_eq!(drawn, [vec![], near(50, 42), vec![], vec![], vec![whole(50, 82), whole(110, 182)]]);
    let drawn = placed(&["keyword which=last dy=-0.5 dx=10 text=（公章）"]);
    assert_eq!(drawn, [vec![], vec![], vec![], vec![], near(120, 182)]);
    let drawn = placed(&["keyword which=2 dy=-0.5 text=（公章）"]);
    assert_eq!(drawn, [vec![], vec![], vec![], vec![], near(50, 82)]);
    let drawn = placed(&["keyword which=first pages=3-last dy=-0.5 text=（公章）"]);
    assert_eq!(drawn, [vec![], vec![], vec![], vec![], near(50, 82)]);
}

#[test]
fn upon_a_field() {
    // 110 to 170 by 220 to 240 of a page whose corner is (10, 20).
    assert_eq!(placed(&["field name=盖章处"]), [vec![], vec![], vec![], vec![whole(110, 190)], vec![]]);
}

#[test]
fn several_signatures_each_at_its_places_and_the_last_one_locks() {
    let once = seal(&document(), &["seam edge=right at=50", "at pages=1 x=20 y=200"], false).unwrap();
    let twice = seal(&once, &["keyword text=盖章"], false).unwrap();
    let locked = seal(&twice, &["seam edge=left at=50", "field name=盖章处"], true).unwrap();
    let report = MADE.judge(&locked, &MADE.trust(), &policy());
    let found: Vec<_> = report.signatures.iter().map(|signature| signature.indication).collect();
    assert_eq!(found, [Indication::TotalPassed; 3]);
    assert_eq!(seal(&locked, &["at pages=1 x=20 y=30"], false).unwrap_err().code(), "document-locked");
}

#[test]
fn what_has_no_place_is_refused_by_name() {
    let refused = |place: &str| seal(&document(), &[place], false).unwrap_err().code();
    assert_eq!(refused("at pages=6 x=1 y=1"), "page-unknown");
    assert_eq!(refused("at pages=5-9 x=1 y=1"), "page-unknown");
    assert_eq!(refused("at pages=3-2 x=1 y=1"), "page-unknown");
    assert_eq!(refused("at x=180 y=1"), "stamp-outside");
    assert_eq!(refused("seam edge=top at=180"), "stamp-outside");
    assert_eq!(refused("seam edge=top pages=2"), "seam-one-page");
    assert_eq!(refused("keyword text=印章"), "keyword-absent");
    assert_eq!(refused("keyword which=4 text=（公章）"), "keyword-absent");
    assert_eq!(refused("keyword pages=1 text=盖章"), "keyword-absent");
    assert_eq!(refused("keyword dx=100 text=盖章"), "stamp-outside");
    assert_eq!(refused("field name=签名处"), "field-absent");
    assert_eq!(refused("field dy=90 name=盖章处"), "stamp-outside");
}

//! Faces of seals, judged by their outlines: forty names of 2 to 40 characters in every shape. `SHEET=1` writes what was
//! drawn to `target/seal-faces-*.png`, to be looked at.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

#[path = "seal_faces/geometry.rs"]
mod geometry;
#[path = "seal_faces/uploads.rs"]
mod uploads;

use geometry::{Hull, distance, middle};
use resvg::tiny_skia::{Color, FilterQuality, Pixmap, PixmapPaint, Transform};
use yinxin::base::limits::Limits;
use yinxin::format::ofd::container::Container;
use yinxin::render::page::Document;
use yinxin::render::seal::{
    Centre, NameEnding, OvalFace, Part, Piece, RectangleFace, RoundFace, SealFace, SquareFace, Trust, draw, ofd_face,
    pieces,
};

/// Made-up organisations: one of each length from 2 to 40, rare characters, dots, brackets and digits among them, and one more.
const NAMES: &str = include_str!("seal_faces/names.txt");

/// Ink of two letters is at least so far apart, in millimetres: three dots at 600 dots per inch.
const APART: f64 = 0.12;

/// The least height of a name's letters; their ink fills most of it.
const LEAST_HEIGHT: f64 = 2.0;

fn names() -> Vec<String> {
    NAMES.lines().map(str::to_owned).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

const CODE: &str = "33010600000001";

fn round(organisation: &str) -> RoundFace {
    RoundFace {
        organisation: organisation.to_owned(),
        centre: Centre::Star,
        lines: Vec::new(),
        code: Some(CODE.to_owned()),
        note: None,
        diameter_mm: 42,
    }
}

fn oval(organisation: &str) -> OvalFace {
    OvalFace {
        organisation: organisation.to_owned(),
        tax_number: Some("91330106MA0000000X".to_owned()),
        line: Some("发票专用章".to_owned()),
        number: None,
        code: None,
        width_mm: 40,
        height_mm: 30,
    }
}

/// Every shape that takes the name, with everything on it that seals of the kind carry.
fn faces(name: &str) -> Vec<(&'static str, SealFace)> {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let mut faces = vec![
        ("official", SealFace::Round(RoundFace { diameter_mm: 42, ..round(name) })),
        ("emblem", SealFace::Round(RoundFace { centre: Centre::EmblemSlot, diameter_mm: 50, ..round(name) })),
        ("finance", SealFace::Round(RoundFace { lines: lines(&["财务专用章"]), diameter_mm: 38, ..round(name) })),
        (
            "contract",
            SealFace::Round(RoundFace {
                lines: lines(&["合同专用章", "（1）"]),
                note: Some("NO.2026-0001".to_owned()),
                diameter_mm: 45,
                ..round(name)
            }),
        ),
        (
            "level",
            SealFace::Round(RoundFace {
                centre: Centre::Empty,
                lines: lines(&["行政审批", "专用章"]),
                diameter_mm: 42,
                ..round(name)
            }),
        ),
        ("invoice", SealFace::Oval(oval(name))),
        (
            "invoice-all",
            SealFace::Oval(OvalFace { number: Some("（1）".to_owned()), code: Some(CODE.to_owned()), ..oval(name) }),
        ),
        ("rectangle", SealFace::Rectangle(RectangleFace { text: name.to_owned(), width_mm: 60, height_mm: 25 })),
    ];
    if length(name) <= 16 {
        let square = SquareFace { name: name.to_owned(), ending: NameEnding::Customary, side_mm: 22 };
        faces.push(("square", SealFace::Square(square)));
    }
    faces
}

fn hulls(pieces: &[Piece]) -> Vec<(Part, Hull)> {
    let inked = pieces.iter().filter(|piece| piece.part != Part::Border);
    inked.map(|piece| (piece.part, Hull::of(&piece.outline))).collect()
}

#[test]
fn the_names_have_every_length_and_rare_characters() {
    let names = names();
    assert_eq!(names.len(), 40);
    for characters in 2..=40 {
        assert!(names.iter().any(|name| length(name) == characters), "{characters}");
    }
    let all = names.concat();
    assert!(all.chars().filter(|c| u32::from(*c) > 0xFFFF).count() >= 3);
    for wanted in ['·', '（', '1', '１', '-', 'A', '𬭎', '麑'] {
        assert!(all.contains(wanted), "{wanted}");
    }
}

#[test]
fn nothing_touches_and_nothing_is_clipped() {
    let (mut nearest, mut worst) = (f64::MAX, String::new());
    for name in names() {
        for (shape, face) in faces(&name) {
            for trust in [Trust::Production, Trust::Development] {
                let label = format!("{shape} of {} ({trust:?}): {name}", length(&name));
                let pieces = pieces(&face, trust).unwrap_or_else(|error| panic!("{label}: {error}"));
                let hulls = hulls(&pieces);
                inside_of_the_border(&label, &face, &hulls);
                for (number, (part, hull)) in hulls.iter().enumerate() {
                    for (other_part, other) in &hulls[number + 1..] {
                        let apart = hull.apart(other);
                        if apart < nearest {
                            (nearest, worst) = (apart, format!("{label}: {part:?} and {other_part:?}"));
                        }
                        assert!(apart >= APART, "{label}: {part:?} and {other_part:?} are {apart:.3} mm apart");
                    }
                }
                let tallest = hulls.iter().filter(|(part, _)| *part == Part::Name).map(|(_, hull)| hull.reach());
                let tallest = tallest.fold(0.0, f64::max);
                assert!(tallest >= LEAST_HEIGHT * 0.8, "{label}: letters of {tallest:.2} mm");
            }
        }
    }
    println!("nearest: {nearest:.3} mm, {worst}");
}

/// No ink but the border's within 0.15 mm of it.
fn inside_of_the_border(label: &str, face: &SealFace, hulls: &[(Part, Hull)]) {
    let (width, height) = face.size_mm();
    let (a, b) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let line = match face {
        SealFace::Round(_) => 1.2 * a / 21.0,
        SealFace::Oval(_) => b / 15.0,
        SealFace::Square(_) | SealFace::Rectangle(_) => (a.min(b) / 10.0).clamp(0.5, 1.2),
    } + 0.15;
    for (part, hull) in hulls {
        for (x, y) in hull.corners() {
            let inside = match face {
                SealFace::Round(_) | SealFace::Oval(_) => {
                    ((x - a) / (a - line)).powi(2) + ((y - b) / (b - line)).powi(2) <= 1.0
                }
                SealFace::Square(_) | SealFace::Rectangle(_) => (x - a).abs() <= a - line && (y - b).abs() <= b - line,
            };
            assert!(inside, "{label}: {part:?} at {x:.2}, {y:.2}");
        }
    }
}

#[test]
fn letters_of_an_arc_stand_in_their_band_and_keep_clear_of_the_star() {
    for name in names() {
        for diameter_mm in [38, 42, 60] {
            let face = SealFace::Round(RoundFace { diameter_mm, ..round(&name) });
            let radius = f64::from(diameter_mm) / 2.0;
            let unit = radius / 21.0;
            for (part, hull) in hulls(&pieces(&face, Trust::Production).unwrap()) {
                let from_centre = hull.corners().map(|(x, y)| distance((x, y), (radius, radius)));
                let (low, high) = from_centre.fold((f64::MAX, 0.0f64), |(low, high), r| (low.min(r), high.max(r)));
                let band = match part {
                    Part::Name => (12.2 * unit, 19.2 * unit),
                    Part::Code => (16.4 * unit, 19.2 * unit),
                    Part::Star => (0.0, 7.01 * unit),
                    other => panic!("{other:?}"),
                };
                assert!(low >= band.0 || part == Part::Star, "{name} at {diameter_mm}: {part:?} from {low:.2}");
                assert!(high <= band.1, "{name} at {diameter_mm}: {part:?} to {high:.2}");
            }
        }
    }
}

#[test]
fn equal_letters_stand_at_equal_steps_on_circles_and_ovals() {
    for characters in 2..=40 {
        let name = "国".repeat(characters);
        for (face, tolerance) in [(SealFace::Round(round(&name)), 0.002), (SealFace::Oval(oval(&name)), 0.035)] {
            let pieces = pieces(&face, Trust::Production).unwrap();
            let letters: Vec<_> = pieces.iter().filter(|piece| piece.part == Part::Name).collect();
            assert_eq!(letters.len(), characters);
            let steps: Vec<f64> =
                letters.windows(2).map(|pair| distance(middle(&pair[0].outline), middle(&pair[1].outline))).collect();
            let mean = steps.iter().sum::<f64>() / f64::from(u32::try_from(steps.len()).unwrap());
            for step in &steps {
                assert!((step / mean - 1.0).abs() <= tolerance, "{characters}: {step:.3} of {mean:.3} mm");
            }
            // The first and the last are as far from the middle.
            let (first, last) = (middle(&letters[0].outline), middle(&letters[characters - 1].outline));
            let width = f64::from(face.size_mm().0);
            assert!(((first.0 + last.0) - width).abs() < 1.2, "{characters}: {first:?} {last:?}");
            assert!((first.1 - last.1).abs() < 1.2, "{characters}: {first:?} {last:?}");
        }
    }
}

#[test]
fn names_that_do_not_fit_are_refused_with_what_fits_and_that_fits() {
    let refused = |diameter_mm| {
        let face = SealFace::Round(RoundFace { diameter_mm, ..round(&"印".repeat(40)) });
        pieces(&face, Trust::Production).map(|drawn| drawn.len()).unwrap_err()
    };
    for diameter_mm in [20, 21, 22] {
        let error = refused(diameter_mm);
        assert_eq!(error.code(), "text-too-long");
        let text = error.to_string();
        let fit: usize = text.rsplit_once(' ').expect("a number").1.parse().unwrap();
        assert_eq!(text, format!("the name has 40 characters; on this face fit {fit}"));
        assert!((10..40).contains(&fit), "{diameter_mm}: {fit}");
        for (characters, fits) in [(fit, true), (fit + 1, false)] {
            let face = SealFace::Round(RoundFace { diameter_mm, ..round(&"印".repeat(characters)) });
            assert_eq!(pieces(&face, Trust::Production).is_ok(), fits, "{diameter_mm}: {characters}");
        }
    }
}

#[test]
fn ink_reaches_the_edges_and_the_picture_has_the_stated_size() {
    for (shape, face) in faces("示例市印信演示局") {
        let picture = draw(&face, Trust::Development).unwrap();
        assert_eq!((picture.width_mm, picture.height_mm), face.size_mm());
        let pixmap = Pixmap::decode_png(&picture.png).unwrap();
        let dots = |millimetres: u16| (f64::from(millimetres) / 25.4 * 600.0).round();
        let size = (f64::from(pixmap.width()), f64::from(pixmap.height()));
        assert_eq!(size, (dots(picture.width_mm), dots(picture.height_mm)), "{shape}");
        let inked = |x: u32, y: u32| pixmap.pixel(x, y).unwrap().alpha() > 0;
        let (right, foot) = (pixmap.width() - 1, pixmap.height() - 1);
        assert!((0..=right).any(|x| inked(x, 0)) && (0..=right).any(|x| inked(x, foot)), "{shape}");
        assert!((0..=foot).any(|y| inked(0, y)) && (0..=foot).any(|y| inked(right, y)), "{shape}");
        assert!(
            pixmap.pixels().iter().filter(|pixel| pixel.alpha() == 0).count() * 2 > pixmap.pixels().len(),
            "{shape}: paper shows"
        );
    }
}

#[test]
fn on_a_page_the_drawing_is_as_large_and_the_same() {
    for (shape, face) in faces("示例市印信演示局") {
        let package = ofd_face(&face, Trust::Development).unwrap();
        let container = Container::read(&package, &Limits::DEFAULT).unwrap();
        let page = Document::open(&container, 0, &Limits::DEFAULT).unwrap().render_page(0, &[]).unwrap();
        let (width, height) = face.size_mm();
        assert_eq!((page.width, page.height), (f64::from(width), f64::from(height)), "{shape}");
        assert!(page.unsupported.is_empty(), "{shape}");
        let picture = draw(&face, Trust::Development).unwrap();
        let (ours, placed) = (Pixmap::decode_png(&picture.png).unwrap(), page.png(picture.width_mm * 20).unwrap());
        let placed = Pixmap::decode_png(&placed).unwrap();
        // Where one has ink the other has: compared on a grid of a millimetre, away from edges of ink.
        let (mut compared, mut differing) = (0, 0);
        for y in 1..height {
            for x in 1..width {
                let at = |pixmap: &Pixmap| {
                    let scale = |place: u16, side: u32, whole: u16| u32::from(place) * side / u32::from(whole);
                    let pixel = pixmap.pixel(scale(x, pixmap.width(), width), scale(y, pixmap.height(), height));
                    let pixel = pixel.unwrap();
                    // On paper: what is not covered is white.
                    255 - pixel.alpha() + pixel.green()
                };
                let (first, second) = (at(&ours), at(&placed));
                if [first, second].iter().all(|green| *green < 20 || *green > 235) {
                    compared += 1;
                    differing += u32::from((first < 128) != (second < 128));
                }
            }
        }
        assert!(compared > 300 && differing * 50 < compared, "{shape}: {differing} of {compared} differ");
    }
}

#[test]
fn development_trust_shows_on_every_face_and_production_does_not() {
    for name in names() {
        for (shape, face) in faces(&name) {
            let specimen = |trust| {
                let pieces = pieces(&face, trust).unwrap();
                let marks: Vec<Hull> = pieces
                    .iter()
                    .filter(|piece| piece.part == Part::Specimen)
                    .map(|piece| Hull::of(&piece.outline))
                    .collect();
                (marks.len(), marks.iter().map(Hull::reach).fold(f64::MAX, f64::min))
            };
            let (count, height) = specimen(Trust::Development);
            assert_eq!(count, 2, "{shape}: {name}");
            assert!(height >= 1.6, "{shape}: {name}: 样章 of {height:.2} mm");
            assert_eq!(specimen(Trust::Production).0, 0, "{shape}: {name}");
        }
    }
}

#[test]
fn squares_read_by_columns_from_the_right_and_rectangles_by_rows_from_the_left() {
    let places = |face: &SealFace| -> Vec<(f64, f64)> {
        let pieces = pieces(face, Trust::Production).unwrap();
        pieces.iter().filter(|piece| piece.part == Part::Name).map(|piece| middle(&piece.outline)).collect()
    };
    let square = |name: &str| {
        let ending = NameEnding::Customary;
        places(&SealFace::Square(SquareFace { name: name.to_owned(), ending, side_mm: 20 }))
    };
    for name in ["张三", "王小明", "欧阳小明"] {
        let at = square(name);
        assert_eq!(at.len(), 4, "{name}");
        assert!(at[0].0 > 10.0 && at[1].0 > 10.0 && at[2].0 < 10.0 && at[3].0 < 10.0, "{name}: {at:?}");
        assert!(at[0].1 < at[1].1 && at[2].1 < at[3].1, "{name}: {at:?}");
    }
    let three = SquareFace { name: "王小明".to_owned(), ending: NameEnding::None, side_mm: 20 };
    let at = places(&SealFace::Square(three));
    assert!(at[0].0 > 10.0 && at[1].0 < 10.0 && at[2].0 < 10.0 && at[1].1 < at[2].1, "the surname alone: {at:?}");
    let row = RectangleFace { text: "阿卜杜拉买买提热合曼".to_owned(), width_mm: 40, height_mm: 20 };
    let at = places(&SealFace::Rectangle(row));
    assert!(at.windows(2).all(|pair| pair[1].0 > pair[0].0 || pair[1].1 > pair[0].1 + 2.0), "{at:?}");
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    for (name, code, message) in [
        ("示例龘局", "glyph-missing", "the typeface of seals lacks 龘 (U+9F98)"),
        ("示例😀局", "glyph-missing", "the typeface of seals lacks 😀 (U+1F600)"),
        ("示例‧局", "glyph-missing", "the typeface of seals lacks ‧ (U+2027)"),
        ("示例 局", "text-blank-character", "U+0020 shows nothing on a seal"),
        ("示例\u{3000}局", "text-blank-character", "U+3000 shows nothing on a seal"),
        ("示例\n局", "text-control-character", "U+000A is a control character"),
        ("示例\u{202E}局", "text-direction-character", "U+202E changes the direction of text"),
        ("示例\u{2067}局", "text-direction-character", "U+2067 changes the direction of text"),
        ("示例\u{0301}局", "text-combining-mark", "U+0301 is a combining mark"),
        ("示例\u{FE00}局", "text-variation-selector", "U+FE00 is a variation selector"),
        ("示例\u{E0100}局", "text-variation-selector", "U+E0100 is a variation selector"),
        ("示例\u{E000}局", "text-private-use", "U+E000 is of private use"),
        ("示例\u{200B}局", "text-invisible-character", "U+200B is invisible"),
        ("示例\u{FEFF}局", "text-invisible-character", "U+FEFF is invisible"),
        ("印", "text-too-short", "the name has at least 2 characters, not 1"),
        ("", "text-too-short", "the name has at least 2 characters, not 0"),
    ] {
        for face in [SealFace::Round(round(name)), SealFace::Oval(oval(name))] {
            let error = draw(&face, Trust::Production).unwrap_err();
            assert_eq!((error.code(), error.to_string().as_str()), (code, message), "{name:?}");
        }
    }
    let long = SealFace::Round(round(&"印".repeat(1_000_000)));
    let error = draw(&long, Trust::Production).unwrap_err();
    assert_eq!(error.to_string(), "the name has 1000000 characters; on this face fit 40");
}

#[test]
fn other_texts_and_sizes_out_of_bounds_are_refused_exactly() {
    let name = "示例市印信演示局";
    let line = |text: &str| SealFace::Round(RoundFace { lines: vec![text.to_owned()], ..round(name) });
    let code = |text: &str| SealFace::Round(RoundFace { code: Some(text.to_owned()), ..round(name) });
    let diameter = |diameter_mm| SealFace::Round(RoundFace { diameter_mm, ..round(name) });
    let flat = |width_mm, height_mm| SealFace::Oval(OvalFace { width_mm, height_mm, ..oval(name) });
    let tax = |text: &str| SealFace::Oval(OvalFace { tax_number: Some(text.to_owned()), ..oval(name) });
    let many = SealFace::Round(RoundFace { lines: vec!["章".to_owned(); 3], ..round(name) });
    let square =
        |name: &str, side_mm| SealFace::Square(SquareFace { name: name.to_owned(), ending: NameEnding::None, side_mm });
    for (face, code, message) in [
        (line(""), "text-too-short", "a level line has at least 1 characters, not 0"),
        (line(&"章".repeat(11)), "text-too-long", "a level line has 11 characters; on this face fit 10"),
        (many, "seal-face-lines", "a face has at most 2 level lines, not 3"),
        (code("3301060000000"), "seal-code-malformed", "the code of a seal is 14 digits"),
        (code("3301060000000４"), "seal-code-malformed", "the code of a seal is 14 digits"),
        (diameter(19), "seal-size", "such a seal is not 19 × 19 mm large"),
        (diameter(61), "seal-size", "such a seal is not 61 × 61 mm large"),
        (flat(30, 40), "seal-size", "such a seal is not 30 × 40 mm large"),
        (flat(60, 29), "seal-size", "such a seal is not 60 × 29 mm large"),
        (
            tax("91330106ma0000000x"),
            "tax-number-malformed",
            "a taxpayer's number is 15 to 20 digits and capital letters",
        ),
        (square("张三", 7), "seal-size", "such a seal is not 7 × 7 mm large"),
        (square(&"三".repeat(17), 20), "text-too-long", "the name has 17 characters; on this face fit 16"),
        (square(&"三".repeat(16), 8), "text-too-long", "the name has 16 characters; on this face fit 12"),
    ] {
        let error = draw(&face, Trust::Production).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message), "{face:?}");
    }
}

#[test]
fn the_same_face_gives_the_same_bytes_and_markup_stays_text() {
    for (shape, face) in faces("<印&信>") {
        let drawn = || (draw(&face, Trust::Development).unwrap(), ofd_face(&face, Trust::Development).unwrap());
        let (first, again) = (drawn(), drawn());
        assert_eq!(first, again, "{shape}");
        assert!(first.0.svg.contains("<title>&lt;印&amp;信&gt;</title>"), "{shape}");
        assert!(!first.0.svg.contains("<text"), "{shape}: outlines need no font");
    }
}

/// Not judged here: drawn for eyes, on demand.
#[test]
fn contact_sheets() {
    if std::env::var_os("SHEET").is_none() {
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let mut drawn: std::collections::BTreeMap<&str, Vec<Pixmap>> = std::collections::BTreeMap::new();
    let mut times = Vec::new();
    for (number, name) in names().iter().enumerate() {
        for (shape, face) in faces(name) {
            let trust = if number % 2 == 0 { Trust::Production } else { Trust::Development };
            let start = std::time::Instant::now();
            let picture = draw(&face, trust).unwrap();
            times.push(start.elapsed());
            drawn.entry(shape).or_default().push(Pixmap::decode_png(&picture.png).unwrap());
        }
    }
    times.sort();
    println!("a face: {:?} in the middle, {:?} at most", times[times.len() / 2], times[times.len() - 1]);
    for (shape, pictures) in drawn {
        let (width, height) = (pictures[0].width() / 2 + 16, pictures[0].height() / 2 + 16);
        let rows = u32::try_from(pictures.len().div_ceil(8)).unwrap();
        let mut sheet = Pixmap::new(width * 8, height * rows).unwrap();
        sheet.fill(Color::WHITE);
        for (number, picture) in (0u16..).zip(&pictures) {
            let side = |side: u32| f32::from(u16::try_from(side).unwrap());
            let (x, y) = (side(width) * f32::from(number % 8) + 8.0, side(height) * f32::from(number / 8) + 8.0);
            let paint = PixmapPaint { quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
            sheet.draw_pixmap(0, 0, picture.as_ref(), &paint, Transform::from_row(0.5, 0.0, 0.0, 0.5, x, y), None);
        }
        sheet.save_png(folder.join(format!("seal-faces-{shape}.png"))).unwrap();
    }
}

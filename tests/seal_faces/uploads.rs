//! Pictures that somebody hands in: what is taken, and each refusal.

use resvg::tiny_skia::Pixmap;
use yinxin::base::limits::SEAL_PICTURE_BYTES;
use yinxin::render::seal::{
    Centre, Ink, InkChoice, NameEnding, PictureKind, PictureRule, RoundFace, SealFace, SquareFace, Trust, UploadError,
    UploadedPicture, draw, normalise,
};

const RED: PictureKind = PictureKind::Seal(InkChoice::MustBeRed);
const RECOLOUR: PictureKind = PictureKind::Seal(InkChoice::Recolour);

/// 128 × 128: a red frame and a red disc, with an Exif block; made by Pillow.
const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/4QASRXhpZgAASUkqAAgAAAAAAP/bAEMACAYGBwYFCAcHBwkJCAoMFA0MCwsMGRITDxQdGh8eHRocHCAkLicgIiwjHBwoNyksMDE0NDQfJzk9ODI8LjM0Mv/bAEMBCQkJDAsMGA0NGDIhHCEyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMv/AABEIAIAAgAMBEQACEQEDEQH/xAAaAAEBAAMBAQAAAAAAAAAAAAAABwQGCAIF/8QANRAAAQIDBAkDAgYDAQAAAAAAAAECAwQRBQcSIQYTF0VmhKTD4xQVMSJBFiVDYpGhI1LB0f/EABsBAQEBAQADAQAAAAAAAAAAAAAEBgUBAgMH/8QANBEBAAACAw4FBQEBAQAAAAAAAAECAwQRBhIUFkJDYmOBgqGiweEFITFBURMiYXGRMrHw/9oADAMBAAIRAxEAPwCdnBfrIAAAAAAAAAAAAAAAAAANx0E0E/GvuH5l6P0mr/Q1mPHi/clKYf7PvQUH1bfOyxyfFPFMAvPsvr633s9LPxH5bjsJ4j6HyFGA6XByMaNVzdjYTxH0PkGA6XAxo1XN2NhPEfQ+QYDpcDGjVc3Y2E8R9D5BgOlwMaNVzdjYTxH0PkGA6XAxo1XN2NhPEfQ+QYDpcDGjVc3Y2E8R9D5BgOlwMaNVzdjYTxH0PkGA6XAxo1XN2NhPEfQ+QYDpcDGjVc3Y2E8R9D5BgOlwMaNVzdjYTxH0PkGA6XAxo1XN2NhPEfQ+QYDpcDGjVc3Zp2negn4K9v8AzL1nq9Z+hq8GDD+5a1xf0T09B9KzzttdfwvxTD7/AOy9vbPe31t/EPhpx8HWALFcTv8A5ful9RytjJXUZre6LCXsmAAAAAAAAAAAABHr9twcx2iCvZO1rLl87u9UdIGtALFcTv8A5ful9RytjJXUZre6LCXsmAAAAAAAAAAAABHr9twcx2iCvZO1rLl87u9UdIGtALFcTv8A5ful9RytjJXUZre6LCXsmAAAAAAAAAAAABHr9twcx2iCvZO1rLl87u9UdIGtALFcTv8A5ful9RytjJXUZre6LCXsmAAPEaNCl4MSNGiMhwobVe973IjWtRKqqqvwiCMbPOLzLLGaMJZYWxijWll8kaJEWV0YbqoaVR05HhIrnKjslY1aoiKifLkr9Xw1UOfS1yPpRtdULnZYQv635x+IR/7H5/Xx6xTCfte0rU1fuFoTc5q64PURnRMNaVpVVpWifwRzTzTf6ja0lFV6Kht+lLCW34hCDxI2jPWZGWNITkxKRXNwK+BFdDcraotKovxkn8HiWaMvnCNj2paGjpYXtJLCMPzC1Q9FL4LRs17Ja30fPyTWqiRmNTXtoiI3OqI9Ms65/VWq0otdFW5pfKfzg4FfueoqWEZ6v9s3x7dtnl7We63WfaEpashBnpGOyPKxm4ocRnwqf8VPhUXNFSinRlmhNC2DG0tFPQzxo6SFkYMk8vmAAI9ftuDmO0QV7J2tZcvnd3qjpA1oBYrid/8AL90vqOVsZK6jNb3RYS9kwABF75NLHxJlujEqtIcLBGm3orkVzlSrYapkioiK133zVvwrTn1yl8/pwa+52oQhLhc/rG2EOsf37e3v8pIQtUAAAFDum0sfYtvtseYWslaURrEVVd/ii/DVREqn1LRq5f6rWjSqq0t7Nex9IuB49UIU9B9eX/UkP7D3/nrDb5eboA6jCgACPX7bg5jtEFeydrWXL53d6o6QNaAWK4nf/L90vqOVsZK6jNb3RYS9kwAByRa8/wC6WzPWhq9V6qYiR9XixYcTldSuVaV+ThzzX00Zvl+p1ei+jRS0Vtt7CEP5Bhnq+wAAAAOt7In/AHSxpG0NXqvVS8OPq8WLDiajqVyrSvydySa+lhN8vyysUX0aWaittvYxh/Isw9nxAI9ftuDmO0QV7J2tZcvnd3qjpA1oBYrid/8AL90vqOVsZK6jNb3RYS9kwAByLaMjFsy05uQjOY6LKxnwXqxVVqua5UWlftkcKaW9jGEfZ+q0NLClo5aSX0jCEf6xjw+gAAAAOtLDkYtmaP2bIRnMdFlZWFBerFVWq5rERaV+2R3JJb2WEI+z8trVLClp56SX0jGMf7Fnns+ABHr9twcx2iCvZO1rLl87u9UdIGtALFcTv/l+6X1HK2MldRmt7osJeyYAAhF8GijrNthLflobGyU85GxURUTDHoqr9KImTkbWueeKtKpXm1uivZr+HpFtrnq/ClosHnj90vp+u3p+rLPdMyNowAAA3S7TRR2kukrIsaGx9nSDmxZlHKn1LmrGYVRaoqtzypRFzRaVoq1F9Se2PpBx/Gq/Cq1eMJY/dN5Q6x2e35sdHnWfnwAAj1+24OY7RBXsna1ly+d3eqOkDWgFiuJ3/wAv3S+o5WxkrqM1vdFhL2TAAGNaFnylqyEaRnoDI8rGbhiQ3/Cp/wAVPlFTNFSqHiaWE0LIvpRUs9DPCko42RghGll01rWLEWYsdsW1JJaqqMZ/mhfVREVqZvyVM2p9lqiIhzKWqzS+cvnBtqh49QU8L2nskm4R2+36j+POKeErvgG6aKXaW3pK9kaLDfZ9nOarkmo0OquyRW4GVRXItUzySlc6pRaKKrT0nnHyg49f8aq9VhGWEb6b4h1j7fr1/C+2DYNn6N2TCs6zoOrgszc5c3RHfdzl+6r/AOIlEREOnJJLJLeysNWq1S1qljS0sfP/AJ+Ifj/3q+ke6cAAR6/bcHMdogr2Ttay5fO7vVHSBrQCxXE7/wCX7pfUcrYyV1Ga3uiwl7JgAAAAw5+yLNtTV+4WfKTmrrg9RBbEw1pWlUWlaJ/B6zSSzf6ha+1FWKWht+lNGW34jGDxI2HZFmRljSFlyMpFc3Ar4EuyG5W1RaVRPjJP4EsksvnCFjzS1qnpYXtJPGMPzGMWeez4AAAAAj1+24OY7RBXsna1ly+d3eqOkDWgFiuJ3/y/dL6jlbGSuozW90WEvZMAAAAAAAAAAAACPX7bg5jtEFeydrWXL53d6o6QNaAWK4nf/L90vqOVsZK6jNb3RYS9kwAAAAAAAAAAAAI9ftuDmO0QV7J2tZcvnd3qjpA1oBuOgmnf4K9w/LfWer1f6+rwYMX7VrXF/R96Cn+lb5W2uT4p4Xh95997e2+1vrZ+YfDcdu3DnXeMow7R4uRivreXubduHOu8Yw7R4mK+t5e5t24c67xjDtHiYr63l7m3bhzrvGMO0eJivreXubduHOu8Yw7R4mK+t5e5t24c67xjDtHiYr63l7m3bhzrvGMO0eJivreXubduHOu8Yw7R4mK+t5e5t24c67xjDtHiYr63l7m3bhzrvGMO0eJivreXubduHOu8Yw7R4mK+t5e5t24c67xjDtHiYr63l7tO0707/Gvt/wCW+j9JrP19Zjx4f2pSmH+yenp/q2eVljr+F+F4Bf8A3319Z7Welv5j8tOPg6wAAAAAAAAAAAAAAAAAAP/Z";
const GIF: &str = "R0lGODdhgACAAIEAAP///8gAAAAAAAAAACwAAAAAgACAAEAI/wADCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFhwAyatzIsaPHjyBDihxJkuTFACVTqlzJsiXHky5jypzJEibNmQlvyrSps+PJhj19XgwK4KfFoDxvGh2qM6nSpRORMiWqEWpOqhmdYh15davJqV7DhtUqtmxPsmbT7rTKtq3bt3Djyo2qti5NtHbzfj2qt69KvH4DbwRMdGlawi7nGqSK+K9ihWfB3n3cdTLfwpQFMpY81uhhzoJDVwUtOnTj0nYzq17NurXr17Bjy55Nu3Zt1LiLks6t9zTvsr5/d74s3G/w4liPI8dM/DNdtcpruhUbveTjrdVDtmZekftqqc1xwv+OHH7ta/LdwbNWT3Hzd/bP3cvFvhu9Ver16cc3m3255fT+5dVfgDENSGBLBh64UoIKpsRgg3vZJuGEFFZo4YUYZqjhhhx26OGHIIYo4ngQ8pdfiU2diOJ/7a04HIAuJqdijInNSKN05d3I4n46PpVjjwXaCGSELQ7pI4xGmodkkjX+iB9GAgq5I49ePagdW8BJieN0VWrpoGL6LZnidfIVCd9cZVIp3nv2qRnkdm1K5J1qZ0ZUZ2Zx2pknnmOK+aZre0LZJ5xHmlkonYE6NCefg7r5J6ONypkmmovqOSlcMjq55nyZ+pmolUJpGimoHpF6pZdNevqkolGKyiRXqL4wOpqrsoJk6o230phrjLu62OuKv6IYbInDQlhsg8cqmOyBIzbr7LPQRivttNRW+1BAADs=";

fn rule(kind: PictureKind, width_mm: u16, height_mm: u16) -> PictureRule {
    PictureRule { kind, width_mm, height_mm, trust: Trust::Production }
}

fn bytes(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}

/// A picture of one colour for each place; no transparency.
fn picture(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut pixmap = Pixmap::new(width, height).unwrap();
    for (at, pixel) in (0u32..).zip(pixmap.data_mut().chunks_exact_mut(4)) {
        let [red, green, blue] = colour(at % width, at / width);
        pixel.copy_from_slice(&[red, green, blue, 255]);
    }
    pixmap.encode_png().unwrap()
}

/// A frame of so many pixels in a colour, on slightly grey paper with a margin.
fn frame(side: u32, margin: u32, ink: [u8; 3]) -> Vec<u8> {
    let (first, last, line) = (margin, margin + side - 1, side / 12);
    picture(side + 2 * margin, side + 2 * margin, |x, y| {
        let inside = |v: u32| (first..=last).contains(&v);
        let edge = |v: u32| v < first + line || v > last - line;
        if inside(x) && inside(y) && (edge(x) || edge(y)) { ink } else { [245, 246, 240] }
    })
}

fn code(file: &[u8], rule: PictureRule) -> &'static str {
    normalise(file, rule).map(|_| ()).unwrap_err().code()
}

fn pixmap(taken: &UploadedPicture) -> Pixmap {
    Pixmap::decode_png(&taken.png).unwrap()
}

fn face() -> SealFace {
    SealFace::Round(RoundFace {
        organisation: "示例市印信演示局".to_owned(),
        centre: Centre::Star,
        lines: vec!["财务专用章".to_owned()],
        code: Some("33010600000001".to_owned()),
        note: None,
        diameter_mm: 42,
    })
}

#[test]
fn our_own_picture_comes_back_as_it_went() {
    let drawn = draw(&face(), Trust::Production).unwrap();
    let taken = normalise(&drawn.png, rule(RED, 42, 42)).unwrap();
    assert_eq!((taken.width_mm, taken.height_mm, taken.ink), (42, 42, Ink::Red));
    let (before, after) = (Pixmap::decode_png(&drawn.png).unwrap(), pixmap(&taken));
    assert_eq!((after.width(), after.height()), (before.width(), before.height()));
    let off =
        before.pixels().iter().zip(after.pixels()).filter(|(a, b)| (a.alpha() > 127) != (b.alpha() > 127)).count();
    assert!(off * 200 < before.pixels().len(), "{off} pixels changed sides");
    assert_eq!(taken, normalise(&drawn.png, rule(RED, 42, 42)).unwrap(), "the same bytes twice");
}

#[test]
fn paper_becomes_clear_margins_are_cut_and_the_ink_is_our_red() {
    let taken = normalise(&frame(300, 40, [215, 60, 70]), rule(RED, 20, 20)).unwrap();
    let pixmap = pixmap(&taken);
    assert_eq!((pixmap.width(), pixmap.height()), (472, 472));
    let pixel = |x, y| {
        let pixel = pixmap.pixel(x, y).unwrap();
        (pixel.red(), pixel.green(), pixel.blue(), pixel.alpha())
    };
    for (x, y) in [(2, 2), (236, 5), (469, 469), (5, 236)] {
        assert_eq!(pixel(x, y), (200, 0, 0, 255), "{x}, {y}");
    }
    assert_eq!(pixel(236, 236), (0, 0, 0, 0));
}

#[test]
fn only_pixels_are_kept() {
    let named = |png: &[u8]| {
        let mut names = Vec::new();
        let mut rest = &png[8..];
        while let Some((head, after)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u32::from_be_bytes(head[..4].try_into().unwrap())).unwrap();
            names.push(String::from_utf8(head[4..].to_vec()).unwrap());
            rest = &after[length + 4..];
        }
        names.dedup();
        names
    };
    for (file, kind) in [(bytes(JPEG), RED), (bytes(GIF), RED), (frame(300, 0, [20, 20, 20]), RECOLOUR)] {
        let taken = normalise(&file, rule(kind, 20, 20)).unwrap();
        assert_eq!(named(&taken.png), ["IHDR", "pHYs", "IDAT", "IEND"]);
        assert!(!taken.png.windows(4).any(|four| four == b"Exif"));
    }
}

#[test]
fn colours_are_judged() {
    for (ink, red, recoloured) in [
        ([200, 0, 0], None, None),
        ([225, 70, 90], None, None),
        ([20, 20, 20], Some("picture-ink-colour"), None),
        ([20, 40, 160], Some("picture-ink-colour"), None),
        ([0, 130, 40], Some("picture-ink-colour"), Some("picture-ink-colour")),
    ] {
        let file = frame(300, 10, ink);
        let judged = |kind| normalise(&file, rule(kind, 20, 20)).map(|_| ()).err().map(|error| error.code());
        assert_eq!((judged(RED), judged(RECOLOUR)), (red, recoloured), "{ink:?}");
    }
    // Half red, half black: of one ink under no choice.
    let both = picture(300, 300, |x, y| match (x / 20 % 2 == 0, y < 150) {
        (true, true) => [200, 0, 0],
        (true, false) => [10, 10, 10],
        (false, _) => [255; 3],
    });
    // The last column of stripes is paper, so the ink is 280 wide and 300 high.
    assert_eq!(code(&both, rule(RECOLOUR, 28, 30)), "picture-ink-colour");
}

#[test]
fn what_is_no_picture_of_a_seal_is_refused_by_name() {
    let red = [200, 0, 0];
    let seal = |file: &[u8]| code(file, rule(RED, 20, 20));
    assert_eq!(seal(&picture(300, 300, |_, _| [255; 3])), "picture-blank");
    assert_eq!(seal(&picture(300, 300, |x, y| if x + y == 0 { red } else { [255; 3] })), "picture-blank");
    assert_eq!(seal(&picture(300, 300, |_, _| red)), "picture-overfull");
    let shades = picture(300, 300, |x, y| {
        let shade = u8::try_from((x + y) * 120 / 600 + 110).unwrap();
        [255, shade, shade]
    });
    assert_eq!(seal(&shades), "picture-photograph");
    assert_eq!(seal(&frame(100, 5, red)), "picture-coarse");
    assert_eq!(code(&frame(300, 5, red), rule(RED, 20, 30)), "picture-aspect");
    assert_eq!(seal(&picture(15, 300, |_, _| red)), "picture-pixels");
    assert_eq!(code(&frame(300, 5, red), rule(RED, 7, 7)), "picture-size");
    assert_eq!(code(&frame(300, 5, red), rule(RED, 81, 81)), "picture-size");
    let mut large = frame(300, 5, red);
    large[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
    assert_eq!(seal(&large), "picture-pixels");
    let whole = frame(300, 5, red);
    assert_eq!(seal(&whole[..whole.len() / 2]), "picture-broken");
    for (file, expected) in [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice(), "picture-drawing"),
        (b"\xEF\xBB\xBF \n<?xml version='1.0'?><svg/>", "picture-drawing"),
        (b"PK\x03\x04 an OFD", "picture-drawing"),
        (b"%PDF-1.7", "picture-drawing"),
        (b"II*\0rest", "picture-format"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "picture-format"),
        (b"", "picture-format"),
    ] {
        assert_eq!(seal(file), expected, "{file:?}");
    }
    let refused = normalise(&vec![0; SEAL_PICTURE_BYTES + 1], rule(RED, 20, 20)).unwrap_err();
    assert!(matches!(refused, UploadError::FileSize { bytes: 8_388_609, most: SEAL_PICTURE_BYTES }));
}

/// A wavy line, as a hand draws it.
fn writing(ink: [u8; 3]) -> Vec<u8> {
    picture(600, 240, |x, y| {
        let wave = 120.0 + 80.0 * (f64::from(x) / 40.0).sin();
        if (30..570).contains(&x) && (f64::from(y) - wave).abs() < 9.0 { ink } else { [250, 250, 252] }
    })
}

#[test]
fn writing_is_black_or_blue_and_keeps_its_shape() {
    let hand = rule(PictureKind::Writing, 40, 30);
    for (ink, expected) in [([25, 25, 30], Ink::Black), ([30, 50, 150], Ink::Blue)] {
        let taken = normalise(&writing(ink), hand).unwrap();
        let pixmap = pixmap(&taken);
        assert_eq!((taken.ink, pixmap.width(), pixmap.height()), (expected, 945, 709));
        let inked = |x: u32, y: u32| pixmap.pixel(x, y).unwrap().alpha() > 127;
        let rows: Vec<u32> = (0..709).filter(|y| (0..945).any(|x| inked(x, *y))).collect();
        // 540 × 178 pixels of ink become 945 × 312, in the middle.
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        assert!((190..206).contains(&first) && (503..518).contains(&last), "{first} to {last}");
        assert!((0..709).any(|y| inked(0, y)) && (0..709).any(|y| inked(944, y)));
    }
    assert_eq!(code(&writing([200, 0, 0]), hand), "picture-ink-colour");
    assert_eq!(code(&picture(300, 300, |x, _| if x % 2 == 0 { [20; 3] } else { [255; 3] }), hand), "picture-overfull");
    assert_eq!(code(&writing([20; 3]), rule(PictureKind::Writing, 81, 30)), "picture-size");
}

#[test]
fn under_development_trust_an_upload_carries_the_mark_of_a_specimen() {
    let square = SquareFace { name: "王小明".to_owned(), ending: NameEnding::Customary, side_mm: 20 };
    let files = [
        (draw(&face(), Trust::Production).unwrap().png, rule(RED, 42, 42)),
        (draw(&SealFace::Square(square), Trust::Production).unwrap().png, rule(RED, 20, 20)),
        (writing([20; 3]), rule(PictureKind::Writing, 40, 30)),
    ];
    for (file, rule) in files {
        let plain = pixmap(&normalise(&file, rule).unwrap());
        let marked = pixmap(&normalise(&file, PictureRule { trust: Trust::Development, ..rule }).unwrap());
        let pairs = || plain.pixels().iter().zip(marked.pixels());
        let cleared = pairs().filter(|(before, after)| before.alpha() > 127 && after.alpha() < 127).count();
        let added = pairs().filter(|(before, after)| before.alpha() < 127 && after.alpha() > 127).count();
        let all = plain.pixels().len();
        assert!(cleared * 500 > all && added * 100 > all, "{cleared} cleared, {added} added of {all}");
    }
}

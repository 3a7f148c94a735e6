//! Lines and curves of a path object, AbbreviatedData. GB/T 33190-2016, 9.1.

use crate::format::ofd::value::number;
use crate::render::outline::{Outline, Point, Step};
use crate::render::page::affine::{Affine, Bounds, write_number};

/// What can be wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not written as the standard says.
    Malformed,
    /// It has more steps than allowed.
    TooLong,
}

/// Reads AbbreviatedData with at most `most` steps. `S x y` and `M x y` both start a contour; a letter may be left out
/// where it repeats.
pub(super) fn parse(text: &str, most: usize) -> Result<Outline, Fault> {
    let mut pen = Pen { words: Words { rest: text }, steps: Vec::new(), at: ORIGIN, start: ORIGIN, open: false };
    let mut letter = None;
    loop {
        match pen.words.next_word() {
            None => break,
            Some(Word::Letter(found)) => {
                letter = Some(found);
                pen.step(found)?;
            }
            Some(Word::Number(value)) => match letter {
                Some(found) if found != 'C' => pen.step_from(found, value)?,
                _ => return Err(Fault::Malformed),
            },
            Some(Word::Other) => return Err(Fault::Malformed),
        }
        if pen.steps.len() > most {
            return Err(Fault::TooLong);
        }
    }
    Ok(Outline { steps: pen.steps })
}

const ORIGIN: Point = Point { x: 0.0, y: 0.0 };

enum Word {
    Letter(char),
    Number(f64),
    Other,
}

struct Words<'t> {
    rest: &'t str,
}

impl Words<'_> {
    fn next_word(&mut self) -> Option<Word> {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let first = self.rest.chars().next()?;
        if first.is_ascii_alphabetic() {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return Some(Word::Letter(first));
        }
        let inside = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
        let length = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        match number(word) {
            Some(value) => Some(Word::Number(value)),
            None => {
                // Nothing after a fault is read.
                self.rest = "";
                Some(Word::Other)
            }
        }
    }

    fn value(&mut self) -> Result<f64, Fault> {
        match self.next_word() {
            Some(Word::Number(value)) => Ok(value),
            _ => Err(Fault::Malformed),
        }
    }
}

struct Pen<'t> {
    words: Words<'t>,
    steps: Vec<Step>,
    at: Point,
    start: Point,
    open: bool,
}

impl Pen<'_> {
    fn step(&mut self, letter: char) -> Result<(), Fault> {
        if letter == 'C' {
            if self.open {
                self.steps.push(Step::Close);
                self.open = false;
            }
            self.at = self.start;
            return Ok(());
        }
        let first = self.words.value()?;
        self.step_from(letter, first)
    }

    fn point(&mut self) -> Result<Point, Fault> {
        Ok(Point { x: self.words.value()?, y: self.words.value()? })
    }

    fn step_from(&mut self, letter: char, first: f64) -> Result<(), Fault> {
        match letter {
            'S' | 'M' => {
                let to = Point { x: first, y: self.words.value()? };
                self.start = to;
                self.open = false;
                self.at = to;
            }
            'L' => {
                let to = Point { x: first, y: self.words.value()? };
                self.draw(Step::Line(to), to);
            }
            'Q' => {
                let handle = Point { x: first, y: self.words.value()? };
                let to = self.point()?;
                self.draw(Step::Quadratic(handle, to), to);
            }
            'B' => {
                let handle = Point { x: first, y: self.words.value()? };
                let second = self.point()?;
                let to = self.point()?;
                self.draw(Step::Cubic(handle, second, to), to);
            }
            'A' => {
                let vertical = self.words.value()?;
                let turn = self.words.value()?;
                let large = self.words.value()? != 0.0;
                let clockwise = self.words.value()? != 0.0;
                let to = self.point()?;
                let arc = Arc { from: self.at, to, radii: (first, vertical), turn, large, clockwise };
                for step in arc.curves() {
                    self.draw(step, to);
                }
                self.at = to;
            }
            _ => return Err(Fault::Malformed),
        }
        Ok(())
    }

    fn draw(&mut self, step: Step, to: Point) {
        if !self.open {
            self.steps.push(Step::Move(self.at));
            self.open = true;
            self.start = self.at;
        }
        self.steps.push(step);
        self.at = to;
    }
}

/// An elliptical arc: radii, the turn of the x axis in degrees, the larger of two arcs, clockwise, end.
struct Arc {
    from: Point,
    to: Point,
    radii: (f64, f64),
    turn: f64,
    large: bool,
    clockwise: bool,
}

impl Arc {
    /// As curves of at most a quarter turn. From the end points to the centre as SVG 1.1, F.6.5 has it.
    fn curves(&self) -> Vec<Step> {
        let (mut rx, mut ry) = (self.radii.0.abs(), self.radii.1.abs());
        let same = (self.from.x - self.to.x).abs() < 1e-9 && (self.from.y - self.to.y).abs() < 1e-9;
        if rx < 1e-9 || ry < 1e-9 || same {
            return vec![Step::Line(self.to)];
        }
        let (sin, cos) = self.turn.to_radians().sin_cos();
        let half = Point { x: (self.from.x - self.to.x) / 2.0, y: (self.from.y - self.to.y) / 2.0 };
        let (x, y) = (cos * half.x + sin * half.y, cos * half.y - sin * half.x);
        let reach = (x / rx).powi(2) + (y / ry).powi(2);
        if reach > 1.0 {
            rx *= reach.sqrt();
            ry *= reach.sqrt();
        }
        let under = (rx * ry).powi(2) - (rx * y).powi(2) - (ry * x).powi(2);
        let over = (rx * y).powi(2) + (ry * x).powi(2);
        let sign = if self.large == self.clockwise { -1.0 } else { 1.0 };
        let root = sign * (under.max(0.0) / over).sqrt();
        let (cx, cy) = (root * rx * y / ry, -root * ry * x / rx);
        let middle = Point {
            x: cos * cx - sin * cy + f64::midpoint(self.from.x, self.to.x),
            y: sin * cx + cos * cy + f64::midpoint(self.from.y, self.to.y),
        };
        let begin = ((y - cy) / ry).atan2((x - cx) / rx);
        let end = ((-y - cy) / ry).atan2((-x - cx) / rx);
        let full = std::f64::consts::TAU;
        let mut sweep = (end - begin) % full;
        if self.clockwise && sweep < 0.0 {
            sweep += full;
        } else if !self.clockwise && sweep > 0.0 {
            sweep -= full;
        }
        let at = |x: f64, y: f64| Point { x: middle.x + cos * x - sin * y, y: middle.y + sin * x + cos * y };
        let pieces = 4_u8;
        let part = sweep / f64::from(pieces);
        let handle = 4.0 / 3.0 * (part / 4.0).tan();
        let mut curves = Vec::new();
        for piece in 0..pieces {
            let (s0, c0) = (begin + part * f64::from(piece)).sin_cos();
            let (s1, c1) = (begin + part * f64::from(piece.saturating_add(1))).sin_cos();
            let first = at(rx * (c0 - handle * s0), ry * (s0 + handle * c0));
            let second = at(rx * (c1 + handle * s1), ry * (s1 - handle * c1));
            let to = if piece.saturating_add(1) == pieces { self.to } else { at(rx * c1, ry * s1) };
            curves.push(Step::Cubic(first, second, to));
        }
        curves
    }
}

/// The box around the points and handles.
pub(super) fn bounds(outline: &Outline) -> Bounds {
    let mut all = Bounds::NOTHING;
    for step in &outline.steps {
        for point in points(step) {
            all.take(point);
        }
    }
    all
}

/// How far a pen goes: the length of the polygon of points and handles.
pub(super) fn length(outline: &Outline) -> f64 {
    let mut total = 0.0;
    let mut last: Option<Point> = None;
    for step in &outline.steps {
        for point in points(step) {
            if let (Some(before), false) = (last, matches!(step, Step::Move(_))) {
                total += (point.x - before.x).hypot(point.y - before.y);
            }
            last = Some(point);
        }
    }
    total
}

fn points(step: &Step) -> impl Iterator<Item = Point> + use<> {
    let points = match *step {
        Step::Move(end) | Step::Line(end) => [Some(end), None, None],
        Step::Quadratic(handle, end) => [Some(handle), Some(end), None],
        Step::Cubic(first, second, end) => [Some(first), Some(second), Some(end)],
        Step::Close => [None, None, None],
    };
    points.into_iter().flatten()
}

/// The box that the outline is, after a transform, if it is an upright rectangle and nothing else.
pub(super) fn rectangle(outline: &Outline, place: &Affine) -> Option<Bounds> {
    if outline.steps.len() > 7 || !place.keeps_boxes() {
        return None;
    }
    let all = place.bounds(bounds(outline));
    let small = 1e-3;
    let near = |a: f64, b: f64| (a - b).abs() < small;
    let mut corners = [false; 4];
    let mut before: Option<Point> = None;
    for step in &outline.steps {
        let end = match step {
            Step::Move(end) if before.is_none() => place.apply(*end),
            Step::Line(end) => place.apply(*end),
            Step::Close => continue,
            _ => return None,
        };
        let (left, right) = (near(end.x, all.left), near(end.x, all.right));
        let (top, bottom) = (near(end.y, all.top), near(end.y, all.bottom));
        let diagonal = before.is_some_and(|b| !near(b.x, end.x) && !near(b.y, end.y));
        if !(left || right) || !(top || bottom) || diagonal {
            return None;
        }
        let [one, two, three, four] = &mut corners;
        *one |= left && top;
        *two |= right && top;
        *three |= left && bottom;
        *four |= right && bottom;
        before = Some(end);
    }
    corners.iter().all(|met| *met).then_some(all)
}

/// The `d` of an SVG path, with so many decimals.
pub(super) fn write_svg(out: &mut String, outline: &Outline, decimals: usize) {
    for step in &outline.steps {
        out.push(match step {
            Step::Move(_) => 'M',
            Step::Line(_) => 'L',
            Step::Quadratic(..) => 'Q',
            Step::Cubic(..) => 'C',
            Step::Close => 'Z',
        });
        for (n, point) in points(step).enumerate() {
            if n > 0 {
                out.push(' ');
            }
            write_number(out, point.x, decimals);
            out.push(' ');
            write_number(out, point.y, decimals);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(text: &str) -> String {
        let mut out = String::new();
        write_svg(&mut out, &parse(text, 100).unwrap(), 3);
        out
    }

    #[test]
    fn every_letter_is_read() {
        assert_eq!(svg("S 1 2 L 3 4 C"), "M1 2L3 4Z");
        assert_eq!(svg("M 0 0 Q 1 1 2 0 B 3 1 4 1 5 0"), "M0 0Q1 1 2 0C3 1 4 1 5 0");
        assert_eq!(svg("M0 0L1,1 2 2C L 5 5"), "M0 0L1 1L2 2ZM0 0L5 5");
        assert_eq!(svg("S 0 0 M 1 1 L 2 2"), "M1 1L2 2");
        assert_eq!(svg("M 1e1 -.5 L +3 4"), "M10 -0.5L3 4");
        assert_eq!(svg(""), "");
    }

    #[test]
    fn an_arc_ends_where_it_says_and_keeps_its_radius() {
        let half = parse("M 10 0 A 5 5 0 0 1 20 0", 100).unwrap();
        let all = bounds(&half);
        assert!((all.left - 10.0).abs() < 1e-6 && (all.right - 20.0).abs() < 1e-6);
        assert!(all.top < -4.9 && all.bottom < 1e-6, "clockwise goes up where y points down: {all:?}");
        let other = bounds(&parse("M 10 0 A 5 5 0 0 0 20 0", 100).unwrap());
        assert!(other.bottom > 4.9 && other.top > -1e-6);
        for step in &half.steps {
            let (Step::Move(end) | Step::Cubic(_, _, end)) = step else { panic!("{step:?}") };
            assert!(((end.x - 15.0).hypot(end.y) - 5.0).abs() < 1e-6);
        }
        let large = bounds(&parse("M 3 0 A 5 5 0 1 1 -3 0", 100).unwrap());
        assert!(large.height() > 8.9, "the larger arc: {large:?}");
        assert_eq!(svg("M 0 0 A 0 5 0 0 1 9 9"), "M0 0L9 9");
        assert!(svg("M 0 0 A 1 1 0 0 1 9 0").ends_with(" 9 0"), "radii that are too small grow");
    }

    #[test]
    fn faults_are_told_apart() {
        for text in
            ["L", "M 1", "X 1 2", "1 2", "M 1 2 L 3 x", "M 1 2 L 1e400 2", "M 0 0 C 1 2", "M 1 2 L 3 4 \u{3000}"]
        {
            assert_eq!(parse(text, 100), Err(Fault::Malformed), "{text}");
        }
        assert_eq!(parse(&format!("M 0 0 {}", "L 1 1 ".repeat(200)), 100), Err(Fault::TooLong));
    }

    #[test]
    fn rectangles_are_known() {
        let known = |text| rectangle(&parse(text, 100).unwrap(), &Affine::scale(2.0, 2.0));
        let square = Some(Bounds::of([0.0, 0.0, 8.0, 6.0]));
        assert_eq!(known("M 0 3 L 4 3 L 4 0 L 0 0 C"), square);
        assert_eq!(known("M 0 0 L 4 0 L 4 3 L 0 3 L 0 0"), square);
        for text in
            ["M 0 0 L 4 0 L 4 3 C", "M 0 0 L 4 3 L 4 0 L 0 3 C", "M 0 0 L 4 0 L 4 3 L 1 3 C", "M 0 0 Q 4 0 4 3 C"]
        {
            assert_eq!(known(text), None, "{text}");
        }
    }

    #[test]
    fn the_way_of_the_pen_is_measured() {
        assert_eq!(length(&parse("M 0 0 L 3 4 M 10 10 L 10 11", 9).unwrap()), 6.0);
    }
}

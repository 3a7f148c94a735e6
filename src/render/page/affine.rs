//! Plane geometry of a page: transforms (CTM), boxes, and lengths as text.

use std::fmt::Write;

use crate::render::outline::Point;

/// The largest coordinate that is drawn: ten metres, far beyond any page. Greater ones overflow a painter's numbers.
pub(super) const FAR: f64 = 10_000.0;

/// `x' = ax + cy + e`, `y' = bx + dy + f`: the six numbers of a CTM (GB/T 33190-2016, 8.5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) c: f64,
    pub(super) d: f64,
    pub(super) e: f64,
    pub(super) f: f64,
}

impl Affine {
    pub(super) const IDENTITY: Self = Self { a: 1.0, b: 0.0, c: 0.0, d: 1.0, e: 0.0, f: 0.0 };

    pub(super) fn shift(x: f64, y: f64) -> Self {
        Self { e: x, f: y, ..Self::IDENTITY }
    }

    pub(super) fn scale(x: f64, y: f64) -> Self {
        Self { a: x, d: y, ..Self::IDENTITY }
    }

    /// First this one, then the outer one.
    pub(super) fn then(&self, outer: &Self) -> Self {
        Self {
            a: self.a * outer.a + self.b * outer.c,
            b: self.a * outer.b + self.b * outer.d,
            c: self.c * outer.a + self.d * outer.c,
            d: self.c * outer.b + self.d * outer.d,
            e: self.e * outer.a + self.f * outer.c + outer.e,
            f: self.e * outer.b + self.f * outer.d + outer.f,
        }
    }

    pub(super) fn apply(&self, point: Point) -> Point {
        Point { x: self.a * point.x + self.c * point.y + self.e, y: self.b * point.x + self.d * point.y + self.f }
    }

    /// The box around a transformed box.
    pub(super) fn bounds(&self, area: Bounds) -> Bounds {
        let mut all = Bounds::NOTHING;
        for (x, y) in
            [(area.left, area.top), (area.right, area.top), (area.left, area.bottom), (area.right, area.bottom)]
        {
            all.take(self.apply(Point { x, y }));
        }
        all
    }

    /// How much lengths grow, at most.
    pub(super) fn stretch(&self) -> f64 {
        self.a.hypot(self.b).max(self.c.hypot(self.d))
    }

    /// True if upright boxes stay upright boxes.
    pub(super) fn keeps_boxes(&self) -> bool {
        let small = 1e-6 * self.stretch();
        (self.b.abs() <= small && self.c.abs() <= small) || (self.a.abs() <= small && self.d.abs() <= small)
    }

    /// True if it can be drawn: it neither flattens the plane nor throws it out of reach.
    pub(super) fn is_drawable(&self) -> bool {
        let determinant = self.a * self.d - self.b * self.c;
        determinant.abs() > 1e-12
            && self.stretch() <= FAR
            && self.e.abs() <= FAR
            && self.f.abs() <= FAR
            && determinant.is_finite()
    }

    /// The value of SVG's `transform`.
    pub(super) fn svg(&self) -> String {
        let mut text = String::from("matrix(");
        for (n, value) in [self.a, self.b, self.c, self.d, self.e, self.f].into_iter().enumerate() {
            if n > 0 {
                text.push(' ');
            }
            write_number(&mut text, value, if n < 4 { 7 } else { 4 });
        }
        text.push(')');
        text
    }
}

/// An upright box, in millimetres of the page unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Bounds {
    /// The box around no point at all.
    pub(super) const NOTHING: Self =
        Self { left: f64::INFINITY, top: f64::INFINITY, right: f64::NEG_INFINITY, bottom: f64::NEG_INFINITY };

    pub(super) fn of([x, y, width, height]: [f64; 4]) -> Self {
        Self { left: x, top: y, right: x + width, bottom: y + height }
    }

    pub(super) fn take(&mut self, point: Point) {
        self.left = self.left.min(point.x);
        self.top = self.top.min(point.y);
        self.right = self.right.max(point.x);
        self.bottom = self.bottom.max(point.y);
    }

    pub(super) fn is_nothing(&self) -> bool {
        !(self.left <= self.right && self.top <= self.bottom)
    }

    pub(super) fn grown(&self, by: f64) -> Self {
        if self.is_nothing() {
            return *self;
        }
        Self { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    pub(super) fn shared(&self, other: &Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    pub(super) fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && self.top <= other.top && self.right >= other.right && self.bottom >= other.bottom
    }

    pub(super) fn width(&self) -> f64 {
        (self.right - self.left).max(0.0)
    }

    pub(super) fn height(&self) -> f64 {
        (self.bottom - self.top).max(0.0)
    }

    pub(super) fn area(&self) -> f64 {
        if self.is_nothing() { 0.0 } else { self.width() * self.height() }
    }
}

/// Writes a number with at most so many decimals, so that no platform's arithmetic shows in the text.
pub(super) fn write_number(out: &mut String, value: f64, decimals: usize) {
    let start = out.len();
    // Writing into a String cannot fail.
    let _ = write!(out, "{value:.decimals$}");
    if decimals > 0 {
        let kept = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(kept.max(start));
    }
    if out.get(start..).is_some_and(|written| written == "-0" || written.is_empty()) {
        out.truncate(start);
        out.push('0');
    }
}

/// A number with at most four decimals.
pub(super) fn number_text(value: f64) -> String {
    let mut text = String::new();
    write_number(&mut text, value, 4);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_apply_from_the_inside_out() {
        let inner = Affine::scale(2.0, 3.0);
        let both = inner.then(&Affine::shift(10.0, 20.0));
        assert_eq!(both.apply(Point { x: 1.0, y: 1.0 }), Point { x: 12.0, y: 23.0 });
        assert_eq!(both.svg(), "matrix(2 0 0 3 10 20)");
        let turned = Affine { a: 0.0, b: 1.0, c: -1.0, d: 0.0, e: 0.0, f: 0.0 };
        assert!(turned.keeps_boxes() && both.keeps_boxes());
        assert!(!Affine { a: 1.0, b: 1.0, c: -1.0, d: 1.0, e: 0.0, f: 0.0 }.keeps_boxes());
        assert_eq!(turned.bounds(Bounds::of([0.0, 0.0, 2.0, 1.0])), Bounds::of([-1.0, 0.0, 1.0, 2.0]));
    }

    #[test]
    fn flat_and_far_transforms_are_not_drawn() {
        assert!(Affine::IDENTITY.is_drawable());
        for other in [Affine::scale(0.0, 1.0), Affine::scale(1e9, 1.0), Affine::shift(1e9, 0.0)] {
            assert!(!other.is_drawable(), "{other:?}");
        }
    }

    #[test]
    fn numbers_are_short_and_have_no_negative_zero() {
        let text = |value| number_text(value);
        assert_eq!(
            [text(0.0), text(-0.00001), text(1.5), text(100.0), text(-2.12345)],
            ["0", "0", "1.5", "100", "-2.1235"]
        );
        let mut whole = String::from("x");
        write_number(&mut whole, 100.4, 0);
        assert_eq!(whole, "x100");
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(Bounds::NOTHING.grown(5.0).is_nothing());
        assert_eq!(Bounds::NOTHING.area(), 0.0);
        assert!(Bounds::of([0.0, 0.0, 1.0, 1.0]).shared(&Bounds::of([2.0, 0.0, 1.0, 1.0])).is_nothing());
    }
}

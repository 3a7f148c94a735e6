//! The line that letters of an arc stand on: a parallel of an ellipse, measured along itself.
//!
//! A circle is an ellipse with equal axes, so round and oval seals share one layout. Letters stand at equal lengths of
//! the line and not at equal angles: on an ellipse equal angles crowd the letters at its flat sides.

use std::f64::consts::PI;

use crate::render::outline::Point;

/// Steps of half an ellipse; a step of the largest seal is below 0.05 mm, and places between are interpolated.
const STEPS: u16 = 2048;

/// The outer edge of a round or oval seal, centred on the middle of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ellipse {
    pub(super) centre: Point,
    /// Half of the width.
    pub(super) a: f64,
    /// Half of the height.
    pub(super) b: f64,
}

impl Ellipse {
    pub(super) fn of(width_mm: u16, height_mm: u16) -> Self {
        let (a, b) = (f64::from(width_mm) / 2.0, f64::from(height_mm) / 2.0);
        Self { centre: Point { x: a, y: b }, a, b }
    }

    /// The outward normal at a parameter, 0 at the top and clockwise, and the radius of curvature there.
    fn normal(&self, t: f64) -> (f64, f64, f64) {
        let (sin, cos) = t.sin_cos();
        let speed = (self.a * cos).hypot(self.b * sin);
        let (x, y) = (self.b * sin / speed, -self.a * cos / speed);
        (x, y, speed.powi(3) / (self.a * self.b))
    }

    fn inside(&self, t: f64, inset: f64) -> Stand {
        let (sin, cos) = t.sin_cos();
        let (x, y, radius) = self.normal(t);
        let point = Point { x: self.centre.x + self.a * sin - x * inset, y: self.centre.y - self.b * cos - y * inset };
        let turn = x.atan2(-y);
        Stand { point, turn, radius: radius - inset }
    }
}

/// A place on a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) point: Point,
    /// How far the outward normal is turned from upward, clockwise, in radians.
    pub(super) turn: f64,
    /// The radius of curvature.
    pub(super) radius: f64,
}

/// A parallel of an ellipse, so far inside of it.
#[derive(Debug)]
pub(super) struct Track {
    ellipse: Ellipse,
    inset: f64,
    /// Lengths from the top, and the parameters there; rising.
    steps: Vec<(f64, f64)>,
}

impl Track {
    pub(super) fn new(ellipse: Ellipse, inset: f64) -> Self {
        let mut steps = Vec::with_capacity(usize::from(STEPS).saturating_add(1));
        let (mut length, mut before) = (0.0, ellipse.inside(0.0, inset).point);
        for step in 0..=STEPS {
            let t = PI * f64::from(step) / f64::from(STEPS);
            let point = ellipse.inside(t, inset).point;
            length += (point.x - before.x).hypot(point.y - before.y);
            steps.push((length, t));
            before = point;
        }
        Self { ellipse, inset, steps }
    }

    /// The length from the top to the bottom, on one side.
    pub(super) fn half(&self) -> f64 {
        self.steps.last().map_or(0.0, |(length, _)| *length)
    }

    /// The place so far from the top: clockwise when positive, at most once round.
    pub(super) fn at(&self, length: f64) -> Stand {
        let half = self.half();
        // Beyond the bottom the other side is as long.
        let (wanted, side) = if length.abs() > half {
            (2.0 * half - length.abs(), -length.signum())
        } else {
            (length.abs(), length.signum())
        };
        let next = self.steps.partition_point(|(known, _)| *known < wanted);
        let (long, after) = self.steps.get(next).or(self.steps.last()).copied().unwrap_or_default();
        let (short, before) = self.steps.get(next.saturating_sub(1)).copied().unwrap_or_default();
        let part = if long > short { (wanted - short) / (long - short) } else { 1.0 };
        let t = before + (after - before) * part.clamp(0.0, 1.0);
        self.ellipse.inside(t * side, self.inset)
    }

    /// The smallest radius of curvature within so far from the top.
    pub(super) fn tightest(&self, reach: f64) -> f64 {
        (0..=32u8).map(|n| self.at(reach * f64::from(n) / 32.0).radius).fold(f64::MAX, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_measured_as_circles_are() {
        let track = Track::new(Ellipse::of(42, 42), 3.0);
        assert!((track.half() - PI * 18.0).abs() < 1e-3, "{}", track.half());
        for n in -10..=10i8 {
            let angle = f64::from(n) * PI / 10.0;
            let stand = track.at(angle * 18.0);
            assert!((stand.point.x - (21.0 + 18.0 * angle.sin())).abs() < 1e-3, "{n}: {stand:?}");
            assert!((stand.point.y - (21.0 - 18.0 * angle.cos())).abs() < 1e-3, "{n}: {stand:?}");
            assert!((stand.radius - 18.0).abs() < 1e-9);
        }
    }

    #[test]
    fn steps_of_an_ellipse_are_equally_long_and_its_ends_are_tight() {
        let track = Track::new(Ellipse::of(40, 30), 4.0);
        let points: Vec<Point> = (-30..=30i8).map(|n| track.at(f64::from(n)).point).collect();
        for pair in points.windows(2) {
            let step = (pair[1].x - pair[0].x).hypot(pair[1].y - pair[0].y);
            assert!((0.98..=1.001).contains(&step), "a chord of 1 mm of the line: {step}");
        }
        assert!((track.tightest(track.half()) - (15.0 * 15.0 / 20.0 - 4.0)).abs() < 0.05);
        assert!((track.at(0.0).radius - (20.0 * 20.0 / 15.0 - 4.0)).abs() < 1e-9);
    }

    #[test]
    fn beyond_the_bottom_the_other_side_begins() {
        let track = Track::new(Ellipse::of(42, 42), 3.0);
        let stand = track.at(track.half() + 1.0);
        assert!(stand.point.x < 21.0 && stand.point.y > 38.0, "{stand:?}");
    }
}

//! Convex hulls of outlines, and how far they are apart.

use yinxin::render::outline::{Outline, Step};

type Point = (f64, f64);

/// Points of an outline: its ends, and eight along each curve.
fn drawn(outline: &Outline) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut from = (0.0, 0.0);
    for step in &outline.steps {
        let (first, second, end) = match step {
            Step::Move(end) | Step::Line(end) => (*end, *end, *end),
            Step::Quadratic(handle, end) => (*handle, *handle, *end),
            Step::Cubic(first, second, end) => (*first, *second, *end),
            Step::Close => continue,
        };
        let end = (end.x, end.y);
        if matches!(step, Step::Cubic(..) | Step::Quadratic(..)) {
            points.extend((1..8u8).map(|n| {
                let t = f64::from(n) / 8.0;
                let u = 1.0 - t;
                let mix = |a: f64, b: f64, c: f64, d: f64| match step {
                    Step::Quadratic(..) => u * u * a + 2.0 * u * t * b + t * t * d,
                    _ => u * u * u * a + 3.0 * u * u * t * b + 3.0 * u * t * t * c + t * t * t * d,
                };
                (mix(from.0, first.x, second.x, end.0), mix(from.1, first.y, second.y, end.1))
            }));
        }
        points.push(end);
        from = end;
    }
    points
}

/// The convex hull of an outline: it holds all of its ink.
#[derive(Debug)]
pub(crate) struct Hull {
    corners: Vec<Point>,
}

fn turn(a: Point, b: Point, c: Point) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

impl Hull {
    pub(crate) fn of(outline: &Outline) -> Self {
        let mut points = drawn(outline);
        points.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let chain = |points: &mut dyn Iterator<Item = Point>| {
            let mut chain: Vec<Point> = Vec::new();
            for point in points {
                while chain.len() > 1 && turn(chain[chain.len() - 2], chain[chain.len() - 1], point) <= 0.0 {
                    chain.pop();
                }
                chain.push(point);
            }
            chain.pop();
            chain
        };
        let mut corners = chain(&mut points.iter().copied());
        corners.extend(chain(&mut points.iter().rev().copied()));
        Self { corners }
    }

    pub(crate) fn corners(&self) -> impl Iterator<Item = Point> + '_ {
        self.corners.iter().copied()
    }

    /// The longest way across.
    pub(crate) fn reach(&self) -> f64 {
        let ways = self.corners().flat_map(|a| self.corners().map(move |b| distance(a, b)));
        ways.fold(0.0, f64::max)
    }

    /// How far two hulls are apart along the best of their edges' directions: never more than they are; 0 or less when
    /// they meet.
    pub(crate) fn apart(&self, other: &Self) -> f64 {
        let edges = |hull: &Self| {
            let next = hull.corners.iter().skip(1).chain(hull.corners.first());
            let edges: Vec<(Point, Point)> = hull.corners.iter().copied().zip(next.copied()).collect();
            edges
        };
        let along = |edges: Vec<(Point, Point)>, hull: &Self| {
            let mut most = f64::MIN;
            for (a, b) in edges {
                let length = distance(a, b);
                if length > 1e-9 {
                    // Counter-clockwise, so what lies to the right of an edge is outside.
                    let near = hull.corners().map(|point| -turn(a, b, point) / length).fold(f64::MAX, f64::min);
                    most = most.max(near);
                }
            }
            most
        };
        along(edges(self), other).max(along(edges(other), self))
    }
}

pub(crate) fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// The mean of an outline's ends and handles.
pub(crate) fn middle(outline: &Outline) -> Point {
    let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
    for point in outline.points() {
        (x, y, count) = (x + point.x, y + point.y, count + 1.0);
    }
    (x / count, y / count)
}

#[test]
fn squares_beside_each_other_are_as_far_apart_as_they_are() {
    use yinxin::render::outline::Point;
    let square = |left: f64, top: f64| {
        let at = |x, y| Point { x: left + x, y: top + y };
        Hull::of(&Outline::polygon(&[at(0.0, 0.0), at(2.0, 0.0), at(2.0, 2.0), at(0.0, 2.0), at(1.0, 1.0)]))
    };
    let first = square(0.0, 0.0);
    assert_eq!(first.corners().count(), 4);
    assert!((first.apart(&square(2.5, 1.0)) - 0.5).abs() < 1e-9);
    assert!((first.apart(&square(0.0, 2.25)) - 0.25).abs() < 1e-9);
    assert!(first.apart(&square(1.5, 1.5)) < 0.0);
    assert!((first.reach() - 8f64.sqrt()).abs() < 1e-9);
}

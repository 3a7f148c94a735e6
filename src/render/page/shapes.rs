//! Signs of invoices and licences that our typeface lacks: the yuan sign, degrees, minutes and seconds; and the empty
//! square that stands for any other missing letter.

use crate::render::outline::{Outline, Point};

/// A shape in thousandths of the type size, the base line at 0, y downward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An empty square.
    Missing,
    /// The two bars that make a Y the sign of yuan.
    Bars,
    /// °
    Degree,
    /// ′
    Minute,
    /// ″
    Second,
}

/// The letter that a sign is built on.
pub(super) fn base(character: char) -> Option<char> {
    matches!(character, '¥' | '￥').then_some('Y')
}

/// What is to be drawn for a character, beside the letter that was found or instead of one.
pub(super) fn of(character: char, found: bool) -> Option<Shape> {
    match character {
        '¥' | '￥' if found => Some(Shape::Bars),
        _ if found => None,
        '°' => Some(Shape::Degree),
        '′' => Some(Shape::Minute),
        '″' => Some(Shape::Second),
        _ => Some(Shape::Missing),
    }
}

impl Shape {
    /// Tells the shapes apart.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Missing => 0,
            Self::Bars => 1,
            Self::Degree => 2,
            Self::Minute => 3,
            Self::Second => 4,
        }
    }

    pub(super) fn outline(self) -> Outline {
        match self {
            Self::Missing => {
                let mut outline = Outline::polygon(&corners(60.0, -820.0, 880.0, 880.0));
                let mut inner = corners(100.0, -780.0, 800.0, 800.0);
                inner.reverse();
                outline.steps.extend(Outline::polygon(&inner).steps);
                outline
            }
            Self::Bars => joined(&[corners(110.0, -330.0, 400.0, 45.0), corners(110.0, -210.0, 400.0, 45.0)]),
            Self::Degree => Outline::ring(Point { x: 190.0, y: -640.0 }, (130.0, 130.0), (80.0, 80.0)),
            Self::Minute => joined(&[stroke(60.0)]),
            Self::Second => joined(&[stroke(60.0), stroke(230.0)]),
        }
    }
}

fn corners(x: f64, y: f64, width: f64, height: f64) -> [Point; 4] {
    [(x, y), (x + width, y), (x + width, y + height), (x, y + height)].map(|(x, y)| Point { x, y })
}

fn stroke(x: f64) -> [Point; 4] {
    [(x + 70.0, -780.0), (x + 150.0, -780.0), (x + 60.0, -480.0), (x, -480.0)].map(|(x, y)| Point { x, y })
}

fn joined(polygons: &[[Point; 4]]) -> Outline {
    Outline { steps: polygons.iter().flat_map(|polygon| Outline::polygon(polygon).steps).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::page::path::bounds;

    #[test]
    fn shapes_stand_on_the_line_and_differ() {
        let all = [Shape::Missing, Shape::Bars, Shape::Degree, Shape::Minute, Shape::Second];
        for (n, shape) in (0..).zip(all) {
            let area = bounds(&shape.outline());
            assert!(area.left >= 0.0 && area.right <= 1000.0 && area.top > -900.0 && area.bottom < 100.0, "{shape:?}");
            assert_eq!(shape.number(), n);
        }
    }

    #[test]
    fn only_what_is_missing_is_replaced() {
        assert_eq!([of('¥', true), of('国', true), of('°', true)], [Some(Shape::Bars), None, None]);
        assert_eq!([of('°', false), of('¥', false)], [Some(Shape::Degree), Some(Shape::Missing)]);
        assert_eq!([base('¥'), base('国')], [Some('Y'), None]);
    }
}

//! Colours, colour spaces and gradients. GB/T 33190-2016, 8.3.
//!
//! CMYK becomes RGB by the simple rule `(1-c)(1-k)`: colour profiles are not read. The clause numbers are recollection.

use std::fmt::Write;

use crate::format::ofd::value;
use crate::format::ofd::xml::Element;
use crate::render::page::affine::{Affine, number_text, write_number};
use crate::render::page::resources::Resources;

/// Colours of one gradient.
const MAX_SEGMENTS: usize = 256;

/// A colour that SVG can paint with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ink {
    /// The value of `fill` or `stroke`.
    pub(super) paint: String,
    /// 0 to 1.
    pub(super) opacity: f64,
    /// A gradient, to be defined under the name that `paint` refers to: its element without the identifier.
    pub(super) gradient: Option<Gradient>,
}

/// A gradient without its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gradient {
    pub(super) element: &'static str,
    /// Attributes and stops.
    pub(super) attributes: String,
    pub(super) stops: String,
}

impl Ink {
    pub(super) fn solid([red, green, blue]: [u8; 3], opacity: f64) -> Self {
        Self { paint: format!("#{red:02x}{green:02x}{blue:02x}"), opacity, gradient: None }
    }
}

/// What is wrong with a colour; it is painted all the same.
pub(super) type Complaint = (&'static str, String);

/// Reads a CT_Color. What cannot be painted as asked is painted in the plain value beside it, else in grey.
pub(super) fn ink(element: Element<'_>, resources: &Resources<'_>, place: &Affine) -> (Ink, Option<Complaint>) {
    let opacity = opacity(element.attribute("Alpha"));
    let (plain, complaint) = plain(element, resources);
    let special = element.children().find(|child| child.name() != "Color");
    let Some(special) = special else {
        return (Ink::solid(plain.unwrap_or([0; 3]), opacity), complaint);
    };
    let gradient = match special.name() {
        "AxialShd" => axial(special, resources, place),
        "RadialShd" => radial(special, resources, place),
        _ => None,
    };
    match gradient {
        Some(gradient) => (Ink { paint: String::new(), opacity, gradient: Some(gradient) }, None),
        None => {
            let name: String = special.name().to_owned();
            (Ink::solid(plain.unwrap_or([160; 3]), opacity), Some(("paint-unsupported", name)))
        }
    }
}

/// Alpha of colours and objects: 0 to 255, 255 when absent.
pub(super) fn opacity(text: Option<&str>) -> f64 {
    text.and_then(|text| value::number(text.trim())).map_or(1.0, |alpha| (alpha / 255.0).clamp(0.0, 1.0))
}

fn plain(element: Element<'_>, resources: &Resources<'_>) -> (Option<[u8; 3]>, Option<Complaint>) {
    let named = element.attribute("ColorSpace").map(str::trim).filter(|id| !id.is_empty());
    let space = named.or(resources.default_space).and_then(|id| resources.spaces.get(id).copied());
    let values = match element.attribute("Value") {
        Some(text) => components(text),
        None => match indexed(element, space) {
            Some(found) => found,
            None => return (None, None),
        },
    };
    let most = maximum(space);
    let unit: Option<Vec<f64>> = values.map(|all| all.iter().map(|v| (v / most).clamp(0.0, 1.0)).collect());
    let kind = space.and_then(|space| space.attribute("Type")).map(str::to_ascii_uppercase);
    let rgb = match (kind.as_deref(), unit.as_deref()) {
        (Some("GRAY") | None, Some([grey])) => Some([*grey; 3]),
        (Some("CMYK") | None, Some([c, m, y, k])) => Some([c, m, y].map(|ink| (1.0 - ink) * (1.0 - k))),
        // Genuine files write three numbers whatever the space is.
        (_, Some([r, g, b])) => Some([*r, *g, *b]),
        _ => None,
    };
    match rgb {
        Some(rgb) => (Some(rgb.map(octet)), None),
        None => (None, Some(("value-invalid", "Color".to_owned()))),
    }
}

/// The numbers of a colour: decimal, or `#` and hexadecimal digits.
fn components(text: &str) -> Option<Vec<f64>> {
    let read = |word: &str| match word.strip_prefix('#') {
        Some(hex) => u16::from_str_radix(hex, 16).ok().map(f64::from),
        None => value::number(word),
    };
    text.split_ascii_whitespace().take(8).map(read).collect()
}

/// A colour of the palette. `None` if the element names none.
fn indexed(element: Element<'_>, space: Option<Element<'_>>) -> Option<Option<Vec<f64>>> {
    let index: usize = element.attribute("Index")?.trim().parse().ok()?;
    let palette = space?.child("Palette")?;
    let colour = palette.children_named("CV").nth(index);
    Some(colour.and_then(|colour| components(colour.text())))
}

/// The greatest value of a component, by BitsPerComponent.
fn maximum(space: Option<Element<'_>>) -> f64 {
    match space.and_then(|space| space.attribute("BitsPerComponent")).map(str::trim) {
        Some("1") => 1.0,
        Some("2") => 3.0,
        Some("4") => 15.0,
        Some("16") => 65_535.0,
        _ => 255.0,
    }
}

/// 0 to 1 as 0 to 255, without a cast.
fn octet(unit: f64) -> u8 {
    let scaled = unit * 255.0;
    (0..=255_u8).min_by(|a, b| (f64::from(*a) - scaled).abs().total_cmp(&(f64::from(*b) - scaled).abs())).unwrap_or(0)
}

fn axial(shading: Element<'_>, resources: &Resources<'_>, place: &Affine) -> Option<Gradient> {
    let [x1, y1] = value::position(shading.attribute("StartPoint")?)?;
    let [x2, y2] = value::position(shading.attribute("EndPoint")?)?;
    let mut attributes = String::new();
    write_pairs(&mut attributes, &[("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)]);
    finish("linearGradient", attributes, shading, resources, place)
}

fn radial(shading: Element<'_>, resources: &Resources<'_>, place: &Affine) -> Option<Gradient> {
    let [fx, fy] = value::position(shading.attribute("StartPoint")?)?;
    let [cx, cy] = value::position(shading.attribute("EndPoint")?)?;
    let radius = value::number(shading.attribute("EndRadius")?.trim()).filter(|radius| *radius > 0.0)?;
    let mut attributes = String::new();
    write_pairs(&mut attributes, &[("cx", cx), ("cy", cy), ("r", radius), ("fx", fx), ("fy", fy)]);
    finish("radialGradient", attributes, shading, resources, place)
}

fn write_pairs(out: &mut String, pairs: &[(&str, f64)]) {
    for (name, value) in pairs {
        let _ = write!(out, " {name}=\"{}\"", number_text(*value));
    }
}

fn finish(
    element: &'static str,
    mut attributes: String,
    shading: Element<'_>,
    resources: &Resources<'_>,
    place: &Affine,
) -> Option<Gradient> {
    let _ = write!(attributes, " gradientUnits=\"userSpaceOnUse\" gradientTransform=\"{}\"", place.svg());
    match shading.attribute("MapType") {
        Some("Repeat") => attributes.push_str(" spreadMethod=\"repeat\""),
        Some("Reflect") => attributes.push_str(" spreadMethod=\"reflect\""),
        _ => {}
    }
    let mut stops = String::new();
    for segment in shading.children_named("Segment").take(MAX_SEGMENTS) {
        let colour = segment.child("Color")?;
        let rgb = plain(colour, resources).0?;
        let offset = segment.attribute("Position").and_then(|text| value::number(text.trim()));
        let offset = offset.unwrap_or(if stops.is_empty() { 0.0 } else { 1.0 });
        stops.push_str("<stop offset=\"");
        write_number(&mut stops, offset.clamp(0.0, 1.0), 4);
        let solid = Ink::solid(rgb, opacity(colour.attribute("Alpha")));
        let _ = write!(stops, "\" stop-color=\"{}\" stop-opacity=\"{}\"/>", solid.paint, number_text(solid.opacity));
    }
    (!stops.is_empty()).then_some(Gradient { element, attributes, stops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::format::ofd::path::PartName;
    use crate::format::ofd::xml::Tree;

    const SPACES: &str = "<Res><ColorSpaces><ColorSpace ID='g' Type='GRAY'/><ColorSpace ID='c' Type='CMYK'/>\
        <ColorSpace ID='n' Type='GRAY' BitsPerComponent='4'/><ColorSpace ID='p' Type='RGB'><Palette><CV>1 2 3</CV>\
        <CV>4 5 6</CV></Palette></ColorSpace></ColorSpaces></Res>";

    fn with<T>(xml: &str, check: impl FnOnce(Element<'_>, &Resources<'_>) -> T) -> T {
        let name = PartName::from_root("x").unwrap();
        let spaces = [(name.directory(), Tree::parse(&name, SPACES.as_bytes(), &Limits::DEFAULT).unwrap())];
        let resources = Resources::of(&spaces, &[], None);
        let tree = Tree::parse(&name, xml.as_bytes(), &Limits::DEFAULT).unwrap();
        check(tree.elements().next().unwrap(), &resources)
    }

    fn painted(xml: &str) -> (String, Option<&'static str>) {
        with(xml, |element, resources| {
            let (ink, complaint) = ink(element, resources, &Affine::IDENTITY);
            (ink.paint, complaint.map(|(code, _)| code))
        })
    }

    #[test]
    fn every_space_becomes_rgb() {
        for (xml, wanted) in [
            ("<C Value='255 0 128'/>", "#ff0080"),
            ("<C Value='#FF #0 #80'/>", "#ff0080"),
            ("<C Value='128'/>", "#808080"),
            ("<C Value='128' ColorSpace='g'/>", "#808080"),
            ("<C Value='15' ColorSpace='n'/>", "#ffffff"),
            ("<C Value='0 255 255 0' ColorSpace='c'/>", "#ff0000"),
            ("<C Value='0 0 0 255'/>", "#000000"),
            ("<C Index='1' ColorSpace='p'/>", "#040506"),
            ("<C Value='300 -5 1'/>", "#ff0001"),
            ("<C/>", "#000000"),
        ] {
            assert_eq!(painted(xml), (wanted.to_owned(), None), "{xml}");
        }
    }

    #[test]
    fn what_is_no_colour_is_complained_of() {
        for xml in ["<C Value='red'/>", "<C Value='1 2'/>", "<C Index='9' ColorSpace='p'/>", "<C Value='1 2 3 4 5'/>"] {
            assert_eq!(painted(xml), ("#000000".to_owned(), Some("value-invalid")), "{xml}");
        }
        assert_eq!(painted("<C><Pattern/></C>"), ("#a0a0a0".to_owned(), Some("paint-unsupported")));
        assert_eq!(painted("<C Value='1 1 1'><GouraudShd/></C>"), ("#010101".to_owned(), Some("paint-unsupported")));
    }

    #[test]
    fn gradients_have_their_stops() {
        let xml = "<C Alpha='51'><AxialShd StartPoint='0 0' EndPoint='10 0' MapType='Reflect'><Segment Position='0'>\
            <Color Value='255 0 0'/></Segment><Segment><Color Value='0 0 255' Alpha='0'/></Segment></AxialShd></C>";
        with(xml, |element, resources| {
            let (ink, complaint) = ink(element, resources, &Affine::IDENTITY);
            assert_eq!((ink.opacity, complaint), (0.2, None));
            let gradient = ink.gradient.unwrap();
            assert_eq!(gradient.element, "linearGradient");
            assert!(gradient.attributes.starts_with(" x1=\"0\" y1=\"0\" x2=\"10\" y2=\"0\""));
            assert!(gradient.attributes.ends_with("spreadMethod=\"reflect\""));
            assert_eq!(
                gradient.stops,
                "<stop offset=\"0\" stop-color=\"#ff0000\" stop-opacity=\"1\"/>\
                 <stop offset=\"1\" stop-color=\"#0000ff\" stop-opacity=\"0\"/>"
            );
        });
        assert_eq!(painted("<C><RadialShd StartPoint='0 0' EndPoint='0 0'/></C>").1, Some("paint-unsupported"));
    }
}

//! Types → pictures: seal faces as SVG, PNG and OFD drawing. Pure; no system fonts.

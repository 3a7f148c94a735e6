//! Trust: anchors and the paths that lead to them.

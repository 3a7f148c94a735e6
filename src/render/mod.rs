//! Types → pictures: seal faces as SVG, PNG and OFD drawing. Pure; no system fonts.
//!
//! What is drawn, from outside in: a ring, the organisation's name on the upper arc, a five-pointed star, a line of text
//! below it, and the fourteen digits of the seal's code on the lower arc. The national emblem is never drawn: only
//! bodies that the State names may carry it, and their seals are made elsewhere.
//!
//! Every picture is a function of its input alone: the same face gives the same bytes.

pub mod error;
pub mod outline;
pub mod png;
pub mod seal_face;
pub mod seal_ofd;

pub use error::Error;
pub use seal_face::{SealFace, SealPicture, draw};
pub use seal_ofd::ofd_face;

/// Yinxin Song, the typeface of seals: every character of 通用规范汉字表, ASCII, Chinese punctuation, full-width forms.
///
/// `assets/fonts/README.md` says where it comes from and under which licence.
pub const SEAL_FONT: &[u8] = include_bytes!("../../assets/fonts/yinxin-song.otf");

/// A three-page official notice of an organisation that does not exist, for trying out seals (OFD, GB/T 33190).
pub const NOTICE: &[u8] = include_bytes!("../../assets/notice.ofd");

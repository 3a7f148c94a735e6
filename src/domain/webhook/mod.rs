//! Notices to programs elsewhere of what became of seals: what is told of an event, to whom, and the way of one notice to its
//! receiver.

pub mod delivery;
mod notice;
mod subscription;

pub use notice::{About, Change, Facts, Notice, NoticeType};
pub use subscription::Subscription;

//! The entry of an event in the public log: class, hour, and a commitment that opens with a salt.

use crate::base::clock::Timestamp;
use crate::crypto::sm3::Sm3;
use crate::domain::audit::body::EventClass;
use crate::domain::audit::encoding::EncodingError;
use crate::domain::audit::event::Event;
use crate::domain::audit::logged_event::LoggedEvent;

/// What hides an event in its entry: 32 octets of randomness, kept beside the event and erased with it.
pub type Salt = [u8; 32];

/// Why there is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not 39 octets.
    #[error("an entry of version 1 has 39 octets, not {length} (docs/formats/audit-leaf.md)")]
    Length {
        /// How many there are.
        length: usize,
    },
    /// Another version wrote it.
    #[error("entries of version {version} are not known")]
    UnknownVersion {
        /// Its first octet.
        version: u8,
    },
    /// An event from before 1970 or beyond the hours of 32 bits.
    #[error("the event's time does not fit into an hour of 32 bits since 1970")]
    Hour,
    /// A class beyond 16 bits.
    #[error("the event's class does not fit into 16 bits")]
    Class,
    /// What should be opened is no event.
    #[error(transparent)]
    Event(#[from] EncodingError),
}

/// An entry of version 1. It tells no subject and no seal: entries link to nothing without their salts.
///
/// ```text
/// 01 ‖ class, 2 octets ‖ hour, 4 octets ‖ commitment, 32 octets        big-endian
/// hour       = seconds since 1970 / 3600, rounded down
/// commitment = SM3(00 ‖ salt, 32 octets ‖ event, canonical DER)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The number of the event's class; see [`EventClass`]. A newer version may write numbers that we do not know.
    pub class: u16,
    /// The hour of the event.
    pub hour: u32,
    /// The commitment.
    pub commitment: [u8; 32],
}

impl Entry {
    /// The first octet.
    pub const VERSION: u8 = 1;

    /// Octets of an entry.
    pub const LENGTH: usize = 39;

    /// The entry of an event under a salt.
    ///
    /// # Errors
    /// [`EntryError::Hour`], [`EntryError::Class`].
    pub fn of(event: &Event, salt: &Salt) -> Result<Self, EntryError> {
        Self::under((event.class().number(), event.at), &event.to_der(), salt)
    }

    /// The entry of an event in its canonical form, as it is kept; also of one that only a newer program knows.
    ///
    /// # Errors
    /// [`EntryError::Event`]: the octets are not one; as [`Entry::of`].
    pub fn of_der(event: &[u8], salt: &Salt) -> Result<Self, EntryError> {
        let logged = LoggedEvent::from_der(event)?;
        Self::under((logged.class_number(), logged.at()), event, salt)
    }

    fn under((class, at): (u64, Timestamp), der: &[u8], salt: &Salt) -> Result<Self, EntryError> {
        let hour = u32::try_from(at.unix().div_euclid(3600)).map_err(|_| EntryError::Hour)?;
        let class = u16::try_from(class).map_err(|_| EntryError::Class)?;
        Ok(Self { class, hour, commitment: commitment(der, salt) })
    }

    /// The class, when this version of the program knows it.
    #[must_use]
    pub fn event_class(&self) -> Option<EventClass> {
        EventClass::from_number(u64::from(self.class))
    }

    /// Whether this is the entry of that event, in its canonical form, under that salt: class and hour count too.
    #[must_use]
    pub fn commits_to(&self, event: &[u8], salt: &Salt) -> bool {
        Self::of_der(event, salt).is_ok_and(|entry| entry == *self)
    }

    /// The octets.
    #[must_use]
    pub fn to_octets(&self) -> [u8; Self::LENGTH] {
        let parts = [&[Self::VERSION], &self.class.to_be_bytes()[..], &self.hour.to_be_bytes(), &self.commitment];
        let mut octets = [0; Self::LENGTH];
        octets.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
        octets
    }

    /// The entry that these octets are, all of them.
    ///
    /// # Errors
    /// [`EntryError::Length`], [`EntryError::UnknownVersion`].
    pub fn from_octets(octets: &[u8]) -> Result<Self, EntryError> {
        match octets.first() {
            Some(&Self::VERSION) => {}
            Some(&version) => return Err(EntryError::UnknownVersion { version }),
            None => return Err(EntryError::Length { length: 0 }),
        }
        let wrong = EntryError::Length { length: octets.len() };
        let (_, rest) = octets.split_first().ok_or(wrong.clone())?;
        let (class, rest) = rest.split_first_chunk().ok_or(wrong.clone())?;
        let (hour, rest) = rest.split_first_chunk().ok_or(wrong.clone())?;
        let commitment = rest.try_into().map_err(|_| wrong)?;
        Ok(Self { class: u16::from_be_bytes(*class), hour: u32::from_be_bytes(*hour), commitment })
    }
}

/// SM3(00 ‖ salt ‖ event).
fn commitment(event: &[u8], salt: &Salt) -> [u8; 32] {
    let mut run = Sm3::new();
    run.update(&[0]);
    run.update(salt);
    run.update(event);
    run.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, EventBody};

    fn event(at: i64) -> Event {
        Event {
            at: Timestamp::from_unix(at),
            actor: Actor::Operator,
            request: None,
            body: EventBody::ServiceStarted { version: "0.1.0".into() },
        }
    }

    #[test]
    fn an_entry_has_one_form_and_opens_with_its_salt_alone() {
        let event = event(7_199);
        let entry = Entry::of(&event, &[7; 32]).unwrap();
        assert_eq!((entry.class, entry.hour), (1, 1));
        assert_eq!(entry.event_class(), Some(EventClass::ServiceStarted));
        let octets = entry.to_octets();
        assert_eq!(octets[..7], [1, 0, 1, 0, 0, 0, 1]);
        assert_eq!(Entry::from_octets(&octets), Ok(entry));
        assert!(entry.commits_to(&event.to_der(), &[7; 32]));
        assert!(!entry.commits_to(&event.to_der(), &[8; 32]));
        assert!(!Entry { hour: 2, ..entry }.commits_to(&event.to_der(), &[7; 32]));
        assert!(!Entry { class: 2, ..entry }.commits_to(&event.to_der(), &[7; 32]));
        assert!(!entry.commits_to(b"", &[7; 32]));
        assert_eq!(Entry::of_der(&event.to_der(), &[7; 32]), Ok(entry));
    }

    #[test]
    fn other_lengths_versions_and_hours_are_refused() {
        let octets = Entry::of(&event(0), &[0; 32]).unwrap().to_octets();
        assert_eq!(Entry::from_octets(&[]), Err(EntryError::Length { length: 0 }));
        assert_eq!(Entry::from_octets(&octets[..38]), Err(EntryError::Length { length: 38 }));
        assert_eq!(Entry::from_octets(&[&octets[..], &[0]].concat()), Err(EntryError::Length { length: 40 }));
        assert_eq!(Entry::from_octets(&[2; 39]), Err(EntryError::UnknownVersion { version: 2 }));
        assert_eq!(Entry::of(&event(-1), &[0; 32]), Err(EntryError::Hour));
        assert_eq!(Entry::of_der(&[0x30, 0], &[0; 32]), Err(EncodingError::UnexpectedTag { expected: 0x80 }.into()));
    }
}

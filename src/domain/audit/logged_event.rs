//! An event as it is read back: one that we know, or one that a newer program wrote beside us.
//!
//! A log outlives its programs, and two of them may write it in turns. So whoever reads it takes an event that it does not
//! know for what it is: class, time and octets, which is all that a leaf needs. Only the outer form must be ours (see
//! [`Event::to_der`]); another version of it is refused.

use std::borrow::Cow;

use crate::base::clock::Timestamp;
use crate::base::id::RequestId;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::body::EventClass;
use crate::domain::audit::encoding::{EncodingError, Reader};
use crate::domain::audit::event::{Actor, Event};

/// What the name of a class begins with that has no name here.
const UNNAMED: &str = "class-";
/// The name under which the octets of an unknown event are told.
const ENCODED: &str = "encoded";

/// An event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedEvent {
    /// One that this program could have written.
    Known(Event),
    /// One that only a newer program understands.
    Unknown(UnknownEvent),
}

/// An event of a newer program: its class, its actor, or something in its fields is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvent {
    class: u16,
    at: Timestamp,
    actor: Option<Actor>,
    request: Option<RequestId>,
    der: Vec<u8>,
}

impl LoggedEvent {
    /// The event that these octets are, all of them.
    ///
    /// # Errors
    /// They are no event of version 1: damaged, or not canonical where we can tell.
    pub fn from_der(der: &[u8]) -> Result<Self, EncodingError> {
        match Event::from_der(der) {
            Ok(event) => Ok(Self::Known(event)),
            // A class, a member of a list, or a last field that was added since.
            Err(
                EncodingError::UnknownClass { .. }
                | EncodingError::UnknownMember { .. }
                | EncodingError::TrailingOctets,
            ) => UnknownEvent::from_der(der).map(Self::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The event, where it is known.
    #[must_use]
    pub const fn known(&self) -> Option<&Event> {
        match self {
            Self::Known(event) => Some(event),
            Self::Unknown(_) => None,
        }
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Known(event) => event.at,
            Self::Unknown(event) => event.at,
        }
    }

    /// Who did it; nothing where a newer program names somebody whom this one cannot.
    #[must_use]
    pub const fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Known(event) => Some(&event.actor),
            Self::Unknown(event) => event.actor.as_ref(),
        }
    }

    /// In which request, if in one.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestId> {
        match self {
            Self::Known(event) => event.request.as_ref(),
            Self::Unknown(event) => event.request.as_ref(),
        }
    }

    /// The number of its class.
    #[must_use]
    pub fn class_number(&self) -> u64 {
        match self {
            Self::Known(event) => event.class().number(),
            Self::Unknown(event) => u64::from(event.class),
        }
    }

    /// The name of its class: that of the list, or `class-` and its number.
    #[must_use]
    pub fn class_name(&self) -> Cow<'static, str> {
        match EventClass::from_number(self.class_number()) {
            Some(class) => class.name().into(),
            None => format!("{UNNAMED}{}", self.class_number()).into(),
        }
    }

    /// The number of the class of that name, also where it has none here and is named by its number.
    #[must_use]
    pub fn class_named(name: &str) -> Option<u64> {
        let unnamed = || {
            let digits = name.strip_prefix(UNNAMED)?;
            let number = digits.parse::<u16>().ok().filter(|number| number.to_string() == digits)?;
            Some(u64::from(number))
        };
        EventClass::from_name(name).map(EventClass::number).or_else(unnamed)
    }

    /// The fields of its class by name, as text. Of an unknown event the one field `encoded`: all its octets in hexadecimal.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Known(event) => event.body.fields(),
            Self::Unknown(event) => vec![(ENCODED, hex(&event.der))],
        }
    }

    /// The same for whoever watches from outside: of an unknown event the SM3 of its octets.
    pub(in crate::domain::audit) fn told(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Known(event) => event.body.fields(),
            Self::Unknown(event) => vec![(ENCODED, format!("sm3:{}", hex(&sm3(&event.der))))],
        }
    }

    /// Whether one of its fields is that text. Of an unknown event: whether its octets have it anywhere, as text or as what
    /// it says in hexadecimal.
    #[must_use]
    pub fn names(&self, noun: &str) -> bool {
        match self {
            Self::Known(event) => event.body.fields().iter().any(|(_, value)| value == noun),
            Self::Unknown(event) => {
                let within = |octets: &[u8]| event.der.windows(octets.len().max(1)).any(|part| part == octets);
                within(noun.as_bytes()) || octets(noun).is_some_and(|octets| within(&octets))
            }
        }
    }

    /// SM3 of each thing that came into being by this, as far as it is known.
    #[must_use]
    pub fn things(&self) -> Vec<[u8; 32]> {
        self.known().map(|event| event.body.things()).unwrap_or_default()
    }
}

impl UnknownEvent {
    fn from_der(der: &[u8]) -> Result<Self, EncodingError> {
        let mut event = Reader::sequence(der)?;
        let version = event.field::<u64>(0)?;
        if version != Event::VERSION {
            return Err(EncodingError::UnknownVersion { version });
        }
        let at = event.field(1)?;
        let actor = Actor::read(event.nested(2)?).ok();
        let request = event.field(3)?;
        let class = event.field::<u64>(4)?;
        // What does not fit is no leaf (docs/formats/audit-leaf.md).
        let class = u16::try_from(class).map_err(|_| EncodingError::UnknownClass { class })?;
        event.nested(5)?;
        event.end()?;
        Ok(Self { class, at, actor, request, der: der.to_vec() })
    }

    /// Its octets, as they were written.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// What hexadecimal digits say.
fn octets(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let octet = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let octets = pairs.iter().map(octet).collect::<Option<Vec<_>>>()?;
    (rest.is_empty() && !octets.is_empty()).then_some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::CallerId;
    use crate::domain::audit::{Entry, EventBody};
    use crate::domain::caller::{Role, Roles};

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// An event as a newer program might write it, by an operator.
    fn newer(version: u8, actor: &[u8], class: &[u8], body: &[u8]) -> Vec<u8> {
        let parts = [
            element(0x80, &[version]),
            element(0x81, &[0x1c, 0x20]),
            element(0xa2, actor),
            element(0x84, class),
            element(0xa5, body),
        ];
        element(0x30, &parts.concat())
    }

    const OPERATOR: [u8; 3] = [0x80, 1, 2];

    fn started() -> Event {
        let body = EventBody::ServiceStarted { version: "1".into() };
        Event { at: Timestamp::from_unix(7_200), actor: Actor::Operator, request: None, body }
    }

    #[test]
    fn an_event_of_a_class_that_is_not_known_is_class_time_and_octets() {
        let der = newer(1, &OPERATOR, &[0x7f, 0x01], &element(0x80, b"word"));
        let event = LoggedEvent::from_der(&der).unwrap();
        assert_eq!((event.class_number(), &*event.class_name(), event.at().unix()), (0x7f01, "class-32513", 7_200));
        assert_eq!((event.known(), event.actor()), (None, Some(&Actor::Operator)));
        assert_eq!(event.fields(), [("encoded", hex(&der))]);
        assert_eq!(event.told(), [("encoded", format!("sm3:{}", hex(&sm3(&der))))]);
        assert!(event.names("word") && event.names("776f7264") && !event.names("ward") && !event.names(""));
        assert_eq!(LoggedEvent::class_named("class-32513"), Some(0x7f01));
        let entry = Entry::of_der(&der, &[1; 32]).unwrap();
        assert_eq!((entry.class, entry.hour, entry.event_class()), (0x7f01, 2, None));
        assert!(entry.commits_to(&der, &[1; 32]));
    }

    #[test]
    fn what_was_added_to_a_known_class_makes_it_unknown() {
        // A further field; a further kind of actor; a role and a member that the lists do not have.
        let further = newer(1, &OPERATOR, &[1], &[element(0x80, b"1"), element(0x81, b"2")].concat());
        let actor = newer(1, &[0x80, 1, 9], &[1], &element(0x80, b"1"));
        let member = newer(1, &OPERATOR, &[17], &[element(0x80, b"k"), element(0x81, &[99])].concat());
        for (der, by) in [(further, Some(Actor::Operator)), (actor, None), (member, Some(Actor::Operator))] {
            let event = LoggedEvent::from_der(&der).unwrap();
            assert_eq!((event.known(), event.actor()), (None, by.as_ref()));
        }
    }

    #[test]
    fn what_is_damaged_is_not_taken_for_newer() {
        let der = |version, class: &[u8], body: &[u8]| LoggedEvent::from_der(&newer(version, &OPERATOR, class, body));
        assert_eq!(der(2, &[0x7f], &[]), Err(EncodingError::UnknownVersion { version: 2 }));
        assert_eq!(der(1, &[1], &[]), Err(EncodingError::UnexpectedTag { expected: 0x80 }));
        assert_eq!(der(1, &[1], &[0x80, 9, 0]), Err(EncodingError::Truncated));
        let large = [1, 0, 0];
        assert_eq!(der(1, &large, &[]), Err(EncodingError::UnknownClass { class: 65_536 }));
        let longer = [newer(1, &OPERATOR, &[0x7f], &[]), vec![0]].concat();
        assert_eq!(LoggedEvent::from_der(&longer), Err(EncodingError::TrailingOctets));
    }

    #[test]
    fn a_class_is_named_one_way() {
        assert_eq!(LoggedEvent::class_named("service-started"), Some(1));
        for none in ["class-", "class-01", "class-65536", "class--1", "class", "Class-1", ""] {
            assert_eq!(LoggedEvent::class_named(none), None, "{none}");
        }
    }

    #[test]
    fn a_known_event_is_told_as_ever() {
        let id = CallerId::parse("c-1").unwrap();
        let actor = Actor::Caller { id, roles: Roles::new([Role::Verifier]).unwrap() };
        let event = Event { actor: actor.clone(), ..started() };
        let read = LoggedEvent::from_der(&event.to_der()).unwrap();
        assert_eq!((read.known(), read.actor()), (Some(&event), Some(&actor)));
        assert_eq!((&*read.class_name(), read.fields()), ("service-started", vec![("version", "1".to_owned())]));
        assert!(read.names("1") && !read.names("2"));
    }

    proptest! {
        #[test]
        fn whatever_a_newer_program_writes_keeps_its_leaf(
            class in 0x100_u16..0x7fff, body in proptest::collection::vec(any::<u8>(), 0..40), salt in any::<[u8; 32]>()
        ) {
            let der = newer(1, &OPERATOR, &class.to_be_bytes(), &body);
            let event = LoggedEvent::from_der(&der).unwrap();
            prop_assert_eq!((event.class_number(), event.at().unix()), (u64::from(class), 7_200));
            let entry = Entry::of_der(&der, &salt).unwrap();
            prop_assert_eq!((entry.class, entry.hour), (class, 2));
        }
    }
}

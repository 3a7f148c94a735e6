//! How the list of events is written down: once, for body, class, number, name and fields.

/// Writes the list of events once: body, class, number, name, and the tag of each field.
macro_rules! events {
    ($($(#[$doc:meta])* $number:literal $name:literal $event:ident {
        $($(#[$field_doc:meta])* $tag:literal $field:ident: $kind:ty,)*
    })*) => {
        /// What happened. A class keeps its number, and each of its fields its tag and type, for ever.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum EventBody {
            $($(#[$doc])* $event { $($(#[$field_doc])* $field: $kind,)* },)*
        }

        crate::domain::key::named! {
            /// The kind of an event: the only part of it, beside the hour, that the public log will show.
            EventClass { $($(#[$doc])* $event = $number, $name;)* }
        }

        impl EventBody {
            /// Of which class it is.
            #[must_use]
            pub fn class(&self) -> EventClass {
                match self { $(Self::$event { .. } => EventClass::$event,)* }
            }

            pub(in crate::domain::audit) fn write(&self, to: &mut Writer) {
                match self { $(Self::$event { $($field),* } => { $(to.field($tag, $field);)* })* }
            }

            /// Its fields by name, as text, in their order: those that are there. Octets are hexadecimal, or their SM3
            /// where they are longer than a hash.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, String)> {
                let fields = match self {
                    $(Self::$event { $($field),* } => vec![$((stringify!($field), $field.told())),*],)*
                };
                fields.into_iter().filter_map(|(name, text): (_, Option<String>)| Some((name, text?))).collect()
            }

            pub(in crate::domain::audit) fn read(class: EventClass, from: &mut Reader<'_>) -> Result<Self, EncodingError> {
                match class { $(EventClass::$event => Ok(Self::$event { $($field: from.field($tag)?),* }),)* }
            }
        }
    };
}

pub(in crate::domain::audit) use events;

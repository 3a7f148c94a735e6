//! The events of watching over the system, from number 90 on: a part of the one list, in a file of its own.

/// Gives the list of events on, with those of alarms behind it.
macro_rules! with_alarm_events {
    ($($before:tt)*) => {
        with_seal_events! {
            $($before)*
            /// A rule against misuse, or a watch of the system's own, found something that somebody must look at.
            90 "alarm-raised" AlarmRaised {
                /// What it is about.
                0 alarm: AlarmKind,
                /// The seal that was used.
                1 seal: Option<SealId>,
                /// Who used it, or was refused.
                2 caller: Option<CallerId>,
                /// The place that security events do not reach, by the name of its kind; or what else an alarm is about: a row,
                /// a witness, an office, the code of a division.
                3 sink: Option<String>,
                /// The number of the event that tipped the balance.
                4 event: Option<u64>,
                /// How many there were: uses, refusals, minutes of silence.
                5 count: u64,
            }
            /// Somebody has looked at an alarm and ended it.
            91 "alarm-acknowledged" AlarmAcknowledged {
                /// What it was about.
                0 alarm: AlarmKind,
                /// The number of the event that raised it.
                1 event: u64,
            }
            /// What ended long ago is kept no longer, as the configuration says. The events of it stay.
            92 "records-forgotten" RecordsForgotten {
                /// `certificates`, `certificate-requests` or `issuance-jobs`.
                0 kind: String,
                /// How many.
                1 count: u64,
                /// What ended before this moment.
                2 ended_before: Timestamp,
            }
            /// After a restore the leaves from one number up to, not with, another were taken in from a mirror; their events
            /// are lost. Two officers approved that.
            100 "log-gap-recorded" LogGapRecorded {
                /// The first number whose event is lost.
                0 from: u64,
                /// The number after the last one: the leaves that the mirror had.
                1 to: u64,
                /// The root of the mirror's tree of SM3.
                2 sm3_root: [u8; 32],
                /// The root of the mirror's tree of SHA-256.
                3 sha256_root: [u8; 32],
                /// One officer.
                4 first: CallerId,
                /// The value of that officer's signature.
                5 first_signature: Vec<u8>,
                /// The other officer.
                6 second: CallerId,
                /// The value of that officer's signature.
                7 second_signature: Vec<u8>,
            }
            /// Events were erased with their salts; their leaves stay. Two officers approved that.
            105 "events-erased" EventsErased {
                /// Their numbers, rising.
                0 numbers: Vec<u64>,
                /// Why.
                1 reason: ErasureReason,
                /// One officer.
                2 first: CallerId,
                /// The value of that officer's signature.
                3 first_signature: Vec<u8>,
                /// The other officer.
                4 second: CallerId,
                /// The value of that officer's signature.
                5 second_signature: Vec<u8>,
            }
            /// Events that are kept no longer, as the configuration or the operator says, were erased; their leaves stay.
            106 "events-pruned" EventsPruned {
                /// The first number.
                0 from: u64,
                /// The number after the last one.
                1 to: u64,
                /// How many were there still.
                2 count: u64,
                /// All of them happened before this moment.
                3 before: Timestamp,
            }
            /// Old tiles of the log were moved to a folder, and are no rows any more; or the folder is another one.
            107 "old-tiles-moved" OldTilesMoved {
                /// The leaf at which those of before end.
                0 from: u64,
                /// The leaf at which they end now.
                1 below: u64,
            }
            /// Two officers released what an alarm held: the seal may be used again, the caller is let in again.
            108 "alarm-released" AlarmReleased {
                /// What the alarm was about.
                0 alarm: AlarmKind,
                /// The number of the event that raised it.
                1 event: u64,
                /// The seal that rested.
                2 seal: Option<SealId>,
                /// The caller who was barred.
                3 caller: Option<CallerId>,
                /// One officer.
                4 first: CallerId,
                /// The value of that officer's signature.
                5 first_signature: Vec<u8>,
                /// The other officer.
                6 second: CallerId,
                /// The value of that officer's signature.
                7 second_signature: Vec<u8>,
            }
        }
    };
}

pub(in crate::domain::audit) use with_alarm_events;

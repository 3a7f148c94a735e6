//! How much each class of event matters to whoever watches the system's security; some do not, and stay inside.

use crate::domain::audit::body::EventClass;
use crate::domain::key::named;

named! {
    /// The severities of RFC 5424 (6.2.1, table 2) that our events have. The number is the standard's.
    Severity {
        /// Somebody must act at once.
        Alert = 1, "alert";
        /// Something failed that should not.
        Error = 3, "error";
        /// Something may be wrong.
        Warning = 4, "warning";
        /// Rare, and worth a look.
        Notice = 5, "notice";
        /// The daily work.
        Informational = 6, "informational";
    }
}

/// How much an event of that class matters; nothing where it is no security event.
///
/// Not told outside: what anybody may do without changing anything (verifications, time stamps), and the steps of a work
/// whose beginning and end are told. Of an alarm the class says [`Severity::Alert`]; the alarm itself may say less.
#[must_use]
pub const fn severity(class: EventClass) -> Option<Severity> {
    use EventClass as Class;
    match class {
        Class::AlarmRaised | Class::LogGapRecorded => Some(Severity::Alert),
        Class::ClockDistrusted => Some(Severity::Error),
        Class::AccessRefused
        | Class::SealSuspended
        | Class::KeySuspended
        | Class::KeyExported
        | Class::KeyRecovered
        | Class::CallerBarred
        | Class::EventsErased
        | Class::AlarmReleased
        | Class::ExpiryAlerted
        | Class::OrderEnded
        | Class::OfficeAnswerRefused
        | Class::WebhookGivenUp
        | Class::OfficeDecided => Some(Severity::Warning),
        Class::ServiceStarted
        | Class::CallerRegistered
        | Class::KeyCreated
        | Class::KeyImported
        | Class::KeyResumed
        | Class::KeyDestroyed
        | Class::EncryptionKeyCreated
        | Class::EncryptionKeyRotated
        | Class::EncryptionKeyRewrapped
        | Class::SealIssued
        | Class::SealTaken
        | Class::SealReceived
        | Class::SealFiling
        | Class::SealImported
        | Class::SealRemakeOrdered
        | Class::SealRemakeApproved
        | Class::SealRemakeAllRevoked
        | Class::SealRemakeEnded
        | Class::SealImportBegun
        | Class::SealImportFinished
        | Class::SealResumed
        | Class::SealApplicationFulfilled
        | Class::SealDelivered
        | Class::SealSuperseded
        | Class::SealArchived
        | Class::SealExpired
        | Class::CodeRangeAssigned
        | Class::SealOfficerAppointed
        | Class::SealOfficerDismissed
        | Class::UseAuthorised
        | Class::UseAuthorisationWithdrawn
        | Class::UsesWithdrawn
        | Class::SealRevoked
        | Class::AuthorityCreated
        | Class::AuthorityRetired
        | Class::AuthorityCrossed
        | Class::AuthorityRolledOver
        | Class::AuthorityRequestChanged
        | Class::ResponderChanged
        | Class::CertificateSuspended
        | Class::CertificateResumed
        | Class::CertificateRevoked
        | Class::ClockTrusted
        | Class::KeyEscrowed
        | Class::RecoveryOrdered
        | Class::OfficerAppointed
        | Class::OfficerDismissed
        | Class::CeremonyHeld
        | Class::TrustListImported
        | Class::TrustListApproved
        | Class::TrustListActivated
        | Class::TrustListRefused
        | Class::RecordsForgotten
        | Class::EventsPruned
        | Class::WebhookResent
        | Class::OldTilesMoved
        | Class::AlarmAcknowledged => Some(Severity::Notice),
        Class::SigningIntended
        | Class::DocumentSigned
        | Class::SigningAbandoned
        | Class::CertificateIssued
        | Class::CertificateRenewed
        | Class::IssuanceAbandoned
        | Class::CrlIssued
        | Class::ReportSigned
        | Class::ApplicationSubmitted
        | Class::ApplicationChecked
        | Class::ApplicationApproved
        | Class::ApplicationRefused
        | Class::ApplicationWithdrawn
        | Class::ApplicationFulfilled
        | Class::ApplicationLapsed
        | Class::SealApplicationSubmitted
        | Class::SealMakingIntended
        | Class::SealOrdered
        | Class::SigningPrepared
        | Class::PersonSigningIntended
        | Class::PersonSigned
        | Class::PersonSigningAbandoned
        | Class::MessageSigningIntended
        | Class::MessageSigned
        | Class::MessageSigningAbandoned
        | Class::SealRemakeIntended
        | Class::SealRemade
        | Class::UseApproved
        | Class::UseEntered
        | Class::RecoveryLapsed
        | Class::JobStarted
        | Class::JobChecked
        | Class::JobApproved
        | Class::JobFinished
        | Class::JobCancelled => Some(Severity::Informational),
        Class::DocumentVerified
        | Class::IssuanceIntended
        | Class::TimeStampsIssued
        | Class::JobPaused
        | Class::JobResumed
        | Class::JobBegun
        | Class::VerificationBatchStarted
        | Class::VerificationBatchFinished
        | Class::VerificationBatchForgotten => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard() {
        let numbers = Severity::ALL.iter().map(|one| (one.number(), one.name())).collect::<Vec<_>>();
        let standard = [(1, "alert"), (3, "error"), (4, "warning"), (5, "notice"), (6, "informational")];
        assert_eq!(numbers, standard);
    }

    #[test]
    fn every_use_of_a_seal_and_every_alarm_is_told() {
        for class in [EventClass::SigningIntended, EventClass::DocumentSigned, EventClass::SigningAbandoned] {
            assert_eq!(severity(class), Some(Severity::Informational));
        }
        assert_eq!(severity(EventClass::AlarmRaised), Some(Severity::Alert));
        assert_eq!(severity(EventClass::DocumentVerified), None);
    }
}

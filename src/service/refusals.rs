//! The stable code of each error of the use cases, and what sort of refusal it is: the doors turn that into a status, nothing else.

use crate::domain::ca;
use crate::domain::ca::request::StepRefused;
use crate::domain::message;
use crate::domain::seal::application::ApplicationRefused;
use crate::domain::seal::authority::TermsRefused;
use crate::domain::seal::code::CodeError;
use crate::domain::seal::{InvalidTransition, maker, signing};
use crate::domain::verify::signed_report;
use crate::service::door::{ErrorKind, Refusal};
use crate::service::{Error, audit_log, keys, publication, stamping};
use crate::store;

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCaller => "unknown-caller",
            Self::CallerNeeded => "caller-needed",
            Self::CallerBarred => "caller-barred",
            Self::CallerExists => "caller-exists",
            Self::RolesConflict(_) => "roles-conflict",
            Self::Replay => "replayed",
            Self::InvalidNonce => "invalid-nonce",
            Self::InvalidIdempotencyKey => "invalid-idempotency-key",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::IdempotencyKeyInUse => "idempotency-key-in-use",
            Self::UnknownSeal => "unknown-seal",
            Self::UnknownAlarm => "unknown-alarm",
            Self::AlarmAcknowledged => "alarm-acknowledged",
            Self::AlarmHoldsNothing => "alarm-holds-nothing",
            Self::SealHeld { .. } => "seal-held-by-alarm",
            Self::NotApproved(refused) => refused.code(),
            // What a caller can act on has a code of its own.
            Self::InvalidTransition(InvalidTransition { from: "suspended", attempt: "sign" }) => "seal-suspended",
            Self::InvalidTransition(InvalidTransition { from: "revoked", attempt: "sign" }) => "seal-revoked",
            Self::InvalidTransition(InvalidTransition { from: "made", attempt: "sign" }) => "seal-not-delivered",
            Self::InvalidTransition(InvalidTransition { from: "superseded" | "archived", attempt: "sign" }) => {
                "seal-ended"
            }
            Self::InvalidTransition(_) => "invalid-transition",
            Self::SealExists => "seal-exists",
            Self::SealUnkept => "seal-unkept",
            Self::SealWithoutKeeper => "seal-without-keeper",
            Self::NotSealAdministrator => "not-seal-administrator",
            Self::NotSealUser => "not-seal-user",
            Self::Terms(refused) => refused.code(),
            Self::Use(refused) => refused.code(),
            Self::UnknownAuthorisation => "unknown-authorisation",
            Self::AuthorisationExists => "authorisation-exists",
            Self::TooManyAuthorisations { .. } => "too-many-authorisations",
            Self::LedgerNotYours => "ledger-not-yours",
            Self::Taking(error) => error.code(),
            Self::SealApplication(refused) => refused.code(),
            Self::SealCode(error) => error.code(),
            Self::ImportTable(error) => error.code(),
            Self::Remake(refused) => refused.code(),
            Self::UnknownApplication => "unknown-seal-application",
            Self::UnknownDocument => "unknown-document",
            Self::ApplicationExists => "seal-application-exists",
            Self::NotSealOfficer => "not-seal-officer",
            Self::SealOfficerExists => "seal-officer-exists",
            Self::SealDocument { .. } => "seal-document",
            Self::SealPicture { .. } => "seal-picture",
            Self::SealForm => "seal-form",
            Self::SealKeeper => "seal-keeper",
            Self::DeliverySignature => "delivery-signature",
            Self::SuspensionSignature => "suspension-signature",
            Self::SignerKeyInUse => "signer-key-in-use",
            Self::NoSealMaker => "no-seal-maker",
            Self::SealMaker { .. } => "seal-maker",
            Self::SealOrdered { .. } => "seal-ordered",
            Self::SealOrderEnded { .. } => "seal-order-ended",
            Self::Arrival(refused) => refused.code(),
            Self::FilingOff => "filing-off",
            Self::FilingStands { .. } => "filing-stands",
            Self::SignerOurs => "signer-ours",
            Self::SignerCertificateEnded => "signer-certificate-ended",
            Self::TooManyPrepared { .. } => "too-many-prepared",
            Self::UnknownSigning => "unknown-signing",
            Self::SigningEnded => "signing-ended",
            Self::ValueWrong => "value-wrong",
            Self::NoExchangeKey => "no-exchange-key",
            Self::UnknownNotice => "unknown-notice",
            Self::SealApprovalNeeded => "seal-approval-needed",
            Self::CallerCertificate => "caller-certificate-unusable",
            Self::SignerNotOurs => "signer-not-ours",
            Self::Signing(error) => error.code(),
            Self::Making(maker::Error::Unacceptable(refused)) => refused.code(),
            Self::Making(_) => "seal-not-made",
            Self::Publishing(error) => error.code(),
            Self::Issuance(error) => error.code(),
            Self::Possession(error) => error.code(),
            Self::UnknownAuthority => "unknown-authority",
            Self::AuthorityRetired => "authority-retired",
            Self::AuthorityNotActive => "authority-not-active",
            Self::AuthorityExists => "authority-exists",
            Self::AuthorityKeyInUse => "authority-key-in-use",
            Self::AuthorityProfile => "authority-profile",
            Self::UnknownAuthorityRequest => "unknown-authority-request",
            Self::TakingIn(error) => error.code(),
            Self::AuthorityFromOutside => "authority-from-outside",
            Self::Publication(_) => "publication",
            Self::UnknownCertificate => "unknown-certificate",
            Self::CertificateState(error) => error.code(),
            Self::Retention { .. } => "retention",
            Self::NotCertificateOfficer => "not-certificate-officer",
            Self::NotOfficer => "not-officer",
            Self::OfficerExists => "officer-exists",
            Self::UnknownRequest => "unknown-certificate-request",
            Self::RequestExists => "certificate-request-exists",
            Self::RequestStep(refused) => refused.code(),
            Self::Explanation { .. } => "explanation-too-long",
            Self::ApprovalNeeded => "approval-needed",
            Self::UnitKeyInUse => "unit-key-in-use",
            Self::NotAsApproved { .. } => "not-as-approved",
            Self::Pair(error) => error.code(),
            Self::TemporaryKey => "csr-temporary-key",
            Self::UnknownEscrow => "unknown-escrow",
            Self::EscrowDestroyed => "escrow-destroyed",
            Self::RecoveryRecipient => "recovery-recipient",
            Self::UnknownRecovery => "unknown-recovery",
            Self::Recovery(error) => error.code(),
            Self::Renewal(error) => error.code(),
            Self::TrustListForm(error) => error.code(),
            Self::TrustList(refused) => refused.code(),
            Self::TrustListStep(refused) => refused.code(),
            Self::UnknownTrustList => "unknown-trust-list",
            Self::IssuanceBusy => "issuance-busy",
            Self::UnknownJob => "unknown-job",
            Self::JobFile(error) => error.code(),
            Self::Job(error) => error.code(),
            Self::TooManyJobs { .. } => "too-many-jobs",
            Self::IssuanceOff => "issuance-off",
            Self::Shared(error) => error.code(),
            Self::AuditLog(error) => error.code(),
            Self::Drawing(error) => error.code(),
            Self::UnknownPolicy => "policy-unknown",
            Self::AnswerUnreadable => "answer-unreadable",
            Self::AnswerNotRemade { .. } => "answer-not-remade",
            Self::UnknownSigningKey => "unknown-signing-key",
            Self::NotKeyUser => "not-key-user",
            Self::Message(error) => error.code(),
            Self::SelfTestFailed { .. } => "selftest-failed",
            Self::Interrupted => "interrupted",
            Self::Random(_) => "random-unavailable",
            Self::ReportSigningOff => "report-signing-off",
            Self::Reporting(error) => error.code(),
            Self::Stamping(error) => error.code(),
            Self::Batch(error) => error.code(),
            Self::Person(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Store(store::Error::Inconsistent { .. }) => "inconsistent",
            Self::Store(store::Error::Contended { .. } | store::Error::Stale { .. }) => "contended",
            Self::Store(store::Error::Integrity(away)) => away.code,
            Self::Store(_) => "database",
        }
    }
}

impl Refusal for Error {
    fn code(&self) -> &'static str {
        Self::code(self)
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Batch(error) => error.kind(),
            Self::Person(error) => error.kind(),
            Self::UnknownSeal
            | Self::UnknownAlarm
            | Self::UnknownNotice
            | Self::UnknownSigning
            | Self::UnknownSigningKey
            | Self::UnknownTrustList
            | Self::UnknownAuthority
            | Self::UnknownAuthorityRequest
            | Self::UnknownCertificate
            | Self::UnknownJob
            | Self::UnknownRequest
            | Self::UnknownApplication
            | Self::UnknownDocument
            | Self::SealApplication(ApplicationRefused::UnknownSeal)
            | Self::UnknownEscrow
            | Self::UnknownAuthorisation
            | Self::UnknownRecovery
            | Self::Stamping(stamping::Error::Off)
            | Self::IssuanceOff
            | Self::Publishing(publication::Error::UnknownAuthority | publication::Error::UnknownShard) => {
                ErrorKind::NotFound
            }
            Self::Publishing(publication::Error::InProgress | publication::Error::NoFullList) => ErrorKind::Conflict,
            Self::Shared(error) => error.kind(),
            Self::UnknownCaller
            | Self::CallerBarred
            | Self::CallerNeeded
            | Self::Replay
            | Self::NotCertificateOfficer
            | Self::NotOfficer
            | Self::NotSealAdministrator
            | Self::NotSealOfficer
            | Self::DeliverySignature
            | Self::SuspensionSignature
            | Self::SealApplication(ApplicationRefused::OfficersDivision { .. })
            | Self::SealUnkept
            | Self::NotSealUser
            | Self::NotKeyUser
            | Self::LedgerNotYours
            | Self::Use(_)
            | Self::Terms(TermsRefused::NotKeeper | TermsRefused::Signature | TermsRefused::OwnApproval) => {
                ErrorKind::Forbidden
            }
            Self::RequestStep(refused) => match refused {
                StepRefused::State { .. }
                | StepRefused::Repeated
                | StepRefused::ApproverGone
                | StepRefused::Backwards => ErrorKind::Conflict,
                StepRefused::LapsedByHand => ErrorKind::Refused,
                _ => ErrorKind::Forbidden,
            },
            Self::TrustList(_) | Self::TrustListStep(_) => ErrorKind::Conflict,
            Self::TrustListForm(_) => ErrorKind::Refused,
            Self::CallerExists
            | Self::RolesConflict(_)
            | Self::IdempotencyKeyReused
            | Self::AnswerNotRemade { .. }
            | Self::IdempotencyKeyInUse
            | Self::SealExists
            | Self::ApplicationExists
            | Self::SealOfficerExists
            | Self::SignerKeyInUse
            | Self::NoSealMaker
            | Self::SealOrdered { .. }
            | Self::SignerOurs
            | Self::SignerCertificateEnded
            | Self::SigningEnded
            | Self::TooManyPrepared { .. }
            | Self::FilingOff
            | Self::FilingStands { .. }
            | Self::SealOrderEnded { .. }
            | Self::Arrival(_)
            | Self::SealApprovalNeeded
            | Self::SealCode(CodeError::Overlap { .. } | CodeError::Exhausted { .. })
            | Self::Remake(_)
            | Self::SealApplication(
                ApplicationRefused::Single { .. }
                | ApplicationRefused::Duplicate { .. }
                | ApplicationRefused::State { .. },
            )
            | Self::SealWithoutKeeper
            | Self::AuthorisationExists
            | Self::TooManyAuthorisations { .. }
            | Self::AlarmAcknowledged
            | Self::AlarmHoldsNothing
            | Self::SealHeld { .. }
            | Self::NotApproved(_)
            | Self::SignerNotOurs
            | Self::AuthorityRetired
            | Self::AuthorityNotActive
            | Self::AuthorityExists
            | Self::AuthorityFromOutside
            | Self::AuthorityKeyInUse
            | Self::OfficerExists
            | Self::RequestExists
            | Self::ApprovalNeeded
            | Self::UnitKeyInUse
            | Self::NotAsApproved { .. }
            | Self::CertificateState(_)
            | Self::Job(_)
            | Self::TooManyJobs { .. }
            | Self::EscrowDestroyed
            | Self::ReportSigningOff
            | Self::Reporting(signed_report::Error::NotValid { .. })
            | Self::Recovery(_)
            | Self::Renewal(_)
            | Self::InvalidTransition(_) => ErrorKind::Conflict,
            Self::IssuanceBusy | Self::NoExchangeKey => ErrorKind::Unavailable,
            Self::Keys(keys::Error::Unacceptable(_))
            | Self::Making(maker::Error::Unacceptable(_))
            | Self::Issuance(ca::Error::Unacceptable(_)) => ErrorKind::Conflict,
            Self::InvalidNonce
            | Self::InvalidIdempotencyKey
            | Self::UnknownPolicy
            | Self::Making(_)
            | Self::Taking(_)
            | Self::Terms(_)
            | Self::CallerCertificate
            | Self::SealApplication(_)
            | Self::SealCode(_)
            | Self::ImportTable(_)
            | Self::SealDocument { .. }
            | Self::SealPicture { .. }
            | Self::SealForm
            | Self::SealKeeper
            | Self::SealMaker { .. }
            | Self::Possession(_)
            | Self::AuthorityProfile
            | Self::TakingIn(_)
            | Self::Publication(_)
            | Self::Retention { .. }
            | Self::JobFile(_)
            | Self::Explanation { .. }
            | Self::Pair(_)
            | Self::TemporaryKey
            | Self::RecoveryRecipient
            | Self::ValueWrong
            | Self::Drawing(_) => ErrorKind::Refused,
            Self::Signing(error) => match error {
                signing::Error::Seal(_) | signing::Error::Certificate | signing::Error::Signature => {
                    ErrorKind::Internal
                }
                signing::Error::SealNotValid { .. } | signing::Error::SignerNotValid { .. } => ErrorKind::Conflict,
                _ => ErrorKind::Refused,
            },
            Self::Message(error) => match error {
                message::Error::Certificate | message::Error::Signature | message::Error::TimeStampOfAnother => {
                    ErrorKind::Internal
                }
                message::Error::NotValid { .. } => ErrorKind::Conflict,
                _ => ErrorKind::Refused,
            },
            Self::Stamping(stamping::Error::Unfit(_)) => ErrorKind::Refused,
            Self::Stamping(_) => ErrorKind::Unavailable,
            Self::Store(store::Error::Contended { .. } | store::Error::Stale { .. }) => ErrorKind::Unavailable,
            Self::Store(store::Error::Integrity(_) | store::Error::Random(_)) | Self::Random(_) => {
                ErrorKind::Unavailable
            }
            // A device that is away or busy may be back for the next request.
            Self::Keys(error) if error.passes() => ErrorKind::Unavailable,
            Self::Keys(keys::Error::Refused(_)) => ErrorKind::Conflict,
            // What we wrote or signed is not right: nothing that the request could say better.
            Self::Issuance(ca::Error::NoAuthority | ca::Error::Unreadable(_) | ca::Error::Signature) => {
                ErrorKind::Internal
            }
            // No randomness, or no memory.
            Self::Issuance(ca::Error::ThrowAway(_)) => ErrorKind::Unavailable,
            Self::Issuance(_) => ErrorKind::Refused,
            Self::AuditLog(error) => match error {
                audit_log::Error::NoSuchLeaf { .. }
                | audit_log::Error::NoSuchFile
                | audit_log::Error::TreeOff { .. }
                | audit_log::Error::Off => ErrorKind::NotFound,
                audit_log::Error::Erased { .. } | audit_log::Error::NotMerged { .. } | audit_log::Error::EventKnown => {
                    ErrorKind::Conflict
                }
                audit_log::Error::NotEntitled => ErrorKind::Forbidden,
                // An object store that is away may be back for the next request.
                audit_log::Error::ObjectStore { .. } => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
            Self::Publishing(_)
            | Self::Reporting(_)
            | Self::AnswerUnreadable
            | Self::SelfTestFailed { .. }
            | Self::Interrupted
            | Self::Keys(_)
            | Self::Store(_) => ErrorKind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trust::{Unacceptable, Use};

    #[test]
    fn a_busy_key_store_may_be_tried_again_and_a_suspended_key_may_not() {
        let kind = |error: keys::Error| Error::from(error).kind();
        assert_eq!(kind(keys::Error::Busy), ErrorKind::Unavailable);
        assert_eq!(kind(keys::Error::TimedOut), ErrorKind::Unavailable);
        assert_eq!(kind(keys::Error::Unavailable), ErrorKind::Unavailable);
        let gone = crate::crypto::Error::Device { code: "key-store-unavailable" };
        assert_eq!(kind(gone.into()), ErrorKind::Unavailable);
        let key = crate::base::id::KeyId::parse("k").unwrap();
        assert_eq!(kind(crate::domain::key::KeyRefusal::Suspended { key }.into()), ErrorKind::Conflict);
        assert_eq!(kind(keys::Error::WrongEncryptionKey), ErrorKind::Internal);
    }

    #[test]
    fn what_the_algorithm_policy_lets_nobody_make_is_told_by_its_own_code() {
        let refused = || Unacceptable::Refused { algorithm: "sm2-sm3".into(), wanted: Use::Issue };
        let (at_signing, at_making) = (keys::Error::from(refused()), maker::Error::from(refused()));
        for error in [at_signing.into(), at_making.into(), Error::from(ca::Error::from(refused()))] {
            assert_eq!((error.code(), error.kind()), ("algorithm-not-accepted", ErrorKind::Conflict), "{error:?}");
        }
    }
}

//! Why a use case refused or failed, each with a stable code.

use std::sync::Arc;

use crate::base::id::SignatureId;
use crate::base::random::RandomUnavailable;
use crate::domain::ca;
use crate::domain::ca::job;
use crate::domain::ca::job_file::JobFileError;
use crate::domain::ca::pair::PairError;
use crate::domain::ca::possession::PossessionError;
use crate::domain::ca::publication::InvalidPublication;
use crate::domain::ca::recovery::RecoveryRefused;
use crate::domain::ca::renewal::RenewalError;
use crate::domain::ca::request::StepRefused;
use crate::domain::ca::taking_in::TakingInError;
use crate::domain::ca::trust_list::ListStepRefused;
use crate::domain::ca::two_hands::TwoHandsRefused;
use crate::domain::caller::RolesConflict;
use crate::domain::message;
use crate::domain::seal::application::ApplicationRefused;
use crate::domain::seal::arrival::ArrivalRefused;
use crate::domain::seal::authority::{TermsRefused, UseRefused};
use crate::domain::seal::code::CodeError;
use crate::domain::seal::import_table::ImportTableError;
use crate::domain::seal::remake::RemakeRefused;
use crate::domain::seal::{InvalidTransition, maker, signing, taking};
use crate::domain::trust::ListRefused;
use crate::domain::verify::signed_report;
use crate::format::trust_list::TrustListError;
use crate::render;
use crate::service::person_signings::PersonError;
use crate::service::verification_batches::BatchError;
use crate::service::{audit_log, keys, publication, stamping};
use crate::store;

/// What a use case answers when it does not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No caller is registered under that name or key.
    #[error("no such caller")]
    UnknownCaller,
    /// A stranger asked for what only a registered caller may have.
    #[error("a registered key is needed")]
    CallerNeeded,
    /// The caller is barred.
    #[error("the caller is barred")]
    CallerBarred,
    /// A caller with that key is registered already.
    #[error("a caller with this key is registered")]
    CallerExists,
    /// The roles exclude each other.
    #[error(transparent)]
    RolesConflict(#[from] RolesConflict),
    /// The caller has used this nonce before.
    #[error("the nonce was used before")]
    Replay,
    /// A nonce of 1 to 128 printable characters is wanted.
    #[error("a nonce is 1 to 128 printable ASCII characters")]
    InvalidNonce,
    /// An `Idempotency-Key` of 1 to 128 printable characters is wanted.
    #[error("an idempotency key is 1 to 128 printable ASCII characters")]
    InvalidIdempotencyKey,
    /// The key came before, with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The first request under this key is still at work.
    #[error("the first request under this idempotency key has not ended")]
    IdempotencyKeyInUse,
    /// No seal of that name.
    #[error("no such seal")]
    UnknownSeal,
    /// The seal's state does not allow it.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// The seal, or its signer's certificate, is here already.
    #[error("a seal of this number, or this certificate of its signer, is here already")]
    SealExists,
    /// The seal has no keeper who could authorise this use, and the installation lets nobody use such seals.
    #[error("the seal has no keeper, and nobody uses a seal without one here")]
    SealUnkept,
    /// Only a keeper authorises.
    #[error("the seal has no keeper")]
    SealWithoutKeeper,
    /// A keeper holds the role of those who care for seals.
    #[error("the caller does not hold the role seal-administrator")]
    NotSealAdministrator,
    /// Who is authorised holds the role of those who use seals.
    #[error("the caller does not hold the role seal-user")]
    NotSealUser,
    /// An authorisation is not given so.
    #[error(transparent)]
    Terms(#[from] TermsRefused),
    /// A seal is not used so.
    #[error(transparent)]
    Use(#[from] UseRefused),
    /// No authorisation of that name.
    #[error("no such authorisation")]
    UnknownAuthorisation,
    /// An authorisation, or an approval, with that nonce is here already.
    #[error("this authorisation, or approval, was given already")]
    AuthorisationExists,
    /// Too many authorisations of one user for one seal.
    #[error("{most} authorisations of this user for this seal count already; withdraw one first")]
    TooManyAuthorisations {
        /// At most.
        most: i64,
    },
    /// The use ledger shows to each reader what concerns the reader.
    #[error("the ledger shows the own uses, and keepers the uses of their seals")]
    LedgerNotYours,
    /// The seal cannot be taken in.
    #[error(transparent)]
    Taking(#[from] taking::Error),
    /// An application for a seal is not taken.
    #[error(transparent)]
    SealApplication(#[from] ApplicationRefused),
    /// Codes of seals are not assigned, or none is left.
    #[error(transparent)]
    SealCode(#[from] CodeError),
    /// A table of seals that shall be taken in is none.
    #[error(transparent)]
    ImportTable(#[from] ImportTableError),
    /// Seals are not re-made so.
    #[error(transparent)]
    Remake(#[from] RemakeRefused),
    /// No application for a seal has that name.
    #[error("no such application for a seal")]
    UnknownApplication,
    /// The application has no such file.
    #[error("no such document, or picture, came with the application")]
    UnknownDocument,
    /// Another maker makes seals of that type here.
    #[error("seals of type {kind:02} are made by another maker here")]
    SealMaker {
        /// The code of the type.
        kind: u8,
    },
    /// The seal was ordered at its maker, and is not here yet.
    #[error("the seal was ordered at its maker ({state}), and is not here yet")]
    SealOrdered {
        /// Where the order stands.
        state: &'static str,
    },
    /// No seal comes for the application any more.
    #[error("the order at the maker is {state}: no seal comes for this application")]
    SealOrderEnded {
        /// Where the order stands.
        state: &'static str,
    },
    /// The seal that came is not the one that was applied for.
    #[error(transparent)]
    Arrival(#[from] ArrivalRefused),
    /// Nobody files seals from here.
    #[error("no office is named that files seals")]
    FilingOff,
    /// The filing of a seal stands where it cannot be ordered.
    #[error("the filing of the seal is {state}")]
    FilingStands {
        /// `waiting` or `filed`.
        state: &'static str,
    },
    /// The signer's key is one of ours: nothing is prepared for it.
    #[error("the signer's key lies here: the document is sealed here")]
    SignerOurs,
    /// The signer's certificate is revoked or suspended.
    #[error("the signer's certificate is not to be used now")]
    SignerCertificateEnded,
    /// Too many prepared signings of one caller wait.
    #[error("{most} prepared signings wait for their values already")]
    TooManyPrepared {
        /// At most.
        most: i64,
    },
    /// No signing of that name was prepared by this caller.
    #[error("no such prepared signing")]
    UnknownSigning,
    /// What the client brought is not its key's value over what was prepared.
    #[error("the value is not the signer's over what was prepared")]
    ValueWrong,
    /// The prepared signing is signed, given up, or too old.
    #[error("the prepared signing has ended")]
    SigningEnded,
    /// No key signs messages to offices elsewhere.
    #[error("no key of purpose exchange can be used now")]
    NoExchangeKey,
    /// No notice of that event was given up for that receiver.
    #[error("no notice of that event was given up for that receiver")]
    UnknownNotice,
    /// An application of this nonce is here already.
    #[error("an application for a seal with this nonce is here already")]
    ApplicationExists,
    /// The caller is no officer of seals now.
    #[error("the caller is no officer of seals")]
    NotSealOfficer,
    /// The caller is an officer of seals already.
    #[error("the caller is an officer of seals already")]
    SealOfficerExists,
    /// A document that comes with an application is empty or too large.
    #[error("a document that comes with an application has 1 to {most} octets")]
    SealDocument {
        /// So many octets.
        most: usize,
    },
    /// The picture of a seal is none, or not the one that was applied for.
    #[error(
        "the picture is a PNG of at most {most} octets, the one whose SM3 the application names, and comes with what is made"
    )]
    SealPicture {
        /// So many octets.
        most: usize,
    },
    /// Seals of that form have no such list of signers.
    #[error("a seal of version 1 lists certificates, not their digests")]
    SealForm,
    /// The keeper is nobody who may keep a seal.
    #[error("the keeper of a seal is a registered caller that is let in, and no administrator")]
    SealKeeper,
    /// The signature is not the keeper's over this delivery.
    #[error("the signature is not the keeper's over the delivery of this seal")]
    DeliverySignature,
    /// The signature is not the officer's over this suspension.
    #[error("the signature is not this officer's over the suspension of this seal")]
    SuspensionSignature,
    /// One key uses one seal.
    #[error("the signer's key has a certificate already: each seal has a key of its own")]
    SignerKeyInUse,
    /// There is no key that may make seals now.
    #[error("no seals are made here: no maker's key with a valid certificate is at work")]
    NoSealMaker,
    /// A seal with an application is resumed and revoked by applications.
    #[error("this seal is resumed by an approved application")]
    SealApprovalNeeded,
    /// No certificate or public key in PEM that can sign requests.
    #[error("no certificate or public key in PEM with a key that signs requests")]
    CallerCertificate,
    /// The seal's signer is not one of our keys.
    #[error("the seal's signer is not one of our keys")]
    SignerNotOurs,
    /// The document cannot be sealed so.
    #[error(transparent)]
    Signing(#[from] signing::Error),
    /// The seal cannot be made so.
    #[error(transparent)]
    Making(#[from] maker::Error),
    /// The certificate cannot be issued so.
    #[error(transparent)]
    Issuance(#[from] ca::Error),
    /// Nothing can be published.
    #[error(transparent)]
    Publishing(#[from] publication::Error),
    /// A request for a certificate is not taken.
    #[error(transparent)]
    Possession(#[from] PossessionError),
    /// No authority of ours has that name.
    #[error("no such certification authority")]
    UnknownAuthority,
    /// The authority issues no more.
    #[error("the certification authority is retired")]
    AuthorityRetired,
    /// The certificate of the authority, or of one above it, is on hold or revoked.
    #[error("the certificate of the authority, or of one above it, is not active")]
    AuthorityNotActive,
    /// An authority of that name, or with that certificate, is here already.
    #[error("an authority of this name, or this certificate, is here already")]
    AuthorityExists,
    /// One key stands for one authority.
    #[error("the key is that of another authority")]
    AuthorityKeyInUse,
    /// An authority is made by a profile for authorities, and everything else is not.
    #[error("authorities are made by profiles for authorities, and certificates on request by all others")]
    AuthorityProfile,
    /// No authority of that name waits for a certificate.
    #[error("no authority of this name waits for a certificate")]
    UnknownAuthorityRequest,
    /// No certificate is asked for outside, or what came back is not taken in.
    #[error(transparent)]
    TakingIn(#[from] TakingInError),
    /// Its certificate comes from outside: so must its successor's.
    #[error("the certificate of the authority comes from outside, and so must that of its successor")]
    AuthorityFromOutside,
    /// Where the authority publishes is not told in a form that certificates can say.
    #[error(transparent)]
    Publication(#[from] InvalidPublication),
    /// No certificate of ours has that name.
    #[error("no such certificate")]
    UnknownCertificate,
    /// The certificate's state does not allow it.
    #[error(transparent)]
    CertificateState(#[from] ca::state::InvalidTransition),
    /// Records of certificates are kept longer.
    #[error("records of certificates are kept {least} years at least after their end")]
    Retention {
        /// So many years.
        least: u32,
    },
    /// The caller does not hold the role of officers of certificates.
    #[error("the caller does not hold the role certificate-officer")]
    NotCertificateOfficer,
    /// The caller is no officer of certificates now.
    #[error("the caller is no officer of certificates")]
    NotOfficer,
    /// The caller is an officer of certificates already.
    #[error("the caller is an officer of certificates already")]
    OfficerExists,
    /// No request for a certificate has that name.
    #[error("no such request for a certificate")]
    UnknownRequest,
    /// A request of this nonce is here already.
    #[error("a request for a certificate with this nonce is here already")]
    RequestExists,
    /// The step of a request for a certificate is not taken.
    #[error(transparent)]
    RequestStep(#[from] StepRefused),
    /// The explanation is too long.
    #[error("an explanation has {most} octets at most")]
    Explanation {
        /// So many octets.
        most: usize,
    },
    /// The profile wants approvals.
    #[error("the profile wants approvals: certificates of it are issued for approved requests only")]
    ApprovalNeeded,
    /// Another unit was made with the key meanwhile, or the key was put to rest.
    #[error("the key became another unit's while the certificate was made")]
    UnitKeyInUse,
    /// The certificate would not be the approved one.
    #[error("the certificate's {field} would not be what was approved")]
    NotAsApproved {
        /// Where they differ.
        field: &'static str,
    },
    /// Two certificates are no pair.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The temporary key of a request is no point of the curve.
    #[error("the temporary key of the request is no SM2 key")]
    TemporaryKey,
    /// No key is kept for that certificate.
    #[error("no key is kept for this certificate")]
    UnknownEscrow,
    /// The key was destroyed when its time of keeping was over.
    #[error("the key that was kept for this certificate was destroyed")]
    EscrowDestroyed,
    /// A recovered key is enveloped for a public key of its own kind.
    #[error("the recipient's public key cannot be read, or is not of the kind of the key to be recovered")]
    RecoveryRecipient,
    /// No order of recovery of that name.
    #[error("no such order of recovery")]
    UnknownRecovery,
    /// An order of recovery does not go on so.
    #[error(transparent)]
    Recovery(#[from] RecoveryRefused),
    /// A certificate is not renewed so.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// A trust list cannot be read.
    #[error(transparent)]
    TrustListForm(#[from] TrustListError),
    /// A trust list is not accepted.
    #[error(transparent)]
    TrustList(#[from] ListRefused),
    /// The step of a trust list is not taken.
    #[error(transparent)]
    TrustListStep(#[from] ListStepRefused),
    /// No trust list has that SM3.
    #[error("no such trust list")]
    UnknownTrustList,
    /// More orders wait than are taken.
    #[error("more certificates are ordered than can be issued now; try again")]
    IssuanceBusy,
    /// No job of that name.
    #[error("no such job")]
    UnknownJob,
    /// The file of a job is wrong.
    #[error(transparent)]
    JobFile(#[from] JobFileError),
    /// The job's state, or another process that works on it, does not allow it.
    #[error(transparent)]
    Job(#[from] job::StepRefused),
    /// More jobs wait than are taken.
    #[error("{most} jobs have not ended; finish or cancel one first")]
    TooManyJobs {
        /// At most.
        most: i64,
    },
    /// This service issues nothing.
    #[error("no certificates are issued here")]
    IssuanceOff,
    /// What befell a whole batch, told to each order of it.
    #[error(transparent)]
    Shared(#[from] Arc<Error>),
    /// The seal's face cannot be drawn.
    #[error(transparent)]
    Drawing(#[from] render::Error),
    /// No such alarm.
    #[error("there is no such alarm")]
    UnknownAlarm,
    /// Somebody has looked at that alarm before.
    #[error("the alarm was acknowledged before")]
    AlarmAcknowledged,
    /// An alarm that holds nothing, or nothing any more.
    #[error("the alarm holds nothing, or two officers released it before")]
    AlarmHoldsNothing,
    /// A seal that an alarm laid to rest is not one person's to resume.
    #[error("alarm {alarm} holds the seal: two officers release it (yinxin alarms release)")]
    SealHeld {
        /// The alarm.
        alarm: u64,
    },
    /// Two officers must approve.
    #[error(transparent)]
    NotApproved(#[from] TwoHandsRefused),
    /// No verification policy of that name.
    #[error("no verification policy has that name")]
    UnknownPolicy,
    /// The answer kept under an idempotency key cannot be read.
    #[error("the answer kept under this idempotency key cannot be read")]
    AnswerUnreadable,
    /// The document was sealed, but this version of the program writes the package in another way.
    #[error(
        "signature {signature} was made, but this program cannot make its file again: it writes packages otherwise"
    )]
    AnswerNotRemade {
        /// Names the act of signing.
        signature: SignatureId,
    },
    /// The caller has no such key here, or none for this.
    #[error("the caller has no such signing key here")]
    UnknownSigningKey,
    /// The caller does not hold the role.
    #[error("the caller does not hold the role key-user")]
    NotKeyUser,
    /// A message.
    #[error(transparent)]
    Message(#[from] message::Error),
    /// A self-test at start did not give what it must.
    #[error("the self-test {test} failed; nothing is started")]
    SelfTestFailed {
        /// The test, its engine and how it ended.
        test: String,
    },
    /// A computation was cut off.
    #[error("a computation was cut off")]
    Interrupted,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// There is no report key that may be used now.
    #[error("reports are not signed here: no report key is at work")]
    ReportSigningOff,
    /// A report is not signed so.
    #[error(transparent)]
    Reporting(#[from] signed_report::Error),
    /// No time-stamp response.
    #[error(transparent)]
    Stamping(#[from] stamping::Error),
    /// The key store refused or failed.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// A batch of files to verify.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A person does not sign.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The audit log cannot be opened, grow, or prove something.
    #[error(transparent)]
    AuditLog(#[from] audit_log::Error),
}

//! What can happen: every class of event, with its number and its fields.

use crate::base::clock::Timestamp;
use crate::base::id::{
    ApplicationId, AuthorisationId, AuthorityId, BatchId, CallerId, EncryptionKeyId, JobId, KeyId, SealId, SignatureId,
    VerificationBatchId,
};
use crate::domain::audit::alarm::AlarmKind;
use crate::domain::audit::alarm_events::with_alarm_events;
use crate::domain::audit::encoding::{EncodingError, Field as _, Reader, Writer};
use crate::domain::audit::listing::events;
use crate::domain::audit::reason::{AbandonmentReason, ErasureReason, RevocationReason, SuspensionReason};
use crate::domain::audit::seal_events::with_seal_events;
use crate::domain::caller::Roles;
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeySourceKind, KeySuspensionReason, SealingAlgorithm};

with_alarm_events! {
    /// The service began its work, after every open intent was closed.
    1 "service-started" ServiceStarted {
        /// The program's version.
        0 version: String,
    }
    /// A request was refused for want of a right.
    2 "access-refused" AccessRefused {
        /// The endpoint, as the access table names it.
        0 endpoint: String,
        /// The stable code of the refusal.
        1 code: String,
    }
    /// A caller's key was registered.
    3 "caller-registered" CallerRegistered {
        /// The new caller.
        0 caller: CallerId,
        /// SHA-256 of its public key in DER: the `keyid` of its requests.
        1 key_fingerprint: [u8; 32],
        /// The key's algorithm.
        2 algorithm: KeyAlgorithm,
        /// What it may do.
        3 roles: Roles,
    }
    /// A caller is let in no more.
    4 "caller-barred" CallerBarred {
        /// The caller.
        0 caller: CallerId,
    }
    /// A key pair of ours was made.
    5 "key-created" KeyCreated {
        /// The key.
        0 key: KeyId,
        /// What it signs.
        1 purpose: KeyPurpose,
        /// Its algorithm.
        2 algorithm: KeyAlgorithm,
        /// SM3 of the public key.
        3 public_key_sm3: [u8; 32],
    }
    /// A certificate was issued. Its subject may be a person, so only hashes and the issuer stand here.
    6 "certificate-issued" CertificateIssued {
        /// Content octets of the serial number.
        0 serial: Vec<u8>,
        /// SM3 of the issuer's name in DER.
        1 issuer_sm3: [u8; 32],
        /// SM3 of the certificate in DER.
        2 certificate_sm3: [u8; 32],
        /// The key it certifies, when it is ours.
        3 key: Option<KeyId>,
    }
    /// A seal was made and signed by its maker.
    7 "seal-issued" SealIssued {
        /// The seal.
        0 seal: SealId,
        /// SM3 of the seal in DER.
        1 seal_sm3: [u8; 32],
        /// The seal maker's key.
        2 maker: KeyId,
        /// The signer's key, when it is ours.
        3 signer: Option<KeyId>,
    }
    /// A seal rests.
    8 "seal-suspended" SealSuspended {
        /// The seal.
        0 seal: SealId,
        /// Why.
        1 reason: SuspensionReason,
    }
    /// A resting seal is in use again.
    9 "seal-resumed" SealResumed {
        /// The seal.
        0 seal: SealId,
    }
    /// A seal is at its end.
    10 "seal-revoked" SealRevoked {
        /// The seal.
        0 seal: SealId,
        /// Why.
        1 reason: RevocationReason,
    }
    /// A document is about to be signed. The key is used only after this is kept.
    11 "signing-intended" SigningIntended {
        /// This act of signing.
        0 signature: SignatureId,
        /// The seal used.
        1 seal: SealId,
        /// SM3 of the document as it came.
        2 document_sm3: [u8; 32],
        /// The key that will sign.
        3 key: KeyId,
    }
    /// A document was signed. It is released only after this is kept.
    12 "document-signed" DocumentSigned {
        /// The act of signing that was intended.
        0 signature: SignatureId,
        /// The seal used.
        1 seal: SealId,
        /// SM3 of the document as it came.
        2 document_sm3: [u8; 32],
        /// SM3 of the signature's structure.
        3 signed_value_sm3: [u8; 32],
        /// SM3 of the document as it leaves.
        4 result_sm3: [u8; 32],
    }
    /// An intended signing came to nothing; no value of it was released.
    13 "signing-abandoned" SigningAbandoned {
        /// The act of signing that was intended.
        0 signature: SignatureId,
        /// Why.
        1 reason: AbandonmentReason,
    }
    /// A document was verified.
    14 "document-verified" DocumentVerified {
        /// SM3 of the document.
        0 document_sm3: [u8; 32],
        /// The indication over the whole document, as in the report.
        1 indication: String,
        /// The policy's name.
        2 policy: String,
        /// SM3 of the report in its JSON form.
        3 report_sm3: [u8; 32],
    }
    /// A key pair that was made elsewhere was taken into the key store.
    15 "key-imported" KeyImported {
        /// The key.
        0 key: KeyId,
        /// What it is for.
        1 purpose: KeyPurpose,
        /// Its algorithm.
        2 algorithm: KeyAlgorithm,
        /// SM3 of the public key.
        3 public_key_sm3: [u8; 32],
    }
    /// A private key left the key store, sealed under a passphrase.
    16 "key-exported" KeyExported {
        /// The key.
        0 key: KeyId,
        /// SM3 of the public key.
        1 public_key_sm3: [u8; 32],
    }
    /// A key rests.
    17 "key-suspended" KeySuspended {
        /// The key.
        0 key: KeyId,
        /// Why.
        1 reason: KeySuspensionReason,
    }
    /// A resting key is in use again.
    18 "key-resumed" KeyResumed {
        /// The key.
        0 key: KeyId,
    }
    /// A private key is gone; what stands here proves which.
    19 "key-destroyed" KeyDestroyed {
        /// The key.
        0 key: KeyId,
        /// SM3 of the public key.
        1 public_key_sm3: [u8; 32],
        /// SM3 of the sealed private key that was deleted; of a device's key, of its handle.
        2 private_key_sm3: [u8; 32],
    }
    /// A key-encryption key was made, and is kept wrapped.
    20 "key-encryption-key-created" EncryptionKeyCreated {
        /// The key-encryption key.
        0 key: EncryptionKeyId,
        /// Where the key comes from that wraps it.
        1 source: KeySourceKind,
    }
    /// Every private key was sealed anew under a new key-encryption key, and the old one is gone.
    21 "key-encryption-key-rotated" EncryptionKeyRotated {
        /// The new key-encryption key.
        0 key: EncryptionKeyId,
        /// The one that is gone.
        1 destroyed: EncryptionKeyId,
        /// How many private keys were sealed anew.
        2 keys: u64,
        /// Under which cipher.
        3 sealing: SealingAlgorithm,
    }
    /// The key-encryption key was wrapped anew under a key from another source.
    22 "key-encryption-key-rewrapped" EncryptionKeyRewrapped {
        /// The key-encryption key.
        0 key: EncryptionKeyId,
        /// Where the key comes from that wraps it now.
        1 source: KeySourceKind,
    }
    /// A seal that a maker elsewhere made for a key of ours was taken in.
    23 "seal-taken" SealTaken {
        /// The seal.
        0 seal: SealId,
        /// SM3 of the seal in DER.
        1 seal_sm3: [u8; 32],
        /// The signer's key.
        2 signer: KeyId,
        /// SM3 of the signer's certificate in DER.
        3 certificate_sm3: [u8; 32],
    }
    /// A certification authority of ours began its work.
    24 "authority-created" AuthorityCreated {
        /// The authority.
        0 authority: AuthorityId,
        /// SM3 of its certificate in DER.
        1 certificate_sm3: [u8; 32],
        /// Its key.
        2 key: KeyId,
        /// The authority above it, when that is ours.
        3 parent: Option<AuthorityId>,
    }
    /// An authority issues no more; what it issued can still be revoked.
    25 "authority-retired" AuthorityRetired {
        /// The authority.
        0 authority: AuthorityId,
    }
    /// Certificates are about to be signed. The authority's key is used only after this is kept.
    26 "issuance-intended" IssuanceIntended {
        /// The batch.
        0 batch: BatchId,
        /// Who issues.
        1 authority: AuthorityId,
        /// For each certificate 16 octets of its serial number, then SM3 of its `tbsCertificate`.
        2 items: Vec<u8>,
    }
    /// Certificates of a batch came to nothing: of each that stands here no signature was released.
    27 "issuance-abandoned" IssuanceAbandoned {
        /// The batch.
        0 batch: BatchId,
        /// Why.
        1 reason: AbandonmentReason,
        /// As in the intent.
        2 items: Vec<u8>,
    }
    /// A certificate rests (certificateHold, RFC 5280 5.3.1).
    28 "certificate-suspended" CertificateSuspended {
        /// SM3 of the certificate in DER.
        0 certificate_sm3: [u8; 32],
    }
    /// A resting certificate is in use again (removeFromCRL).
    29 "certificate-resumed" CertificateResumed {
        /// SM3 of the certificate in DER.
        0 certificate_sm3: [u8; 32],
    }
    /// A certificate is at its end.
    30 "certificate-revoked" CertificateRevoked {
        /// SM3 of the certificate in DER.
        0 certificate_sm3: [u8; 32],
        /// CRLReason (RFC 5280 5.3.1).
        1 reason: u64,
        /// Since when the key is known or thought to be unsafe (RFC 5280 5.3.2).
        2 invalidity_date: Option<Timestamp>,
    }
    /// A revocation list was signed.
    31 "crl-issued" CrlIssued {
        /// Who issued it.
        0 authority: AuthorityId,
        /// Which part of its certificates it speaks of.
        1 shard: u64,
        /// `cRLNumber`.
        2 number: u64,
        /// The number of the list that it changes, when it is a delta.
        3 base: Option<u64>,
        /// How many certificates it names.
        4 entries: u64,
        /// SM3 of the list in DER.
        5 crl_sm3: [u8; 32],
    }
    /// An authority signs its OCSP answers by another key from now on.
    32 "responder-changed" ResponderChanged {
        /// The authority.
        0 authority: AuthorityId,
        /// SM3 of the responder's certificate in DER.
        1 certificate_sm3: [u8; 32],
        /// Its key.
        2 key: KeyId,
    }
    /// Somebody applied for a certificate.
    33 "application-submitted" ApplicationSubmitted {
        /// The application.
        0 application: ApplicationId,
        /// SM3 of its canonical form.
        1 application_sm3: [u8; 32],
        /// The profile asked for.
        2 profile: String,
    }
    /// An application was looked at and found to be in order.
    34 "application-checked" ApplicationChecked {
        /// The application.
        0 application: ApplicationId,
        /// SM3 of its canonical form.
        1 application_sm3: [u8; 32],
    }
    /// An officer approved an application by a signature.
    35 "application-approved" ApplicationApproved {
        /// The application.
        0 application: ApplicationId,
        /// SM3 of its canonical form: what was signed.
        1 application_sm3: [u8; 32],
        /// SM3 of the signature's value.
        2 signature_sm3: [u8; 32],
    }
    /// An application was refused.
    36 "application-refused" ApplicationRefused {
        /// The application.
        0 application: ApplicationId,
        /// Why, as the officer wrote it: SM3 of the text, which may name persons.
        1 reason_sm3: [u8; 32],
    }
    /// An application was taken back.
    37 "application-withdrawn" ApplicationWithdrawn {
        /// The application.
        0 application: ApplicationId,
    }
    /// What was applied for was issued.
    38 "application-fulfilled" ApplicationFulfilled {
        /// The application.
        0 application: ApplicationId,
        /// SM3 of the certificate in DER.
        1 certificate_sm3: [u8; 32],
    }
    /// Time stamps were made; they leave only after this is kept.
    39 "time-stamps-issued" TimeStampsIssued {
        /// SM3 of the authority's certificate.
        0 certificate_sm3: [u8; 32],
        /// For each stamp 16 octets of its serial number, then SM3 of the whole token.
        1 items: Vec<u8>,
    }
    /// The clock was found not to be trustworthy: no stamp is made.
    40 "clock-distrusted" ClockDistrusted {
        /// The stable code of the reason.
        0 reason: String,
    }
    /// The clock is trustworthy again.
    41 "clock-trusted" ClockTrusted {
        /// Its accuracy in microseconds.
        0 accuracy: u64,
    }
    /// A job began that issues many certificates.
    42 "job-started" JobStarted {
        /// The job.
        0 job: JobId,
        /// Who issues.
        1 authority: AuthorityId,
        /// SM3 of all its rows.
        2 rows_sm3: [u8; 32],
        /// How many rows.
        3 rows: u64,
    }
    /// Every row of a job has its result.
    43 "job-finished" JobFinished {
        /// The job.
        0 job: JobId,
        /// Certificates issued.
        1 issued: u64,
        /// Rows refused.
        2 refused: u64,
    }
    /// An encryption key that is kept for its owner was given out again, by two officers.
    44 "key-recovered" KeyRecovered {
        /// The key.
        0 key: KeyId,
        /// The application whose approvals allowed it.
        1 application: ApplicationId,
        /// SM3 of the public key it was enveloped for.
        2 recipient_sm3: [u8; 32],
    }
    /// A caller became an officer of certificates.
    45 "officer-appointed" OfficerAppointed {
        /// The caller.
        0 officer: CallerId,
        /// In which role, by its stable name.
        1 role: String,
    }
    /// An officer of certificates is none any more.
    46 "officer-dismissed" OfficerDismissed {
        /// The caller.
        0 officer: CallerId,
    }
    /// An application waited too long.
    47 "application-lapsed" ApplicationLapsed {
        /// The application.
        0 application: ApplicationId,
    }
    /// A job that issues many certificates rests.
    50 "job-paused" JobPaused {
        /// The job.
        0 job: JobId,
        /// The stable code of what stopped it; `asked` where somebody paused it.
        1 reason: String,
    }
    /// A resting job may go on.
    51 "job-resumed" JobResumed {
        /// The job.
        0 job: JobId,
    }
    /// A job was given up; what it had issued stays.
    52 "job-cancelled" JobCancelled {
        /// The job.
        0 job: JobId,
        /// Certificates issued.
        1 issued: u64,
        /// Rows refused.
        2 refused: u64,
    }
    /// An encryption key was made, is kept for its owner, and goes to the owner enveloped.
    53 "key-escrowed" KeyEscrowed {
        /// The key.
        0 key: KeyId,
        /// SM3 of the encryption certificate.
        1 certificate_sm3: [u8; 32],
        /// SM3 of the signing certificate of the pair.
        2 signing_certificate_sm3: [u8; 32],
        /// SM3 of the public key it was enveloped for.
        3 recipient_sm3: [u8; 32],
    }
    /// Somebody ordered that a key kept for its owner be given out again. Approvals and refusals are those of applications.
    54 "recovery-ordered" RecoveryOrdered {
        /// The order.
        0 application: ApplicationId,
        /// SM3 of its canonical form.
        1 application_sm3: [u8; 32],
        /// The key.
        2 key: KeyId,
    }
    /// An order of recovery waited too long.
    55 "recovery-lapsed" RecoveryLapsed {
        /// The order.
        0 application: ApplicationId,
    }
    /// A certificate took the place of another.
    56 "certificate-renewed" CertificateRenewed {
        /// SM3 of the new certificate.
        0 certificate_sm3: [u8; 32],
        /// SM3 of the old one.
        1 renewed_sm3: [u8; 32],
        /// When the old one will be revoked as superseded, if it will.
        2 supersede_at: Option<Timestamp>,
    }
    /// An authority of ours certified the key of another one.
    57 "authority-crossed" AuthorityCrossed {
        /// Who certified.
        0 authority: AuthorityId,
        /// SM3 of the cross certificate in DER.
        1 certificate_sm3: [u8; 32],
        /// SM3 of the certificate that was put before us, in DER.
        2 subject_sm3: [u8; 32],
        /// The other one, when it is ours.
        3 subject: Option<AuthorityId>,
    }
    /// An authority has a successor of the same name with a new key.
    58 "authority-rolled-over" AuthorityRolledOver {
        /// The authority.
        0 old: AuthorityId,
        /// Its successor.
        1 new: AuthorityId,
        /// SM3 of the old key's certificate by the new key in DER, for roots.
        2 old_with_new: Option<[u8; 32]>,
        /// SM3 of the new key's certificate by the old key in DER, for roots.
        3 new_with_old: Option<[u8; 32]>,
    }
    /// The installation was made by a key ceremony.
    59 "ceremony-held" CeremonyHeld {
        /// SM3 of the plan's text.
        0 plan_sm3: [u8; 32],
        /// SM3 of the transcript's text.
        1 transcript_sm3: [u8; 32],
    }
    /// It was told that a certificate, or an authority, ends soon.
    61 "expiry-alerted" ExpiryAlerted {
        /// SM3 of its certificate.
        0 certificate_sm3: [u8; 32],
        /// Within so many days.
        1 days: u64,
    }
    /// An authority of ours asked somebody outside for its certificate, took it in, or waits for it no more.
    63 "authority-request-changed" AuthorityRequestChanged {
        /// The authority.
        0 authority: AuthorityId,
        /// Its key.
        1 key: KeyId,
        /// SM3 of the request in DER.
        2 request_sm3: [u8; 32],
        /// `requested`, `taken-in` or `withdrawn`.
        3 change: String,
        /// SM3 of the root that was trusted for it in DER, where a certificate was taken in.
        4 root_sm3: Option<[u8; 32]>,
    }
    /// A trust list was imported, and waits for officers.
    64 "trust-list-imported" TrustListImported {
        /// The list's name.
        0 name: String,
        /// Its version.
        1 number: u64,
        /// SM3 of its canonical form.
        2 list_sm3: [u8; 32],
    }
    /// An officer approved a trust list by a signature.
    65 "trust-list-approved" TrustListApproved {
        /// SM3 of the list's canonical form.
        0 list_sm3: [u8; 32],
        /// SM3 of the signature's value.
        1 signature_sm3: [u8; 32],
    }
    /// A trust list came into force.
    66 "trust-list-activated" TrustListActivated {
        /// The list's name.
        0 name: String,
        /// Its version.
        1 number: u64,
        /// SM3 of its canonical form.
        2 list_sm3: [u8; 32],
        /// SM3 of the version that it replaced.
        3 replaced_sm3: Option<[u8; 32]>,
    }
    /// An officer refused a trust list by a signature.
    67 "trust-list-refused" TrustListRefused {
        /// SM3 of the list's canonical form.
        0 list_sm3: [u8; 32],
    }
    /// The report of a verification was signed.
    70 "report-signed" ReportSigned {
        /// SM3 of the report in its JSON form.
        0 report_sm3: [u8; 32],
        /// `jws`, `cms` or `ofd`.
        1 form: String,
        /// SM3 of the report key's certificate in DER.
        2 certificate_sm3: [u8; 32],
        /// The report key.
        3 key: KeyId,
        /// SM3 of the signed report.
        4 result_sm3: [u8; 32],
    }
    /// A caller had files verified together. Each of them is verified by an event of its own.
    72 "verification-batch-started" VerificationBatchStarted {
        /// The batch.
        0 batch: VerificationBatchId,
        /// How many files it has.
        1 files: u64,
        /// The policy that it is judged by.
        2 policy: String,
    }
    /// Every file of a batch is verified.
    73 "verification-batch-finished" VerificationBatchFinished {
        /// The batch.
        0 batch: VerificationBatchId,
        /// How many files it has.
        1 files: u64,
    }
    /// A batch was forgotten, with its files and reports: its owner asked for it, or its time was over.
    74 "verification-batch-forgotten" VerificationBatchForgotten {
        /// The batch.
        0 batch: VerificationBatchId,
    }
    /// An officer stated by a signature that the rows of a job agree with their evidence.
    75 "job-checked" JobChecked {
        /// The job.
        0 job: JobId,
        /// SM3 of all its rows.
        1 rows_sm3: [u8; 32],
        /// SM3 of the signature's value.
        2 signature_sm3: [u8; 32],
    }
    /// An officer approved a job by a signature.
    76 "job-approved" JobApproved {
        /// The job.
        0 job: JobId,
        /// SM3 of all its rows.
        1 rows_sm3: [u8; 32],
        /// SM3 of the signature's value.
        2 signature_sm3: [u8; 32],
    }
    /// A job that waited may be worked on.
    77 "job-begun" JobBegun {
        /// The job.
        0 job: JobId,
    }
}

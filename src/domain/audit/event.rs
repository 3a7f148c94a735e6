//! Events: who did what, when. No event carries personal data; names stay in their rows, events hold ids and hashes.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::domain::audit::body::{EventBody, EventClass};
use crate::domain::audit::encoding::{EncodingError, Reader, Writer};
use crate::domain::caller::Roles;
use crate::domain::key::KeyEvent;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A registered key, in the roles it held then.
    Caller {
        /// Which.
        id: CallerId,
        /// Its roles at that moment.
        roles: Roles,
    },
    /// Somebody at the machine: the command line, or the service itself.
    Operator,
    /// Somebody whom we do not know.
    Anonymous,
}

impl Actor {
    pub(in crate::domain::audit) fn read(mut from: Reader<'_>) -> Result<Self, EncodingError> {
        let actor = match from.field::<u64>(0)? {
            1 => Self::Caller { id: from.field(1)?, roles: from.field(2)? },
            2 => Self::Operator,
            3 => Self::Anonymous,
            _ => return Err(EncodingError::UnknownMember { tag: 2 }),
        };
        from.end()?;
        Ok(actor)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// In which request, if in one.
    pub request: Option<RequestId>,
    /// What.
    pub body: EventBody,
}

impl Event {
    /// The version of the encoding. What version 1 wrote is read for ever.
    pub const VERSION: u64 = 1;

    /// The canonical encoding, of which there is exactly one.
    ///
    /// ```text
    /// Event ::= SEQUENCE {                      -- DER, ITU-T X.690
    ///     version [0] INTEGER (1),              -- all tags implicit
    ///     at      [1] INTEGER,                  -- seconds since 1970-01-01T00:00:00Z
    ///     actor   [2] SEQUENCE {
    ///         kind  [0] INTEGER { caller(1), operator(2), anonymous(3) },
    ///         id    [1] UTF8String OPTIONAL,    -- both present for a caller, else absent
    ///         roles [2] OCTET STRING OPTIONAL },-- one octet a role, ascending
    ///     request [3] UTF8String OPTIONAL,
    ///     class   [4] INTEGER,                  -- EventClass::number
    ///     body    [5] SEQUENCE { … } }          -- the class's fields, [0], [1], … as listed in `EventBody`
    /// ```
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut event = Writer::default();
        event.field(0, &Self::VERSION);
        event.field(1, &self.at);
        let mut actor = Writer::default();
        match &self.actor {
            Actor::Caller { id, roles } => {
                actor.field(0, &1_u64);
                actor.field(1, id);
                actor.field(2, roles);
            }
            Actor::Operator => actor.field(0, &2_u64),
            Actor::Anonymous => actor.field(0, &3_u64),
        }
        event.nested(2, actor);
        event.field(3, &self.request);
        event.field(4, &self.class().number());
        let mut body = Writer::default();
        self.body.write(&mut body);
        event.nested(5, body);
        event.into_sequence()
    }

    /// The event that these octets are, all of them.
    ///
    /// # Errors
    /// They are not the canonical encoding of an event that we know.
    pub fn from_der(der: &[u8]) -> Result<Self, EncodingError> {
        let mut event = Reader::sequence(der)?;
        let version = event.field::<u64>(0)?;
        if version != Self::VERSION {
            return Err(EncodingError::UnknownVersion { version });
        }
        let at = event.field(1)?;
        let actor = Actor::read(event.nested(2)?)?;
        let request = event.field(3)?;
        let class = event.field::<u64>(4)?;
        let class = EventClass::from_number(class).ok_or(EncodingError::UnknownClass { class })?;
        let mut fields = event.nested(5)?;
        let body = EventBody::read(class, &mut fields)?;
        fields.end()?;
        event.end()?;
        Ok(Self { at, actor, request, body })
    }

    /// Of which class it is.
    #[must_use]
    pub fn class(&self) -> EventClass {
        self.body.class()
    }
}

impl From<KeyEvent> for EventBody {
    fn from(event: KeyEvent) -> Self {
        match event {
            KeyEvent::Suspended { key, reason } => Self::KeySuspended { key, reason },
            KeyEvent::Resumed { key } => Self::KeyResumed { key },
            KeyEvent::Destroyed { key, proof } => {
                Self::KeyDestroyed { key, public_key_sm3: proof.public_key_sm3, private_key_sm3: proof.private_key_sm3 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::base::id::{
        ApplicationId, AuthorisationId, AuthorityId, BatchId, EncryptionKeyId, JobId, KeyId, SealId, SignatureId,
        VerificationBatchId,
    };
    use crate::domain::audit::alarm::AlarmKind;
    use crate::domain::audit::reason::{AbandonmentReason, ErasureReason, RevocationReason, SuspensionReason};
    use crate::domain::caller::Role;
    use crate::domain::key::{
        DestructionProof, KeyAlgorithm, KeyEvent, KeyPurpose, KeySourceKind, KeySuspensionReason, SealingAlgorithm,
    };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn intended(actor: Actor, request: Option<RequestId>) -> Event {
        let body = EventBody::SigningIntended {
            signature: SignatureId::parse("s-1").unwrap(),
            seal: SealId::parse("seal-1").unwrap(),
            document_sm3: [0xab; 32],
            key: KeyId::parse("k-1").unwrap(),
        };
        Event { at: Timestamp::from_unix(1_795_392_000), actor, request, body }
    }

    fn caller() -> Actor {
        let roles = Roles::new([Role::SealUser, Role::Verifier]).unwrap();
        Actor::Caller { id: CallerId::parse("c-1").unwrap(), roles }
    }

    /// Written by hand from the ASN.1 above. These octets are hashed into logs: version 1 must never change.
    #[test]
    fn version_1_is_fixed() {
        let started = Event {
            at: Timestamp::from_unix(0),
            actor: Actor::Operator,
            request: None,
            body: EventBody::ServiceStarted { version: "0.1.0".into() },
        };
        let expected = ["3017", "800101", "810100", "a203", "800102", "840101", "a507", "8005302e312e30"].concat();
        assert_eq!(hex(&started.to_der()), expected);

        let request = RequestId::parse("r-1").unwrap();
        let intended = intended(caller(), Some(request));
        let expected = [
            "3055",
            "800101",
            "81046b038200",
            "a20c8001018103632d3182020102",
            "8303722d31",
            "84010b",
            "a534",
            "8003732d31",
            "81067365616c2d31",
            &format!("8220{}", "ab".repeat(32)),
            "83036b2d31",
        ]
        .concat();
        assert_eq!(hex(&intended.to_der()), expected);
    }

    #[test]
    fn class_numbers_and_names_are_distinct() {
        let numbers = EventClass::ALL.iter().map(|class| class.number()).collect::<Vec<_>>();
        assert_eq!(
            numbers,
            (1..=47)
                .chain(50..=59)
                .chain([61, 63, 64, 65, 66, 67, 70, 72, 73, 74, 75, 76, 77, 90, 91, 92, 100, 105, 106, 107, 108])
                .chain(120..=138)
                .chain(140..=155)
                .chain(164..=167)
                .collect::<Vec<_>>()
        );
        let names = EventClass::ALL.iter().map(|class| class.name()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names.len(), EventClass::ALL.len());
    }

    #[test]
    fn other_octets_are_refused_by_name() {
        let der = intended(Actor::Anonymous, None).to_der();
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(Event::from_der(&longer), Err(EncodingError::TrailingOctets));
        assert_eq!(Event::from_der(der.get(..der.len() - 1).unwrap()), Err(EncodingError::Truncated));
        assert_eq!(Event::from_der(&[0x31, 0]), Err(EncodingError::UnexpectedTag { expected: 0x30 }));
        assert_eq!(Event::from_der(&[0x30, 0x81, 0]), Err(EncodingError::NotCanonical));
        let changed = |at: usize, value: u8| {
            let mut der = der.clone();
            *der.get_mut(at).unwrap() = value;
            Event::from_der(&der)
        };
        assert_eq!(changed(4, 2), Err(EncodingError::UnknownVersion { version: 2 }));
        assert_eq!(changed(15, 9), Err(EncodingError::UnknownMember { tag: 2 }));
        assert_eq!(changed(18, 99), Err(EncodingError::UnknownClass { class: 99 }));
    }

    fn text() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9_-]{1,40}"
    }

    fn hash() -> impl Strategy<Value = [u8; 32]> {
        any::<[u8; 32]>()
    }

    fn key() -> impl Strategy<Value = KeyId> {
        text().prop_map(|id| KeyId::parse(&id).unwrap())
    }

    fn seal() -> impl Strategy<Value = SealId> {
        text().prop_map(|id| SealId::parse(&id).unwrap())
    }

    fn signature() -> impl Strategy<Value = SignatureId> {
        text().prop_map(|id| SignatureId::parse(&id).unwrap())
    }

    fn caller_id() -> impl Strategy<Value = CallerId> {
        text().prop_map(|id| CallerId::parse(&id).unwrap())
    }

    fn roles() -> impl Strategy<Value = Roles> {
        let free = vec![Role::Verifier, Role::SealUser, Role::SealAdministrator];
        btree_set(select(free), 0..3).prop_map(|roles| Roles::new(roles).unwrap())
    }

    fn body() -> impl Strategy<Value = EventBody> {
        let algorithm = || select(KeyAlgorithm::ALL);
        prop_oneof![
            any::<String>().prop_map(|version| EventBody::ServiceStarted { version }),
            (any::<String>(), text()).prop_map(|(endpoint, code)| EventBody::AccessRefused { endpoint, code }),
            (caller_id(), hash(), algorithm(), roles()).prop_map(|(caller, key_fingerprint, algorithm, roles)| {
                EventBody::CallerRegistered { caller, key_fingerprint, algorithm, roles }
            }),
            caller_id().prop_map(|caller| EventBody::CallerBarred { caller }),
            (key(), select(KeyPurpose::ALL), algorithm(), hash()).prop_map(
                |(key, purpose, algorithm, public_key_sm3)| {
                    EventBody::KeyCreated { key, purpose, algorithm, public_key_sm3 }
                }
            ),
            (vec(any::<u8>(), 0..300), hash(), hash(), proptest::option::of(key())).prop_map(
                |(serial, issuer_sm3, certificate_sm3, key)| EventBody::CertificateIssued {
                    serial,
                    issuer_sm3,
                    certificate_sm3,
                    key
                }
            ),
            (seal(), hash(), key(), proptest::option::of(key()))
                .prop_map(|(seal, seal_sm3, maker, signer)| EventBody::SealIssued { seal, seal_sm3, maker, signer }),
            (seal(), hash(), key(), hash()).prop_map(|(seal, seal_sm3, signer, certificate_sm3)| {
                EventBody::SealTaken { seal, seal_sm3, signer, certificate_sm3 }
            }),
            (seal(), select(SuspensionReason::ALL))
                .prop_map(|(seal, reason)| EventBody::SealSuspended { seal, reason }),
            seal().prop_map(|seal| EventBody::SealResumed { seal }),
            (seal(), select(RevocationReason::ALL)).prop_map(|(seal, reason)| EventBody::SealRevoked { seal, reason }),
            (signature(), seal(), hash(), key()).prop_map(|(signature, seal, document_sm3, key)| {
                EventBody::SigningIntended { signature, seal, document_sm3, key }
            }),
            (signature(), seal(), hash(), hash(), hash()).prop_map(
                |(signature, seal, document_sm3, signed_value_sm3, result_sm3)| EventBody::DocumentSigned {
                    signature,
                    seal,
                    document_sm3,
                    signed_value_sm3,
                    result_sm3
                }
            ),
            (signature(), select(AbandonmentReason::ALL))
                .prop_map(|(signature, reason)| EventBody::SigningAbandoned { signature, reason }),
            (hash(), text(), hash(), key(), hash()).prop_map(|(report_sm3, form, certificate_sm3, key, result_sm3)| {
                EventBody::ReportSigned { report_sm3, form, certificate_sm3, key, result_sm3 }
            }),
            (hash(), text(), text(), hash()).prop_map(|(document_sm3, indication, policy, report_sm3)| {
                EventBody::DocumentVerified { document_sm3, indication, policy, report_sm3 }
            }),
            key_event(),
            authority_event(),
            application_event(),
            verification_batch_event(),
            alarm_event(),
            seal_event(),
        ]
    }

    fn seal_event() -> impl Strategy<Value = EventBody> {
        let application = || text().prop_map(|id| ApplicationId::parse(&id).unwrap());
        let authorisation = || text().prop_map(|id| AuthorisationId::parse(&id).unwrap());
        let number = || 0..u64::from(u32::MAX);
        let job = || text().prop_map(|id| JobId::parse(&id).unwrap());
        prop_oneof![
            (application(), hash(), text(), proptest::option::of(seal())).prop_map(
                |(application, application_sm3, purpose, seal)| EventBody::SealApplicationSubmitted {
                    application,
                    application_sm3,
                    purpose,
                    seal
                }
            ),
            (application(), seal(), hash()).prop_map(|(application, seal, seal_sm3)| {
                EventBody::SealApplicationFulfilled { application, seal, seal_sm3 }
            }),
            (seal(), caller_id()).prop_map(|(seal, keeper)| EventBody::SealDelivered { seal, keeper }),
            (seal(), seal()).prop_map(|(seal, by)| EventBody::SealSuperseded { seal, by }),
            (seal(), text()).prop_map(|(seal, after)| EventBody::SealArchived { seal, after }),
            (seal(), number()).prop_map(|(seal, at)| {
                let valid_to = Timestamp::from_unix(i64::try_from(at).unwrap());
                EventBody::SealExpired { seal, valid_to }
            }),
            (text(), number(), number()).prop_map(|(division, first, last)| EventBody::CodeRangeAssigned {
                division,
                first,
                last
            }),
            (caller_id(), text(), text())
                .prop_map(|(officer, role, division)| { EventBody::SealOfficerAppointed { officer, role, division } }),
            caller_id().prop_map(|officer| EventBody::SealOfficerDismissed { officer }),
            (authorisation(), seal(), caller_id(), hash()).prop_map(|(authorisation, seal, user, terms_sm3)| {
                EventBody::UseAuthorised { authorisation, seal, user, terms_sm3 }
            }),
            (authorisation(), seal())
                .prop_map(|(authorisation, seal)| EventBody::UseAuthorisationWithdrawn { authorisation, seal }),
            (seal(), number()).prop_map(|(seal, count)| EventBody::UsesWithdrawn { seal, count }),
            (authorisation(), seal(), hash(), hash()).prop_map(|(authorisation, seal, document_sm3, approval_sm3)| {
                EventBody::UseApproved { authorisation, seal, document_sm3, approval_sm3 }
            }),
            (signature(), seal(), authorisation()).prop_map(|(signature, seal, authorisation)| {
                EventBody::UseEntered { signature, seal, authorisation }
            }),
            (application(), seal(), text(), proptest::option::of(key())).prop_map(
                |(application, seal, code, signer)| {
                    EventBody::SealMakingIntended { application, seal, code, signer }
                }
            ),
            (application(), seal(), hash()).prop_map(|(application, seal, request_sm3)| EventBody::SealOrdered {
                application,
                seal,
                request_sm3
            }),
            (seal(), (hash(), hash(), hash()), proptest::option::of(key())).prop_map(
                |(seal, (seal_sm3, maker_sm3, certificate_sm3), signer)| {
                    EventBody::SealReceived { seal, seal_sm3, maker_sm3, certificate_sm3, signer }
                }
            ),
            (application(), seal(), text()).prop_map(|(application, seal, outcome)| EventBody::OrderEnded {
                application,
                seal,
                outcome
            }),
            (text(), text(), text()).prop_map(|(office, subject, code)| EventBody::OfficeAnswerRefused {
                office,
                subject,
                code
            }),
            (signature(), seal(), hash(), hash()).prop_map(|(signature, seal, document_sm3, certificate_sm3)| {
                EventBody::SigningPrepared { signature, seal, document_sm3, certificate_sm3 }
            }),
            (text(), number(), text(), number()).prop_map(|(receiver, event, refusal, attempts)| {
                EventBody::WebhookGivenUp { receiver, event, refusal, attempts }
            }),
            (text(), number()).prop_map(|(receiver, event)| EventBody::WebhookResent { receiver, event }),
            (signature(), hash(), 1_u64..6, text(), (0..1_i64 << 40).prop_map(Timestamp::from_unix), hash()).prop_map(
                |(signature, document_sm3, level, procedure, proven_at, statement_sm3)| {
                    EventBody::PersonSigningIntended {
                        signature,
                        document_sm3,
                        level,
                        procedure,
                        proven_at,
                        statement_sm3,
                    }
                }
            ),
            (signature(), hash(), hash(), hash(), hash(), hash()).prop_map(
                |(signature, document_sm3, certificate_sm3, seal_sm3, signed_value_sm3, result_sm3)| {
                    EventBody::PersonSigned {
                        signature,
                        document_sm3,
                        certificate_sm3,
                        seal_sm3,
                        signed_value_sm3,
                        result_sm3,
                    }
                }
            ),
            (signature(), select(AbandonmentReason::ALL))
                .prop_map(|(signature, reason)| EventBody::PersonSigningAbandoned { signature, reason }),
            (signature(), key(), text(), text(), vec(any::<u8>(), 0..70)).prop_map(
                |(signature, key, form, content_algorithm, content_digest)| EventBody::MessageSigningIntended {
                    signature,
                    key,
                    form,
                    content_algorithm,
                    content_digest,
                }
            ),
            (signature(), hash(), hash(), hash()).prop_map(
                |(signature, certificate_sm3, signed_value_sm3, result_sm3)| EventBody::MessageSigned {
                    signature,
                    certificate_sm3,
                    signed_value_sm3,
                    result_sm3,
                }
            ),
            (signature(), select(AbandonmentReason::ALL))
                .prop_map(|(signature, reason)| EventBody::MessageSigningAbandoned { signature, reason }),
            (seal(), text(), proptest::option::of(text())).prop_map(|(seal, state, detail)| EventBody::SealFiling {
                seal,
                state,
                detail
            }),
            (text(), text(), text(), text()).prop_map(|(office, subject, state, outcome)| EventBody::OfficeDecided {
                office,
                subject,
                state,
                outcome
            }),
            (job(), hash(), number()).prop_map(|(import, table_sm3, records)| EventBody::SealImportBegun {
                import,
                table_sm3,
                records
            }),
            (seal(), hash(), hash(), job(), proptest::option::of(key())).prop_map(
                |(seal, seal_sm3, certificate_sm3, import, signer)| EventBody::SealImported {
                    seal,
                    seal_sm3,
                    certificate_sm3,
                    import,
                    signer
                }
            ),
            (job(), number(), number(), number()).prop_map(|(import, imported, conflict, rejected)| {
                EventBody::SealImportFinished { import, imported, conflict, rejected }
            }),
            (job(), hash(), text()).prop_map(|(remake, order_sm3, division)| EventBody::SealRemakeOrdered {
                remake,
                order_sm3,
                division
            }),
            (job(), hash(), hash()).prop_map(|(remake, order_sm3, signature_sm3)| EventBody::SealRemakeApproved {
                remake,
                order_sm3,
                signature_sm3
            }),
            (job(), number()).prop_map(|(remake, seals)| EventBody::SealRemakeAllRevoked { remake, seals }),
            (job(), seal(), proptest::option::of(seal()), proptest::option::of(text()))
                .prop_map(|(remake, seal, by, refusal)| EventBody::SealRemade { remake, seal, by, refusal }),
            (job(), text(), number(), number(), number()).prop_map(|(remake, state, revoked, made, refused)| {
                EventBody::SealRemakeEnded { remake, state, revoked, made, refused }
            }),
            (job(), seal(), seal(), text(), key()).prop_map(|(remake, seal, by, code, signer)| {
                EventBody::SealRemakeIntended { remake, seal, by, code, signer }
            }),
        ]
    }

    fn alarm_event() -> impl Strategy<Value = EventBody> {
        let (kind, octets) = (|| select(AlarmKind::ALL), || vec(any::<u8>(), 0..100));
        let number = || 0..u64::from(u32::MAX);
        let option = proptest::option::of::<BoxedStrategy<u64>>;
        prop_oneof![
            (
                kind(),
                proptest::option::of(seal()),
                proptest::option::of(caller_id()),
                proptest::option::of(text()),
                option(number().boxed()),
                number()
            )
                .prop_map(|(alarm, seal, caller, sink, event, count)| EventBody::AlarmRaised {
                    alarm,
                    seal,
                    caller,
                    sink,
                    event,
                    count
                }),
            (kind(), number()).prop_map(|(alarm, event)| EventBody::AlarmAcknowledged { alarm, event }),
            ((number(), number()), (hash(), hash()), (caller_id(), octets()), (caller_id(), octets())).prop_map(
                |((from, to), (sm3_root, sha256_root), (first, first_signature), (second, second_signature))| {
                    EventBody::LogGapRecorded {
                        from,
                        to,
                        sm3_root,
                        sha256_root,
                        first,
                        first_signature,
                        second,
                        second_signature,
                    }
                }
            ),
            (btree_set(number(), 0..9), select(ErasureReason::ALL), (caller_id(), octets()), (caller_id(), octets()))
                .prop_map(|(numbers, reason, (first, first_signature), (second, second_signature))| {
                    let numbers = numbers.into_iter().collect();
                    EventBody::EventsErased { numbers, reason, first, first_signature, second, second_signature }
                }),
            (number(), number()).prop_map(|(from, below)| EventBody::OldTilesMoved { from, below }),
            (
                (kind(), number()),
                (proptest::option::of(seal()), proptest::option::of(caller_id())),
                (caller_id(), octets()),
                (caller_id(), octets())
            )
                .prop_map(
                    |((alarm, event), (seal, caller), (first, first_signature), (second, second_signature))| {
                        EventBody::AlarmReleased {
                            alarm,
                            event,
                            seal,
                            caller,
                            first,
                            first_signature,
                            second,
                            second_signature,
                        }
                    }
                ),
            ((number(), number()), number(), 0..1_i64 << 40).prop_map(|((from, to), count, before)| {
                EventBody::EventsPruned { from, to, count, before: Timestamp::from_unix(before) }
            }),
            (text(), number(), 0..1_i64 << 40).prop_map(|(kind, count, before)| EventBody::RecordsForgotten {
                kind,
                count,
                ended_before: Timestamp::from_unix(before)
            }),
        ]
    }

    fn authority() -> impl Strategy<Value = AuthorityId> {
        text().prop_map(|id| AuthorityId::parse(&id).unwrap())
    }

    fn verification_batch_event() -> impl Strategy<Value = EventBody> {
        let batch = || text().prop_map(|id| VerificationBatchId::parse(&id).unwrap());
        let count = || 0..u64::from(u32::MAX);
        prop_oneof![
            (batch(), count(), text()).prop_map(|(batch, files, policy)| EventBody::VerificationBatchStarted {
                batch,
                files,
                policy
            }),
            (batch(), count()).prop_map(|(batch, files)| EventBody::VerificationBatchFinished { batch, files }),
            batch().prop_map(|batch| EventBody::VerificationBatchForgotten { batch }),
        ]
    }

    fn batch() -> impl Strategy<Value = BatchId> {
        text().prop_map(|id| BatchId::parse(&id).unwrap())
    }

    fn authority_event() -> impl Strategy<Value = EventBody> {
        let number = || 0..u64::from(u32::MAX);
        let octets = || vec(any::<u8>(), 0..100);
        let moment = || proptest::option::of((0..1_i64 << 40).prop_map(Timestamp::from_unix));
        prop_oneof![
            (authority(), hash(), key(), proptest::option::of(authority())).prop_map(
                |(authority, certificate_sm3, key, parent)| EventBody::AuthorityCreated {
                    authority,
                    certificate_sm3,
                    key,
                    parent
                }
            ),
            authority().prop_map(|authority| EventBody::AuthorityRetired { authority }),
            (batch(), authority(), octets()).prop_map(|(batch, authority, items)| EventBody::IssuanceIntended {
                batch,
                authority,
                items
            }),
            (batch(), select(AbandonmentReason::ALL), octets())
                .prop_map(|(batch, reason, items)| EventBody::IssuanceAbandoned { batch, reason, items }),
            hash().prop_map(|certificate_sm3| EventBody::CertificateSuspended { certificate_sm3 }),
            hash().prop_map(|certificate_sm3| EventBody::CertificateResumed { certificate_sm3 }),
            (hash(), 0..11_u64, moment()).prop_map(|(certificate_sm3, reason, invalidity_date)| {
                EventBody::CertificateRevoked { certificate_sm3, reason, invalidity_date }
            }),
            (authority(), number(), number(), proptest::option::of(number()), number(), hash()).prop_map(
                |(authority, shard, number, base, entries, crl_sm3)| {
                    EventBody::CrlIssued { authority, shard, number, base, entries, crl_sm3 }
                }
            ),
            (authority(), hash(), hash(), proptest::option::of(authority())).prop_map(
                |(authority, certificate_sm3, subject_sm3, subject)| EventBody::AuthorityCrossed {
                    authority,
                    certificate_sm3,
                    subject_sm3,
                    subject
                }
            ),
            (authority(), authority(), proptest::option::of(hash()), proptest::option::of(hash())).prop_map(
                |(old, new, old_with_new, new_with_old)| EventBody::AuthorityRolledOver {
                    old,
                    new,
                    old_with_new,
                    new_with_old
                }
            ),
            (hash(), hash())
                .prop_map(|(plan_sm3, transcript_sm3)| EventBody::CeremonyHeld { plan_sm3, transcript_sm3 }),
            (authority(), hash(), key()).prop_map(|(authority, certificate_sm3, key)| {
                EventBody::ResponderChanged { authority, certificate_sm3, key }
            }),
            (hash(), octets())
                .prop_map(|(certificate_sm3, items)| EventBody::TimeStampsIssued { certificate_sm3, items }),
            (text(), number(), hash()).prop_map(|(name, number, list_sm3)| EventBody::TrustListImported {
                name,
                number,
                list_sm3
            }),
            (hash(), hash())
                .prop_map(|(list_sm3, signature_sm3)| EventBody::TrustListApproved { list_sm3, signature_sm3 }),
            (text(), number(), hash(), proptest::option::of(hash())).prop_map(
                |(name, number, list_sm3, replaced_sm3)| EventBody::TrustListActivated {
                    name,
                    number,
                    list_sm3,
                    replaced_sm3
                }
            ),
            hash().prop_map(|list_sm3| EventBody::TrustListRefused { list_sm3 }),
            text().prop_map(|reason| EventBody::ClockDistrusted { reason }),
            number().prop_map(|accuracy| EventBody::ClockTrusted { accuracy }),
            (hash(), number()).prop_map(|(certificate_sm3, days)| EventBody::ExpiryAlerted { certificate_sm3, days }),
            (authority(), key(), hash(), text(), proptest::option::of(hash())).prop_map(
                |(authority, key, request_sm3, change, root_sm3)| EventBody::AuthorityRequestChanged {
                    authority,
                    key,
                    request_sm3,
                    change,
                    root_sm3
                }
            ),
        ]
    }

    fn application_event() -> impl Strategy<Value = EventBody> {
        let application = || text().prop_map(|id| ApplicationId::parse(&id).unwrap());
        let job = || text().prop_map(|id| JobId::parse(&id).unwrap());
        let number = || 0..u64::from(u32::MAX);
        prop_oneof![
            (application(), hash(), text()).prop_map(|(application, application_sm3, profile)| {
                EventBody::ApplicationSubmitted { application, application_sm3, profile }
            }),
            (application(), hash()).prop_map(|(application, application_sm3)| EventBody::ApplicationChecked {
                application,
                application_sm3
            }),
            (application(), hash(), hash()).prop_map(|(application, application_sm3, signature_sm3)| {
                EventBody::ApplicationApproved { application, application_sm3, signature_sm3 }
            }),
            (application(), hash())
                .prop_map(|(application, reason_sm3)| EventBody::ApplicationRefused { application, reason_sm3 }),
            application().prop_map(|application| EventBody::ApplicationWithdrawn { application }),
            (application(), hash()).prop_map(|(application, certificate_sm3)| EventBody::ApplicationFulfilled {
                application,
                certificate_sm3
            }),
            application().prop_map(|application| EventBody::ApplicationLapsed { application }),
            (caller_id(), text()).prop_map(|(officer, role)| EventBody::OfficerAppointed { officer, role }),
            caller_id().prop_map(|officer| EventBody::OfficerDismissed { officer }),
            (job(), authority(), hash(), number()).prop_map(|(job, authority, rows_sm3, rows)| EventBody::JobStarted {
                job,
                authority,
                rows_sm3,
                rows
            }),
            (job(), number(), number()).prop_map(|(job, issued, refused)| EventBody::JobFinished {
                job,
                issued,
                refused
            }),
            (job(), text()).prop_map(|(job, reason)| EventBody::JobPaused { job, reason }),
            job().prop_map(|job| EventBody::JobResumed { job }),
            job().prop_map(|job| EventBody::JobBegun { job }),
            (job(), hash(), hash()).prop_map(|(job, rows_sm3, signature_sm3)| EventBody::JobChecked {
                job,
                rows_sm3,
                signature_sm3
            }),
            (job(), hash(), hash()).prop_map(|(job, rows_sm3, signature_sm3)| EventBody::JobApproved {
                job,
                rows_sm3,
                signature_sm3
            }),
            (job(), number(), number()).prop_map(|(job, issued, refused)| EventBody::JobCancelled {
                job,
                issued,
                refused
            }),
            (key(), application(), hash()).prop_map(|(key, application, recipient_sm3)| EventBody::KeyRecovered {
                key,
                application,
                recipient_sm3
            }),
            (key(), hash(), hash(), hash()).prop_map(
                |(key, certificate_sm3, signing_certificate_sm3, recipient_sm3)| EventBody::KeyEscrowed {
                    key,
                    certificate_sm3,
                    signing_certificate_sm3,
                    recipient_sm3
                }
            ),
            (application(), hash(), key()).prop_map(|(application, application_sm3, key)| {
                EventBody::RecoveryOrdered { application, application_sm3, key }
            }),
            application().prop_map(|application| EventBody::RecoveryLapsed { application }),
            (hash(), hash(), proptest::option::of((0..1_i64 << 40).prop_map(Timestamp::from_unix))).prop_map(
                |(certificate_sm3, renewed_sm3, supersede_at)| EventBody::CertificateRenewed {
                    certificate_sm3,
                    renewed_sm3,
                    supersede_at
                }
            ),
        ]
    }

    fn encryption_key() -> impl Strategy<Value = EncryptionKeyId> {
        text().prop_map(|id| EncryptionKeyId::parse(&id).unwrap())
    }

    fn key_event() -> impl Strategy<Value = EventBody> {
        let source = || select(KeySourceKind::ALL);
        prop_oneof![
            (key(), select(KeyPurpose::ALL), select(KeyAlgorithm::ALL), hash()).prop_map(
                |(key, purpose, algorithm, public_key_sm3)| {
                    EventBody::KeyImported { key, purpose, algorithm, public_key_sm3 }
                }
            ),
            (key(), hash()).prop_map(|(key, public_key_sm3)| EventBody::KeyExported { key, public_key_sm3 }),
            (key(), select(KeySuspensionReason::ALL))
                .prop_map(|(key, reason)| KeyEvent::Suspended { key, reason }.into()),
            key().prop_map(|key| KeyEvent::Resumed { key }.into()),
            (key(), hash(), hash()).prop_map(|(key, public_key_sm3, private_key_sm3)| {
                let proof = DestructionProof { public_key_sm3, private_key_sm3 };
                KeyEvent::Destroyed { key, proof }.into()
            }),
            (encryption_key(), source()).prop_map(|(key, source)| EventBody::EncryptionKeyCreated { key, source }),
            (encryption_key(), encryption_key(), 0..1_000_u64, select(SealingAlgorithm::ALL)).prop_map(
                |(key, destroyed, keys, sealing)| EventBody::EncryptionKeyRotated { key, destroyed, keys, sealing }
            ),
            (encryption_key(), source()).prop_map(|(key, source)| EventBody::EncryptionKeyRewrapped { key, source }),
        ]
    }

    fn event() -> impl Strategy<Value = Event> {
        let actor = prop_oneof![
            (caller_id(), roles()).prop_map(|(id, roles)| Actor::Caller { id, roles }),
            Just(Actor::Operator),
            Just(Actor::Anonymous),
        ];
        let request = proptest::option::of(text().prop_map(|id| RequestId::parse(&id).unwrap()));
        (Timestamp::MIN.unix()..=Timestamp::MAX.unix(), actor, request, body())
            .prop_map(|(at, actor, request, body)| Event { at: Timestamp::from_unix(at), actor, request, body })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(event in event()) {
            prop_assert_eq!(Event::from_der(&event.to_der()), Ok(event));
        }

        #[test]
        fn what_is_read_is_canonical(event in event(), at in any::<usize>(), value in any::<u8>()) {
            let mut der = event.to_der();
            let at = at % der.len();
            der[at] = value;
            if let Ok(event) = Event::from_der(&der) {
                prop_assert_eq!(event.to_der(), der);
            }
        }
    }
}

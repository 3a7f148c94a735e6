//! The events of the life of seals, from number 120 on, and of messages that are signed for callers: a part of the one list, in a
//! file of its own.

/// Gives the list of events to `events!`, with those of seals behind it.
macro_rules! with_seal_events {
    ($($before:tt)*) => {
        events! {
            $($before)*
            /// Somebody applied for a seal, or for a change of one.
            120 "seal-application-submitted" SealApplicationSubmitted {
                /// The application.
                0 application: ApplicationId,
                /// SM3 of the octets that its approvers sign.
                1 application_sm3: [u8; 32],
                /// `make`, `replace`, `resume` or `revoke`.
                2 purpose: String,
                /// The seal that it is about.
                3 seal: Option<SealId>,
            }
            /// What an application asked for is done.
            121 "seal-application-fulfilled" SealApplicationFulfilled {
                /// The application.
                0 application: ApplicationId,
                /// The seal that was made, or changed.
                1 seal: SealId,
                /// SM3 of the seal in DER.
                2 seal_sm3: [u8; 32],
            }
            /// The keeper of a seal has it, and may authorise its use.
            122 "seal-delivered" SealDelivered {
                /// The seal.
                0 seal: SealId,
                /// Its keeper.
                1 keeper: CallerId,
            }
            /// Another seal stands in the place of one.
            123 "seal-superseded" SealSuperseded {
                /// The seal.
                0 seal: SealId,
                /// The other one.
                1 by: SealId,
            }
            /// The papers of a seal are closed.
            124 "seal-archived" SealArchived {
                /// The seal.
                0 seal: SealId,
                /// `revoked`, `superseded` or `expired`.
                1 after: String,
            }
            /// Codes of seals were assigned to a division.
            125 "code-range-assigned" CodeRangeAssigned {
                /// The division's code.
                0 division: String,
                /// The first number.
                1 first: u64,
                /// The last number.
                2 last: u64,
            }
            /// A caller became an officer of seals.
            126 "seal-officer-appointed" SealOfficerAppointed {
                /// The caller.
                0 officer: CallerId,
                /// What the officer may do with applications.
                1 role: String,
                /// For which division.
                2 division: String,
            }
            /// An officer of seals is none any more.
            127 "seal-officer-dismissed" SealOfficerDismissed {
                /// The caller.
                0 officer: CallerId,
            }
            /// The keeper of a seal authorised somebody to use it.
            128 "use-authorised" UseAuthorised {
                /// The authorisation.
                0 authorisation: AuthorisationId,
                /// The seal.
                1 seal: SealId,
                /// Who may use it.
                2 user: CallerId,
                /// SM3 of the octets that the keeper signed.
                3 terms_sm3: [u8; 32],
            }
            /// The keeper of a seal withdrew an authorisation.
            129 "use-authorisation-withdrawn" UseAuthorisationWithdrawn {
                /// The authorisation.
                0 authorisation: AuthorisationId,
                /// The seal.
                1 seal: SealId,
            }
            /// All authorisations to use a seal were withdrawn by one call.
            130 "uses-withdrawn" UsesWithdrawn {
                /// The seal.
                0 seal: SealId,
                /// How many.
                1 count: u64,
            }
            /// The keeper approved one use of a seal, for one document.
            131 "use-approved" UseApproved {
                /// Under which authorisation.
                0 authorisation: AuthorisationId,
                /// The seal.
                1 seal: SealId,
                /// SM3 of the document.
                2 document_sm3: [u8; 32],
                /// SM3 of the keeper's signature.
                3 approval_sm3: [u8; 32],
            }
            /// A use of a seal was entered in its ledger (用印台账), in the transaction that intends the signing.
            132 "use-entered" UseEntered {
                /// The act of signing.
                0 signature: SignatureId,
                /// The seal.
                1 seal: SealId,
                /// Under which authorisation.
                2 authorisation: AuthorisationId,
            }
            /// A seal is about to be made for an approved application: its code is taken, for ever.
            133 "seal-making-intended" SealMakingIntended {
                /// The application.
                0 application: ApplicationId,
                /// The name that the seal will have.
                1 seal: SealId,
                /// Its code.
                2 code: String,
                /// The signer's key, where it is ours.
                3 signer: Option<KeyId>,
            }
            /// A notice of a state change was not taken by its receiver for as long as the configuration says: it is sent no
            /// more, until somebody wants it.
            134 "webhook-given-up" WebhookGivenUp {
                /// The receiver, by its name in the configuration.
                0 receiver: String,
                /// The event that the notice is of.
                1 event: u64,
                /// The stable code of the last refusal.
                2 refusal: String,
                /// How often it was sent.
                3 attempts: u64,
            }
            /// Somebody wants a notice that was given up to be sent again.
            135 "webhook-resent" WebhookResent {
                /// The receiver.
                0 receiver: String,
                /// The event that the notice is of.
                1 event: u64,
            }
            /// A person is about to sign a document, by a key and a certificate of that one act. Who it is stands in no event.
            136 "person-signing-intended" PersonSigningIntended {
                /// The act of signing.
                0 signature: SignatureId,
                /// SM3 of the document as it came.
                1 document_sm3: [u8; 32],
                /// The level of assurance, 1 to 5, as the actor states it.
                2 level: u64,
                /// The procedure by which the person was identified, as the actor states it.
                3 procedure: String,
                /// When, as the actor states it.
                4 proven_at: Timestamp,
                /// SM3 of the statement that the certificate will hold.
                5 statement_sm3: [u8; 32],
            }
            /// A person signed a document. It is released only after this is kept.
            137 "person-signed" PersonSigned {
                /// The act of signing that was intended.
                0 signature: SignatureId,
                /// SM3 of the document as it came.
                1 document_sm3: [u8; 32],
                /// SM3 of the certificate of this act in DER.
                2 certificate_sm3: [u8; 32],
                /// SM3 of the seal that shows the handwriting in DER.
                3 seal_sm3: [u8; 32],
                /// SM3 of the signature's structure.
                4 signed_value_sm3: [u8; 32],
                /// SM3 of the document as it leaves.
                5 result_sm3: [u8; 32],
            }
            /// A person's signing that was intended came to nothing.
            138 "person-signing-abandoned" PersonSigningAbandoned {
                /// The act of signing that was intended.
                0 signature: SignatureId,
                /// Why.
                1 reason: AbandonmentReason,
            }
            /// A seal was ordered at a maker elsewhere.
            140 "seal-ordered" SealOrdered {
                /// The application.
                0 application: ApplicationId,
                /// The name that the seal will have.
                1 seal: SealId,
                /// SM3 of the request for the signer's certificate.
                2 request_sm3: [u8; 32],
            }
            /// A seal that a maker elsewhere made for an application is one of ours.
            141 "seal-received" SealReceived {
                /// The seal.
                0 seal: SealId,
                /// SM3 of the seal in DER.
                1 seal_sm3: [u8; 32],
                /// SM3 of its maker's certificate.
                2 maker_sm3: [u8; 32],
                /// SM3 of its signer's certificate.
                3 certificate_sm3: [u8; 32],
                /// The signer's key, where it is ours.
                4 signer: Option<KeyId>,
            }
            /// Nothing more is wanted of an order, or its maker does nothing for it.
            142 "order-ended" OrderEnded {
                /// The application.
                0 application: ApplicationId,
                /// The name that the seal would have had.
                1 seal: SealId,
                /// `refused`, `application-ended`, or why what came was not kept.
                2 outcome: String,
            }
            /// An office elsewhere answered what does not fit: it changes nothing here.
            143 "office-answer-refused" OfficeAnswerRefused {
                /// The office.
                0 office: String,
                /// The application or the seal that was asked about.
                1 subject: String,
                /// Why.
                2 code: String,
            }
            /// An office elsewhere decided by itself about a seal.
            144 "office-decided" OfficeDecided {
                /// The office.
                0 office: String,
                /// The application or the seal that it is about.
                1 subject: String,
                /// `active`, `suspended` or `cancelled`.
                2 state: String,
                /// What came of it here: `taken`, or why nothing did.
                3 outcome: String,
            }
            /// The filing of a seal with public security moved on.
            145 "seal-filing" SealFiling {
                /// The seal.
                0 seal: SealId,
                /// `ordered`, `filed` or `refused`.
                1 state: String,
                /// The number, or the office's reason.
                2 detail: Option<String>,
            }
            /// A signing was prepared whose key lies with the client: its use is counted, and a value awaited.
            146 "signing-prepared" SigningPrepared {
                /// The act of signing.
                0 signature: SignatureId,
                /// The seal.
                1 seal: SealId,
                /// SM3 of the document as it came.
                2 document_sm3: [u8; 32],
                /// SM3 of the signer's certificate.
                3 certificate_sm3: [u8; 32],
            }
            /// A table of seals from elsewhere is taken in, from now on.
            147 "seal-import-begun" SealImportBegun {
                /// Its name.
                0 import: JobId,
                /// SM3 of the table.
                1 table_sm3: [u8; 32],
                /// How many seals it has.
                2 records: u64,
            }
            /// A seal from elsewhere was taken in, with others.
            148 "seal-imported" SealImported {
                /// The seal.
                0 seal: SealId,
                /// SM3 of the seal in DER.
                1 seal_sm3: [u8; 32],
                /// SM3 of its signer's certificate in DER.
                2 certificate_sm3: [u8; 32],
                /// With which table.
                3 import: JobId,
                /// The signer's key, where it is here.
                4 signer: Option<KeyId>,
            }
            /// Each seal of a table has its outcome.
            149 "seal-import-finished" SealImportFinished {
                /// Its name.
                0 import: JobId,
                /// Seals taken in.
                1 imported: u64,
                /// Seals that others stand in the way of.
                2 conflict: u64,
                /// Seals that are not to be taken in.
                3 rejected: u64,
            }
            /// An applicant ordered that many seals be revoked and made anew.
            150 "seal-remake-ordered" SealRemakeOrdered {
                /// The order.
                0 remake: JobId,
                /// SM3 of the octets that its approvers sign.
                1 order_sm3: [u8; 32],
                /// For which division.
                2 division: String,
            }
            /// An officer approved an order to re-make seals by a signature.
            151 "seal-remake-approved" SealRemakeApproved {
                /// The order.
                0 remake: JobId,
                /// SM3 of what was signed.
                1 order_sm3: [u8; 32],
                /// SM3 of the signature's value.
                2 signature_sm3: [u8; 32],
            }
            /// Every seal of an order is revoked.
            152 "seal-remake-all-revoked" SealRemakeAllRevoked {
                /// The order.
                0 remake: JobId,
                /// How many.
                1 seals: u64,
            }
            /// A seal of an order has its successor, or will have none by it.
            153 "seal-remade" SealRemade {
                /// The order.
                0 remake: JobId,
                /// The old seal.
                1 seal: SealId,
                /// Its successor.
                2 by: Option<SealId>,
                /// The stable code of why there is none.
                3 refusal: Option<String>,
            }
            /// An order to re-make seals has ended.
            154 "seal-remake-ended" SealRemakeEnded {
                /// The order.
                0 remake: JobId,
                /// `finished` or `cancelled`.
                1 state: String,
                /// Seals revoked.
                2 revoked: u64,
                /// Seals with a successor.
                3 made: u64,
                /// Seals that get none by it.
                4 refused: u64,
            }
            /// A seal of an order is about to be made anew: its code is taken, for ever, and its signer's key is there.
            155 "seal-remake-intended" SealRemakeIntended {
                /// The order.
                0 remake: JobId,
                /// The old seal.
                1 seal: SealId,
                /// The name that the new one will have.
                2 by: SealId,
                /// Its code.
                3 code: String,
                /// Its signer's key.
                4 signer: KeyId,
            }
            /// The validity of a seal is over.
            164 "seal-expired" SealExpired {
                /// The seal.
                0 seal: SealId,
                /// When it ended.
                1 valid_to: Timestamp,
            }
            /// A key is about to sign a message for the caller whose key it is.
            165 "message-signing-intended" MessageSigningIntended {
                /// The act of signing.
                0 signature: SignatureId,
                /// The key.
                1 key: KeyId,
                /// `cms`, `cades-b`, `cades-t`, `gbt35275`, `jws`, `jws-json` or `ofd-sign`.
                2 form: String,
                /// How the content was hashed: `sm3` of what was handed in, or what the caller says of a digest.
                3 content_algorithm: String,
                /// That digest of the content.
                4 content_digest: Vec<u8>,
            }
            /// A message was signed. It is released only after this is kept.
            166 "message-signed" MessageSigned {
                /// The act of signing that was intended.
                0 signature: SignatureId,
                /// SM3 of the certificate of the key in DER.
                1 certificate_sm3: [u8; 32],
                /// SM3 of the signature's value as the message carries it.
                2 signed_value_sm3: [u8; 32],
                /// SM3 of the message as it leaves.
                3 result_sm3: [u8; 32],
            }
            /// The signing of a message that was intended came to nothing.
            167 "message-signing-abandoned" MessageSigningAbandoned {
                /// The act of signing that was intended.
                0 signature: SignatureId,
                /// Why.
                1 reason: AbandonmentReason,
            }
        }
    };
}

pub(in crate::domain::audit) use with_seal_events;

//! Why things happened: closed lists, so that no free text, and with it no personal data, enters the log.

use crate::domain::key::named;

named! {
    /// Why a seal rests for a while.
    SuspensionReason {
        /// The seal's owner asked for it.
        OwnerRequest = 1, "owner-request";
        /// A court or supervising authority ordered it.
        AuthorityOrder = 2, "authority-order";
        /// Misuse is suspected and being looked into.
        SuspectedMisuse = 3, "suspected-misuse";
    }
}

named! {
    /// Why a seal is at an end.
    RevocationReason {
        /// The private key of a signer, or the seal itself, fell into other hands.
        KeyCompromise = 1, "key-compromise";
        /// The organisation has changed its name or another fact that the seal states.
        FactsChanged = 2, "facts-changed";
        /// A newer seal stands in its place.
        Superseded = 3, "superseded";
        /// The organisation has ended.
        CessationOfOperation = 4, "cessation-of-operation";
        /// A court or supervising authority ordered it.
        AuthorityOrder = 5, "authority-order";
    }
}

named! {
    /// Why a signing that was intended came to nothing.
    AbandonmentReason {
        /// The service stopped between the intent and the result.
        Interrupted = 1, "interrupted";
        /// The key could not sign.
        KeyFailed = 2, "key-failed";
        /// The new signature did not verify, so it was never released.
        SelfCheckFailed = 3, "self-check-failed";
        /// The document could not be written with its signature.
        DocumentNotWritten = 4, "document-not-written";
        /// The seal was suspended or revoked between the intent and the result.
        SealNotActive = 5, "seal-not-active";
        /// The result could not be kept.
        NotKept = 6, "not-kept";
        /// The authority to use the seal was withdrawn between the intent and the result.
        UseWithdrawn = 7, "use-withdrawn";
    }
}

named! {
    /// Why an event of the audit log is erased.
    ErasureReason {
        /// Whom it is about asked for it.
        HolderRequest = 1, "holder-request";
        /// What it was kept for is over.
        PurposeEnded = 2, "purpose-ended";
        /// It should never have been recorded.
        Unlawful = 3, "unlawful";
        /// A court or supervising authority ordered it.
        AuthorityOrder = 4, "authority-order";
    }
}

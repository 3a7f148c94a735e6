//! What an error means for a job: an answer for one row, something that passes, or something that somebody must mend.

use crate::domain::ca;
use crate::domain::ca::job::StepRefused;
use crate::service::Error;
use crate::service::door::{ErrorKind, Refusal as _};
use crate::store;

/// Characters of a reason that is kept with its row.
const MOST_REASON: usize = 500;

/// What an order that gave no certificate means for its job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::service) enum Meaning {
    /// The row is refused, now and for ever: the same order will never be taken.
    Refused {
        /// The stable code.
        code: &'static str,
        /// For people.
        reason: String,
    },
    /// Nothing is known of the row: what failed may be back soon.
    Passes {
        /// The stable code.
        code: &'static str,
    },
    /// Nothing is known of the row, and nothing will change by waiting.
    Stops {
        /// The stable code.
        code: &'static str,
    },
    /// The job is another's now, or at rest.
    Lost,
}

/// What it means.
pub(in crate::service) fn meaning(error: &Error) -> Meaning {
    let code = error.code();
    match error {
        Error::Shared(error) => meaning(error),
        Error::Job(StepRefused::LeaseLost) | Error::UnknownJob => Meaning::Lost,
        Error::Possession(_) => refused(error),
        Error::Issuance(wrong) if is_of_the_row(wrong) => refused(error),
        // A value that does not verify may be a key store's bad moment.
        Error::Issuance(ca::Error::Signature | ca::Error::Serial | ca::Error::Unreadable(_))
        | Error::Random(_)
        | Error::Interrupted
        // A row that has its result by now, of an order that nobody waited for any more: the next look tells.
        | Error::Store(store::Error::Database(_) | store::Error::NotCommitted(_) | store::Error::Conflict { .. }) => Meaning::Passes { code },
        _ if error.kind() == ErrorKind::Unavailable => Meaning::Passes { code },
        _ => Meaning::Stops { code },
    }
}

fn refused(error: &Error) -> Meaning {
    Meaning::Refused { code: error.code(), reason: error.to_string().chars().take(MOST_REASON).collect() }
}

/// Whether another row of the same job, profile and authority could fare better.
const fn is_of_the_row(error: &ca::Error) -> bool {
    match error {
        ca::Error::EmptyValidity
        | ca::Error::ValidityTooLong { .. }
        | ca::Error::Backdated
        | ca::Error::BeyondIssuer { .. }
        | ca::Error::Subject(_)
        | ca::Error::Key { .. }
        | ca::Error::WeakKey(_)
        | ca::Error::Unacceptable(_)
        | ca::Error::Transaction
        | ca::Error::Identity(_)
        | ca::Error::Lint(_) => true,
        ca::Error::UnknownProfile(_)
        | ca::Error::Serial
        | ca::Error::Algorithm
        | ca::Error::Position
        | ca::Error::NoAuthority
        | ca::Error::PathLength
        | ca::Error::NameConstraints
        | ca::Error::ThrowAway(_)
        | ca::Error::Unreadable(_)
        | ca::Error::Signature => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::id::KeyId;
    use crate::domain::ca::possession::PossessionError;
    use crate::domain::key::KeyRefusal;
    use crate::service::keys;

    #[test]
    fn only_what_is_the_rows_own_refuses_a_row() {
        let row = Error::from(PossessionError::Signature);
        let expected = Meaning::Refused { code: "csr-signature", reason: row.to_string() };
        assert_eq!(meaning(&row), expected);
        assert_eq!(meaning(&Error::Shared(Arc::new(row))), expected);
        let lint = meaning(&Error::from(ca::Error::Lint(Vec::new())));
        assert!(matches!(lint, Meaning::Refused { code: "lint", .. }), "{lint:?}");
        let key = KeyId::parse("k").unwrap();
        let passes = [
            (keys::Error::Busy.into(), "key-store-busy"),
            (keys::Error::Unavailable.into(), "key-store-unavailable"),
            (Error::IssuanceBusy, "issuance-busy"),
            (Error::Interrupted, "interrupted"),
            (ca::Error::Signature.into(), "issuer-signature"),
            (store::Error::Contended { name: "x", attempts: 5 }.into(), "contended"),
            (store::Error::Conflict { constraint: "x".into() }.into(), "database"),
            (store::Error::Stale { table: "issuance_batches", row: "b".into() }.into(), "contended"),
        ];
        for (error, code) in passes {
            assert_eq!(meaning(&error), Meaning::Passes { code }, "{error:?}");
        }
        let stops = [
            (Error::AuthorityRetired, "authority-retired"),
            (Error::AuthorityNotActive, "authority-not-active"),
            (keys::Error::from(KeyRefusal::Suspended { key }).into(), "key-suspended"),
            (ca::Error::NoAuthority.into(), "issuer-no-authority"),
            (Error::CallerBarred, "caller-barred"),
            (store::Error::Inconsistent { table: "issuance_job_rows", row: "j/1".into() }.into(), "inconsistent"),
        ];
        for (error, code) in stops {
            assert_eq!(meaning(&error), Meaning::Stops { code }, "{error:?}");
        }
        assert_eq!(meaning(&StepRefused::LeaseLost.into()), Meaning::Lost);
        // The gravest of several is the greatest.
        assert!(
            Meaning::Lost > Meaning::Stops { code: "" } && Meaning::Stops { code: "" } > Meaning::Passes { code: "z" }
        );
    }
}

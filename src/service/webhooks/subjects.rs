//! What is known of the seal, or the application, that an event is about.

use crate::base::id::{ApplicationId, SealId};
use crate::domain::webhook::{About, Change, Facts};
use crate::store::{Error, Tx, seal_applications, seal_records};

/// What was found.
pub(super) enum Subject {
    /// It is told, with what is known.
    Known(Option<Facts>),
    /// It is no concern of anybody: a request for a certificate.
    Elses,
}

async fn of_seal(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<Facts>, Error> {
    let record = seal_records::find(tx, seal).await?;
    Ok(record.map(|record| Facts {
        code: Some(record.code.to_string()),
        kind: record.kind,
        division: record.holder.division,
        valid_to: Some(record.valid_to),
    }))
}

async fn of_application(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Subject, Error> {
    let Some(stored) = seal_applications::find(tx, id).await? else { return Ok(Subject::Elses) };
    let purpose = &stored.application.submission.purpose;
    if let Some(wanted) = purpose.wanted() {
        // Code and end come with the seal.
        let (kind, division) = (wanted.kind, wanted.holder.division.clone());
        return Ok(Subject::Known(Some(Facts { code: None, kind, division, valid_to: None })));
    }
    match purpose.seal() {
        Some(seal) => Ok(Subject::Known(of_seal(tx, seal).await?)),
        None => Ok(Subject::Known(None)),
    }
}

/// What is known of what a change is about.
///
/// # Errors
/// A row that is not as it was written; the database's.
pub(super) async fn of(tx: &mut Tx<'_>, change: &Change) -> Result<Subject, Error> {
    match &change.about {
        About::Seal(seal) => Ok(Subject::Known(of_seal(tx, seal).await?)),
        About::Application(id) => of_application(tx, id).await,
        About::Certificate(_) => Ok(Subject::Known(None)),
    }
}

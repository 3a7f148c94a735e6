//! All that came of a job's rows as JSON Lines.

use std::sync::Arc;

use axum::body::Body;

use crate::base::id::JobId;
use crate::http::App;
use crate::http::api::issuance_jobs::RowShape;
use crate::http::api::lines::{Lines, Page};
use crate::http::problem::Problem;
use crate::service::door::Actor;
use crate::service::issuance_jobs::desk::{MOST_WITH_CERTIFICATES, ResultQuery};

/// From the row behind that number on.
pub(crate) async fn job_lines(app: Arc<App>, actor: Actor, id: JobId, after: u32) -> Result<Body, Problem> {
    Lines::open(after, Vec::new(), move |after| Box::pin(page(Arc::clone(&app), actor.clone(), id.clone(), after)))
        .await
}

async fn page(app: Arc<App>, actor: Actor, id: JobId, after: u32) -> Result<Page<u32>, Problem> {
    let query = ResultQuery { after, limit: MOST_WITH_CERTIFICATES, with_certificates: true };
    let page = app.door.issuance_job_results(&actor, &id, query).await?;
    let mut text = Vec::new();
    for row in page.rows {
        let shape = RowShape::with_certificate(row);
        serde_json::to_writer(&mut text, &shape).map_err(|broken| Problem::internal(&broken))?;
        text.push(b'\n');
    }
    Ok((text, page.next))
}

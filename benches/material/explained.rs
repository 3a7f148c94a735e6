//! How PostgreSQL answers what the store asks: `auto_explain` of the server itself, over the statements as they are.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::store::{Error, IntegrityKey, Store, Tx};

use crate::rows::KEY;

/// The plans of a piece of work.
pub(crate) struct Explained {
    /// The nodes that read tables, with their indexes, statement by statement.
    pub(crate) plan: String,
    /// Pages of the database that were touched.
    pub(crate) pages: u64,
}

type Work<'w> = Pin<Box<dyn Future<Output = Result<usize, Error>> + Send + 'w>>;

impl Explained {
    /// Does the work once in a session that explains itself into the server's log.
    pub(crate) async fn of(url: &str, work: impl for<'t> FnOnce(&'t mut Tx<'_>) -> Work<'t> + Send) -> Self {
        let options = "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on \
                       -c auto_explain.log_buffers=on -c auto_explain.log_format=json -c compute_query_id=off";
        let explaining = format!("{url}?options={}", options.replace(' ', "%20").replace('=', "%3D"));
        let mut connection = PgConnection::connect(url).await.unwrap();
        let (folder,): (String,) = sqlx::query_as("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let log = std::path::Path::new(&folder).parent().unwrap().join("log");
        let key = IntegrityKey::new(Secret::new(KEY.to_vec()));
        let store = Store::open(explaining.as_str(), key, Arc::new(SystemRandom)).await.unwrap();
        let before = std::fs::read(&log).unwrap().len();
        store.read(|tx| work(tx)).await.unwrap();
        store.close().await;
        let said = std::fs::read(&log).unwrap();
        Self::read(&String::from_utf8_lossy(&said[before..]))
    }

    fn read(log: &str) -> Self {
        let (mut plan, mut pages) = (Vec::new(), 0);
        for piece in log.split("plan:\n").skip(1) {
            let mut values = serde_json::Deserializer::from_str(piece).into_iter::<Value>();
            let Some(Ok(told)) = values.next() else { continue };
            let (mut nodes, root) = (Vec::new(), &told["Plan"]);
            walk(root, &mut nodes);
            if !nodes.is_empty() {
                let touched = |name: &str| root[name].as_u64().unwrap_or(0);
                pages += touched("Shared Hit Blocks") + touched("Shared Read Blocks");
                plan.push(nodes.join(" + "));
            }
        }
        Self { plan: plan.join("; "), pages }
    }
}

fn walk(node: &Value, nodes: &mut Vec<String>) {
    // Beside them stands what opening the store asks.
    if let Some(table) = node["Relation Name"].as_str().filter(|table| is_ours(table)) {
        let index = node["Index Name"].as_str().map_or_else(String::new, |index| format!(" by {index}"));
        nodes.push(format!("{} {table}{index}", node["Node Type"].as_str().unwrap_or_default()));
    } else if let Some(index) = node["Index Name"].as_str().filter(|index| is_ours(index)) {
        nodes.push(format!("{} {index}", node["Node Type"].as_str().unwrap_or_default()));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, nodes);
    }
}

fn is_ours(name: &str) -> bool {
    ["seal", "further", "newest"].iter().any(|beginning| name.starts_with(beginning))
}

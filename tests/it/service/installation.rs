//! An installation of a test's own, and what its database holds.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection};
use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::config::verification::built_in;
use yinxin::domain::audit::Event;
use yinxin::domain::verify::{Indication, Report};
use yinxin::service::Services;
use yinxin::service::development::DevelopmentPki;
use yinxin::service::keys::KeySource;
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::store::audit;

use crate::store::Folder;

/// The moment at which these tests happen.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A database, and the folder of its key-encryption key.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) folder: Folder,
}

impl Place {
    pub(crate) async fn open(&self) -> Services {
        let source = KeySource::File { path: self.folder.path().join("key"), create: true };
        Services::open(&self.url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// What somebody with the database's password could do; gives the number of rows touched.
    pub(crate) async fn by_hand(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
            connection.close().await.unwrap();
            return done;
        }
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
    }

    /// Several statements.
    pub(crate) async fn script(&self, sql: &str) {
        use sqlx::Executor as _;
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_sqlite() {
            let options = self.url.parse::<sqlx::sqlite::SqliteConnectOptions>().unwrap().create_if_missing(true);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute(sqlx::raw_sql(sql)).await.unwrap();
            connection.close().await.unwrap();
            return;
        }
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        connection.execute(sqlx::raw_sql(sql)).await.unwrap();
    }

    /// How many rows a table, or a part of it, has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        if self.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            return count;
        }
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        count
    }
}

/// The whole log.
pub(crate) async fn events(services: &Services) -> Vec<Event> {
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 10_000))).await.unwrap();
    events.into_iter().map(|(_, event)| event).collect()
}

/// The verdict with the development anchor, and those on each signature.
pub(crate) fn judge(pki: &DevelopmentPki, document: &[u8]) -> (Indication, Vec<Indication>) {
    let report = report(pki, document);
    (report.indication, report.signatures.iter().map(|signature| signature.indication).collect())
}

pub(crate) fn report(pki: &DevelopmentPki, document: &[u8]) -> Report {
    let policy = built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(&pki.root, "root").unwrap();
    judge.add_evidence(&pki.authority, "authority").unwrap();
    judge.judge("document.ofd", document, None)
}

/// Every development PKI, however it was read, is the same.
pub(crate) fn assert_same(a: &DevelopmentPki, b: &DevelopmentPki) {
    assert_eq!((&a.root, &a.authority, &a.maker, &a.seals), (&b.root, &b.authority, &b.maker, &b.seals));
}

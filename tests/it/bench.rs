//! `yinxin bench` from outside: it ends by itself, tells every figure, and leaves nothing behind.

use std::process::Output;

use serde_json::Value;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::process::program;
use crate::store::Folder;
use crate::store::postgres::Postgres;

const FIGURES: [&str; 5] = [
    "certificates, SM2, POST by TLS",
    "OCSP, signed before, GET",
    "OCSP with a nonce, SM2, POST",
    "time stamps, SM2, POST",
    "verifications, OFD with an SM2 seal, by TLS",
];

fn measured(folder: &Folder, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["bench", "--seconds", "1", "--connections", "4", "--json", "--folder"]).arg(folder.path());
    command.args(more).output().unwrap()
}

fn told(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn every_figure(told: &Value, database: &str) {
    assert_eq!(told["database"], database);
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["what"].as_str().unwrap()).collect::<Vec<_>>(), FIGURES);
    for row in rows {
        for figure in ["per_second", "beside_per_second", "share"] {
            assert!(row[figure].as_f64().is_some_and(|figure| figure.is_finite() && figure > 0.0), "{row}");
        }
        let load = row["load_cpu_share"].as_f64();
        assert!(
            load.is_none_or(|share| (0.0..1.0).contains(&share)) && load.is_some() == cfg!(target_os = "linux"),
            "{row}"
        );
    }
}

#[test]
fn figures_on_sqlite_and_nothing_stays() {
    let folder = Folder::new("bench");
    every_figure(&told(&measured(&folder, &[])), "sqlite");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn figures_on_postgresql_and_nothing_stays() {
    let Some(server) = Postgres::start() else {
        return crate::skip("bench::figures_on_postgresql_and_nothing_stays", "PostgreSQL");
    };
    let folder = Folder::new("bench-postgres");
    every_figure(&told(&measured(&folder, &["--database", &server.url])), "postgresql");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left = runtime.block_on(async {
        let mut connection = PgConnection::connect(&server.url).await.unwrap();
        let schemas = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'yinxin_bench'";
        let (schemas,) = sqlx::query_as::<_, (i64,)>(schemas).fetch_one(&mut connection).await.unwrap();
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
        let (tables,) = sqlx::query_as::<_, (i64,)>(tables).fetch_one(&mut connection).await.unwrap();
        // Somebody else's schema of that name is not touched.
        sqlx::query("CREATE SCHEMA yinxin_bench").execute(&mut connection).await.unwrap();
        (schemas, tables)
    });
    assert_eq!(left, (0, 0));
    let refused = measured(&folder, &["--database", &server.url]);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(70), "{line}");
    assert!(line.starts_with("error: the schema yinxin_bench cannot be made or removed in that database"), "{line}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

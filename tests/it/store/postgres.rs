//! A private PostgreSQL: started for a test on a free loopback port, stopped and removed after it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::{AssertSqlSafe, Connection as _};

use crate::store::Folder;

/// User and group to run as, when not as ourselves.
pub(crate) type User = Option<(u32, u32)>;

pub(crate) struct Postgres {
    /// Nothing when the environment names a server that is not ours to stop.
    pub(crate) private: Option<(Folder, PathBuf, User)>,
    pub(crate) url: String,
}

impl Postgres {
    /// The server that `YINXIN_TEST_POSTGRES_URL` names, else a private one, else nothing.
    pub(crate) fn start() -> Option<Self> {
        if let Ok(url) = std::env::var("YINXIN_TEST_POSTGRES_URL") {
            return Some(Self { private: None, url });
        }
        let programs = programs()?;
        let folder = Folder::new("postgres");
        // PostgreSQL refuses to run as root.
        let user = if folder.path().metadata().unwrap().uid() == 0 { Some(postgres_user()?) } else { None };
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let rows = folder.path().join("rows");
        let rows = rows.to_str().unwrap();
        let initdb = ["-D", rows, "-U", "yinxin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(&programs.join("initdb"), &initdb, user, folder.path());
        let socket = folder.path().to_str().unwrap();
        let options = format!("-p {port} -k {socket} -c listen_addresses=127.0.0.1 -c fsync=off");
        let log = folder.path().join("log");
        let start = ["-D", rows, "-w", "-l", log.to_str().unwrap(), "-o", &options, "start"];
        let url = format!("postgres://yinxin@127.0.0.1:{port}/postgres");
        let server = Self { private: Some((folder, programs.join("pg_ctl"), user)), url };
        let (folder, pg_ctl, user) = server.private.as_ref().unwrap();
        run(pg_ctl, &start, *user, folder.path());
        Some(server)
    }

    /// A fresh database of that name on it.
    pub(crate) async fn database(&self, name: &str) -> String {
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        let name = format!("yinxin_{}_{}", name.replace('-', "_"), std::process::id());
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        let (server, options) = self
            .url
            .split_once('?')
            .map_or((&*self.url, String::new()), |(server, options)| (server, format!("?{options}")));
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{name}{options}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some((folder, pg_ctl, user)) = &self.private {
            let rows = folder.path().join("rows");
            // `pg_ctl` stops the process whose number stands in this folder.
            let stop = ["-D", rows.to_str().unwrap(), "-w", "-m", "immediate", "stop"];
            run(pg_ctl, &stop, *user, folder.path());
        }
    }
}

pub(crate) fn run(program: &Path, arguments: &[&str], user: User, folder: &Path) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    let status = command.status().unwrap();
    assert!(status.success(), "{} {arguments:?}: {status}", program.display());
}

/// The folder that holds `initdb` and `pg_ctl`: the newest installed one, else one on the path.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders = installed.map(|version| version.path().join("bin")).collect::<Vec<_>>();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    folders.into_iter().rev().chain(on_path).find(|folder| folder.join("initdb").is_file())
}

fn postgres_user() -> User {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut line = users.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    Some((line.next()?.parse().ok()?, line.next()?.parse().ok()?))
}

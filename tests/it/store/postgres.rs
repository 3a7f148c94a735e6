//! A private PostgreSQL: started for a test on a free loopback port, stopped and removed after it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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
        // What `initdb` makes is always the same, so it is made once and copied; who owns a file is kept.
        let copied = Command::new("cp").arg("-a").arg(fresh(&programs.join("initdb"), user)).arg(rows).status();
        assert!(copied.unwrap().success());
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

/// The files of a server in which nothing happened yet, made by that program. They stay beside the tests' program for the
/// next ones.
fn fresh(initdb: &Path, user: User) -> &'static Path {
    static FRESH: OnceLock<PathBuf> = OnceLock::new();
    FRESH.get_or_init(|| {
        let version = Command::new(initdb).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{version}{}", user.map_or(0, |(uid, _)| uid)));
        if !kept.exists() {
            let folder = Folder::new("initdb");
            if let Some((uid, gid)) = user {
                std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
            }
            let rows = folder.path().join("rows");
            let options = ["-U", "yinxin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
            run(initdb, &[&["-D", rows.to_str().unwrap()], &options[..]].concat(), user, folder.path());
            let part = kept.with_extension(std::process::id().to_string());
            let copied = Command::new("cp").arg("-a").arg(&rows).arg(&part).status();
            assert!(copied.unwrap().success());
            // Whole or not there; another program may have been faster.
            if std::fs::rename(&part, &kept).is_err() {
                assert!(kept.exists(), "{}", kept.display());
                std::fs::remove_dir_all(&part).unwrap();
            }
        }
        kept
    })
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

//! The built program as a child process, and curl to call it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The program, with none of this environment's own settings.
pub(crate) fn program() -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_yinxin")))
}

/// A build of the program, with none of this environment's own settings.
pub(crate) fn program_at(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("YINXIN_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A server that has said where it listens. It is killed if a test ends before it.
pub(crate) struct Running {
    child: Child,
    pub(crate) v4: u16,
    pub(crate) v6: u16,
    pub(crate) said: String,
    pub(crate) log: PathBuf,
}

impl Running {
    /// Starts `serve` on an installation; `more` are further variables.
    pub(crate) fn serve(installation: &Path, more: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.arg("serve").env("YINXIN_DATA_DIR", installation);
        command.envs(more.iter().copied());
        Self::start(command, installation.with_extension("log"))
    }

    /// Starts a command that serves a development installation, and waits until it says so. Its log is added to that
    /// file.
    pub(crate) fn start(command: Command, log: PathBuf) -> Self {
        Self::start_until(command, log, "DEVELOPMENT TRUST:")
    }

    /// The same with the last words of any installation.
    pub(crate) fn start_until(mut command: Command, log: PathBuf, last: &str) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.env("YINXIN_SERVER__LISTEN", "[\"127.0.0.1:0\", \"[::1]:0\"]").stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !said.contains(last) {
            if lines.read_line(&mut said).unwrap() == 0 {
                panic!("{:?}: {said}{}", child.wait(), fs::read_to_string(&log).unwrap());
            }
        }
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        let port = |start: &str| {
            let (_, rest) = said.split_once(start).unwrap_or_else(|| panic!("no {start} in {said}"));
            rest.lines().next().unwrap().parse().unwrap()
        };
        let (v4, v6) = (port("listening on https://127.0.0.1:"), port("listening on https://[::1]:"));
        Self { child, v4, v6, said, log }
    }

    /// SIGTERM; gives the exit code and how long it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        (self.child.wait().unwrap().code(), started.elapsed())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer that curl got whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem document (RFC 9457).
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(self.kind, "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.body
    }
}

pub(crate) fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

/// Calls with curl, which trusts that certificate only; nothing when no whole answer came.
pub(crate) fn try_curl(trust: &Path, arguments: &[&str]) -> Option<Answer> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--max-time", "60", "-w", "%{stderr}%{http_code} %{content_type}"]);
    let Output { status, stdout, stderr } = command.arg("--cacert").arg(trust).args(arguments).output().unwrap();
    if !status.success() {
        return None;
    }
    let figures = String::from_utf8(stderr).unwrap();
    let (code, kind) = figures.split_once(' ').unwrap();
    Some(Answer { status: code.parse().unwrap(), kind: kind.to_owned(), body: stdout })
}

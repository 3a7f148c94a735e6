//! Security events as lines of JSON, in a file that begins anew each day, or on standard output.
//!
//! The file of a day that is over is called by that day (`FILE.2026-11-23`, UTC) and deleted when it is older than logs are
//! kept. Whoever rotates it otherwise may: it is opened for each group of events.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::base::clock::{Clock, Timestamp};
use crate::domain::audit::SecurityEvent;
use crate::service::watching::delivery::{Handing, Sink};

/// Time for a group of events: a pipe may be full, a disk slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// A file; those of days that are over are kept for so many days.
    File(PathBuf, u32),
}

/// A receiver of lines.
pub struct JsonLines {
    place: Place,
    clock: Arc<dyn Clock>,
    /// A writing that took too long: the next one waits for it, so that there is never more than one.
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl JsonLines {
    /// A receiver.
    #[must_use]
    pub fn new(place: Place, clock: Arc<dyn Clock>) -> Self {
        Self { place, clock, writing: None }
    }

    async fn finish(&mut self) -> io::Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let Ok(done) = timeout(PATIENCE, writing).await else { return Err(io::ErrorKind::TimedOut.into()) };
        self.writing = None;
        done.map_err(io::Error::other)?
    }
}

impl Sink for JsonLines {
    fn name(&self) -> &'static str {
        "json"
    }

    fn hand_over<'a>(&'a mut self, events: &'a [SecurityEvent]) -> Handing<'a, ()> {
        Box::pin(async move {
            // What an earlier writing came to was told then: too late is not kept.
            if self.writing.is_some() {
                let _ = self.finish().await;
            }
            if self.writing.is_some() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut lines = String::new();
            for event in events {
                lines.push_str(&event.to_json().map_err(io::Error::other)?);
                lines.push('\n');
            }
            let (place, now) = (self.place.clone(), self.clock.now());
            self.writing = Some(tokio::task::spawn_blocking(move || match place {
                Place::Stdout => {
                    let mut out = io::stdout().lock();
                    out.write_all(lines.as_bytes()).and_then(|()| out.flush())
                }
                Place::File(path, days) => append(&path, lines.as_bytes(), now, days),
            }));
            self.finish().await
        })
    }

    fn look(&mut self) -> Handing<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Appends whole lines and waits for the disk. A line that a crash cut off is ended first: it comes again, whole.
fn append(path: &Path, lines: &[u8], now: Timestamp, days: u32) -> io::Result<()> {
    begin_the_day(path, now, days)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if !ends_a_line(&mut file)? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    file.sync_data()
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length.saturating_sub(1)))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Puts the file of a day that is over aside, and deletes those that are older than logs are kept.
fn begin_the_day(path: &Path, now: Timestamp, days: u32) -> io::Result<()> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let written = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Timestamp::from_unix(i64::try_from(written.as_secs()).unwrap_or(i64::MAX));
    if !found.is_file() || day(written) >= day(now) {
        return Ok(());
    }
    let aside = beside(path, &day(written));
    // Never over another file: of a day that has one already the lines stay together in the present one.
    if !aside.exists() {
        fs::rename(path, aside)?;
    }
    let oldest = day(now.plus_days(-i64::from(days)));
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let of = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        if of.is_some_and(|of| is_day(of) && *of < *oldest) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn beside(path: &Path, day: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(day);
    PathBuf::from(name)
}

/// `2026-11-23`, UTC; such texts sort as their days do.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn is_day(text: &str) -> bool {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).is_ok_and(|at| day(at) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("yinxin-json-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended_and_only_the_owner_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder("cut");
        let path = folder.join("events.json");
        let now = Timestamp::from_unix(4_000_000_000);
        append(&path, b"{\"number\":1}\n", now, 180).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "{\"number\":1}\n{\"numb").unwrap();
        let today = Timestamp::from_unix(0);
        append(&path, b"{\"number\":2}\n", today, 180).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"number\":1}\n{\"numb\n{\"number\":2}\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_day_that_is_over_is_put_aside_and_kept_for_its_time() {
        let folder = folder("days");
        let path = folder.join("events.json");
        let now = Timestamp::parse_rfc3339("2100-06-30T12:00:00Z").unwrap();
        for name in ["2100-01-01", "2100-01-02", "2100-01-01x", "1999"] {
            fs::write(beside(&path, name), "old\n").unwrap();
        }
        fs::write(folder.join("other.2000-01-01"), "not ours\n").unwrap();
        // Written when this test runs, which is long before the year 2100.
        fs::write(&path, "yesterday\n").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let then = day(Timestamp::from_unix(i64::try_from(written).unwrap()));
        append(&path, b"today\n", now, 179).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "today\n");
        let mut names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names = names.by_ref().collect::<Vec<_>>();
        names.sort();
        // 179 days before the 30th of June is the 2nd of January. What was put aside is of the past, so it goes.
        assert!(!names.contains(&format!("events.json.{then}")), "{names:?}");
        let kept = [
            "events.json",
            "events.json.1999",
            "events.json.2100-01-01x",
            "events.json.2100-01-02",
            "other.2000-01-01",
        ];
        assert_eq!(names, kept);
        fs::remove_dir_all(folder).unwrap();
    }
}

//! Where uploads wait: small ones in memory, larger ones in a file without a name, which ends with its request, whatever
//! ends the request.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::task::JoinHandle;

use crate::http::Settings;
use crate::http::problem::{Code, Problem};

/// Bytes of an upload that are kept in memory, and that are written and read at a time.
const PIECE: usize = 256 << 10;
/// What a file is called for the moment in which it has a name.
const SUFFIX: &str = ".upload";

/// The folder where uploads wait, and how much of it is taken.
#[derive(Debug)]
pub(crate) struct Spool {
    /// None: everything stays in memory.
    folder: Option<PathBuf>,
    most: u64,
    most_of_one: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    of: BTreeMap<String, u64>,
}

impl Spool {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (folder, most, most_of_one) = (settings.spool.clone(), settings.spool_bytes, settings.spool_bytes_of_one);
        Self { folder, most, most_of_one, taken: Mutex::default() }
    }

    fn take(&self, whose: &str, bytes: u64) -> Result<(), Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all = taken.all.saturating_add(bytes);
        if all > self.most {
            return Err(Problem::new(Code::SpoolFull, "Uploads that are being served take all the space."));
        }
        let own = taken.of.get(whose).copied().unwrap_or_default().saturating_add(bytes);
        if own > self.most_of_one {
            let detail = format!("The uploads of one caller or address take at most {} bytes.", self.most_of_one);
            return Err(Problem::new(Code::QuotaReached, detail));
        }
        taken.all = all;
        taken.of.insert(whose.to_owned(), own);
        Ok(())
    }

    fn give_back(&self, whose: &str, bytes: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(bytes);
        let left = taken.of.get(whose).copied().unwrap_or_default().saturating_sub(bytes);
        if left == 0 {
            taken.of.remove(whose);
        } else {
            taken.of.insert(whose.to_owned(), left);
        }
    }
}

/// Removes the files that a process left which was killed in the moment in which a file has a name: they are empty.
///
/// # Errors
/// The folder cannot be read, or a file not be removed.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A new file for its owner alone, which has lost its name by the time it is given.
fn nameless(folder: &Path, name: &str) -> io::Result<File> {
    let path = folder.join(format!("{name}{SUFFIX}"));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Octets that wait: the first ones in a file, the last ones in memory.
#[derive(Debug)]
pub(crate) struct Spooled {
    spool: Arc<Spool>,
    /// Whose they are: a caller's name, or a stranger's address.
    whose: String,
    /// Names the file while it has a name.
    name: String,
    file: Option<Arc<File>>,
    written: u64,
    tail: Vec<u8>,
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.spool.give_back(&self.whose, self.written);
    }
}

impl Spooled {
    /// Nothing yet. `name` is not used twice.
    pub(crate) fn new(spool: &Arc<Spool>, whose: &str, name: String) -> Self {
        Self { spool: Arc::clone(spool), whose: whose.to_owned(), name, file: None, written: 0, tail: Vec::new() }
    }

    /// How many octets there are.
    pub(crate) fn len(&self) -> u64 {
        self.written.saturating_add(u64::try_from(self.tail.len()).unwrap_or(u64::MAX))
    }

    /// Adds octets at the end.
    pub(crate) async fn append(&mut self, octets: &[u8]) -> Result<(), Problem> {
        self.tail.extend_from_slice(octets);
        if self.tail.len() <= PIECE {
            return Ok(());
        }
        let Some(folder) = self.spool.folder.clone() else { return Ok(()) };
        let bytes = u64::try_from(self.tail.len()).unwrap_or(u64::MAX);
        self.spool.take(&self.whose, bytes)?;
        let start = self.written;
        // Taken from here on: what ends this gives it back.
        self.written = start.saturating_add(bytes);
        let (tail, file, name) = (std::mem::take(&mut self.tail), self.file.take(), self.name.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(nameless(&folder, &name)?),
            };
            (&*file).write_all(&tail)?;
            Ok::<_, io::Error>(file)
        });
        let file = writing.await.map_err(|broken| Problem::internal(&broken))?;
        self.file = Some(file.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Problem::new(Code::SpoolFull, "There is no space left for uploads.")
            }
            _ => Problem::internal(&error),
        })?);
        Ok(())
    }

    /// The octets from there on, so many: all of them are there.
    pub(crate) async fn read(&self, from: u64, count: usize) -> Result<Vec<u8>, Problem> {
        if self.written == 0 {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let end = from.saturating_add(count);
            let octets = self.tail.get(from..end).ok_or_else(short);
            return octets.map(<[u8]>::to_vec).map_err(|error| Problem::internal(&error));
        }
        let (file, written) = (self.file.clone(), self.written);
        let end = from.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let behind = usize::try_from(end.saturating_sub(written)).unwrap_or(usize::MAX);
        let on_disk = count.saturating_sub(behind);
        let reading = tokio::task::spawn_blocking(move || {
            let mut octets = vec![0; on_disk];
            if on_disk > 0 {
                file.ok_or_else(short_io)?.read_exact_at(&mut octets, from)?;
            }
            Ok::<_, io::Error>(octets)
        });
        let octets = reading.await.map_err(|broken| Problem::internal(&broken))?;
        let mut octets = octets.map_err(|error| Problem::internal(&error))?;
        let start = usize::try_from(from.saturating_sub(written)).unwrap_or(usize::MAX);
        let rest = self.tail.get(start..start.saturating_add(count.saturating_sub(on_disk)));
        octets.extend_from_slice(rest.ok_or_else(|| Problem::internal(&short()))?);
        Ok(octets)
    }

    /// As the body of a request that came.
    pub(crate) fn into_body(mut self) -> Body {
        if self.written == 0 {
            return Body::from(Bytes::from(std::mem::take(&mut self.tail)));
        }
        Body::new(Reading { octets: Arc::new(self), at: 0, piece: None })
    }
}

/// There are fewer octets than were asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("an upload is shorter than it was")]
struct Short;

const fn short() -> Short {
    Short
}

fn short_io() -> io::Error {
    io::Error::other(Short)
}

/// A body that is read back piece by piece.
struct Reading {
    octets: Arc<Spooled>,
    at: u64,
    piece: Option<JoinHandle<Result<Vec<u8>, Problem>>>,
}

impl HttpBody for Reading {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let left = self.octets.len().saturating_sub(self.at);
        if left == 0 {
            return Poll::Ready(None);
        }
        let (octets, at) = (Arc::clone(&self.octets), self.at);
        let piece = self.piece.get_or_insert_with(|| {
            let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            tokio::spawn(async move { octets.read(at, count).await })
        });
        match Pin::new(piece).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Ok(piece))) => {
                self.piece = None;
                self.at = self.at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
            }
            Poll::Ready(_) => Poll::Ready(Some(Err(short_io()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn spool(name: &str, (most, of_one): (u64, u64)) -> (PathBuf, Arc<Spool>) {
        let folder = std::env::temp_dir().join(format!("yinxin-spool-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = Settings {
            spool: Some(folder.clone()),
            spool_bytes: most,
            spool_bytes_of_one: of_one,
            ..Settings::default()
        };
        (folder, Arc::new(Spool::new(&settings)))
    }

    fn octets(count: usize) -> Vec<u8> {
        (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[tokio::test]
    async fn what_comes_in_comes_out_and_no_name_is_left() {
        let (folder, spool) = spool("whole", (u64::MAX, u64::MAX));
        for count in [0, 1, PIECE, PIECE + 1, 3 * PIECE + 17] {
            let all = octets(count);
            let mut spooled = Spooled::new(&spool, "a", format!("n{count}"));
            for piece in all.chunks(10_007) {
                spooled.append(piece).await.unwrap();
            }
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{count}");
            assert_eq!(spooled.len(), u64::try_from(count).unwrap());
            assert_eq!(spooled.written > 0, count > PIECE, "{count}");
            for (from, length) in [(0, count), (count / 2, count - count / 2), (count / 3, count / 3)] {
                let part = spooled.read(u64::try_from(from).unwrap(), length).await.unwrap();
                assert!(part == all[from..from + length], "{count} {from} {length}");
            }
            let past = spooled.read(spooled.len(), 1).await.unwrap_err();
            assert_eq!(past.code(), "internal");
            assert!(to_bytes(spooled.into_body(), usize::MAX).await.unwrap() == all, "{count}");
        }
        assert_eq!(spool.taken.lock().unwrap().all, 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn space_is_bounded_for_one_and_for_all_and_given_back() {
        let piece = u64::try_from(PIECE).unwrap() + 1;
        let (folder, spool) = spool("bounds", (3 * piece, 2 * piece));
        let full = octets(PIECE + 1);
        let new = |whose: &str, name: &str| Spooled::new(&spool, whose, name.to_owned());
        let (mut first, mut second, mut third) = (new("a", "1"), new("b", "2"), new("c", "3"));
        first.append(&full).await.unwrap();
        first.append(&full).await.unwrap();
        assert_eq!(first.append(&full).await.unwrap_err().code(), "quota-reached");
        second.append(&full).await.unwrap();
        assert_eq!(third.append(&full).await.unwrap_err().code(), "spool-full");
        drop(first);
        let mut fourth = new("a", "4");
        fourth.append(&full).await.unwrap();
        drop((second, third, fourth));
        let taken = spool.taken.lock().unwrap();
        assert_eq!((taken.all, taken.of.len()), (0, 0));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let (folder, _) = spool("sweep", (1, 1));
        std::fs::write(folder.join(format!("r1{SUFFIX}")), b"").unwrap();
        std::fs::write(folder.join("other"), b"").unwrap();
        sweep(&folder).unwrap();
        assert!(!folder.join(format!("r1{SUFFIX}")).exists() && folder.join("other").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! Files named on the command line: read within bounds, folders of certificates in the order of their names.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::verify::Error;

/// Bytes of one file of certificates, or of a policy: a system's whole trust store has a quarter of a MiB.
const SMALL_BYTES: usize = 16 << 20;

/// Bytes by which the kind of an oversized file is told.
const HEAD_BYTES: usize = 4096;

/// Endings of files of certificates.
pub(crate) const CERTIFICATES: &[&str] = &["pem", "crt", "cer", "der"];

/// Endings of files of evidence.
pub(crate) const EVIDENCE: &[&str] = &["pem", "crt", "cer", "der", "crl", "ocsp", "tst", "tlog-proof", "receipt"];

/// What a file holds.
pub(crate) enum Content {
    /// All of it.
    Whole(Vec<u8>),
    /// More than is taken.
    TooLarge {
        /// Its beginning.
        head: Vec<u8>,
        /// Its size, where the file system knows it.
        bytes: Option<u64>,
    },
}

/// Reads a file of at most that many bytes. What is larger is not read whole, devices and pipes included.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> io::Result<Content> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let size = metadata.is_file().then_some(metadata.len());
    let bound = u64::try_from(limit).unwrap_or(u64::MAX);
    let too_large = size.is_some_and(|size| size > bound);
    let wanted = if too_large { u64::try_from(HEAD_BYTES).unwrap_or(0) } else { bound.saturating_add(1) };
    let mut bytes = Vec::with_capacity(usize::try_from(size.unwrap_or(0).min(wanted)).unwrap_or(0));
    file.take(wanted).read_to_end(&mut bytes)?;
    if too_large || bytes.len() > limit {
        bytes.truncate(HEAD_BYTES);
        return Ok(Content::TooLarge { head: bytes, bytes: size.filter(|_| too_large) });
    }
    Ok(Content::Whole(bytes))
}

/// Reads a file of certificates or a policy.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    match read_bounded(path, SMALL_BYTES).map_err(|source| unreadable(path, source))? {
        Content::Whole(bytes) => Ok(bytes),
        Content::TooLarge { .. } => Err(Error::TooLarge { path: path.display().to_string(), limit: SMALL_BYTES }),
    }
}

/// Takes a file, or every file with one of those endings in a folder, in the order of their names.
pub(crate) fn each_file(
    path: &Path,
    endings: &[&str],
    mut take: impl FnMut(&[u8], &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !metadata.is_dir() {
        return take(&read_small(path)?, &path.display().to_string());
    }
    let files = files_in(path, endings).map_err(|source| unreadable(path, source))?;
    if files.is_empty() {
        return Err(Error::EmptyFolder { path: path.display().to_string(), endings: endings.join(", .") });
    }
    files.iter().try_for_each(|file| take(&read_small(file)?, &file.display().to_string()))
}

/// The certificate files of a folder, by their endings, sorted.
pub(crate) fn certificates_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    files_in(folder, CERTIFICATES)
}

fn files_in(folder: &Path, endings: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let wanted = endings.iter().any(|known| extension.eq_ignore_ascii_case(known));
        if wanted && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { path: path.display().to_string(), source }
}

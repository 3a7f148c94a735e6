//! What lies in the folder of batches: contents under their SM3.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::crypto::digest::{hex, sm3};
use crate::domain::verify::OriginalDigest;
use crate::service::Error;
use crate::service::door::SignedOriginal;
use crate::service::verification_batches::{BatchError, BatchFile};

/// What lies in the folder for that file, where it is as it was taken.
pub(in crate::service::verification_batches) async fn content(
    folder: &Path,
    file: &BatchFile,
) -> Result<Option<(Vec<u8>, Option<SignedOriginal>)>, Error> {
    let (folder, file) = (folder.to_owned(), file.clone());
    let read = blocking(move || {
        let as_taken = |digest: &[u8; 32]| match fs::read(folder.join(hex(digest))) {
            Ok(content) => Ok(Some(content).filter(|content| sm3(content) == *digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let Some(document) = as_taken(&file.sm3)? else { return Ok(None) };
        let digest = file.original_digest.as_deref().map(OriginalDigest::parse).transpose();
        let original = match (file.original_sm3, digest.map_err(io::Error::other)?) {
            (Some(sm3), _) => match as_taken(&sm3)? {
                Some(original) => Some(SignedOriginal::Document(original)),
                None => return Ok(None),
            },
            (None, digest) => digest.map(SignedOriginal::Digest),
        };
        Ok(Some((document, original)))
    });
    read.await
}

pub(in crate::service::verification_batches) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?;
    Ok(done.map_err(BatchError::Folder)?)
}

/// A folder that only its owner can enter.
pub(in crate::service::verification_batches) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

pub(in crate::service::verification_batches) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a content beside its name and moves it there when it is on the disk: under its name lies all of it or nothing.
pub(in crate::service::verification_batches) fn keep_content(
    folder: &Path,
    digest: &[u8; 32],
    content: &[u8],
) -> io::Result<()> {
    let path = folder.join(hex(digest));
    if path.is_file() {
        return Ok(());
    }
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let beside = folder.join(format!("{}.{number}.new", hex(digest)));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, &path)
}

/// Keeps two writers of one content apart.
static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// A content with its SM3 and its size.
pub(in crate::service::verification_batches) async fn digested(
    content: Vec<u8>,
) -> Result<([u8; 32], i64, Vec<u8>), Error> {
    let bytes = i64::try_from(content.len()).unwrap_or(i64::MAX);
    blocking(move || Ok((sm3(&content), bytes, content))).await
}

//! What others saw of the log is compared with it before anything is written: witnesses, and the mirror.
//!
//! A log that was set back, by a restore or by somebody, would give numbers a second time. Here it finds out first.

use std::path::Path;

use crate::domain::audit::checkpoint::verify_checkpoint;
use crate::domain::audit::tree::{Hash, TreeHash, root_at, root_tiles};
use crate::format::tlog::{Checkpoint, Note};
use crate::service::audit_log::checking::LogSource as _;
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::keys::verifiers;
use crate::service::audit_log::{Error, KnownWitness, tiles};
use crate::service::{Error as ServiceError, Services};
use crate::store::log;

/// How a checkpoint that somebody saw stands to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The log goes on from it.
    Continued,
    /// The log has fewer leaves.
    Behind,
    /// The log is another one.
    Forked,
}

/// Compares the log as it was signed last with what witnesses and the mirror saw, and changes nothing. Tells how many of
/// them could be asked and had seen it.
///
/// # Errors
/// [`Error::BehindWitness`], [`Error::BehindMirror`]: the log was set back; [`Error::Forked`]: it was written anew;
/// [`Error::Checkpoint`]: what the mirror has is not ours. It must not go on then.
pub async fn agree(
    services: &Services,
    witnesses: &[KnownWitness],
    mirror: Option<&FolderLog>,
) -> Result<usize, ServiceError> {
    let head = services.store.read(|tx| Box::pin(log::head(tx))).await?;
    let Some(head) = head else {
        // Nothing has begun here: it has not where the mirror is.
        if let Some(mirror) = mirror
            && let Some((tree, seen)) = sizes(mirror).await?.into_iter().find(|(_, size)| *size > 0)
        {
            let folder = mirror.folder().to_owned();
            return Err(Error::BehindMirror { folder, tree, seen, signed: 0 }.into());
        }
        return Ok(0);
    };
    let mut compared = 0_usize;
    for witness in witnesses {
        if witness.agrees(services, (&head.origin, head.size)).await? {
            compared = compared.saturating_add(1);
        }
    }
    if let Some(mirror) = mirror
        && mirrored(services, (&head.origin, head.size), mirror).await?
    {
        compared = compared.saturating_add(1);
    }
    Ok(compared)
}

/// Compares with the mirror; tells whether it has anything.
async fn mirrored(services: &Services, (origin, head): (&str, u64), mirror: &FolderLog) -> Result<bool, ServiceError> {
    let mut any = false;
    for tree in TreeHash::ALL {
        let Some(note) = mirror.note(tree).await? else { continue };
        any = true;
        let own = verifiers(services, origin, tree).await?;
        let note = Note::parse(&note).map_err(|error| Error::Checkpoint(error.into()))?;
        let seen = verify_checkpoint(&note, &tree.origin(origin), &own, &[]).map_err(Error::from)?;
        must_continue(services, (tree, head), (seen.size(), *seen.root()), mirror.folder()).await?;
    }
    Ok(any)
}

/// Refuses where the log that is signed up to `head` is not the continuation of what the folder has.
pub(super) async fn must_continue(
    services: &Services,
    (tree, head): (TreeHash, u64),
    (size, root): (u64, Hash),
    folder: &Path,
) -> Result<(), ServiceError> {
    match standing(services, (tree, head), (size, root)).await? {
        Standing::Continued => Ok(()),
        Standing::Behind => {
            Err(Error::BehindMirror { folder: folder.to_owned(), tree, seen: size, signed: head }.into())
        }
        Standing::Forked => Err(Error::Forked { witness: folder.display().to_string(), tree, size }.into()),
    }
}

/// How a checkpoint stands to the log that is signed up to `head`.
pub(super) async fn standing(
    services: &Services,
    (tree, head): (TreeHash, u64),
    (size, root): (u64, Hash),
) -> Result<Standing, ServiceError> {
    if size > head {
        return Ok(Standing::Behind);
    }
    let wanted = root_tiles(size, head).map_err(Error::from)?;
    let held = tiles::tiles(services, tree, wanted).await?;
    let own = root_at(tree, size, head, &held).map_err(Error::from)?;
    Ok(if own == root { Standing::Continued } else { Standing::Forked })
}

/// The sizes that a folder's checkpoints state. Who signed them is not asked.
async fn sizes(folder: &FolderLog) -> Result<Vec<(TreeHash, u64)>, ServiceError> {
    let mut sizes = Vec::new();
    for tree in TreeHash::ALL {
        let Some(note) = folder.note(tree).await? else { continue };
        let (size, _) = stated(&note)?;
        sizes.push((tree, size));
    }
    Ok(sizes)
}

/// Size and root that a checkpoint states. Who signed it is not asked.
pub(super) fn stated(note: &[u8]) -> Result<(u64, Hash), ServiceError> {
    let note = Note::parse(note).map_err(|error| Error::Checkpoint(error.into()))?;
    let checkpoint = Checkpoint::parse(note.text).map_err(|error| Error::Checkpoint(error.into()))?;
    Ok((checkpoint.size, checkpoint.root))
}

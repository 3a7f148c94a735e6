//! Files that a caller has verified together, in the background: taken, judged, told, forgotten.
//!
//! Rows say what belongs to a batch; the contents lie in a folder of this service, named by their SM3. A content is on the
//! disk before its row, and goes after it, so a crash leaves at most contents that no row names, which the next look
//! removes. A file has its report in the transaction that records its verification, or its turn comes again.

mod contents;
mod judging;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId, VerificationBatchId};
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::verify::OriginalDigest;
use crate::service::door::ErrorKind;
use crate::service::idempotency::noted_receipt_again;
use crate::service::verification_batches::contents::{blocking, digested, keep_content, make_folder, remove_folder};
use crate::service::{Error, Services};
use crate::store::verification_batches::{self as rows, BatchState, Counts, StoredBatch};
use crate::store::{Tx, audit};

pub use crate::store::verification_batches::BatchFile;
pub use judging::keep_verifying;

/// How much of it there is at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Batches of one caller that are not forgotten.
    pub of_caller: i64,
    /// Files of a batch.
    pub files: i64,
    /// Bytes of a batch.
    pub bytes: i64,
    /// Bytes of all batches.
    pub bytes_of_all: i64,
}

/// The most that one page holds.
pub const MOST_IN_PAGE: i64 = 100;
/// What a file came to whose content is not as it was when it was taken.
pub const LOST: &str = "LOST";

/// Why a batch does not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// No batch of that name, or another caller's.
    #[error("no such batch")]
    Unknown,
    /// No file of that name in it.
    #[error("the batch has no such file")]
    UnknownFile,
    /// Its files are being judged, or are.
    #[error("the batch takes no more files")]
    NotOpen,
    /// Nothing to judge.
    #[error("the batch has no file")]
    Empty,
    /// A file of that name is there with another content.
    #[error("the batch has another file of this name, or another original of it")]
    FileDiffers,
    /// More than a batch takes.
    #[error("a batch takes {files} files and {bytes} bytes")]
    TooLarge {
        /// So many files.
        files: i64,
        /// So many bytes.
        bytes: i64,
    },
    /// More batches than one caller has.
    #[error("a caller has {most} batches at most; forget one first")]
    TooMany {
        /// So many.
        most: i64,
    },
    /// All batches together take all the space.
    #[error("all batches together take {most} bytes at most")]
    NoSpace {
        /// So many bytes.
        most: i64,
    },
    /// Another service has its files.
    #[error("the files of this batch lie with another service")]
    Elsewhere,
    /// This service has no folder for batches.
    #[error("no batches are taken here")]
    Off,
    /// The folder.
    #[error("the files of a batch cannot be kept or read")]
    Folder(#[from] io::Error),
}

impl BatchError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown-verification-batch",
            Self::UnknownFile => "unknown-batch-file",
            Self::NotOpen => "batch-not-open",
            Self::Empty => "batch-empty",
            Self::FileDiffers => "batch-file-differs",
            Self::TooLarge { .. } => "batch-too-large",
            Self::TooMany { .. } => "too-many-batches",
            Self::NoSpace { .. } => "batch-space",
            Self::Elsewhere => "batch-elsewhere",
            Self::Off => "batches-off",
            Self::Folder(_) => "batch-folder",
        }
    }

    pub(in crate::service) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown | Self::UnknownFile | Self::Off => ErrorKind::NotFound,
            Self::NotOpen | Self::FileDiffers | Self::TooMany { .. } | Self::Elsewhere => ErrorKind::Conflict,
            Self::Empty => ErrorKind::Refused,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::NoSpace { .. } => ErrorKind::Unavailable,
            Self::Folder(_) => ErrorKind::Internal,
        }
    }
}

/// What a caller does with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchStep {
    /// Makes one; the same key with the same wish gives the same batch.
    Create {
        /// A verification policy by name; the configured one where nothing is told.
        policy: Option<String>,
        /// Stands in for the moment of judging.
        at: Option<Timestamp>,
        /// Names the wish.
        idempotency_key: String,
    },
    /// Adds a file; the same again changes nothing.
    Put {
        /// The batch.
        id: VerificationBatchId,
        /// As the report shall name it.
        name: String,
        /// Its content.
        file: Vec<u8>,
        /// The digest of what it signs.
        original_digest: Option<OriginalDigest>,
    },
    /// Adds what a file signs; the same again changes nothing.
    PutOriginal {
        /// The batch.
        id: VerificationBatchId,
        /// The file.
        name: String,
        /// The document.
        original: Vec<u8>,
    },
    /// Has its files judged. Again changes nothing.
    Start {
        /// The batch.
        id: VerificationBatchId,
    },
    /// Looks at it.
    Show {
        /// The batch.
        id: VerificationBatchId,
        /// Behind the page that ended with this number.
        after: i64,
        /// At most so many files.
        limit: i64,
    },
    /// Forgets it with everything that belongs to it.
    Forget {
        /// The batch.
        id: VerificationBatchId,
    },
}

/// A batch as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// The batch.
    pub batch: StoredBatch,
    /// How many files it has.
    pub counts: Counts,
    /// When it will be forgotten, unless it goes on.
    pub forgotten_at: Timestamp,
    /// Some of its files, each with its report, where it has one.
    pub files: Vec<(BatchFile, Option<Vec<u8>>)>,
    /// The number behind which the next page begins; nothing when there is none.
    pub next: Option<i64>,
}

/// The batches of this service.
#[derive(Clone)]
pub struct Batches {
    folder: Arc<PathBuf>,
    keep_hours: u32,
    limits: BatchLimits,
    work: Arc<Notify>,
}

impl Batches {
    /// Batches whose contents lie in that folder, which is made, and that are kept for so long after their last change of
    /// state.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path, keep_hours: u32, limits: BatchLimits) -> Result<Self, BatchError> {
        make_folder(folder)?;
        Ok(Self { folder: Arc::new(folder.to_owned()), keep_hours, limits, work: Arc::new(Notify::new()) })
    }

    fn of(&self, id: &VerificationBatchId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Takes a step; gives the batch as it stands then, if there still is one.
    ///
    /// # Errors
    /// [`BatchError`]; the store's.
    pub async fn step(
        &self,
        services: &Services,
        (owner, actor, request): (&CallerId, &Actor, &RequestId),
        (step, default_policy): (BatchStep, &str),
    ) -> Result<Option<BatchRecord>, Error> {
        let by = (owner, actor, request);
        let (id, page) = match step {
            BatchStep::Create { policy, at, idempotency_key } => {
                let policy = policy.unwrap_or_else(|| default_policy.to_owned());
                (self.create(services, owner, (policy, at, idempotency_key)).await?, (0, 0))
            }
            BatchStep::Put { id, name, file, original_digest } => {
                self.put(services, (owner, &id), (name, file, original_digest)).await?;
                (id, (0, 0))
            }
            BatchStep::PutOriginal { id, name, original } => {
                self.put_original(services, (owner, &id), (&name, original)).await?;
                (id, (0, 0))
            }
            BatchStep::Start { id } => {
                self.start(services, by, &id).await?;
                (id, (0, 0))
            }
            BatchStep::Show { id, after, limit } => (id, (after, limit.clamp(0, MOST_IN_PAGE))),
            BatchStep::Forget { id } => {
                services.store.read(|tx| Box::pin(own(tx, owner, &id))).await?;
                self.forget(services, (actor, Some(request)), &id).await?;
                return Ok(None);
            }
        };
        self.show(services, (owner, &id), page).await.map(Some)
    }

    async fn create(
        &self,
        services: &Services,
        owner: &CallerId,
        (policy, judged_as_of, idempotency_key): (String, Option<Timestamp>, String),
    ) -> Result<VerificationBatchId, Error> {
        let now = services.clock.now();
        let id = VerificationBatchId::fresh(now, &*services.random)?;
        let (owner, state) = (owner.clone(), BatchState::Open);
        let new = StoredBatch { id, owner, idempotency_key, policy, judged_as_of, state, created_at: now, since: now };
        let (new, most) = (&new, self.limits.of_caller);
        let steps = services.store.run("create verification batch", |tx| {
            Box::pin(async move {
                if let Some(known) = rows::find_by_key(tx, &new.owner, &new.idempotency_key).await? {
                    let same = known.policy == new.policy && known.judged_as_of == new.judged_as_of;
                    return if same { Ok(known.id) } else { Err(Error::IdempotencyKeyReused) };
                }
                if rows::count_of(tx, &new.owner).await? >= most {
                    return Err(BatchError::TooMany { most }.into());
                }
                rows::insert(tx, new).await?;
                Ok::<_, Error>(new.id.clone())
            })
        });
        let id = steps.await?;
        let folder = self.of(&id);
        blocking(move || make_folder(&folder)).await?;
        Ok(id)
    }

    /// Keeps the content under its SM3.
    async fn keep(&self, id: &VerificationBatchId, digest: [u8; 32], content: Vec<u8>) -> Result<(), Error> {
        let folder = self.of(id);
        match blocking(move || keep_content(&folder, &digest, &content)).await {
            Err(Error::Batch(BatchError::Folder(error))) if error.kind() == io::ErrorKind::NotFound => {
                Err(BatchError::Elsewhere.into())
            }
            kept => kept,
        }
    }

    async fn put(
        &self,
        services: &Services,
        (owner, id): (&CallerId, &VerificationBatchId),
        (name, content, digest): (String, Vec<u8>, Option<OriginalDigest>),
    ) -> Result<(), Error> {
        let (sm3, bytes, content) = digested(content).await?;
        let original_digest = digest.map(|digest| digest.to_string());
        let file = BatchFile { position: 0, name, sm3, bytes, original_sm3: None, original_digest, indication: None };
        let (file, limits) = (&file, &self.limits);
        // What would not be taken is not written.
        if services.store.read(|tx| Box::pin(place_of(tx, (owner, id), file, limits))).await?.is_none() {
            return Ok(());
        }
        self.keep(id, sm3, content).await?;
        let steps = services.store.run("add to verification batch", |tx| {
            Box::pin(async move {
                if let Some(position) = place_of(tx, (owner, id), file, limits).await? {
                    rows::insert_file(tx, id, &BatchFile { position, ..file.clone() }).await?;
                }
                Ok::<_, Error>(())
            })
        });
        steps.await
    }

    async fn put_original(
        &self,
        services: &Services,
        (owner, id): (&CallerId, &VerificationBatchId),
        (name, content): (&str, Vec<u8>),
    ) -> Result<(), Error> {
        let (sm3, bytes, content) = digested(content).await?;
        let (original, limits) = ((&sm3, bytes), &self.limits);
        if services.store.read(|tx| Box::pin(signed_by(tx, (owner, id), name, original, limits))).await?.is_none() {
            return Ok(());
        }
        self.keep(id, sm3, content).await?;
        let steps = services.store.run("add an original to verification batch", |tx| {
            Box::pin(async move {
                if let Some(position) = signed_by(tx, (owner, id), name, original, limits).await? {
                    rows::set_original(tx, id, position, original).await?;
                }
                Ok::<_, Error>(())
            })
        });
        steps.await
    }

    async fn start(
        &self,
        services: &Services,
        (owner, actor, request): (&CallerId, &Actor, &RequestId),
        id: &VerificationBatchId,
    ) -> Result<(), Error> {
        let now = services.clock.now();
        let steps = services.store.run("start verification batch", |tx| {
            Box::pin(async move {
                let batch = own(tx, owner, id).await?;
                if batch.state != BatchState::Open {
                    return Ok(rows::start_event(tx, id).await?);
                }
                let files = rows::counts(tx, id).await?.files;
                if files == 0 {
                    return Err(BatchError::Empty.into());
                }
                rows::advance(tx, id, (BatchState::Open, BatchState::Running), now).await?;
                let files = u64::try_from(files).unwrap_or(u64::MAX);
                let body = EventBody::VerificationBatchStarted { batch: id.clone(), files, policy: batch.policy };
                let event = Event { at: now, actor: actor.clone(), request: Some(request.clone()), body };
                let number = audit::append(tx, &event).await?;
                rows::note_start(tx, id, number).await?;
                Ok::<_, Error>(None)
            })
        });
        let noted = steps.await?;
        let is_its =
            |body: &EventBody| matches!(body, EventBody::VerificationBatchStarted { batch, .. } if batch == id);
        noted_receipt_again(services, Some(request), noted, is_its).await;
        self.work.notify_one();
        Ok(())
    }

    async fn show(
        &self,
        services: &Services,
        (owner, id): (&CallerId, &VerificationBatchId),
        (after, limit): (i64, i64),
    ) -> Result<BatchRecord, Error> {
        let keep = i64::from(self.keep_hours).saturating_mul(3600);
        let read = services.store.read(|tx| {
            Box::pin(async move {
                let batch = own(tx, owner, id).await?;
                let counts = rows::counts(tx, id).await?;
                let mut files = Vec::new();
                for file in rows::files(tx, id, after, limit).await? {
                    let report = match file.indication {
                        Some(_) => rows::report(tx, id, file.position).await?,
                        None => None,
                    };
                    files.push((file, report));
                }
                // Positions have no gaps.
                let last = files.last().map(|(file, _)| file.position);
                let next = last.filter(|last| *last < counts.files);
                let forgotten_at = batch.since.plus_seconds(keep);
                Ok::<_, Error>(BatchRecord { batch, counts, forgotten_at, files, next })
            })
        });
        read.await
    }

    /// Rows first: what lies in the folder then belongs to nobody.
    async fn forget(
        &self,
        services: &Services,
        (actor, request): (&Actor, Option<&RequestId>),
        id: &VerificationBatchId,
    ) -> Result<(), Error> {
        let body = EventBody::VerificationBatchForgotten { batch: id.clone() };
        let event = Event { at: services.clock.now(), actor: actor.clone(), request: request.cloned(), body };
        let event = &event;
        let steps = services.store.run("forget verification batch", |tx| {
            Box::pin(async move {
                if rows::forget(tx, id).await? {
                    audit::append(tx, event).await?;
                }
                Ok::<_, Error>(())
            })
        });
        steps.await?;
        let folder = self.of(id);
        blocking(move || remove_folder(&folder)).await
    }

    /// Forgets what has rested for too long by the clock of the services, and removes folders that no row names. Says how
    /// many batches are forgotten.
    ///
    /// # Errors
    /// The store's; the folder's.
    pub async fn keep_no_longer(&self, services: &Services) -> Result<u64, Error> {
        let keep = i64::from(self.keep_hours).saturating_mul(3600);
        let moment = services.clock.now().plus_seconds(keep.saturating_neg());
        let over = services.store.read(|tx| Box::pin(rows::resting_since(tx, moment))).await?;
        let mut gone = 0_u64;
        for batch in over {
            self.forget(services, (&Actor::Operator, None), &batch.id).await?;
            gone = gone.saturating_add(1);
        }
        let folder = Arc::clone(&self.folder);
        let named = blocking(move || {
            let names = fs::read_dir(&*folder)?.map(|entry| entry.map(|entry| entry.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        });
        for name in named.await? {
            let Some(id) = name.to_str().and_then(|name| VerificationBatchId::parse(name).ok()) else { continue };
            let id = &id;
            if services.store.read(|tx| Box::pin(rows::find(tx, id))).await?.is_none() {
                let folder = self.of(id);
                blocking(move || remove_folder(&folder)).await?;
            }
        }
        Ok(gone)
    }
}

/// The batch, which must be the caller's: another's is none.
async fn own(tx: &mut Tx<'_>, owner: &CallerId, id: &VerificationBatchId) -> Result<StoredBatch, Error> {
    let found = rows::find(tx, id).await?.filter(|batch| batch.owner == *owner);
    Ok(found.ok_or(BatchError::Unknown)?)
}

async fn open(tx: &mut Tx<'_>, owner: &CallerId, id: &VerificationBatchId) -> Result<(), Error> {
    match own(tx, owner, id).await?.state {
        BatchState::Open => Ok(()),
        BatchState::Running | BatchState::Finished => Err(BatchError::NotOpen.into()),
    }
}

/// The position that a new file takes; nothing where it is there already.
async fn place_of(
    tx: &mut Tx<'_>,
    (owner, id): (&CallerId, &VerificationBatchId),
    file: &BatchFile,
    limits: &BatchLimits,
) -> Result<Option<i64>, Error> {
    open(tx, owner, id).await?;
    if let Some(known) = rows::find_file(tx, id, &file.name).await? {
        let same = known.sm3 == file.sm3 && known.original_digest == file.original_digest;
        return if same { Ok(None) } else { Err(BatchError::FileDiffers.into()) };
    }
    let counts = room(tx, id, file.bytes, limits).await?;
    if counts.files >= limits.files {
        return Err(BatchError::TooLarge { files: limits.files, bytes: limits.bytes }.into());
    }
    Ok(Some(counts.files.saturating_add(1)))
}

/// The position of the file whose original this is; nothing where that is known already.
async fn signed_by(
    tx: &mut Tx<'_>,
    (owner, id): (&CallerId, &VerificationBatchId),
    name: &str,
    (sm3, bytes): (&[u8; 32], i64),
    limits: &BatchLimits,
) -> Result<Option<i64>, Error> {
    open(tx, owner, id).await?;
    let known = rows::find_file(tx, id, name).await?.ok_or(BatchError::UnknownFile)?;
    match (known.original_sm3, known.original_digest) {
        (Some(known), _) if known == *sm3 => return Ok(None),
        (None, None) => {}
        _ => return Err(BatchError::FileDiffers.into()),
    }
    room(tx, id, bytes, limits).await?;
    Ok(Some(known.position))
}

/// Whether there is room for so many bytes more.
async fn room(tx: &mut Tx<'_>, id: &VerificationBatchId, bytes: i64, limits: &BatchLimits) -> Result<Counts, Error> {
    let counts = rows::counts(tx, id).await?;
    if counts.bytes.saturating_add(bytes) > limits.bytes {
        return Err(BatchError::TooLarge { files: limits.files, bytes: limits.bytes }.into());
    }
    if rows::bytes_of_all(tx).await?.saturating_add(bytes) > limits.bytes_of_all {
        return Err(BatchError::NoSpace { most: limits.bytes_of_all }.into());
    }
    Ok(counts)
}

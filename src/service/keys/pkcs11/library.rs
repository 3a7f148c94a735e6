//! A PKCS#11 library: one of each in a process, however many tokens of it are open, and initialised anew when it has lost its device.
//!
//! `C_Initialize` and `C_Finalize` are for a whole process (PKCS #11 3.0, 5.4): who ends the library ends every session of every token of it. So
//! whoever calls the library holds it, and it is ended and begun again only while nobody does. Each beginning has a number; a session of an
//! earlier one is never used or closed again, because its handle may be another session's by now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::service::keys::device::DeviceError;

/// So long a new beginning waits for the calls that are at work. Calls that come in meanwhile wait with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The libraries of this process that are in use, by the file that each is.
static LIBRARIES: Mutex<BTreeMap<PathBuf, Weak<Library>>> = Mutex::new(BTreeMap::new());

/// A library, loaded.
pub(in crate::service::keys) struct Library {
    context: Pkcs11,
    use_of_it: Mutex<Use>,
    changed: Condvar,
}

#[derive(Default)]
struct Use {
    /// Calls that hold the library.
    at_work: usize,
    /// Somebody ends and begins it, or waits for that.
    is_taken: bool,
    /// The number of its beginning.
    beginning: u64,
}

/// The library is held, and stays as it is.
pub(in crate::service::keys) struct Held {
    library: Arc<Library>,
    beginning: u64,
}

/// The library is this caller's alone, once nobody holds it any more.
struct Taken<'a>(&'a Library);

impl Library {
    /// Loads and initialises the library (5.4, `C_Initialize`), or finds it among those that are in use.
    pub(in crate::service::keys) fn open(path: &Path) -> Result<Arc<Self>, DeviceError> {
        // Two names of one file are one library.
        let file = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = libraries.get(&file).and_then(Weak::upgrade) {
            return Ok(library);
        }
        let unusable = |error: Error| DeviceError::Library { path: path.to_owned(), reason: error.to_string() };
        let context = Pkcs11::new(path).map_err(unusable)?;
        initialise(&context).map_err(unusable)?;
        let library = Arc::new(Self { context, use_of_it: Mutex::default(), changed: Condvar::new() });
        libraries.retain(|_, library| library.strong_count() > 0);
        libraries.insert(file, Arc::downgrade(&library));
        Ok(library)
    }

    /// Its functions. The caller holds it.
    pub(in crate::service::keys) const fn functions(&self) -> &Pkcs11 {
        &self.context
    }

    /// A thread that panicked while it held the lock left whole values behind: each is changed in one step.
    fn lock(&self) -> MutexGuard<'_, Use> {
        self.use_of_it.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut used: MutexGuard<'a, Use>) -> MutexGuard<'a, Use> {
        while used.is_taken {
            used = self.changed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        used
    }

    /// Holds the library, whatever its beginning. Not for those who hold it already.
    pub(in crate::service::keys) fn hold(self: &Arc<Self>) -> Held {
        let mut used = self.wait(self.lock());
        used.at_work = used.at_work.saturating_add(1);
        Held { library: Arc::clone(self), beginning: used.beginning }
    }

    /// Ends the library and begins it again (5.4, `C_Finalize`, `C_Initialize`), unless somebody has done so since that beginning.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`]: calls at work did not end in time, and nothing was done; or the library's refusal.
    pub(in crate::service::keys) fn begin_again(&self, since: u64) -> Result<(), DeviceError> {
        let taken = {
            let mut used = self.wait(self.lock());
            if used.beginning != since {
                return Ok(());
            }
            used.is_taken = true;
            let taken = Taken(self);
            let (used, waited) = self
                .changed
                .wait_timeout_while(used, PATIENCE, |used| used.at_work > 0)
                .unwrap_or_else(PoisonError::into_inner);
            drop(used);
            if waited.timed_out() {
                return Err(unavailable("its library is at work and cannot be initialised again"));
            }
            taken
        };
        tracing::warn!("a PKCS#11 library is initialised again: its token is not there");
        let ended = match self.context.clone().finalize() {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => Ok(()),
            Err(error) => Err(unavailable(&format!("C_Finalize: {}", code(&error)))),
        };
        // Even a refusal may have ended sessions.
        self.lock().beginning = since.wrapping_add(1);
        let begun = initialise(&self.context).map_err(|error| unavailable(&format!("C_Initialize: {}", code(&error))));
        drop(taken);
        ended.and(begun)
    }
}

impl Held {
    /// The number of the beginning that is held.
    pub(in crate::service::keys) const fn beginning(&self) -> u64 {
        self.beginning
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut used = self.library.lock();
        used.at_work = used.at_work.saturating_sub(1);
        drop(used);
        self.library.changed.notify_all();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.lock().is_taken = false;
        self.0.changed.notify_all();
    }
}

fn unavailable(reason: &str) -> DeviceError {
    DeviceError::Unavailable { reason: reason.to_owned() }
}

/// The return value alone: the function is named before it.
fn code(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, _) => format!("{code:?}"),
        other => other.to_string(),
    }
}

fn initialise(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

//! Memory for secrets that live long: pages of their own, kept out of swap and of core dumps, wiped before they go back.
#![expect(unsafe_code, reason = "memory maps have no safe interface; each block says why it is sound")]

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::{Zeroize, Zeroizing};

use crate::base::secret::Secret;

/// Secret bytes in pages of their own: locked into memory where the system allows it (`mlock`), never written to a core
/// dump (`MADV_DONTDUMP` on Linux), wiped when the last of its clones goes. Clones share the pages.
///
/// Whoever uses the bytes may still copy them: keep copies short-lived, and in [`Secret`].
#[derive(Clone)]
pub struct LockedSecret(Arc<Place>);

enum Place {
    Pages(Pages),
    /// The system gave no pages.
    Heap(Zeroizing<Vec<u8>>),
}

struct Pages {
    start: NonNull<u8>,
    length: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone; after it is made they are only read, and `drop` has it to itself.
unsafe impl Send for Pages {}
// SAFETY: as above: shared references only read.
unsafe impl Sync for Pages {}

impl LockedSecret {
    /// Moves the bytes into pages of their own; the secret that they came in is wiped.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        let bytes = secret.expose(); // to be copied into locked pages, after which `secret` is dropped
        let place = Pages::holding(bytes).map_or_else(|| Place::Heap(Zeroizing::new(bytes.to_vec())), Place::Pages);
        Self(Arc::new(place))
    }

    /// The bytes. Name the reason where you call this.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match &*self.0 {
            Place::Pages(pages) => pages.bytes(),
            Place::Heap(bytes) => bytes,
        }
    }

    /// Whether the system keeps the bytes out of swap. It does not where `RLIMIT_MEMLOCK` is used up.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(&*self.0, Place::Pages(Pages { locked: true, .. }))
    }
}

impl fmt::Debug for LockedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedSecret(..)")
    }
}

impl Pages {
    /// Fresh pages with a copy of the bytes; nothing when the system has none, or there is nothing to hold.
    fn holding(bytes: &[u8]) -> Option<Self> {
        let length = bytes.len();
        if length == 0 {
            return None;
        }
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let start = NonNull::new(start.ok()?.cast::<u8>())?;
        // SAFETY: the pages were just mapped and are ours alone; the call changes none of their bytes.
        let locked = unsafe { mlock(start.as_ptr().cast(), length) }.is_ok();
        // SAFETY: as above; the advice concerns core dumps only.
        #[cfg(target_os = "linux")]
        let _ = unsafe { madvise(start.as_ptr().cast(), length, Advice::LinuxDontDump) };
        // SAFETY: both ranges have `length` bytes, and a fresh mapping overlaps no slice.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), length) };
        Some(Self { start, length, locked })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` are mapped and were written by `holding`; nobody writes them before `drop`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `drop` has the only reference left; the bytes are mapped and initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }.zeroize();
        // SAFETY: the whole mapping, which nothing refers to any more; unmapping unlocks it.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `/proc/self/smaps` about the mapping that holds this address.
    fn mapping_of(address: usize) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let mut found: Option<String> = None;
        for line in maps.lines() {
            let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
            let bounds = bounds.and_then(|(from, to)| {
                Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
            });
            match (bounds, &mut found) {
                (Some(_), Some(_)) => return found,
                (Some((from, to)), None) if (from..to).contains(&address) => found = Some(String::new()),
                (None, Some(text)) => {
                    text.push_str(line);
                    text.push('\n');
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn a_secret_is_locked_and_not_dumped() {
        let bytes = (0..100).collect::<Vec<u8>>();
        let secret = LockedSecret::new(Secret::new(bytes.clone()));
        let clone = secret.clone();
        drop(secret);
        assert_eq!(clone.expose(), bytes);
        assert_eq!(format!("{clone:?}"), "LockedSecret(..)");
        let empty = LockedSecret::new(Secret::new(Vec::new()));
        assert_eq!((empty.expose(), empty.is_locked()), (&[][..], false));
        let Some(mapping) = mapping_of(clone.expose().as_ptr().addr()) else {
            assert!(!std::path::Path::new("/proc/self/smaps").exists(), "the mapping is not found");
            return;
        };
        let flags = mapping.lines().find_map(|line| line.strip_prefix("VmFlags:")).unwrap_or_default().to_owned();
        let flags = flags.split_whitespace().collect::<Vec<_>>();
        assert!(flags.contains(&"dd"), "not dumped: {mapping}");
        assert_eq!(flags.contains(&"lo"), clone.is_locked(), "locked: {mapping}");
        // 64 KiB are the least that Linux grants by default; whoever runs these tests with less has to say so.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
        if limit.is_none_or(|limit| limit >= 64 * 1024) {
            assert!(clone.is_locked(), "{limit:?}");
        }
    }

    #[test]
    fn the_pages_go_back() {
        let secret = LockedSecret::new(Secret::new(vec![7; 4096 * 3]));
        let address = secret.expose().as_ptr().addr();
        if mapping_of(address).is_some() {
            drop(secret);
            // Another thread's mapping may have come to stand there, but not one that is kept out of dumps.
            let after = mapping_of(address).unwrap_or_default();
            let flags = after.lines().find_map(|line| line.strip_prefix("VmFlags:")).unwrap_or_default();
            assert!(!flags.split_whitespace().any(|flag| flag == "dd"), "{after}");
        }
    }
}

//! Profile `gm3`: the device as the source above the key-encryption key and as the keeper of the rows' integrity key.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::base::id::KeyId;
use crate::domain::key::{KeyState, Profile};
use crate::service::keys::Error;
use crate::service::keys::device::{KeyDevice, KeyHandle, SecretUse};
use crate::store::keys::Custody;
use crate::store::{MacUnavailable, RowMac, Store, keys};

/// Rows read at a time.
const PAGE: i64 = 500;
/// Names of keys that a refusal lists.
const NAMED: usize = 20;

/// A device whose secret keys wrap the key-encryption key.
#[derive(Clone)]
pub struct DeviceSource(Arc<dyn KeyDevice>);

impl DeviceSource {
    /// That device.
    #[must_use]
    pub fn new(device: Arc<dyn KeyDevice>) -> Self {
        Self(device)
    }

    pub(in crate::service::keys) fn device(&self) -> &dyn KeyDevice {
        &*self.0
    }

    /// The integrity key with that handle.
    pub(in crate::service::keys) fn mac(&self, handle: KeyHandle) -> DeviceMac {
        DeviceMac { device: Arc::clone(&self.0), handle }
    }

    /// A new integrity key, made in the device.
    pub(in crate::service::keys) fn new_mac(&self) -> Result<DeviceMac, Error> {
        Ok(self.mac(self.0.new_secret("yinxin row integrity", SecretUse::Mac)?))
    }
}

impl std::fmt::Debug for DeviceSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceSource").field(&self.0.description()).finish()
    }
}

/// The rows' integrity key in a device. A call blocks for at most the device's own limit (`keys.sdf.timeout`).
#[derive(Clone)]
pub(in crate::service::keys) struct DeviceMac {
    device: Arc<dyn KeyDevice>,
    handle: KeyHandle,
}

impl DeviceMac {
    pub(in crate::service::keys) const fn handle(&self) -> &KeyHandle {
        &self.handle
    }

    /// A value by which the installation knows the key again. Rows begin with eight octets of a small length, so that
    /// no row has this one's value.
    pub(in crate::service::keys) fn check_value(&self, salt: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let text = [b"yinxin key check 3", &salt[..]].concat();
        Ok(self.device.mac(&self.handle, &text)?.to_vec())
    }
}

impl RowMac for DeviceMac {
    fn mac(&self, octets: &[u8]) -> Result<[u8; 32], MacUnavailable> {
        aside(|| self.device.mac(&self.handle, octets)).map_err(|error| {
            tracing::warn!(device = %self.device.kind(), code = error.code(), "a device gave no integrity value: {error}");
            MacUnavailable { code: error.code() }
        })
    }
}

/// Runs what blocks; the other tasks of this thread move to another one, where the runtime has several.
fn aside<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(call),
        _ => call(),
    }
}

impl std::fmt::Debug for DeviceMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceMac").field("device", &self.device.description()).finish_non_exhaustive()
    }
}

/// The first names of a list, and how many more there are.
pub(in crate::service::keys) fn names(keys: &[KeyId]) -> String {
    let first = keys.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match keys.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Refuses a database with keys that the profile forbids. What is left of destroyed keys is no key.
pub(in crate::service::keys) async fn require_keys(store: &Store, profile: Profile) -> Result<(), Error> {
    let (mut software, mut algorithm) = (Vec::new(), Vec::new());
    let mut behind = None::<KeyId>;
    loop {
        let after = behind.as_ref();
        let page = store.read(|tx| Box::pin(keys::list(tx, after, PAGE))).await?;
        let Some(last) = page.last() else { break };
        behind = Some(last.id.clone());
        for key in page.iter().filter(|key| !matches!(key.state, KeyState::Destroyed { .. })) {
            if matches!(key.custody, Custody::Software { .. }) && !profile.permits_software_keys() {
                software.push(key.id.clone());
            } else if !profile.permits_algorithm(key.attributes.algorithm) {
                algorithm.push(key.id.clone());
            }
        }
    }
    if !software.is_empty() {
        return Err(Error::SoftwareKeysForbidden { profile, keys: software });
    }
    if algorithm.is_empty() { Ok(()) } else { Err(Error::AlgorithmForbidden { profile, keys: algorithm }) }
}

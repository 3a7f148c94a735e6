//! What an anchor is trusted for, as its trust list says: uses, regions, a time; and what a caller asks of an anchor.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::crypto::digest::{hex, sm3};
use crate::domain::trust::path::failure::Refusal;
use crate::format::der::ObjectIdentifier;
use crate::format::trust_list::{Region, StatusService, TrustUse};
use crate::format::x509::Certificate;
use crate::format::x509::name::{LOCALITY, STATE_OR_PROVINCE};

/// X.520 6.3.2 `localityName` and 6.3.3 `stateOrProvinceName`: where a subject says that it is.
const PLACES: [ObjectIdentifier; 2] = [LOCALITY, STATE_OR_PROVINCE];

/// What a caller asks of the anchor that a path ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnchorDemand {
    /// That nobody restricted it: whoever does not say what the path is for gets no help from trust lists.
    #[default]
    Unrestricted,
    /// That it is trusted for this, at this time, and for the end's region.
    For(TrustUse),
    /// That it is trusted for something, at this time, and for the end's region: a certificate is judged for itself.
    ForAnything,
    /// Nothing: for those who speak about the certificates of a path that was judged already, from the same anchor.
    Nothing,
}

/// A trust list as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListNamed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub number: u64,
    /// SM3 of its canonical form.
    pub sm3: [u8; 32],
}

impl ListNamed {
    /// For reports: name, number, and SM3 in hexadecimal.
    #[must_use]
    pub fn display(&self) -> String {
        format!("trust list {} number {} (SM3 {})", self.name, self.number, hex(&self.sm3))
    }
}

/// What a trust list says of an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorScope {
    /// Which list.
    pub list: Arc<ListNamed>,
    /// What the anchor is trusted for.
    pub uses: Vec<TrustUse>,
    /// For whom; nothing: everywhere.
    pub regions: Vec<Region>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Where the status of certificates below it can be asked.
    pub status: Vec<StatusService>,
    /// Verifier keys of the logs of which one must hold whatever is issued and signed below it; nothing: none must.
    pub logs: Vec<String>,
}

impl AnchorScope {
    /// Whether the anchor may vouch for that end at that moment, as asked.
    pub(in crate::domain::trust) fn permits(
        &self,
        demand: AnchorDemand,
        at: Timestamp,
        end: &Certificate<'_>,
    ) -> Result<(), Refusal> {
        match demand {
            AnchorDemand::Nothing => return Ok(()),
            AnchorDemand::Unrestricted => return Err(Refusal::AnchorUse { wanted: "what is asked" }),
            AnchorDemand::For(wanted) if !self.uses.contains(&wanted) => {
                return Err(Refusal::AnchorUse { wanted: wanted.name() });
            }
            AnchorDemand::For(_) | AnchorDemand::ForAnything => {}
        }
        self.holds_at(at)?;
        if self.regions.is_empty() || self.regions.iter().any(|region| lies_in(end, region)) {
            return Ok(());
        }
        let regions = self.regions.iter().map(|region| region.code.as_str()).collect::<Vec<_>>();
        Err(Refusal::AnchorRegion { regions: regions.join(", ") })
    }

    /// Both ends belong to the time, as in certificates.
    pub(in crate::domain::trust) fn holds_at(&self, at: Timestamp) -> Result<(), Refusal> {
        if let Some(from) = self.from.filter(|from| at < *from) {
            return Err(Refusal::AnchorNotYetTrusted { from });
        }
        match self.until.filter(|until| at > *until) {
            Some(until) => Err(Refusal::AnchorTrustEnded { until }),
            None => Ok(()),
        }
    }

    /// Names all that it says, for versions of a whole set of anchors.
    pub(in crate::domain::trust) fn sm3(&self) -> [u8; 32] {
        sm3(format!("{self:?}").as_bytes())
    }
}

/// Whether the subject says that it is there. One that says nothing is nowhere.
fn lies_in(end: &Certificate<'_>, region: &Region) -> bool {
    end.subject
        .attributes()
        .filter(|attribute| PLACES.contains(&attribute.kind))
        .filter_map(|attribute| attribute.text())
        .any(|text| region.names.contains(&text))
}

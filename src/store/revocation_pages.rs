//! What revocation lists name, packed into pages: a shard's list is read without the certificates themselves.
//!
//! Pages are kept in the transaction of each change of status. They say nothing that the rows of certificates do not say:
//! where a shard has none yet, or a program that knows no pages changed a status, they are made anew from those rows. A page
//! or a head that is not as we wrote it is refused, and so is a shard whose pages are not all those that its head counts.

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::store::crls::ShardKey;
use crate::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const PAGES: &str = "revocation_pages";
const HEADS: &str = "revocation_heads";

/// Octets of an entry.
const WIDTH: usize = 49;
/// Entries of a page: a change writes one page anew, a list reads all of them.
const ROOM: usize = 64;
/// Pages that are read at once: some 800 KB.
const TOGETHER: i64 = 256;
/// Certificates that are read at once where pages are made anew.
const ROWS: i64 = 500;

/// The reason of a certificate in use: it stands in deltas, never in a page.
const ACTIVE: u8 = 0xff;
/// certificateHold (RFC 5280 5.3.1).
const HOLD: u8 = 6;

/// What a list needs to know of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationEntry {
    /// The serial number.
    pub serial: [u8; 16],
    /// The status.
    pub status: StoredStatus,
    /// Since when.
    pub since: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The audit event that changed the status last; 0 where none did.
    pub event: i64,
}

/// An entry in 49 octets, the serial number first: their order is that of serial numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackedEntry([u8; WIDTH]);

impl RevocationEntry {
    /// What the row of a certificate says.
    #[must_use]
    pub fn of(certificate: &IssuedCertificate) -> Self {
        Self {
            serial: certificate.serial,
            status: certificate.status,
            since: certificate.status_since,
            not_after: certificate.not_after,
            event: certificate.status_event.unwrap_or(0),
        }
    }

    /// In 49 octets: serial number, reason, since, invalidity date, end, event.
    #[must_use]
    pub fn pack(&self) -> PackedEntry {
        let (reason, invalid) = match self.status {
            StoredStatus::Active => (ACTIVE, None),
            StoredStatus::Suspended => (HOLD, None),
            StoredStatus::Revoked { reason, invalidity_date } => (reason, invalidity_date),
        };
        let moments = [self.since.unix(), invalid.map_or(i64::MIN, Timestamp::unix), self.not_after.unix(), self.event];
        let octets = moments.into_iter().flat_map(i64::to_be_bytes);
        let mut packed = [0; WIDTH];
        let all = self.serial.into_iter().chain([reason]).chain(octets);
        packed.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        PackedEntry(packed)
    }
}

impl PackedEntry {
    fn serial(&self) -> &[u8] {
        self.0.split_at(16).0
    }

    /// What it says.
    #[must_use]
    pub fn read(&self) -> RevocationEntry {
        let (serial, rest) = self.0.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let (reason, rest) = rest.split_first().unwrap_or((&0, &[]));
        let mut numbers = rest.as_chunks::<8>().0.iter().map(|octets| i64::from_be_bytes(*octets));
        let mut next = || numbers.next().unwrap_or(0);
        let (since, invalid, not_after, event) = (next(), next(), next(), next());
        let status = match *reason {
            ACTIVE => StoredStatus::Active,
            HOLD => StoredStatus::Suspended,
            reason => StoredStatus::Revoked {
                reason,
                invalidity_date: (invalid != i64::MIN).then(|| Timestamp::from_unix(invalid)),
            },
        };
        let (since, not_after) = (Timestamp::from_unix(since), Timestamp::from_unix(not_after));
        RevocationEntry { serial: *serial, status, since, not_after, event }
    }
}

/// What a shard's pages hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    entries: i64,
    /// The sum of its pages' versions.
    versions: i64,
    next_page: i64,
    last_event: i64,
    /// 0 for one that is not kept yet.
    version: i64,
}

/// A page with its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    number: i64,
    entries: Vec<PackedEntry>,
    /// 0 for one that is not kept yet.
    version: i64,
}

fn shard_name(key: &ShardKey) -> String {
    format!("{}/{}", key.authority, key.shard)
}

fn page_name(key: &ShardKey, page: i64) -> String {
    format!("{}/{}/{page}", key.authority, key.shard)
}

impl Head {
    const NONE: Self = Self { entries: 0, versions: 0, next_page: 1, last_event: 0, version: 0 };

    fn covered<T>(&self, key: &ShardKey, judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
        let numbers = [self.entries, self.versions, self.next_page, self.last_event].map(i64::to_be_bytes);
        let [entries, versions, next_page, last_event] = &numbers;
        judge(&shard_name(key), &[entries, versions, next_page, last_event])
    }

    async fn find(tx: &mut Tx<'_>, key: &ShardKey) -> Result<Option<Self>, Error> {
        let sql = "SELECT entries, versions, next_page, last_event, version, integrity FROM revocation_heads \
                   WHERE authority = $1 AND shard = $2";
        let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
        let Some(row) = fetch_optional!(tx, (i64, i64, i64, i64, i64, Vec<u8>), sql, authority, shard)? else {
            return Ok(None);
        };
        let (entries, versions, next_page, last_event, version, integrity) = row;
        let head = Self { entries, versions, next_page, last_event, version };
        head.covered(key, |id, content| tx.integrity.check(HEADS, id, version, content, &integrity))?;
        Ok(Some(head))
    }

    async fn keep(mut self, tx: &mut Tx<'_>, key: &ShardKey) -> Result<(), Error> {
        self.version = self.version.saturating_add(1);
        let integrity = self.covered(key, |id, content| tx.integrity.over(HEADS, id, self.version, content))?;
        let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
        let sql = "INSERT INTO revocation_heads (authority, shard, entries, versions, next_page, last_event, version, \
                   integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (authority, shard) DO UPDATE SET \
                   entries = $3, versions = $4, next_page = $5, last_event = $6, version = $7, integrity = $8";
        let Self { entries, versions, next_page, last_event, version } = self;
        execute!(tx, sql, authority, shard, entries, versions, next_page, last_event, version, integrity).map(|_| ())
    }
}

type PageRow = (i64, Vec<u8>, i64, Vec<u8>);

impl Page {
    fn read(tx: &Tx<'_>, key: &ShardKey, row: PageRow) -> Result<Self, Error> {
        let (number, octets, version, integrity) = row;
        let id = page_name(key, number);
        tx.integrity.check(PAGES, &id, version, &[&octets], &integrity)?;
        match octets.as_chunks::<WIDTH>() {
            (entries, []) => Ok(Self { number, entries: entries.iter().copied().map(PackedEntry).collect(), version }),
            _ => Err(Error::Inconsistent { table: PAGES, row: id }),
        }
    }

    async fn find(tx: &mut Tx<'_>, key: &ShardKey, number: i64) -> Result<Option<Self>, Error> {
        let sql = "SELECT page, entries, version, integrity FROM revocation_pages \
                   WHERE authority = $1 AND shard = $2 AND page = $3";
        let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
        let row = fetch_optional!(tx, PageRow, sql, authority, shard, number)?;
        row.map(|row| Self::read(tx, key, row)).transpose()
    }

    async fn last(tx: &mut Tx<'_>, key: &ShardKey) -> Result<Option<Self>, Error> {
        let sql = "SELECT page, entries, version, integrity FROM revocation_pages \
                   WHERE authority = $1 AND shard = $2 ORDER BY page DESC LIMIT 1";
        let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
        let row = fetch_optional!(tx, PageRow, sql, authority, shard)?;
        row.map(|row| Self::read(tx, key, row)).transpose()
    }

    fn position(&self, serial: &[u8; 16]) -> Option<usize> {
        self.entries.iter().position(|entry| entry.serial() == serial)
    }

    /// Writes the page, or takes it away when nothing is left; its head learns of it.
    async fn keep(mut self, tx: &mut Tx<'_>, key: &ShardKey, head: &mut Head) -> Result<(), Error> {
        let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
        if self.entries.is_empty() {
            let sql = "DELETE FROM revocation_pages WHERE authority = $1 AND shard = $2 AND page = $3";
            head.versions = head.versions.saturating_sub(self.version);
            return execute!(tx, sql, authority, shard, self.number).map(|_| ());
        }
        self.version = self.version.saturating_add(1);
        head.versions = head.versions.saturating_add(1);
        let octets = self.entries.iter().flat_map(|entry| entry.0).collect::<Vec<_>>();
        let (mut last_end, mut last_event) = (i64::MIN, 0);
        for entry in self.entries.iter().map(PackedEntry::read) {
            (last_end, last_event) = (entry.not_after.unix().max(last_end), entry.event.max(last_event));
        }
        let id = page_name(key, self.number);
        let integrity = tx.integrity.over(PAGES, &id, self.version, &[&octets])?;
        let sql = "INSERT INTO revocation_pages (authority, shard, page, entries, last_end, last_event, version, \
                   integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (authority, shard, page) DO UPDATE \
                   SET entries = $4, last_end = $5, last_event = $6, version = $7, integrity = $8";
        let (page, version) = (self.number, self.version);
        execute!(tx, sql, authority, shard, page, octets, last_end, last_event, version, integrity).map(|_| ())
    }
}

/// The head of a shard whose pages are all there: made anew where there are none, or where a status was changed past them.
async fn sound(tx: &mut Tx<'_>, key: &ShardKey) -> Result<Head, Error> {
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    if let Some(head) = Head::find(tx, key).await? {
        let sql = "SELECT status_event FROM issued_certificates \
                   WHERE authority = $1 AND shard = $2 AND status_event > $3 LIMIT 1";
        let past = fetch_optional!(tx, (i64,), sql, authority, shard, head.last_event)?;
        if past.is_none() {
            return Ok(head);
        }
        tracing::warn!(authority, shard, "a status was changed past the pages of its shard: they are made anew");
    }
    let sql = "DELETE FROM revocation_pages WHERE authority = $1 AND shard = $2";
    execute!(tx, sql, authority, shard)?;
    let known = Head::find(tx, key).await?.unwrap_or(Head::NONE);
    // Numbers go on: an old page is never taken for a new one of its number and version.
    let mut head = Head { version: known.version, next_page: known.next_page, ..Head::NONE };
    let mut behind = Vec::new();
    loop {
        let rows = issued_certificates::not_active_behind(tx, key, &behind, ROWS).await?;
        let Some(last) = rows.last() else { break };
        behind = last.serial.to_vec();
        append(tx, key, &mut head, &rows).await?;
    }
    let sql = "SELECT COALESCE(MAX(status_event), 0) FROM issued_certificates WHERE authority = $1 AND shard = $2";
    let event = fetch_optional!(tx, (i64,), sql, authority, shard)?.map_or(0, |(event,)| event);
    head.last_event = event;
    head.keep(tx, key).await?;
    head.version = head.version.saturating_add(1);
    Ok(head)
}

/// Appends entries to the last pages, and tells the rows where they stand.
async fn append(
    tx: &mut Tx<'_>,
    key: &ShardKey,
    head: &mut Head,
    certificates: &[IssuedCertificate],
) -> Result<(), Error> {
    let mut rest = certificates;
    let mut page = Page::last(tx, key).await?.filter(|page| page.entries.len() < ROOM);
    while !rest.is_empty() {
        let mut open = page.take().unwrap_or_else(|| {
            let number = head.next_page;
            head.next_page = number.saturating_add(1);
            Page { number, entries: Vec::with_capacity(ROOM), version: 0 }
        });
        let (these, later) = rest.split_at(ROOM.saturating_sub(open.entries.len()).min(rest.len()));
        rest = later;
        open.entries.extend(these.iter().map(|certificate| RevocationEntry::of(certificate).pack()));
        head.entries = head.entries.saturating_add(i64::try_from(these.len()).unwrap_or(i64::MAX));
        for certificate in these {
            stands(tx, &key.authority, &certificate.serial, Some(open.number)).await?;
        }
        open.keep(tx, key, head).await?;
    }
    Ok(())
}

/// Notes in which page a certificate stands.
async fn stands(tx: &mut Tx<'_>, authority: &AuthorityId, serial: &[u8; 16], page: Option<i64>) -> Result<(), Error> {
    let sql = "UPDATE issued_certificates SET revocation_page = $1 WHERE authority = $2 AND serial = $3";
    execute!(tx, sql, page, authority.as_str(), &serial[..]).map(|_| ())
}

/// Takes in certificates that are on hold or revoked when they are inserted.
pub(in crate::store) async fn take(tx: &mut Tx<'_>, inserted: &[IssuedCertificate]) -> Result<(), Error> {
    let mut rest = inserted.iter().filter(|row| row.status != StoredStatus::Active).cloned().collect::<Vec<_>>();
    while let Some(first) = rest.first() {
        let key = ShardKey { authority: first.authority.clone(), shard: first.shard };
        let ours = |row: &IssuedCertificate| row.authority == key.authority && row.shard == key.shard;
        let (these, others) = rest.into_iter().partition::<Vec<_>, _>(ours);
        rest = others;
        let Some(mut head) = Head::find(tx, &key).await? else {
            // Made from the rows, these among them.
            sound(tx, &key).await?;
            continue;
        };
        append(tx, &key, &mut head, &these).await?;
        head.last_event = these.iter().filter_map(|row| row.status_event).fold(head.last_event, i64::max);
        head.keep(tx, &key).await?;
    }
    Ok(())
}

/// Follows a change of status, before the row itself is changed.
pub(in crate::store) async fn follow(tx: &mut Tx<'_>, next: &IssuedCertificate) -> Result<(), Error> {
    let key = ShardKey { authority: next.authority.clone(), shard: next.shard };
    let mut head = sound(tx, &key).await?;
    let sql = "SELECT revocation_page FROM issued_certificates WHERE authority = $1 AND serial = $2";
    let hint = fetch_optional!(tx, (Option<i64>,), sql, key.authority.as_str(), &next.serial[..])?;
    let found = match hint.and_then(|(hint,)| hint) {
        Some(hint) => Page::find(tx, &key, hint).await?,
        None => None,
    };
    let found = found.and_then(|page| page.position(&next.serial).map(|at| (page, at)));
    match (found, next.status) {
        (Some((page, at)), StoredStatus::Active) => remove(tx, &key, &mut head, (page, at)).await?,
        (Some((mut page, at)), _) => {
            if let Some(entry) = page.entries.get_mut(at) {
                *entry = RevocationEntry::of(next).pack();
            }
            page.keep(tx, &key, &mut head).await?;
        }
        // Never there, or its page was forgotten with all that ended.
        (None, StoredStatus::Active) => {}
        (None, _) => append(tx, &key, &mut head, std::slice::from_ref(next)).await?,
    }
    head.last_event = next.status_event.map_or(head.last_event, |event| event.max(head.last_event));
    head.keep(tx, &key).await
}

/// Takes an entry out; the last one of the last page comes in its place, so that pages stay full.
async fn remove(tx: &mut Tx<'_>, key: &ShardKey, head: &mut Head, (mut page, at): (Page, usize)) -> Result<(), Error> {
    let gone = page.entries.swap_remove(at).read();
    stands(tx, &key.authority, &gone.serial, None).await?;
    head.entries = head.entries.saturating_sub(1);
    if let Some(mut last) = Page::last(tx, key).await?.filter(|last| last.number != page.number)
        && let Some(moved) = last.entries.pop()
    {
        stands(tx, &key.authority, &moved.read().serial, Some(page.number)).await?;
        page.entries.push(moved);
        last.keep(tx, key, head).await?;
    }
    page.keep(tx, key, head).await
}

/// Makes sure that the pages of a shard are there, before a list is made of them.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn prepare(tx: &mut Tx<'_>, key: &ShardKey) -> Result<(), Error> {
    sound(tx, key).await.map(|_| ())
}

/// Whatever of a shard is on hold or revoked and is `wanted`, by serial number.
///
/// # Errors
/// [`Error::Inconsistent`]: a page or the head is not as we wrote it, or the pages are not those that the head counts; the
/// database's.
pub async fn entries(
    tx: &mut Tx<'_>,
    key: &ShardKey,
    wanted: impl Fn(&RevocationEntry) -> bool,
) -> Result<Vec<PackedEntry>, Error> {
    let wrong = || Error::Inconsistent { table: HEADS, row: shard_name(key) };
    let head = Head::find(tx, key).await?.ok_or_else(wrong)?;
    let mut found = Vec::with_capacity(usize::try_from(head.entries).map_err(|_| wrong())?);
    let sql = "SELECT page, entries, version, integrity FROM revocation_pages \
               WHERE authority = $1 AND shard = $2 AND page > $3 ORDER BY page LIMIT $4";
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    let (mut behind, mut count, mut versions) = (0, 0_usize, 0_i64);
    loop {
        let rows = fetch_all!(tx, PageRow, sql, authority, shard, behind, TOGETHER)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let page = Page::read(tx, key, row)?;
            (behind, versions) = (page.number, versions.saturating_add(page.version));
            count = count.saturating_add(page.entries.len());
            found.extend(page.entries.into_iter().filter(|entry| wanted(&entry.read())));
        }
        // Others have their turn between.
        tokio::task::yield_now().await;
    }
    if i64::try_from(count) != Ok(head.entries) || versions != head.versions {
        return Err(wrong());
    }
    found.sort_unstable();
    Ok(found)
}

/// Forgets pages of a shard that no list names anything of any more: all their certificates ended before `end`, and no
/// audit event above `event` changed one. Gives how many pages.
///
/// # Errors
/// As [`entries`].
pub async fn forget(tx: &mut Tx<'_>, key: &ShardKey, end: Timestamp, event: i64) -> Result<u64, Error> {
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    let sql = "SELECT page, entries, version, integrity FROM revocation_pages \
               WHERE authority = $1 AND shard = $2 AND last_end < $3 AND last_event <= $4 ORDER BY page LIMIT $5";
    let rows = fetch_all!(tx, PageRow, sql, authority, shard, end.unix(), event, TOGETHER)?;
    if rows.is_empty() {
        return Ok(0);
    }
    let wrong = || Error::Inconsistent { table: HEADS, row: shard_name(key) };
    let (mut head, mut count) = (Head::find(tx, key).await?.ok_or_else(wrong)?, 0_u64);
    for row in rows {
        let mut page = Page::read(tx, key, row)?;
        // Their columns are hints; what stands inside decides.
        if page.entries.iter().map(PackedEntry::read).any(|entry| entry.not_after >= end || entry.event > event) {
            continue;
        }
        head.entries = head.entries.saturating_sub(i64::try_from(page.entries.len()).unwrap_or(i64::MAX));
        page.entries.clear();
        page.keep(tx, key, &mut head).await?;
        count = count.saturating_add(1);
    }
    head.keep(tx, key).await?;
    Ok(count)
}

/// Forgets pages, of all shards, whose certificates all ended before that moment.
///
/// # Errors
/// As [`entries`].
pub(in crate::store) async fn forget_ended(tx: &mut Tx<'_>, end: Timestamp) -> Result<(), Error> {
    let sql = "SELECT DISTINCT authority, shard FROM revocation_pages WHERE last_end < $1";
    for (authority, shard) in fetch_all!(tx, (String, i64), sql, end.unix())? {
        let wrong = || Error::Inconsistent { table: PAGES, row: format!("{authority}/{shard}") };
        let key = ShardKey {
            authority: AuthorityId::parse(&authority).map_err(|_| wrong())?,
            shard: u32::try_from(shard).map_err(|_| wrong())?,
        };
        forget(tx, &key, end, i64::MAX).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_read(serial: [u8; 16], since in 0..1_i64 << 40, invalid in proptest::option::of(0..1_i64 << 40), reason in 0..3_u8, event in 0..i64::MAX) {
            let status = match reason {
                0 => StoredStatus::Active,
                1 => StoredStatus::Suspended,
                _ => StoredStatus::Revoked { reason: 4, invalidity_date: invalid.map(Timestamp::from_unix) },
            };
            let moment = Timestamp::from_unix(since);
            let entry = RevocationEntry { serial, status, since: moment, not_after: moment.plus_seconds(9), event };
            let packed = entry.pack();
            prop_assert_eq!(packed.read(), entry);
            prop_assert_eq!(packed.serial(), &serial[..]);
        }
    }
}

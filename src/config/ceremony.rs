//! The plan of a key ceremony: a file that is reviewed before anybody meets.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::domain::ca::ceremony::{
    Custodian, Part, Person, Plan, PlannedAuthority, PlannedCertificate, Protection, TranscriptSigner,
};
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::KeyAlgorithm;

/// Plans are far smaller.
pub const MOST_BYTES: usize = 64 * 1024;
/// The longest text of a plan, in characters.
const LONGEST: usize = 200;
/// Authorities, people and shares of one plan.
const MOST: usize = 64;
/// Lists of one plan.
const MOST_LISTS: u32 = 1024;
/// Days that a first list may be in force.
const MOST_DAYS: u32 = 400;

/// What is wrong with a value of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// No text, too much of it, or characters that cannot be seen.
    #[error("1 to {LONGEST} characters that can be seen are wanted")]
    Text,
    /// A path that depends on where the program is started, or that leads back.
    #[error("an absolute path without .. is wanted")]
    Path,
    /// None, or more than a plan holds.
    #[error("1 to {MOST} are wanted")]
    Count,
    /// A value that is none of a list.
    #[error("{text:?} is none of {known}")]
    Unknown {
        /// What stands there.
        text: String,
        /// What may stand there.
        known: &'static str,
    },
    /// Not the form of a name of ours.
    #[error("1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' are wanted")]
    Id,
    /// Not a moment.
    #[error("{text:?} is not a moment as 2046-01-01T00:00:00Z")]
    Moment {
        /// What stands there.
        text: String,
    },
    /// The same value twice.
    #[error("{text:?} stands there twice")]
    Twice {
        /// Which.
        text: String,
    },
    /// Nobody leads, or nobody watches.
    #[error("nobody is present as {part}")]
    Absent {
        /// As what.
        part: Part,
    },
    /// A custodian is not present, or for something else.
    #[error("{name:?} is not present as custodian")]
    NotCustodian {
        /// Who.
        name: String,
    },
    /// A custodian who gets no share.
    #[error("{name:?} is present as custodian and takes no share")]
    WithoutShare {
        /// Who.
        name: String,
    },
    /// Software keys are protected by shares.
    #[error("keys in software are protected by shares, and [shares] is missing")]
    SharesMissing,
    /// A device has nothing to share out.
    #[error("the device protects the keys: there is nothing to share out")]
    SharesOfDevice,
    /// One person could open it alone, or nobody could.
    #[error("2 to {custodians}, the number of custodians, are wanted")]
    Threshold {
        /// How many there are.
        custodians: usize,
    },
    /// A share would lie beside what it protects.
    #[error("a share does not lie in the folder of the installation")]
    ShareInside,
    /// A root below another authority.
    #[error("a root has no authority above it")]
    RootBelow,
    /// An authority that is no root, alone.
    #[error("an authority that is no root has one above it")]
    NothingAbove,
    /// Not a digest.
    #[error("the SM3 of a request, 64 hexadecimal digits, is wanted")]
    Digest,
    /// A request that the ceremony would put away.
    #[error("a request does not lie in the folder of the installation")]
    RequestInside,
    /// A root is certified by nobody.
    #[error("a root is certified by nobody")]
    RootElsewhere,
    /// The authority above does not stand before it.
    #[error("no authority {name:?} stands before it in the plan")]
    Parent {
        /// Which.
        name: String,
    },
    /// The transcript's key would be certified by nobody.
    #[error("no authority {name:?} stands in the plan")]
    NoAuthority {
        /// Which.
        name: String,
    },
    /// Not an address that certificates can say.
    #[error("an address http://host or http://host/path is wanted (RFC 5280 4.2.1.13)")]
    Address,
    /// A number outside of its bounds.
    #[error("{least} to {most} are wanted")]
    Bounds {
        /// At least.
        least: u32,
        /// At most.
        most: u32,
    },
    /// More lists than a ceremony signs.
    #[error("all authorities together have {MOST_LISTS} lists at most")]
    Lists,
}

impl PlanFault {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Text => "plan-text",
            Self::Path => "plan-path",
            Self::Count => "plan-count",
            Self::Unknown { .. } => "plan-value",
            Self::Id => "plan-id",
            Self::Moment { .. } => "plan-moment",
            Self::Twice { .. } => "plan-repeated",
            Self::Absent { .. } => "plan-absent",
            Self::NotCustodian { .. } | Self::WithoutShare { .. } => "plan-custodian",
            Self::SharesMissing | Self::SharesOfDevice => "plan-shares",
            Self::Threshold { .. } => "plan-threshold",
            Self::ShareInside => "plan-share-inside",
            Self::RootBelow | Self::NothingAbove | Self::Parent { .. } => "plan-parent",
            Self::NoAuthority { .. } => "plan-transcript",
            Self::Digest => "plan-digest-form",
            Self::RequestInside => "plan-request-inside",
            Self::RootElsewhere => "plan-root-elsewhere",
            Self::Address => "plan-address",
            Self::Bounds { .. } | Self::Lists => "plan-bounds",
        }
    }
}

/// Why a plan is refused. Each names the file and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Too long, or not UTF-8.
    #[error("the plan {origin} is not a text of {MOST_BYTES} bytes at most")]
    NotText {
        /// The file.
        origin: String,
    },
    /// Not TOML, or not of this shape; unknown keys are refused.
    #[error("the plan {origin} cannot be read: {reason}")]
    Malformed {
        /// The file.
        origin: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A value is weak, wrong, or contradicts another.
    #[error("the plan {origin}: {place}: {fault}")]
    Refused {
        /// The file.
        origin: String,
        /// The key, with the number of its table, from 1.
        place: String,
        /// Why.
        fault: PlanFault,
    },
}

impl PlanError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotText { .. } => "plan-not-text",
            Self::Malformed { .. } => "plan-malformed",
            Self::Refused { fault, .. } => fault.code(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    title: String,
    installation: PathBuf,
    #[serde(default = "software")]
    keys: String,
    present: Vec<RawPerson>,
    shares: Option<RawShares>,
    authority: Vec<RawAuthority>,
    #[serde(default)]
    certificate: Vec<RawCertificate>,
    transcript: RawTranscript,
}

fn software() -> String {
    "software".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPerson {
    name: String,
    part: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShares {
    threshold: u8,
    custodian: Vec<RawCustodian>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCustodian {
    name: String,
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuthority {
    id: String,
    name: String,
    profile: String,
    algorithm: String,
    subject: toml::Table,
    not_after: Option<String>,
    parent: Option<String>,
    base_url: String,
    #[serde(default = "one")]
    crl_shards: u32,
    crl_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificate {
    id: String,
    issuer: String,
    profile: String,
    csr: PathBuf,
    csr_sm3: String,
    not_after: Option<String>,
}

const fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTranscript {
    authority: String,
    algorithm: String,
    subject: toml::Table,
}

type Checked<T> = Result<T, (String, PlanFault)>;

/// Reads a plan.
///
/// # Errors
/// The first value that is refused, with its place.
pub fn parse(text: &[u8], origin: &str) -> Result<Plan, PlanError> {
    let origin = || origin.to_owned();
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MOST_BYTES);
    let text = text.ok_or_else(|| PlanError::NotText { origin: origin() })?;
    let raw = toml::from_str::<RawPlan>(text)
        .map_err(|error| PlanError::Malformed { origin: origin(), reason: error.to_string().trim_end().to_owned() })?;
    checked(raw).map_err(|(place, fault)| PlanError::Refused { origin: origin(), place, fault })
}

fn checked(raw: RawPlan) -> Checked<Plan> {
    let title = seen(raw.title, "title")?;
    let installation = absolute(raw.installation, "installation")?;
    counted(raw.present.len(), "present")?;
    let mut present = Vec::new();
    for (number, person) in (1..).zip(raw.present) {
        let place = format!("present[{number}]");
        let name = seen(person.name, &format!("{place}.name"))?;
        let known = "leader, operator, custodian, witness, auditor";
        let part = Part::from_name(&person.part);
        let part = part.ok_or_else(|| (format!("{place}.part"), PlanFault::Unknown { text: person.part, known }))?;
        if present.iter().any(|known: &Person| known.name == name) {
            // One person, one part: who leads does not watch.
            return Err((format!("{place}.name"), PlanFault::Twice { text: name }));
        }
        present.push(Person { name, part });
    }
    for part in [Part::Leader, Part::Witness] {
        if !present.iter().any(|person| person.part == part) {
            return Err(("present".to_owned(), PlanFault::Absent { part }));
        }
    }
    let protection = match (raw.keys.as_str(), raw.shares) {
        ("software", Some(shares)) => protection(shares, &present, &installation)?,
        ("software", None) => return Err(("shares".to_owned(), PlanFault::SharesMissing)),
        ("sdf", None) => Protection::Device,
        ("sdf", Some(_)) => return Err(("shares".to_owned(), PlanFault::SharesOfDevice)),
        _ => return Err(("keys".to_owned(), PlanFault::Unknown { text: raw.keys, known: "software, sdf" })),
    };
    counted(raw.authority.len(), "authority")?;
    let mut authorities = Vec::new();
    for (number, authority) in (1..).zip(raw.authority) {
        let authority = planned(authority, &authorities, &protection, &format!("authority[{number}]"))?;
        authorities.push(authority);
    }
    if authorities.iter().map(|one| one.crl_shards).fold(0, u32::saturating_add) > MOST_LISTS {
        return Err(("authority".to_owned(), PlanFault::Lists));
    }
    if raw.certificate.len() > MOST {
        return Err(("certificate".to_owned(), PlanFault::Count));
    }
    let mut certificates = Vec::new();
    for (number, certificate) in (1..).zip(raw.certificate) {
        let before = (&authorities[..], &certificates[..], &*installation);
        let certificate = outside(certificate, before, &format!("certificate[{number}]"))?;
        certificates.push(certificate);
    }
    let RawTranscript { authority, algorithm, subject } = raw.transcript;
    let certifier = authorities.iter().find(|one| one.id.as_str() == authority).map(|one| one.id.clone());
    let certifier =
        certifier.ok_or_else(|| ("transcript.authority".to_owned(), PlanFault::NoAuthority { name: authority }))?;
    let transcript = TranscriptSigner {
        authority: certifier,
        algorithm: transcript_algorithm(algorithm, &protection, "transcript.algorithm")?,
        subject: attributes(subject, "transcript.subject")?,
    };
    Ok(Plan { title, installation, present, protection, authorities, certificates, transcript })
}

/// What stands before a certificate for others: authorities, certificates, the folder of the installation.
type Before<'a> = (&'a [PlannedAuthority], &'a [PlannedCertificate], &'a Path);

fn outside(raw: RawCertificate, (authorities, known, folder): Before<'_>, place: &str) -> Checked<PlannedCertificate> {
    let at = |key: &str| format!("{place}.{key}");
    let id = AuthorityId::parse(&raw.id).map_err(|_| (at("id"), PlanFault::Id))?;
    let taken = authorities.iter().map(|one| &one.id).chain(known.iter().map(|one| &one.id)).any(|one| *one == id);
    // The transcript's own certificate has that name among the files.
    if taken || raw.id == "transcript" {
        return Err((at("id"), PlanFault::Twice { text: raw.id }));
    }
    let issuer = authorities.iter().find(|one| one.id.as_str() == raw.issuer).map(|one| one.id.clone());
    let issuer = issuer.ok_or_else(|| (at("issuer"), PlanFault::NoAuthority { name: raw.issuer }))?;
    if raw.profile == "root" {
        return Err((at("profile"), PlanFault::RootElsewhere));
    }
    let csr = absolute(raw.csr, &at("csr"))?;
    if csr.starts_with(folder) {
        return Err((at("csr"), PlanFault::RequestInside));
    }
    let csr_sm3 = digest_of(&raw.csr_sm3).ok_or_else(|| (at("csr_sm3"), PlanFault::Digest))?;
    let not_after = raw.not_after.map(|text| moment(&text, &at("not_after"))).transpose()?;
    Ok(PlannedCertificate { id, issuer, profile: seen(raw.profile, &at("profile"))?, csr, csr_sm3, not_after })
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    let octets = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u8::from_str_radix(pair, 16).ok()
    });
    let octets = octets.collect::<Option<Vec<_>>>().filter(|_| text.len() == 64)?;
    octets.try_into().ok()
}

fn moment(text: &str, place: &str) -> Checked<Timestamp> {
    Timestamp::parse_rfc3339(text).map_err(|_| (place.to_owned(), PlanFault::Moment { text: text.to_owned() }))
}

fn protection(raw: RawShares, present: &[Person], installation: &Path) -> Checked<Protection> {
    let mut custodians = Vec::<Custodian>::new();
    counted(raw.custodian.len(), "shares.custodian")?;
    for (number, one) in (1..).zip(raw.custodian) {
        let place = format!("shares.custodian[{number}]");
        let name = seen(one.name, &format!("{place}.name"))?;
        if !present.iter().any(|person| person.name == name && person.part == Part::Custodian) {
            return Err((format!("{place}.name"), PlanFault::NotCustodian { name }));
        }
        if custodians.iter().any(|known| known.name == name) {
            return Err((format!("{place}.name"), PlanFault::Twice { text: name }));
        }
        let place = format!("{place}.file");
        let file = absolute(one.file, &place)?;
        if file.starts_with(installation) {
            return Err((place, PlanFault::ShareInside));
        }
        if custodians.iter().any(|known| known.file == file) {
            return Err((place, PlanFault::Twice { text: file.display().to_string() }));
        }
        custodians.push(Custodian { name, file });
    }
    let left = present.iter().filter(|person| person.part == Part::Custodian);
    let mut left = left.filter(|person| !custodians.iter().any(|one| one.name == person.name));
    if let Some(person) = left.next() {
        return Err(("shares.custodian".to_owned(), PlanFault::WithoutShare { name: person.name.clone() }));
    }
    // One share alone would be the key, and no number of shares above all of them comes together.
    if raw.threshold < 2 || usize::from(raw.threshold) > custodians.len() {
        let fault = PlanFault::Threshold { custodians: custodians.len() };
        return Err(("shares.threshold".to_owned(), fault));
    }
    Ok(Protection::Shares { threshold: raw.threshold, custodians })
}

fn planned(
    raw: RawAuthority,
    before: &[PlannedAuthority],
    protection: &Protection,
    place: &str,
) -> Checked<PlannedAuthority> {
    let at = |key: &str| format!("{place}.{key}");
    let id = AuthorityId::parse(&raw.id).map_err(|_| (at("id"), PlanFault::Id))?;
    if before.iter().any(|known| known.id == id) {
        return Err((at("id"), PlanFault::Twice { text: raw.id }));
    }
    let parent = match raw.parent {
        Some(_) if raw.profile == "root" => return Err((at("parent"), PlanFault::RootBelow)),
        None if raw.profile != "root" => return Err((at("parent"), PlanFault::NothingAbove)),
        Some(name) => {
            let found = before.iter().find(|known| known.id.as_str() == name).map(|known| known.id.clone());
            Some(found.ok_or_else(|| (at("parent"), PlanFault::Parent { name }))?)
        }
        None => None,
    };
    let not_after = raw.not_after.map(|text| moment(&text, &at("not_after"))).transpose()?;
    let host = raw.base_url.strip_prefix("http://").filter(|host| !host.is_empty() && !host.starts_with('/'));
    if host.is_none() || raw.base_url.len() > LONGEST || !raw.base_url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err((at("base_url"), PlanFault::Address));
    }
    for (key, value, most) in [("crl_shards", raw.crl_shards, 256), ("crl_days", raw.crl_days, MOST_DAYS)] {
        if !(1..=most).contains(&value) {
            return Err((at(key), PlanFault::Bounds { least: 1, most }));
        }
    }
    Ok(PlannedAuthority {
        id,
        name: seen(raw.name, &at("name"))?,
        profile: seen(raw.profile, &at("profile"))?,
        algorithm: authority_algorithm(raw.algorithm, protection, &at("algorithm"))?,
        subject: attributes(raw.subject, &at("subject"))?,
        not_after,
        parent,
        base_url: raw.base_url,
        crl_shards: raw.crl_shards,
        crl_days: raw.crl_days,
    })
}

/// The key of an authority; one of RSA has 4096 bits.
fn authority_algorithm(text: String, protection: &Protection, place: &str) -> Checked<KeyAlgorithm> {
    match (text.as_str(), protection) {
        ("rsa", Protection::Shares { .. }) => Ok(KeyAlgorithm::Rsa),
        (_, Protection::Shares { .. }) => key_algorithm(text, protection, (place, "sm2, rsa, ecdsa-p256")),
        (_, Protection::Device) => key_algorithm(text, protection, (place, "sm2")),
    }
}

/// The key of the transcript: the profile of such keys takes none of RSA. Ed25519 stands in no profile of the plan.
fn transcript_algorithm(text: String, protection: &Protection, place: &str) -> Checked<KeyAlgorithm> {
    match protection {
        Protection::Shares { .. } => key_algorithm(text, protection, (place, "sm2, ecdsa-p256")),
        Protection::Device => key_algorithm(text, protection, (place, "sm2")),
    }
}

fn key_algorithm(text: String, protection: &Protection, (place, known): (&str, &'static str)) -> Checked<KeyAlgorithm> {
    match (KeyAlgorithm::from_name(&text), protection) {
        (Some(KeyAlgorithm::Sm2), _) => Ok(KeyAlgorithm::Sm2),
        (Some(KeyAlgorithm::EcdsaP256), Protection::Shares { .. }) => Ok(KeyAlgorithm::EcdsaP256),
        _ => Err((place.to_owned(), PlanFault::Unknown { text, known })),
    }
}

fn attributes(table: toml::Table, place: &str) -> Checked<Attributes> {
    let mut found = Attributes::new();
    counted(table.len(), place)?;
    for (key, value) in table {
        let at = format!("{place}.{key}");
        let known = "the names of attributes, countryName or commonName among them";
        let kind = AttributeKind::from_name(&key);
        let kind = kind.ok_or_else(|| (at.clone(), PlanFault::Unknown { text: key, known }))?;
        let toml::Value::String(text) = value else { return Err((at, PlanFault::Text)) };
        found.push((kind, seen(text, &at)?));
    }
    Ok(found)
}

fn seen(text: String, place: &str) -> Checked<String> {
    let bounded = (1..=LONGEST).contains(&text.chars().count()) && text.trim() == text;
    if bounded && !text.chars().any(char::is_control) { Ok(text) } else { Err((place.to_owned(), PlanFault::Text)) }
}

fn counted(count: usize, place: &str) -> Checked<()> {
    if (1..=MOST).contains(&count) { Ok(()) } else { Err((place.to_owned(), PlanFault::Count)) }
}

fn absolute(path: PathBuf, place: &str) -> Checked<PathBuf> {
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let sound = path.is_absolute() && path.file_name().is_some() && path.components().all(plain);
    if sound && path.to_str().is_some() { Ok(path) } else { Err((place.to_owned(), PlanFault::Path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../docs/ceremony-plan.toml");

    fn refused(text: &str) -> (&'static str, String) {
        let error = parse(text.as_bytes(), "plan.toml").unwrap_err();
        (error.code(), error.to_string())
    }

    #[test]
    fn the_sample_of_the_manual_is_a_plan() {
        let plan = parse(SAMPLE.as_bytes(), "plan.toml").unwrap();
        assert_eq!((plan.title.as_str(), plan.present.len()), ("Root and officers' authority of Example Trust", 5));
        let Protection::Shares { threshold: 2, custodians } = &plan.protection else { panic!("{plan:?}") };
        let names = custodians.iter().map(|one| one.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["Qian Er", "Sun San", "Li Si"]);
        let [root, below] = &plan.authorities[..] else { panic!("{plan:?}") };
        assert_eq!((root.parent.as_ref(), root.crl_shards, root.crl_days), (None, 1, 365));
        assert_eq!((below.parent.as_ref(), below.crl_shards, below.crl_days), (Some(&root.id), 4, 7));
        assert_eq!((&plan.transcript.authority, plan.transcript.algorithm), (&below.id, KeyAlgorithm::Sm2));
    }

    #[test]
    fn what_is_weak_or_contradicts_itself_is_refused_with_its_place() {
        #[rustfmt::skip]
        let cases = [
            ("threshold = 2", "threshold = 1", "plan-threshold",
                "shares.threshold: 2 to 3, the number of custodians, are wanted"),
            ("threshold = 2", "threshold = 4", "plan-threshold",
                "shares.threshold: 2 to 3, the number of custodians, are wanted"),
            ("/srv/yinxin-ca", "yinxin-ca", "plan-path", "installation: an absolute path without .. is wanted"),
            ("/srv/yinxin-ca", "/srv/../ca", "plan-path", "installation: an absolute path without .. is wanted"),
            ("/media/sun/share", "/media/qian/share", "plan-repeated",
                "shares.custodian[2].file: \"/media/qian/share\" stands there twice"),
            ("/media/sun/share", "/srv/yinxin-ca/share", "plan-share-inside",
                "shares.custodian[2].file: a share does not lie in the folder of the installation"),
            ("part = \"witness\"", "part = \"auditor\"", "plan-absent", "present: nobody is present as witness"),
            ("part = \"leader\"", "part = \"auditor\"", "plan-absent", "present: nobody is present as leader"),
            ("part = \"witness\"", "part = \"guest\"", "plan-value",
                "present[5].part: \"guest\" is none of leader, operator, custodian, witness, auditor"),
            ("part = \"witness\"", "part = \"custodian\"", "plan-absent", "present: nobody is present as witness"),
            ("name = \"Zhou Wu\"", "name = \"Zhao Yi\"", "plan-repeated",
                "present[5].name: \"Zhao Yi\" stands there twice"),
            ("name = \"Li Si\"\nfile", "name = \"Zhou Wu\"\nfile", "plan-custodian",
                "shares.custodian[3].name: \"Zhou Wu\" is not present as custodian"),
            ("name = \"Li Si\"\nfile", "name = \"Sun San\"\nfile", "plan-repeated",
                "shares.custodian[3].name: \"Sun San\" stands there twice"),
            ("[[shares.custodian]]\nname = \"Li Si\"\nfile = \"/media/li/share\"", "", "plan-custodian",
                "shares.custodian: \"Li Si\" is present as custodian and takes no share"),
            ("id = \"officers\"", "id = \"root\"", "plan-repeated", "authority[2].id: \"root\" stands there twice"),
            ("id = \"officers\"", "id = \"of/ficers\"", "plan-id",
                "authority[2].id: 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' are wanted"),
            ("parent = \"root\"", "parent = \"roof\"", "plan-parent",
                "authority[2].parent: no authority \"roof\" stands before it in the plan"),
            ("parent = \"root\"", "", "plan-parent", "authority[2].parent: an authority that is no root has one above it"),
            ("profile = \"intermediate\"", "profile = \"root\"", "plan-parent",
                "authority[2].parent: a root has no authority above it"),
            ("algorithm = \"sm2\"\nbase_url", "algorithm = \"ed25519\"\nbase_url", "plan-value",
                "authority[1].algorithm: \"ed25519\" is none of sm2, rsa, ecdsa-p256"),
            ("algorithm = \"sm2\"\n\n[transcript.subject]", "algorithm = \"rsa\"\n\n[transcript.subject]", "plan-value",
                "transcript.algorithm: \"rsa\" is none of sm2, ecdsa-p256"),
            ("crl_days = 365", "crl_days = 401", "plan-bounds", "authority[1].crl_days: 1 to 400 are wanted"),
            ("crl_shards = 4", "crl_shards = 0", "plan-bounds", "authority[2].crl_shards: 1 to 256 are wanted"),
            ("base_url = \"http://ca.example\"\n#", "base_url = \"https://ca.example\"\n#", "plan-address",
                "authority[1].base_url: an address http://host or http://host/path is wanted (RFC 5280 4.2.1.13)"),
            ("crl_days = 365", "crl_days = 365\nnot_after = \"2046\"", "plan-moment",
                "authority[1].not_after: \"2046\" is not a moment as 2046-01-01T00:00:00Z"),
            ("commonName = \"Example Root R1\"", "commonname = \"Example Root R1\"", "plan-value",
                "authority[1].subject.commonname: \"commonname\" is none of the names of attributes, countryName or \
                 commonName among them"),
            ("commonName = \"Example Root R1\"", "commonName = \"\"", "plan-text",
                "authority[1].subject.commonName: 1 to 200 characters that can be seen are wanted"),
            ("authority = \"officers\"", "authority = \"nobody\"", "plan-transcript",
                "transcript.authority: no authority \"nobody\" stands in the plan"),
            ("[shares]", "keys = \"sdf\"\n[shares]", "plan-malformed", ""),
        ];
        for (from, to, code, told) in cases {
            assert_eq!(SAMPLE.matches(from).count(), 1, "{from}");
            let (found, message) = refused(&SAMPLE.replace(from, to));
            assert_eq!(found, code, "{from} -> {to}: {message}");
            if !told.is_empty() {
                assert_eq!(message, format!("the plan plan.toml: {told}"), "{from} -> {to}");
            }
        }
        let sdf = SAMPLE.replacen("title =", "keys = \"sdf\"\ntitle =", 1);
        assert_eq!(refused(&sdf).0, "plan-shares");
        let cloud = SAMPLE.replacen("title =", "keys = \"cloud\"\ntitle =", 1);
        assert_eq!(refused(&cloud).1, "the plan plan.toml: keys: \"cloud\" is none of software, sdf");
        let many = SAMPLE.replace("crl_shards = 4", "crl_shards = 4\n").replacen(
            "crl_days = 365",
            "crl_shards = 256\ncrl_days = 365",
            1,
        );
        assert!(parse(many.as_bytes(), "plan.toml").is_ok());
    }

    #[test]
    fn certificates_for_others_are_named_by_their_requests() {
        let of = |table: &str| format!("{SAMPLE}\n[[certificate]]\n{table}\n");
        let digest = "0aB1".repeat(16);
        let good = format!(
            "id = \"online\"\nissuer = \"root\"\nprofile = \"intermediate\"\ncsr = \"/media/csr\"\ncsr_sm3 = \"{digest}\""
        );
        let plan = parse(of(&good).as_bytes(), "plan.toml").unwrap();
        let [planned] = &plan.certificates[..] else { panic!("{plan:?}") };
        assert_eq!((planned.issuer.as_str(), planned.csr_sm3[..4].to_vec()), ("root", vec![0x0a, 0xb1, 0x0a, 0xb1]));
        #[rustfmt::skip]
        let cases = [
            ("\"online\"", "\"officers\"", "plan-repeated", "id: \"officers\" stands there twice"),
            ("\"online\"", "\"transcript\"", "plan-repeated", "id: \"transcript\" stands there twice"),
            ("\"root\"", "\"roof\"", "plan-transcript", "issuer: no authority \"roof\" stands in the plan"),
            ("\"intermediate\"", "\"root\"", "plan-root-elsewhere", "profile: a root is certified by nobody"),
            ("/media/csr", "csr", "plan-path", "csr: an absolute path without .. is wanted"),
            ("/media/csr", "/srv/yinxin-ca/csr", "plan-request-inside",
                "csr: a request does not lie in the folder of the installation"),
            ("0aB1\"", "0aB\"", "plan-digest-form", "csr_sm3: the SM3 of a request, 64 hexadecimal digits, is wanted"),
            ("0aB1\"", "+aB1\"", "plan-digest-form", "csr_sm3: the SM3 of a request, 64 hexadecimal digits, is wanted"),
        ];
        for (from, to, code, told) in cases {
            let (found, message) = refused(&of(&good.replacen(from, to, 1)));
            let expected = format!("the plan plan.toml: certificate[1].{told}");
            assert_eq!((found, message), (code, expected), "{from} -> {to}");
        }
    }

    #[test]
    fn unknown_keys_are_told_with_their_line() {
        let (code, message) = refused(&SAMPLE.replace("threshold = 2", "treshold = 2"));
        assert_eq!(code, "plan-malformed");
        assert!(message.contains("line 30") && message.contains("unknown field `treshold`"), "{message}");
        let long = [SAMPLE, &"#".repeat(MOST_BYTES)].concat();
        assert_eq!(refused(&long).0, "plan-not-text");
        let error = parse(b"\xff", "plan.toml").unwrap_err();
        assert_eq!(error, PlanError::NotText { origin: "plan.toml".into() });
    }
}

//! Judging a sealed OFD package: every signature of every document in it, and what they protect together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::algorithm::{DigestAlgorithm, OID_SM3_HMAC};
use crate::crypto::digest::{digest, digest_many};
use crate::crypto::sm3;
use crate::domain::trust::Budget;
use crate::domain::verify::coverage::{Coverage, coverage};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::policy::{ExtraParts, Tolerance};
use crate::domain::verify::report::{Axis, Body, FileCoverage, Refusal, SignatureReport, Status, Warning};
use crate::domain::verify::sealed::{Sealed, SealedDigests, digest_together};
use crate::domain::verify::{FileFormat, Ground, Original, is_supported, ofd_sign, ses};
use crate::format::der::ObjectIdentifier;
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{DocBody, Package};
use crate::format::ofd::path::PartName;
use crate::format::ofd::shown::{Shown, shown_parts};
use crate::format::ofd::signatures::{SignatureDescription, SignatureEntry, SignatureList};
use crate::format::ses::{self as format_ses, Kind, recognise};

/// OFD packages (GB/T 33190-2016 18).
#[derive(Debug, Clone, Copy)]
pub struct Ofd;

impl FileFormat for Ofd {
    fn name(&self) -> &'static str {
        "ofd"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        // Genuine files carry foreign bytes before the first entry, so the signature may stand a little later.
        let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
        bytes.first() != Some(&0x30) && head.windows(4).any(|window| window == b"PK\x03\x04" || window == b"PK\x05\x06")
    }

    fn verify(&self, bytes: &[u8], _: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let container = Container::read_digesting(bytes, ground.limits, HELD, &sm3::digest_many)?;
        let package = Package::read(&container, ground.limits)?;
        let shown = shown_parts(&container, &package, ground.limits)?;
        let mut file = File {
            container: &container,
            ground,
            entry: Package::entry(),
            shown: &shown,
            infrastructure: BTreeSet::new(),
            covered: BTreeSet::new(),
            descriptions: BTreeSet::new(),
            digests: BTreeMap::new(),
            protected: Vec::new(),
            budget: Budget::new(ground.limits),
            again: ground.limits.zip_total_bytes,
            body: Body::default(),
        };
        for body in &package.bodies {
            file.document(body)?;
        }
        Ok(file.finish())
    }
}

/// What of a package is held, in bytes: all of most packages. The parts behind are digested when they are inflated.
const HELD: usize = 4 << 20;

/// How many signatures are digested together, at most: each has five messages, and lanes are 16 or 32.
const GROUP: usize = 16;

/// A group ends with the signature that reaches this many octets: what is not held is inflated for it, and seals of
/// version 1 are copied to be digested.
const GROUP_OCTETS: usize = 4 << 20;

/// A signature as the package has it.
struct Loaded<'a> {
    /// Signature.xml.
    xml: Cow<'a, [u8]>,
    description: SignatureDescription,
    /// SignedValue.dat.
    value: Cow<'a, [u8]>,
}

/// A signature as read.
struct Found<'a> {
    xml: &'a [u8],
    description: &'a SignatureDescription,
    value: &'a [u8],
    kind: Kind,
    /// Read, where it is one with a seal.
    sealed: Option<Result<Sealed<'a>, format_ses::Error>>,
}

impl<'a> Found<'a> {
    fn read(loaded: &'a Loaded<'_>) -> Self {
        let value = loaded.value.as_ref();
        let kind = recognise(value);
        let is_seal = is_supported(kind) && !matches!(kind, Kind::Gbt35275 | Kind::Cms | Kind::Raw | Kind::SesSeal);
        let sealed = is_seal.then(|| Sealed::read(value));
        Self { xml: &loaded.xml, description: &loaded.description, value, kind, sealed }
    }

    fn sealed(&self) -> Option<&Sealed<'a>> {
        self.sealed.as_ref().and_then(|sealed| sealed.as_ref().ok())
    }
}

struct File<'a> {
    container: &'a Container<'a>,
    ground: &'a Ground<'a>,
    entry: PartName,
    shown: &'a Shown,
    /// Signature lists, descriptions, values and seals: never "extra".
    infrastructure: BTreeSet<PartName>,
    /// What the signatures that did not fail protect, so far.
    covered: BTreeSet<PartName>,
    /// Descriptions of the signatures that did not fail, so far.
    descriptions: BTreeSet<PartName>,
    /// Digests of parts, each computed once: sixty signatures over one large part must not cost sixty times.
    digests: BTreeMap<(DigestAlgorithm, PartName), Vec<u8>>,
    /// What each signature protects, by its number in the report.
    protected: Vec<(usize, BTreeSet<PartName>)>,
    budget: Budget,
    /// Octets that may still be inflated again: many signatures may name one large part.
    again: usize,
    body: Body,
}

impl<'a> File<'a> {
    fn document(&mut self, body: &DocBody) -> Result<(), Refusal> {
        let Some(list_part) = &body.signatures else { return Ok(()) };
        self.infrastructure.insert(list_part.clone());
        let list = SignatureList::read(self.container, list_part, self.ground.limits)?;
        let mut entries = list.entries.as_slice();
        while !entries.is_empty() {
            entries = self.group(entries);
        }
        Ok(())
    }

    /// Judges the first signatures of these, and gives the rest. All that SM3 digests for them is digested at once; a
    /// few at a time, so that what is held of them stays small.
    fn group<'e>(&mut self, entries: &'e [SignatureEntry]) -> &'e [SignatureEntry] {
        let mut loaded = Vec::new();
        let (mut octets, mut rest) = (0_usize, entries);
        while let Some((entry, others)) = rest.split_first()
            && loaded.len() < GROUP
            && octets < GROUP_OCTETS
        {
            let found = self.load(entry);
            octets = octets
                .saturating_add(found.as_ref().map_or(0, |found| found.xml.len().saturating_add(found.value.len())));
            loaded.push((entry, found));
            rest = others;
        }
        let found: Vec<_> =
            loaded.iter().map(|(_, loaded)| loaded.as_ref().map(Found::read).map_err(Box::as_ref)).collect();
        let mut digests = self.digest_ahead(&found).into_iter();
        for ((entry, _), found) in loaded.iter().zip(found) {
            let report = match found {
                Ok(found) => {
                    let digests = if found.sealed().is_some() { digests.next() } else { None };
                    self.signature(entry, found, digests)
                }
                Err(report) => report.clone(),
            };
            self.body.signatures.push(report);
        }
        rest
    }

    /// The description and the value of a signature.
    fn load(&mut self, entry: &SignatureEntry) -> Result<Loaded<'a>, Box<SignatureReport>> {
        let malformed = |code: &str, detail: String| {
            let mut report = SignatureReport::blank(&entry.id, Kind::Unknown.name());
            report.intact = Axis::new(Status::Failed, code, detail.clone());
            report.add(Finding::new(Case::Format, code, detail));
            Box::new(report)
        };
        self.infrastructure.insert(entry.base_loc.clone());
        let unread = |error: ofd::Error, part: &PartName| match error {
            ofd::Error::MissingPart { .. } => {
                malformed("missing-part", format!("{} is missing from the package", part.absolute()))
            }
            other => malformed(other.code(), other.to_string()),
        };
        let xml = self.content(&entry.base_loc).map_err(|error| unread(error, &entry.base_loc))?;
        let description = SignatureDescription::parse(&entry.base_loc, &xml, self.ground.limits)
            .map_err(|error| malformed(error.code(), error.to_string()))?;
        self.infrastructure.insert(description.signed_value.clone());
        self.infrastructure.extend(description.seal.clone());
        let value = self.content(&description.signed_value);
        let value = value.map_err(|error| unread(error, &description.signed_value))?;
        Ok(Loaded { xml, description, value })
    }

    /// The content of a part. What is not held is inflated again, together no more than a package may hold.
    fn content(&mut self, part: &PartName) -> Result<Cow<'a, [u8]>, ofd::Error> {
        let container = self.container;
        if container.part(part).is_none() {
            let limit = self.ground.limits.zip_total_bytes;
            let left = self.again.checked_sub(container.size(part).unwrap_or_default());
            self.again = left.ok_or(ofd::Error::ZipTotalTooLarge { limit })?;
        }
        container.content(part)
    }

    /// Digests what the seal signatures are judged by, and the parts that references name, together. Gives the former, one
    /// for each seal signature that could be read.
    fn digest_ahead(&mut self, group: &[Result<Found<'_>, &SignatureReport>]) -> Vec<SealedDigests> {
        let found = || group.iter().filter_map(|found| found.as_ref().ok());
        let mut parts = BTreeMap::new();
        for found in found().filter(|found| check_method(found.description.check_method.as_deref()).is_sm3()) {
            self.undigested(DigestAlgorithm::Sm3, found.description, &mut parts);
        }
        let sealed: Vec<_> = found().filter_map(|found| Some((found.sealed()?, found.xml))).collect();
        let contents: Vec<&[u8]> = parts.values().copied().collect();
        let (of_signatures, of_parts) = digest_together(&sealed, &contents);
        let names = parts.into_keys().map(|name| (DigestAlgorithm::Sm3, name));
        self.digests.extend(names.zip(of_parts.iter().map(|digest| digest.to_vec())));
        of_signatures
    }

    fn signature(
        &mut self,
        entry: &SignatureEntry,
        found: Found<'_>,
        digests: Option<SealedDigests>,
    ) -> SignatureReport {
        let Found { xml, description, value, kind, sealed } = found;
        if matches!(kind, Kind::Unknown | Kind::SesSeal) {
            let detail = format!("{} is no signature value of any known kind", description.signed_value.absolute());
            let mut report = SignatureReport::blank(&entry.id, Kind::Unknown.name());
            report.signature = Axis::new(Status::Failed, "signature-malformed", detail.clone());
            report.add(Finding::new(Case::Format, "signature-malformed", detail));
            return report;
        }
        let mut report = SignatureReport::blank(&entry.id, kind.name());
        if matches!(kind, Kind::Gbt35275 | Kind::Cms | Kind::Raw) {
            if description.seal.is_some() {
                let detail = "the description shows a seal, and a signature of this kind says nothing about it";
                report.add(Finding::new(Case::Format, "seal-not-signed", detail));
            }
            let place = ofd_sign::Place { original: xml, date_time: description.signature_date_time.as_deref() };
            ofd_sign::judge(&mut report, value, &place, self.ground, &mut self.budget, &mut self.body.warnings);
            self.references(description, &mut report);
            self.cover(entry, description, &mut report);
            return report;
        }
        let Some(sealed) = sealed else {
            ses::unsupported(&mut report, kind);
            return report;
        };
        let seal_file = self.seal_file(description, &mut report);
        let path = entry.base_loc.absolute();
        match sealed {
            Ok(sealed) => {
                let digests = digests.unwrap_or_else(|| sealed.digests(xml));
                let seal_file = Some(seal_file.as_deref());
                let place = ses::Place { original: xml, path: Some(&path), seal_file, digests: &digests };
                ses::judge(&mut report, &sealed, &place, self.ground, &mut self.budget, &mut self.body.warnings);
            }
            Err(error) => ses::malformed(&mut report, &error),
        }
        self.date_time(description, &mut report);
        self.references(description, &mut report);
        self.cover(entry, description, &mut report);
        report
    }

    /// The seal beside the signature: a part that is absent, or not to be read, is a finding.
    fn seal_file(&mut self, description: &SignatureDescription, report: &mut SignatureReport) -> Option<Cow<'a, [u8]>> {
        let part = description.seal.as_ref()?;
        match self.content(part) {
            Ok(bytes) => Some(bytes),
            Err(error @ ofd::Error::ZipTotalTooLarge { .. }) => {
                report.add(Finding::new(Case::Format, error.code(), error.to_string()));
                None
            }
            Err(_) => {
                let detail = format!("the seal file {} is missing from the package", part.absolute());
                report.add(Finding::new(Case::Format, "seal-file-missing", detail));
                report.details.seal_file = Some("missing");
                None
            }
        }
    }

    fn date_time(&self, description: &SignatureDescription, report: &mut SignatureReport) {
        if let (Some(text), Some(claimed)) = (&description.signature_date_time, report.details.claimed_time)
            && ses::is_local_time_marked_z(text, claimed)
        {
            ses::deviates(report, Tolerance::LocalTimeMarkedZ, self.ground);
        }
    }

    /// Every Reference's digest over the raw bytes of its part (GB/T 33190-2016 18.2.3).
    fn references(&mut self, description: &SignatureDescription, report: &mut SignatureReport) {
        report.details.references = Some(description.references.len());
        let algorithm = match check_method(description.check_method.as_deref()) {
            CheckMethod::Known(algorithm) => algorithm,
            CheckMethod::HmacForSm3 => {
                ses::deviates(report, Tolerance::Sm3HmacOid, self.ground);
                DigestAlgorithm::Sm3
            }
            CheckMethod::Refused(name) => {
                let detail = format!("References are digested by {name}, which is not accepted");
                if report.intact.status == Status::Ok {
                    report.intact = Axis::new(Status::Unknown, "check-method-not-accepted", detail.clone());
                }
                report.algorithm = Axis::new(Status::Failed, "check-method-not-accepted", detail.clone());
                report.add(Finding::new(Case::Algorithm, "check-method-not-accepted", detail));
                return;
            }
        };
        self.digest_parts(algorithm, description);
        let mut changed = Vec::new();
        let mut missing = Vec::new();
        for reference in &description.references {
            match self.digests.get(&(algorithm, reference.file_ref.clone())) {
                None => missing.push(reference.file_ref_text.clone()),
                Some(digest) if *digest != reference.check_value => changed.push(reference.file_ref_text.clone()),
                Some(_) => {}
            }
        }
        for (code, what, parts) in
            [("reference-wrong", "changed after signing", &changed), ("reference-missing", "missing", &missing)]
        {
            if !parts.is_empty() {
                let detail = format!("{what}: {}", parts.join(", "));
                report.add(Finding::new(Case::Hash, code, detail.clone()));
                report.intact = Axis::new(Status::Failed, code, detail).with(parts.clone());
            }
        }
        if report.intact.status == Status::Ok {
            let count = description.references.len();
            report.intact.detail =
                format!("{count} parts match their {} digests, and {}", algorithm.name(), report.intact.detail);
        }
        changed.extend(missing);
        report.details.bad_references = changed;
    }

    /// Digests the parts that the references name and the package has, all that were not yet digested at once.
    fn digest_parts(&mut self, algorithm: DigestAlgorithm, description: &SignatureDescription) {
        let mut parts = BTreeMap::new();
        self.undigested(algorithm, description, &mut parts);
        let contents: Vec<&[u8]> = parts.values().copied().collect();
        let names = parts.into_keys().map(|name| (algorithm, name));
        self.digests.extend(names.zip(digest_many(algorithm, &contents)));
    }

    /// Adds the parts that the references name, the package holds, and nobody has digested. Those that are not held have
    /// their SM3 already; for another digest each is inflated again, by itself.
    fn undigested(
        &mut self,
        algorithm: DigestAlgorithm,
        description: &SignatureDescription,
        parts: &mut BTreeMap<PartName, &'a [u8]>,
    ) {
        let container = self.container;
        for name in description.references.iter().map(|reference| &reference.file_ref) {
            let key = (algorithm, name.clone());
            if self.digests.contains_key(&key) {
                continue;
            }
            if let Some(bytes) = container.part(name) {
                parts.insert(name.clone(), bytes);
            } else if let Some(sm3) = container.digest(name).filter(|_| algorithm == DigestAlgorithm::Sm3) {
                self.digests.insert(key, sm3.to_vec());
            } else if let Ok(content) = container.content(name) {
                self.digests.insert(key, digest(algorithm, &content));
            }
        }
    }

    /// Coverage by this signature and the earlier ones that did not fail.
    fn cover(&mut self, entry: &SignatureEntry, description: &SignatureDescription, report: &mut SignatureReport) {
        let own: BTreeSet<PartName> = description.references.iter().map(|r| r.file_ref.clone()).collect();
        let mut covered = self.covered.clone();
        covered.extend(own.iter().cloned());
        let (mut level, uncovered) = coverage(&self.shown.parts, &self.entry, &covered);
        // Earlier signatures count for what is left out, not for what this one says anything about: it must itself
        // name a shown part, or the description of an earlier signature that stands.
        if own.is_disjoint(&self.shown.parts) && own.is_disjoint(&self.descriptions) {
            level = Coverage::Foreign;
        }
        let names: Vec<String> = uncovered.iter().map(|part| part.as_str().to_owned()).collect();
        report.details.coverage = Some(level.name());
        report.details.uncovered = Some(names.clone());
        report.coverage = match level {
            Coverage::Full => Axis::new(Status::Ok, "full", "everything that is shown is protected"),
            Coverage::Partial => {
                Axis::new(Status::Warning, "partial", format!("shown but not protected: {}", names.join(", ")))
                    .with(names)
            }
            Coverage::Foreign => {
                let detail = "nothing that the document shows is protected by this signature";
                report.add(Finding::new(Case::Format, "coverage-foreign", detail));
                Axis::new(Status::Failed, "coverage-foreign", detail)
            }
        };
        if report.still_protects() {
            self.covered.extend(own.iter().cloned());
            self.descriptions.insert(entry.base_loc.clone());
        }
        self.protected.push((self.body.signatures.len(), own));
    }

    /// A signature passes only if signatures that pass protect everything shown (product contract 2): nobody's
    /// signature vouches for parts that only a stranger's protects.
    fn covered_by_passed(&mut self) {
        let signatures = &mut self.body.signatures;
        let passes = |index: &usize| signatures.get(*index).is_some_and(SignatureReport::passes_so_far);
        let passed = self.protected.iter().filter(|(index, _)| passes(index));
        let covered: BTreeSet<PartName> = passed.flat_map(|(_, own)| own.iter().cloned()).collect();
        let (level, uncovered) = coverage(&self.shown.parts, &self.entry, &covered);
        if level == Coverage::Full {
            return;
        }
        let parts: Vec<&str> = uncovered.iter().filter(|part| **part != self.entry).map(PartName::as_str).collect();
        let detail = format!("shown, but protected by no signature that passes: {}", parts.join(", "));
        for report in signatures.iter_mut().filter(|report| report.passes_so_far()) {
            report.add(Finding::new(Case::CoveragePartial, "coverage-partial", detail.clone()));
        }
    }

    /// What only all signatures together can tell.
    fn finish(mut self) -> Body {
        self.body.shown = Some(self.shown.parts.iter().map(|part| part.as_str().to_owned()).collect());
        let supported = self.body.signatures.iter().any(|s| !s.has(Case::UnsupportedKind));
        let alive = self.body.signatures.iter().any(SignatureReport::still_protects);
        if self.body.signatures.is_empty() {
            return self.body;
        }
        for part in &self.shown.missing {
            let part = part.as_str().to_owned();
            let detail = format!("the document names {part}, which the package lacks");
            self.body.warnings.push(Warning { code: "resource-missing", part: Some(part), detail });
        }
        if !supported {
            return self.body;
        }
        if alive {
            let (level, uncovered) = coverage(&self.shown.parts, &self.entry, &self.covered);
            let names: Vec<String> = uncovered.iter().map(|part| part.as_str().to_owned()).collect();
            if uncovered.contains(&self.entry) {
                let detail = "OFD.xml is protected by no signature; every document that it names is".to_owned();
                self.body.warnings.push(Warning { code: "ofd-xml-uncovered", part: None, detail });
            }
            if level != Coverage::Full {
                let parts: Vec<&str> = names.iter().map(String::as_str).filter(|n| *n != self.entry.as_str()).collect();
                let detail = format!("shown, but protected by no signature: {}", parts.join(", "));
                for report in self.body.signatures.iter_mut().filter(|s| !s.has_failed()) {
                    report.add(Finding::new(Case::CoveragePartial, "coverage-partial", detail.clone()));
                }
            }
            self.covered_by_passed();
            let coverage = if level == Coverage::Full { "full" } else { "partial" };
            self.body.coverage = Some(FileCoverage { coverage, uncovered: names });
        }
        self.extra_parts();
        self.body
    }

    /// Parts that nothing shows and nothing protects, and signatures that no list names.
    fn extra_parts(&mut self) {
        let known = |part: &PartName| {
            self.shown.parts.contains(part)
                || self.covered.contains(part)
                || self.infrastructure.contains(part)
                || *part == self.entry
        };
        let extra: Vec<&PartName> = self.container.names().filter(|part| !known(part)).collect();
        let mut found = Vec::new();
        for part in extra {
            let name = part.as_str().to_owned();
            let is_signature = name.to_ascii_lowercase().ends_with("/signature.xml");
            let (code, detail) = if is_signature {
                ("unlisted-signature", format!("{name} looks like a signature that no list names"))
            } else {
                ("unprotected-extra-part", format!("{name} is shown by nothing and protected by no signature"))
            };
            found.push(Warning { code, part: Some(name), detail });
        }
        if self.ground.policy.extra_parts == ExtraParts::Refuse {
            for warning in &found {
                for report in &mut self.body.signatures {
                    report.add(Finding::new(Case::ExtraPart, warning.code, warning.detail.clone()));
                }
            }
        }
        self.body.warnings.extend(found);
    }
}

enum CheckMethod {
    Known(DigestAlgorithm),
    HmacForSm3,
    Refused(String),
}

impl CheckMethod {
    const fn is_sm3(&self) -> bool {
        matches!(self, Self::Known(DigestAlgorithm::Sm3) | Self::HmacForSm3)
    }
}

/// The digest that CheckMethod names, by object identifier or by name; MD5 where it is absent (GB/T 33190-2016 18,
/// recollection: the schema's default).
fn check_method(text: Option<&str>) -> CheckMethod {
    let Some(text) = text.map(str::trim) else { return CheckMethod::Refused("MD5 (the default)".to_owned()) };
    let known = match text.to_ascii_uppercase().as_str() {
        "SM3" => Some(DigestAlgorithm::Sm3),
        "SHA256" | "SHA-256" => Some(DigestAlgorithm::Sha256),
        "SHA384" | "SHA-384" => Some(DigestAlgorithm::Sha384),
        "SHA512" | "SHA-512" => Some(DigestAlgorithm::Sha512),
        _ => match text.parse::<ObjectIdentifier>() {
            Ok(OID_SM3_HMAC) => return CheckMethod::HmacForSm3,
            Ok(oid) => DigestAlgorithm::from_oid(oid),
            Err(_) => None,
        },
    };
    known.map_or_else(|| CheckMethod::Refused(text.chars().take(64).collect()), CheckMethod::Known)
}

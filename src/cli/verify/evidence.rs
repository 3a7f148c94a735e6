//! What `--save-evidence` keeps: reports, certificates, policies, and the command that gives the same reports again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::cli::verify::{Error, Signed, whole};
use crate::service::verification::{Verification, refuse_existing, save_evidence, sm3_hex};

const ANCHORS: &str = "anchors.pem";
const TRUST_LISTS: &str = "trust-lists.json";
const CERTIFICATES: &str = "certificates.pem";
const OTHERS: &str = "evidence.pem";
const LOG_KEYS: &str = "log-keys.txt";
const LOG_WITNESSES: &str = "log-witnesses.txt";
const POLICY: &str = "policy.toml";
const ALGORITHMS: &str = "algorithms.toml";
const INDEX: &str = "evidence.json";

/// The index of a bundle, `evidence.json`.
#[derive(Serialize)]
struct Index<'a> {
    version: u32,
    verified_at: Timestamp,
    policy: &'static str,
    algorithms: &'static str,
    anchors: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_lists: Option<&'static str>,
    certificates: Option<&'static str>,
    evidence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_keys: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_witnesses: Option<&'static str>,
    inputs: &'a [Input],
    original: Option<Input>,
    replay: String,
}

/// A file that was judged. Size and digest are missing where it was not read whole.
#[derive(Serialize)]
struct Input {
    file: String,
    bytes: Option<usize>,
    sm3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
}

impl Input {
    fn new(file: &str, content: Option<&[u8]>, report: Option<String>) -> Self {
        Self { file: file.to_owned(), bytes: content.map(<[u8]>::len), sm3: content.map(sm3_hex), report }
    }
}

/// A bundle in the making. Nothing is written before [`Bundle::save`].
pub(crate) struct Bundle<'a> {
    folder: &'a Path,
    names: std::vec::IntoIter<String>,
    inputs: Vec<Input>,
    files: Vec<(String, Vec<u8>)>,
}

impl<'a> Bundle<'a> {
    /// A bundle for these inputs.
    ///
    /// # Errors
    /// The folder holds a file that would be written.
    pub(crate) fn open(folder: &'a Path, inputs: &[PathBuf]) -> Result<Self, Error> {
        let names = report_names(inputs);
        let fixed = [ANCHORS, TRUST_LISTS, CERTIFICATES, OTHERS, LOG_KEYS, LOG_WITNESSES, POLICY, ALGORITHMS, INDEX];
        refuse_existing(folder, names.iter().map(String::as_str).chain(fixed))?;
        Ok(Self { folder, names: names.into_iter(), inputs: Vec::new(), files: Vec::new() })
    }

    /// Adds the report on the next input.
    pub(crate) fn add(&mut self, file: &str, content: Option<&[u8]>, report: String) {
        let name = self.names.next();
        self.inputs.push(Input::new(file, content, name.clone()));
        self.files.extend(name.map(|name| (name, report.into_bytes())));
    }

    /// Writes everything, the index last.
    ///
    /// # Errors
    /// A file exists or cannot be written.
    pub(crate) fn save(
        mut self,
        verification: &Verification,
        (policy, algorithms): (&str, &str),
        original: Option<&Signed<'_>>,
    ) -> Result<(), Error> {
        let (anchors, certificates) = (verification.anchors_pem(), verification.certificates_pem());
        let (others, trust_lists) = (verification.others_pem(), verification.trust_lists());
        let (log_keys, log_witnesses) = (verification.log_keys(), verification.log_witnesses());
        let mut replay = vec!["yinxin".to_owned(), "verify".to_owned(), "--json".to_owned(), "--offline".to_owned()];
        let mut option = |name: &str, value: String| replay.extend([name.to_owned(), quoted(&value)]);
        let inside = |name: &str| self.folder.join(name).display().to_string();
        option("--at", verification.now().to_string());
        option("--policy", inside(POLICY));
        option("--algorithms", inside(ALGORITHMS));
        if anchors.is_some() {
            option("--trust", inside(ANCHORS));
        }
        if trust_lists.is_some() {
            option("--trust", inside(TRUST_LISTS));
        }
        if certificates.is_some() {
            option("--evidence", inside(CERTIFICATES));
        }
        if others.is_some() {
            option("--evidence", inside(OTHERS));
        }
        if log_keys.is_some() {
            option("--log-key", inside(LOG_KEYS));
        }
        if log_witnesses.is_some() {
            option("--log-witness", inside(LOG_WITNESSES));
        }
        match original {
            Some(Signed::Document(path, _)) => option("--original", path.display().to_string()),
            Some(Signed::Digest(digest)) => option("--original-digest", digest.to_string()),
            None => {}
        }
        replay.push("--".to_owned());
        replay.extend(self.inputs.iter().map(|input| quoted(&input.file)));
        let index = Index {
            version: 1,
            verified_at: verification.now(),
            policy: POLICY,
            algorithms: ALGORITHMS,
            anchors: anchors.as_ref().map(|_| ANCHORS),
            trust_lists: trust_lists.as_ref().map(|_| TRUST_LISTS),
            certificates: certificates.as_ref().map(|_| CERTIFICATES),
            evidence: others.as_ref().map(|_| OTHERS),
            log_keys: log_keys.as_ref().map(|_| LOG_KEYS),
            log_witnesses: log_witnesses.as_ref().map(|_| LOG_WITNESSES),
            inputs: &self.inputs,
            original: match original {
                Some(Signed::Document(path, content)) => {
                    Some(Input::new(&path.to_string_lossy(), whole(content), None))
                }
                Some(Signed::Digest(_)) | None => None,
            },
            replay: replay.join(" "),
        };
        let index = format!("{}\n", serde_json::to_string_pretty(&index)?);
        if let Some(octets) = trust_lists {
            self.files.push((TRUST_LISTS.to_owned(), octets));
        }
        let mut add = |name: &str, text: String| self.files.push((name.to_owned(), text.into_bytes()));
        if let Some(text) = anchors {
            add(ANCHORS, text);
        }
        if let Some(text) = certificates {
            add(CERTIFICATES, text);
        }
        if let Some(text) = others {
            add(OTHERS, text);
        }
        if let Some(text) = log_keys {
            add(LOG_KEYS, text);
        }
        if let Some(text) = log_witnesses {
            add(LOG_WITNESSES, text);
        }
        add(POLICY, policy.to_owned());
        add(ALGORITHMS, algorithms.to_owned());
        add(INDEX, index);
        Ok(save_evidence(self.folder, &self.files)?)
    }
}

/// A name for the report on each input: its own, numbered from the second of that name on.
fn report_names(inputs: &[PathBuf]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for input in inputs {
        // File systems take 255 bytes; the ending and a number need some of them.
        let whole = input.file_name().map_or_else(|| "input".into(), |name| name.to_string_lossy());
        let mut stem = whole.into_owned();
        while stem.len() > 200 {
            stem.pop();
        }
        let mut name = format!("{stem}.report.json");
        let mut number: usize = 2;
        while !taken.insert(name.to_lowercase()) {
            name = format!("{stem}-{number}.report.json");
            number = number.saturating_add(1);
        }
        names.push(name);
    }
    names
}

/// As one word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_on_files_of_one_name_do_not_collide() {
        let inputs = ["a/x.ofd", "b/x.ofd", "x.ofd-2", "b/X.ofd", ".."].map(PathBuf::from);
        let expected = [
            "x.ofd.report.json",
            "x.ofd-2.report.json",
            "x.ofd-2-2.report.json",
            "X.ofd-3.report.json",
            "input.report.json",
        ];
        assert_eq!(report_names(&inputs), expected);
        let long = report_names(&[PathBuf::from("章".repeat(84))]);
        assert_eq!(long[0].len(), 198 + ".report.json".len());
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("a/b.ofd"), "a/b.ofd");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}

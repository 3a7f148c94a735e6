//! Which algorithms and key sizes are issued and accepted, and until when: the rules of a policy over the registry.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::{Algorithm, Kind, REGISTRY, SignatureAlgorithm};

/// What an algorithm is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Something new: a key, a signature, a ciphertext of ours.
    Issue,
    /// Something that is there: verify it, open it.
    Accept,
}

impl Use {
    /// What a thing that may be used so is, in a sentence.
    const fn word(self) -> &'static str {
        match self {
            Self::Issue => "allowed for anything new",
            Self::Accept => "accepted",
        }
    }
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// How long a use lasts. Ordered from the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// Not at all.
    Never,
    /// Up to and including this moment.
    Until(Timestamp),
    /// Without an end in sight.
    Always,
}

/// One rule: an algorithm, or its keys from that many bits on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// How long we make new things with it.
    pub issue: Term,
    /// From when on things made with it are accepted, where there is a beginning.
    pub accept_from: Option<Timestamp>,
    /// How long things made with it are accepted.
    pub accept: Term,
}

/// Why a use is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unacceptable {
    /// The policy does not allow it at all, or does not know it.
    #[error("{algorithm} is not {wanted} by the policy")]
    Refused {
        /// The algorithm's name.
        algorithm: String,
        /// What it was wanted for.
        wanted: Use,
    },
    /// Its time is over.
    #[error("{algorithm} was {wanted} until {until}")]
    Ended {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What it was wanted for.
        wanted: Use,
        /// The last moment.
        until: Timestamp,
    },
    /// Its time has not come.
    #[error("{algorithm} is {wanted} from {from} on")]
    NotBegun {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What it was wanted for.
        wanted: Use,
        /// The first moment.
        from: Timestamp,
    },
    /// The key is shorter than the policy's shortest.
    #[error("a key of {bits} bits is below the {least} that the policy asks of {algorithm}")]
    KeyTooShort {
        /// The algorithm's name.
        algorithm: &'static str,
        /// The key's bits.
        bits: usize,
        /// The shortest that has a rule.
        least: usize,
    },
}

impl Unacceptable {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "algorithm-not-accepted",
            Self::Ended { .. } => "algorithm-ended",
            Self::NotBegun { .. } => "algorithm-not-begun",
            Self::KeyTooShort { .. } => "key-too-short",
        }
    }
}

/// Why rules make no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// No algorithm of that name.
    #[error("no algorithm is named {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// No rule: nothing is decided by silence.
    #[error("{name} has no rule")]
    Missing {
        /// The algorithm.
        name: &'static str,
    },
    /// Two rules for the same thing.
    #[error("{name} has two rules for the same size")]
    Repeated {
        /// The algorithm.
        name: &'static str,
    },
    /// `bits` belongs to kinds of key that have several sizes, and must be one of theirs.
    #[error("{name} has no keys of {bits} bits to make a rule for")]
    Bits {
        /// The algorithm.
        name: &'static str,
        /// The bits.
        bits: usize,
    },
    /// What is issued would not be accepted.
    #[error("{name} is issued longer than it is accepted")]
    IssuedLonger {
        /// The algorithm.
        name: &'static str,
    },
    /// The acceptance ends before it begins.
    #[error("{name} is accepted from a moment on at which it is accepted no more")]
    EndsBeforeBegin {
        /// The algorithm.
        name: &'static str,
    },
    /// A longer key is given a shorter time.
    #[error("{name} gives longer keys a shorter time")]
    LongerKeysShorter {
        /// The algorithm.
        name: &'static str,
    },
    /// The algorithm is broken, or we do not compute it.
    #[error("{name} is known to be refused; no rule can allow it")]
    NotComputed {
        /// The algorithm.
        name: &'static str,
    },
}

/// A signature that something rests on: how it was made, by which kind and size of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureUsed {
    /// The signature algorithm.
    pub algorithm: SignatureAlgorithm,
    /// The kind of key, by its name in the registry.
    pub key: &'static str,
    /// Bits of the key.
    pub bits: usize,
}

impl SignatureUsed {
    /// The signature of that key.
    #[must_use]
    pub fn of(key: &PublicKey, algorithm: SignatureAlgorithm) -> Self {
        Self { algorithm, key: key.name(), bits: key.bits() }
    }
}

/// The rules for every algorithm of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmPolicy {
    /// Its name.
    pub name: String,
    /// SM3 of the file that it was read from, hexadecimal.
    pub sm3: String,
    /// By name, and by the least bits of the key.
    rules: BTreeMap<&'static str, BTreeMap<usize, Acceptance>>,
}

impl AlgorithmPolicy {
    /// A policy of these rules: name, least bits of the key (0 where the algorithm has one size), rule.
    ///
    /// # Errors
    /// A rule is missing, or contradicts another or the registry.
    pub fn new<'a>(
        name: String,
        sm3: String,
        rules: impl IntoIterator<Item = (&'a str, usize, Acceptance)>,
    ) -> Result<Self, Contradiction> {
        let mut known = BTreeMap::<&'static str, BTreeMap<usize, Acceptance>>::new();
        for (name, bits, rule) in rules {
            let row = Algorithm::by_name(name).ok_or_else(|| Contradiction::Unknown { name: name.to_owned() })?;
            let (name, (least, most)) = (row.name, row.key_bits);
            let sized = row.kind == Kind::PublicKey && least != most;
            let fits = if sized { (usize::from(least)..=usize::from(most)).contains(&bits) } else { bits == 0 };
            if !fits {
                return Err(Contradiction::Bits { name, bits });
            }
            if !row.computed && (rule.issue, rule.accept) != (Term::Never, Term::Never) {
                return Err(Contradiction::NotComputed { name });
            }
            if rule.issue > rule.accept {
                return Err(Contradiction::IssuedLonger { name });
            }
            let begins_after = |from| match rule.accept {
                Term::Never => true,
                Term::Until(until) => from > until,
                Term::Always => false,
            };
            if rule.accept_from.is_some_and(begins_after) {
                return Err(Contradiction::EndsBeforeBegin { name });
            }
            if known.entry(name).or_default().insert(bits, rule).is_some() {
                return Err(Contradiction::Repeated { name });
            }
        }
        for row in REGISTRY {
            let Some(sizes) = known.get(row.name) else { return Err(Contradiction::Missing { name: row.name }) };
            let mut pairs = sizes.values().zip(sizes.values().skip(1));
            if pairs.any(|(short, long)| long.issue < short.issue || long.accept < short.accept) {
                return Err(Contradiction::LongerKeysShorter { name: row.name });
            }
        }
        Ok(Self { name, sm3, rules: known })
    }

    /// The policy that allows whatever we compute, at any time and size: for measuring and fuzzing, and where nobody gave
    /// another. The commands always give one.
    #[must_use]
    pub fn whatever_we_compute() -> Self {
        let rules = REGISTRY.iter().map(|row| {
            let term = if row.computed { Term::Always } else { Term::Never };
            let rule = Acceptance { issue: term, accept_from: None, accept: term };
            (row.name, BTreeMap::from([(0, rule)]))
        });
        Self { name: "whatever-we-compute".to_owned(), sm3: String::new(), rules: rules.collect() }
    }

    /// Whether an algorithm of the registry, with a key of that many bits (any where it has one size), may be used so at
    /// that moment.
    ///
    /// # Errors
    /// Why not.
    pub fn acceptable(&self, name: &str, bits: usize, at: Timestamp, wanted: Use) -> Result<(), Unacceptable> {
        let refused = || Unacceptable::Refused { algorithm: name.chars().take(64).collect(), wanted };
        let (row, sizes) = Algorithm::by_name(name).zip(self.rules.get(name)).ok_or_else(refused)?;
        let algorithm = row.name;
        let Some((_, rule)) = sizes.range(..=bits).next_back() else {
            let least = sizes.keys().next().copied().unwrap_or(usize::MAX);
            return Err(Unacceptable::KeyTooShort { algorithm, bits, least });
        };
        let term = match wanted {
            Use::Issue => rule.issue,
            Use::Accept => rule.accept,
        };
        match term {
            Term::Never => return Err(refused()),
            Term::Until(until) if at > until => return Err(Unacceptable::Ended { algorithm, wanted, until }),
            Term::Until(_) | Term::Always => {}
        }
        match rule.accept_from {
            Some(from) if at.cmp(&from) == Ordering::Less => Err(Unacceptable::NotBegun { algorithm, wanted, from }),
            _ => Ok(()),
        }
    }

    /// Whether all of them may be used so at that moment: names of the registry, each with the bits of its key.
    ///
    /// # Errors
    /// Why not: the first that is refused.
    pub fn all_acceptable(
        &self,
        named: impl IntoIterator<Item = (&'static str, usize)>,
        at: Timestamp,
        wanted: Use,
    ) -> Result<(), Unacceptable> {
        named.into_iter().try_for_each(|(name, bits)| self.acceptable(name, bits, at, wanted))
    }

    /// Whether a signature may be made or relied on at that moment: its algorithm, its digest and its key.
    ///
    /// # Errors
    /// Why not: the first of algorithm, digest and key that is refused.
    pub fn signature(&self, used: &SignatureUsed, at: Timestamp, wanted: Use) -> Result<(), Unacceptable> {
        self.acceptable(used.algorithm.name(), 0, at, wanted)?;
        self.acceptable(used.algorithm.digest().name(), 0, at, wanted)?;
        self.acceptable(used.key, used.bits, at, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::DigestAlgorithm;

    const END: Timestamp = Timestamp::from_unix(1_000);

    fn always() -> Acceptance {
        Acceptance { issue: Term::Always, accept_from: None, accept: Term::Always }
    }

    fn never() -> Acceptance {
        Acceptance { issue: Term::Never, accept_from: None, accept: Term::Never }
    }

    /// Everything that is computed is allowed, RSA keys of 2048 bits for verification until [`END`].
    fn rules() -> Vec<(&'static str, usize, Acceptance)> {
        let mut rules = Vec::new();
        for row in REGISTRY.iter().filter(|row| row.name != "rsa-key") {
            rules.push((row.name, 0, if row.computed { always() } else { never() }));
        }
        rules.push(("rsa-key", 2048, Acceptance { accept: Term::Until(END), ..never() }));
        rules.push(("rsa-key", 3072, always()));
        rules
    }

    fn policy(
        change: impl FnOnce(&mut Vec<(&'static str, usize, Acceptance)>),
    ) -> Result<AlgorithmPolicy, Contradiction> {
        let mut rules = rules();
        change(&mut rules);
        AlgorithmPolicy::new("p".into(), String::new(), rules)
    }

    #[test]
    fn terms_end_after_their_last_moment() {
        let policy = policy(|rules| {
            let ed25519 = rules.iter_mut().find(|rule| rule.0 == "ed25519").unwrap();
            ed25519.2.accept_from = Some(END);
        })
        .unwrap();
        let accept = |name, bits, at| policy.acceptable(name, bits, Timestamp::from_unix(at), Use::Accept);
        let issue = |name, bits, at| policy.acceptable(name, bits, Timestamp::from_unix(at), Use::Issue);
        assert_eq!(accept("rsa-key", 2048, 1_000), Ok(()));
        let ended = Unacceptable::Ended { algorithm: "rsa-key", wanted: Use::Accept, until: END };
        assert_eq!(ended.to_string(), "rsa-key was accepted until 1970-01-01T00:16:40Z");
        assert_eq!(accept("rsa-key", 3071, 1_001), Err(ended));
        assert_eq!(accept("rsa-key", 3072, 1_001), Ok(()));
        let short = Unacceptable::KeyTooShort { algorithm: "rsa-key", bits: 2047, least: 2048 };
        assert_eq!((short.code(), accept("rsa-key", 2047, 0)), ("key-too-short", Err(short)));
        let refused = |name: &str| Err(Unacceptable::Refused { algorithm: name.to_owned(), wanted: Use::Accept });
        let not_made = Unacceptable::Refused { algorithm: "rsa-key".to_owned(), wanted: Use::Issue };
        assert_eq!(not_made.to_string(), "rsa-key is not allowed for anything new by the policy");
        assert_eq!(issue("rsa-key", 2048, 0), Err(not_made));
        assert_eq!(issue("rsa-key", 4096, 0), Ok(()));
        assert_eq!(accept("sha1", 0, 0), refused("sha1"));
        assert_eq!(accept("sha-3", 0, 0), refused("sha-3"));
        let early = |wanted| Err(Unacceptable::NotBegun { algorithm: "ed25519", wanted, from: END });
        assert_eq!(accept("ed25519", 256, 999), early(Use::Accept));
        assert_eq!(issue("ed25519", 256, 999), early(Use::Issue));
        assert_eq!(accept("ed25519", 256, 1_000), Ok(()));
    }

    #[test]
    fn of_several_the_first_that_is_refused_is_told() {
        let policy = policy(|_| {}).unwrap();
        let ask = |named: &[(&'static str, usize)]| policy.all_acceptable(named.iter().copied(), END, Use::Issue);
        assert_eq!(ask(&[("sm3", 0), ("sm2-key", 256)]), Ok(()));
        let refused = |name: &str| Err(Unacceptable::Refused { algorithm: name.to_owned(), wanted: Use::Issue });
        assert_eq!(ask(&[("sm3", 0), ("rsa-key", 2048), ("md5", 0)]), refused("rsa-key"));
        let short = Unacceptable::KeyTooShort { algorithm: "rsa-key", bits: 1024, least: 2048 };
        assert_eq!(ask(&[("rsa-key", 1024), ("md5", 0)]), Err(short));
    }

    #[test]
    fn a_signature_is_as_acceptable_as_its_weakest_part() {
        let policy = policy(|rules| {
            for rule in rules.iter_mut().filter(|rule| rule.0 == "sha512") {
                rule.2 = never();
            }
        })
        .unwrap();
        let used =
            |digest, bits| SignatureUsed { algorithm: SignatureAlgorithm::RsaPkcs1(digest), key: "rsa-key", bits };
        let accept = |used| policy.signature(&used, END.plus_seconds(1), Use::Accept).map_err(|refused| refused.code());
        assert_eq!(accept(used(DigestAlgorithm::Sha256, 3072)), Ok(()));
        assert_eq!(accept(used(DigestAlgorithm::Sha512, 3072)), Err("algorithm-not-accepted"));
        assert_eq!(accept(used(DigestAlgorithm::Sha256, 2048)), Err("algorithm-ended"));
        let all = AlgorithmPolicy::whatever_we_compute();
        assert_eq!(all.signature(&used(DigestAlgorithm::Sha512, 2048), Timestamp::MAX, Use::Issue), Ok(()));
        assert_eq!(all.acceptable("md5", 0, END, Use::Accept).unwrap_err().code(), "algorithm-not-accepted");
    }

    #[test]
    fn rules_that_contradict_are_refused() {
        type Rules = Vec<(&'static str, usize, Acceptance)>;
        let refused = |change: &dyn Fn(&mut Rules)| policy(change).unwrap_err();
        let set = |name: &'static str, rule: Acceptance| {
            move |rules: &mut Rules| {
                for old in rules.iter_mut().filter(|old| old.0 == name) {
                    old.2 = rule;
                }
            }
        };
        let push = |rule: (&'static str, usize, Acceptance)| move |rules: &mut Rules| rules.push(rule);
        assert_eq!(refused(&push(("sha0", 0, never()))), Contradiction::Unknown { name: "sha0".into() });
        assert_eq!(refused(&|rules| rules.truncate(3)), Contradiction::Missing { name: "sha512" });
        assert_eq!(refused(&push(("sm3", 0, always()))), Contradiction::Repeated { name: "sm3" });
        assert_eq!(refused(&push(("rsa-key", 3072, always()))), Contradiction::Repeated { name: "rsa-key" });
        assert_eq!(refused(&push(("sm3", 256, always()))), Contradiction::Bits { name: "sm3", bits: 256 });
        assert_eq!(refused(&push(("rsa-key", 0, never()))), Contradiction::Bits { name: "rsa-key", bits: 0 });
        assert_eq!(refused(&push(("rsa-key", 1024, never()))), Contradiction::Bits { name: "rsa-key", bits: 1024 });
        let longer = Acceptance { issue: Term::Always, accept_from: None, accept: Term::Until(END) };
        assert_eq!(refused(&set("sm3", longer)), Contradiction::IssuedLonger { name: "sm3" });
        let backwards =
            Acceptance { issue: Term::Never, accept_from: Some(END.plus_seconds(1)), accept: Term::Until(END) };
        assert_eq!(refused(&set("sm3", backwards)), Contradiction::EndsBeforeBegin { name: "sm3" });
        assert_eq!(refused(&set("sha1", always())), Contradiction::NotComputed { name: "sha1" });
        assert_eq!(refused(&push(("rsa-key", 4096, never()))), Contradiction::LongerKeysShorter { name: "rsa-key" });
    }
}

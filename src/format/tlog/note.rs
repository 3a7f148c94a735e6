//! Signed notes and verifier keys (C2SP signed-note): a text, and lines of signatures over it.

use std::fmt;

use crate::format::tlog::{Error, MAX_NOTE, MAX_SIGNATURES, bounded_text, from_base64, to_base64};

/// What tells keys of one name apart: the first octets of a hash (C2SP signed-note, signatures).
pub type KeyId = [u8; 4];

/// The identifier of our SM2 signatures, which follows the octet 0xff and ends with a zero octet.
pub const SM2_IDENTIFIER: &[u8] = b"yinxin/sm2-sm3/v1";

/// How a signature line begins: em dash, space.
const DASH: &str = "\u{2014} ";

/// Refuses what no name of a key may be: empty, or with a space of Unicode, a plus or a control character.
///
/// # Errors
/// [`Error::KeyName`].
pub fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ') {
        return Err(Error::KeyName);
    }
    Ok(())
}

/// One signature as a note carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The key's ID.
    pub key_id: KeyId,
    /// What follows the key ID: at least one octet; its form is the key's matter.
    pub value: Vec<u8>,
}

impl<'a> SignatureLine<'a> {
    /// Reads a line without its newline; `number` counts from 1.
    fn parse(line: &'a str, number: usize) -> Result<Self, Error> {
        let malformed = Error::SignatureLine { line: number };
        let (name, value) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(malformed.clone())?;
        check_name(name)?;
        let octets = from_base64(value, "a signature")?;
        let (key_id, value) = octets.split_first_chunk::<4>().ok_or(malformed.clone())?;
        if value.is_empty() {
            return Err(malformed);
        }
        Ok(Self { name, key_id: *key_id, value: value.to_vec() })
    }

    /// The line with its newline. A reader takes it if the name is one and the value has an octet.
    #[must_use]
    pub fn to_line(&self) -> String {
        let octets = [self.key_id.as_slice(), &self.value].concat();
        format!("{DASH}{} {}\n", self.name, to_base64(&octets))
    }
}

/// Reads lines of signatures and nothing else: the answer of a witness (C2SP tlog-witness, add-checkpoint).
///
/// # Errors
/// None, too many, or one that is malformed.
pub fn read_signature_lines(text: &str) -> Result<Vec<SignatureLine<'_>>, Error> {
    if text.is_empty() {
        return Err(Error::NoSignature);
    }
    if text.len() > MAX_NOTE {
        return Err(Error::TooLong { what: "the note", limit: MAX_NOTE });
    }
    check_text(text)?;
    let lines = text.strip_suffix('\n').ok_or(Error::NoNewline)?;
    let mut signatures = Vec::new();
    for (number, line) in (1..).zip(lines.split('\n')) {
        if number > MAX_SIGNATURES {
            return Err(Error::TooMany { what: "the signatures", limit: MAX_SIGNATURES });
        }
        signatures.push(SignatureLine::parse(line, number)?);
    }
    Ok(signatures)
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.bytes().any(|octet| octet < b' ' && octet != b'\n') {
        return Err(Error::NotText);
    }
    Ok(())
}

/// A note as it arrived. That somebody signed it is not known yet: see `domain::audit::checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    raw: &'a str,
    /// What is signed: with its last newline, without the blank line.
    pub text: &'a str,
    /// The signatures, in their order, one at least.
    pub signatures: Vec<SignatureLine<'a>>,
}

impl<'a> Note<'a> {
    /// Reads a note that fills the octets.
    ///
    /// # Errors
    /// Not a note, or more than [`MAX_NOTE`] octets or [`MAX_SIGNATURES`] signatures.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let raw = bounded_text(octets, "the note", MAX_NOTE)?;
        check_text(raw)?;
        // The text may hold empty lines: the last one separates.
        let blank = raw.rfind("\n\n").ok_or(Error::NoSignature)?;
        let (text, rest) = raw.split_at_checked(blank.saturating_add(1)).ok_or(Error::NoSignature)?;
        let lines = rest.strip_prefix('\n').ok_or(Error::NoSignature)?;
        Ok(Self { raw, text, signatures: read_signature_lines(lines)? })
    }

    /// All of it, as it arrived.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// The note of that text and those signatures.
    ///
    /// # Errors
    /// What [`Note::parse`] would not read again.
    pub fn write(text: &str, signatures: &[SignatureLine<'_>]) -> Result<String, Error> {
        if !text.ends_with('\n') {
            return Err(Error::NoNewline);
        }
        check_text(text)?;
        for signature in signatures {
            check_name(signature.name)?;
        }
        let lines = signatures.iter().map(SignatureLine::to_line).collect::<String>();
        let note = format!("{text}\n{lines}");
        Note::parse(note.as_bytes())?;
        Ok(note)
    }
}

/// A public key, with the signature type that it verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKey {
    /// Type 0x01: Ed25519 over the text (C2SP signed-note).
    Ed25519([u8; 32]),
    /// Type 0x04: Ed25519 over a time and the text of a checkpoint (C2SP tlog-cosignature).
    Cosignature([u8; 32]),
    /// Type 0xff with [`SM2_IDENTIFIER`]: SM2 with SM3 over the text; an uncompressed point. See docs/formats/audit-notes.md.
    Sm2([u8; 65]),
}

impl NoteKey {
    /// Signature type ‖ public key, as verifier keys and key IDs take them.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => [&[0x01], key.as_slice()].concat(),
            Self::Cosignature(key) => [&[0x04], key.as_slice()].concat(),
            Self::Sm2(key) => [&[0xff], SM2_IDENTIFIER, &[0], key].concat(),
        }
    }

    fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        fn key<const N: usize>(octets: &[u8]) -> Result<[u8; N], Error> {
            octets.try_into().map_err(|_| Error::KeyLength { length: octets.len(), expected: N })
        }
        match octets.split_first() {
            Some((0x01, rest)) => Ok(Self::Ed25519(key(rest)?)),
            Some((0x04, rest)) => Ok(Self::Cosignature(key(rest)?)),
            Some((0xff, rest)) => {
                let rest = rest.strip_prefix(SM2_IDENTIFIER).and_then(|rest| rest.strip_prefix(&[0]));
                Ok(Self::Sm2(key(rest.ok_or(Error::UnknownKeyType)?)?))
            }
            _ => Err(Error::UnknownKeyType),
        }
    }

    /// What a key ID is the hash of: name ‖ newline ‖ signature type ‖ public key.
    #[must_use]
    pub fn identified_as(&self, name: &str) -> Vec<u8> {
        [name.as_bytes(), b"\n", &self.to_octets()].concat()
    }
}

/// A verifier key as text: `<name>+<key ID>+<Base64 of type and key>`. Whether the key ID is the right hash is not
/// checked: see `domain::audit::checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The key ID that the text states.
    pub key_id: KeyId,
    /// The key.
    pub key: NoteKey,
}

impl<'a> VerifierKey<'a> {
    /// Reads one that fills the text.
    ///
    /// # Errors
    /// Not a verifier key, or of a type that is not known here.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::VerifierKey);
        };
        check_name(name)?;
        let lower = id.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if id.len() != 8 || !lower {
            return Err(Error::VerifierKey);
        }
        let key_id = u32::from_str_radix(id, 16).map_err(|_| Error::VerifierKey)?.to_be_bytes();
        // A post-quantum key would have some 2000 octets; ours have less than 100.
        if key.len() > 4096 {
            return Err(Error::UnknownKeyType);
        }
        let key = NoteKey::from_octets(&from_base64(key, "the verifier key")?)?;
        Ok(Self { name, key_id, key })
    }
}

impl fmt::Display for VerifierKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.key_id);
        write!(f, "{}+{id:08x}+{}", self.name, to_base64(&self.key.to_octets()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// C2SP signed-note, the examples of "Note" and of "Verifier keys".
    const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_specification_s_examples_are_read_and_written_again() {
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((note.text, note.raw()), ("This is an example message.\n", EXAMPLE));
        let [signature] = &note.signatures[..] else { panic!("{note:?}") };
        assert_eq!((signature.name, signature.value.len()), ("example.com/foo", 64));
        assert_eq!(signature.key_id, [0x53, 0x0d, 0x90, 0x3a]);
        assert_eq!(Note::write(note.text, &note.signatures), Ok(EXAMPLE.to_owned()));

        let poem = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
        let line = "\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        assert_eq!(Note::parse(format!("{poem}\n{line}").as_bytes()).unwrap().text, poem);

        let key = VerifierKey::parse(VKEY).unwrap();
        assert_eq!((key.name, key.key_id), ("example.com/foo", signature.key_id));
        assert!(matches!(key.key, NoteKey::Ed25519(_)));
        assert_eq!(key.to_string(), VKEY);
    }

    #[test]
    fn every_key_is_written_and_read_again() {
        for key in [NoteKey::Ed25519([1; 32]), NoteKey::Cosignature([2; 32]), NoteKey::Sm2([4; 65])] {
            let vkey = VerifierKey { name: "a/b", key_id: [0, 1, 2, 0xff], key };
            assert_eq!(VerifierKey::parse(&vkey.to_string()), Ok(vkey));
        }
        let sm2 = NoteKey::Sm2([4; 65]).to_octets();
        assert_eq!(sm2.len(), 1 + 17 + 1 + 65);
        assert_eq!(sm2[..19], *b"\xffyinxin/sm2-sm3/v1\0");
        assert_eq!(NoteKey::Ed25519([7; 32]).identified_as("n"), [&b"n\n\x01"[..], &[7; 32]].concat());
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let refused = |text: &str| Note::parse(text.as_bytes()).unwrap_err();
        let line = EXAMPLE.split_once("\n\n").unwrap().1;
        assert_eq!(refused(""), Error::NoSignature);
        assert_eq!(refused("text\n"), Error::NoSignature);
        assert_eq!(refused("text\n\n"), Error::NoSignature);
        assert_eq!(refused(&format!("text\n{line}")), Error::NoSignature);
        assert_eq!(refused(&format!("text\n\n{}", line.trim_end())), Error::NoNewline);
        assert_eq!(refused(&format!("text\n\n{line}more\n")), Error::SignatureLine { line: 2 });
        assert_eq!(refused(&format!("text\n\n{line}\n")), Error::NoSignature);
        assert_eq!(refused(&format!("te\txt\n\n{line}")), Error::NotText);
        assert_eq!(refused(&format!("text\r\n\n{line}")), Error::NotText);
        assert_eq!(Note::parse(b"\xff\n\n").unwrap_err(), Error::NotText);
        let of = |name: &str, value: &str| refused(&format!("text\n\n\u{2014} {name} {value}\n"));
        assert_eq!(of("a+b", "AAAAAAA="), Error::KeyName);
        assert_eq!(of("a\u{a0}b", "AAAAAAA="), Error::KeyName);
        assert_eq!(of("", "AAAAAAA="), Error::KeyName);
        assert_eq!(of("a", "AAAAAA=="), Error::SignatureLine { line: 1 });
        assert_eq!(of("a", "AAAA"), Error::SignatureLine { line: 1 });
        let base64 = Error::Base64 { what: "a signature" };
        assert_eq!(of("a", "AAAAAAA"), base64);
        assert_eq!(of("a", "AAAAAAB="), base64);
        assert_eq!(of("a", "AAAA AAA="), base64);
        let many = format!("text\n\n{}", line.repeat(MAX_SIGNATURES));
        assert_eq!(Note::parse(many.as_bytes()).unwrap().signatures.len(), MAX_SIGNATURES);
        let limit = Error::TooMany { what: "the signatures", limit: MAX_SIGNATURES };
        assert_eq!(refused(&format!("{many}{line}")), limit);
        let limit = Error::TooLong { what: "the note", limit: MAX_NOTE };
        assert_eq!(refused(&format!("{}\n\n{line}", "t".repeat(MAX_NOTE))), limit);
        assert_eq!(read_signature_lines(""), Err(Error::NoSignature));
        assert_eq!(read_signature_lines("x\n"), Err(Error::SignatureLine { line: 1 }));
    }

    #[test]
    fn what_is_no_verifier_key_is_refused() {
        let refused = |text: &str| VerifierKey::parse(text).unwrap_err();
        assert_eq!(refused("name"), Error::VerifierKey);
        assert_eq!(refused("name+530d903a"), Error::VerifierKey);
        assert_eq!(refused(&VKEY.replace("530d903a", "530D903A")), Error::VerifierKey);
        assert_eq!(refused(&VKEY.replace("530d903a", "530d903")), Error::VerifierKey);
        assert_eq!(refused(&VKEY.replace("example", "exa mple")), Error::KeyName);
        assert_eq!(refused("a+00000000+AgAA"), Error::UnknownKeyType);
        assert_eq!(refused("a+00000000+"), Error::UnknownKeyType);
        assert_eq!(refused("a+00000000+/3lpbng="), Error::UnknownKeyType);
        assert_eq!(refused("a+00000000+AQAA"), Error::KeyLength { length: 2, expected: 32 });
        assert_eq!(refused("a+00000000+AQA"), Error::Base64 { what: "the verifier key" });
    }

    #[test]
    fn what_would_not_be_read_is_not_written() {
        let line = SignatureLine { name: "a", key_id: [0; 4], value: vec![1] };
        assert_eq!(Note::write("text", std::slice::from_ref(&line)), Err(Error::NoNewline));
        assert_eq!(Note::write("te\0xt\n", std::slice::from_ref(&line)), Err(Error::NotText));
        assert_eq!(Note::write("text\n", &[]), Err(Error::NoSignature));
        assert_eq!(Note::write("text\n", &[SignatureLine { name: "a b", ..line.clone() }]), Err(Error::KeyName));
        let none = SignatureLine { value: Vec::new(), ..line };
        assert_eq!(Note::write("text\n", &[none]), Err(Error::SignatureLine { line: 1 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            text in "([^\\x00-\\x1f]{0,20}\n){1,4}",
            names in proptest::collection::vec("[a-z./]{1,9}", 1..4),
            key_id in any::<[u8; 4]>(),
            value in proptest::collection::vec(any::<u8>(), 1..80),
        ) {
            let line = |name: &'_ String| SignatureLine { name: name.clone().leak(), key_id, value: value.clone() };
            let lines = names.iter().map(line).collect::<Vec<_>>();
            let note = Note::write(&text, &lines).unwrap();
            let read = Note::parse(note.as_bytes()).unwrap();
            prop_assert_eq!(read.text, text);
            prop_assert_eq!(read.signatures, lines);
        }
    }
}

//! PEM: DER as text between lines that name it (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::format::keys::Error;

/// The contents of all PEM blocks with that label (RFC 7468), in order; other text is passed over.
///
/// A block whose Base64 is broken ends the search with `None`.
#[must_use]
pub fn read_pem(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(begin.as_str()) {
        let (body, after) = after.split_once(end.as_str())?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        blocks.push(STANDARD.decode(body).ok()?);
        rest = after;
    }
    Some(blocks)
}

/// Blocks in one file; a key with a chain of eight has ten.
pub const MAX_BLOCKS: usize = 64;

/// One block: the word between BEGIN and the dashes, and what it holds, which may be secret.
#[derive(Debug)]
pub struct Block {
    /// The label.
    pub label: String,
    /// The octets.
    pub content: Secret,
}

/// All blocks in order, whatever their label; text outside of them is passed over, as RFC 7468 2 allows.
///
/// # Errors
/// [`Error::Pem`], [`Error::LegacyEncryption`], [`Error::TooMany`].
pub fn read_pem_blocks(text: &str) -> Result<Vec<Block>, Error> {
    const BEGIN: &str = "-----BEGIN ";
    const DASHES: &str = "-----";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        if blocks.len() == MAX_BLOCKS {
            return Err(Error::TooMany { what: "PEM file", limit: MAX_BLOCKS });
        }
        let (label, after) = after.split_once(DASHES).ok_or(Error::Pem)?;
        if label.is_empty() || label.len() > 64 || label.contains('\n') {
            return Err(Error::Pem);
        }
        let (body, after) = after.split_once(&format!("-----END {label}{DASHES}")).ok_or(Error::Pem)?;
        if body.contains("Proc-Type:") {
            return Err(Error::LegacyEncryption);
        }
        let content = read_base64(body.as_bytes()).ok_or(Error::Pem)?;
        blocks.push(Block { label: label.to_owned(), content });
        rest = after;
    }
    Ok(blocks)
}

/// Base64 with white space anywhere; `None` if it is something else or empty.
pub(in crate::format::keys) fn read_base64(text: &[u8]) -> Option<Secret> {
    // Both buffers have their final size from the start, so that no copy stays behind.
    let mut body = Zeroizing::new(Vec::with_capacity(text.len()));
    body.extend(text.iter().filter(|octet| !octet.is_ascii_whitespace()));
    let mut content = Zeroizing::new(Vec::with_capacity(text.len()));
    STANDARD.decode_vec(&*body, &mut content).ok()?;
    (!content.is_empty()).then(|| Secret::new(std::mem::take(&mut *content)))
}

/// One PEM block (RFC 7468), lines of 64.
#[must_use]
pub fn write_pem(der: &[u8], label: &str) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_there_and_back() {
        let text = format!("noise\n{}{}", write_pem(&[1; 100], "X"), write_pem(&[2], "X"));
        assert_eq!(read_pem(&text, "X"), Some(vec![vec![1; 100], vec![2]]));
        assert_eq!(read_pem(&text, "Y"), Some(vec![]));
        assert_eq!(read_pem("-----BEGIN X-----\n*\n-----END X-----", "X"), None);
    }

    #[test]
    fn blocks_of_any_label_in_order() {
        let text = format!("Bag Attributes\n{}text\r\n{}", write_pem(&[1; 100], "A"), write_pem(&[2], "B C"));
        let blocks = read_pem_blocks(&text.replace('\n', "\r\n")).unwrap();
        let seen: Vec<_> = blocks.iter().map(|block| (block.label.as_str(), block.content.expose())).collect();
        assert_eq!(seen, [("A", &[1; 100][..]), ("B C", &[2][..])]);
        assert!(format!("{blocks:?}").contains("Secret(..)"));
    }

    #[test]
    fn broken_and_encrypted_blocks_are_refused_by_name() {
        let refusal = |text: &str| read_pem_blocks(text).unwrap_err();
        for text in [
            "-----BEGIN A",
            "-----BEGIN A-----",
            "-----BEGIN A-----\nAQ==\n-----END B-----",
            "-----BEGIN A-----\n-----END A-----",
            "-----BEGIN A-----\nA*==\n-----END A-----",
            "-----BEGIN A-----\nKey: value\n\nAQ==\n-----END A-----",
            "-----BEGIN -----\nAQ==\n-----END -----",
        ] {
            assert_eq!(refusal(text), Error::Pem, "{text:?}");
        }
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAQ==\n-----END RSA PRIVATE KEY-----";
        assert_eq!(refusal(old), Error::LegacyEncryption);
        assert_eq!(refusal(&write_pem(&[1], "A").repeat(65)), Error::TooMany { what: "PEM file", limit: 64 });
    }
}

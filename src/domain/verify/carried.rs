//! Evidence that a signature carries itself: lists and answers in SignedData (RFC 5652 10.2.1, RFC 5940), in
//! revocation-values and certificate-values (ETSI EN 319 122-1 A.1.1.2), and in its time stamps.
//!
//! It lies where anybody may put it, and is believed only for what it proves: each list and answer is judged as one that was
//! handed in, and stands beside those.

use crate::domain::verify::report::Warning;
use crate::domain::verify::{Evidence, Ground};
use crate::format::cms::{Attribute, RevocationChoice, SignedData, SignerInfo};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::x509::ocsp;

/// `id-ri-ocsp-response` (RFC 5940 2.1): an OCSPResponse.
const RI_OCSP_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.16.2");
/// `id-aa-ets-revocationValues` (ETSI EN 319 122-1 A.1.1.2.2).
const REVOCATION_VALUES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.24");
/// `id-aa-ets-certValues` (ETSI EN 319 122-1 A.1.1.2.1).
const CERTIFICATE_VALUES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.23");

/// Lists and answers taken from one message and its time stamps.
const MAX_PIECES: usize = 64;

/// Entries that are indexed over all lists of one message.
const INDEXED: usize = 1_000_000;

/// Time stamps of one signer that are opened.
const MAX_STAMPS: usize = 2;

/// One piece, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Crl(Vec<u8>),
    Ocsp(Vec<u8>),
    Certificate(Vec<u8>),
}

/// What one message carries. It owns the octets, so that answers without their outer structure can be completed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    pieces: Vec<Piece>,
    left_out: bool,
}

/// Makes a piece of its DER.
type OfDer = fn(Vec<u8>) -> Piece;

impl Carried {
    /// All that a message carries, of all its signers.
    #[must_use]
    pub fn by(message: &SignedData<'_>) -> Self {
        let mut carried = Self::default();
        carried.take_message(message);
        for signer in &message.signers {
            carried.take_signer(signer);
        }
        carried
    }

    /// What a time stamp carries: its token, or nothing where it is none.
    #[must_use]
    pub fn by_token(token: Option<&[u8]>) -> Self {
        Self::by_tokens([token])
    }

    /// What several time stamps carry.
    #[must_use]
    pub fn by_tokens<const N: usize>(tokens: [Option<&[u8]>; N]) -> Self {
        let mut carried = Self::default();
        for token in tokens.into_iter().flatten() {
            if let Ok(message) = SignedData::parse(token) {
                carried.take_message(&message);
            }
        }
        carried
    }

    fn take_message(&mut self, message: &SignedData<'_>) {
        for choice in &message.crls {
            match choice {
                RevocationChoice::Crl(der) => self.take(Piece::Crl(der.to_vec())),
                RevocationChoice::Other { format: RI_OCSP_RESPONSE, value } => self.take(Piece::Ocsp(value.to_vec())),
                // The old form of CAdES: the answer without its envelope.
                RevocationChoice::Other { format: ocsp::BASIC, value } => self.take(Piece::Ocsp(response(value))),
                RevocationChoice::Other { .. } => self.left_out = true,
            }
        }
    }

    fn take_signer(&mut self, signer: &SignerInfo<'_>) {
        for attribute in &signer.unsigned_attributes {
            let read = match attribute.oid {
                REVOCATION_VALUES => self.take_revocation_values(attribute),
                CERTIFICATE_VALUES => self.take_certificate_values(attribute),
                _ => Ok(()),
            };
            self.left_out |= read.is_err();
        }
        for token in signer.time_stamps().take(MAX_STAMPS) {
            if let Ok(message) = SignedData::parse(token) {
                self.take_message(&message);
            }
        }
    }

    /// `RevocationValues ::= SEQUENCE { crlVals [0] SEQUENCE OF CertificateList OPTIONAL, ocspVals [1] SEQUENCE OF
    /// BasicOCSPResponse OPTIONAL, otherRevVals [2] OtherRevVals OPTIONAL }`.
    fn take_revocation_values(&mut self, attribute: &Attribute<'_>) -> Result<(), der::Error> {
        const WHAT: &str = "RevocationValues";
        let tag = |number| Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) };
        for value in &attribute.values {
            let mut inner = Reader::new(value.raw()).sequence(WHAT)?;
            let kinds: [(u32, OfDer); 2] = [(0, Piece::Crl), (1, |der| Piece::Ocsp(response(&der)))];
            for (number, of) in kinds {
                let Some(explicit) = inner.optional(tag(number), WHAT)? else { continue };
                let mut list = explicit.inside().sequence(WHAT)?;
                while !list.is_empty() {
                    self.take(of(list.expect(Tag::Sequence, WHAT)?.raw().to_vec()));
                }
            }
            self.left_out |= !inner.is_empty();
        }
        Ok(())
    }

    /// `CertificateValues ::= SEQUENCE OF Certificate`.
    fn take_certificate_values(&mut self, attribute: &Attribute<'_>) -> Result<(), der::Error> {
        const WHAT: &str = "CertificateValues";
        for value in &attribute.values {
            let mut list = Reader::new(value.raw()).sequence(WHAT)?;
            while !list.is_empty() {
                self.take(Piece::Certificate(list.expect(Tag::Sequence, WHAT)?.raw().to_vec()));
            }
        }
        Ok(())
    }

    fn take(&mut self, piece: Piece) {
        if self.pieces.contains(&piece) {
            return;
        }
        if self.pieces.len() >= MAX_PIECES {
            self.left_out = true;
        } else {
            self.pieces.push(piece);
        }
    }

    /// What was handed in, with what is carried; and a warning where a piece cannot be used.
    #[must_use]
    pub fn beside<'e>(&'e self, ground: &Ground<'e>, warnings: &mut Vec<Warning>) -> Evidence<'e> {
        if self.pieces.is_empty() && !self.left_out {
            return Evidence::beside(ground.evidence);
        }
        let (mut evidence, mut entries) = (Evidence::beside(ground.evidence), INDEXED);
        let mut unread = usize::from(self.left_out);
        for piece in &self.pieces {
            let is_read = match piece {
                Piece::Crl(der) => evidence.add_crl_up_to(der, &mut entries).is_ok(),
                Piece::Ocsp(der) => evidence.add_ocsp(der).is_ok(),
                Piece::Certificate(der) => evidence.add_certificate(der).is_ok(),
            };
            unread = unread.saturating_add(usize::from(!is_read));
        }
        if unread != 0 && warnings.iter().all(|warning| warning.code != "carried-evidence-not-used") {
            let detail =
                "a list, an answer or a certificate that the signature carries is of no known form, or too large"
                    .to_owned();
            warnings.push(Warning { code: "carried-evidence-not-used", part: None, detail });
        }
        evidence
    }
}

/// `OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED successful, responseBytes [0] SEQUENCE { responseType, response
/// OCTET STRING } }` (RFC 6960 4.2.1) around a BasicOCSPResponse.
fn response(basic: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|outer| {
        outer.enumerated(0).context(0, |explicit| {
            explicit.sequence(|bytes| {
                bytes.oid(ocsp::BASIC).octet_string(basic);
            });
        });
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute_of(oid: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.oid(oid).set_of_one(|set| {
                set.raw(value);
            });
        });
        writer.into_bytes()
    }

    #[test]
    fn values_of_cades_are_found_and_other_kinds_left_out() {
        let mut value = Writer::new();
        value.sequence(|all| {
            all.context(0, |crls| {
                crls.sequence(|list| {
                    list.raw(&[0x30, 3, 2, 1, 0]);
                });
            });
            all.context(1, |answers| {
                answers.sequence(|list| {
                    list.raw(&[0x30, 3, 2, 1, 1]);
                });
            });
        });
        let value = value.into_bytes();
        let attribute = attribute_of(REVOCATION_VALUES, &value);
        let read = Attribute::parse(&attribute).unwrap();
        let mut carried = Carried::default();
        carried.take_revocation_values(&read).unwrap();
        let expected = [Piece::Crl(vec![0x30, 3, 2, 1, 0]), Piece::Ocsp(response(&[0x30, 3, 2, 1, 1]))];
        assert_eq!((carried.pieces.as_slice(), carried.left_out), (&expected[..], false));
        let other = attribute_of(REVOCATION_VALUES, &[0x30, 4, 0xa2, 2, 0x30, 0]);
        carried.take_revocation_values(&Attribute::parse(&other).unwrap()).unwrap();
        assert!(carried.left_out);
        let strange = attribute_of(CERTIFICATE_VALUES, &[5, 0]);
        let (what, expected, found) = ("CertificateValues", Tag::Sequence, Tag::Null);
        let refused = carried.take_certificate_values(&Attribute::parse(&strange).unwrap());
        assert_eq!(refused, Err(der::Error::UnexpectedTag { what, expected, found }));
    }

    #[test]
    fn no_more_than_the_limit_is_taken() {
        let mut carried = Carried::default();
        for number in 0..u8::try_from(MAX_PIECES).unwrap() {
            carried.take(Piece::Crl(vec![number]));
            carried.take(Piece::Crl(vec![number]));
        }
        assert_eq!((carried.pieces.len(), carried.left_out), (MAX_PIECES, false));
        carried.take(Piece::Crl(vec![255]));
        assert_eq!((carried.pieces.len(), carried.left_out), (MAX_PIECES, true));
    }
}

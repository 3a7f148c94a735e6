//! Encodings of keys and signature values: SM2 values (GM/T 0009, GB/T 35276), SubjectPublicKeyInfo, private key files, PEM.
//!
//! Private keys come as PKCS#8 (RFC 5958), plain or under a passphrase, PKCS#12 (RFC 7292), SEC 1 (RFC 5915), PKCS#1
//! (RFC 8017) and as CFCA writes them; [`recognise`] tells the forms apart. Nothing is decrypted here: the parameters
//! of the encryption come out as types, bounded, and whoever holds the passphrase goes on from there.
//!
//! Accepted beyond DER, since real files need it: the indefinite lengths and cut OCTET STRINGs of PKCS#12, the bare
//! scalar inside PKCS#8, the SM2 curve in the place of `id-ecPublicKey`, a scalar without its leading zeros. Each is
//! named where it is read. Refused by name: explicit curve parameters, multi-prime RSA, PEM with `Proc-Type`.

pub mod cfca;
pub mod enveloped_key;
mod error;
pub mod oid;
pub mod pbe;
mod pem;
pub mod pkcs1;
pub mod pkcs12;
pub mod pkcs8;
mod recognise;
pub mod sec1;
pub mod sm2_ciphertext;
mod spki;
mod value;
mod wiped;

pub use error::Error;
pub use pem::{Block, MAX_BLOCKS, read_pem, read_pem_blocks, write_pem};
pub use recognise::{KeyFile, recognise};
pub use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo, read_rsa_public_key, write_rsa_public_key};
pub use value::{Sm2Encoding, read_ecdsa_signature, read_sm2_signature, write_sm2_signature};

/// Bytes of a key file that we read. The largest in public fixtures has 1264; a PKCS#12 with a chain stays below 64 KiB.
pub const MAX_FILE_BYTES: usize = 256 << 10;

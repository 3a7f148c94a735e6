//! SM2 (GB/T 32918.1 to .5, GM/T 0003, GM/T 0009): keys, signatures, encryption and key exchange, over bytes of fixed width.
//!
//! The arithmetic is our own. What touches a secret takes constant time: no branch and no index depends on it, table rows
//! are read whole, inversions follow fixed chains. What is public (verification, decoding of points) takes variable time.
//!
//! | File | Holds |
//! |---|---|
//! | `limbs`, `x86_64` | 256-bit numbers, carries, masks |
//! | `field`, `scalar` | numbers modulo p and n |
//! | `point`, `window`, `comb`, `multiply` | the group, and multiples of its points |
//! | `digest` | the signer ID's Z and the digest e that is signed |
//! | `key`, `private`, `nonce` | public keys and verification; private keys and signing |
//! | `tables` | tables of keys that are seen again and again |
//! | `encryption`, `exchange` | GB/T 32918.4 and .3 |

mod comb;
mod derivation;
mod digest;
mod encryption;
mod exchange;
mod field;
mod key;
mod limbs;
mod multiply;
mod nonce;
#[cfg(test)]
mod oracle;
mod point;
mod private;
mod scalar;
mod tables;
mod window;
#[cfg(all(target_arch = "x86_64", not(yinxin_portable)))]
mod x86_64;

pub use digest::{DEFAULT_ID, MAX_ID, MessageDigest};
pub use encryption::Ciphertext;
pub use exchange::{Agreed, Initiator, Responder};
pub use key::PublicKey;
pub use private::PrivateKey;
pub use tables::{KeyTable, KeyTables, TableBounds};

//! What the product's `crypto` needs of its `base`.

#[path = "../../src/base/random.rs"]
pub mod random;
#[path = "../../src/base/secret.rs"]
pub mod secret;

//! Each use of a secret in the product, run once with the secret marked as undefined memory: valgrind reports every
//! branch and every address that depends on it, in whichever of our functions, whatever its effect on time.

use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::crypto::digest::hmac_sm3;
use yinxin::valgrind::{make_public, make_secret, reports};

use crate::Outcome;

/// Randomness that is secret.
pub struct SecretRandom;

impl Random for SecretRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        SystemRandom.fill(buffer)?;
        make_secret(buffer);
        Ok(())
    }
}

/// That many secret bytes.
fn secret<const N: usize>(byte: u8) -> [u8; N] {
    let mut bytes = [byte; N];
    make_secret(&mut bytes);
    bytes
}

/// What was computed may be looked at.
fn public(bytes: &mut [u8]) {
    make_public(bytes.as_mut_ptr(), bytes.len());
}

/// One use: its name, whether the leaky build leaks there, and the use itself.
struct Use {
    name: &'static str,
    leaks_when_leaky: bool,
    run: fn(),
}

/// Every use, the control first.
const USES: &[Use] = &[
    Use { name: "control", leaks_when_leaky: false, run: control },
    Use { name: "hmac-sm3-key", leaks_when_leaky: false, run: hmac_key },
];

fn control() {
    let table = [0_u8; 256];
    let [index] = secret(3);
    if std::hint::black_box(table)[usize::from(index)] == index {
        std::hint::black_box(());
    }
}

fn hmac_key() {
    let mut mac = hmac_sm3(&secret::<32>(7), &[b"message"]);
    public(&mut mac);
}

/// Runs every use, or the one named, and the control; prints a line for each.
pub fn run(only: Option<&str>) -> Option<Outcome> {
    let (mut leak, mut blind, mut any) = (false, false, false);
    println!("{:<24} {:>8}  verdict", "subject", "reports");
    for each in USES {
        let is_control = each.name == "control";
        if only.is_some_and(|name| name != each.name) && !is_control {
            continue;
        }
        any |= !is_control;
        let before = reports();
        (each.run)();
        let found = reports().saturating_sub(before);
        let expected = is_control || (cfg!(yinxin_leaky) && each.leaks_when_leaky);
        let verdict = match (found > 0, expected) {
            (true, true) => "REPORTED, as meant",
            (true, false) => "REPORTED",
            (false, true) => "MISSED",
            (false, false) => "no report",
        };
        leak |= found > 0 && !is_control;
        blind |= expected && found == 0;
        println!("{:<24} {found:>8}  {verdict}", each.name);
    }
    match (any, blind, leak) {
        (false, ..) => None,
        (_, true, _) => Some(Outcome::Blind),
        (.., true) => Some(Outcome::Leak),
        _ => Some(Outcome::Clean),
    }
}

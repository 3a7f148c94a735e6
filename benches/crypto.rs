//! The engine beneath everything, against its peers in the same run: SM2, SM3, SM4, RSA, on one core.
//!
//! `cargo bench --bench crypto [-- PART]`: medians, operations per second, and ratios (a peer's median over ours: above
//! 1, ours is faster). `cargo bench --bench crypto -- --count NAME N` runs one piece N times and nothing else:
//! `scripts/instructions` counts what that costs.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

#[path = "material/engine.rs"]
mod engine;
#[path = "material/measure.rs"]
mod measure;

use measure::{Work, compare};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(flag), Some(name), Some(times)) if flag == "--count" => count(&name, times.parse().unwrap()),
        (part, None, None) => {
            for (title, pieces) in engine::groups() {
                if part.as_ref().is_none_or(|part| title.contains(part.as_str())) {
                    println!("\n{title}");
                    let mut pieces = pieces.into_iter();
                    compare(pieces.next().unwrap(), pieces.collect());
                }
            }
        }
        _ => {
            eprintln!("usage: crypto [PART] | crypto --count NAME N");
            std::process::exit(64);
        }
    }
}

/// Runs the piece of that name once, so that everything is there, then so many times inside of [`repeat`].
fn count(name: &str, times: u32) {
    let found =
        engine::groups().into_iter().flat_map(|(_, pieces)| pieces).find(|(known, _): &Work<'_>| *known == name);
    let Some((_, run)) = found else {
        eprintln!("no piece of work is called {name}");
        std::process::exit(64);
    };
    run();
    repeat(&*run, times);
}

/// What `scripts/instructions` counts: nothing before it and nothing behind it.
#[inline(never)]
fn repeat(run: &dyn Fn(), times: u32) {
    for _ in 0..times {
        run();
    }
}

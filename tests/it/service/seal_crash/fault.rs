//! What goes wrong from outside while seals are worked with, and the dice that say what and when.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::service::seal_life::office::{Desk, Fault};
use crate::store::postgres::Postgres;

/// What goes wrong in a round, besides the clock, which always jumps, and the kill at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// The file system has no block left (ENOSPC): that of the tiles, and on SQLite that of the database.
    DiskFull,
    /// No file of the process may be written (EFBIG): the limit of file sizes is 0.
    NoFileGrows,
    /// The database server is killed, and started later.
    DatabaseGone,
    /// The token's directory is away.
    DeviceGone,
    /// The national maker answers nobody.
    MakerSilent,
}

impl Trouble {
    /// Whether the line of a child says that it feels it.
    pub(super) fn is_felt(self, has_server: bool, what: &str, code: &str) -> bool {
        match self {
            // The rows of a server lie elsewhere.
            Self::DiskFull | Self::NoFileGrows if has_server => what == "mirror",
            Self::DiskFull | Self::NoFileGrows => what == "use" && code == "database",
            Self::DatabaseGone => code == "database",
            Self::DeviceGone => what == "device" && code.starts_with("key-store-"),
            Self::MakerSilent => what == "maker" && code == "away",
        }
    }

    /// What works again when it is over.
    pub(super) const fn works_again(self) -> &'static str {
        match self {
            Self::DiskFull | Self::NoFileGrows => "mirror",
            Self::DatabaseGone => "use",
            Self::DeviceGone => "device",
            Self::MakerSilent => "maker",
        }
    }
}

/// splitmix64 (Steele, Lea, Flood 2014, from memory): the same seed gives the same rounds.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = usize::try_from(self.below(u64::try_from(last + 1).unwrap())).unwrap();
            all.swap(last, other);
        }
    }
}

/// Where trouble is made.
pub(super) struct Places {
    /// A file system of its own, where the process may change its size.
    pub(super) small_disk: Option<PathBuf>,
    /// Of the tokens, where there is a module.
    pub(super) tokens: Option<PathBuf>,
    /// The server, if the database has one.
    pub(super) server: Option<Postgres>,
    /// The national maker.
    pub(super) desk: Arc<Mutex<Desk>>,
}

fn done(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The blocks of 1,024 octets that a file system has in use.
fn used(place: &str) -> u64 {
    let told = Command::new("df").args(["-k", "--output=used", place]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

impl Places {
    /// All that can go wrong here.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let mut all = vec![Trouble::MakerSilent];
        if self.small_disk.is_some() {
            all.push(Trouble::DiskFull);
        }
        if self.tokens.is_some() {
            all.push(Trouble::DeviceGone);
        }
        if self.server.as_ref().is_some_and(|server| server.private.is_some()) {
            all.push(Trouble::DatabaseGone);
        }
        all.push(Trouble::NoFileGrows);
        all
    }

    pub(super) fn begin(&self, trouble: Trouble, child: u32) {
        match trouble {
            Trouble::DiskFull => {
                let place = self.small_disk.as_ref().unwrap().to_str().unwrap();
                // What is written between the two makes the new size too small, which is refused.
                let shrink = || done("mount", &["-o", &format!("remount,size={}k", used(place)), place]);
                assert!((0..100).any(|_| shrink()), "{place} cannot be made full");
            }
            Trouble::NoFileGrows => assert!(limit_files(child, "0"), "prlimit"),
            Trouble::DatabaseGone => self.server.as_ref().unwrap().stop("immediate"),
            Trouble::DeviceGone => {
                let tokens = self.tokens.as_ref().unwrap();
                std::fs::rename(tokens, tokens.with_extension("away")).unwrap();
            }
            Trouble::MakerSilent => self.desk.lock().unwrap().is_silent = true,
        }
    }

    /// All is as it was before; the child may be dead.
    pub(super) fn end(&self, trouble: Trouble, child: u32) {
        match trouble {
            Trouble::DiskFull => {
                let place = self.small_disk.as_ref().unwrap().to_str().unwrap();
                assert!(done("mount", &["-o", "remount,size=2g", place]), "{place}");
            }
            // A dead one needs none.
            Trouble::NoFileGrows => drop(limit_files(child, "unlimited")),
            Trouble::DatabaseGone => self.server.as_ref().unwrap().start_again(),
            Trouble::DeviceGone => {
                let tokens = self.tokens.as_ref().unwrap();
                std::fs::rename(tokens.with_extension("away"), tokens).unwrap();
            }
            Trouble::MakerSilent => self.desk.lock().unwrap().is_silent = false,
        }
    }

    /// The maker is slow, and some of its answers are lost, so that messages come to it twice.
    pub(super) fn trouble_the_maker(&self, dice: &mut Dice) {
        let mut desk = self.desk.lock().unwrap();
        desk.delay = u32::try_from(dice.below(3)).unwrap();
        desk.faults = (0..dice.below(3)).map(|_| Some(Fault::LoseAnswer)).collect();
    }
}

/// The soft limit alone, so that it can be taken back. Whoever is limited ignores SIGXFSZ.
fn limit_files(child: u32, size: &str) -> bool {
    done("prlimit", &["--pid", &child.to_string(), &format!("--fsize={size}:")])
}

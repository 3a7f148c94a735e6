//! The time stamp of a seal itself (GM/T 0031-2025): what it proves, and what a wrong one does.

use yinxin::domain::verify::SealTimeStamp;
use yinxin::format::ses::SesSeal;
use yinxin::format::trust_list::TrustUse;
use yinxin::format::tsp::TimeStampResp;
use yinxin::format::x509::crl::RevocationReason;

use crate::bench::{Bench, Issue, Plan, Stamping, at, ca, rich};
use crate::evidence::{lasting, now_revoked, stamper, token};
use crate::logged::listing_for;
use crate::{Expected, Variant, variant};

/// When the seals here are made, and stamped.
const MADE: &str = "2025-01-01T00:00:00Z";
const STAMPED: &str = "2025-01-01T00:00:01Z";
/// Between that and the claimed time of the signature, 2025-06-01.
const BETWEEN: &str = "2025-03-01T00:00:00Z";
const LOST: RevocationReason = RevocationReason::KeyCompromise;

fn sound(value: &[u8]) -> Vec<u8> {
    token(&lasting(), value, STAMPED)
}

fn late(value: &[u8]) -> Vec<u8> {
    token(&lasting(), value, "2025-04-01T00:00:00Z")
}

fn early(value: &[u8]) -> Vec<u8> {
    token(&lasting(), value, "2024-06-01T00:00:00Z")
}

fn of_another(_: &[u8]) -> Vec<u8> {
    token(&lasting(), b"the value of another seal", STAMPED)
}

fn by_nobody(value: &[u8]) -> Vec<u8> {
    token(&stamper(&Issue::authority("elsewhere", 0x63).by(None), "2045-01-01T00:00:00Z"), value, STAMPED)
}

fn changed(value: &[u8]) -> Vec<u8> {
    let mut token = sound(value);
    let place = token.windows(15).position(|window| window == b"20250101000001Z").unwrap();
    token[place + 3] = b'4';
    token
}

fn cut(value: &[u8]) -> Vec<u8> {
    let mut token = sound(value);
    token.pop();
    token
}

fn response(value: &[u8]) -> Vec<u8> {
    TimeStampResp::granted(&sound(value))
}

/// A seal of version 5 with that time stamp.
fn five(b: &mut Bench, time_stamp: Option<Stamping>) {
    b.plan = Plan { seal_version: 5, version: 5, created: at(MADE), time_stamp, ..b.plan.clone() };
    b.seal_again();
}

const OK: &[(&str, &str)] = &[("seal", "ok")];
const WRONG: &[(&str, &str)] = &[("seal", "failed")];

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = alone();
    all.extend(proofs());
    all.extend(by_uses());
    all
}

const SEALS: [TrustUse; 2] = [TrustUse::SealMaking, TrustUse::SealSigning];
const ALL: [TrustUse; 3] = [TrustUse::SealMaking, TrustUse::SealSigning, TrustUse::TimeStamp];

/// The authority leads to an anchor of a trust list, which is trusted for these uses and no other.
fn listed(b: &mut Bench, uses: &[TrustUse]) {
    b.anchors.clear();
    b.lists = vec![listing_for(uses)];
}

/// What a trust list trusts the anchor of the time-stamping authority for.
fn by_uses() -> Vec<Variant> {
    vec![
        variant(
            "seal stamp: its anchor is trusted for time stamps",
            rich,
            |b| {
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, Some(sound));
                listed(b, &ALL);
            },
            Expected::passed().axes(OK),
        ),
        variant(
            "seal stamp: its anchor is trusted for seals only",
            rich,
            |b| {
                five(b, Some(sound));
                listed(b, &SEALS);
            },
            Expected::passed().axes(&[("seal", "warning")]),
        ),
        variant(
            "seal stamp: its anchor is trusted for seals only, where it is demanded",
            rich,
            |b| {
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, Some(sound));
                listed(b, &SEALS);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-not-trusted"])
                .axes(&[("seal", "warning")])
                .says("does not trust it for time-stamp"),
        ),
        variant(
            "seal stamp: its anchor is trusted for time stamps, and the maker's key was lost later",
            rich,
            |b| {
                five(b, Some(sound));
                now_revoked(b, "maker", BETWEEN, LOST);
                listed(b, &ALL);
            },
            Expected::passed().axes(OK),
        ),
        variant(
            "seal stamp: its anchor is trusted for seals only, and the maker's key was lost later",
            rich,
            |b| {
                five(b, Some(sound));
                now_revoked(b, "maker", BETWEEN, LOST);
                listed(b, &SEALS);
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]).axes(&[("seal", "warning")]),
        ),
        variant(
            "seal stamp: its anchor is trusted for seals only, whatever else is tolerated",
            rich,
            |b| {
                b.policy("lenient-field");
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, Some(sound));
                listed(b, &SEALS);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-not-trusted"]).axes(&[("seal", "warning")]),
        ),
    ]
}

fn alone() -> Vec<Variant> {
    vec![
        variant("seal stamp: none", rich, |b| five(b, None), Expected::passed().axes(OK)),
        variant("seal stamp: right", rich, |b| five(b, Some(sound)), Expected::passed().axes(OK)),
        variant(
            "seal stamp: over another seal",
            rich,
            |b| five(b, Some(of_another)),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["token-imprint"])
                .axes(WRONG)
                .says("the time stamp of the seal"),
        ),
        variant(
            "seal stamp: by nobody known",
            rich,
            |b| five(b, Some(by_nobody)),
            Expected::passed().axes(&[("seal", "warning")]),
        ),
        variant(
            "seal stamp: changed",
            rich,
            |b| five(b, Some(changed)),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["message-digest-mismatch"]).axes(WRONG),
        ),
        variant(
            "seal stamp: cut",
            rich,
            |b| five(b, Some(cut)),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-malformed"]).axes(WRONG),
        ),
        variant(
            "seal stamp: a whole response",
            rich,
            |b| five(b, Some(response)),
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:time-stamp-response"]),
        ),
        variant(
            "seal stamp: before createDate",
            rich,
            |b| five(b, Some(early)),
            Expected::unsure("TIMESTAMP_ORDER_FAILURE", &["seal-created-after-time-stamp"])
                .axes(&[("seal", "unknown")]),
        ),
        variant(
            "seal stamp: before the maker's certificate",
            rich,
            |b| {
                b.plan.maker = Issue { name: "a new maker", key: 0x33, from: MADE, ..Issue::default() }.by(Some(&ca()));
                five(b, Some(early));
            },
            Expected::failed("NOT_YET_VALID", &["seal-time-stamp-before-certificate", "seal-created-after-time-stamp"])
                .axes(WRONG),
        ),
        variant(
            "seal stamp: missing where it is demanded",
            rich,
            |b| {
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, None);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["seal-time-stamp-missing"]).axes(&[("seal", "unknown")]),
        ),
        variant(
            "seal stamp: by nobody known where it is demanded",
            rich,
            |b| {
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, Some(by_nobody));
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-not-trusted"]).axes(&[("seal", "warning")]),
        ),
        variant(
            "seal stamp: there where it is demanded",
            rich,
            |b| {
                b.policy.seal_time_stamp = SealTimeStamp::Refuse;
                five(b, Some(sound));
            },
            Expected::passed().axes(OK),
        ),
        variant(
            "seal stamp: demanded of no other version",
            rich,
            |b| b.policy.seal_time_stamp = SealTimeStamp::Refuse,
            Expected::passed().axes(OK),
        ),
    ]
}

fn proofs() -> Vec<Variant> {
    vec![
        variant(
            "seal stamp: none, and the maker's key was lost",
            rich,
            |b| {
                five(b, None);
                now_revoked(b, "maker", BETWEEN, LOST);
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]),
        ),
        variant(
            "seal stamp: before the maker's key was lost",
            rich,
            |b| {
                five(b, Some(sound));
                now_revoked(b, "maker", BETWEEN, LOST);
            },
            Expected::passed().axes(OK),
        ),
        variant(
            "seal stamp: after the maker's key was lost",
            rich,
            |b| {
                five(b, Some(late));
                now_revoked(b, "maker", BETWEEN, LOST);
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]),
        ),
        variant(
            "seal stamp: none in the seal, one at hand",
            rich,
            |b| {
                five(b, None);
                let seal = b.pack.get(crate::bench::SEAL).to_vec();
                b.tokens.push(sound(SesSeal::parse_any(&seal).unwrap().signed_value));
                now_revoked(b, "maker", BETWEEN, LOST);
            },
            Expected::passed(),
        ),
    ]
}

/// The stamp lies outside of what the maker signed: whoever hands a seal on can change it. With any octet of it changed
/// it proves no time, and the axis says so.
#[test]
fn any_changed_byte_of_a_seals_time_stamp_proves_nothing() {
    let mut bench = rich();
    five(&mut bench, Some(sound));
    let seal = bench.pack.get(crate::bench::SEAL).to_vec();
    let stamp = SesSeal::parse_any(&seal).unwrap().time_stamp.unwrap().to_vec();
    let start = seal.windows(stamp.len()).position(|window| window == stamp).unwrap();
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    let mut judge = |seal: &[u8]| {
        bench.bytes = Some(seal.to_vec());
        bench.judge("seal.esl")
    };
    let whole = judge(&seal);
    let proved = whole.signatures[0].details.seal_proved_time;
    assert_eq!((whole.indication.name(), proved), ("TOTAL_PASSED", Some(at(STAMPED))));
    // What SignedData says of digests beside its signers, and a signer's version, bind nobody (RFC 5652 5.1, 5.3): they alone are
    // free, and say nothing of the time.
    let oid = [0x06, 8, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x11];
    let named = stamp.windows(oid.len()).position(|window| window == oid).unwrap();
    let version = stamp.windows(4).rposition(|window| window == [2, 1, 1, 0x30]).unwrap() + 2;
    let mut free = Vec::new();
    for position in 0..stamp.len() {
        let mut changed = seal.clone();
        changed[start + position] ^= 1 << (position * 5 % 8);
        let report = judge(&changed);
        let one = &report.signatures[0];
        if one.details.seal_proved_time.is_some() {
            assert_eq!(one.details.seal_proved_time, proved, "byte {position} gives another time");
            free.push(position);
            continue;
        }
        assert_ne!(one.seal.code, "ok", "byte {position}");
        *codes.entry(format!("{} {}", one.indication.name(), one.seal.code)).or_default() += 1;
    }
    let may_be = |position: &usize| (named..named + oid.len()).contains(position) || *position == version;
    assert!(free.iter().all(may_be), "{free:?} and not only those of {named} and {version}");
    println!("{} bytes: {codes:?}", stamp.len());
    assert!(codes.keys().any(|code| code.contains("message-digest-mismatch")), "{codes:?}");
}

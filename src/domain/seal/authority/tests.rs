//! Each term refuses by its own name; nothing is used beyond what was signed.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::base::random::SystemRandom;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::{Signer, sm2};
use crate::domain::officer::OfficerRole;

static KEYS: LazyLock<Vec<sm2::PrivateKey>> =
    LazyLock::new(|| (0..2).map(|_| sm2::PrivateKey::generate(&SystemRandom).unwrap()).collect());

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn caller(name: &str) -> CallerId {
    CallerId::parse(name).unwrap()
}

fn keeper(key: usize) -> Officer {
    let key = Signer::public_key(&KEYS[key]);
    Officer { id: caller("keeper"), role: OfficerRole::Applicant, key, algorithm: SignatureAlgorithm::Sm2Sm3 }
}

fn terms() -> UseTerms {
    UseTerms {
        nonce: [7; 32],
        seal: SealId::parse("seal-1").unwrap(),
        user: caller("clerk"),
        items: vec!["item-1".into(), "item-2".into()],
        document_kinds: vec!["letter".into()],
        from: at(1_000),
        until: at(2_000),
        most_uses: Some(3),
        most_amount: Some(500),
        most_sum: Some(900),
        each_approved: false,
        second_factor: false,
    }
}

fn given(terms: UseTerms, key: usize) -> Authorisation {
    let hand = Hand::of(&keeper(key));
    let signature = KEYS[key].sign(&terms.to_sign(&hand), &SystemRandom).unwrap();
    let given = Approval { hand, signature, at: at(900) };
    let id = AuthorisationId::parse("authorisation-1").unwrap();
    Authorisation { id, terms, given, withdrawn_at: None, used: Used::default() }
}

fn wanted() -> SealUse {
    SealUse {
        seal: SealId::parse("seal-1").unwrap(),
        user: caller("clerk"),
        item: Some("item-2".into()),
        document_kind: Some("letter".into()),
        amount: Some(400),
        document_sm3: [4; 32],
        second_factor_at: None,
    }
}

fn approval(of: &Authorisation, key: usize, made: i64) -> UseApproval {
    let hand = Hand::of(&keeper(key));
    let octets = UseApproval::to_sign((&of.id, &[6; 32]), &[4; 32], Some(400), &hand);
    let signature = KEYS[key].sign(&octets, &SystemRandom).unwrap();
    let given = Approval { hand, signature, at: at(made) };
    UseApproval {
        authorisation: of.id.clone(),
        nonce: [6; 32],
        document_sm3: [4; 32],
        amount: Some(400),
        given,
        is_spent: false,
    }
}

#[test]
fn each_term_refuses_by_its_name() {
    let one = given(terms(), 0);
    let permit = |one: &Authorisation, wanted: &SealUse, now| one.permit(wanted, None, &keeper(0), at(now));
    assert_eq!(permit(&one, &wanted(), 1_000), Ok(Used { uses: 1, sum: 400 }));
    assert_eq!(permit(&one, &wanted(), 999), Err(UseRefused::Period));
    assert_eq!(permit(&one, &wanted(), 2_000), Err(UseRefused::Period));
    let with = |change: fn(&mut SealUse)| {
        let mut other = wanted();
        change(&mut other);
        permit(&one, &other, 1_500)
    };
    assert_eq!(with(|one| one.user = caller("other")), Err(UseRefused::NotAuthorised));
    assert_eq!(with(|one| one.seal = SealId::parse("seal-2").unwrap()), Err(UseRefused::NotAuthorised));
    assert_eq!(with(|one| one.item = Some("item-3".into())), Err(UseRefused::Item));
    assert_eq!(with(|one| one.item = None), Err(UseRefused::Item));
    assert_eq!(with(|one| one.document_kind = None), Err(UseRefused::DocumentKind));
    assert_eq!(with(|one| one.amount = Some(501)), Err(UseRefused::Amount));
    assert_eq!(with(|one| one.amount = None), Err(UseRefused::Amount));
    let used = |uses, sum| Authorisation { used: Used { uses, sum }, ..one.clone() };
    assert_eq!(permit(&used(3, 0), &wanted(), 1_500), Err(UseRefused::Uses));
    assert_eq!(permit(&used(2, 501), &wanted(), 1_500), Err(UseRefused::Amount));
    assert_eq!(permit(&used(2, 500), &wanted(), 1_500), Ok(Used { uses: 3, sum: 900 }));
    let withdrawn = Authorisation { withdrawn_at: Some(at(1_100)), ..one.clone() };
    assert_eq!(permit(&withdrawn, &wanted(), 1_500), Err(UseRefused::Withdrawn));
    // Another key of the keeper now, and terms that nobody signed.
    assert_eq!(one.permit(&wanted(), None, &keeper(1), at(1_500)), Err(UseRefused::Keeper));
    let mut widened = one.clone();
    widened.terms.most_uses = None;
    assert_eq!(permit(&widened, &wanted(), 1_500), Err(UseRefused::Keeper));
}

#[test]
fn a_second_factor_is_of_this_moment() {
    let one = given(UseTerms { second_factor: true, ..terms() }, 0);
    let permit = |presented: Option<i64>| {
        let wanted = SealUse { second_factor_at: presented.map(at), ..wanted() };
        one.permit(&wanted, None, &keeper(0), at(1_500)).err()
    };
    assert_eq!(permit(None), Some(UseRefused::SecondFactor));
    assert_eq!(permit(Some(1_500 - FACTOR_COUNTS - 1)), Some(UseRefused::SecondFactor));
    assert_eq!(permit(Some(1_501)), Some(UseRefused::SecondFactor));
    assert_eq!(permit(Some(1_500 - FACTOR_COUNTS)), None);
}

#[test]
fn the_keeper_approves_one_use_of_one_document() {
    let one = given(UseTerms { each_approved: true, ..terms() }, 0);
    let permit = |approval: Option<&UseApproval>| one.permit(&wanted(), approval, &keeper(0), at(1_500)).err();
    let right = approval(&one, 0, 1_400);
    assert_eq!(permit(None), Some(UseRefused::NotApproved));
    assert_eq!(permit(Some(&right)), None);
    let with = |change: fn(&mut UseApproval)| {
        let mut other = right.clone();
        change(&mut other);
        permit(Some(&other))
    };
    assert_eq!(with(|one| one.is_spent = true), Some(UseRefused::NotApproved));
    assert_eq!(with(|one| one.document_sm3 = [5; 32]), Some(UseRefused::NotApproved));
    assert_eq!(with(|one| one.amount = Some(399)), Some(UseRefused::NotApproved));
    assert_eq!(with(|one| one.given.at = at(1_501)), Some(UseRefused::NotApproved));
    assert_eq!(with(|one| one.given.at = at(1_500 - APPROVAL_COUNTS - 1)), Some(UseRefused::NotApproved));
    assert_eq!(with(|one| one.given.signature[0] ^= 1), Some(UseRefused::NotApproved));
    let others = Authorisation { id: AuthorisationId::parse("authorisation-2").unwrap(), ..one.clone() };
    assert_eq!(permit(Some(&approval(&others, 0, 1_400))), Some(UseRefused::NotApproved));
    assert_eq!(permit(Some(&approval(&one, 1, 1_400))), Some(UseRefused::NotApproved));
}

#[test]
fn terms_that_say_nothing_sensible_are_refused() {
    let with = |change: fn(&mut UseTerms)| {
        let mut other = terms();
        change(&mut other);
        other.examine(&caller("keeper"))
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|one| one.until = one.from), Err(TermsRefused::Period));
    assert_eq!(with(|one| one.until = at(1_001 + MOST_DAYS * 86_400)), Err(TermsRefused::Period));
    assert_eq!(with(|one| one.items.push("item-1".into())), Err(TermsRefused::Named));
    assert_eq!(with(|one| one.items.push("a b".into())), Err(TermsRefused::Named));
    assert_eq!(with(|one| one.items = (0..65).map(|n| n.to_string()).collect()), Err(TermsRefused::Named));
    assert_eq!(with(|one| one.document_kinds.push(String::new())), Err(TermsRefused::Named));
    assert_eq!(with(|one| one.most_uses = Some(0)), Err(TermsRefused::Limit));
    assert_eq!(with(|one| one.most_amount = Some(901)), Err(TermsRefused::Limit));
    let own = |one: &mut UseTerms| {
        one.user = caller("keeper");
        one.each_approved = true;
    };
    assert_eq!(with(own), Err(TermsRefused::OwnApproval));
}

#[test]
fn the_signature_covers_every_term() {
    let hand = Hand::of(&keeper(0));
    let changes: [fn(&mut UseTerms); 12] = [
        |one| one.nonce[0] ^= 1,
        |one| one.seal = SealId::parse("seal-2").unwrap(),
        |one| one.user = caller("other"),
        |one| one.items = vec!["item-1".into()],
        |one| one.document_kinds = vec!["item-2".into()],
        |one| one.from = at(1_001),
        |one| one.until = at(2_001),
        |one| one.most_uses = Some(500),
        |one| one.most_amount = None,
        |one| one.most_sum = None,
        |one| one.each_approved = true,
        |one| one.second_factor = true,
    ];
    let mut seen = std::collections::BTreeSet::from([terms().to_sign(&hand)]);
    for change in changes {
        let mut other = terms();
        change(&mut other);
        assert!(seen.insert(other.to_sign(&hand)), "{other:?}");
    }
    // What stands as item in one list says something else in the other.
    let moved =
        UseTerms { items: vec!["item-1".into()], document_kinds: vec!["item-2".into(), "letter".into()], ..terms() };
    assert!(seen.insert(moved.to_sign(&hand)));
}

#[test]
fn the_reason_is_that_of_the_authorisation_that_came_closest() {
    let other_item = given(UseTerms { items: vec!["item-9".into()], ..terms() }, 0);
    let past = given(UseTerms { from: at(10), until: at(20), ..terms() }, 0);
    let by = |those: &[&Authorisation]| {
        permitting(those.iter().map(|one| (*one, None)), &wanted(), &keeper(0), at(1_500)).err()
    };
    assert_eq!(by(&[]), Some(UseRefused::NotAuthorised));
    assert_eq!(by(&[&past]), Some(UseRefused::Period));
    assert_eq!(by(&[&past, &other_item]), Some(UseRefused::Item));
    assert_eq!(by(&[&past, &other_item, &given(terms(), 0)]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However uses come: never more of them, nor a higher sum, than was signed.
    #[test]
    fn no_order_of_uses_goes_beyond_the_terms(
        uses in proptest::collection::vec((0_u64..700, 900_i64..2_100), 0..20),
    ) {
        let mut one = given(terms(), 0);
        let mut made: Vec<u64> = Vec::new();
        for (amount, now) in uses {
            let wanted = SealUse { amount: Some(amount), ..wanted() };
            if let Ok(used) = one.permit(&wanted, None, &keeper(0), at(now)) {
                made.push(amount);
                one.used = used;
                prop_assert!((1_000..2_000).contains(&now) && amount <= 500);
            }
            prop_assert!(made.len() <= 3 && made.iter().sum::<u64>() <= 900);
            prop_assert_eq!(one.used, Used { uses: u32::try_from(made.len()).unwrap(), sum: made.iter().sum() });
        }
    }
}

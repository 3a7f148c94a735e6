//! Changes to revocation lists that are fetched (freshestCRL): they revoke what the list does not know yet, and keep a list
//! in force that alone is out of date.

use std::sync::Arc;

use yinxin::domain::trust::StatusKind;

use crate::made::{Authority, Points, Reply, SERIAL, Server};
use crate::{Case, Desk, PASSED, REVOKED, UNKNOWN, bounds};

/// A server that has a list and changes to it.
async fn publish(list: Vec<u8>, changes: Option<Vec<u8>>) -> Server {
    Server::plain(move |asked| match (asked.head.contains("/changes.crl"), &changes) {
        (false, _) => Reply::ok(list.clone()),
        (true, Some(changes)) => Reply::ok(changes.clone()),
        (true, None) => Reply::status("404 Not Found"),
    })
    .await
}

fn case(authority: &Authority, server: &Server, changes: &[&str]) -> Case {
    let list = server.url("/list.crl");
    let end = authority.end_with(SERIAL, &Points { lists: &[&list], changes, ..Points::default() });
    Case::with(authority, &[(StatusKind::Crl, &list)], end)
}

#[tokio::test]
async fn changes_revoke_what_the_list_does_not_know_yet() {
    let authority = Authority::new("root");
    let changes = authority.list((6, Some(5)), 1, &[SERIAL], &[]);
    let server = publish(authority.crl(1, &[]), Some(changes)).await;
    let (url, desk) = (server.url("/changes.crl"), Desk::new(authority.now, bounds()));
    assert_eq!(case(&authority, &server, &[&url]).fetched(&desk).await, (REVOKED.to_owned(), Vec::new()));
    assert_eq!(server.asked().len(), 2);
    // Without them the list alone counts.
    assert_eq!(case(&authority, &server, &[]).fetched(&desk).await, (PASSED.to_owned(), Vec::new()));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn the_list_itself_may_name_its_changes() {
    let authority = Arc::new(Authority::new("root"));
    let (by, address) = (Arc::clone(&authority), Arc::new(std::sync::OnceLock::<String>::new()));
    let named = Arc::clone(&address);
    let server = Server::plain(move |asked| {
        let url = named.get().unwrap();
        match asked.head.contains("/changes.crl") {
            true => Reply::ok(by.list((6, Some(4)), 1, &[SERIAL], &[])),
            false => Reply::ok(by.list((5, None), 1, &[], &[url])),
        }
    })
    .await;
    address.set(server.url("/changes.crl")).unwrap();
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case(&authority, &server, &[]).fetched(&desk).await, (REVOKED.to_owned(), Vec::new()));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_list_out_of_date_counts_with_its_changes() {
    let authority = Authority::new("root");
    let server = publish(authority.crl(-1, &[]), Some(authority.list((6, Some(5)), 1, &[], &[]))).await;
    let (url, desk) = (server.url("/changes.crl"), Desk::new(authority.now, bounds()));
    assert_eq!(case(&authority, &server, &[]).fetched(&desk).await, (UNKNOWN.to_owned(), Vec::new()));
    // Found useless alone, it is not asked for at once; a while later it is, and its changes with it.
    desk.clock.forward(61);
    for _ in 0..2 {
        assert_eq!(case(&authority, &server, &[&url]).fetched(&desk).await, (PASSED.to_owned(), Vec::new()));
        assert_eq!(server.asked().len(), 3);
    }
}

#[tokio::test]
async fn changes_that_are_not_had_or_do_not_fit_change_nothing() {
    let authority = Authority::new("root");
    let missing = publish(authority.crl(1, &[]), None).await;
    let (url, desk) = (missing.url("/changes.crl"), Desk::new(authority.now, bounds()));
    assert_eq!(case(&authority, &missing, &[&url]).fetched(&desk).await, (PASSED.to_owned(), vec!["answer-status"]));
    let unfit = [
        // Of a later list; by another key; of somebody else; out of date.
        authority.list((10, Some(9)), 1, &[SERIAL], &[]),
        Authority::new("root").list((6, Some(5)), 1, &[SERIAL], &[]),
        Authority::new("other").list((6, Some(5)), 1, &[SERIAL], &[]),
        authority.list((6, Some(5)), -1, &[SERIAL], &[]),
    ];
    for changes in unfit {
        let server = publish(authority.crl(1, &[]), Some(changes)).await;
        let (url, desk) = (server.url("/changes.crl"), Desk::new(authority.now, bounds()));
        for codes in [Vec::new(), vec!["answer-useless"]] {
            assert_eq!(case(&authority, &server, &[&url]).fetched(&desk).await, (PASSED.to_owned(), codes));
            assert_eq!(server.asked().len(), 2);
        }
    }
    // Of a host that the trust list does not name nobody asks for changes.
    let other = Server::plain(|_| Reply::status("404 Not Found")).await;
    let server = publish(authority.crl(1, &[]), None).await;
    let desk = Desk::new(authority.now, bounds());
    let mut case = case(&authority, &server, &[&other.url("/changes.crl")]);
    assert_eq!(case.fetched(&desk).await, (PASSED.to_owned(), Vec::new()));
    assert_eq!((server.asked().len(), other.asked().len()), (1, 0));
}

//! Certificates of issuers that are fetched (caIssuers): in all their forms, from hosts that a trust list names, as
//! candidates of paths and never as anchors.

use std::sync::Arc;

use yinxin::domain::trust::{AlgorithmPolicy, CheckedList, StatusKind, TrustAnchors};
use yinxin::format::keys::write_pem;
use yinxin::service::gathering::Appetite;
use yinxin::service::judging::{Judging, Standing, Subject};
use yinxin::service::trust_lists::InForce;

use crate::made::{Asked, Authority, Points, Reply, SERIAL, Server, bundle};
use crate::{Case, Desk, PASSED, bounds, policy, short};

const NO_PATH: &str = "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND no-certificate-chain";

fn target(asked: &Asked) -> String {
    asked.head.split(' ').nth(1).unwrap().to_owned()
}

/// A root, two authorities below it, and a certificate of the lower one that names where their certificates are.
struct Chain {
    root: Authority,
    /// By the targets under which they lie.
    published: Arc<std::sync::Mutex<std::collections::BTreeMap<String, Vec<u8>>>>,
    server: Server,
    upper: Vec<u8>,
    middle: Vec<u8>,
    end: Vec<u8>,
}

impl Chain {
    async fn new() -> Self {
        let published = Arc::<std::sync::Mutex<std::collections::BTreeMap<String, Vec<u8>>>>::default();
        let lying = Arc::clone(&published);
        let server = Server::plain(move |asked| match lying.lock().unwrap().get(&target(asked)) {
            Some(octets) => Reply::ok(octets.clone()),
            None => Reply::status("404 Not Found"),
        })
        .await;
        let root = Authority::new("root");
        let url = |path: &str| server.url(path);
        let points = |issuers: &str, lists: &str| (url(issuers), url(lists));
        let (up, down) = (points("/root.cer", "/root.crl"), points("/upper.cer", "/upper.crl"));
        let own = points("/middle.cer", "/middle.crl");
        // The issuer of the upper one is the anchor, which is at hand: nobody asks for it.
        let named = |(issuers, lists): &(String, String), make: &mut dyn FnMut(&Points<'_>)| {
            make(&Points { issuers: &[issuers], lists: &[lists], ..Points::default() });
        };
        let (mut upper, mut middle, mut end) = (None, None, Vec::new());
        named(&up, &mut |points| upper = Some(root.below("upper", 2, points)));
        let (upper_key, upper) = upper.unwrap();
        named(&down, &mut |points| middle = Some(upper_key.below("middle", 3, points)));
        let (middle_key, middle) = middle.unwrap();
        named(&own, &mut |points| end = middle_key.end_with(SERIAL, points));
        for (path, octets) in [
            ("/root.crl", root.crl(1, &[])),
            ("/upper.crl", upper_key.crl(1, &[])),
            ("/middle.crl", middle_key.crl(1, &[])),
            ("/upper.cer", upper.clone()),
            ("/middle.cer", middle.clone()),
        ] {
            published.lock().unwrap().insert(path.to_owned(), octets);
        }
        Self { root, published, server, upper, middle, end }
    }

    fn publish(&self, path: &str, octets: Vec<u8>) {
        self.published.lock().unwrap().insert(path.to_owned(), octets);
    }

    fn case(&self) -> Case {
        Case::with(&self.root, &[(StatusKind::Crl, &self.server.url("/"))], self.end.clone())
    }

    fn targets(&self) -> Vec<String> {
        let mut targets: Vec<String> = self.server.asked().iter().map(target).collect();
        targets.sort_unstable();
        targets
    }
}

#[tokio::test]
async fn missing_issuers_are_fetched_where_the_installation_says_so() {
    let chain = Chain::new().await;
    let desk = Desk::new(chain.root.now, bounds());
    let mut case = chain.case();
    assert_eq!(case.fetched(&desk).await, (NO_PATH.to_owned(), Vec::new()));
    assert_eq!(chain.targets(), [""; 0]);
    let (list, issuer) = (chain.server.url("/middle.crl"), chain.server.url("/middle.cer"));
    let shown = [
        format!("{list} is not fetched, because the certificate does not lead to an anchor"),
        format!("{issuer} may be asked for the certificate of the issuer"),
    ];
    assert_eq!(case.evidence(), shown);
    assert_eq!(case.fetched_with_issuers(&desk).await, (PASSED.to_owned(), Vec::new()));
    assert_eq!(chain.targets(), ["/middle.cer", "/middle.crl", "/root.crl", "/upper.cer", "/upper.crl"]);
    // What was fetched is evidence like any other: saved and handed in it gives the same report, byte for byte.
    let json = case.verification.judge("file", &case.file, None).to_json();
    let lists = case.verification.trust_lists().unwrap();
    let mut replay = Case::new(&chain.root, &lists, chain.end.clone());
    for saved in [case.verification.certificates_pem(), case.verification.others_pem()] {
        replay.verification.add_evidence(saved.unwrap().as_bytes(), "saved").unwrap();
    }
    assert_eq!(replay.verification.judge("file", &replay.file, None).to_json(), json);
    // All of it is kept: the next judgement asks nobody.
    let asked = chain.targets().len();
    assert_eq!(chain.case().fetched_with_issuers(&desk).await.0, PASSED);
    assert_eq!(chain.targets().len(), asked);
}

#[tokio::test]
async fn all_forms_of_certificates_are_read_and_nothing_else() {
    let chain = Chain::new().await;
    let pem = |der: &[u8], label| write_pem(der, label).into_bytes();
    let both = bundle(&[&chain.upper, &chain.middle]);
    let right = [
        pem(&chain.middle, "CERTIFICATE"),
        [pem(&chain.upper, "CERTIFICATE"), pem(&chain.middle, "CERTIFICATE")].concat(),
        both.clone(),
        pem(&both, "PKCS7"),
        pem(&both, "CMS"),
    ];
    for octets in right {
        chain.publish("/middle.cer", octets);
        let desk = Desk::new(chain.root.now, bounds());
        assert_eq!(chain.case().fetched_with_issuers(&desk).await, (PASSED.to_owned(), Vec::new()));
    }
    let many: Vec<&[u8]> = std::iter::repeat_n(chain.middle.as_slice(), 17).collect();
    let broken = [&chain.middle[..], &[0]].concat();
    let wrong = [
        ("answer-no-certificate", b"<html>".to_vec()),
        ("answer-no-certificate", Vec::new()),
        ("answer-no-certificate", broken),
        ("answer-no-certificate", chain.root.crl(1, &[])),
        ("answer-no-certificate", bundle(&[])),
        ("answer-no-certificate", bundle(&many)),
        ("answer-no-certificate", bundle(&[&chain.middle, b"0\x03\x02\x01\x05"])),
        ("answer-no-certificate", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec()),
        ("answer-too-large", vec![b'x'; 70_000]),
    ];
    for (code, octets) in wrong {
        chain.publish("/middle.cer", octets);
        let desk = Desk::new(chain.root.now, bounds());
        assert_eq!(chain.case().fetched_with_issuers(&desk).await, (NO_PATH.to_owned(), vec![code]));
    }
}

/// Whatever comes is a candidate: it leads nowhere unless an anchor signed for it.
#[tokio::test]
async fn a_fetched_certificate_is_never_an_anchor() {
    let chain = Chain::new().await;
    // A stranger publishes a root of its own, under its own name and under that of the missing issuer.
    let stranger = Authority::new("middle");
    for octets in [stranger.root(), bundle(&[&stranger.root(), &Authority::new("upper").root()])] {
        chain.publish("/middle.cer", octets);
        let desk = Desk::new(chain.root.now, bounds());
        // Of the issuer's name, and another key: as with evidence that is handed in, the value is not that issuer's.
        let wrong = "TOTAL_FAILED SIG_CRYPTO_FAILURE signature-wrong";
        assert_eq!(chain.case().fetched_with_issuers(&desk).await.0, wrong);
    }
    let url = chain.server.url("/stranger.cer");
    let end = stranger.end_with(SERIAL, &Points { issuers: &[&url], ..Points::default() });
    chain.publish("/stranger.cer", stranger.root());
    let desk = Desk::new(chain.root.now, bounds());
    let mut case = Case::with(&chain.root, &[(StatusKind::Crl, &chain.server.url("/"))], end);
    let before = case.report()["trust"].clone();
    assert_eq!(case.fetched_with_issuers(&desk).await.0, NO_PATH);
    let after = &case.report()["trust"];
    assert_eq!((&after["anchors"], after), (&1.into(), &before));
}

#[tokio::test]
async fn issuers_are_asked_of_nobody_whom_no_trust_list_names() {
    let authority = Authority::new("root");
    let named = Server::plain(|_| Reply::status("404 Not Found")).await;
    let other = Server::plain(|_| Reply::status("404 Not Found")).await;
    let stranger = Authority::new("stranger");
    let (port, listed) = (other.address.port(), named.url("/"));
    let (query, right) = (named.url("/a?b=c"), named.url("/issuer.cer"));
    let addresses = [
        other.url("/issuer.cer"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1@evil.example:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("ldap://127.0.0.1:{port}/"),
        query.clone(),
        right.clone(),
    ];
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let end = stranger.end_with(SERIAL, &Points { issuers: &addresses, ..Points::default() });
    let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &listed)], end.clone());
    let why = "the address has a query, and the certificate does not lead to an anchor";
    let shown = [
        format!("{query} is not fetched, because {why}"),
        format!("{right} may be asked for the certificate of the issuer"),
    ];
    assert_eq!(case.evidence(), shown);
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched_with_issuers(&desk).await, (NO_PATH.to_owned(), vec!["answer-status"]));
    let asked: Vec<String> = named.asked().iter().map(target).collect();
    assert_eq!((asked, other.asked().len()), (vec!["/issuer.cer".to_owned()], 0));
    // Anchors that came without a list name nobody.
    let mut plain = Case::new(&authority, &authority.root(), end);
    assert_eq!(plain.fetched_with_issuers(&desk).await, (NO_PATH.to_owned(), Vec::new()));
    assert_eq!((named.asked().len(), other.asked().len()), (1, 0));
}

/// The service judges by what was fetched for this judgement, and what counts for others stays as it is.
#[tokio::test]
async fn the_service_takes_candidates_for_one_judgement_alone() {
    let chain = Chain::new().await;
    let signed = chain.root.trust_list(&[(StatusKind::Crl, &chain.server.url("/"))]);
    let list = CheckedList::check(signed, &AlgorithmPolicy::whatever_we_compute(), chain.root.now).unwrap();
    let desk = Desk::new(chain.root.now, bounds());
    let judging = |issuers| {
        let appetite = Appetite { issuers, ..Appetite::default() };
        let judging = Judging::new(TrustAnchors::none()).with_fetcher(Some(desk.fetcher.clone()), appetite);
        let found = InForce { lists: vec![list.clone()], ..InForce::default() };
        judging.stand_on(Standing::new(&TrustAnchors::none(), found));
        judging
    };
    let policy = Arc::new(policy());
    let verdict = async |judging: &Judging| {
        let document = Arc::new(chain.end.clone());
        let subject =
            Subject { file_name: "file".into(), document, original: None, evidence: std::sync::Arc::default() };
        let report = judging.judge(&subject, &policy, chain.root.now).await.unwrap();
        short(&serde_json::to_value(report).unwrap())
    };
    let (with, without) = (judging(true), judging(false));
    let before = *with.standing().trust.version();
    assert_eq!((verdict(&without).await, chain.targets().len()), (NO_PATH.to_owned(), 0));
    assert_eq!((verdict(&with).await, chain.targets().len()), (PASSED.to_owned(), 5));
    assert_eq!(with.standing().trust.version(), &before);
    assert_eq!((verdict(&with).await, chain.targets().len()), (PASSED.to_owned(), 5));
}

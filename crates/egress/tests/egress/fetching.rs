//! CASES T-120 to T-122: what certificates point to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crypto::KeyKind;
use egress::{Error, Fetcher, FetcherLimits, SystemResolver, danger};
use pki::{
    Certificate, CertificateList, Path, PathChecker, PathPolicy, RevocationListBuilder, RevocationReason,
    RevocationSource, RevocationSourceKind,
};
use testkit::{TestPki, now};

use crate::server::{Names, Server, ok};

fn anywhere() -> Fetcher {
    within(Duration::from_secs(60))
}

fn within(timeout: Duration) -> Fetcher {
    let limits = FetcherLimits { timeout, octets: 100_000 };
    danger::fetcher_to_anywhere(limits, Arc::new(SystemResolver))
}

/// Alice's certificate that points to `url`, with its path.
fn path_to(url: &str) -> (Certificate, Path) {
    let pki = TestPki::shared();
    let alice = pki.issue(&pki.mailbox("alice@partner.example").crl_url(url), KeyKind::P256);
    let (anchors, policy) = (pki.anchors(), PathPolicy::at(now()));
    let between = [pki.ca().certificate().clone()];
    let path = PathChecker::new(&anchors, &policy).intermediates(&between).check(alice.certificate()).unwrap();
    (alice.certificate().clone(), path)
}

fn only_source(path: &Path) -> RevocationSource {
    let mut sources = path.revocation_sources();
    assert_eq!(sources.len(), 1);
    sources.remove(0).1
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<egress::Fetched, Error> {
    let (_, path) = path_to(url);
    fetcher.fetch(&path, 0, &only_source(&path), now()).await
}

fn list(days: i64) -> CertificateList {
    let builder = RevocationListBuilder::new(1, now().plus_days(-1), now().plus_days(days));
    TestPki::shared().ca().issue_crl(&builder).unwrap()
}

#[tokio::test]
async fn a_list_is_fetched_and_kept_until_its_end() {
    let list = list(5);
    let server = Server::saying(ok(list.der())).await;
    let fetched = fetch(&anywhere(), &server.url("ca.crl")).await.unwrap();
    assert_eq!((fetched.der.as_slice(), fetched.next_update), (list.der(), now().plus_days(5)));
    let request = String::from_utf8(server.requests.lock().unwrap()[0].clone()).unwrap();
    assert!(request.starts_with("GET /ca.crl HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    assert!(!request.contains("ookie") && !request.contains("alice"), "{request}");
    // In chunks, and with a length that only the end of the connection tells.
    let der = list.der();
    let (one, two) = der.split_at(10);
    let chunked = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n",
        one,
        format!("\r\n{:X};x=y\r\n", two.len()).as_bytes(),
        two,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let bare = [b"HTTP/1.0 200 OK\r\n\r\n", der].concat();
    for answer in [chunked, bare] {
        let server = Server::saying(answer).await;
        assert_eq!(fetch(&anywhere(), &server.url("x")).await.unwrap().der, der);
    }
}

#[tokio::test]
async fn t_120_private_addresses_are_never_contacted() {
    let server = Server::saying(ok(list(5).der())).await;
    let port = server.port;
    let fetcher = Fetcher::new(FetcherLimits::default());
    for url in [
        server.url("x"),
        "http://127.0.0.1/x".into(),
        "http://127.0.0.1:80/x".into(),
        "http://10.0.0.1/x".into(),
        "http://169.254.169.254/latest/meta-data".into(),
        "http://[::1]/x".into(),
        "http://[::ffff:127.0.0.1]/x".into(),
        "http://0177.0.0.1/x".into(),
        "http://2130706433/x".into(),
        "http://0x7f.1/x".into(),
        format!("http://localhost:{port}/x"),
        "http://localhost/x".into(),
        "http://user@127.0.0.1/x".into(),
        "http://93.184.216.34:22/x".into(),
    ] {
        let outcome = fetch(&fetcher, &url).await;
        assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{url}: {outcome:?}");
    }
    assert_eq!(server.count(), 0);
    // What is not http at all is not even a source.
    for url in ["file:///etc/passwd", "ldap://127.0.0.1/", "gopher://127.0.0.1/", "https://127.0.0.1/", "ftp://a/"] {
        assert!(path_to(url).1.revocation_sources().is_empty(), "{url}");
    }
}

#[tokio::test]
async fn t_120_a_name_is_resolved_once_and_what_it_stands_for_is_pinned() {
    let (public, inside) = ("93.184.216.34".parse().unwrap(), "127.0.0.1".parse().unwrap());
    // Rebinding: public when it is checked, loopback when it is used. It is used as it was checked.
    let names = Arc::new(Names { answers: vec![("ca.example", vec![vec![inside]])], ..Names::default() });
    let limits = FetcherLimits::default();
    let fetcher = Fetcher::with_resolver(limits, Arc::clone(&names) as Arc<dyn egress::Resolve>);
    let outcome = fetch(&fetcher, "http://ca.example/x").await;
    assert!(matches!(outcome, Err(Error::Forbidden { address: Some(_), .. })), "{outcome:?}");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    // One inside among several outside is enough.
    let mixed = Arc::new(Names { answers: vec![("ca.example", vec![vec![public, inside]])], ..Names::default() });
    let fetcher = Fetcher::with_resolver(limits, mixed);
    let outcome = fetch(&fetcher, "http://ca.example/x").await;
    assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{outcome:?}");
    // Where loopback is allowed, a connection goes to what the one question was answered with, and to nothing else.
    let list = list(5);
    let server = Server::saying(ok(list.der())).await;
    let once = Arc::new(Names { answers: vec![("ca.example", vec![vec![inside], vec![public]])], ..Names::default() });
    let fetcher = danger::fetcher_to_anywhere(FetcherLimits::default(), Arc::clone(&once) as Arc<dyn egress::Resolve>);
    let url = format!("http://ca.example:{}/x", server.port);
    assert_eq!(fetch(&fetcher, &url).await.unwrap().der, list.der());
    assert_eq!(once.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn t_120_one_redirect_and_it_is_checked_like_the_first() {
    let list = list(5);
    let target = Server::saying(ok(list.der())).await;
    let to = |url: &str| format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n");
    let one = Server::saying(to(&target.url("x"))).await;
    assert_eq!(fetch(&anywhere(), &one.url("x")).await.unwrap().der, list.der());
    let two = Server::saying(to(&one.url("x"))).await;
    assert!(matches!(fetch(&anywhere(), &two.url("x")).await, Err(Error::Forbidden { .. })));
    for elsewhere in ["file:///etc/passwd", "ldap://127.0.0.1/", "//127.0.0.1/", "x", "http://127.0.0.1\\@x/"] {
        let server = Server::saying(to(elsewhere)).await;
        let outcome = fetch(&anywhere(), &server.url("x")).await;
        assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{elsewhere}: {outcome:?}");
    }
}

#[tokio::test]
async fn t_122_slow_garbled_and_endless_answers_end_in_unknown() {
    let list = list(5);
    let slow = Server::start(
        Arc::new({
            let answer = ok(list.der());
            move |_| answer.clone()
        }),
        Some(Duration::from_millis(100)),
    )
    .await;
    let fetcher = within(Duration::from_millis(1500));
    assert!(matches!(fetch(&fetcher, &slow.url("x")).await, Err(Error::TimedOut { .. })));
    let long = vec![b'x'; 200_000];
    let other_ca = TestPki::new();
    let forged =
        other_ca.ca().issue_crl(&RevocationListBuilder::new(9, now().plus_days(-1), now().plus_days(900))).unwrap();
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("no HTTP", b"SSH-2.0-x\r\n\r\n".to_vec()),
        ("500", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("too long by its word", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec()),
        ("too long", [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &long].concat()),
        ("an endless header", [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &long].concat()),
        ("cut short", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_vec()),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_vec()),
        (
            "length and chunks",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        ("a giant chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n".to_vec()),
        ("gzip", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".to_vec()),
        ("no list", ok(b"<html>")),
        (
            "an old list",
            ok(TestPki::shared()
                .ca()
                .issue_crl(&RevocationListBuilder::new(1, now().plus_days(-9), now().plus_days(-2)))
                .unwrap()
                .der()),
        ),
        ("somebody else's list under the same name", ok(forged.der())),
        ("a redirect to nowhere", b"HTTP/1.1 302 Found\r\n\r\n".to_vec()),
    ];
    for (what, answer) in answers {
        let server = Server::saying(answer).await;
        let outcome = fetch(&anywhere(), &server.url("x")).await;
        assert!(outcome.is_err(), "{what}: {outcome:?}");
    }
}

#[tokio::test]
async fn t_122_a_server_that_fails_is_left_alone() {
    let server = Server::saying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".as_slice()).await;
    let fetcher = anywhere();
    for _ in 0..3 {
        assert!(matches!(fetch(&fetcher, &server.url("x")).await, Err(Error::Status { .. })));
    }
    let outcome = fetch(&fetcher, &server.url("x")).await;
    assert!(matches!(outcome, Err(Error::Resting { .. })), "{outcome:?}");
    assert_eq!(server.count(), 3);
    // Others are asked as before.
    let good = Server::saying(ok(list(5).der())).await;
    assert!(fetch(&fetcher, &good.url("x")).await.is_ok());
}

#[tokio::test]
async fn t_121_only_what_a_trusted_path_names_is_asked() {
    let server = Server::saying(ok(list(5).der())).await;
    let (_, path) = path_to("http://127.0.0.1:9/other.crl");
    // There is no Path for a certificate of an unknown CA, and without one there is no fetch; nor does a good path help
    // an address that it does not name.
    let smuggled = RevocationSource { kind: RevocationSourceKind::Crl, uri: server.url("x"), key: "crl:x".into() };
    let outcome = anywhere().fetch(&path, 0, &smuggled, now()).await;
    assert!(matches!(outcome, Err(Error::Useless { .. })), "{outcome:?}");
    assert_eq!(server.count(), 0);
    let stranger = TestPki::new();
    let mallory = stranger.issue(&stranger.mailbox("m@evil.example").crl_url(server.url("unique")), KeyKind::P256);
    let (anchors, policy) = (TestPki::shared().anchors(), PathPolicy::at(now()));
    let between = [stranger.ca().certificate().clone(), stranger.root().certificate().clone()];
    let outcome = PathChecker::new(&anchors, &policy).intermediates(&between).check(mallory.certificate());
    assert!(outcome.is_err());
}

#[tokio::test]
async fn what_was_fetched_revokes() {
    let server = Server::start(Arc::new(|_| Vec::new()), None).await;
    let url = server.url("ca.crl");
    let (alice, path) = path_to(&url);
    let builder = RevocationListBuilder::new(2, now().plus_days(-1), now().plus_days(5)).revoke(
        alice.serial().clone(),
        now().plus_days(-1),
        RevocationReason::KeyCompromise,
    );
    let list = TestPki::shared().ca().issue_crl(&builder).unwrap();
    drop(server);
    let server = Server::saying(ok(list.der())).await;
    let (_, path_there) = path_to(&server.url("ca.crl"));
    let fetched = anywhere().fetch(&path_there, 0, &only_source(&path_there), now()).await.unwrap();
    let lists = [CertificateList::from_der(&fetched.der).unwrap()];
    let (anchors, policy) = (TestPki::shared().anchors(), PathPolicy::at(now()));
    let rejected =
        PathChecker::new(&anchors, &policy).intermediates(path.certificates()).crls(&lists).check(&alice).unwrap_err();
    assert_eq!(rejected.reason().code(), "revoked");
}

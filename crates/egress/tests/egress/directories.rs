//! LDAP against slapd, LDAP against a server that means ill, and HTTP key servers.

use std::sync::Arc;

use asn1::{Class, Tag, Writer};
use crypto::KeyKind;
use egress::look_up::{Bind, HttpDirectory, LdapDirectory};
use egress::{Error, LookUp, Source};
use pki::EmailAddress;
use testkit::{Person, TestPki};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, ok};
use crate::slapd::{ADMIN, BASE, PASSWORD, Slapd};

fn person(address: &str) -> Person {
    TestPki::shared().person(address, KeyKind::P256)
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn ldap(server: &Slapd) -> LdapDirectory {
    LdapDirectory::new(&server.url(), BASE, "(&(objectClass=person)(mail={address}))", None).unwrap()
}

fn admin() -> Bind {
    Bind { name: ADMIN.into(), password: PASSWORD.into() }
}

#[tokio::test]
async fn ldap_publishes_and_finds() {
    let server =
        Slapd::start(&[("Alice", "alice@partner.example"), ("Bob", "bob@partner.example"), ("Odd", "*)(uid=*@x")]);
    let alice = person("alice@partner.example");
    let directory = ldap(&server);
    let at = address("alice@partner.example");
    let certificates = [alice.certificate().clone()];
    let anonymous = directory.publish(&at, &certificates).await;
    assert!(matches!(anonymous, Err(Error::Status { .. })), "{anonymous:?}");
    let wrong = Bind { password: "x".into(), ..admin() };
    let refused = directory.clone().bind(wrong).publish(&at, &certificates).await;
    assert!(matches!(refused, Err(Error::Status { status: 49, .. })), "{refused:?}");
    let writing = directory.clone().bind(admin());
    writing.publish(&at, &certificates).await.unwrap();
    // The server's own client reads what was published.
    let base64 = base64_simd::STANDARD.encode_to_string(alice.certificate().der());
    let seen = server.search("(mail=alice@partner.example)", "userCertificate;binary");
    assert!(seen.contains(&format!("userCertificate;binary:: {base64}")), "{seen}");
    assert!(server.search("(mail=alice@partner.example)", "userSMIMECertificate").contains("userSMIMECertificate"));
    let look_up = LookUp::new(vec![Source::Ldap(directory)]);
    let found = look_up.find(&at).await.found.unwrap();
    assert_eq!(found.certificates, certificates);
    assert!(found.source.starts_with("ldap://127.0.0.1:"), "{}", found.source);
    let bob = look_up.find(&address("bob@partner.example")).await;
    assert!(bob.found.is_none() && bob.failed.is_empty());
    // Twice is the same as once, and nothing is what is left after nothing was published.
    writing.publish(&at, &certificates).await.unwrap();
    writing.publish(&at, &[]).await.unwrap();
    assert!(look_up.find(&at).await.found.is_none());
    let stranger = writing.publish(&address("nobody@partner.example"), &certificates).await;
    assert!(matches!(stranger, Err(Error::Useless { .. })), "{stranger:?}");
}

#[tokio::test]
async fn t_70_ldap_answers_for_another_address_are_dropped() {
    let server = Slapd::start(&[("Alice", "alice@partner.example")]);
    let mallory = person("mallory@evil.example");
    let at = address("alice@partner.example");
    ldap(&server).bind(admin()).publish(&at, &[mallory.certificate().clone()]).await.unwrap();
    let answers = LookUp::new(vec![Source::Ldap(ldap(&server))]).find(&at).await;
    assert!(answers.found.is_none() && answers.failed.is_empty());
}

/// Answers the first message with octets of its own making.
async fn hostile(answer: Vec<u8>) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = vec![0; 4096];
        let read = stream.read(&mut question).await.unwrap();
        question.truncate(read);
        let _ = stream.write_all(&answer).await;
        question
    });
    (port, task)
}

fn message(operation: u32, inside: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned(1);
        w.constructed(Tag { class: Class::Application, constructed: true, number: operation }, inside);
    });
    writer.into_vec()
}

fn done(code: u8) -> Vec<u8> {
    message(5, |w| {
        w.primitive(Tag::ENUMERATED, &[code]);
        w.octet_string(b"");
        w.octet_string(b"");
    })
}

#[tokio::test]
async fn t_123_hostile_ldap_servers_gain_nothing() {
    let referral = message(19, |w| w.octet_string(b"ldap://127.0.0.1:1/dc=elsewhere"));
    let cases: Vec<(&str, Vec<u8>, bool)> = vec![
        ("a referral that is not followed", [referral, done(0)].concat(), true),
        ("referral as the result", done(10), false),
        ("no message", b"HTTP/1.1 400 Bad\r\n\r\n".to_vec(), false),
        ("nothing", vec![], false),
        ("an empty message", vec![0x30, 0x00], false),
        ("an endless length", vec![0x30, 0x80, 0, 0], false),
        ("four gigabytes", vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x01, 0x01], false),
        ("another message's answer", [&[0x30, 0x0c, 0x02, 0x01, 0x09][..], &done(0)[5..]].concat(), false),
        ("an entry without attributes", [message(4, |w| w.octet_string(b"cn=x")), done(0)].concat(), false),
        (
            "too many entries",
            [
                message(4, |w| {
                    w.octet_string(b"cn=x");
                    w.sequence(|_| {});
                })
                .repeat(50),
                done(0),
            ]
            .concat(),
            false,
        ),
        ("busy", done(51), false),
        ("no such object", done(32), true),
    ];
    for (what, answer, good) in cases {
        let (port, task) = hostile(answer).await;
        let directory =
            LdapDirectory::new(&format!("ldap://127.0.0.1:{port}"), BASE, "(mail={address})", None).unwrap();
        let answers = LookUp::new(vec![Source::Ldap(directory)]).find(&address("alice@partner.example")).await;
        assert!(answers.found.is_none(), "{what}");
        assert_eq!(answers.failed.is_empty(), good, "{what}: {:?}", answers.failed);
        let question = task.await.unwrap();
        assert!(question.windows(21).any(|part| part == b"alice@partner.example"), "{what}");
    }
}

#[test]
fn t_123_ldaps_without_roots_is_refused() {
    for (url, filter) in [
        ("ldaps://127.0.0.1", "(mail={address})"),
        ("http://127.0.0.1", "(mail={address})"),
        ("ldap://a b", "(mail={address})"),
        ("ldap://127.0.0.1:x", "(mail={address})"),
        ("ldap://127.0.0.1", "(mail=x)"),
        ("ldap://127.0.0.1", "(mail={address}*)"),
    ] {
        assert!(LdapDirectory::new(url, BASE, filter, None).is_err(), "{url} {filter}");
    }
}

#[tokio::test]
async fn http_key_servers_are_asked_for_the_address_alone() {
    let alice = person("alice@partner.example");
    let pem = alice.certificate().to_pem();
    let server = Server::start(
        Arc::new(move |request| match request.starts_with(b"GET /pks?mail=alice%40partner.example ") {
            true => ok(pem.as_bytes()),
            false => b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }),
        None,
    )
    .await;
    let template = server.url("pks?mail={address}");
    let look_up = LookUp::new(vec![Source::Http(HttpDirectory::new(&template, None).unwrap())]);
    let found = look_up.find(&address("alice@partner.example")).await.found.unwrap();
    assert_eq!(found.certificates, [alice.certificate().clone()]);
    let nobody = look_up.find(&address("bob@partner.example")).await;
    assert!(nobody.found.is_none() && nobody.failed.is_empty());
    for odd in ["http://{domain}/x?{address}", "http://a/x", "ldap://a/{address}", "https://a/{address}"] {
        assert!(HttpDirectory::new(odd, None).is_err(), "{odd}");
    }
}

#[tokio::test]
async fn t_70_redirects_and_other_addresses_are_ignored_and_the_next_is_asked() {
    let (alice, mallory) = (person("alice@partner.example"), person("mallory@evil.example"));
    let good = Server::saying(ok(alice.certificate().der())).await;
    let other = Server::saying(ok(mallory.certificate().der())).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", good.url("x"));
    let away = Server::saying(redirect).await;
    let http = |server: &Server| Source::Http(HttpDirectory::new(&server.url("{address}"), None).unwrap());
    let at = address("alice@partner.example");
    let answers = LookUp::new(vec![http(&away), http(&other)]).find(&at).await;
    assert!(answers.found.is_none());
    assert_eq!((answers.failed.len(), good.count()), (1, 0));
    let answers = LookUp::new(vec![http(&away), http(&other), http(&good)]).find(&at).await;
    assert_eq!(answers.found.unwrap().certificates, [alice.certificate().clone()]);
}

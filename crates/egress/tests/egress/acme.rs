//! The client of ACME against a CA that is as difficult as it is told, and what CAA records say beforehand.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crypto::{KeyKind, SoftwareKey};
use egress::acme::{Account, AccountKey, AcmeClient, AcmeLimits, ExternalBinding, IssueMail, Status, check_issue_mail};
use egress::{CaaRecord, Error, FoundRecords, Records, TlsRoots};
use testkit::{AcmeServer, Misbehaviour, TestPki, TlsPki};

fn server(misbehaviour: Misbehaviour) -> (AcmeServer, AcmeClient) {
    let server = AcmeServer::start(TestPki::shared(), misbehaviour);
    let roots = TlsRoots::from_file(&server.tls().root()).unwrap();
    let client = AcmeClient::new(&server.url(), roots, AcmeLimits::default()).unwrap();
    (server, client)
}

fn key() -> AccountKey {
    AccountKey::new(Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap())).unwrap()
}

async fn account(client: &AcmeClient) -> Account {
    let key = key();
    let url = client.register(&key, &[], true, None).await.unwrap();
    Account { key, url }
}

#[tokio::test]
async fn an_order_says_what_is_to_be_proven_whatever_the_order_of_things() {
    for misbehaviour in [
        Misbehaviour::default(),
        Misbehaviour { refuse_nonces: 2, reordered: true, retry_after: Some("7"), ..Misbehaviour::default() },
    ] {
        let (_server, client) = server(misbehaviour.clone());
        let account = account(&client).await;
        let (url, order) = client.new_order(&account, "alice@inside.example").await.unwrap();
        assert_eq!(order.value.status, Status::Pending);
        assert_eq!(order.retry_after, misbehaviour.retry_after.map(|_| 7));
        assert_eq!(client.order(&account, &url).await.unwrap().value, order.value);
        let mut challenges = Vec::new();
        for url in &order.value.authorizations {
            challenges.extend(client.authorization(&account, url).await.unwrap().value.email_reply);
        }
        let [challenge] = challenges.as_slice() else { panic!("{challenges:?}") };
        assert_eq!((challenge.from.as_str(), challenge.status), ("acme@ca.example", Status::Pending));
        assert_eq!(client.respond(&account, &challenge.url).await.unwrap().value.status, Status::Processing);
    }
}

#[tokio::test]
async fn what_a_server_refuses_is_said_in_its_words() {
    let (server, client) = server(Misbehaviour::default());
    let account = account(&client).await;
    let refused = client.new_order(&account, "x@refused.example").await.unwrap_err();
    assert!(refused.to_string().contains("not for this (rejectedIdentifier)") && !refused.is_temporary(), "{refused}");
    let stranger = Account { key: key(), url: format!("{}x", account.url) };
    let refused = client.new_order(&stranger, "alice@inside.example").await.unwrap_err();
    assert!(refused.to_string().contains("accountDoesNotExist"), "{refused}");
    let forged = Account { key: key(), url: account.url.clone() };
    let refused = client.new_order(&forged, "alice@inside.example").await.unwrap_err();
    assert!(refused.to_string().contains("the signature is wrong"), "{refused}");
    // Every nonce is refused: it ends.
    server.behave(Misbehaviour { refuse_nonces: 1, ..Misbehaviour::default() });
    let refused = client.new_order(&account, "alice@inside.example").await.unwrap_err();
    assert!(refused.to_string().contains("badNonce") && refused.is_temporary(), "{refused}");
    server.behave(Misbehaviour { oversized: true, ..Misbehaviour::default() });
    let large = client.new_order(&account, "alice@inside.example").await.unwrap_err();
    assert!(matches!(large, Error::TooLarge { .. }), "{large}");
}

#[tokio::test]
async fn an_account_is_bound_to_a_customer_where_the_ca_wants_it() {
    let external_account = Some(("customer-17", "a2V5IG9mIGEgY3VzdG9tZXI"));
    let (_server, client) = server(Misbehaviour { external_account, ..Misbehaviour::default() });
    let bare = client.register(&key(), &[], true, None).await;
    assert!(matches!(bare, Err(Error::Useless { .. })), "{bare:?}");
    for (name, octets, fits) in [
        ("customer-17", "a2V5IG9mIGEgY3VzdG9tZXI", true),
        ("customer-17", "b3RoZXIga2V5", false),
        ("customer-18", "a2V5IG9mIGEgY3VzdG9tZXI", false),
    ] {
        let binding = ExternalBinding::from_base64url(name, octets).unwrap();
        let bound = client.register(&key(), &[], true, Some(&binding)).await;
        assert_eq!(bound.is_ok(), fits, "{bound:?}");
    }
    for (name, octets) in [("x", ""), ("", "AAAA"), ("x", "not base64")] {
        assert!(ExternalBinding::from_base64url(name, octets).is_err());
    }
}

#[tokio::test]
async fn t_123_t_120_an_acme_server_is_the_right_one_under_tls_and_sends_nobody_elsewhere() {
    let (server, _) = server(Misbehaviour::default());
    let stranger = TlsRoots::from_file(&TlsPki::for_names("IP:127.0.0.1").root()).unwrap();
    let client = AcmeClient::new(&server.url(), stranger.clone(), AcmeLimits::default()).unwrap();
    let unknown = client.directory().await.unwrap_err();
    assert!(unknown.to_string().contains("UnknownIssuer"), "{unknown}");
    let plain = server.url().replace("https:", "http:");
    assert!(matches!(AcmeClient::new(&plain, stranger, AcmeLimits::default()), Err(Error::Forbidden { .. })));
    // URLs that the server names: https, and not into our own network.
    let roots = TlsRoots::from_file(&server.tls().root()).unwrap();
    let client = AcmeClient::new(&server.url(), roots, AcmeLimits::default()).unwrap();
    let account = account(&client).await;
    for url in [server.url().replace("https:", "http:"), "https://127.0.0.2/x".into(), "https://10.0.0.1/x".into()] {
        let forbidden = client.order(&account, &url).await.unwrap_err();
        assert!(matches!(forbidden, Error::Forbidden { .. }), "{url}: {forbidden}");
    }
}

/// CAA records by name; a name with a question mark fails.
struct Caa(HashMap<&'static str, Vec<(bool, &'static str, &'static str)>>);

impl Records for Caa {
    fn txt<'a>(&'a self, _: &'a str) -> FoundRecords<'a, Vec<u8>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn caa<'a>(&'a self, name: &'a str) -> FoundRecords<'a, CaaRecord> {
        let found = self.0.get(name).cloned().unwrap_or_default();
        let read =
            |(critical, tag, value): (bool, &str, &str)| CaaRecord { critical, tag: tag.into(), value: value.into() };
        let away = name.starts_with("away.");
        Box::pin(
            async move { if away { Err(io::Error::other("away")) } else { Ok(found.into_iter().map(read).collect()) } },
        )
    }
}

#[tokio::test]
async fn caa_records_say_who_may_issue_for_mail() {
    let records = Caa(HashMap::from([
        ("mail.example", vec![(false, "issuemail", "ca.example; account=7"), (false, "issue", "web.example")]),
        ("web.example", vec![(false, "issue", "web.example")]),
        ("closed.example", vec![(false, "issuemail", ";")]),
        ("other.example", vec![(false, "issuemail", "other-ca.example")]),
        ("strict.example", vec![(true, "newthing", "x"), (false, "issuemail", "ca.example")]),
    ]));
    let ours = ["CA.example".to_owned()];
    for (domain, expected) in [
        ("mail.example", "let this CA issue"),
        ("sub.dept.mail.example", "the CAA records of mail.example let this CA issue"),
        ("web.example", "no CAA record restricts"),
        ("none.example", "no CAA record restricts"),
        ("closed.example", "let no CA issue"),
        ("other.example", "let other CAs issue for mail (issuemail): other-ca.example"),
        ("strict.example", "let no CA issue"),
        ("away.example", "cannot be asked for"),
    ] {
        let said = check_issue_mail(&records, domain, &ours).await.to_string();
        assert!(said.contains(expected), "{domain}: {said}");
    }
    let unnamed = check_issue_mail(&records, "mail.example", &[]).await;
    assert!(matches!(unnamed, IssueMail::Forbidden { .. }), "{unnamed:?}");
}

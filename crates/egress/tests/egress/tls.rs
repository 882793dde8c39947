//! Servers under TLS (CASES T-123): the right CA and the right name, or nothing is asked and nothing is said.

use std::sync::Arc;
use std::time::Duration;

use crypto::KeyKind;
use egress::look_up::{Bind, HttpDirectory, LdapDirectory};
use egress::{Error, LookUp, Source, TlsRoots};
use pki::EmailAddress;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::{TestPki, TlsPki};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::slapd::{ADMIN, BASE, PASSWORD, Slapd};

const ALICE: &str = "alice@partner.example";

fn roots(tls: &TlsPki) -> TlsRoots {
    TlsRoots::from_file(&tls.root()).unwrap()
}

/// What a directory says that is asked for alice.
async fn asked(source: Source) -> Result<usize, Error> {
    let answers = LookUp::new(vec![source]).find(&EmailAddress::parse(ALICE).unwrap()).await;
    match answers.failed.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(answers.found.map_or(0, |found| found.certificates.len())),
    }
}

#[tokio::test]
async fn t_123_ldaps_is_spoken_with_the_right_server_alone() {
    let alice = TestPki::shared().person(ALICE, KeyKind::P256);
    let (right, stranger) = (TlsPki::for_names("IP:127.0.0.1"), TlsPki::for_names("IP:127.0.0.1"));
    let people = [("Alice", ALICE)];
    let server = Slapd::start_with(&people, Some(&right));
    let ldap = |server: &Slapd, roots| {
        let made = LdapDirectory::new(&server.url(), BASE, "(mail={address})", Some(roots)).unwrap();
        made.bind(Bind { name: ADMIN.into(), password: PASSWORD.into() })
    };
    let at = EmailAddress::parse(ALICE).unwrap();
    ldap(&server, roots(&right)).publish(&at, &[alice.certificate().clone()]).await.unwrap();
    assert_eq!(asked(Source::Ldap(ldap(&server, roots(&right)))).await, Ok(1));
    // A CA that nobody trusts: not even the password is said.
    let unknown = asked(Source::Ldap(ldap(&server, roots(&stranger)))).await;
    assert!(
        matches!(&unknown, Err(Error::Unreachable { because, .. }) if because.contains("UnknownIssuer")),
        "{unknown:?}"
    );
    // Another server's certificate, of the right CA.
    let other = TlsPki::for_names("DNS:directory.partner.example,IP:127.0.0.2");
    let server = Slapd::start_with(&people, Some(&other));
    let wrong = asked(Source::Ldap(ldap(&server, roots(&other)))).await;
    assert!(
        matches!(&wrong, Err(Error::Unreachable { because, .. }) if because.contains("not valid for name")),
        "{wrong:?}"
    );
    // Without roots there is no ldaps at all.
    assert!(LdapDirectory::new(&server.url(), BASE, "(mail={address})", None).is_err());
}

/// An HTTPS server that has one certificate for everybody, and counts whom it has heard.
async fn https(tls: &TlsPki, body: Vec<u8>) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let (certificate, key) = tls.server();
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.shutdown()).await;
        }
    });
    (port, heard)
}

#[tokio::test]
async fn t_123_https_is_spoken_with_the_right_server_alone() {
    let alice = TestPki::shared().person(ALICE, KeyKind::P256);
    let (right, stranger) = (TlsPki::for_names("IP:127.0.0.1"), TlsPki::for_names("IP:127.0.0.1"));
    let (port, heard) = https(&right, alice.certificate().der().to_vec()).await;
    let directory = |port: u16, roots| {
        let template = format!("https://127.0.0.1:{port}/{{address}}");
        Source::Http(HttpDirectory::new(&template, Some(roots)).unwrap())
    };
    assert_eq!(asked(directory(port, roots(&right))).await, Ok(1));
    let unknown = asked(directory(port, roots(&stranger))).await;
    assert!(
        matches!(&unknown, Err(Error::Unreachable { because, .. }) if because.contains("UnknownIssuer")),
        "{unknown:?}"
    );
    let other = TlsPki::for_names("DNS:keys.partner.example");
    let (port, nobody) = https(&other, alice.certificate().der().to_vec()).await;
    let wrong = asked(directory(port, roots(&other))).await;
    assert!(
        matches!(&wrong, Err(Error::Unreachable { because, .. }) if because.contains("not valid for name")),
        "{wrong:?}"
    );
    // Neither was told for whom.
    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((count(&heard), count(&nobody)), (1, 0));
}

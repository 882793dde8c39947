//! What the organisation's own CA publishes, fetched by OpenSSL and over plain HTTP, from a portal without any key.

use crypto::KeyKind;
use directory::{Actor, KeyOrder, KeyRing, MasterKey, NewAuthority};
use pki::{Certificate, CertificateList, RevocationReason};
use testkit::Peer;

use crate::house::{House, address};

const EMMA: &str = "emma@muster.example";

#[test]
fn programs_fetch_lists_certificates_and_answers_without_logging_in() {
    let house = House::open();
    let by = Actor::System;
    // The gateway's side of it, in a process of its own in earnest.
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    let new = NewAuthority { url: Some(format!("{}/ca", house.base())), ..NewAuthority::named("Muster") };
    let [root, issuing] = house.run(ring.create_authority(&new, &by));
    let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&address(EMMA)) };
    let issue = || {
        let id = house.run(ring.issue(house.person(EMMA).id, &order, 100, &by));
        house.run(house.directory.credential(id)).certificate
    };
    let (good, bad) = (issue(), issue());
    house.run(ring.revoke(&bad, RevocationReason::KeyCompromise, &by));

    // What certificates point to is there.
    let browser = house.browser("en");
    for authority in [&root, &issuing] {
        let list = browser.get(&format!("/ca/{}.crl", authority.id));
        assert_eq!((list.status, list.header("content-type")), (200, "application/pkix-crl"));
        assert!(list.header("cache-control").contains("max-age") && list.cookies().is_empty());
        CertificateList::from_der(&list.octets).unwrap();
        let certificate = browser.get(&format!("/ca/{}.cer", authority.id));
        assert_eq!(certificate.header("content-type"), "application/pkix-cert");
        assert_eq!(Certificate::from_der(&certificate.octets).unwrap(), authority.certificate);
    }
    for path in ["/ca/0000000000000001.crl", "/ca/x.cer", "/ca/../keys", "/ca/", &format!("/ca/{}.pem", root.id)] {
        assert!(browser.get(path).status >= 300, "{path}");
    }

    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write("issuing.pem", issuing.certificate.to_pem());
    peer.write("chain.pem", format!("{}{}", issuing.certificate.to_pem(), root.certificate.to_pem()));
    let now = testkit::now().to_unix();
    for (certificate, expected) in [(&good, "leaf.pem: good"), (&bad, "leaf.pem: revoked")] {
        peer.write("leaf.pem", certificate.to_pem());
        let said = peer
            .run(&format!(
                "openssl ocsp -url {}/ca/ocsp -issuer issuing.pem -cert leaf.pem -CAfile chain.pem -attime {now} \
                 -validity_period 999999999 -timeout 20",
                house.base()
            ))
            .unwrap();
        assert!(String::from_utf8_lossy(&said).contains(expected), "{}", String::from_utf8_lossy(&said));
        // The same by GET, as RFC 6960 §A.1 has it: base64, percent-encoded.
        peer.run("openssl ocsp -no_nonce -issuer issuing.pem -cert leaf.pem -reqout request.der").unwrap();
        let base64 = mime::encode_base64(&peer.read("request.der")).replace(['\r', '\n'], "");
        let path = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let answer = browser.get(&format!("/ca/ocsp/{path}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/ocsp-response"));
        let response = pki::OcspResponse::from_der(&answer.octets).unwrap();
        assert!(response.is_about(certificate, &issuing.certificate));
    }
    // What is no request is told so, and nothing larger than one is read.
    for octets in [String::new(), "x".repeat(100), "x".repeat(1 << 20)] {
        let refused = browser.post_with("/ca/ocsp", &[], &[("x", &octets)]);
        let told = pki::OcspResponse::from_der(&refused.octets);
        assert!(matches!(told, Err(pki::Error::OcspRefused { refusal: pki::OcspRefusal::MalformedRequest })));
    }
}

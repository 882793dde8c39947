//! The organisation's own CA: what it issues, revokes and publishes.

use crypto::{KeyKind, MlDsaLevel, MlKemLevel};
use directory::{
    Actor, AuthorityRole, Error, HouseAuthority, KeyOrder, KeyPlace, KeyRing, KeyUse, Master, MasterKey, NewAuthority,
};
use pki::{
    Certificate, CertificateList, EmailAddress, OcspRefusal, OcspRequest, OcspResponse, Path, PathChecker, PathPolicy,
    Purpose, Rejected, Revocation, RevocationReason, Subject, TrustAnchors,
};
use testkit::{Peer, SoftHsm, TestPki};

use crate::house::{House, address, on_both};

const EMMA: &str = "emma@muster.example";
const BY: Actor = Actor::System;

async fn ring(house: &House) -> KeyRing {
    KeyRing::open(&house.directory, MasterKey::generate().unwrap()).await.unwrap()
}

fn order(kind: KeyKind, key_use: KeyUse) -> KeyOrder {
    KeyOrder { kind, key_use, ..KeyOrder::mailbox(&address(EMMA)) }
}

async fn issue(ring: &KeyRing, house: &House, order: &KeyOrder, days: u16) -> Certificate {
    let id = ring.issue(house.employee.id, order, days, &BY).await.unwrap();
    house.directory.credential(id).await.unwrap().certificate
}

/// What somebody outside says who trusts the root and fetches what is published.
async fn judge(house: &House, root: &HouseAuthority, leaf: &Certificate, purpose: Purpose) -> Result<Path, Rejected> {
    // Another process, which has no key.
    let portal = house.again().await;
    let authorities = portal.house_authorities().await.unwrap();
    let mut lists = Vec::new();
    for authority in &authorities {
        let der = portal.house_crl(authority.id).await.unwrap().unwrap();
        lists.push(CertificateList::from_der(&der).unwrap());
    }
    let mut anchors = TrustAnchors::new();
    anchors.add(root.certificate.clone());
    let chain = portal.employee_chain(&address(EMMA), leaf).await.unwrap();
    let policy = PathPolicy::at(house.directory.now())
        .purpose(purpose)
        .address(EmailAddress::parse(EMMA).unwrap())
        .revocation(Revocation::Required);
    PathChecker::new(&anchors, &policy).intermediates(&chain).crls(&lists).check(leaf)
}

/// What the responder says about it.
async fn ask(house: &House, issuer: &Certificate, leaf: &Certificate) -> Result<OcspResponse, OcspRefusal> {
    let request = OcspRequest::new(leaf, issuer, [7; 32]).unwrap();
    let der = house.again().await.ocsp_answer(request.der()).await.unwrap();
    match OcspResponse::from_der(&der) {
        Ok(response) => {
            assert!(request.is_answered_by(&response) && response.is_about(leaf, issuer));
            assert!(response.is_signed_for(issuer, house.directory.now()));
            Ok(response)
        }
        Err(pki::Error::OcspRefused { refusal }) => Err(refusal),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_the_house_issues_is_good_until_it_is_revoked() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let none = ring.issue(house.employee.id, &order(KeyKind::P256, KeyUse::Both), 365, &BY).await;
        assert!(matches!(none, Err(Error::NotFound { .. })));
        let [root, issuing] = ring.create_authority(&NewAuthority::named("Muster"), &BY).await.unwrap();
        assert_eq!((root.role, issuing.role), (AuthorityRole::Root, AuthorityRole::Issuing));
        for (kind, key_use, purpose) in [
            (KeyKind::Rsa2048, KeyUse::Both, Purpose::Encrypt),
            (KeyKind::P256, KeyUse::Both, Purpose::Sign),
            (KeyKind::Ed25519, KeyUse::Sign, Purpose::Sign),
            (KeyKind::X25519, KeyUse::Encrypt, Purpose::Encrypt),
            (KeyKind::MlDsa(MlDsaLevel::MlDsa44), KeyUse::Sign, Purpose::Sign),
            (KeyKind::MlKem(MlKemLevel::MlKem512), KeyUse::Encrypt, Purpose::Encrypt),
        ] {
            let leaf = issue(&ring, &house, &order(kind, key_use), 365).await;
            let path = judge(&house, &root, &leaf, purpose).await;
            assert!(path.is_ok(), "{kind:?}: {}", path.unwrap_err());
            assert!(ask(&house, &issuing.certificate, &leaf).await.is_ok());
        }
        let leaf = issue(&ring, &house, &order(KeyKind::P256, KeyUse::Both), 365).await;
        let signing = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
        assert_eq!(signing.certificate(), &leaf);
        ring.revoke(&leaf, RevocationReason::KeyCompromise, &BY).await.unwrap();
        let rejected = judge(&house, &root, &leaf, Purpose::Sign).await.unwrap_err();
        assert_eq!(rejected.revocation(), pki::RevocationStatus::Revoked);
        // Nothing is signed with it any more; mail to it is still read.
        let signing = ring.signing_credential(&address(EMMA)).await.unwrap();
        assert!(signing.is_none_or(|credential| credential.certificate() != &leaf));
        let decrypting = ring.decryption_credentials(&address(EMMA)).await.unwrap();
        assert!(decrypting.iter().any(|credential| credential.certificate() == &leaf));
        // Again is the same; somebody else's certificate is not ours to revoke.
        ring.revoke(&leaf, RevocationReason::Superseded, &BY).await.unwrap();
        let revoked = house.directory.house_certificates(Some(&address(EMMA)), 100).await.unwrap();
        let revoked: Vec<_> = revoked.iter().filter_map(|issued| issued.revoked).collect();
        assert_eq!(revoked, [(house.directory.now(), RevocationReason::KeyCompromise)]);
        let foreign = TestPki::shared().person(EMMA, KeyKind::P256);
        let refused = ring.revoke(foreign.certificate(), RevocationReason::Unspecified, &BY).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn openssl_agrees_with_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::at(&format!("sqlite:{}", folder.path().join("house.db").display()), false).await;
    let ring = ring(&house).await;
    let [root, issuing] = ring.create_authority(&NewAuthority::named("Muster"), &BY).await.unwrap();
    let good = issue(&ring, &house, &order(KeyKind::P256, KeyUse::Both), 365).await;
    let bad = issue(&ring, &house, &order(KeyKind::P256, KeyUse::Both), 365).await;
    ring.revoke(&bad, RevocationReason::AffiliationChanged, &BY).await.unwrap();

    let peer = Peer::in_folder(folder.path());
    peer.write("root.pem", root.certificate.to_pem());
    peer.write("issuing.pem", issuing.certificate.to_pem());
    peer.write("good.pem", good.to_pem());
    peer.write("bad.pem", bad.to_pem());
    let mut lists = String::new();
    for authority in [&root, &issuing] {
        let der = house.directory.house_crl(authority.id).await.unwrap().unwrap();
        lists.push_str(&asn1::encode_pem("X509 CRL", &der));
    }
    peer.write("lists.pem", lists);
    let at = house.directory.now().to_unix();
    let verify = format!(
        "openssl verify -attime {at} -purpose smimesign -crl_check_all -CRLfile lists.pem -CAfile root.pem -untrusted \
         issuing.pem -x509_strict"
    );
    peer.run(&format!("{verify} good.pem")).unwrap();
    let said = peer.run(&format!("{verify} bad.pem")).unwrap_err();
    assert!(said.contains("certificate revoked"), "{said}");
    // A request of OpenSSL's, the answer as the portal gives it, read by OpenSSL.
    for (name, expected) in [("good", "good.pem: good"), ("bad", "Reason: affiliationChanged")] {
        peer.run(&format!("openssl ocsp -issuer issuing.pem -cert {name}.pem -reqout request.der")).unwrap();
        let answer = house.directory.ocsp_answer(&peer.read("request.der")).await.unwrap();
        peer.write("answer.der", answer);
        peer.write("chain.pem", format!("{}{}", issuing.certificate.to_pem(), root.certificate.to_pem()));
        let said = peer
            .run(&format!(
                "openssl ocsp -respin answer.der -issuer issuing.pem -cert {name}.pem -CAfile chain.pem -attime {at} \
                 -validity_period 999999999"
            ))
            .unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(expected), "{said}");
    }
    let text = String::from_utf8(peer.run("openssl x509 -in good.pem -noout -text").unwrap()).unwrap();
    for expected in [
        format!("https://mail.muster.example/ca/{}.crl", issuing.id),
        format!("CA Issuers - URI:https://mail.muster.example/ca/{}.cer", issuing.id),
        "OCSP - URI:https://mail.muster.example/ca/ocsp".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} in {text}");
    }
}

#[tokio::test]
async fn what_is_published_is_renewed_before_it_ends() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let [root, issuing] = ring.create_authority(&NewAuthority::named("Muster"), &BY).await.unwrap();
        let leaf = issue(&ring, &house, &order(KeyKind::P256, KeyUse::Both), 365).await;
        assert_eq!(ring.publish().await.unwrap(), directory::Published::default(), "all is fresh");
        let list = || async {
            let der = house.directory.house_crl(issuing.id).await.unwrap().unwrap();
            CertificateList::from_der(&der).unwrap()
        };
        let first = list().await;
        house.clock.advance_seconds(25 * 3_600);
        assert_eq!(ring.publish().await.unwrap().answers, 1);
        house.clock.advance_days(3);
        let published = ring.publish().await.unwrap();
        assert_eq!((published.lists, published.answers), (1, 1));
        let second = list().await;
        assert!(second.number().unwrap() > first.number().unwrap() && second.this_update() > first.this_update());
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_ok());
        // The gateway is down for long: the answer is "later", and no list says "good" any more.
        house.clock.advance_days(8);
        assert_eq!(ask(&house, &issuing.certificate, &leaf).await.unwrap_err(), OcspRefusal::TryLater);
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_err());
        ring.publish().await.unwrap();
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_ok());

        // CASES T-51: nothing is said about what was not issued here.
        let stranger = TestPki::shared().person(EMMA, KeyKind::P256);
        let unknown = ask(&house, TestPki::shared().ca().certificate(), stranger.certificate()).await;
        assert_eq!(unknown.unwrap_err(), OcspRefusal::Unauthorized);
        let malformed = house.directory.ocsp_answer(b"GET / HTTP/1.1").await.unwrap();
        assert_eq!(malformed, OcspRefusal::MalformedRequest.to_der());
        // A CA that is retired still signs for what it issued, and issues no more.
        ring.retire_authority(issuing.id, &BY).await.unwrap();
        house.clock.advance_days(5);
        assert!(ring.publish().await.unwrap().lists >= 1);
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_ok());
        let refused = ring.issue(house.employee.id, &order(KeyKind::P256, KeyUse::Both), 30, &BY).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn the_house_issues_for_itself_alone() {
    on_both(|house| async move {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let copy = |key: &MasterKey| Master::from(MasterKey::from_base64(&key.to_base64()).unwrap());
        let both = vec![copy(&old), copy(&new)];
        let ring = KeyRing::open_with(&house.directory, both, vec![]).await.unwrap();
        let new_authority =
            NewAuthority { url: Some("http://pki.muster.example/".into()), ..NewAuthority::named("Muster") };
        let [_, issuing] = ring.create_authority(&new_authority, &BY).await.unwrap();
        assert_eq!(issuing.url, "http://pki.muster.example");
        for url in ["ftp://x.example", "", "http://ä.example"] {
            let odd = NewAuthority { url: Some(url.into()), ..new_authority.clone() };
            assert!(ring.create_authority(&odd, &BY).await.is_err(), "{url}");
        }
        let outside = KeyOrder {
            also_for: vec![EmailAddress::parse("ceo@other.example").unwrap()],
            ..order(KeyKind::P256, KeyUse::Both)
        };
        let refused = ring.issue(house.employee.id, &outside, 30, &BY).await;
        assert!(matches!(refused, Err(Error::NotAllowed { .. })));
        for days in [0, 1_186] {
            assert!(ring.issue(house.employee.id, &order(KeyKind::P256, KeyUse::Both), days, &BY).await.is_err());
        }
        // And who gets hold of the issuing key issues for nobody else either: the CA is bound to its domains.
        let constraint = issuing.certificate.extensions().name_constraints();
        assert!(constraint.is_some(), "the issuing CA has no name constraints");

        // A key that waits gets its certificate here; and one that stays with its owner, when the owner proves it.
        let waiting = ring.order_key(house.employee.id, &order(KeyKind::X25519, KeyUse::Encrypt), &BY).await.unwrap();
        let id = ring.issue_for_request(waiting.id, Subject::named("Emma"), 30, &BY).await.unwrap();
        assert_eq!(house.directory.credential(id).await.unwrap().key_use, KeyUse::Encrypt);
        assert!(ring.issue_for_request(waiting.id, Subject::named("Emma"), 30, &BY).await.is_err());
        let own = crypto::SoftwareKey::generate(KeyKind::P256).unwrap();
        let builder = pki::CertificateRequestBuilder::mailbox(
            Subject::named("somebody else"),
            EmailAddress::parse("ceo@other.example").unwrap(),
        );
        let request = builder.sign(&own).unwrap();
        let subject = Subject::named("Emma");
        let certify =
            |request| ring.certify_request(house.employee.id, request, KeyUse::Both, subject.clone(), 30, &BY);
        let certified = certify(&request).await.unwrap();
        assert_eq!(certified.email_addresses(), [address(EMMA).email().clone()], "of the request only the key counts");
        let mut forged = request.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        if let Ok(forged) = pki::CertificateRequest::from_der(&forged) {
            assert!(matches!(certify(&forged).await, Err(Error::Malformed { .. })));
        }

        // The CA's key follows the master key.
        assert!(ring.rotate(&copy(&new)).await.unwrap().keys >= 3);
        let ring = KeyRing::open(&house.directory, new).await.unwrap();
        ring.issue(house.employee.id, &order(KeyKind::P256, KeyUse::Both), 30, &BY).await.unwrap();
    })
    .await;
}

#[test]
fn t_129_a_ca_in_a_token_waits_for_it() {
    let Some(hsm) = SoftHsm::in_own_process("house_authority::t_129_a_ca_in_a_token_waits_for_it") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let house = House::at(&format!("sqlite:{}", hsm.folder().join("house.db").display()), false).await;
        let master = MasterKey::generate().unwrap();
        let ring = KeyRing::open_with(&house.directory, vec![master.into()], vec![hsm.token()]).await.unwrap();
        let place = KeyPlace::Token(SoftHsm::LABEL.into());
        let new = NewAuthority { place, kind: KeyKind::P256, ..NewAuthority::named("Muster") };
        let [root, _] = ring.create_authority(&new, &BY).await.unwrap();
        let leaf = issue(&ring, &house, &order(KeyKind::P256, KeyUse::Both), 365).await;
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_ok());
        house.clock.advance_seconds(60);
        hsm.remove();
        let refused = ring.issue(house.employee.id, &order(KeyKind::P256, KeyUse::Both), 365, &BY).await;
        assert!(refused.unwrap_err().is_temporary());
        // Revoked is revoked, even while no list can say so; the next hour's work makes up for it.
        let revoked = ring.revoke(&leaf, RevocationReason::KeyCompromise, &BY).await;
        assert!(revoked.unwrap_err().is_temporary());
        let signing = ring.signing_credential(&address(EMMA)).await.unwrap();
        assert!(signing.is_none(), "signed with a certificate that is revoked");
        assert!(ring.publish().await.unwrap_err().is_temporary());
        hsm.insert();
        house.clock.advance_seconds(60);
        let published = ring.publish().await.unwrap();
        assert_eq!((published.lists, published.answers), (1, 1));
        assert_eq!(ring.publish().await.unwrap(), directory::Published::default());
        assert!(judge(&house, &root, &leaf, Purpose::Sign).await.is_err());
    });
}

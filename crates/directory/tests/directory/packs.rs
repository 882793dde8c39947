//! Packs of roots: signed by somebody, trusted by two officers, as a whole.

use std::io::Write as _;

use crypto::KeyKind;
use directory::{Actor, Error, Origin, Pack, State, Submission};
use testkit::TestPki;

use crate::house::{House, address, on_both};

const ID_DATA: asn1::Oid = asn1::Oid::new("1.2.840.113549.1.7.1");

/// The roots of these, signed by the publisher of the pack.
fn pack(publisher: &testkit::Person, pkis: &[&TestPki]) -> Vec<u8> {
    let bundle: String = pkis.iter().map(|pki| pki.root().certificate().to_pem()).collect();
    let settings = cms::SignerSettings::new(&publisher.credential).unwrap();
    let mut writer = cms::SignedDataWriter::new(settings, vec![], ID_DATA, Vec::new());
    writer.write_all(bundle.as_bytes()).unwrap();
    writer.finish().unwrap()
}

async fn second_officer(house: &House) -> directory::PersonId {
    let new = directory::NewPerson {
        address: address("olga@muster.example"),
        name: "Olga".into(),
        company: None,
        language: directory::Language::German,
        roles: directory::Roles::of([directory::Role::Employee, directory::Role::Officer]),
        contact: None,
    };
    house.directory.add_person(new, &Actor::System).await.unwrap().id
}

#[tokio::test]
async fn t_62_a_pack_counts_once_a_second_officer_has_confirmed_it() {
    on_both(|house| async move {
        let (one, two) = (TestPki::new(), TestPki::new());
        let publisher = TestPki::shared().person("packs@authority.example", KeyKind::P256);
        let alice = one.person("alice@partner.example", KeyKind::P256);
        let mut submission = Submission::new(
            address("alice@partner.example"),
            alice.certificate().clone(),
            Origin::Officer,
            Actor::System,
        );
        submission.intermediates = vec![one.ca().certificate().clone(), one.root().certificate().clone()];
        let directory = &house.directory;
        let waiting = directory.submit(submission).await.unwrap();
        assert!(waiting.unknown_authority());
        let (first, second) = (pack(&publisher, &[&one, &two]), pack(&publisher, &[&two]));
        let (officer, other) = (house.officer.id, second_officer(&house).await);
        let proposed = directory.propose_pack(&first, "Sector", officer, "for insurers").await.unwrap();
        assert_eq!((proposed.signer(), proposed.roots().len()), (publisher.certificate(), 2));
        let again = directory.propose_pack(&first, "Sector", officer, "").await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        let trusted = |pki: &TestPki| {
            let root = pki.root().certificate().clone();
            async move { directory.trust_anchors().await.unwrap().contains(&root) }
        };
        assert!(!trusted(&one).await, "proposed is not trusted");
        let own = directory.confirm_pack(proposed.sha256(), officer).await;
        assert!(matches!(own, Err(Error::NotAllowed { .. })), "{own:?}");
        let employee = directory.confirm_pack(proposed.sha256(), house.employee.id).await;
        assert!(matches!(employee, Err(Error::NotAllowed { .. })), "{employee:?}");
        directory.confirm_pack(proposed.sha256(), other).await.unwrap();
        assert!(trusted(&one).await && trusted(&two).await);
        let after = directory.request(waiting.id()).await.unwrap().unwrap();
        assert_eq!(after.state(), State::Checked, "what waited for it goes on");
        // The next pack of the same publisher is a decision of its own.
        let next = directory.propose_pack(&second, "Sector 2", officer, "").await.unwrap();
        directory.confirm_pack(next.sha256(), other).await.unwrap();
        assert_eq!(directory.packs().await.unwrap().len(), 2);
        // Taken back by one; what the other pack vouches for stays.
        directory.withdraw_pack(proposed.sha256(), officer, "the publisher was broken into").await.unwrap();
        assert!(!trusted(&one).await && trusted(&two).await);
        directory.verify_audit().await.unwrap();
    })
    .await;
}

#[test]
fn a_pack_with_a_broken_signature_or_with_other_things_is_refused() {
    let publisher = TestPki::shared().person("packs@authority.example", KeyKind::P256);
    let good = pack(&publisher, &[TestPki::shared()]);
    Pack::parse(&good).unwrap();
    Pack::parse(asn1::encode_pem("CMS", &good).as_bytes()).unwrap();
    let at = good.windows(20).position(|part| part == &b"-----BEGIN CERTIFICATE-----"[..20]).unwrap();
    for index in [at + 60, good.len() - 3] {
        let mut broken = good.clone();
        broken[index] ^= 1;
        assert!(Pack::parse(&broken).is_err(), "{index}");
    }
    // Roots that nobody signed, a signature over nothing, and a list with a person in it.
    let bundle = TestPki::shared().root().certificate().to_pem();
    assert!(Pack::parse(bundle.as_bytes()).is_err());
    assert!(Pack::parse(&cms::certificates_only(&[TestPki::shared().root().certificate().clone()])).is_err());
    assert!(Pack::parse(&pack(&publisher, &[])).is_err());
    let settings = cms::SignerSettings::new(&publisher.credential).unwrap();
    let mut writer = cms::SignedDataWriter::new(settings, vec![], ID_DATA, Vec::new());
    writer.write_all(publisher.certificate().to_pem().as_bytes()).unwrap();
    assert!(Pack::parse(&writer.finish().unwrap()).is_err());
}

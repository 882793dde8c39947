//! CASES T-14, T-68: what is fetched about revocation, and what it does to certificates in use.

use crypto::KeyKind;
use directory::{Directory, Request, RevocationEntry, State};
use pki::{CertificateList, Revocation, RevocationListBuilder, RevocationReason, RevocationStatus};
use testkit::{Person, TestPki, now};

use crate::house::{House, address, on_both};

const URL: &str = "http://ca.example/ca.crl";
const ALICE: &str = "alice@partner.example";

fn alice() -> Person {
    let pki = TestPki::shared();
    pki.issue(&pki.mailbox(ALICE).crl_url(URL), KeyKind::P256)
}

fn list(number: u64, days: (i64, i64), revoked: Option<&Person>) -> CertificateList {
    let mut builder = RevocationListBuilder::new(number, now().plus_days(days.0), now().plus_days(days.1));
    if let Some(person) = revoked {
        let serial = person.certificate().serial().clone();
        builder = builder.revoke(serial, now().plus_days(-1), RevocationReason::KeyCompromise);
    }
    TestPki::shared().ca().issue_crl(&builder).unwrap()
}

async fn keep(directory: &Directory, request: &Request, list: &CertificateList) -> bool {
    let path = directory.trusted_path(request).await.unwrap().unwrap();
    let (index, source) = path.revocation_sources().remove(0);
    assert_eq!((index, source.uri.as_str()), (0, URL));
    let (this_update, next_update) = (list.this_update(), list.next_update().unwrap());
    let entry = RevocationEntry { source, der: list.der().to_vec(), this_update, next_update };
    directory.keep_revocation(&entry).await.unwrap()
}

async fn activate(house: &House, person: &Person) -> Request {
    let request = house.submit(person, ALICE).await;
    house.directory.confirm(&house.link(person).await).await.unwrap();
    house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "").await.unwrap()
}

#[tokio::test]
async fn t_68_a_certificate_that_is_revoked_later_is_not_used_any_more() {
    on_both(|house| async move {
        let (alice, at) = (alice(), address(ALICE));
        let request = activate(&house, &alice).await;
        let directory = &house.directory;
        assert_eq!(directory.active_certificates(&at).await.unwrap().len(), 1);
        assert_eq!(directory.assess(&request).await.unwrap().revocation(), RevocationStatus::Unknown);
        // It is looked after: at once, then not again within the hour, and by one process.
        let watched = directory.watched("one", 3600, 10).await.unwrap();
        assert_eq!(watched.iter().map(Request::id).collect::<Vec<_>>(), [request.id()]);
        assert!(directory.watched("two", 3600, 10).await.unwrap().is_empty());
        assert!(keep(directory, &request, &list(1, (-1, 5), None)).await);
        assert_eq!(directory.look_again(request.id()).await.unwrap().state(), State::Active);
        assert!(directory.watched("one", 3600, 10).await.unwrap().is_empty());
        house.clock.advance_seconds(3601);
        assert_eq!(directory.watched("one", 3600, 10).await.unwrap().len(), 1);
        let source = directory.trusted_path(&request).await.unwrap().unwrap().revocation_sources().remove(0).1;
        assert!(directory.is_revocation_due(&source, 3600).await.unwrap());
        assert!(keep(directory, &request, &list(2, (0, 5), Some(&alice))).await);
        assert!(!directory.is_revocation_due(&source, 3600).await.unwrap());
        let ended = directory.look_again(request.id()).await.unwrap();
        assert_eq!(ended.state(), State::Revoked);
        assert_eq!(ended.refusal().map(|refusal| refusal.code.as_str()), Some("revoked"));
        assert!(directory.active_certificates(&at).await.unwrap().is_empty());
        let last = directory.history(request.id()).await.unwrap().pop().unwrap();
        assert_eq!(last.action, "request.revoked");
        directory.verify_audit().await.unwrap();
        // The old list played back changes nothing.
        assert!(!keep(directory, &request, &list(1, (-1, 5), None)).await);
        let json = directory.assess(&ended).await.unwrap().to_json();
        assert_eq!((&json["outcome"], &json["reason"]), (&"refused".into(), &"revoked".into()));
        assert_eq!(json["path"].as_array().map(Vec::len), Some(3));
    })
    .await;
}

#[tokio::test]
async fn t_14_where_revocation_must_be_known_unknown_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let house = House::with(&url, |settings| {
        settings.revocation = Revocation::Required;
        // The issuing CA is trusted itself, so that one list tells everything.
        settings.trust = [TestPki::shared().ca().certificate().clone()].into_iter().collect();
    })
    .await;
    let (alice, at, directory) = (alice(), address(ALICE), house.directory.clone());
    let request = house.submit(&alice, ALICE).await;
    assert_eq!(request.state(), State::Received, "it waits, and is not refused");
    assert!(directory.lease_outbox("test", 10, 60).await.unwrap().is_empty());
    let waiting = directory.look_again(request.id()).await.unwrap();
    assert_eq!(waiting.state(), State::Received);
    assert!(keep(&directory, &request, &list(1, (-1, 5), None)).await);
    assert_eq!(directory.look_again(request.id()).await.unwrap().state(), State::Checked);
    directory.confirm(&house.link(&alice).await).await.unwrap();
    directory.approve(request.id(), &request.fingerprint(), house.officer.id, "").await.unwrap();
    assert_eq!(directory.active_certificates(&at).await.unwrap().len(), 1);
    assert_eq!(directory.assess(&request).await.unwrap().revocation(), RevocationStatus::Good);
    // Its end comes, and no new one: nothing is known any more, so nothing is used.
    house.clock.advance_days(6);
    assert!(directory.active_certificates(&at).await.unwrap().is_empty());
    directory.look_again(request.id()).await.unwrap();
    assert!(directory.active_certificates(&at).await.unwrap().is_empty());
    let source = directory.trusted_path(&request).await.unwrap().unwrap().revocation_sources().remove(0).1;
    directory.revocation_failed(&source, "it took too long").await.unwrap();
    assert!(!directory.is_revocation_due(&source, 3600).await.unwrap(), "not again at once");
    house.clock.advance_seconds(301);
    assert!(directory.is_revocation_due(&source, 3600).await.unwrap());
    assert!(keep(&directory, &request, &list(3, (5, 9), None)).await);
    directory.look_again(request.id()).await.unwrap();
    assert_eq!(directory.active_certificates(&at).await.unwrap().len(), 1);
}

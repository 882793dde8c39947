//! Lists of roots: proposed by one officer, looked at and confirmed by another, taken back by one.

use std::io::Write as _;

use crypto::KeyKind;
use directory::{Actor, Origin, State, Submission};
use testkit::TestPki;

use crate::house::{House, address};

/// The root of this, signed by somebody who publishes such lists.
pub(crate) fn list_of(pki: &TestPki) -> Vec<u8> {
    let publisher = TestPki::shared().person("lists@authority.example", KeyKind::P256);
    let settings = cms::SignerSettings::new(&publisher.credential).unwrap();
    let data = asn1::Oid::new("1.2.840.113549.1.7.1");
    let mut writer = cms::SignedDataWriter::new(settings, vec![], data, Vec::new());
    writer.write_all(pki.root().certificate().to_pem().as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn t_62_a_list_of_authorities_takes_two_officers_and_one_to_take_it_back() {
    let house = House::open();
    let pki = TestPki::new();
    let ulla = pki.person("ulla@unbekannt.example", KeyKind::P256);
    let by = Actor::Mail(address("ulla@unbekannt.example"));
    let certificate = ulla.certificate().clone();
    let mut submission = Submission::new(address("ulla@unbekannt.example"), certificate, Origin::IntakeMail, by);
    submission.intermediates = vec![pki.ca().certificate().clone(), pki.root().certificate().clone()];
    let waiting = house.run(house.directory.submit(submission));
    let state = || house.run(house.directory.request(waiting.id())).unwrap().state();
    assert_eq!(state(), State::Received);

    let otto = house.logged_in("otto@muster.example", "en");
    let form = otto.get("/board/packs");
    assert!(form.text().contains("There is no list"));
    let list = list_of(&pki);
    let fields = [("name", "Sector <1>"), ("why", "called the publisher")];
    let send = |fields: &[(&str, &str)], file: &[u8]| otto.upload_as("pack", &form, "/board/packs", fields, file);
    assert_eq!(send(&fields[..1], &list).status, 422, "without a reason");
    assert_eq!(send(&fields, b"nothing").status, 422);
    let mut forged = list.clone();
    let last = forged.len() - 9;
    forged[last] ^= 1;
    assert_eq!(send(&fields, &forged).status, 422, "the signature does not hold");
    let sent = send(&fields, &list);
    assert_eq!(sent.status, 303, "{}", sent.html);
    assert_eq!(send(&fields, &list).status, 409);
    let path = sent.location.clone();

    // What is to be known before one decides: who signed, and every root.
    let page = otto.get(&path);
    let root: Vec<String> =
        pki.root().certificate().sha256().as_bytes().iter().map(|octet| format!("{octet:02X}")).collect();
    assert!(page.text().contains(&root.join(" ")) && page.text().contains("lists"), "{}", page.text());
    assert!(page.html.contains("Sector &#60;1&#62;"));
    assert_eq!(otto.submit(&page, &format!("{path}/confirm"), &[]).status, 409, "not the own one");
    let anna = house.logged_in("anna@muster.example", "en");
    assert!(!anna.get(&path).html.contains("/confirm"), "an auditor decides nothing");
    assert_eq!(state(), State::Received);

    let olga = house.logged_in("olga@muster.example", "en");
    let page = olga.get(&path);
    assert_eq!(olga.submit(&page, &format!("{path}/confirm"), &[]).status, 303);
    assert_eq!(state(), State::Checked, "what waited for it goes on");
    assert!(olga.get("/board/packs").text().contains("trusted"));

    let page = otto.get(&path);
    assert_eq!(otto.submit(&page, &format!("{path}/withdraw"), &[("why", "broken into")]).status, 303);
    assert!(!house.run(house.directory.trust_anchors()).contains(pki.root().certificate()));
    assert_eq!(otto.get(&path).status, 404);
    let record = anna.get("/board/audit").text();
    for word in ["List of authorities proposed", "List of authorities confirmed", "List of authorities taken back"] {
        assert!(record.contains(word), "{word}: {record}");
    }
}

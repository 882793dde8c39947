//! T-62, T-66: decisions are bound to what was shown, and unknown CAs take two people.

use crypto::KeyKind;
use directory::State;
use pki::{CertificateBuilder, Issuer, Subject};

use crate::house::{House, address, certificate};

#[test]
fn t_66_an_approval_counts_for_the_fingerprint_that_was_shown_and_once() {
    let house = House::open();
    let person = certificate("petra@partner.example");
    let request = house.submit(&person, "petra@partner.example");
    let token = house.token(&person);
    let otto = house.logged_in("otto@muster.example", "en");
    let olga = house.logged_in("olga@muster.example", "en");
    let path = format!("/board/requests/{}", request.id());
    let shown = request.fingerprint().to_hex();
    let page = otto.get(&path);
    assert!(!page.html.contains("/approve"), "not before the partner has confirmed");
    assert_eq!(otto.submit(&page, &format!("{path}/approve"), &[("fingerprint", &shown)]).status, 409);
    house.run(house.directory.confirm(&token));

    let other = certificate("petra@partner.example").certificate().sha256().to_hex();
    let page = otto.get(&path);
    let stale = otto.submit(&page, &format!("{path}/approve"), &[("fingerprint", &other)]);
    assert_eq!(stale.status, 409);
    assert!(stale.text().contains("Something has changed"), "{}", stale.text());
    assert_eq!(otto.submit(&page, &format!("{path}/approve"), &[]).status, 400, "without a fingerprint");

    let theirs = olga.get(&path);
    assert_eq!(otto.submit(&page, &format!("{path}/approve"), &[("fingerprint", &shown)]).status, 303);
    let late = olga.submit(&theirs, &format!("{path}/refuse"), &[("fingerprint", &shown), ("reason", "no")]);
    assert_eq!(late.status, 409);
    assert_eq!(house.run(house.directory.request(request.id())).unwrap().state(), State::Active);
}

#[test]
fn a_refusal_needs_a_reason_that_the_partner_reads() {
    let house = House::open();
    let request = house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let otto = house.logged_in("otto@muster.example", "de");
    let path = format!("/board/requests/{}", request.id());
    let page = otto.get(&path);
    assert!(page.html.contains("<datalist"), "template reasons are offered");
    let shown = request.fingerprint().to_hex();
    assert_eq!(otto.submit(&page, &format!("{path}/refuse"), &[("fingerprint", &shown), ("reason", " ")]).status, 422);
    let reason = "Bitte das <neue> Zertifikat senden";
    let done = otto.submit(&page, &format!("{path}/refuse"), &[("fingerprint", &shown), ("reason", reason)]);
    assert_eq!((done.status, done.location.as_str()), (303, "/board"));
    let seen = house.logged_in("petra@partner.example", "de").get("/keys");
    assert!(seen.html.contains("Bitte das &#60;neue&#62; Zertifikat senden"), "{}", seen.html);
}

#[test]
fn t_62_an_unknown_authority_takes_two_officers() {
    let house = House::open();
    let now = testkit::now();
    let key = || std::sync::Arc::new(crypto::SoftwareKey::generate(KeyKind::P256).unwrap());
    let root =
        CertificateBuilder::authority(Subject::named("Fremde CA"), Some(1), now.plus_days(-9), now.plus_days(900));
    let root = Issuer::new_root(key(), &root).unwrap();
    let leaf = CertificateBuilder::mailbox(
        Subject::named("Petra"),
        address("petra@partner.example").email().clone(),
        now.plus_days(-1),
        now.plus_days(300),
    );
    let leaf = root.issue_credential(&leaf, key()).unwrap();
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    let file = format!("{}{}", leaf.certificate().to_pem(), root.certificate().to_pem());
    assert_eq!(petra.upload(&page, "/keys/upload", &[], &[("p.pem", file.as_bytes())]).status, 303);
    assert!(petra.get("/keys").text().contains("Wir kennen die Zertifizierungsstelle noch nicht"));

    let otto = house.logged_in("otto@muster.example", "de");
    let page = otto.get("/board/authorities");
    assert!(page.text().contains("Fremde CA"));
    let shown = root.certificate().sha256().to_hex();
    assert_eq!(otto.submit(&page, "/board/authorities/propose", &[("fingerprint", &shown)]).status, 422, "no reason");
    let fields = [("fingerprint", shown.as_str()), ("why", "am Telefon verglichen")];
    assert_eq!(otto.submit(&page, "/board/authorities/propose", &fields).status, 303);
    assert_eq!(
        otto.submit(&page, "/board/authorities/confirm", &[("fingerprint", &shown)]).status,
        409,
        "own proposal"
    );
    let state = || house.run(house.directory.requests(&directory::RequestFilter::All, 1))[0].state();
    assert_eq!(state(), State::Received);
    let olga = house.logged_in("olga@muster.example", "de");
    let page = olga.get("/board/authorities");
    assert_eq!(olga.submit(&page, "/board/authorities/confirm", &[("fingerprint", &shown)]).status, 303);
    assert_eq!(state(), State::Checked);

    // A file with something else in it proposes nothing.
    let wrong =
        otto.upload(&page, "/board/authorities/propose", &[("why", "x")], &[("leaf.cer", leaf.certificate().der())]);
    assert_eq!(wrong.status, 403, "a token of somebody else's session");
    let page = otto.get("/board/authorities");
    let wrong =
        otto.upload(&page, "/board/authorities/propose", &[("why", "x")], &[("leaf.cer", leaf.certificate().der())]);
    assert_eq!(wrong.status, 422);
}

#[test]
fn the_record_is_shown_with_names_and_verified() {
    let house = House::open();
    house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    for at in ["otto@muster.example", "anna@muster.example", "oskar@muster.example"] {
        let page = house.logged_in(at, "en").get("/board/audit?verify=yes");
        assert!(page.text().contains("The chain is without a gap"), "{}", page.text());
        assert!(
            page.text().contains("Certificate received") && page.text().contains("mail from petra@partner.example")
        );
    }
    // An auditor sees and does not decide.
    let request = house.run(house.directory.requests(&directory::RequestFilter::All, 1)).remove(0);
    let page = house.logged_in("anna@muster.example", "en").get(&format!("/board/requests/{}", request.id()));
    assert_eq!(page.status, 200);
    assert!(!page.html.contains("/refuse") && page.text().contains("You may read, but not decide"));
}

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
    // A double click is one approval, and the officer hears that it is.
    for _ in 0..2 {
        let done = otto.submit(&page, &format!("{path}/approve"), &[("fingerprint", &shown)]);
        assert_eq!((done.status, done.location.as_str()), (303, "/board"), "{}", done.text());
    }
    let pick = format!("{}:{shown}", request.id());
    let bulk = otto.submit(&page, "/board/approve", &[("pick", &pick)]);
    assert_eq!(bulk.location, "/board");
    assert!(otto.get("/board").text().contains("Approved and in use: 1"));
    let second = olga.submit(&theirs, &format!("{path}/approve"), &[("fingerprint", &shown)]);
    assert_eq!(second.status, 409, "that was somebody else");
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
    for _ in 0..2 {
        let done = otto.submit(&page, &format!("{path}/refuse"), &[("fingerprint", &shown), ("reason", reason)]);
        assert_eq!((done.status, done.location.as_str()), (303, "/board"));
    }
    let other = otto.submit(&page, &format!("{path}/refuse"), &[("fingerprint", &shown), ("reason", "etwas anderes")]);
    assert_eq!(other.status, 409);
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

#[test]
fn t_66_several_are_approved_at_once_each_for_the_fingerprint_in_its_row() {
    let house = House::open();
    let mut picks = Vec::new();
    for at in ["petra@partner.example", "paul@partner.example"] {
        let person = certificate(at);
        let request = house.submit(&person, at);
        let token = house.token(&person);
        house.run(house.directory.confirm(&token));
        picks.push(format!("{}:{}", request.id(), request.fingerprint().to_hex()));
    }
    house.submit(&certificate("nora@partner.example"), "nora@partner.example");
    let otto = house.logged_in("otto@muster.example", "en");
    let page = otto.get("/board");
    assert_eq!(page.html.matches("name=\"pick\"").count(), 2, "only what the partner has confirmed");
    for pick in &picks {
        assert!(page.html.contains(pick.as_str()));
    }
    let anna = house.logged_in("anna@muster.example", "en").get("/board");
    assert!(!anna.html.contains("name=\"pick\""), "an auditor picks nothing");

    assert_eq!(otto.submit(&page, "/board/approve", &[]).status, 303);
    assert!(otto.get("/board").text().contains("Please tick"));
    assert_eq!(otto.submit(&page, "/board/approve", &[("pick", &picks[0]), ("pick", "rubbish")]).status, 400);
    assert_eq!(active(&house), 0, "all or nothing of a form that is not ours");

    // One of the two is no longer what was shown.
    let (id, _) = picks[1].split_once(':').unwrap();
    let stale = format!("{id}:{}", certificate("paul@partner.example").certificate().sha256().to_hex());
    let done = otto.submit(&page, "/board/approve", &[("pick", &picks[0]), ("pick", &stale), ("why", "phoned")]);
    assert_eq!((done.status, done.location.as_str()), (303, "/board"));
    let shown = otto.get("/board").text();
    assert!(shown.contains("Approved: 1. Changed meanwhile and therefore not approved: 1."), "{shown}");
    assert_eq!(active(&house), 1);
    otto.submit(&page, "/board/approve", &[("pick", &picks[1])]);
    assert_eq!(active(&house), 2);
}

fn active(house: &House) -> usize {
    house.run(house.directory.requests(&directory::RequestFilter::InState(State::Active), 10)).len()
}

#[test]
fn the_board_shows_what_was_asked_for() {
    let house = House::open();
    for at in ["petra@partner.example", "paul@other.example", "p_l@partner.example"] {
        house.submit(&certificate(at), at);
    }
    let refused = house.submit(&certificate("nora@partner.example"), "nora@partner.example");
    let otto = house.person("otto@muster.example");
    house.run(house.directory.refuse(refused.id(), &refused.fingerprint(), otto.id, "no"));
    let browser = house.logged_in("otto@muster.example", "de");
    let found = |query: &str| {
        let page = browser.get(&format!("/board?{query}"));
        assert_eq!(page.status, 200, "{query}");
        let found = ["petra@", "paul@", "p_l@", "nora@"].iter().filter(|at| page.text().contains(**at)).count();
        (found, page)
    };
    for (query, count) in [
        ("state=checked", 3),
        ("state=refused", 1),
        ("state=all", 4),
        ("state=ended", 1),
        ("state=confirmed", 0),
        ("origin=intake-mail", 3),
        ("origin=portal-upload", 0),
        ("q=other.example", 1),
        ("q=PARTNER", 3),
        ("q=nora&state=checked", 0),
        // Signs of the database's own language are text.
        ("q=p_l", 1),
        ("q=%25", 0),
        ("q=%27+OR+1%3D1", 0),
        ("due=soon", 0),
        ("due=late", 0),
    ] {
        assert_eq!(found(query).0, count, "{query}");
    }
    let (_, page) = found("state=confirmed");
    assert!(page.text().contains("Kein Antrag passt dazu"));
    let (_, page) = found("q=%22%3E%3Cb%3E&state=checked");
    assert!(page.html.contains("value=\"&#34;&#62;&#60;b&#62;\"") && page.html.contains("value=\"checked\" selected"));
    house.clock.set(testkit::now().plus_days(6));
    let browser = house.logged_in("otto@muster.example", "de");
    for (query, count) in [("due=soon", 3), ("due=late", 0)] {
        assert_eq!(browser.get(&format!("/board?{query}")).html.matches("row-link").count(), count, "{query}");
    }
}

#[test]
fn an_officer_asks_back_in_the_partners_language_and_it_is_recorded() {
    let house = House::open();
    let request = house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    house.run(house.directory.lease_outbox("test", 100, 6000));
    let otto = house.logged_in("otto@muster.example", "en");
    let path = format!("/board/requests/{}", request.id());
    let (page, shown) = (otto.get(&path), request.fingerprint().to_hex());
    let ask = format!("{path}/ask");
    assert_eq!(otto.submit(&page, &ask, &[("fingerprint", &shown), ("question", " ")]).status, 422);
    let other = certificate("petra@partner.example").certificate().sha256().to_hex();
    assert_eq!(otto.submit(&page, &ask, &[("fingerprint", &other), ("question", "?")]).status, 409);
    let question = "Haben Sie am Montag gewechselt?\r\nBcc: evil@evil.example";
    let done = otto.submit(&page, &ask, &[("fingerprint", &shown), ("question", question)]);
    assert_eq!((done.status, done.location.as_str()), (303, path.as_str()), "{}", done.html);
    let seen = otto.get(&path).text();
    assert!(seen.contains("Question to the partner") && seen.contains("Haben Sie am Montag"), "{seen}");

    let sent = house.run(house.directory.lease_outbox("test", 100, 60));
    assert_eq!(sent.len(), 1, "nothing but the question");
    assert_eq!(sent[0].outgoing.kind, directory::OutgoingKind::Question);
    let mail = mail_parser::MessageParser::default().parse(&sent[0].outgoing.content).unwrap();
    assert_eq!(mail.to().unwrap().first().unwrap().address().unwrap(), "petra@partner.example");
    assert_eq!(mail.reply_to().unwrap().first().unwrap().address().unwrap(), "otto@muster.example");
    assert!(mail.bcc().is_none() && mail.subject().unwrap().starts_with("Rückfrage"));
    let body = mail.body_text(0).unwrap();
    assert!(body.contains("gewechselt?\nBcc") || body.contains("gewechselt?\r\nBcc"), "lines stay lines: {body}");
    assert!(body.contains("Otto Amt"), "{body}");
    assert_eq!(house.run(house.directory.request(request.id())).unwrap().state(), State::Checked);
    house.run(house.directory.verify_audit());
}

#[test]
fn a_confirmation_mail_that_came_back_is_said_where_people_wait_for_it() {
    let house = House::open();
    let request = house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let petra = house.logged_in("petra@partner.example", "de");
    assert!(petra.get("/keys").text().contains("Wir haben eine Nachricht an diese Adresse geschickt"));
    let mail = house.run(house.directory.lease_outbox("test", 1, 60)).remove(0);
    house.run(house.directory.give_up(&mail, "550 5.1.1 no such mailbox"));
    let seen = petra.get("/keys").text();
    assert!(seen.contains("kam zurück") && !seen.contains("Wir haben eine Nachricht an diese"), "{seen}");
    let otto = house.logged_in("otto@muster.example", "de");
    let seen = otto.get(&format!("/board/requests/{}", request.id())).text();
    assert!(seen.contains("Bestätigungsmail kam zurück") && seen.contains("550 5.1.1"), "{seen}");
}

#[test]
fn rules_are_in_the_readers_language() {
    let house = House::open();
    let good = house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    // Of a CA that nobody knows, with everything that may be odd about it.
    let stranger = testkit::TestPki::new();
    let ulla = stranger.person("ulla@unbekannt.example", KeyKind::P256);
    let by = directory::Actor::Mail(address("ulla@unbekannt.example"));
    let origin = directory::Origin::IntakeMail;
    let mut submission =
        directory::Submission::new(address("ulla@unbekannt.example"), ulla.certificate().clone(), origin, by);
    submission.intermediates = vec![stranger.ca().certificate().clone()];
    let bad = house.run(house.directory.submit(submission));
    for request in [good, bad] {
        let path = format!("/board/requests/{}", request.id());
        let german = house.logged_in("otto@muster.example", "de").get(&path);
        assert!(german.html.contains("<span lang=\"de\">"), "{}", german.html);
        assert!(!german.html.contains("<span lang=\"en\">"), "{}", german.html);
        let english = house.logged_in("otto@muster.example", "en").get(&path);
        assert!(english.html.contains("<span lang=\"en\">") && !english.html.contains("<span lang=\"de\">"));
    }
}

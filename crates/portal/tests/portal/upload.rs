//! T-63, T-64, T-73, T-110: what may be sent in, and what must not.

use directory::{RequestFilter, State};
use testkit::TestPki;

use crate::house::{House, address, certificate};

#[test]
fn t_63_a_certificate_for_somebody_elses_address_is_refused() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    let other = certificate("paul@partner.example");
    let answer = petra.upload(&page, "/keys/upload", &[], &[("paul.cer", other.certificate().der())]);
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("für eine andere Adresse ausgestellt"), "{}", answer.text());
    assert!(house.run(house.directory.active_certificates(&address("paul@partner.example"))).is_empty());
    assert!(house.run(house.directory.requests(&RequestFilter::For(address("paul@partner.example")), 9)).is_empty());
}

#[test]
fn t_64_nobody_sends_in_certificates_of_the_house() {
    let house = House::open();
    let own = certificate("emma@muster.example");
    let emma = house.logged_in("emma@muster.example", "de");
    let page = emma.get("/keys");
    assert!(!page.html.contains("/keys/upload"), "there is no form for it");
    assert_eq!(emma.upload(&page, "/keys/upload", &[], &[("e.cer", own.certificate().der())]).status, 403);
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    assert_eq!(petra.upload(&page, "/keys/upload", &[], &[("e.cer", own.certificate().der())]).status, 422);
    let requests = house.run(house.directory.requests(&RequestFilter::All, 9));
    assert!(requests.iter().all(|request| request.state() == State::Refused));
}

#[test]
fn t_73_a_private_key_is_dropped_and_its_owner_told_that_it_is_burnt() {
    let house = House::open();
    let person = certificate("petra@partner.example");
    let pem = format!("{}{}", person.certificate().to_pem(), asn1::encode_pem("PRIVATE KEY", &person.pkcs8));
    for (language, burnt) in [("de", "nicht mehr geheim"), ("en", "not secret any more")] {
        let petra = house.logged_in("petra@partner.example", language);
        let page = petra.get("/keys");
        for bytes in [&person.pkcs8[..], pem.as_bytes()] {
            let answer = petra.upload(&page, "/keys/upload", &[], &[("petra.pem", bytes)]);
            assert_eq!(answer.status, 422);
            assert!(answer.text().contains(burnt), "{}", answer.text());
        }
    }
    assert!(house.run(house.directory.requests(&RequestFilter::All, 9)).is_empty());
    let record = house.run(house.directory.audit_latest(50));
    assert_eq!(record.iter().filter(|entry| entry.action == "private-key.dropped").count(), 4);
    // The canary: nothing of the key is on the disk, in whatever form.
    let (canary, base64) = (&person.pkcs8[40..72], mime::encode_base64(&person.pkcs8));
    for entry in std::fs::read_dir(house.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            let has = |needle: &[u8]| content.windows(needle.len()).any(|window| window == needle);
            assert!(!has(canary) && !has(&base64.as_bytes()[20..52]), "{}", path.display());
        }
    }
}

#[test]
fn several_files_are_answered_one_by_one() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "en");
    let page = petra.get("/keys");
    let person = certificate("petra@partner.example");
    let ca = TestPki::shared().ca().certificate();
    let files: [(&str, &[u8]); 5] = [
        ("mine.cer", person.certificate().der()),
        ("ca.cer", ca.der()),
        ("empty.cer", b""),
        ("notes.txt", b"hello"),
        ("key.pem", &person.pkcs8),
    ];
    let answer = petra.upload(&page, "/keys/upload", &[], &files);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let text = petra.get("/keys").text();
    for expected in [
        "Certificate for",
        "none of yours",
        "The file is empty",
        "There is no certificate in it",
        "Your private key is in it",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    // The CA that came along was enough for the path.
    let request = house.run(house.directory.requests(&RequestFilter::All, 9)).remove(0);
    assert_eq!((request.state(), request.origin()), (State::Checked, directory::Origin::PortalUpload));
    let page = petra.get("/keys");
    assert_eq!(petra.upload(&page, "/keys/upload", &[], &[]).status, 422);
}

#[test]
fn t_110_the_portal_sends_three_confirmation_mails_a_day_and_takes_thirty_uploads_an_hour() {
    let house = House::open();
    let request = house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    let id = request.id().to_string();
    let statuses: Vec<u16> = (0..3).map(|_| petra.submit(&page, "/keys/resend", &[("request", &id)]).status).collect();
    assert_eq!(statuses, [303, 303, 429]);
    let counts: Vec<u16> = (0..31).map(|_| petra.upload(&page, "/keys/upload", &[], &[("x", b"x")]).status).collect();
    assert_eq!((counts[29], counts[30]), (422, 429));
}

#[test]
fn t_107_uploads_of_all_sessions_together_take_so_much_memory_and_no_more() {
    use std::io::Write as _;

    let house = House::with("http://portal.example", |settings| settings.upload_memory_bytes = 1 << 20);
    let (petra, paul) = (house.logged_in("petra@partner.example", "de"), house.logged_in("paul@partner.example", "de"));
    let (page, hers) = (paul.get("/keys"), petra.cookie("session"));
    // No file in it, so that it is no try.
    let upload = || paul.upload(&page, "/keys/upload", &[], &[]).status;
    assert_eq!(upload(), 422);
    // One announces the whole of it and dawdles.
    let mut slow = std::net::TcpStream::connect(house.base().strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /keys/upload HTTP/1.1\r\nHost: portal.example\r\nCookie: session={hers}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n--x",
        1 << 20
    );
    slow.write_all(head.as_bytes()).unwrap();
    let becomes = |status: u16| {
        (0..1200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            upload() == status
        })
    };
    assert!(becomes(503), "there is room for one");
    assert_eq!(paul.get("/keys").status, 200, "everything else goes on");
    drop(slow);
    assert!(becomes(422), "what broke off gives its room back");
}

//! F8, F5: reading, answering, files, and the contacts' certificates.

use directory::{Actor, Folder, KeyRing, KeyUse, MasterKey, MessageStore, NewMessage, OutgoingKind};
use testkit::TestPki;

use crate::house::{House, address};

const HTML: &str = "<html><body><h1>Angebot</h1><script>alert(1)</script><img src=\"https://evil.example/x.png\">\
                    <a href=\"javascript:alert(1)\">x</a></body></html>";

/// Puts a message of Emma's into Petra's webmailer, as the gateway does.
pub(crate) fn deliver(house: &House, content: &str, subject: &str) -> String {
    let key = house.directory.settings().store_key.clone();
    let store = MessageStore::open(&house.folder().join("messages"), key).unwrap();
    let body = house.run(store.put(content.as_bytes()));
    let new = NewMessage {
        partner: address("petra@partner.example"),
        folder: Folder::Inbox,
        correspondent: address("emma@muster.example"),
        subject: subject.into(),
        body,
        bytes: content.len() as u64,
    };
    house.run(house.directory.add_message(&new)).to_string()
}

fn mail() -> String {
    let bytes = mime::MessageBuilder::new()
        .field("From", "emma@muster.example")
        .field("Message-ID", "<first@muster.example>")
        .text_field("Subject", "Vertrag für Grün")
        .text("Guten Tag,\n\nanbei <b>der</b> Vertrag.\n")
        .attach(mime::Attachment {
            content_type: "text/html".into(),
            file_name: "Vertrag \u{202e}Grün.html".into(),
            content: HTML.into(),
        })
        .build();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn t_107_a_message_may_have_what_the_page_says_and_a_form_without_files_less() {
    let house = House::open();
    let id = deliver(&house, &mail(), "Vertrag");
    let petra = house.logged_in("petra@partner.example", "de");
    let path = format!("/messages/{id}/reply");
    let form = petra.get(&path);
    let fields = [("subject", "Re: Vertrag"), ("text", "Einverstanden")];
    let sent = petra.upload_as("attachment", &form, &path, &fields, &vec![7; 3 << 20]);
    assert_eq!((sent.status, sent.location.as_str()), (303, "/inbox?folder=sent"), "{}", sent.html);
    let long = "a&".repeat(50_000);
    let refused = petra.submit(&form, &path, &[("subject", "x"), ("text", &long)]);
    assert_eq!(refused.status, 413, "{}", refused.html);
    let kept = house.run(house.directory.messages(&address("petra@partner.example"), Folder::Sent, 9));
    assert!(kept.len() == 1 && kept[0].bytes > 3 << 20);
}

#[test]
fn f8_a_partner_reads_answers_downloads_and_deletes() {
    let house = House::open();
    let id = deliver(&house, &mail(), "Vertrag für Grün");
    let petra = house.logged_in("petra@partner.example", "de");
    assert!(petra.get("/inbox").text().contains("ungelesen: 1"));
    let page = petra.get(&format!("/messages/{id}"));
    assert!(page.html.contains("anbei &#60;b&#62;der&#60;/b&#62; Vertrag"), "{}", page.html);
    assert!(page.text().contains("Vertrag Grün.html"), "{}", page.text());
    assert!(!page.html.contains("<iframe"), "text is shown as text");
    assert!(!petra.get("/inbox").text().contains("ungelesen: 1"), "it has been read");

    let eml = petra.get(&format!("/messages/{id}.eml"));
    assert_eq!((eml.header("content-type"), eml.html.as_str()), ("message/rfc822", mail().as_str()));
    // T-100: a file is saved, never shown.
    let file = petra.get(&format!("/messages/{id}/attachments/0"));
    assert_eq!((file.header("content-type"), file.html.as_str()), ("application/octet-stream", HTML));
    assert!(file.header("content-disposition").starts_with("attachment; "));
    assert_eq!(petra.get(&format!("/messages/{id}/attachments/1")).status, 404);

    let form = petra.get(&format!("/messages/{id}/reply"));
    assert!(form.html.contains("Re: Vertrag für Grün") && form.html.contains("&#62; anbei"), "{}", form.html);
    let path = format!("/messages/{id}/reply");
    assert_eq!(petra.submit(&form, &path, &[("text", " ")]).status, 422);
    let fields = [("subject", "Re: Vertrag\r\nBcc: evil@evil.example"), ("text", "Einverstanden, Grüße")];
    let sent = petra.submit(&form, &path, &fields);
    assert_eq!((sent.status, sent.location.as_str()), (303, "/inbox?folder=sent"), "{}", sent.html);
    assert!(petra.get("/inbox?folder=sent").text().contains("Emma Muster"));
    let leased = house.run(house.directory.lease_outbox("test", 9, 60));
    let outgoing = &leased.iter().find(|leased| leased.outgoing.kind == OutgoingKind::Reply).unwrap().outgoing;
    assert_eq!(outgoing.recipient, address("emma@muster.example"));
    let entity = mime::Entity::parse(&outgoing.content, &mime::Limits::default()).unwrap();
    assert_eq!(entity.header().value("In-Reply-To").as_deref(), Some("<first@muster.example>"));
    assert_eq!(entity.header().get("Bcc").map(mime::Field::text), None, "no field is smuggled in (T-82)");
    assert!(entity.header().get("From").unwrap().text().contains("petra@partner.example"));
    assert_eq!(entity.text().trim(), "Einverstanden, Grüße");

    let page = petra.get(&format!("/messages/{id}"));
    assert_eq!(petra.submit(&page, &format!("/messages/{id}/delete"), &[]).status, 303);
    assert_eq!(petra.get(&format!("/messages/{id}")).status, 404);
}

#[test]
fn t_100_html_is_cleaned_and_shown_in_a_frame_that_can_do_nothing() {
    let house = House::open();
    let mail = format!("From: emma@muster.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{HTML}");
    let id = deliver(&house, &mail, "<script>alert(1)</script>");
    let petra = house.logged_in("petra@partner.example", "en");
    let page = petra.get(&format!("/messages/{id}"));
    assert!(page.html.contains("<iframe class=\"mail-frame\" sandbox=\"allow-popups"), "{}", page.html);
    assert!(!page.html.contains("<script") && !page.header("content-security-policy").contains("script-src"));
    let frame = petra.get(&format!("/messages/{id}/html"));
    assert!(frame.html.contains("<h1>Angebot</h1>"));
    for gone in ["script", "img", "evil.example", "javascript"] {
        assert!(!frame.html.contains(gone), "{gone}: {}", frame.html);
    }
    let policy = frame.header("content-security-policy");
    for part in ["sandbox allow-popups", "default-src 'none'", "frame-ancestors 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(frame.header("x-frame-options"), "SAMEORIGIN");
    assert!(petra.get("/inbox").html.contains("&#60;script&#62;"));
}

#[test]
fn t_103_somebody_elses_message_does_not_exist_and_bodies_are_sealed() {
    let house = House::open();
    let id = deliver(&house, &mail(), "geheim");
    let paul = house.logged_in("paul@partner.example", "de");
    for path in ["", ".eml", "/html", "/attachments/0", "/reply"] {
        assert_eq!(paul.get(&format!("/messages/{id}{path}")).status, 404, "{path}");
    }
    let form = paul.get("/write");
    for action in ["reply", "delete"] {
        assert_eq!(paul.submit(&form, &format!("/messages/{id}/{action}"), &[("text", "x")]).status, 404, "{action}");
    }
    for entry in std::fs::read_dir(house.folder().join("messages")).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!octets.windows(7).any(|window| window == b"Vertrag"), "the body lies open on the disk");
    }
}

#[test]
fn a_partner_writes_to_contacts_alone() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "en");
    let form = petra.get("/write");
    assert!(form.html.contains("emma@muster.example") && !form.html.contains("otto@muster.example"));
    for to in ["otto@muster.example", "anybody@else.example", ""] {
        assert_eq!(petra.submit(&form, "/write", &[("to", to), ("text", "x")]).status, 422, "{to}");
    }
    let fields = [("to", "emma@muster.example"), ("subject", "Frage"), ("text", "Hallo")];
    assert_eq!(petra.submit(&form, "/write", &fields).status, 303);
    let found = |q: &str| petra.get(&format!("/inbox?folder=sent&q={q}")).text().contains("Frage");
    assert!(found("fra") && found("emma%40muster") && !found("nothing"));
}

#[test]
fn f5_the_contacts_certificates_come_one_by_one_and_all_at_once() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "en");
    assert!(petra.get("/contacts").text().contains("No certificate yet"));
    let emma = house.person("emma@muster.example");
    let key = TestPki::shared().person("emma@muster.example", crypto::KeyKind::P256);
    let chain = [TestPki::shared().ca().certificate().clone()];
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    let import = ring.import(emma.id, &key.pkcs8, key.certificate(), &chain, KeyUse::Both, &Actor::System);
    house.run(import);
    let page = petra.get("/contacts");
    assert!(page.html.contains(&key.certificate().sha256().to_hex()));
    assert_eq!(petra.get(&format!("/contacts/{}.cer", emma.id)).octets, key.certificate().der());
    for name in [emma.id.to_string(), "all".into()] {
        for (kind, content_type) in [("vcf", "text/vcard"), ("p7c", "application/pkcs7-mime; smime-type=certs-only")] {
            let file = petra.get(&format!("/contacts/{name}.{kind}"));
            assert_eq!((file.status, file.header("content-type")), (200, content_type));
            let found = directory::harvest::harvest("file", &file.octets);
            let has = found.iter().any(|file| {
                matches!(&file.finding, directory::harvest::Finding::Certificates(all) if all.contains(key.certificate()))
            });
            assert!(has, "{name}.{kind}: {found:?}");
        }
    }
    // Paul does not write with Olga, nor Petra.
    let olga = house.person("olga@muster.example");
    assert_eq!(petra.get(&format!("/contacts/{}.cer", olga.id)).status, 404);
}

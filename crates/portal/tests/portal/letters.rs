//! What somebody wrote is sent once, and is not lost whatever stands in its way.

use directory::{Folder, OutgoingKind};

use crate::browser::{Browser, Page};
use crate::house::{House, PASSWORD, address};
use crate::messages::deliver;

const PETRA: &str = "petra@partner.example";
const EMMA: &str = "emma@muster.example";
const MAIL: &str = "From: emma@muster.example\r\nMessage-ID: <first@muster.example>\r\nSubject: Frage\r\n\r\nWann?\r\n";

/// The value of a hidden field.
fn hidden(page: &Page, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.html.split(&start).nth(1).unwrap_or_else(|| panic!("no {name} in {}", page.html));
    rest.split('"').next().unwrap().to_owned()
}

/// Sends what is in a form, with a file.
fn send(browser: &Browser, page: &Page, path: &str, text: &str, file: &[u8]) -> Page {
    let number = hidden(page, "number");
    let fields = [("number", number.as_str()), ("to", EMMA), ("subject", "Angebot"), ("text", text)];
    browser.upload_as("attachment", page, path, &fields, file)
}

fn replies(house: &House) -> usize {
    let leased = house.run(house.directory.lease_outbox("test", 99, 1));
    house.clock.advance_seconds(2);
    leased.iter().filter(|mail| mail.outgoing.kind == OutgoingKind::Reply).count()
}

fn in_sent(house: &House) -> usize {
    house.run(house.directory.messages(&address(PETRA), Folder::Sent, 99)).len()
}

#[test]
fn f8_a_letter_outlives_the_session_in_which_it_was_written() {
    let house = House::open();
    let id = deliver(&house, MAIL, "Frage");
    for path in ["/write".to_owned(), format!("/messages/{id}/reply")] {
        let before = in_sent(&house);
        let petra = house.logged_in(PETRA, "de");
        let form = petra.get(&path);
        assert_eq!(petra.submit(&petra.get("/keys"), "/logout", &[]).status, 303);
        let over = send(&petra, &form, &path, "Drei <b>Stunden</b>\nArbeit", &[7; 9000]);
        assert_eq!(over.status, 403);
        assert!(over.text().contains("Ihre Sitzung ist abgelaufen"), "{}", over.text());
        assert!(over.html.contains("Drei &#60;b&#62;Stunden&#60;/b&#62;\nArbeit</textarea>"), "{}", over.html);
        assert!(over.html.contains(&format!("href=\"/login?next={path}\" target=\"_blank\"")), "{}", over.html);
        // In another window.
        let log_in = petra.get("/login");
        assert_eq!(petra.submit(&log_in, "/login", &[("address", PETRA), ("password", PASSWORD)]).status, 303);
        // The form of a session that is over sends nothing by itself (T-101).
        let again = send(&petra, &over, &path, "Drei Stunden Arbeit", &[7; 9000]);
        assert_eq!((again.status, in_sent(&house)), (403, before));
        assert!(again.html.contains("Drei Stunden Arbeit</textarea>") && !again.text().contains("abgelaufen"));
        let sent = send(&petra, &again, &path, "Drei Stunden Arbeit", &[7; 9000]);
        assert_eq!((sent.status, in_sent(&house)), (303, before + 1), "{}", sent.html);
    }
}

#[test]
fn t_101_a_foreign_page_shows_nobody_a_letter() {
    let house = House::open();
    let fields = [("to", EMMA), ("subject", "x"), ("text", "Bitte zahlen")];
    for headers in [[("Sec-Fetch-Site", "cross-site")], [("Origin", "https://evil.example")]] {
        let page = house.browser("de").post_with("/write", &headers, &fields);
        assert!(page.status == 403 && !page.html.contains("zahlen"), "{}", page.html);
    }
}

#[test]
fn a_form_of_a_session_that_is_over_says_so_and_leads_back() {
    let house = House::open();
    let emma = house.logged_in(EMMA, "en");
    let form = emma.get("/partners/invite");
    let keys = emma.get("/keys");
    house.clock.advance_seconds(31 * 60);
    for (path, page) in [("/partners/invite", "/partners/invite"), ("/partners/password", "/partners")] {
        let answer = emma.submit(&form, path, &[("name", "X"), ("address", "x@y.example")]);
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("Your session has ended"), "{}", answer.text());
        assert!(answer.html.contains(&format!("href=\"/login?next={page}\"")), "{}", answer.html);
    }
    assert!(house.run(house.directory.person_at(&address("x@y.example"))).is_none());
    // Who logs out is logged out, however often they say so.
    assert_eq!(emma.submit(&keys, "/logout", &[]).location, "/login");
}

#[test]
fn t_107_attachments_that_are_too_large_cost_nobody_the_text() {
    let house = House::with("http://portal.example", |settings| settings.message_bytes = 1 << 20);
    let id = deliver(&house, MAIL, "Frage");
    let petra = house.logged_in(PETRA, "de");
    let path = format!("/messages/{id}/reply");
    let refused = send(&petra, &petra.get(&path), &path, "Ein langer Text", &vec![7; 3 << 20]);
    assert_eq!(refused.status, 413);
    let said = refused.text();
    assert!(said.contains("höchstens 1,0 MB") && !said.contains("Zertifikat hat"), "{said}");
    assert!(refused.html.contains("Ein langer Text</textarea>"), "{}", refused.html);
    let sent = send(&petra, &refused, &path, "Ein langer Text", b"small");
    assert_eq!((sent.status, in_sent(&house)), (303, 1), "{}", sent.html);
}

#[test]
fn f8_a_form_that_is_sent_twice_is_one_letter() {
    let house = House::open();
    let id = deliver(&house, MAIL, "Frage");
    let petra = house.logged_in(PETRA, "de");
    let path = format!("/messages/{id}/reply");
    let form = petra.get(&path);
    for _ in 0..2 {
        let sent = send(&petra, &form, &path, "Ja", b"file");
        assert_eq!((sent.status, sent.location.as_str()), (303, "/inbox?folder=sent"), "{}", sent.html);
    }
    // Later, too: the browser has the form for as long as somebody goes back to it.
    house.clock.advance_seconds(25 * 60);
    assert_eq!(send(&petra, &form, &path, "Ja", b"file").status, 303);
    assert_eq!((in_sent(&house), replies(&house)), (1, 1));
    let bodies = || std::fs::read_dir(house.folder().join("messages")).unwrap().count();
    assert_eq!(bodies(), 2, "the letter that came and the one that went");
    // What was changed is another letter, and so is the same in a fresh form.
    assert_eq!(send(&petra, &form, &path, "Ja, gern", b"file").status, 303);
    assert_eq!(send(&petra, &form, &path, "Ja", b"another file").status, 303);
    assert_eq!(send(&petra, &petra.get(&path), &path, "Ja", b"file").status, 303);
    assert_eq!((in_sent(&house), bodies()), (4, 5));
    // Somebody else's form with the same number is not taken for it.
    let paul = house.logged_in("paul@partner.example", "de");
    house.run(house.directory.record_contact(&address(EMMA), &address("paul@partner.example")));
    let page = paul.get("/write");
    let number = hidden(&form, "number");
    let fields = [("number", number.as_str()), ("to", EMMA), ("subject", "Angebot"), ("text", "Ja")];
    assert_eq!(paul.upload_as("attachment", &page, "/write", &fields, b"file").status, 303);
    assert_eq!(house.run(house.directory.messages(&address("paul@partner.example"), Folder::Sent, 9)).len(), 1);
}

#[test]
fn f8_a_draft_that_is_sent_twice_is_one_letter() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "de");
    let fields = [("to", EMMA), ("subject", "Angebot"), ("text", "Entwurf"), ("keep", "draft")];
    assert_eq!(petra.submit(&petra.get("/write"), "/write", &fields).status, 303);
    let drafts = house.run(house.directory.messages(&address(PETRA), Folder::Drafts, 9));
    let form = petra.get(&format!("/write?draft={}", drafts[0].id));
    let (number, draft) = (hidden(&form, "number"), hidden(&form, "draft"));
    for _ in 0..2 {
        let fields = [
            ("number", number.as_str()),
            ("draft", draft.as_str()),
            ("to", EMMA),
            ("subject", "Angebot"),
            ("text", "Fertig"),
        ];
        let sent = petra.submit(&form, "/write", &fields);
        assert_eq!((sent.status, sent.location.as_str()), (303, "/inbox?folder=sent"), "{}", sent.text());
    }
    assert_eq!((in_sent(&house), replies(&house)), (1, 1));
}

#[test]
fn f8_whoever_wrote_is_called_by_name() {
    let house = House::open();
    let html = "From: emma@muster.example\r\nContent-Type: text/html\r\n\r\n<h1>Hi</h1><a href=x>link</a>";
    let id = deliver(&house, html, "Frage");
    let petra = house.logged_in(PETRA, "de");
    let name = "Emma Muster &#60;emma@muster.example&#62;";
    assert!(petra.get(&format!("/messages/{id}")).html.contains(name));
    let form = petra.get(&format!("/messages/{id}/reply"));
    assert!(form.html.contains(&format!("schrieb {name}")), "{}", form.html);
    assert!(form.html.contains("&#62; Hi\n") && form.html.contains("&#62; link"), "{}", form.html);
}

#[test]
fn a_link_to_the_answer_of_a_form_leads_to_its_page() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "de");
    let refused = petra.upload(&petra.get("/keys"), "/keys/upload", &[], &[("x.txt", b"nothing")]);
    assert!(refused.status == 422 && refused.html.contains("href=\"/keys/upload?lang=en\""), "{}", refused.html);
    let other = petra.get("/keys/upload?lang=en");
    assert_eq!((other.status, other.location.as_str()), (303, "/keys"));
    assert!(petra.get("/keys").html.contains("<html lang=\"en\">"));
    let otto = house.logged_in("otto@muster.example", "de");
    for (path, page) in [
        ("/logout", "/"),
        ("/board/approve", "/board"),
        ("/board/requests/0000000000000001/approve", "/board/requests/0000000000000001"),
    ] {
        let answer = otto.get(path);
        assert_eq!((answer.status, answer.location.as_str()), (303, page));
    }
}

#[test]
fn what_is_too_large_or_too_often_says_how_to_go_on() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "de");
    let page = petra.get("/keys");
    let refused = petra.upload(&page, "/keys/upload", &[], &[("large.cer", &vec![7; 2 << 20])]);
    assert!(refused.status == 413 && refused.html.contains("class=\"button\" href=\"/keys\""), "{}", refused.html);
    let mut last = petra.upload(&page, "/keys/upload", &[], &[("x.txt", b"nothing")]);
    for _ in 0..40 {
        if last.status == 429 {
            break;
        }
        last = petra.upload(&page, "/keys/upload", &[], &[("x.txt", b"nothing")]);
    }
    assert_eq!(last.status, 429);
    let seconds: u64 = last.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&seconds) && last.html.contains("class=\"button\" href=\"/keys\""), "{}", last.html);
}

#[test]
fn a_file_that_has_no_certificate_is_told_what_to_send_instead() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "en");
    let page = petra.get("/keys");
    for (name, said) in [("mine.CSR", "This is the request"), ("mail.msg", "save the message as .eml")] {
        let refused = petra.upload(&page, "/keys/upload", &[], &[(name, b"nothing that is one")]);
        assert!(refused.status == 422 && refused.text().contains(said), "{}", refused.text());
    }
}

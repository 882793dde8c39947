//! Drafts: kept sealed, continued, sent, deleted, and nobody else's.

use directory::{Folder, MessagePlace, MessageStore, NewMessage, ObjectPlace, OutgoingKind};

use crate::browser::{Browser, Page};
use crate::house::{House, address};

const PETRA: &str = "petra@partner.example";
const EMMA: &str = "emma@muster.example";

/// The number of the only draft.
fn draft(house: &House) -> Option<String> {
    let drafts = house.run(house.directory.messages(&address(PETRA), Folder::Drafts, 9));
    assert!(drafts.len() <= 1, "{drafts:?}");
    drafts.first().map(|draft| draft.id.to_string())
}

fn write(browser: &Browser, page: &Page, fields: &[(&str, &str)]) -> Page {
    let fields: Vec<_> = [("to", EMMA), ("subject", "Angebot Grün")].iter().chain(fields).copied().collect();
    browser.submit(page, "/write", &fields)
}

#[test]
fn f8_a_draft_is_kept_continued_and_sent() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "en");
    assert!(petra.get("/inbox?folder=drafts").text().contains("No drafts"));
    let page = petra.get("/write");
    let kept = write(&petra, &page, &[("text", "Half of a <b> sentence\nand"), ("keep", "draft")]);
    assert_eq!((kept.status, kept.location.as_str()), (303, "/inbox?folder=drafts"), "{}", kept.text());
    let id = draft(&house).unwrap();
    let list = petra.get("/inbox?folder=drafts");
    assert!(list.text().contains("Your draft is saved.") && list.text().contains("Angebot Grün"), "{}", list.text());
    assert!(list.html.contains(&format!("href=\"/write?draft={id}\"")));
    assert!(!petra.get("/inbox?folder=sent").text().contains("Angebot"));
    // Sealed, in the store and in the database.
    for entry in std::fs::read_dir(house.folder().join("messages")).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!octets.windows(7).any(|piece| piece == b"of a <b"), "a body lies open");
    }
    let page = petra.get(&format!("/write?draft={id}"));
    assert!(page.html.contains("Half of a &#60;b&#62; sentence\nand"), "{}", page.html);
    // Kept again it is still one.
    let fields = [("draft", id.as_str()), ("text", "Half of another sentence"), ("keep", "draft")];
    assert_eq!(write(&petra, &page, &fields).status, 303);
    let second = draft(&house).unwrap();
    assert_ne!(second, id);
    let page = petra.get(&format!("/write?draft={second}"));
    assert_eq!(write(&petra, &page, &[("draft", &second), ("text", "")]).status, 422, "empty, and not sent");
    let sent = write(&petra, &page, &[("draft", &second), ("text", "The whole of it")]);
    assert_eq!(sent.location, "/inbox?folder=sent");
    assert_eq!(draft(&house), None);
    assert_eq!(petra.get(&format!("/write?draft={second}")).status, 404);
    let mails = house.run(house.directory.lease_outbox("test", 9, 60));
    let mails: Vec<_> = mails.iter().filter(|mail| mail.outgoing.kind == OutgoingKind::Reply).collect();
    assert_eq!(mails.len(), 1, "drafts stay in the house");
    // One body is left, that of the message in "sent".
    assert_eq!(std::fs::read_dir(house.folder().join("messages")).unwrap().count(), 1);
}

#[test]
fn f8_a_draft_of_an_answer_stays_an_answer() {
    let house = House::open();
    let key = house.directory.settings().store_key.clone();
    let store = MessageStore::open(&house.folder().join("messages"), key).unwrap();
    let mail = b"From: emma@muster.example\r\nMessage-ID: <first@muster.example>\r\nSubject: Frage\r\n\r\nWann?\r\n";
    let new = NewMessage {
        partner: address(PETRA),
        folder: Folder::Inbox,
        correspondent: address(EMMA),
        subject: "Frage".into(),
        body: house.run(store.put(mail)),
        bytes: mail.len() as u64,
    };
    let id = house.run(house.directory.add_message(&new));
    let petra = house.logged_in(PETRA, "de");
    let path = format!("/messages/{id}/reply");
    let page = petra.get(&path);
    assert_eq!(petra.submit(&page, &path, &[("text", "Bald"), ("keep", "draft")]).status, 303);
    let id = draft(&house).unwrap();
    let page = petra.get(&format!("/write?draft={id}"));
    assert!(page.html.contains("value=\"Re: Frage\""), "{}", page.html);
    assert_eq!(write(&petra, &page, &[("draft", &id), ("text", "Morgen")]).status, 303);
    let mails = house.run(house.directory.lease_outbox("test", 9, 60));
    let mail = String::from_utf8_lossy(&mails[0].outgoing.content).into_owned();
    assert!(mail.contains("In-Reply-To: <first@muster.example>"), "{mail}");
}

#[test]
fn t_103_somebody_elses_draft_does_not_exist() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "de");
    let page = petra.get("/write");
    assert_eq!(write(&petra, &page, &[("text", "Geheim"), ("keep", "draft")]).status, 303);
    let id = draft(&house).unwrap();
    let paul = house.logged_in("paul@partner.example", "de");
    for path in [format!("/write?draft={id}"), format!("/messages/{id}"), format!("/messages/{id}.eml")] {
        assert_eq!(paul.get(&path).status, 404, "{path}");
    }
    let page = paul.get("/write");
    assert_eq!(write(&paul, &page, &[("draft", &id), ("text", "x"), ("keep", "draft")]).status, 404);
    assert_eq!(paul.submit(&page, &format!("/messages/{id}/delete"), &[]).status, 404);
    assert!(draft(&house).is_some());
    // The owner deletes it.
    assert_eq!(petra.submit(&petra.get("/me"), &format!("/messages/{id}/delete"), &[]).status, 303);
    assert_eq!(draft(&house), None);
}

#[test]
fn r_06_while_the_store_is_away_nothing_is_sent_and_the_text_stays() {
    // A port that nobody listens on.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::with("http://portal.example", |settings| {
        settings.messages = MessagePlace::Objects(ObjectPlace {
            endpoint: Some(format!("http://{away}")),
            bucket: "sealpost".into(),
            region: "us-east-1".into(),
            prefix: "messages".into(),
            access_key: "key".into(),
            secret_key: "secret".to_owned().into(),
        });
    });
    let new = NewMessage {
        partner: address(PETRA),
        folder: Folder::Inbox,
        correspondent: address(EMMA),
        subject: "Angebot".into(),
        body: "00112233445566778899aabbccddeeff".parse().unwrap(),
        bytes: 9,
    };
    let id = house.run(house.directory.add_message(&new));
    let petra = house.logged_in(PETRA, "en");
    assert!(petra.get("/inbox").text().contains("Angebot"), "the list is there");
    let message = petra.get(&format!("/messages/{id}"));
    assert_eq!(message.status, 503, "{}", message.text());
    let page = petra.get("/write");
    for keep in ["", "draft"] {
        for path in ["/write".to_owned(), format!("/messages/{id}/reply")] {
            let fields = [("to", EMMA), ("subject", "Re"), ("text", "Everything I wrote"), ("keep", keep)];
            let answer = petra.submit(&page, &path, &fields);
            assert_eq!(answer.status, 503, "{path}: {}", answer.text());
            assert!(answer.html.contains("Everything I wrote") && answer.text().contains("Your text is still here"));
        }
    }
    for folder in [Folder::Drafts, Folder::Sent] {
        assert!(house.run(house.directory.messages(&address(PETRA), folder, 9)).is_empty());
    }
    assert!(house.run(house.directory.lease_outbox("test", 9, 60)).is_empty());
}

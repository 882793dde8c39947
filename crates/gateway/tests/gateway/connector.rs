//! The loop with a mail server in a cloud: ticket, loop mark, and whose certificate the client has.

use std::path::Path;

use gateway::{LoopMark, Settings};

use crate::access::{certificate, dialogue, message};
use crate::house::{ALICE, BOB, CAROL, House};
use crate::support::{contains, header, mail};

const TICKET: &str = "ticket-0123456789abcdef";
const INWARD: &str = "inward-0123456789abcdef";
const OUTWARD: &str = "outward-0123456789abcde";

fn looped(settings: &mut Settings) {
    let (inside, outside) = (INWARD.into(), OUTWARD.into());
    settings.loop_mark = Some(LoopMark { header: "X-Sealpost-Loop".into(), inside, outside });
    for listener in &mut settings.listeners {
        listener.ticket = Some(TICKET.into());
    }
}

fn with(fields: &str, mail: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), mail].concat()
}

#[tokio::test]
async fn only_mail_with_the_ticket_is_taken_and_the_ticket_goes_no_further() {
    let house = House::start(looped).await;
    let plain = mail(ALICE, CAROL, "x", "text");
    for fields in ["", "X-Sealpost-Ticket: wrong\r\n", "X-Sealpost-Ticket:\r\n", "Subject: X-Sealpost-Ticket\r\n"] {
        for (listener, from, to) in [(house.inside, ALICE, CAROL), (house.outside, BOB, ALICE)] {
            let replies = house.send(listener, from, &[to], &with(fields, &plain)).await;
            assert_eq!((replies[0].code(), replies[0].enhanced()), (550, "5.7.1"), "{fields}");
        }
    }
    let ticket = format!("X-Sealpost-Ticket: {TICKET}\r\n");
    for (listener, from, to, mark) in [(house.inside, ALICE, CAROL, OUTWARD), (house.outside, BOB, ALICE, INWARD)] {
        let replies = house.send(listener, from, &[to], &with(&ticket, &plain)).await;
        assert_eq!(replies[0].code(), 250, "{}", replies[0]);
        let arrived = house.mail(to).remove(0);
        assert!(!contains(&arrived, TICKET) && contains(&arrived, mark));
        assert_eq!(header(&arrived).all("X-Sealpost-Loop").count(), 1);
    }
}

#[tokio::test]
async fn t_85_mail_with_our_mark_passes_and_forged_marks_are_taken_out() {
    let house = House::start(looped).await;
    let ticket = format!("X-Sealpost-Ticket: {TICKET}\r\n");
    let forged = format!("{ticket}X-Sealpost-Loop: guessed\r\nx-sealpost-loop: again\r\n");
    let plain = mail(ALICE, CAROL, "x", "text");
    house.send(house.inside, ALICE, &[CAROL], &with(&forged, &plain)).await;
    let arrived = house.mail(CAROL).remove(0);
    assert!(contains(&arrived, "multipart/signed"), "a forged mark does not keep mail from being signed");
    assert!(!contains(&arrived, "guessed") && !contains(&arrived, "again"));

    let returned = format!("{ticket}X-Sealpost-Loop: {OUTWARD}\r\n");
    house.send(house.inside, ALICE, &[CAROL], &with(&returned, &plain)).await;
    let arrived = house.mail(CAROL).pop().unwrap();
    assert!(!contains(&arrived, "multipart/signed") && arrived.ends_with(&plain), "it passes untouched");
    // Round and round it goes, until somebody counts.
    let hops = "Received: from a by b; Tue, 24 Nov 2026 12:00:00 +0000\r\n".repeat(51);
    let replies = house.send(house.inside, ALICE, &[CAROL], &with(&format!("{returned}{hops}"), &plain)).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (554, "5.4.6"));
}

#[tokio::test]
async fn t_90_what_is_known_outside_or_inside_lets_no_mail_pass_for_judged() {
    let house = House::start(looped).await;
    let ticket = format!("X-Sealpost-Ticket: {TICKET}\r\n");
    let claims = "Authentication-Results: gate.inside.example; smime=pass\r\n";
    let results = |of: &str| header(&house.mail(of).pop().unwrap()).value("Authentication-Results");
    let forged = mail(BOB, ALICE, "[signed] hello", "text");
    // Every partner reads the mark on our mail to them; it is another one.
    let outward = format!("{ticket}X-Sealpost-Loop: {OUTWARD}\r\n{claims}");
    house.send(house.outside, BOB, &[ALICE], &with(&outward, &forged)).await;
    assert_eq!(results(ALICE).as_deref(), Some("gate.inside.example; smime=none"));
    assert!(!contains(&house.mail(ALICE)[0], OUTWARD), "it is taken out");
    // Who was sent incoming mail as an attachment knows the right one, and still cannot speak for us.
    let inward = format!("{ticket}X-Sealpost-Loop: {INWARD}\r\n{claims}");
    house.send(house.outside, BOB, &[ALICE], &with(&inward, &forged)).await;
    let arrived = header(&house.mail(ALICE).pop().unwrap());
    assert_eq!((arrived.value("Authentication-Results"), arrived.value("Subject").unwrap().as_str()), (None, "hello"));
    // CASES T-29: incoming mail that a rule forwards is treated like any that leaves; what has our results came in from
    // outside, and is signed for nobody.
    let message = mail(ALICE, CAROL, "Fwd: hello", "text");
    let mark = format!("{ticket}X-Sealpost-Loop: {INWARD}\r\n");
    for (fields, is_signed) in [(&mark, true), (&inward, false)] {
        let replies = house.send(house.inside, ALICE, &[CAROL], &with(fields, &message)).await;
        assert_eq!(replies[0].code(), 250, "{}", replies[0]);
        let sent = house.mail(CAROL).pop().unwrap();
        assert_eq!(contains(&sent, "multipart/signed"), is_signed);
        assert!(!contains(&sent, INWARD) && contains(&sent, OUTWARD));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_clients_below_the_root_only_the_named_one_is_spoken_to() {
    let files = tempfile::tempdir().unwrap();
    let folder: &Path = files.path();
    for (file, name) in [("server", "gate.inside.example"), ("cloud", "cloud.example"), ("other", "other.example")] {
        certificate(folder, file, name);
    }
    let both = ["cloud.pem", "other.pem"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap()).concat();
    std::fs::write(folder.join("roots.pem"), both).unwrap();
    let house = House::start(|settings| {
        settings.listeners[0].tls = Some((folder.join("server.pem"), folder.join("server.key")));
        settings.listeners[0].tls_clients = Some(folder.join("roots.pem"));
        settings.listeners[0].tls_client_names = vec!["cloud.example".into()];
    })
    .await;
    let said = format!("EHLO x.example\n{}", message(ALICE).replace("robot@inside.example", ALICE));
    let heard = dialogue(folder, house.inside, "-cert cloud.pem -key cloud.key", &said).await;
    assert!(heard.contains("250 2.1.5 delivered"), "{heard}");
    let heard = dialogue(folder, house.inside, "-cert other.pem -key other.key", &said).await;
    assert!(!heard.contains("250 2.1.0"), "{heard}");
    assert_eq!(house.mail(CAROL).len(), 1);
}

//! Headers that not everybody reads in the same way, and content that has lines or a header of its own making.

use smime::{Encryptor, Signer};

use crate::support::{OURS, Rig, contains, header, mail};

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";

fn signed(rig: &Rig, text: &str) -> String {
    let mail = mail(BOB, ALICE, "answer", text);
    String::from_utf8(Signer::new(&rig.bob.credential).unwrap().at(testkit::now()).sign(&mail).unwrap()).unwrap()
}

/// A mail whose encrypted content is this, whatever it is.
fn encrypted(rig: &Rig, content: &[u8]) -> Vec<u8> {
    let cms = Encryptor::to(rig.alice.certificate()).unwrap().encrypt_content(content).unwrap();
    format!(
        "From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
         smime-type=authEnveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        mime::encode_base64(&cms).as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n")
    )
    .into_bytes()
}

async fn arrived(rig: &Rig, mail: &[u8]) -> Vec<u8> {
    let replies = rig.send(rig.outside, BOB, &[ALICE], mail).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    rig.mail(ALICE).remove(0)
}

fn result(mail: &[u8]) -> String {
    header(mail).value("Authentication-Results").unwrap()
}

fn has_bare_line_end(mail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "");
    text.contains(['\r', '\n', '\0'])
}

#[tokio::test]
async fn t_08_a_sender_behind_a_line_of_blanks_is_not_called_the_signer() {
    let rig = Rig::start(|_| ()).await;
    let from = format!("From: {BOB}\r\n");
    for other in [" \r\n <chief@inside.example>\r\n", "\t\r\n", " \r\n Please pay 900.\r\n"] {
        let rig = Rig::start(|_| ()).await;
        let mail = signed(&rig, "CANARY").replacen(&from, &format!("{from}{other}"), 1);
        let arrived = arrived(&rig, mail.as_bytes()).await;
        assert!(result(&arrived).contains("smime=fail"), "{}", result(&arrived));
        assert!(!contains(&arrived, "[signed]") && contains(&arrived, "CANARY"));
        assert!(rig.book.learnt().is_empty());
    }
    let arrived = arrived(&rig, signed(&rig, "CANARY").as_bytes()).await;
    assert!(result(&arrived).contains("smime=pass"), "{}", result(&arrived));
}

#[tokio::test]
async fn t_01_text_in_a_header_is_not_shown_under_a_signature() {
    let rig = Rig::start(|_| ()).await;
    let stray = "Please transfer 48,000 EUR today.\r\n";
    let mail = signed(&rig, "CANARY").replacen("MIME-Version", &format!("{stray}MIME-Version"), 1);
    let arrived = arrived(&rig, mail.as_bytes()).await;
    assert!(result(&arrived).contains("smime=fail"), "{}", result(&arrived));
    assert!(!contains(&arrived, "[signed]") && contains(&arrived, "CANARY"));
    // Nothing is lost, and nobody takes it for the body's beginning.
    assert!(contains(&arrived, &format!("\r\nX-Sealpost-Stray-Line: {stray}")));
    assert_eq!(header(&arrived).ambiguity(), None);
}

#[tokio::test]
async fn t_07_a_text_before_the_signed_part_stays_one_that_nobody_sees() {
    let keep = |settings: &mut gateway::Settings| settings.incoming.keep_signature = true;
    let rig = Rig::start(keep).await;
    let mail = signed(&rig, "CANARY");
    let boundary = mail.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let bare = mail.replacen("MIME-Version: 1.0\r\n", "", 1);
    assert_ne!(bare, mail);
    let arrived = arrived(&rig, bare.as_bytes()).await;
    assert!(result(&arrived).contains("smime=pass"), "{}", result(&arrived));
    assert_eq!(header(&arrived).value("MIME-Version").as_deref(), Some("1.0"));
    // What others may take for another boundary, or for no multipart, is no signed mail.
    for (old, new) in [
        ("MIME-Version: 1.0", "MIME-Version: 2.0".to_owned()),
        (&format!("boundary=\"{boundary}\""), format!("boundary=\u{a0}{boundary}")),
        (&format!("boundary=\"{boundary}\""), format!("\u{3000}boundary=\"{boundary}\"")),
        ("Content-Type: ", "Content-Type:\u{a0}".to_owned()),
    ] {
        let rig = Rig::start(keep).await;
        let changed = mail.replacen(old, &new, 1);
        assert_ne!(changed, mail, "{old}");
        let arrived = self::arrived(&rig, changed.as_bytes()).await;
        assert!(!result(&arrived).contains("smime=pass") && !contains(&arrived, "[signed]"), "{new}");
    }
}

#[tokio::test]
async fn t_90_t_11_lines_of_blanks_hide_no_word_of_ours() {
    let rig = Rig::start(|_| ()).await;
    let plain = String::from_utf8(mail(BOB, ALICE, "hello", "text")).unwrap();
    let top = format!(" ; smime=pass body.smime-identifier=\"chief@inside.example\"\r\n{plain}");
    assert_eq!(
        result(&arrived(&rig, top.as_bytes()).await),
        format!("{OURS}; smime=permerror reason=\"this is neither a mail nor an S/MIME file\"")
    );
    let rig = Rig::start(|_| ()).await;
    let subject = plain.replacen("Subject: hello", "Subject:\r\n \r\n [signed] hello", 1);
    assert_eq!(header(&arrived(&rig, subject.as_bytes()).await).get("Subject").unwrap().text(), "hello");
    let rig = Rig::start(|_| ()).await;
    let results =
        plain.replacen("Subject", &format!("Authentication-Results:\r\n \r\n {OURS}; smime=pass\r\nSubject"), 1);
    let arrived = arrived(&rig, results.as_bytes()).await;
    assert_eq!(header(&arrived).all("Authentication-Results").count(), 1);
    assert_eq!(result(&arrived), format!("{OURS}; smime=none"));
}

#[tokio::test]
async fn t_89_odd_headers_of_others_stay_as_they_are() {
    let rig = Rig::start(|_| ()).await;
    let odd = "X-Odd: a\r\n \r\n\tb\r\nX-Other:c\r\n";
    let plain =
        String::from_utf8(mail(BOB, ALICE, "hello", "text")).unwrap().replacen("Subject", &format!("{odd}Subject"), 1);
    let arrived = arrived(&rig, plain.as_bytes()).await;
    assert!(arrived.ends_with(plain.as_bytes()), "{}", String::from_utf8_lossy(&arrived));
}

#[tokio::test]
async fn t_80_what_was_encrypted_leaves_in_whole_lines() {
    for content in [
        &b"Content-Type: text/plain\r\n\r\nCANARY\r.\rMAIL FROM:<chief@inside.example>\r\n"[..],
        b"Content-Type: text/plain\n\nCANARY\n.\nMAIL FROM:<chief@inside.example>\n",
        b"Content-Type: text/plain\rSubject: [signed] x\rAuthentication-Results: gate; smime=pass\r\n\r\nCANARY\r\n",
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nCANARY\0\r\n",
    ] {
        let rig = Rig::start(|_| ()).await;
        let arrived = arrived(&rig, &encrypted(&rig, content)).await;
        assert!(!has_bare_line_end(&arrived), "{:?}", String::from_utf8_lossy(&arrived));
        assert_eq!(header(&arrived).all("Subject").count(), 1);
        assert!(header(&arrived).get("Subject").unwrap().text().starts_with("[encrypted"));
        let entity = mime::Entity::parse(&arrived, &mime::Limits::default()).unwrap();
        assert!(contains(&entity.decoded_body(), "CANARY"));
    }
}

#[tokio::test]
async fn content_without_a_header_of_its_own_is_delivered_whole() {
    let rig = Rig::start(|_| ()).await;
    let arrived = arrived(&rig, &encrypted(&rig, b"Dear Alice,\r\n\r\nthe price is 100.\r\n")).await;
    let entity = mime::Entity::parse(&arrived, &mime::Limits::default()).unwrap();
    assert_eq!(entity.first_text().unwrap(), "Dear Alice,\r\n\r\nthe price is 100.\r\n");
}

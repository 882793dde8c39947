use gateway::{Tampered, Undecryptable};
use smime::{Encryptor, Signer};

use crate::support::{OURS, Rig, contains, header, mail};

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";

fn results(mail: &[u8]) -> Vec<String> {
    header(mail).all("Authentication-Results").map(mime::Field::value).collect()
}

fn signed(rig: &Rig, text: &str) -> Vec<u8> {
    Signer::new(&rig.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "answer", text)).unwrap()
}

fn encrypted(rig: &Rig, mail: &[u8]) -> Vec<u8> {
    Encryptor::to(rig.alice.certificate()).unwrap().encrypt(mail).unwrap()
}

#[tokio::test]
async fn an_answer_arrives_decrypted_and_verified() {
    let rig = Rig::start(|_| ()).await;
    let replies = rig.send(rig.outside, BOB, &[ALICE], &encrypted(&rig, &signed(&rig, "CANARY"))).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = rig.mail(ALICE).remove(0);
    assert!(contains(&arrived, "CANARY"));
    let results = results(&arrived);
    assert_eq!(results.len(), 1);
    assert!(results[0].starts_with(&format!("{OURS}; smime=pass ")), "{results:?}");
    assert!(results[0].contains("body.smime-identifier=\"bob@partner.example\""), "{results:?}");
    assert_eq!(header(&arrived).get("Subject").unwrap().text(), "[signed] answer");
    assert_eq!(rig.book.learnt(), [(BOB.to_owned(), rig.bob.certificate().clone())]);
}

#[tokio::test]
async fn a_tampered_answer_is_never_called_valid_and_the_layer_is_named() {
    let rig = Rig::start(|_| ()).await;
    let text = String::from_utf8(signed(&rig, "pay 100 to Bob")).unwrap().replace("pay 100", "pay 999");
    let replies = rig.send(rig.outside, BOB, &[ALICE], &encrypted(&rig, text.as_bytes())).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = rig.mail(ALICE).remove(0);
    let results = results(&arrived);
    assert_eq!(results.len(), 1);
    assert!(results[0].starts_with(&format!("{OURS}; smime=fail reason=\"layer 2 (signed): ")), "{results:?}");
    assert!(header(&arrived).get("Subject").unwrap().text().starts_with("[signature invalid]"));
    assert!(rig.book.learnt().is_empty(), "nothing is learnt from it");
}

#[tokio::test]
async fn a_tampered_answer_is_refused_where_the_policy_says_so() {
    let rig = Rig::start(|settings| settings.incoming.tampered = Tampered::Refuse).await;
    let text = String::from_utf8(signed(&rig, "pay 100 to Bob")).unwrap().replace("pay 100", "pay 999");
    let replies = rig.send(rig.outside, BOB, &[ALICE], text.as_bytes()).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (550, "5.7.5"));
    assert!(replies[0].text().contains("layer 1 (signed)"), "{}", replies[0]);
    assert!(rig.mail(ALICE).is_empty());
}

#[tokio::test]
async fn n_22_where_nothing_protects_against_change_a_refusal_is_no_answer_to_whoever_changed_it() {
    let rig = Rig::start(|settings| settings.incoming.tampered = Tampered::Refuse).await;
    let text = String::from_utf8(signed(&rig, "pay 100 to Bob")).unwrap().replace("pay 100", "pay 999");
    let cbc = |mail: &[u8]| {
        let encryptor = Encryptor::to(rig.alice.certificate()).unwrap().cipher(crypto::ContentCipher::Aes256Cbc);
        encryptor.encrypt(mail).unwrap()
    };
    // Decrypts, and the signature inside is broken.
    let tampered = rig.send(rig.outside, BOB, &[ALICE], &cbc(text.as_bytes())).await;
    // Does not decrypt: the last block's padding is not right.
    let mut cut = cbc(text.as_bytes());
    let at = cut[..cut.len() - 16].iter().rposition(u8::is_ascii_alphanumeric).unwrap();
    cut[at] = if cut[at] == b'A' { b'B' } else { b'A' };
    let undecryptable = rig.send(rig.outside, BOB, &[ALICE], &cut).await;
    assert_eq!(tampered[0].to_string(), undecryptable[0].to_string());
}

/// What whoever sends encrypted mail hears of it where it is held.
pub(crate) const HELD: &str = "451 4.7.5 the message cannot be decrypted for this recipient now";

/// Encrypted mail that does not go on, each for another reason.
fn that_fail(rig: &Rig) -> Vec<(&'static str, Vec<u8>)> {
    let to = |person: &testkit::Person| Encryptor::to(person.certificate()).unwrap();
    let text = mail(BOB, ALICE, "x", "pay 100 to Bob");
    let sealed = to(&rig.alice).encrypt(&text).unwrap();
    let cbc = to(&rig.alice).cipher(crypto::ContentCipher::Aes256Cbc).encrypt(&signed(rig, "text")).unwrap();
    let body = |mail: &[u8]| mail.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    // Another digit at a place of the body, counted from its end.
    let changed = |mail: &[u8], from_end: usize| {
        let mut changed = mail.to_vec();
        let digits: Vec<usize> = (body(mail)..mail.len()).filter(|&at| mail[at].is_ascii_alphanumeric()).collect();
        let at = digits[digits.len() - from_end];
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        changed
    };
    // Whether a digit near the end is in the padding depends on how long the mail has become.
    let (keys, limits) = ([rig.alice.credential.clone()], smime::Limits::in_folder(std::env::temp_dir()));
    let opens = |mail: &[u8]| matches!(smime::Decryptor::new(&keys, &limits).decrypt(mail), Ok(Ok(_)));
    let padded = (8..64).map(|from_end| changed(&cbc, from_end)).find(|mail| !opens(mail)).unwrap();
    let head = sealed[..body(&sealed)].to_vec();
    let holding = |content: &[u8]| {
        let cms = to(&rig.alice).encrypt_content(content).unwrap();
        [&head[..], base64(&cms).as_bytes()].concat()
    };
    let fields: String = (0..80_000).map(|number| format!("Content-{number}: x\r\n")).collect();
    let mut nested = String::from("Content-Transfer-Encoding: binary\r\n");
    for depth in 0..300 {
        nested.push_str(&format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"));
    }
    nested.push_str("\r\ntext \0\r\n");
    vec![
        ("to somebody else", to(&rig.bob).encrypt(&text).unwrap()),
        ("another tag", changed(&sealed, 8)),
        ("another ciphertext", changed(&sealed, 60)),
        ("another content key", changed(&sealed, sealed.len() / 2)),
        ("another padding", padded),
        ("another block", changed(&cbc, 600)),
        ("cut off", sealed[..body(&sealed) + (sealed.len() - body(&sealed)) / 2].to_vec()),
        ("too many fields inside", holding(format!("Content-Type: text/plain\r\n{fields}\r\ntext").as_bytes())),
        ("too deep inside", holding(nested.as_bytes())),
    ]
}

#[tokio::test]
async fn n_22_whatever_keeps_encrypted_mail_from_going_on_its_sender_hears_one_answer() {
    for (way, answer) in [(Undecryptable::Hold, HELD), (Undecryptable::DeliverEncrypted, "250 ")] {
        let rig = Rig::start(|settings| {
            settings.incoming.undecryptable = way;
            settings.limits.message_bytes = 5_000_000;
        })
        .await;
        for (why, message) in that_fail(&rig) {
            let before = rig.mail(ALICE).len();
            let reply = rig.send(rig.outside, BOB, &[ALICE], &message).await.remove(0).to_string();
            assert!(reply.starts_with(answer), "{why}: {reply}");
            let arrived = rig.mail(ALICE);
            assert_eq!(arrived.len(), before + usize::from(way == Undecryptable::DeliverEncrypted), "{why}");
            assert!(arrived.iter().all(|mail| !contains(mail, "pay 100")), "{why}");
        }
    }
}

#[tokio::test]
async fn t_08_a_genuine_signature_of_another_is_not_the_senders() {
    let rig = Rig::start(|_| ()).await;
    let text = String::from_utf8(signed(&rig, "text")).unwrap();
    let forged = text.replacen("From: bob@partner.example", "From: carol@partner.example", 1);
    rig.send(rig.outside, BOB, &[ALICE], forged.as_bytes()).await;
    let arrived = rig.mail(ALICE).remove(0);
    assert!(results(&arrived)[0].contains("smime=fail"), "{:?}", results(&arrived));
}

#[tokio::test]
async fn t_90_t_11_our_word_cannot_be_forged() {
    let rig = Rig::start(|_| ()).await;
    let forged = [
        format!("Authentication-Results: {OURS}; smime=pass\r\nX-Sealpost-Verdict: valid\r\n").into_bytes(),
        mail(BOB, ALICE, "[ѕigned] hello", "text"),
    ]
    .concat();
    rig.send(rig.outside, BOB, &[ALICE], &forged).await;
    let arrived = rig.mail(ALICE).remove(0);
    assert_eq!(results(&arrived), [format!("{OURS}; smime=none")]);
    assert_eq!(header(&arrived).get("Subject").unwrap().text(), "hello");
    assert!(header(&arrived).get("X-Sealpost-Verdict").is_none());
}

#[tokio::test]
async fn t_12_fields_inside_replace_none_outside() {
    let rig = Rig::start(|_| ()).await;
    let inner = format!(
        "From: chief@inside.example\r\nAuthentication-Results: {OURS}; smime=pass\r\nX-Evil: 1\r\n\
         Content-Type: text/plain\r\n\r\ntext\r\n"
    );
    let cms = Encryptor::to(rig.alice.certificate()).unwrap().encrypt_content(inner.as_bytes()).unwrap();
    let mut message = format!(
        "From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
         smime-type=authEnveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    let pem = base64(&cms);
    message.extend_from_slice(pem.as_bytes());
    let replies = rig.send(rig.outside, BOB, &[ALICE], &message).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = rig.mail(ALICE).remove(0);
    let header = header(&arrived);
    assert_eq!(header.get("From").unwrap().value(), BOB);
    assert!(header.get("X-Evil").is_none());
    // CASES T-32.
    assert_eq!(results(&arrived).len(), 1);
    assert!(results(&arrived)[0].contains("smime=none"), "{:?}", results(&arrived));
    assert!(header.get("Subject").unwrap().text().starts_with("[encrypted, sender not proven]"));
}

#[tokio::test]
async fn t_21_what_nothing_protects_against_change_stays_encrypted() {
    let rig = Rig::start(|_| ()).await;
    let cbc = Encryptor::to(rig.alice.certificate())
        .unwrap()
        .cipher(crypto::ContentCipher::Aes256Cbc)
        .encrypt(&mail(BOB, ALICE, "x", "CANARY"))
        .unwrap();
    rig.send(rig.outside, BOB, &[ALICE], &cbc).await;
    let arrived = rig.mail(ALICE).remove(0);
    assert!(!contains(&arrived, "CANARY"));
    assert!(results(&arrived)[0].contains("stays encrypted"), "{:?}", results(&arrived));
}

#[tokio::test]
async fn t_28_only_the_recipients_own_keys_open_a_mail() {
    let rig = Rig::start(|_| ()).await;
    // To dora on the envelope, encrypted for alice, whose key is here.
    let message = encrypted(&rig, &signed(&rig, "CANARY"));
    rig.send(rig.outside, BOB, &["dora@inside.example"], &message).await;
    let arrived = rig.mail("dora@inside.example").remove(0);
    assert!(!contains(&arrived, "CANARY"));
    assert!(results(&arrived)[0].contains("smime=none"), "{:?}", results(&arrived));
}

#[tokio::test]
async fn t_28_what_is_encrypted_under_a_signature_or_a_wrong_label_is_opened_for_each() {
    const DORA: &str = "dora@inside.example";
    let rig = Rig::start(|_| ()).await;
    let dora = testkit::TestPki::shared().person(DORA, crypto::KeyKind::P256);
    rig.book.employee(&dora, DORA);
    let both = |mail: &[u8]| {
        let encryptor = Encryptor::to(rig.alice.certificate()).unwrap().and(dora.certificate()).unwrap();
        encryptor.encrypt(mail).unwrap()
    };
    let signed_outside = Signer::new(&rig.bob.credential)
        .unwrap()
        .at(testkit::now())
        .sign(&both(&mail(BOB, ALICE, "answer", "CANARY")))
        .unwrap();
    let relabel = |mail: Vec<u8>| {
        let text = String::from_utf8(mail).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        let kept = |field: &&str| !field.starts_with("Content-") && !field.starts_with([' ', '\t']);
        let header: Vec<&str> = header.split("\r\n").filter(kept).collect();
        let label = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64";
        format!("{}\r\n{label}\r\n\r\n{body}", header.join("\r\n")).into_bytes()
    };
    let mislabelled = relabel(both(&signed(&rig, "CANARY")));
    for (number, message) in [signed_outside, mislabelled].into_iter().enumerate() {
        for to in [&[ALICE, DORA][..], &[ALICE][..]] {
            let before = rig.mail(ALICE).len();
            let replies = rig.send(rig.outside, BOB, to, &message).await;
            assert!(replies.iter().all(|reply| reply.is_positive()), "{replies:?}");
            assert_eq!(rig.mail(ALICE).len(), before + 1);
        }
        let arrived = [rig.mail(ALICE), rig.mail(DORA)].concat();
        assert_eq!(arrived.len(), (number + 1) * 3);
        for mail in arrived {
            assert!(contains(&mail, "CANARY"), "{number}: {}", String::from_utf8_lossy(&mail));
            assert!(results(&mail)[0].contains("smime=pass"), "{:?}", results(&mail));
        }
    }
}

#[tokio::test]
async fn t_28_one_attempt_makes_no_more_than_a_hundred_copies() {
    let rig = Rig::start(|_| ()).await;
    let all: Vec<String> = (0..101).map(|number| format!("p{number}@inside.example")).collect();
    for name in &all {
        rig.create(name);
        rig.book.employee(&rig.alice, name);
    }
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    let message = encrypted(&rig, &mail(BOB, ALICE, "x", "CANARY"));
    let replies = rig.send(rig.outside, BOB, &to, &message).await;
    assert!(replies.iter().any(|reply| (400..500).contains(&reply.code())), "{}", replies[0]);
    let have: usize = to.iter().map(|of| rig.mail(of).len()).sum();
    assert_eq!(have, 100, "{}", replies[0]);
    let replies = rig.send(rig.outside, BOB, &to, &message).await;
    assert!(replies.iter().all(|reply| reply.is_positive()), "{}", replies[0]);
    assert!(to.iter().all(|of| rig.mail(of).len() == 1), "each has one copy");
}

#[tokio::test]
async fn t_83_nothing_is_relayed() {
    let rig = Rig::start(|_| ()).await;
    for to in [BOB, "bob%partner.example@inside.example"] {
        let replies = rig.send(rig.outside, "eve@evil.example", &[to], &mail(BOB, ALICE, "x", "text")).await;
        assert_eq!(replies[0].code(), 550, "{to}");
    }
}

#[tokio::test]
async fn t_53_what_is_taken_off_a_message_is_no_more_than_twice_the_largest_message() {
    let lines: String = (0..100_000).map(|number| format!("line {number:08}\r\n")).collect();
    let entity = format!("Content-Type: text/plain\r\n\r\n{lines}");
    let mut writer = cms::CompressedDataWriter::new(cms::oids::ID_DATA, Vec::new()).unwrap();
    std::io::Write::write_all(&mut writer, entity.as_bytes()).unwrap();
    let compressed = writer.finish().unwrap();
    assert!(compressed.len() * 2 < entity.len() / 2 && compressed.len() * 100 > entity.len());
    let message = format!(
        "From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
         smime-type=compressed-data; name=smime.p7z\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        base64(&compressed)
    );
    for (most, result) in [(entity.len() / 2, "smime=none"), (entity.len() / 2 - 1, "smime=permerror")] {
        let most = u64::try_from(most).unwrap();
        let rig = Rig::start(|settings| settings.limits.message_bytes = most).await;
        let replies = rig.send(rig.outside, BOB, &[ALICE], message.as_bytes()).await;
        assert_eq!(replies[0].code(), 250, "{}", replies[0]);
        let results = results(&rig.mail(ALICE)[0]);
        assert!(results[0].contains(result), "{most}: {results:?}");
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let word = chunk.iter().fold(0_u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * place) & 63).unwrap();
            out.push(if place <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
        if index % 19 == 18 {
            out.push_str("\r\n");
        }
    }
    out + "\r\n"
}

#[tokio::test]
async fn t_37_html_that_was_decrypted_is_cleaned_when_that_is_wanted() {
    let html = format!(
        "From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\
         <p>CANARY <img src=\"https://evil.example/x\"><span style=\"display:none\">secret</span></p>\r\n"
    );
    let text = |mail: &[u8]| mime::Entity::parse(mail, &mime::Limits::default()).unwrap().text();
    let all_text = |mail: &[u8]| {
        let entity = mime::Entity::parse(mail, &mime::Limits::default()).unwrap();
        entity.walk().iter().map(|part| part.text()).collect::<String>()
    };
    for wanted in [false, true] {
        let rig = Rig::start(|settings| settings.incoming.clean_html = wanted).await;
        let signed = Signer::new(&rig.bob.credential).unwrap().at(testkit::now()).sign(html.as_bytes()).unwrap();
        rig.send(rig.outside, BOB, &[ALICE], &encrypted(&rig, &signed)).await;
        let arrived = rig.mail(ALICE).pop().unwrap();
        assert!(text(&arrived).contains("CANARY") && text(&arrived).contains("secret"));
        assert!(results(&arrived)[0].contains("smime=pass"), "{:?}", results(&arrived));
        assert_eq!(text(&arrived).contains("evil.example"), !wanted, "{}", text(&arrived));
        assert_eq!(header(&arrived).all("Content-Type").count(), 1);
        // A signature that does not hold keeps nothing from being cleaned.
        let broken = String::from_utf8(signed).unwrap().replace("CANARY", "CHANGED");
        rig.send(rig.outside, BOB, &[ALICE], &encrypted(&rig, broken.as_bytes())).await;
        let arrived = rig.mail(ALICE).into_iter().find(|mail| all_text(mail).contains("CHANGED")).unwrap();
        assert_eq!(contains(&arrived, "evil.example"), !wanted);
        let notes = header(&arrived).value("X-Sealpost-Note").unwrap_or_default();
        assert_eq!(notes.contains("hidden text shows"), wanted, "{notes}");
        // What came in the clear is not ours to change.
        rig.send(rig.outside, BOB, &[ALICE], html.as_bytes()).await;
        assert!(rig.mail(ALICE).iter().any(|mail| text(mail).contains("CANARY") && contains(mail, "<img")));
    }
}

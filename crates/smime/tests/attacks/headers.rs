//! Genuine signatures under headers that not everybody reads in the same way.

use crypto::KeyKind;
use pki::Credential;
use smime::{Encryptor, Limits, Policy, Sender, SignatureForm, Signer, Verifier};
use testkit::TestPki;

const TO: &str = "To: bob@example.org\r\nSubject: x\r\n";

fn policy() -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), Limits::in_folder(std::env::temp_dir()))
}

fn person(address: &str) -> Credential {
    TestPki::shared().person(address, KeyKind::P256).credential
}

/// Signed by `address`, who is also the one in From.
fn signed(address: &str, form: SignatureForm) -> String {
    let mail =
        format!("From: {address}\r\n{TO}MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n");
    let signer = Signer::new(&person(address)).unwrap().at(testkit::now()).form(form);
    String::from_utf8(signer.sign(mail.as_bytes()).unwrap()).unwrap()
}

fn accept(mail: &str, keys: &[Credential]) -> Result<(), String> {
    let policy = policy();
    let verification =
        Verifier::new(&policy).with_keys(keys).verify(mail.as_bytes()).map_err(|error| error.to_string())?;
    verification.accept(&Sender::VisibleFrom).map(drop).map_err(|rejected| rejected.to_string())
}

fn refused(mail: &str, because: &str) {
    let reason = accept(mail, &[]).unwrap_err();
    assert!(reason.contains(because), "{reason}\n{mail}");
}

#[test]
fn t_08_a_sender_behind_a_line_of_blanks_is_the_sender() {
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let mail = signed("eve@example.org", form);
        assert_eq!(accept(&mail, &[]), Ok(()));
        let from = "From: eve@example.org\r\n";
        for blanks in [" ", "\t", "  \t", ""] {
            let two = format!("From: eve@example.org\r\n{blanks}\r\n <alice@example.org>\r\n");
            let mail = mail.replacen(from, &two, 1);
            assert!(accept(&mail, &[]).is_err(), "{mail}");
        }
        // It is Eve's address and a line that says nothing: some show the rest of the header as text.
        refused(&mail.replacen(from, "From: eve@example.org\r\n \r\n", 1), "a line of blanks alone");
        refused(
            &mail.replacen(from, "Subject: y\r\n \r\n Pay 900 to Eve.\r\nFrom: eve@example.org\r\n", 1),
            "blanks alone",
        );
    }
}

#[test]
fn t_01_text_in_a_header_is_under_nobodys_signature() {
    let mail = signed("alice@example.org", SignatureForm::Clear);
    for stray in [
        "Please pay 900 to Eve today.\r\n",
        "Pay: \0900\r\n\0: x\r\n",
        ": 900 to Eve\r\n",
        "Pay 900 to Eve: now\r\n",
        "Pay\r\n : 900 to Eve\r\n",
        ">From alice@example.org\r\n",
    ] {
        let behind = mail.replacen(TO, &format!("{TO}{stray}"), 1);
        refused(&behind, "is not read in the same way");
        // A mail that begins with text is none.
        assert!(accept(&format!("{stray}{mail}"), &[]).is_err(), "{stray}");
    }
    assert!(accept(&format!(" \r\n{mail}"), &[]).is_err());
    refused(&mail.replacen(TO, &format!("{TO}X: a\rPay 900 to Eve.\r\n"), 1), "a control character");
    // Two readers in three end the header there.
    refused(&mail.replacen("\r\n\r\n", "\r\n\r\r\n", 1), "a control character");
}

#[test]
fn t_08_a_long_mbox_line_hides_no_fields() {
    let mail = signed("alice@example.org", SignatureForm::Clear);
    assert_eq!(accept(&format!("From alice Thu Jan  1 00:00:00 2026\r\n{mail}"), &[]), Ok(()));
    let eve = mail.replacen("From: alice", "From: eve", 1);
    // Others take all of the long line for one; a field that only we see would be the sender.
    let long = format!("From {}From: alice@example.org\r\n{eve}", "x".repeat(995));
    assert_eq!(accept(&long, &[]).unwrap_err(), "this is neither a mail nor an S/MIME file");
}

#[test]
fn t_08_a_sender_with_a_blank_before_the_colon_is_no_mbox_line() {
    let mail = signed("alice@example.org", SignatureForm::Clear);
    for eve in ["From : eve@example.org", "From \t: eve@example.org"] {
        assert_eq!(accept(&format!("{eve}\r\n{mail}"), &[]).unwrap_err(), "this is neither a mail nor an S/MIME file");
    }
    assert!(accept(&mail.replacen("From:", "To: x@example.org\r\nFrom : eve@example.org\r\nFrom:", 1), &[]).is_err());
}

#[test]
fn t_54_a_content_type_that_others_read_in_another_way_is_under_nobodys_signature() {
    let mail = signed("alice@example.org", SignatureForm::Clear);
    let boundary = mail.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let written = format!("boundary=\"{boundary}\"");
    assert!(mail.contains(&written));
    for other in [
        format!("{written}; boundary=other"),
        format!("boundary=other; {written}"),
        format!("boundary=other; boundary*=us-ascii''{}", boundary.replace('=', "%3D")),
        format!("boundary*=us-ascii''{}", boundary.replace('=', "%3D")),
        format!("(;boundary=other) {written}"),
        format!("x=a\"; boundary=other; y=\"; {written}"),
        format!("\r\n \r\n {written}"),
    ] {
        let mail = mail.replacen(&written, &other, 1);
        assert!(accept(&mail, &[]).is_err(), "{mail}");
    }
    let spaced = mail.replacen("multipart/signed", "multipart / signed", 1);
    refused(&spaced, "content type");
    refused(
        &mail.replacen(TO, &format!("{TO}Content-Transfer-Encoding: quoted-printable\r\n"), 1),
        "transfer encoding",
    );
    // A line that only begins like the boundary is one to those who compare as RFC 2046 §5.1.1 says.
    let near = mail.replacen("\r\n\r\n", &format!("\r\n\r\n--{boundary}x\r\n\r\nPay 900 to Eve.\r\n"), 1);
    refused(&near, "not signed");
    // More parts behind the end, which some still show.
    refused(&format!("{mail}\r\n--{boundary}\r\n\r\nPay 900 to Eve.\r\n--{boundary}--\r\n"), "not signed");
    assert_eq!(accept(&format!("{mail}\r\nsent by a list\r\n"), &[]), Ok(()));
    // The signature is none that is shown as text.
    refused(&mail.replacen("Content-Type: application/pkcs7-signature", "Content-Type: text/html", 1), "not signed");
    assert_eq!(accept(&mail, &[]), Ok(()));
}

#[test]
fn t_01_what_is_encrypted_under_such_a_header_is_read_and_is_nobodys_word() {
    let bob = person("bob@example.org");
    let encrypted = Encryptor::to(bob.certificate())
        .unwrap()
        .encrypt(signed("alice@example.org", SignatureForm::Clear).as_bytes())
        .unwrap();
    let mail = String::from_utf8(encrypted).unwrap();
    let keys = [bob];
    assert_eq!(accept(&mail, &keys), Ok(()));
    let blank = mail.replacen("Subject: x\r\n", "Subject: x\r\n \r\n", 1);
    assert!(accept(&blank, &keys).unwrap_err().contains("a line of blanks alone"));
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(&keys).verify(blank.as_bytes()).unwrap();
    assert!(!verification.has_unopened_layer());
    assert_eq!(verification.layers().len(), 2);
}

#[test]
fn t_54_what_others_show_as_text_or_as_a_picture_is_no_signed_mail() {
    let mail = signed("eve@example.org", SignatureForm::Opaque);
    let label = "application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"";
    for kind in ["text/html", "text/plain", "image/png", "message/rfc822", "audio/ogg", "video/mp4", "model/mesh"] {
        for rest in ["; name=smime.p7m", "; name=\"smime.p7s\"", ""] {
            let other = mail.replacen(label, &format!("{kind}{rest}"), 1);
            assert_ne!(other, mail);
            assert!(accept(&other, &[]).is_err(), "{kind}{rest}");
        }
    }
}

//! The fields that say who handled a message: `Received`, `Authentication-Results`, and our own.

use asn1::Time;
use mime::{Field, Header};

use crate::confusable::{fold, without};
use crate::results::statements;
use crate::smtp::{Peer, Protocol};

/// RFC 5321 §4.4: each server adds one; loops are found by their number (CASES T-85).
pub(crate) fn received(peer: &Peer, hostname: &str, now: Time) -> Field {
    let with = match (peer.protocol, peer.tls) {
        (Protocol::Smtp, false) => "ESMTP",
        (Protocol::Smtp, true) => "ESMTPS",
        (Protocol::Lmtp, false) => "LMTP",
        (Protocol::Lmtp, true) => "LMTPS",
    };
    let helo: String = peer.helo.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    let helo = if helo.is_empty() { "unknown".to_owned() } else { helo };
    Field::new(
        "Received",
        &format!("from {helo} ([{}]) by {hostname} with {with}; {}", peer.address, mime::date(now.to_unix())),
    )
}

/// Takes out what pretends to be our word (RFC 8601 §5, CASES T-90): results under our name, written in whatever
/// way, and fields in our name space.
pub(crate) fn strip_forged(header: &mut Header, hostname: &str) {
    let ours = fold(hostname);
    header.retain(|field| {
        let claims = claims(field, &ours);
        let space = field.name().to_ascii_lowercase().starts_with("x-sealpost-");
        !claims && !space
    });
}

/// Whether a mail carries results under our name, in whatever writing: the mark of what came in from outside. Its
/// sender cannot keep it off.
pub(crate) fn came_in(header: &Header, hostname: &str) -> bool {
    let ours = fold(hostname);
    header.fields().iter().any(|field| claims(field, &ours))
}

fn claims(field: &Field, ours: &str) -> bool {
    let results = field.is("Authentication-Results");
    results && [field.value(), field.text()].iter().any(|value| names(value, ours))
}

/// Whether results are under a name that is, or looks like, the folded `ours`: with comments and quotation marks or
/// without, since whoever reads the field may do either.
fn names(value: &str, ours: &str) -> bool {
    let Some(statements) = statements(value) else { return fold(&value.replace('\\', "")).contains(ours) };
    let Some(first) = statements.first() else { return false };
    fold(&first.whole).contains(ours) || fold(&first.words.concat()).contains(ours)
}

/// Takes our marks out of a subject, in whatever writing (CASES T-11), then puts `mark` before it. What others may read
/// in another way than we do is written anew, as we read it: a second subject, encoded words that are none for us, and
/// character sets that only some know.
pub(crate) fn mark_subject(header: &mut Header, marks: &[&str], mark: &str) {
    let text = header.get("Subject").map(Field::text).unwrap_or_default();
    let clean = without(&text, marks);
    let sure = header.all("Subject").count() < 2 && !text.contains("=?") && !text.contains('\u{fffd}');
    if sure && clean == text && mark.is_empty() {
        return;
    }
    let clean = clean.trim();
    let subject = if mark.is_empty() { clean.to_owned() } else { format!("{mark} {clean}") };
    header.replace(Field::new("Subject", &mime::encode_words(&subject)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header::parse(text.as_bytes(), &mime::Limits::default()).unwrap().0
    }

    #[test]
    fn t_90_forged_results_are_taken_out() {
        for forged in [
            "Authentication-Results: gate.example; smime=pass",
            "authentication-results: GATE.example 1; smime=pass",
            "Authentication-Results: (x) gate.example (y); smime=pass",
            "Authentication-Results:\r\n gate.example;\r\n smime=pass",
            "Authentication-Results: gаte.example; smime=pass",
            "Authentication-Results: (;) gate.example; smime=pass",
            "Authentication-Results: (\\);) gate.example; smime=pass",
            "Authentication-Results: \"gate\\.example\"; smime=pass",
            "Authentication-Results: \"gate.example\"; smime=pass",
            "Authentication-Results: gate(;).example; smime=pass",
            "Authentication-Results: (gate.example; smime=pass",
            "Authentication-Results: \"; gate\\.example; smime=pass",
            "X-Sealpost-Verdict: valid",
        ] {
            let mut header = header(&format!("{forged}\r\nSubject: x\r\n\r\n"));
            assert_eq!(came_in(&header, "gate.example"), !forged.starts_with("X-"), "{forged}");
            strip_forged(&mut header, "gate.example");
            assert_eq!(header.fields().len(), 1, "{forged}");
        }
        for other in ["mx.other.example; dkim=pass", "(a;b) mx.other.example; dkim=pass (gate.example)"] {
            let mut others = header(&format!("Authentication-Results: {other}\r\n\r\n"));
            assert!(!came_in(&others, "gate.example"), "{other}");
            strip_forged(&mut others, "gate.example");
            assert_eq!(others.fields().len(), 1, "{other}");
        }
    }

    #[test]
    fn t_11_forged_marks_are_taken_out_and_ours_is_put_in() {
        for forged in [
            "[signed] hello",
            "[ѕіgned] hello",
            "=?utf-8?q?=5Bsig?= =?utf-8?q?ned=5D?= hello",
            "[si\u{200b}gned] hello",
        ] {
            let mut header = header(&format!("Subject: {forged}\r\n\r\n"));
            mark_subject(&mut header, &["[signed]"], "");
            assert_eq!(header.get("Subject").unwrap().text(), "hello", "{forged}");
        }
        // Mail programs read these as the mark, and we do not.
        for forged in [
            "hello\r\nSubject: [signed] hello",
            "hello\r\nsubject : [signed] hello",
            "=?utf-7?Q?+AFs-signed+AF0-?= hello",
            "=?utf-8?Q?[signed] hello?=",
            "=?x-none?Q?[signed]?= hello",
            "=?iso-2022-kr?Q?[signed]?= hello",
            "=?hz-gb-2312?Q?[signed]?= hello",
            "=?utf-8?Q?[sig=80ned]?= hello",
            "=?utf-8?B?W3NpZ25lZF0?= hello",
            "=?utf-8?Q?=5B?= =?x?Q?signed]?= hello",
            "=?utf-8?Q?[sig?==?utf-8?Q?ned]?= hello",
        ] {
            let mut header = header(&format!("Subject: {forged}\r\n\r\n"));
            mark_subject(&mut header, &["[signed]"], "");
            let subjects: Vec<String> = header.all("Subject").map(Field::value).collect();
            let [subject] = subjects.as_slice() else { panic!("{forged}: {subjects:?}") };
            assert!(!subject.contains("signed"), "{forged} becomes {subject}");
            // What is left is in a form that everybody decodes alike.
            let text = mime::decode_words(subject);
            assert!(subject.is_ascii() && mime::encode_words(&text) == *subject, "{forged} becomes {subject}");
        }
        let mut untouched = header("Subject:  odd   spaces \r\n\r\n");
        mark_subject(&mut untouched, &["[signed]"], "");
        assert_eq!(untouched.to_bytes(), b"Subject:  odd   spaces \r\n");
    }
}

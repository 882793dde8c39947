//! The answer to a mail, and whether there is one (RFC 3834).

use directory::harvest::FoundFile;
use directory::{Address, Directory, Error, Language, Outgoing, OutgoingKind, Request, texts};
use mime::{Field, Header};
use pki::EmailAddress;

use crate::book::MessageKey;
use crate::facts::Facts;
use crate::results::statements;

/// What was found and what is missing, as a mail to the sender: named, or not.
pub(super) fn compose(
    directory: &Directory,
    language: Language,
    to: &Address,
    facts: &Facts,
    named: Option<(&[FoundFile], &[Request])>,
    key: &MessageKey,
) -> Result<Outgoing, Error> {
    let settings = directory.settings();
    let mail = match named {
        Some((found, requests)) => texts::intake_reply(settings, language, to, found, requests),
        None => texts::intake_reply_unnamed(settings, language),
    };
    let rendered = texts::render(settings, to, language, directory.now(), &mail)?;
    let malformed = |error: mime::Error| Error::Malformed { what: "a mail of ours", because: error.to_string() };
    let (mut header, body) = Header::parse(&rendered, &mime::Limits::default()).map_err(malformed)?;
    // RFC 3834 §3.1.7
    header.replace(Field::new("Auto-Submitted", "auto-replied"));
    if is_message_id(&facts.message_id) {
        // RFC 3834 §3.1.5
        header.push(Field::new("In-Reply-To", &facts.message_id));
        header.push(Field::new("References", &facts.message_id));
    }
    let mut content = header.to_bytes();
    content.extend_from_slice(b"\r\n");
    content.extend_from_slice(body);
    Ok(Outgoing {
        // RFC 3834 §3.3: nothing answers an answer.
        sender: None,
        recipient: to.clone(),
        content,
        kind: OutgoingKind::IntakeReply,
        not_before: None,
        key: Some(format!("intake {key}")),
    })
}

/// RFC 3834 §2: whether a program may answer this at all.
pub(super) fn is_answerable(facts: &Facts, intake: &Address) -> bool {
    let field = |name: &str| facts.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let bulk = field("Precedence")
        .is_some_and(|value| ["bulk", "list", "junk"].iter().any(|word| value.trim().eq_ignore_ascii_case(word)));
    let list =
        facts.fields.iter().any(|(name, _)| name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("List-")));
    let suppressed = field("X-Auto-Response-Suppress").is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        ["all", "autoreply"].iter().any(|word| value.split(',').any(|part| part.trim() == *word))
    });
    let program = facts.envelope_from.as_ref().is_none_or(is_a_program);
    // Not one of many in a hidden list: the mail is to this address, and says so.
    let to_us = facts.is_visible(intake.email());
    to_us && !(facts.null_sender || facts.automatic || bulk || list || suppressed || program)
}

fn is_a_program(address: &EmailAddress) -> bool {
    let local = address.local_part().to_ascii_lowercase();
    let names =
        ["mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "listserv", "majordomo"];
    names.contains(&local.as_str())
        || local.starts_with("owner-")
        || local.ends_with("-owner")
        || local.ends_with("-request")
        || local.starts_with("bounce")
}

/// Whether the mail server before us found that the envelope's sender sent it. Only its topmost field counts: it writes
/// its own above those that came along, and takes out what pretends to be its own (RFC 8601 §5).
pub(super) fn has_passed(facts: &Facts, server: &str, from: &Address) -> bool {
    let results = facts.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("Authentication-Results"));
    let Some((_, value)) = results else { return false };
    // What is in comments and quoted strings may be the sender's word, repeated by the server.
    let Some(statements) = statements(value) else { return false };
    let Some((speaker, statements)) = statements.split_first() else { return false };
    if !speaker.words.first().is_some_and(|name| name.eq_ignore_ascii_case(server)) {
        return false;
    }
    let aligned = |domain: &str| {
        let domain = domain.to_ascii_lowercase();
        let domain = domain.rsplit_once('@').map_or(domain.as_str(), |(_, domain)| domain);
        domain == from.domain() || from.domain().strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
    };
    statements.iter().any(|statement| {
        let Some((result, properties)) = statement.words.split_first() else { return false };
        let property = |name: &str| {
            // A whole top-level domain is nobody's.
            let value = properties.iter().find_map(|word| word.strip_prefix(name));
            value.is_some_and(|domain| domain.contains('.') && aligned(domain))
        };
        match result.as_str() {
            "spf=pass" => property("smtp.mailfrom="),
            "dkim=pass" => property("header.d="),
            "dmarc=pass" => property("header.from="),
            _ => false,
        }
    })
}

fn is_message_id(text: &str) -> bool {
    text.len() <= 250
        && text.starts_with('<')
        && text.ends_with('>')
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.matches(['<', '>']).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fields: &[(&str, &str)]) -> Facts {
        let intake = EmailAddress::parse("emailzertifikat@muster.example").unwrap();
        Facts {
            envelope_from: Some(EmailAddress::parse("anna@partner.example").unwrap()),
            visible_recipients: vec![intake],
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn t_74_programs_and_lists_get_no_answer() {
        let intake = Address::parse("emailzertifikat@muster.example").unwrap();
        assert!(is_answerable(&facts(&[("Precedence", "first-class")]), &intake));
        for field in [
            ("Precedence", "Bulk"),
            ("precedence", " junk"),
            ("List-Id", "<x.example>"),
            ("LIST-UNSUBSCRIBE", "<mailto:x@x.example>"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ] {
            assert!(!is_answerable(&facts(&[field]), &intake), "{field:?}");
        }
        for from in ["MAILER-DAEMON", "owner-x", "x-request", "bounce+7", "no-reply"] {
            let address = EmailAddress::parse(&format!("{from}@partner.example")).unwrap();
            assert!(!is_answerable(&Facts { envelope_from: Some(address), ..facts(&[]) }, &intake), "{from}");
        }
        assert!(!is_answerable(&Facts { null_sender: true, ..facts(&[]) }, &intake));
        assert!(!is_answerable(&Facts { automatic: true, ..facts(&[]) }, &intake));
        assert!(!is_answerable(&Facts { visible_recipients: Vec::new(), ..facts(&[]) }, &intake));
    }

    #[test]
    fn t_71_only_the_mail_server_before_us_is_believed() {
        let from = Address::parse("anna@partner.example").unwrap();
        let passed = |value: &str| has_passed(&facts(&[("Authentication-Results", value)]), "mx.muster.example", &from);
        assert!(passed("mx.muster.example; spf=pass smtp.mailfrom=anna@partner.example"));
        assert!(passed("MX.muster.example; dkim=fail header.d=x.example; dkim=pass header.d=partner.example"));
        for forged in [
            "mx.other.example; spf=pass smtp.mailfrom=anna@partner.example",
            "mx.muster.example; spf=fail smtp.mailfrom=anna@partner.example",
            "mx.muster.example; spf=pass smtp.mailfrom=eve@evil.example",
            "mx.muster.example; dkim=pass header.d=example",
            "mx.muster.example; dkim=pass header.d=evil.example",
            "mx.muster.example; none",
            "mx.muster.example; dkim=fail (x; dkim=pass header.d=partner.example) header.d=evil.example",
            "mx.muster.example; spf=fail reason=\"; spf=pass smtp.mailfrom=anna@partner.example\"",
            "mx.muster.example; dkim=pass header.i=\"@evil.example header.d=partner.example\" header.d=evil.example",
            "mx.muster.example; dkim=pass (header.d=partner.example ) header.d=evil.example",
            "mx.muster.example; spf=pass smtp.mailfrom=\"x@partner.example\"@evil.example",
            "(;) mx.other.example; mx.muster.example; spf=passing smtp.mailfrom=anna@partner.example",
            "mx.muster.example; (spf=pass smtp.mailfrom=anna@partner.example",
        ] {
            assert!(!passed(forged), "{forged}");
        }
        let below = [
            ("Authentication-Results", "mx.other.example; none"),
            ("Authentication-Results", "mx.muster.example; spf=pass smtp.mailfrom=anna@partner.example"),
        ];
        assert!(!has_passed(&facts(&below), "mx.muster.example", &from));
    }

    #[test]
    fn t_82_only_a_message_id_is_repeated() {
        assert!(is_message_id("<1@x.example>"));
        for odd in ["1@x.example", "<1@x>\r\nBcc: y", "<a> <b>", "<ä@x>", ""] {
            assert!(!is_message_id(odd), "{odd}");
        }
    }
}

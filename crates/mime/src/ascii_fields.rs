//! Header fields in ASCII alone, for what is signed: a relay may change other octets, or refuse them.

use crate::content_type::{is_token, parse};
use crate::{Field, Header, decode_words, encode_words, parse_mailbox_list};

/// The fields with the empty line behind them. What is in ASCII stays as it is, octet for octet.
pub(crate) fn ascii_fields(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    for field in header.fields() {
        if field.raw().is_ascii() {
            out.extend_from_slice(field.raw());
        } else {
            out.extend_from_slice(in_ascii(field).raw());
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

// RFC 2047 §5: encoded words stand in text and in names, and neither in addresses nor in parameters.
fn in_ascii(field: &Field) -> Field {
    const ADDRESSES: [&str; 10] = [
        "Bcc",
        "Cc",
        "Disposition-Notification-To",
        "From",
        "Reply-To",
        "Resent-Cc",
        "Resent-From",
        "Resent-To",
        "Sender",
        "To",
    ];
    let value = decoded(field);
    let structured = if field.is("Content-Type") || field.is("Content-Disposition") {
        with_parameters(&value)
    } else if ADDRESSES.iter().any(|name| field.is(name)) {
        match mailboxes(&value) {
            // RFC 6532 §3.2: an address itself that is not ASCII has no other form.
            Some(mailboxes) if !mailboxes.iter().all(|one| one.is_ascii()) => return field.clone(),
            mailboxes => mailboxes,
        }
    } else {
        None
    };
    let words = || encode_words(&decode_words(&value)).split(' ').map(str::to_owned).collect();
    Field::in_lines(field.name(), &structured.unwrap_or_else(words))
}

// Seen in the wild: names of files in the character set of Windows.
fn decoded(field: &Field) -> String {
    if std::str::from_utf8(field.raw()).is_ok() {
        return field.value();
    }
    Field::new(field.name(), &encoding_rs::WINDOWS_1252.decode_without_bom_handling(field.content()).0).value()
}

fn mailboxes(value: &str) -> Option<Vec<String>> {
    let one = |mailbox: crate::Mailbox| match mailbox.display_name.as_deref().map(decode_words) {
        None => mailbox.to_string(),
        Some(name) if name.is_ascii() && !name.contains("=?") => {
            format!("\"{}\" <{mailbox}>", name.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Some(name) => format!("{} <{mailbox}>", encode_words(&name)),
    };
    let mut all: Vec<String> = parse_mailbox_list(value).ok()?.into_iter().map(one).collect();
    let last = all.len().checked_sub(1)?;
    all.iter_mut().take(last).for_each(|one| one.push(','));
    Some(all)
}

// RFC 2231 §4: `name*=utf-8''M%C3%BCller.pdf`.
fn with_parameters(value: &str) -> Option<Vec<String>> {
    let parsed = parse(value);
    if !parsed.kind.is_ascii() || parsed.kind.is_empty() {
        return None;
    }
    let mut out = vec![parsed.kind];
    for (name, value) in parsed.parameters {
        if !is_token(&name) {
            continue;
        }
        out.last_mut()?.push(';');
        out.push(if !value.is_ascii() {
            format!("{name}*=utf-8''{}", percent_encode(&value))
        } else if is_token(&value) {
            format!("{name}={value}")
        } else {
            format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        });
    }
    Some(out)
}

// RFC 2231 §7: attribute-char.
fn percent_encode(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet);
    let one = |octet: u8| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn ascii(field: &[u8]) -> String {
        let (header, _) = Header::parse(field, &Limits::default()).unwrap();
        String::from_utf8(ascii_fields(&header)).unwrap()
    }

    #[test]
    fn names_and_addresses_are_encoded_where_each_may_be() {
        for (field, expected) in [
            ("Subject: \u{e4}\r\n", "Subject: =?utf-8?B?w6Q=?=\r\n\r\n"),
            ("Subject:  plain\r\n\tfolded\r\n", "Subject:  plain\r\n\tfolded\r\n\r\n"),
            (
                "From: Erika M\u{fc}ller <erika@partner.example>\r\n",
                "From: =?utf-8?B?RXJpa2EgTcO8bGxlcg==?= <erika@partner.example>\r\n\r\n",
            ),
            (
                "To: \"Vogt, A\" <a@x.example>, J\u{f6}rg <j@x.example>, b@x.example\r\n",
                "To: \"Vogt, A\" <a@x.example>, =?utf-8?B?SsO2cmc=?= <j@x.example>, b@x.example\r\n\r\n",
            ),
            (
                "Content-Type: application/pdf; name=\"M\u{fc}ller (1).pdf\"; x=\"a b\"\r\n",
                "Content-Type: application/pdf; name*=utf-8''M%C3%BCller%20%281%29.pdf;\r\n x=\"a b\"\r\n\r\n",
            ),
            (
                "Content-Disposition: attachment; filename=M\u{fc}ller.pdf\r\n",
                "Content-Disposition: attachment; filename*=utf-8''M%C3%BCller.pdf\r\n\r\n",
            ),
        ] {
            assert_eq!(ascii(field.as_bytes()), expected);
        }
        let windows = b"Content-Disposition: attachment; filename=\"M\xFCller.pdf\"\r\n";
        assert!(ascii(windows).contains("M%C3%BCller.pdf"), "{}", ascii(windows));
        // Many recipients stay in lines that every relay takes.
        let many: Vec<String> = (0..100).map(|number| format!("J\u{f6}rg <j{number}@x.example>")).collect();
        let folded = ascii(format!("To: {}\r\n", many.join(", ")).as_bytes());
        assert!(folded.lines().all(|line| line.len() <= 78), "{folded}");
        let (header, _) = Header::parse(folded.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(parse_mailbox_list(&header.value("To").unwrap()).unwrap().len(), 100);
        // What has no form in ASCII stays.
        let smtputf8 = "To: <j\u{f6}rg@x.example>\r\n".as_bytes();
        let (header, _) = Header::parse(smtputf8, &Limits::default()).unwrap();
        assert_eq!(ascii_fields(&header), [smtputf8, b"\r\n"].concat());
    }

    #[test]
    fn what_was_there_is_read_again() {
        let name = "\u{c4}rzte \"und\" 100 %; \u{65e5}\u{672c}.pdf";
        let field =
            Field::new("Content-Disposition", &format!("attachment; filename=\"{}\"", name.replace('"', "\\\"")));
        let header = Header::from_fields(vec![field]);
        let written = ascii_fields(&header);
        let (again, _) = Header::parse(&written, &Limits::default()).unwrap();
        assert_eq!(again.disposition().unwrap().file_name(), Some(name));
        assert_eq!(again.disposition(), header.disposition());
    }
}

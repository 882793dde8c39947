//! HTML that came encrypted, without what tells somebody outside about it: nothing in it is fetched, no link attaches
//! files of the reader's or writes the answer for them, and text that was hidden shows, since no style is left that could
//! hide it (CASES T-37).
//!
//! What is under a signature inside of one that holds stays octet for octet. What two programs would take apart in two
//! ways is put together anew.

use std::borrow::Cow;

use ammonia::{Builder, Url, UrlRelative};
use crypto::DigestAlgorithm;
use mime::{Entity, Field, HtmlBudget};

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// There is no HTML in it.
    Nothing,
    /// There is, under a signature, and so it is as it was.
    Signed,
    /// It is another now.
    Changed {
        entity: Vec<u8>,
        /// Some of it is under a signature, and as it was.
        signed: bool,
    },
}

/// Cleans an entity; signatures within it stay where `keep_signed` says so.
///
/// # Errors
/// When it has more parts, or deeper ones, than anything should.
pub(crate) fn clean(entity: &[u8], keep_signed: bool) -> Result<Cleaned, mime::Error> {
    let mut writing = Writing { keep_signed, ..Writing::default() };
    let parsed = Entity::parse(entity, &mime::Limits::default())?;
    writing.entity(&parsed, DEEPEST, false)?;
    Ok(match (writing.changed, writing.signed) {
        (true, signed) => Cleaned::Changed { entity: writing.out, signed },
        (false, true) => Cleaned::Signed,
        (false, false) => Cleaned::Nothing,
    })
}

#[derive(Debug, Default)]
struct Writing {
    out: Vec<u8>,
    changed: bool,
    signed: bool,
    keep_signed: bool,
    /// What the HTML in it may cost (CASES T-40).
    budget: HtmlBudget,
}

impl Writing {
    /// `may_be_file` where a mail program shows it as a file, if it says that it is one.
    fn entity(&mut self, entity: &Entity, depth: usize, may_be_file: bool) -> Result<(), mime::Error> {
        let depth =
            depth.checked_sub(1).ok_or(mime::Error::TooMuch { what: "messages in messages", limit: DEEPEST })?;
        let essence = entity.essence();
        let is_file = may_be_file && is_file(entity);
        match essence.as_str() {
            "multipart/signed" if self.keep_signed => {
                self.signed |= entity.walk().iter().any(|part| is_html(&part.essence()));
                self.as_it_is(entity);
            }
            "message/rfc822" | "message/global" | "message/news" => self.message(entity, depth)?,
            _ if !entity.parts().is_empty() => self.parts(entity, depth)?,
            // Nobody knows what it is, or where the rest of it comes from: text shows what is in it.
            "message/partial" | "message/external-body" => self.text(entity),
            essence if entity.is_ambiguous() || essence.starts_with("multipart/") => self.text(entity),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                self.signed = true;
                self.as_it_is(entity);
            }
            essence if is_html(essence) && !is_file => {
                let html = entity.text();
                if self.budget.has_room_for(&html) {
                    self.leaf(entity, "text/html", &clean_text(&html));
                } else {
                    self.leaf(entity, "text/plain", &html);
                }
            }
            essence if essence.starts_with("text/") && !PLAIN.contains(&essence) && !is_file => self.text(entity),
            _ => self.as_it_is(entity),
        }
        Ok(())
    }

    fn as_it_is(&mut self, entity: &Entity) {
        self.out.extend_from_slice(entity.header_bytes());
        self.out.extend_from_slice(entity.body());
    }

    /// A message in a message. What is cleaned within would not be, in another encoding.
    fn message(&mut self, entity: &Entity, depth: usize) -> Result<(), mime::Error> {
        let inner = Entity::parse(&entity.decoded_body(), &mime::Limits::default())?;
        if matches!(entity.header().transfer_encoding().as_str(), "7bit" | "8bit" | "binary") {
            self.out.extend_from_slice(entity.header_bytes());
        } else {
            let mut header = entity.header().clone();
            header.retain(|field| !field.is("Content-Transfer-Encoding"));
            header.push(Field::new("Content-Transfer-Encoding", "8bit"));
            self.out.extend_from_slice(&header.to_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
        self.entity(&inner, depth, false)
    }

    /// With a boundary of ours: every program finds the parts that were found here, and no others.
    fn parts(&mut self, entity: &Entity, depth: usize) -> Result<(), mime::Error> {
        let kind = entity.header().content_type().unwrap_or_else(mime::ContentType::text_plain);
        let is_plain = entity.header().value("Content-Type").is_some_and(|value| has_plain_boundary(&value));
        let essence = match kind.essence.as_str() {
            // A signature that does not hold is not one that we broke: it is none any more. In a digest, parts that do not
            // say what they are would be messages.
            "multipart/signed" | "multipart/digest" => "multipart/mixed",
            essence => essence,
        };
        self.changed |= !is_plain || kind.essence == "multipart/digest";
        let outer = std::mem::take(&mut self.out);
        let mut parts = Vec::new();
        for (index, part) in entity.parts().iter().enumerate() {
            self.entity(part, depth, index > 0 && essence == "multipart/mixed")?;
            parts.push(std::mem::take(&mut self.out));
        }
        self.out = outer;
        let mut hasher = crypto::Hasher::new(DigestAlgorithm::Sha256);
        parts.iter().for_each(|part| hasher.update(part));
        // The digest of what stands between is not in it.
        let digest = hasher.finish();
        let digits = digest.octets().iter().take(20).map(|octet| format!("{octet:02x}"));
        let boundary = format!("=_{}", digits.collect::<String>());
        let mut value = format!("{essence}; boundary=\"{boundary}\"");
        for name in ["type", "start", "report-type"] {
            let is_quotable = |text: &&str| text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
            if let Some(text) = kind.parameter(name).filter(is_quotable) {
                value.push_str(&format!("; {name}=\"{text}\""));
            }
        }
        let mut header = entity.header().clone();
        // RFC 2045 §6.4: what is in parts has no encoding of its own.
        header.retain(|field| !field.is("Content-Type") && !field.is("Content-Transfer-Encoding"));
        header.push(Field::new("Content-Type", &value));
        header.push(Field::new("Content-Transfer-Encoding", "8bit"));
        self.out.extend_from_slice(&header.to_bytes());
        self.out.extend_from_slice(b"\r\n");
        for part in parts {
            self.out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            self.out.extend_from_slice(&part);
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(())
    }

    fn text(&mut self, entity: &Entity) {
        self.leaf(entity, "text/plain", &entity.text());
    }

    /// In base64: no boundary is in that.
    fn leaf(&mut self, entity: &Entity, essence: &str, text: &str) {
        let mut header = entity.header().clone();
        header.retain(|field| !field.is("Content-Type") && !field.is("Content-Transfer-Encoding"));
        header.push(Field::new("Content-Type", &format!("{essence}; charset=utf-8")));
        header.push(Field::new("Content-Transfer-Encoding", "base64"));
        self.out.extend_from_slice(&header.to_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(mime::encode_base64(text.as_bytes()).as_bytes());
        self.changed = true;
    }
}

/// Programs take more for HTML than what is called so: `text/html charset=utf-8`, without the semicolon.
fn is_html(essence: &str) -> bool {
    ["text/html", "text/x-html", "text/watch-html", "application/xhtml"].iter().any(|start| essence.starts_with(start))
}

/// A file is opened by whoever wants to, and not shown as the message.
fn is_file(entity: &Entity) -> bool {
    let one = entity.header().all("Content-Disposition").count() == 1;
    let disposition = entity.header().disposition();
    one && disposition.is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case("attachment"))
}

/// Whether all programs read the same boundary: RFC 2047 §5 has no encoded words there, and not all know RFC 2231.
fn has_plain_boundary(content_type: &str) -> bool {
    let value = content_type.to_ascii_lowercase();
    value.matches("boundary").count() == 1 && !value.contains("=?") && !value.contains(['(', '\\'])
}

fn clean_text(html: &str) -> String {
    let clean = Builder::default()
        // Closed, or not shown at all.
        .rm_tags(["details", "summary", "rp"])
        .add_clean_content_tags(["title"])
        .url_schemes(["http", "https", "mailto", "tel", "cid"].into_iter().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(|element, name, value| match (element, name) {
            // What comes with the message is shown, and nothing else is fetched.
            ("img", "src") => {
                Url::parse(value).ok().filter(|url| url.scheme() == "cid").map(|url| Cow::Owned(url.into()))
            }
            (_, "src" | "cite" | "longdesc") => None,
            (_, "href") => link(value).map(Cow::Owned),
            _ => Some(Cow::Borrowed(value)),
        })
        .clean(html)
        .to_string();
    format!("<!DOCTYPE html>\r\n<html><body>{clean}</body></html>\r\n")
}

/// A link as it was read, so that nobody reads it in another way. Of a mailto: link one address and the subject: the rest
/// attaches files, adds recipients, or writes for the reader.
fn link(value: &str) -> Option<String> {
    let url = Url::parse(value).ok()?;
    if url.scheme() != "mailto" {
        return Some(url.into());
    }
    let path = url.path();
    let encoded = path.to_ascii_lowercase();
    let end = [",", ";", "%2c", "%3b"].iter().filter_map(|separator| encoded.find(separator)).min();
    let address = path.get(..end.unwrap_or(path.len())).unwrap_or_default();
    let is_subject = |part: &&str| part.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("subject="));
    let subject = url.query().unwrap_or_default().split(['&', ';']).find(is_subject);
    // A line break would begin another field.
    let subject = subject.filter(|subject| {
        let encoded = subject.to_ascii_lowercase();
        !encoded.contains("%0a") && !encoded.contains("%0d")
    });
    Some(match subject {
        Some(subject) => format!("mailto:{address}?{subject}"),
        None => format!("mailto:{address}"),
    })
}

/// Text that programs show as text, or as what it says.
const PLAIN: &[&str] = &[
    "text/plain",
    "text/calendar",
    "text/csv",
    "text/directory",
    "text/markdown",
    "text/rfc822-headers",
    "text/vcard",
    "text/x-vcard",
];

const DEEPEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_37_nothing_is_fetched_and_nothing_hidden_stays_so() {
        let dirty = "<html><head><title>T</title><style>@import url(//evil.example/1);p{display:none}</style>\
            <link rel=stylesheet href=https://evil.example/2><base href=//evil.example></head><body background=//evil.example/3>\
            <img src=https://evil.example/4><img src=\"cid:logo@x\"><img srcset=//evil.example/5 src=//evil.example/6>\
            <p style=\"color:#333;background:url(//evil.example/7)\">one</p>\
            <p style=\"font-weight:bold;background-image:ur\\l(//evil.example/8)\">two</p>\
            <div style=\"DISPLAY : none\">secret</div><span style=\"font-size:1px\">secret</span>\
            <span style=\"color:#fff;background-color:#fff\">secret</span><p hidden>secret</p>\
            <a href=\"mailto:eve@evil.example?subject=x&amp;attach=/etc/passwd&amp;bcc=b@evil.example&amp;body=b\">write</a>\
            <a href=https://good.example/>link</a><video src=//evil.example/9><iframe src=//evil.example/10></iframe>\
            <form action=//evil.example/11><input></form><p style=\"color:red\">three</p>";
        let clean = clean_text(dirty);
        for gone in
            ["evil.example/", "style>", "@import", "attach", "bcc", "body=", "display", "font", "url", "base", "color"]
        {
            assert!(!clean.contains(gone), "{gone} is in {clean}");
        }
        assert_eq!(clean.matches("secret").count(), 4, "{clean}");
        for kept in ["cid:logo@x", "mailto:eve@evil.example?subject=x\"", "https://good.example/", "three"] {
            assert!(clean.contains(kept), "{kept} is not in {clean}");
        }
    }

    #[test]
    fn t_37_only_html_is_another_afterwards_and_what_is_signed_is_not() {
        let html = "Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                    <p>Gr=FC=DFe<img src=3D\"https://evil.example/\"></p>\r\n";
        let plain = "Content-Type: text/plain\r\n\r\n<img src=\"https://evil.example/\">\r\n";
        let signed =
            format!("Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n{html}\r\n--s\r\n{plain}\r\n--s--\r\n");
        let mixed = |parts: &[&str]| {
            let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n")
        };
        assert_eq!(clean(plain.as_bytes(), true).unwrap(), Cleaned::Nothing);
        assert_eq!(clean(signed.as_bytes(), true).unwrap(), Cleaned::Signed);
        let forwarded = format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n{html}");
        let all = mixed(&[plain, html, &signed, &forwarded]);
        let Cleaned::Changed { entity, signed: true } = clean(all.as_bytes(), true).unwrap() else {
            panic!("not changed")
        };
        let parsed = Entity::parse(&entity, &mime::Limits::default()).unwrap();
        let bytes = |part: &Entity| String::from_utf8([part.header_bytes(), part.body()].concat()).unwrap();
        assert_eq!(
            (parsed.parts().len(), bytes(&parsed.parts()[0]), bytes(&parsed.parts()[2])),
            (4, plain.into(), signed)
        );
        let inner = Entity::parse(parsed.parts()[3].body(), &mime::Limits::default()).unwrap();
        for html in [&parsed.parts()[1], &inner] {
            assert!(html.text().contains("Gr\u{fc}\u{df}e") && !html.text().contains("evil"), "{}", html.text());
        }
        let two =
            clean(b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<img src=//evil.example>\r\n", true)
                .unwrap();
        let Cleaned::Changed { entity, .. } = two else { panic!("{two:?}") };
        assert_eq!(Entity::parse(&entity, &mime::Limits::default()).unwrap().essence(), "text/plain");
    }

    #[test]
    fn t_37_a_link_to_write_to_has_one_address_and_a_subject_however_it_is_written() {
        for link in [
            "mailto:x@evil.example?attach=a&amp;bcc=y@z.example&amp;body=b",
            "mail&#9;to:x@evil.example?attach=a&amp;bcc=y@z.example",
            "&#1;mailto:x@evil.example?attach=a",
            "MAIL&#10;TO:x@evil.example?body=b#c",
            "mailto:x@evil.example,y@z.example",
            "mailto:x@evil.example%2Cy@z.example",
            "mailto:x@evil.example?subject=a%0D%0ABcc:y@z.example",
        ] {
            let clean = clean_text(&format!("<a href=\"{link}\">write</a>"));
            assert!(clean.contains("href=\"mailto:x@evil.example\""), "{link} becomes {clean}");
        }
    }

    #[test]
    fn t_37_nothing_is_left_that_could_hide_text() {
        for hidden in [
            "<font color=\"#ffffff\">secret</font>",
            "<p style=\"color:#fff\">secret</p>",
            "<p style=\"color:rgb(0 0 0 / 0)\">secret</p>",
            "<p style=\"font-size:0 ! important\">secret</p>",
            "<p style=\"margin-left:-9999px\">secret</p>",
            "<td style=\"background-color:#123\"><span style=\"color:#123\">secret</span></td>",
            "<details><summary>x</summary>secret</details>",
            "<ruby>x<rp>secret</rp></ruby>",
        ] {
            let clean = clean_text(hidden);
            assert!(clean.contains("secret"), "{clean}");
            for gone in ["style", "color", "details", "summary", "<rp"] {
                assert!(!clean.contains(gone), "{hidden} becomes {clean}");
            }
        }
    }

    #[test]
    fn t_37_html_that_costs_more_to_parse_than_any_letter_shows_its_source() {
        let part = |html: &str| format!("Content-Type: text/html\r\n\r\n{html}\r\n");
        let essence = |mail: &str| {
            let Cleaned::Changed { entity, .. } = clean(mail.as_bytes(), false).unwrap() else { panic!("not changed") };
            let parsed = Entity::parse(&entity, &mime::Limits::default()).unwrap();
            parsed.parts().last().unwrap_or(&parsed).essence()
        };
        let fonts: String = (0..600).map(|number| format!("<font size={number}>")).collect();
        let half = "<i></i>".repeat(HtmlBudget::MOST_TAGS / 2 + 1);
        let attributes: String = (0..20_000).map(|number| format!(" a{number}")).collect();
        let two = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{0}\r\n--b\r\n{0}\r\n--b--\r\n",
            part(&half)
        );
        for costly in [
            part(&"<div>".repeat(HtmlBudget::MOST_TAGS + 1)),
            part(&"<div></x>".repeat(HtmlBudget::MOST_TAGS + 1)),
            part(&"x".repeat(HtmlBudget::MOST_OCTETS)),
            part(&format!("<p{attributes}>")),
            part(&format!("{fonts}{}", "<p>x".repeat(4_000))),
            two,
        ] {
            assert_eq!(essence(&costly), "text/plain", "{costly:.50}");
        }
        for letter in
            [part(&half), part(&format!("{fonts}text")), part(&"<p>1 < 2 <b>x</b> <a href=x>y</a>".repeat(500))]
        {
            assert_eq!(essence(&letter), "text/html", "{letter:.50}");
        }
    }

    #[test]
    fn t_37_whatever_a_program_may_take_for_html_is_cleaned() {
        let html = "<p>text<img src=\"https://evil.example/\"></p>";
        let base64 = |text: &str| mime::encode_base64(text.as_bytes());
        let page = format!("Content-Type: text/html\r\n\r\n{html}\r\n");
        let under = |head: &str, part: &str| format!("Content-Type: {head}\r\n\r\n--b\r\n{part}\r\n--b--\r\n");
        let odd = |kind: &str| {
            let hidden = format!("--=?utf-8?Q?b?=\r\n{page}\r\n--=?utf-8?Q?b?=--\r\n--c\r\n{page}\r\n--c--\r\n");
            under(kind, &format!("Content-Type: text/plain\r\n\r\nx\r\n{hidden}"))
        };
        for mail in [
            under("multipart/signed; boundary=b", &page),
            under(
                "multipart/related; boundary=b",
                &page.replace("\r\n\r\n", "\r\nContent-Disposition: attachment\r\n\r\n"),
            ),
            page.replace("text/html", "text/html charset=utf-8"),
            page.replace("text/html", "text/x-html"),
            page.replace("\r\n\r\n", "\r\nContent-Disposition: attachment\r\n\r\n"),
            format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", base64(&page)),
            format!("Content-Type: message/global\r\n\r\n{page}"),
        ] {
            let Cleaned::Changed { entity, .. } = clean(mail.as_bytes(), false).unwrap() else { panic!("{mail}") };
            let text = String::from_utf8(entity).unwrap();
            assert!(!text.contains("evil") && !text.contains(&base64(&page)[..40]), "{mail} becomes {text}");
        }
        // Where another program sees other parts, they are none any more: the old boundary is nowhere in the header.
        for kind in [
            "multipart/mixed; boundary=\"=?utf-8?Q?b?=\"",
            "multipart/mixed; boundary=b; boundary=c",
            "multipart/mixed; boundary*=utf-8''b; boundary=c",
            "multipart/mixed; boundary=(c)b",
        ] {
            let mail = odd(kind);
            let Cleaned::Changed { entity, .. } = clean(mail.as_bytes(), false).unwrap() else { panic!("{kind}") };
            let parsed = Entity::parse(&entity, &mime::Limits::default()).unwrap();
            let value = parsed.header().value("Content-Type").unwrap();
            assert!(value.matches("boundary").count() < 2 && !value.contains("=?") && !value.contains('('), "{value}");
            let fetches = |part: &&Entity| is_html(&part.essence()) && part.text().contains("evil");
            assert!(!parsed.walk().iter().any(fetches), "{kind}");
        }
        let digest = under("multipart/digest; boundary=b", &format!("\r\n{page}"));
        let Cleaned::Changed { entity, .. } = clean(digest.as_bytes(), false).unwrap() else { panic!("not changed") };
        assert_eq!(Entity::parse(&entity, &mime::Limits::default()).unwrap().essence(), "multipart/mixed");
        // What was signed by others stays where the mail's own signature holds, or says so.
        let opaque = "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nx\r\n";
        assert_eq!(clean(opaque.as_bytes(), false).unwrap(), Cleaned::Signed);
        assert_eq!(clean(under("multipart/signed; boundary=b", &page).as_bytes(), true).unwrap(), Cleaned::Signed);
    }
}

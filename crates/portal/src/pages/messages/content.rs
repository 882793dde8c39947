//! What is in a message, for a browser: text, cleaned HTML, files.

use mail_parser::decoders::html::html_to_text;
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use mime::HtmlBudget;

use crate::form::plain_name;
use crate::problem::Problem;
use crate::visitor::Visitor;

pub(super) struct Content {
    pub(super) text: Option<String>,
    /// Cleaned: no script, no style, nothing that is fetched.
    pub(super) html: Option<String>,
    pub(super) files: Vec<MailFile>,
}

pub(super) struct MailFile {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
}

/// A file as the page shows it.
pub(crate) struct FileView {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: String,
}

impl Content {
    pub(super) async fn of(body: Vec<u8>) -> Result<Self, Problem> {
        tokio::task::spawn_blocking(move || Self::parse(&body)).await.map_err(|_| Problem::Internal)
    }

    fn parse(body: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(body) else {
            return Self { text: None, html: None, files: Vec::new() };
        };
        let text: Vec<String> = message
            .text_bodies()
            .take(MOST_PARTS)
            .filter_map(|part| match &part.body {
                PartType::Html(html) => Some(text_of(html)),
                PartType::Text(text) => Some(text.to_string()),
                _ => None,
            })
            .map(|text| text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())
            .collect();
        let text = Some(text.join("\n\n")).filter(|text| !text.trim().is_empty());
        Self { text, html: html_of(&message), files: files_of(&message) }
    }
}

impl MailFile {
    pub(super) fn view(&self, visitor: &Visitor, number: usize) -> FileView {
        let bytes = visitor.local().bytes(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX));
        let name = if self.name.is_empty() { visitor.texts().attachment_unnamed().into() } else { self.name.clone() };
        FileView { number, name, content_type: self.content_type.clone(), bytes }
    }
}

/// HTML as text, where what is a line or a paragraph of its own stays one.
fn text_of(html: &str) -> String {
    let mut lines = String::with_capacity(html.len() + html.len() / 8);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        lines.push_str(before);
        let name = tag.trim_start_matches(['<', '/']).split(|c: char| !c.is_ascii_alphanumeric()).next();
        if name.is_some_and(|name| BLOCKS.iter().any(|block| block.eq_ignore_ascii_case(name))) {
            lines.push_str("<br>");
        }
        let (mark, behind) = tag.split_at(1);
        lines.push_str(mark);
        rest = behind;
    }
    lines.push_str(rest);
    // No more than one empty line, whatever was nested.
    let mut text = String::new();
    let mut empty = 0;
    for line in html_to_text(&lines).lines().map(str::trim) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 && !(line.is_empty() && text.is_empty()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

// Only what came as HTML: text that was made HTML is better shown as text.
fn html_of(message: &Message<'_>) -> Option<String> {
    let texts: Vec<&str> = message
        .html_bodies()
        .take(MOST_PARTS)
        .filter_map(|part| match &part.body {
            PartType::Html(html) => Some(html.as_ref()),
            _ => None,
        })
        .collect();
    // CASES T-40: what would take gigabytes or hours is shown as text.
    let mut budget = HtmlBudget::default();
    if !texts.iter().all(|html| budget.has_room_for(html)) {
        return None;
    }
    let parts: Vec<String> = texts.into_iter().map(clean_html).collect();
    (!parts.is_empty()).then(|| parts.join("<hr>"))
}

fn clean_html(html: &str) -> String {
    ammonia::Builder::default()
        .rm_tags(["img", "map", "area"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .url_schemes(["https", "http", "mailto"].into_iter().collect())
        .clean(html)
        .to_string()
}

fn files_of(message: &Message<'_>) -> Vec<MailFile> {
    message
        .attachments()
        .take(MOST_FILES)
        .map(|part| {
            let content_type = part.content_type().map_or_else(
                || "application/octet-stream".into(),
                |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("*")),
            );
            let bytes = match &part.body {
                PartType::Message(inner) => inner.raw_message().to_vec(),
                _ => part.contents().to_vec(),
            };
            MailFile {
                name: plain_name(part.attachment_name().unwrap_or_default()),
                content_type: crate::page::clean(&content_type).chars().take(80).collect(),
                bytes,
            }
        })
        .collect()
}

/// What begins and ends on a line of its own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
const MOST_PARTS: usize = 20;
const MOST_FILES: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_100_what_acts_is_taken_out_of_a_message() {
        let dirty = "<p onclick=x>Hi<script>alert(1)</script><img src=//evil.example><style>*{}</style>\
                     <a href=javascript:alert(1)>a</a><a href=https://good.example>b</a><iframe></iframe><form><input>\
                     <svg onload=x><base href=//evil.example><link rel=stylesheet href=//e></p>";
        let clean = clean_html(dirty);
        for gone in ["script", "onclick", "img", "style", "iframe", "form", "input", "svg", "base", "link", "evil"] {
            assert!(!clean.contains(gone), "{gone} is in {clean}");
        }
        assert!(clean.contains("href=\"https://good.example\"") && clean.contains("target=\"_blank\""), "{clean}");
    }

    #[test]
    fn t_40_html_that_takes_hours_is_shown_as_text() {
        let mail = |times| format!("Content-Type: text/html\r\n\r\n{}hello", "<div>".repeat(times)).into_bytes();
        let content = Content::parse(&mail(1_000_000));
        assert!(content.html.is_none());
        assert_eq!(content.text.as_deref().map(str::trim), Some("hello"));
        assert!(Content::parse(&mail(100)).html.is_some());
    }

    #[test]
    fn t_40_one_tag_or_paragraph_that_opens_thousands_is_shown_as_text() {
        let mail = |html: String| format!("Content-Type: text/html\r\n\r\n{html}hello").into_bytes();
        let fonts: String = (0..5_000).map(|number| format!("<font size={number}>")).collect();
        let attributes: String = (0..20_000).map(|number| format!(" a{number}")).collect();
        for costly in [format!("<p>{fonts}{}", "<p>x".repeat(4_900)), format!("<p{attributes}>")] {
            let content = Content::parse(&mail(costly));
            assert!(content.html.is_none());
            assert!(content.text.is_some_and(|text| text.contains("hello")));
        }
    }

    #[test]
    fn what_is_a_paragraph_stays_one_where_html_is_quoted() {
        let text = text_of(
            "<html><body><h1>Hi</h1><a href=x>link</a><div><div>one</div></div><div>two</div>\
                            <ul><li>a<li>b</ul>1 &lt; 2<br>end</body></html>",
        );
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, ["Hi", "link", "one", "two", "a", "b", "1 < 2", "end"], "{text}");
        assert!(!text.contains("\n\n\n") && !text.starts_with('\n'), "{text}");
    }

    #[test]
    fn text_html_and_files_are_found() {
        let mail = mime::MessageBuilder::new()
            .text_field("Subject", "Grüße")
            .text("Grüße\u{0} an alle")
            .attach(mime::Attachment {
                content_type: "text/html".into(),
                file_name: "../böse.html".into(),
                content: b"<script>".to_vec(),
            })
            .build();
        let content = Content::parse(&mail);
        assert_eq!(content.text.as_deref().map(str::trim), Some("Grüße an alle"));
        let file = content.files.first().unwrap();
        assert!(file.name.ends_with("böse.html") && !file.name.contains('/'), "{}", file.name);
        assert_eq!(file.bytes, b"<script>");
        assert_eq!(content.html, None, "a file is no body");
    }
}

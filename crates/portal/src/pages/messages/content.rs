//! What is in a message, for a browser: text, cleaned HTML, files.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

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
        let text: Vec<String> = (0..MOST_PARTS)
            .map_while(|position| message.body_text(position))
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

// Only what came as HTML: text that was made HTML is better shown as text.
fn html_of(message: &Message<'_>) -> Option<String> {
    // CASES T-40: the parser looks at all open elements at each tag, so a few hundred thousand take hours. The text
    // of such a message is shown.
    let tags = |part: &MessagePart<'_>| match &part.body {
        PartType::Html(html) => html.bytes().filter(|&octet| octet == b'<').count(),
        _ => 0,
    };
    if message.html_bodies().take(MOST_PARTS).map(tags).sum::<usize>() > MOST_TAGS {
        return None;
    }
    let parts: Vec<String> = message
        .html_bodies()
        .take(MOST_PARTS)
        .filter_map(|part| match &part.body {
            PartType::Html(html) => Some(clean_html(html)),
            _ => None,
        })
        .collect();
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

const MOST_PARTS: usize = 20;
/// Elements of HTML in one message.
const MOST_TAGS: usize = 10_000;
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

//! The webmailer (F8): a partner's messages. Somebody else's do not exist (CASES T-103).

mod compose;
mod content;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use directory::{Address, Folder, Message, MessageId};

pub(crate) use compose::{reply, reply_form, send, write_form};

use crate::app::App;
use crate::certificate_view::{Moment, moment};
use crate::page::{Answer, Page, Section, clean, html, see_other};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};
use content::{Content, FileView};

struct Row {
    href: String,
    subject: String,
    correspondent: String,
    at: Moment,
    bytes: String,
    unread: bool,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    page: Page,
    notice: Option<Notice>,
    folder: &'static str,
    unread: u64,
    search: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    page: Page,
    id: String,
    sent: bool,
    subject: String,
    correspondent: String,
    at: Moment,
    text: Option<String>,
    framed: bool,
    has_html: bool,
    files: Vec<FileView>,
    may_reply: bool,
}

pub(crate) async fn inbox(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let (t, partner) = (visitor.texts(), &visitor.known()?.address);
    let notice = match visitor.take_flash().as_deref() {
        Some("sent") => Notice::good(t.sent()),
        Some("deleted") => Notice::good(t.deleted()),
        Some("draft-kept") => Notice::good(t.draft_kept()),
        Some("password-changed") => Notice::good(t.password_changed()),
        _ => None,
    };
    let folder = match visitor.parameter("folder") {
        Some("drafts") => Folder::Drafts,
        Some("sent") => Folder::Sent,
        _ => Folder::Inbox,
    };
    let search = clean(&visitor.text_parameter("q"));
    let wanted = search.to_lowercase();
    let rows = app.directory.messages(partner, folder, MOST_SHOWN).await?.into_iter().filter(|message| {
        message.subject.to_lowercase().contains(&wanted) || message.correspondent.to_string().contains(&wanted)
    });
    let known = app.directory.contacts_of(partner).await?;
    let name_of = |at: &Address| {
        known.iter().find(|contact| contact.address == *at).map_or_else(|| at.to_string(), |one| clean(&one.name))
    };
    let rows = rows
        .map(|message| Row {
            href: match folder {
                Folder::Drafts => format!("/write?draft={}", message.id),
                Folder::Inbox | Folder::Sent => format!("/messages/{}", message.id),
            },
            subject: subject_of(&visitor, &message),
            correspondent: name_of(&message.correspondent),
            at: moment(visitor.local(), message.at),
            bytes: visitor.local().bytes(message.bytes),
            unread: message.read.is_none() && folder == Folder::Inbox,
        })
        .collect();
    let unread = app.directory.unread(partner).await?;
    let page = Page::new(&app, &visitor, Section::Inbox);
    html(StatusCode::OK, &InboxPage { page, notice, folder: folder.name(), unread, search, rows })
}

/// The message, or as a file when `.eml` follows its number.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Answer {
    if let Some(id) = name.strip_suffix(".eml") {
        let (message, body) = load(&app, &visitor, id).await?;
        return Ok(download("message/rfc822", &format!("{}.eml", message.id), body));
    }
    let (message, body) = load(&app, &visitor, &name).await?;
    if message.folder == Folder::Drafts {
        return Ok(see_other(&format!("/write?draft={}", message.id)));
    }
    let partner = &visitor.known()?.address;
    if message.read.is_none() {
        app.directory.mark_read(partner, message.id).await?;
    }
    let content = Content::of(body).await?;
    let has_html = content.html.is_some();
    let framed = has_html && (content.text.is_none() || visitor.parameter("view") != Some("text"));
    let page = MessagePage {
        page: Page::new(&app, &visitor, Section::Inbox),
        id: message.id.to_string(),
        sent: message.folder == Folder::Sent,
        subject: subject_of(&visitor, &message),
        correspondent: name_of(&app, &visitor, &message.correspondent).await?,
        at: moment(visitor.local(), message.at),
        text: content.text,
        framed,
        has_html,
        files: content.files.iter().enumerate().map(|(index, file)| file.view(&visitor, index)).collect(),
        may_reply: app.directory.is_inside(&message.correspondent),
    };
    let mut response = html(StatusCode::OK, &page)?;
    if framed {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMING));
    }
    Ok(response)
}

/// What somebody formatted, cleaned of all that acts, for the sandboxed frame alone.
pub(crate) async fn frame(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let (_, body) = load(&app, &visitor, &id).await?;
    let inner = Content::of(body).await?.html.ok_or(Problem::NotFound)?;
    let document =
        format!("<!doctype html><html><head><meta charset=\"utf-8\"><title></title></head><body>{inner}</body></html>");
    let header = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, FRAMED),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    Ok((header, document).into_response())
}

pub(crate) async fn attachment(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((id, number)): Path<(String, usize)>,
) -> Answer {
    let (_, body) = load(&app, &visitor, &id).await?;
    let file = Content::of(body).await?.files.into_iter().nth(number).ok_or(Problem::NotFound)?;
    // Never shown in place, whatever it claims to be (CASES T-100).
    Ok(download("application/octet-stream", &file.name, file.bytes))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let partner = &visitor.known()?.address;
    let body = app.directory.delete_message(partner, id.parse()?).await?.ok_or(Problem::NotFound)?;
    app.forget_body(body).await;
    go_and_say(&app, "/inbox", "deleted")
}

async fn load(app: &App, visitor: &Visitor, id: &str) -> Result<(Message, Vec<u8>), Problem> {
    let message = own(app, visitor, id).await?;
    let body = app.store.get(message.body).await?;
    Ok((message, body))
}

/// CASES T-103: somebody else's message does not exist.
async fn own(app: &App, visitor: &Visitor, id: &str) -> Result<Message, Problem> {
    let partner: &Address = &visitor.known()?.address;
    let id: MessageId = id.parse()?;
    app.directory.message(partner, id).await?.ok_or(Problem::NotFound)
}

/// How somebody is called, where the partner knows them by name; their address says who it is.
async fn name_of(app: &App, visitor: &Visitor, at: &Address) -> Result<String, Problem> {
    let known = app.directory.contacts_of(&visitor.known()?.address).await?;
    let name = known.iter().find(|contact| contact.address == *at).map(|contact| clean(&contact.name));
    let name = name.filter(|name| !name.trim().is_empty());
    Ok(name.map_or_else(|| at.to_string(), |name| format!("{name} <{at}>")))
}

fn subject_of(visitor: &Visitor, message: &Message) -> String {
    let subject = clean(&message.subject);
    if subject.trim().is_empty() { visitor.texts().no_subject().into() } else { subject }
}

/// A file to be saved. Its name is ASCII beside the exact one (RFC 6266 §4.3, RFC 8187 §3.2).
pub(super) fn download(content_type: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b".-_".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let disposition = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    ([(CONTENT_TYPE, content_type.to_owned()), (CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

/// The page around a message: like every page, and it may frame one of ours.
const FRAMING: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; \
                       base-uri 'none'; frame-ancestors 'none'";
/// The message in it: nothing is loaded, nothing runs, it has no origin; a link opens a window of its own.
const FRAMED: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'self'";
const MOST_SHOWN: u32 = 500;

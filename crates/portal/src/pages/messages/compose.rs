//! Writing and answering: to people inside alone. The mail goes out through the outbox, a copy stays with the partner.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Address, Folder, Limit, Message, MessageId, NewMessage, Outgoing, OutgoingKind};
use mail_parser::MessageParser;
use mime::{Attachment, MessageBuilder};

use super::content::Content;
use super::{load, name_of, own, subject_of};
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};

struct Choice {
    address: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "compose.html")]
struct ComposePage {
    page: Page,
    notice: Option<Notice>,
    title: String,
    action: String,
    back: String,
    /// Empty for a reply, whose recipient is fixed.
    choices: Vec<Choice>,
    recipient: String,
    subject: String,
    text: String,
    most: String,
    /// The draft that is continued; empty for none.
    draft: String,
    /// Of this form: sent twice with the same in it, it is one letter.
    number: String,
}

pub(crate) async fn reply_form(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let message = answerable(&app, &visitor, &id).await?;
    let body = app.store.get(message.body).await?;
    let t = visitor.texts();
    let subject = reply_subject(&visitor, &message);
    let quoted = Content::of(body).await?.text.unwrap_or_default();
    let quoted: String = quoted.lines().take(MOST_QUOTED).map(|line| format!("> {line}\n")).collect();
    let from = name_of(&app, &visitor, &message.correspondent).await?;
    let intro = t.written_on(visitor.local().moment(message.at), from);
    let text = format!("\n\n{intro}\n{quoted}");
    reply_page(&app, &visitor, StatusCode::OK, None, &message, (subject, text), &Form::default()).await
}

pub(crate) async fn reply(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let message = answerable(&app, &visitor, &id).await?;
    let subject = match clean(form.field("subject")) {
        empty if empty.is_empty() => reply_subject(&visitor, &message),
        subject => subject,
    };
    let keeps = !form.field("keep").is_empty();
    if !keeps && form.field("text").is_empty() {
        let notice = Notice::bad(visitor.texts().write_text_missing());
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return reply_page(&app, &visitor, status, notice, &message, (subject, String::new()), &form).await;
    }
    match answer(&app, &visitor, &message, &subject, keeps, &form).await {
        // What was written stays on the page.
        Err(Problem::Unavailable) => {
            let (notice, text) = (Notice::bad(visitor.texts().write_not_now()), form.exact("text").to_owned());
            let status = StatusCode::SERVICE_UNAVAILABLE;
            reply_page(&app, &visitor, status, notice, &message, (subject, text), &form).await
        }
        done => done,
    }
}

async fn answer(app: &App, visitor: &Visitor, message: &Message, subject: &str, keeps: bool, form: &Form) -> Answer {
    let body = app.store.get(message.body).await?;
    let answers = MessageParser::default().parse_headers(&body).and_then(|mail| mail.message_id().map(clean));
    let (to, answers) = (&message.correspondent, answers.as_deref());
    match keeps {
        true => keep(app, visitor, to, subject, answers, form).await,
        false => post(app, visitor, to, subject, answers, form).await,
    }
}

pub(crate) async fn write_form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    if let Some(id) = visitor.parameter("draft") {
        let (draft, body) = load_draft(&app, &visitor, id).await?;
        let text = Content::of(body).await?.text.unwrap_or_default();
        let fields = [
            ("draft", draft.id.to_string()),
            ("to", draft.correspondent.to_string()),
            ("subject", draft.subject),
            ("text", text),
        ];
        return write_page(&app, &visitor, StatusCode::OK, None, &Form::of(fields)).await;
    }
    write_page(&app, &visitor, StatusCode::OK, None, &Form::default()).await
}

pub(crate) async fn send(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let wrong = |text| write_page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(text), &form);
    let contacts = app.directory.contacts_of(&visitor.known()?.address).await?;
    let wanted = Address::parse(form.field("to")).ok();
    // Nobody else: the webmailer is no relay.
    let Some(to) = contacts.into_iter().map(|contact| contact.address).find(|at| Some(at) == wanted.as_ref()) else {
        return wrong(t.write_to_missing()).await;
    };
    let subject = clean(form.field("subject"));
    // The second click finds no draft any more, and it was sent.
    if form.field("keep").is_empty() && was_sent(&app, &visitor, &to, &subject, &form).await? {
        return go_and_say(&app, "/inbox?folder=sent", "sent");
    }
    // A draft of an answer stays one.
    let answers = match form.field("draft") {
        "" => None,
        id => {
            let (_, body) = load_draft(&app, &visitor, id).await?;
            let head = MessageParser::default().parse_headers(&body);
            head.and_then(|mail| mail.in_reply_to().as_text().map(clean))
        }
    };
    let done = if !form.field("keep").is_empty() {
        keep(&app, &visitor, &to, &subject, answers.as_deref(), &form).await
    } else if form.field("text").is_empty() {
        return wrong(t.write_text_missing()).await;
    } else {
        post(&app, &visitor, &to, &subject, answers.as_deref(), &form).await
    };
    match done {
        // What was written stays on the page.
        Err(Problem::Unavailable) => {
            let notice = Notice::bad(t.write_not_now());
            write_page(&app, &visitor, StatusCode::SERVICE_UNAVAILABLE, notice, &form).await
        }
        done => done,
    }
}

async fn post(app: &App, visitor: &Visitor, to: &Address, subject: &str, answers: Option<&str>, form: &Form) -> Answer {
    let person = visitor.known()?;
    let _counted = app.attempt(Limit::Upload, &[&format!("person:{}", person.id)]).await?;
    let settings = app.directory.settings();
    let number = letter_number(visitor, to, subject, form)?;
    let mut mail = begin(app, visitor, to, subject, answers, &number)?.text(form.exact("text"));
    for file in form.files("attachment") {
        mail = mail.attach(Attachment {
            content_type: "application/octet-stream".into(),
            file_name: file.name.clone(),
            content: file.bytes.to_vec(),
        });
    }
    let content = mail.build();
    let body = app.store.put(&content).await?;
    let copy = NewMessage {
        partner: person.address.clone(),
        folder: Folder::Sent,
        correspondent: to.clone(),
        subject: subject.to_owned(),
        body,
        bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
    };
    let outgoing = Outgoing {
        sender: Some(settings.notify_from.clone()),
        recipient: to.clone(),
        content,
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some(key_of(&number)),
    };
    // One transaction: what is in "sent" is on its way. The same once more is there already.
    if app.directory.send_message_once(&copy, &outgoing).await?.is_none() {
        app.forget_body(body).await;
    }
    // It was sent, whatever becomes of the draft.
    if drop_draft(app, visitor, form.field("draft")).await.is_err() {
        tracing::warn!("a draft that was sent is still there");
    }
    go_and_say(app, "/inbox?folder=sent", "sent")
}

/// Whether this very letter went out: a form is sent twice by a double click, or by "back" and "send".
async fn was_sent(app: &App, visitor: &Visitor, to: &Address, subject: &str, form: &Form) -> Result<bool, Problem> {
    let number = letter_number(visitor, to, subject, form)?;
    Ok(app.directory.is_in_outbox(&key_of(&number)).await?)
}

fn key_of(number: &str) -> String {
    format!("webmailer reply {number}")
}

/// The number of a letter: from that of its form and all that is in it, so that the same is not sent twice and what was
/// changed is. Of a form without a number each letter is one of its own.
fn letter_number(visitor: &Visitor, to: &Address, subject: &str, form: &Form) -> Result<String, Problem> {
    let number = form.field("number");
    if !is_number(number) {
        return random_number();
    }
    let mut hasher = crypto::Hasher::new(crypto::DigestAlgorithm::Sha256);
    let (who, to) = (visitor.known()?.id.to_string(), to.to_string());
    let texts = [&who, number, &to, subject, form.exact("text")].map(str::as_bytes);
    let files = form.files("attachment").flat_map(|file| [file.name.as_bytes(), &file.bytes[..]]);
    for part in texts.into_iter().chain(files) {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finish();
    Ok(digest.octets().iter().take(16).map(|octet| format!("{octet:02x}")).collect())
}

/// Keeps what was written so far, sealed like every message, in the place of the draft that it continues.
async fn keep(app: &App, visitor: &Visitor, to: &Address, subject: &str, answers: Option<&str>, form: &Form) -> Answer {
    let person = visitor.known()?;
    let _counted = app.attempt(Limit::Upload, &[&format!("person:{}", person.id)]).await?;
    let content = begin(app, visitor, to, subject, answers, &random_number()?)?.text(form.exact("text")).build();
    let body = app.store.put(&content).await?;
    let draft = NewMessage {
        partner: person.address.clone(),
        folder: Folder::Drafts,
        correspondent: to.clone(),
        subject: subject.to_owned(),
        body,
        bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
    };
    app.directory.add_message(&draft).await?;
    drop_draft(app, visitor, form.field("draft")).await?;
    go_and_say(app, "/inbox?folder=drafts", "draft-kept")
}

/// The draft that was continued is another one now, or sent.
async fn drop_draft(app: &App, visitor: &Visitor, id: &str) -> Result<(), Problem> {
    if id.is_empty() {
        return Ok(());
    }
    let partner = &visitor.known()?.address;
    let id: MessageId = id.parse()?;
    let draft = app.directory.message(partner, id).await?.filter(|message| message.folder == Folder::Drafts);
    if draft.is_some()
        && let Some(body) = app.directory.delete_message(partner, id).await?
    {
        app.forget_body(body).await;
    }
    Ok(())
}

async fn load_draft(app: &App, visitor: &Visitor, id: &str) -> Result<(Message, Vec<u8>), Problem> {
    let (message, body) = load(app, visitor, id).await?;
    if message.folder == Folder::Drafts { Ok((message, body)) } else { Err(Problem::NotFound) }
}

/// The number of a form that is shown again: what was sent with it may be on its way, and is the same letter then.
fn same_number(form: &Form) -> Result<String, Problem> {
    let number = form.field("number");
    if is_number(number) { Ok(number.to_owned()) } else { random_number() }
}

fn is_number(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

fn random_number() -> Result<String, Problem> {
    let number = crypto::random_array::<16>().map_err(|_| Problem::Internal)?;
    Ok(number.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// The header of a message; `answers` is the Message-ID of the one that it answers.
fn begin(
    app: &App,
    visitor: &Visitor,
    to: &Address,
    subject: &str,
    answers: Option<&str>,
    number: &str,
) -> Result<MessageBuilder, Problem> {
    let (person, settings) = (visitor.known()?, app.directory.settings());
    let mail = MessageBuilder::new()
        .field("Date", &mime::date(app.directory.now().to_unix()))
        .mailbox("From", Some(&clean(&person.name)), &person.address.to_string())
        .mailbox("To", None, &to.to_string())
        .text_field("Subject", subject)
        .field("Message-ID", &format!("<{number}@{}>", settings.notify_from.domain()));
    let plain = |id: &&str| id.len() < 400 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    Ok(match answers.filter(plain) {
        Some(id) => mail.field("In-Reply-To", &format!("<{id}>")).field("References", &format!("<{id}>")),
        None => mail,
    })
}

async fn answerable(app: &App, visitor: &Visitor, id: &str) -> Result<Message, Problem> {
    let message = own(app, visitor, id).await?;
    if app.directory.is_inside(&message.correspondent) { Ok(message) } else { Err(Problem::NotFound) }
}

fn reply_subject(visitor: &Visitor, message: &Message) -> String {
    let subject = subject_of(visitor, message);
    let lower = subject.to_lowercase();
    if lower.starts_with("re:") || lower.starts_with("aw:") { subject } else { visitor.texts().reply_subject(subject) }
}

async fn reply_page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    message: &Message,
    (subject, text): (String, String),
    form: &Form,
) -> Answer {
    let page = ComposePage {
        page: Page::new(app, visitor, Section::Inbox),
        notice,
        title: visitor.texts().reply_title(name_of(app, visitor, &message.correspondent).await?),
        action: format!("/messages/{}/reply", message.id),
        back: format!("/messages/{}", message.id),
        choices: Vec::new(),
        recipient: message.correspondent.to_string(),
        subject,
        text,
        most: visitor.local().bytes(app.settings.message_bytes),
        draft: String::new(),
        number: same_number(form)?,
    };
    html(status, &page)
}

async fn write_page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    let wanted = match form.field("to") {
        "" => visitor.text_parameter("to"),
        to => to.to_owned(),
    };
    let draft: String = form.field("draft").chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let contacts = app.directory.contacts_of(&visitor.known()?.address).await?;
    let choices = contacts.into_iter().map(|contact| Choice {
        chosen: contact.address.to_string() == wanted,
        address: contact.address.to_string(),
        name: clean(&contact.name),
    });
    let page = ComposePage {
        page: Page::new(app, visitor, Section::Inbox),
        notice,
        title: if draft.is_empty() { visitor.texts().write_title() } else { visitor.texts().draft_title() }.into(),
        action: "/write".into(),
        back: if draft.is_empty() { "/inbox" } else { "/inbox?folder=drafts" }.into(),
        choices: choices.collect(),
        recipient: String::new(),
        subject: clean(form.field("subject")),
        text: form.exact("text").chars().take(MOST_TEXT).collect(),
        most: visitor.local().bytes(app.settings.message_bytes),
        draft,
        number: same_number(form)?,
    };
    html(status, &page)
}

const MOST_QUOTED: usize = 200;
const MOST_TEXT: usize = 200_000;

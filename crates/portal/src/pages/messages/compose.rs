//! Writing and answering: to people inside alone. The mail goes out through the outbox, a copy stays with the partner.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Address, Folder, Limit, Message, NewMessage, Outgoing, OutgoingKind};
use mail_parser::MessageParser;
use mime::{Attachment, MessageBuilder};

use super::content::Content;
use super::{load, subject_of};
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html, see_other};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::{Visitor, leave_flash};

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
}

pub(crate) async fn reply_form(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let (message, body) = answerable(&app, &visitor, &id).await?;
    let t = visitor.texts();
    let subject = reply_subject(&visitor, &message);
    let quoted = Content::of(body).await?.text.unwrap_or_default();
    let quoted: String = quoted.lines().take(MOST_QUOTED).map(|line| format!("> {line}\n")).collect();
    let intro = t.written_on(visitor.local().moment(message.at), &message.correspondent);
    let text = format!("\n\n{intro}\n{quoted}");
    reply_page(&app, &visitor, StatusCode::OK, None, &message, subject, text)
}

pub(crate) async fn reply(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (message, body) = answerable(&app, &visitor, &id).await?;
    let subject = match clean(form.field("subject")) {
        empty if empty.is_empty() => reply_subject(&visitor, &message),
        subject => subject,
    };
    if form.field("text").is_empty() {
        let notice = Notice::bad(visitor.texts().write_text_missing());
        return reply_page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &message, subject, String::new());
    }
    let answers = MessageParser::default().parse_headers(&body).and_then(|mail| mail.message_id().map(clean));
    post(&app, &visitor, &message.correspondent, &subject, answers.as_deref(), &form).await
}

pub(crate) async fn write_form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
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
    if form.field("text").is_empty() {
        return wrong(t.write_text_missing()).await;
    }
    let subject = clean(form.field("subject"));
    post(&app, &visitor, &to, &subject, None, &form).await
}

async fn post(app: &App, visitor: &Visitor, to: &Address, subject: &str, answers: Option<&str>, form: &Form) -> Answer {
    let person = visitor.known()?;
    let _counted = app.attempt(Limit::Upload, &[&format!("person:{}", person.id)]).await?;
    let settings = app.directory.settings();
    let number = crypto::random_array::<16>().map_err(|_| Problem::Internal)?;
    let number: String = number.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut mail = MessageBuilder::new()
        .field("Date", &mime::date(app.directory.now().to_unix()))
        .mailbox("From", Some(&clean(&person.name)), &person.address.to_string())
        .mailbox("To", None, &to.to_string())
        .text_field("Subject", subject)
        .field("Message-ID", &format!("<{number}@{}>", settings.notify_from.domain()));
    if let Some(id) =
        answers.filter(|id| id.len() < 400 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>'))
    {
        mail = mail.field("In-Reply-To", &format!("<{id}>")).field("References", &format!("<{id}>"));
    }
    mail = mail.text(form.exact("text"));
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
        key: Some(format!("webmailer reply {number}")),
    };
    // One transaction: what is in "sent" is on its way.
    app.directory.add_message_once(&copy, &outgoing).await?;
    let mut response = see_other("/inbox?folder=sent");
    leave_flash(app, response.headers_mut(), "sent");
    Ok(response)
}

async fn answerable(app: &App, visitor: &Visitor, id: &str) -> Result<(Message, Vec<u8>), Problem> {
    let (message, body) = load(app, visitor, id).await?;
    if app.directory.is_inside(&message.correspondent) { Ok((message, body)) } else { Err(Problem::NotFound) }
}

fn reply_subject(visitor: &Visitor, message: &Message) -> String {
    let subject = subject_of(visitor, message);
    let lower = subject.to_lowercase();
    if lower.starts_with("re:") || lower.starts_with("aw:") { subject } else { visitor.texts().reply_subject(subject) }
}

fn reply_page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    message: &Message,
    subject: String,
    text: String,
) -> Answer {
    let page = ComposePage {
        page: Page::new(app, visitor, Section::Inbox),
        notice,
        title: visitor.texts().reply_title(&message.correspondent),
        action: format!("/messages/{}/reply", message.id),
        back: format!("/messages/{}", message.id),
        choices: Vec::new(),
        recipient: message.correspondent.to_string(),
        subject,
        text,
        most: visitor.local().bytes(app.settings.message_bytes),
    };
    html(status, &page)
}

async fn write_page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    let wanted = match form.field("to") {
        "" => visitor.text_parameter("to"),
        to => to.to_owned(),
    };
    let contacts = app.directory.contacts_of(&visitor.known()?.address).await?;
    let choices = contacts.into_iter().map(|contact| Choice {
        chosen: contact.address.to_string() == wanted,
        address: contact.address.to_string(),
        name: clean(&contact.name),
    });
    let page = ComposePage {
        page: Page::new(app, visitor, Section::Inbox),
        notice,
        title: visitor.texts().write_title().into(),
        action: "/write".into(),
        back: "/inbox".into(),
        choices: choices.collect(),
        recipient: String::new(),
        subject: clean(form.field("subject")),
        text: form.exact("text").chars().take(MOST_TEXT).collect(),
        most: visitor.local().bytes(app.settings.message_bytes),
    };
    html(status, &page)
}

const MOST_QUOTED: usize = 200;
const MOST_TEXT: usize = 200_000;

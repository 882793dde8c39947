//! What is kept about oneself: language, export, deletion.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{CredentialFilter, Folder, Language, RequestFilter, Role};

use super::messages::download;
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html, see_other};
use crate::pages::Notice;
use crate::pages::second_factor::is_owner;
use crate::problem::Problem;
use crate::visitor::{Visitor, clear_session, go_and_say, leave_flash};

#[derive(Template)]
#[template(path = "me.html")]
struct MePage {
    page: Page,
    notice: Option<Notice>,
    name: String,
    address: String,
    company: String,
    since: String,
    contact: String,
    language: &'static str,
    partner: bool,
    messages: usize,
    certificates: usize,
    record: usize,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let notice = match visitor.take_flash().as_deref() {
        Some("language") => Notice::good(t.me_language_saved()),
        _ => None,
    };
    page(&app, &visitor, StatusCode::OK, notice).await
}

pub(crate) async fn language(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let language = Language::from_code(form.field("language")).ok_or(Problem::BadForm)?;
    app.directory.set_language(visitor.known()?.id, language, &visitor.actor()?).await?;
    // The page of this language remembers the choice for this browser, too.
    go_and_say(&app, &format!("/me?lang={}", language.code()), "language")
}

pub(crate) async fn export(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let data = app.directory.export_person(&visitor.known()?.address).await?;
    let text = serde_json::to_vec_pretty(&data).map_err(|_| Problem::Internal)?;
    Ok(download("application/json", "sealpost.json", text))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    if !is_owner(&app, &visitor, &form).await? {
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(t.password_wrong())).await;
    }
    for body in app.directory.erase_person(&visitor.known()?.address, &visitor.actor()?).await? {
        app.forget_body(body).await;
    }
    let mut response = see_other("/login");
    leave_flash(&app, response.headers_mut(), "deleted");
    clear_session(&app, response.headers_mut());
    Ok(response)
}

async fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>) -> Answer {
    let person = visitor.known()?;
    let contact = match person.contact {
        Some(id) => app.directory.person(id).await?.map(|contact| clean(&contact.name)).unwrap_or_default(),
        None => String::new(),
    };
    let mut messages = 0;
    for folder in [Folder::Drafts, Folder::Inbox, Folder::Sent] {
        messages += app.directory.messages(&person.address, folder, MOST_COUNTED).await?.len();
    }
    let filter = RequestFilter::For(person.address.clone());
    let of_house = CredentialFilter::For(person.address.clone());
    let of_house = app.directory.credentials(&of_house, MOST_COUNTED).await?.len();
    let page = MePage {
        page: Page::new(app, visitor, Section::Me),
        notice,
        name: clean(&person.name),
        address: person.address.to_string(),
        company: clean(person.company.as_deref().unwrap_or_default()),
        since: visitor.local().date(person.created),
        contact,
        language: person.language.code(),
        partner: person.roles.has(Role::Partner),
        messages,
        certificates: app.directory.requests(&filter, MOST_COUNTED).await?.len() + of_house,
        record: app.directory.audit_for(&person.address).await?.len(),
    };
    html(status, &page)
}

const MOST_COUNTED: u32 = 10_000;

//! A forgotten password, where the policy has it set by a mailed link (CASES T-103, T-105).

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Address, Limit, Person};

use super::password::explain;
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, html};
use crate::pages::Notice;
use crate::password::{FEWEST_CHARACTERS, check};
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};

#[derive(Template)]
#[template(path = "forgotten.html")]
struct ForgottenPage {
    page: Page,
    csrf: String,
    notice: Option<Notice>,
    asked: bool,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    page: Page,
    csrf: String,
    notice: Option<Notice>,
    token: String,
    address: String,
    fewest: usize,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    page(&app, &visitor, StatusCode::OK, None, false)
}

/// One answer for everybody, after the same time: what is to be done for somebody who is known is done afterwards.
pub(crate) async fn ask(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    if !app.settings.password_links {
        return Err(Problem::NotFound);
    }
    match app.attempt(Limit::Link, &[visitor.network()]).await {
        Err(Problem::TooMany(until)) => {
            let notice = Notice::bad(visitor.texts().log_in_too_often(visitor.local().moment(until)));
            return page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, notice, false);
        }
        // Each one may be a mail.
        counted => drop(counted?),
    }
    if let Ok(address) = Address::parse(form.field("address")) {
        let directory = app.directory.clone();
        tokio::spawn(async move {
            if let Err(error) = directory.send_password_link(&address).await {
                tracing::error!(%error, "a link for another password was not mailed");
            }
        });
    }
    page(&app, &visitor, StatusCode::OK, None, true)
}

pub(crate) async fn form(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Answer {
    let person = owner(&app, &visitor, &token).await?;
    reset_page(&app, &visitor, StatusCode::OK, None, token, &person.address)
}

pub(crate) async fn set(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let person = owner(&app, &visitor, &token).await?;
    let password = form.exact("password");
    if let Err(weakness) =
        check(password, form.exact("repeat"), &person.address, &[&person.name, &app.directory.settings().organisation])
    {
        let notice = Notice::bad(explain(visitor.texts(), weakness));
        return reset_page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, token, &person.address);
    }
    let hash = app.hash_password(password).await?;
    let person = app.directory.use_password_link(&token, &hash).await?;
    // The link proves the mailbox; logging in asks for the rest, a second factor among it. Whoever had the password
    // before may have added a passkey: its owner is told that there are some.
    let any = !app.directory.passkeys(person.id).await?.is_empty();
    go_and_say(&app, "/login", if any { "password-set-passkeys" } else { "password-set" })
}

/// Whose link it is. Who guesses links is counted.
async fn owner(app: &App, visitor: &Visitor, token: &str) -> Result<Person, Problem> {
    if !app.settings.password_links {
        return Err(Problem::NotFound);
    }
    let attempt = app.attempt(Limit::Link, &[visitor.network()]).await?;
    let person = app.directory.peek_password_link(token).await?;
    app.directory.succeeded(attempt).await?;
    Ok(person)
}

fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, asked: bool) -> Answer {
    if !app.settings.password_links {
        return Err(Problem::NotFound);
    }
    let frame = Page::new(app, visitor, Section::Nowhere);
    html(status, &ForgottenPage { page: frame, csrf: visitor.csrf(), notice, asked })
}

fn reset_page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    token: String,
    address: &Address,
) -> Answer {
    let (page, csrf) = (Page::new(app, visitor, Section::Nowhere), visitor.csrf());
    let address = address.to_string();
    html(status, &ResetPage { page, csrf, notice, token, address, fewest: FEWEST_CHARACTERS })
}

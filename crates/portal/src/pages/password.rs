//! Another password: the first thing after a first log-in, and later from *Schlüssel und Kennwörter*.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Limit, LogInWay};

use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, html, see_other, start_page};
use crate::pages::Notice;
use crate::password::{FEWEST_CHARACTERS, Weakness, check};
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::{Visitor, leave_flash, set_session};

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    page: Page,
    notice: Option<Notice>,
    first: bool,
    address: String,
    fewest: usize,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    page(&app, &visitor, StatusCode::OK, None)
}

pub(crate) async fn change(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let wrong = |text: String| page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(text));
    let account = app.directory.account(person.id).await?.ok_or(Problem::Forbidden)?;
    if !account.must_change {
        // An open browser is not enough to take an account over.
        let key = format!("account:{}", person.address.key());
        let attempt = app.attempt(Limit::LogIn, &[&key, visitor.network()]).await?;
        if !app.verify_password(form.exact("current"), Some(account.password_hash.clone())).await? {
            return wrong(t.password_wrong().into());
        }
        app.directory.succeeded(attempt).await?;
    }
    let password = form.exact("password");
    if let Err(weakness) =
        check(password, form.exact("repeat"), &person.address, &[&person.name, &app.directory.settings().organisation])
    {
        return wrong(explain(t, weakness));
    }
    if app.verify_password(password, Some(account.password_hash)).await? {
        return wrong(explain(t, Weakness::SameAsBefore));
    }
    let hash = app.hash_password(password).await?;
    // CASES T-102: ends every session, this one too.
    app.directory.set_password(person.id, &hash, false, &visitor.actor()?).await?;
    let (token, _) = app.directory.start_session(person.id, &app.session_limits(), LogInWay::Password).await?;
    let mut response = see_other(if account.must_change { start_page(person.roles) } else { "/keys?what=password" });
    set_session(&app, response.headers_mut(), token.as_str());
    leave_flash(&app, response.headers_mut(), "password-changed");
    Ok(response)
}

pub(super) fn explain(t: Texts, weakness: Weakness) -> String {
    match weakness {
        Weakness::Differs => t.password_differs().into(),
        Weakness::Obvious => t.password_obvious().into(),
        Weakness::SameAsBefore => t.password_same().into(),
        Weakness::TooLong => t.password_too_long().into(),
        Weakness::TooShort => t.password_too_short(FEWEST_CHARACTERS),
    }
}

fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>) -> Answer {
    let address = visitor.known()?.address.to_string();
    let first = visitor.must_change();
    let frame = Page::new(app, visitor, Section::Keys);
    html(status, &PasswordPage { page: frame, notice, first, address, fewest: FEWEST_CHARACTERS })
}

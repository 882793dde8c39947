//! Logging in and out.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, response::Response};
use directory::{Account, Address, ChallengeFor, Limit, LogInWay, Person};

use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, html, html_with_script, see_other, start_page};
use crate::pages::{Notice, second_factor};
use crate::passkeys;
use crate::password::first_as_made;
use crate::problem::Problem;
use crate::visitor::{Visitor, clear_session, escaped, set_session};

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage {
    page: Page,
    csrf: String,
    notice: Option<Notice>,
    address: String,
    next_query: String,
    /// What people call the provider, where there is one.
    openid: Option<String>,
    password_links: bool,
    /// For the browser, in JSON, where a passkey is enough.
    passkey: Option<String>,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    if let Some(person) = visitor.person() {
        return Ok(see_other(start_page(person.roles)));
    }
    let notice = match visitor.take_flash().as_deref() {
        Some("deleted") => Notice::good(visitor.texts().me_deleted()),
        Some("password-set") => Notice::good(visitor.texts().reset_done()),
        Some("password-set-passkeys") => Notice::good(visitor.texts().reset_done_passkeys()),
        _ => None,
    };
    page(&app, &visitor, StatusCode::OK, notice, "")
}

/// CASES T-102 to T-104: counted before anything is looked at, one answer for all that is wrong, a fresh session.
pub(crate) async fn log_in(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    if !form.field("credential").is_empty() {
        return with_passkey(&app, &visitor, &form).await;
    }
    let t = visitor.texts();
    let typed = form.field("address");
    let address = Address::parse(typed).ok();
    let account_key = format!("account:{}", address.as_ref().map_or_else(|| typed.to_lowercase(), |a| a.key().into()));
    let attempt = match app.attempt(Limit::LogIn, &[&account_key, visitor.network()]).await {
        Err(Problem::TooMany(until)) => {
            let notice = Notice::bad(t.log_in_too_often(visitor.local().moment(until)));
            return page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, notice, typed);
        }
        attempt => attempt?,
    };
    let found: Option<(Person, Account)> = match &address {
        Some(address) => app.directory.account_at(address).await?,
        None => None,
    };
    let hash = found.as_ref().map(|(_, account)| account.password_hash.clone());
    let mut password = form.exact("password").to_owned();
    // It was read out, or copied from a letter.
    if found.as_ref().is_some_and(|(_, account)| account.must_change) {
        password = first_as_made(&password).unwrap_or(password);
    }
    let right = app.verify_password(&password, hash).await?;
    let Some((person, account)) = found.filter(|_| right) else {
        return page(&app, &visitor, StatusCode::FORBIDDEN, Notice::bad(t.log_in_failed()), typed);
    };
    app.directory.succeeded(attempt).await?;
    let over = account.changed.plus_days(i64::from(app.settings.first_password_days));
    if account.must_change && app.directory.now() > over {
        return page(&app, &visitor, StatusCode::FORBIDDEN, Notice::bad(t.first_password_over()), typed);
    }
    if app.directory.has_second_factor(person.id).await? {
        return second_factor::ask(&app, &visitor, &person).await;
    }
    enter(&app, &visitor, &person, &account, LogInWay::Password).await
}

/// Where the policy has it so, a passkey is all that is asked for (CASES T-102 to T-105).
async fn with_passkey(app: &App, visitor: &Visitor, form: &Form) -> Answer {
    let t = visitor.texts();
    if !app.settings.passkey_log_in {
        return Err(Problem::Forbidden);
    }
    let key = format!("passkey:{}", form.field("credential"));
    let attempt = match app.attempt(Limit::LogIn, &[&key, visitor.network()]).await {
        Err(Problem::TooMany(until)) => {
            let notice = Notice::bad(t.log_in_too_often(visitor.local().moment(until)));
            return page(app, visitor, StatusCode::TOO_MANY_REQUESTS, notice, "");
        }
        attempt => attempt?,
    };
    let proven = passkeys::proven(app, ChallengeFor::LogIn, &visitor.csrf(), None, form).await?;
    let owner = match proven {
        Some(passkey) => app.directory.person(passkey.person).await?.filter(|person| person.active),
        None => None,
    };
    let found = match owner {
        Some(person) => app.directory.account(person.id).await?.map(|account| (person, account)),
        None => None,
    };
    let Some((person, account)) = found else {
        return page(app, visitor, StatusCode::FORBIDDEN, Notice::bad(t.passkey_failed()), "");
    };
    app.directory.succeeded(attempt).await?;
    enter(app, visitor, &person, &account, LogInWay::Passkey).await
}

/// Everything that is asked for was right: a fresh session (CASES T-102).
async fn enter(app: &App, visitor: &Visitor, person: &Person, account: &Account, way: LogInWay) -> Answer {
    if let Some(before) = visitor.signed_in() {
        app.directory.end_session(&before.token).await?;
    }
    let limits = app.session_limits();
    let token = match way {
        LogInWay::Password => {
            // Changed since it was looked at: then this is not the password any more (CASES T-102).
            let started = app.directory.start_session_of_password(person.id, &account.password_hash, &limits).await?;
            let Some((token, _)) = started else {
                let notice = Notice::bad(visitor.texts().log_in_failed());
                return page(app, visitor, StatusCode::FORBIDDEN, notice, &person.address.to_string());
            };
            token
        }
        way => app.directory.start_session(person.id, &limits, way).await?.0,
    };
    let next = match account.must_change {
        true => "/password".to_owned(),
        false => next_of(visitor).unwrap_or_else(|| start_page(person.roles).to_owned()),
    };
    let mut response = see_other(&next);
    set_session(app, response.headers_mut(), token.as_str());
    Ok(response)
}

pub(crate) async fn log_out(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    if let Some(signed_in) = visitor.signed_in() {
        app.directory.end_session(&signed_in.token).await?;
    }
    let mut response: Response = see_other("/login");
    clear_session(&app, response.headers_mut());
    Ok(response)
}

pub(super) fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, address: &str) -> Answer {
    let address = address.chars().take(254).collect();
    let frame = Page::new(app, visitor, Section::Nowhere);
    let passkey = match app.settings.passkey_log_in {
        true => passkeys::request_options(app, ChallengeFor::LogIn, &visitor.csrf(), &[])?,
        false => None,
    };
    let scripted = passkey.is_some();
    let page = LogInPage {
        page: frame,
        csrf: visitor.csrf(),
        notice,
        address,
        next_query: next_query(visitor),
        openid: app.openid.as_ref().map(|provider| provider.name().to_owned()),
        password_links: app.settings.password_links,
        passkey,
    };
    if scripted { html_with_script(app, status, &page) } else { html(status, &page) }
}

/// Where somebody wanted to be when they were asked to log in.
pub(super) fn next_of(visitor: &Visitor) -> Option<String> {
    safe_path(&visitor.text_parameter("next")).map(ToOwned::to_owned)
}

/// The same, to be carried on.
pub(super) fn next_query(visitor: &Visitor) -> String {
    next_of(visitor).map(|next| format!("?next={}", escaped(&next))).unwrap_or_default()
}

/// A path of this portal with its query, and nothing that leads elsewhere (CASES T-101): browsers take `\` for `/`.
pub(super) fn safe_path(address: &str) -> Option<&str> {
    let path = address.split('?').next().unwrap_or_default();
    let is_ours = path.starts_with('/') && !path.starts_with("//") && !path.contains("..");
    let is_plain = address.len() <= 500 && address.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\');
    (is_ours && is_plain && path != "/login" && path != "/logout").then_some(address)
}

#[cfg(test)]
mod tests {
    use super::safe_path;

    #[test]
    fn t_101_no_log_in_leads_elsewhere() {
        let long = format!("/{}", "x".repeat(600));
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "/../x",
            "",
            "/login",
            "/login?x=y",
            "/x\r\nY: z",
            "/x y",
            &long,
        ] {
            assert_eq!(safe_path(bad), None, "{bad}");
        }
        for good in ["/board/requests/00ff", "/trace?id=%3Ca..b@c.example%3E&x=1"] {
            assert_eq!(safe_path(good), Some(good));
        }
    }
}

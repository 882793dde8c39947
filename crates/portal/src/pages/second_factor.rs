//! The second factor: setting it up, taking it away, and being asked for it.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{ChallengeFor, Last, Limit, LogInWay, Passkey, Person, PersonId, Purpose};

use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, html, html_with_script, see_other, start_page};
use crate::pages::passkeys::{self, PasskeysView};
use crate::pages::{Notice, log_in};
use crate::problem::Problem;
use crate::totp;
use crate::visitor::{Visitor, clear_pending, go_and_say, needs_second_factor, set_pending, set_session};

/// What is shown under *Schlüssel und Kennwörter*.
pub(crate) struct SecondFactorView {
    /// Since when, and how many recovery codes are left; `None` when there is none yet.
    pub(crate) present: Option<(String, u64)>,
    pub(crate) secret: String,
    pub(crate) secret_groups: Vec<String>,
    pub(crate) picture: String,
    pub(crate) picture_size: i32,
    /// The policy asks for one.
    pub(crate) required: bool,
    /// Whether there is none of any kind.
    pub(crate) none: bool,
    /// Whether one of them can go.
    pub(crate) removable: bool,
    /// `None` where browsers have none.
    pub(crate) passkeys: Option<PasskeysView>,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    page: Page,
    csrf: String,
    notice: Option<Notice>,
    next_query: String,
    /// For the browser, in JSON, for who has a passkey.
    passkey: Option<String>,
    /// Whether codes come from a phone; without, there are recovery codes alone.
    phone: bool,
}

#[derive(Template)]
#[template(path = "recovery.html")]
pub(super) struct RecoveryPage {
    pub(super) page: Page,
    pub(super) codes: Vec<String>,
}

/// `secret` is the one that a failed try was made with; a fresh one otherwise.
pub(crate) async fn view(app: &App, visitor: &Visitor, secret: Option<&str>) -> Result<SecondFactorView, Problem> {
    let person = visitor.known()?;
    let present = app.directory.second_factor(person.id).await?;
    let known: Vec<Passkey> = app.directory.passkeys(person.id).await?;
    let passkeys = passkeys::view(app, visitor, &known).await?;
    // Where browsers have no passkeys, those of before are good for nothing.
    let usable = if app.party.is_some() { known.len() } else { 0 };
    let count = usable + usize::from(present.is_some());
    let present = present.map(|factor| (visitor.local().date(factor.since), factor.recovery_codes));
    let secret = match secret {
        Some(secret) => secret.to_owned(),
        None => totp::to_base32(&totp::new_secret()?),
    };
    let organisation = &app.directory.settings().organisation;
    let (picture, picture_size) =
        totp::picture(organisation, &person.address.to_string(), &secret).ok_or(Problem::Internal)?;
    let characters: Vec<char> = secret.chars().collect();
    let secret_groups = characters.chunks(4).map(|group| group.iter().collect()).collect();
    let required = needs_second_factor(app, person);
    Ok(SecondFactorView {
        present,
        secret,
        secret_groups,
        picture,
        picture_size,
        required,
        none: count == 0,
        removable: !required || count > 1,
        passkeys,
    })
}

pub(crate) async fn set(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let typed = form.field("secret");
    let secret = totp::from_base32(typed).ok_or(Problem::BadForm)?;
    if !is_owner(&app, &visitor, &form).await? {
        return super::keys::second_factor_page(&app, &visitor, Notice::bad(t.password_wrong()), Some(typed)).await;
    }
    let Some(step) = totp::matching_step(&secret, form.field("code"), app.directory.now().to_unix()) else {
        return super::keys::second_factor_page(&app, &visitor, Notice::bad(t.code_wrong()), Some(typed)).await;
    };
    let codes = totp::recovery_codes()?;
    app.directory.set_second_factor(person.id, &secret, step, &codes, &visitor.actor()?).await?;
    // Shown by this answer alone, like a first password.
    html(StatusCode::OK, &RecoveryPage { page: Page::new(&app, &visitor, Section::Keys), codes })
}

pub(crate) async fn remove(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let last = if needs_second_factor(&app, person) { Last::Stays } else { Last::Goes };
    if last == Last::Stays && app.party.is_none() {
        return Err(Problem::Forbidden);
    }
    if !is_owner(&app, &visitor, &form).await? {
        return super::keys::second_factor_page(&app, &visitor, Notice::bad(t.password_wrong()), None).await;
    }
    app.directory.remove_second_factor(person.id, last, &visitor.actor()?).await?;
    go_and_say(&app, "/keys?what=second-factor", "factor-removed")
}

/// Whether the one at the keyboard knows the password: an open browser is not enough.
pub(crate) async fn is_owner(app: &App, visitor: &Visitor, form: &Form) -> Result<bool, Problem> {
    let person = visitor.known()?;
    let account = app.directory.account(person.id).await?.ok_or(Problem::Forbidden)?;
    let key = format!("account:{}", person.address.key());
    let attempt = app.attempt(Limit::LogIn, &[&key, visitor.network()]).await?;
    let right = app.verify_password(form.exact("current"), Some(account.password_hash)).await?;
    if right {
        app.directory.succeeded(attempt).await?;
    }
    Ok(right)
}

/// The password was right: there is no session before the code is right as well (CASES T-105).
pub(crate) async fn ask(app: &App, visitor: &Visitor, person: &Person) -> Answer {
    let token =
        app.directory.issue_token(Purpose::SecondFactor, person.id.number(), &person.address, MOST_SECONDS).await?;
    let mut response = see_other(&format!("/login/code{}", log_in::next_query(visitor)));
    set_pending(app, response.headers_mut(), token.as_str());
    Ok(response)
}

pub(crate) async fn code_form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    match pending(&app, &visitor).await? {
        None => Ok(see_other("/login")),
        Some(pending) => code_page(&app, &visitor, StatusCode::OK, None, &pending).await,
    }
}

pub(crate) async fn check_code(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let Some(pending) = pending(&app, &visitor).await? else { return Ok(see_other("/login")) };
    let (token, person) = &pending;
    let attempt = match app.attempt(Limit::SecondFactor, &[&format!("account:{}", person.address.key())]).await {
        Err(Problem::TooMany(until)) => {
            let notice = Notice::bad(t.log_in_too_often(visitor.local().moment(until)));
            return code_page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, notice, &pending).await;
        }
        attempt => attempt?,
    };
    let (right, wrong) = if form.field("credential").is_empty() {
        (is_right(&app, person.id, form.field("code")).await?, t.code_wrong())
    } else {
        let what = ChallengeFor::SecondFactor;
        (crate::passkeys::proven(&app, what, token, Some(person.id), &form).await?.is_some(), t.passkey_failed())
    };
    if !right {
        return code_page(&app, &visitor, StatusCode::FORBIDDEN, Notice::bad(wrong), &pending).await;
    }
    app.directory.use_token(token, Purpose::SecondFactor).await?;
    app.directory.succeeded(attempt).await?;
    let (session, _) = app.directory.start_session(person.id, &app.session_limits(), LogInWay::Password).await?;
    let next = log_in::next_of(&visitor);
    let mut response = see_other(next.as_deref().unwrap_or(start_page(person.roles)));
    set_session(&app, response.headers_mut(), session.as_str());
    clear_pending(&app, response.headers_mut());
    Ok(response)
}

async fn is_right(app: &App, id: PersonId, code: &str) -> Result<bool, Problem> {
    let step = match app.directory.second_factor(id).await? {
        Some(factor) => totp::matching_step(&factor.secret, code, app.directory.now().to_unix()),
        None => None,
    };
    match step {
        Some(step) => Ok(app.directory.use_second_factor_step(id, step).await?),
        None => Ok(app.directory.use_recovery_code(id, &code.to_lowercase()).await?),
    }
}

async fn pending(app: &App, visitor: &Visitor) -> Result<Option<(String, Person)>, Problem> {
    let Some(token) = visitor.pending() else { return Ok(None) };
    let info = match app.directory.peek_token(token, Purpose::SecondFactor).await {
        Err(directory::Error::TokenInvalid) => return Ok(None),
        info => info?,
    };
    let found = app.directory.account_at(&info.address).await?.map(|(person, _)| person);
    Ok(found.filter(|person| person.id.number() == info.subject).map(|person| (token.to_owned(), person)))
}

async fn code_page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    (token, person): &(String, Person),
) -> Answer {
    let known = app.directory.passkeys(person.id).await?;
    let passkey = match known.is_empty() {
        true => None,
        false => crate::passkeys::request_options(app, ChallengeFor::SecondFactor, token, &known)?,
    };
    let (scripted, phone) = (passkey.is_some(), app.directory.second_factor(person.id).await?.is_some());
    let frame = Page::new(app, visitor, Section::Nowhere);
    let page =
        CodePage { page: frame, csrf: visitor.csrf(), notice, next_query: log_in::next_query(visitor), passkey, phone };
    if scripted { html_with_script(app, status, &page) } else { html(status, &page) }
}

const MOST_SECONDS: u32 = 300;

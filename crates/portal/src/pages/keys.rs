//! *Schlüssel und Kennwörter* (F3): one's certificates, their state and clock, and what to do next.

mod upload;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use directory::{Request, RequestFilter, RequestId, Role};

pub(crate) use upload::upload;

use crate::app::App;
use crate::certificate_view::CertificateView;
use crate::form::Form;
use crate::page::{Answer, Page, Section, html, html_with_script};
use crate::pages::passkeys::PasskeyRow;
use crate::pages::second_factor::SecondFactorView;
use crate::pages::{Notice, passkeys, second_factor};
use crate::password::FEWEST_CHARACTERS;
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};
use upload::FileAnswer;

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    page: Page,
    notice: Option<Notice>,
    kinds: Vec<(&'static str, &'static str)>,
    what: &'static str,
    answers: Vec<FileAnswer>,
    open: Vec<CertificateView>,
    active: Vec<CertificateView>,
    past: Vec<CertificateView>,
    address: String,
    first: bool,
    fewest: usize,
    factor: Option<SecondFactorView>,
    /// What is good beside the password, where that is what is shown.
    passkeys: Vec<PasskeyRow>,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let flash = visitor.take_flash();
    let notice = match flash.as_deref() {
        Some("password-changed") => Notice::good(t.password_changed()),
        Some("resent") => Notice::good(t.certificate_resent()),
        Some("factor-removed") => Notice::good(t.factor_removed()),
        Some("passkey-added") => Notice::good(t.passkey_added()),
        Some("passkey-removed") => Notice::good(t.passkey_removed()),
        Some("withdrawn") => Notice::good(t.certificate_withdrawn()),
        _ => None,
    };
    let answers = match flash.as_deref().and_then(|flash| flash.strip_prefix("found\n")) {
        Some(lines) => upload::read_answers(&app, &visitor, lines).await?,
        None => Vec::new(),
    };
    page(&app, &visitor, StatusCode::OK, notice, answers).await
}

/// The second factor's part again, with what was wrong; `secret` is the one that a try was made with.
pub(crate) async fn second_factor_page(
    app: &App,
    visitor: &Visitor,
    notice: Option<Notice>,
    secret: Option<&str>,
) -> Answer {
    let factor = second_factor::view(app, visitor, secret).await?;
    show_kind(app, visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, Vec::new(), SECOND_FACTOR, Some(factor)).await
}

pub(crate) async fn withdraw(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let request = own_request(&app, &visitor, form.field("request")).await?;
    app.directory.withdraw(request.id(), &visitor.actor()?).await?;
    back(&app, "withdrawn")
}

pub(crate) async fn resend(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let request = own_request(&app, &visitor, form.field("request")).await?;
    match app.directory.resend_confirmation(request.id(), &visitor.actor()?).await {
        Err(directory::Error::LimitReached { until, .. }) => {
            let text = visitor.texts().certificate_resend_limit(visitor.local().moment(until));
            page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, Notice::bad(text), Vec::new()).await
        }
        sent => {
            sent?;
            back(&app, "resent")
        }
    }
}

pub(crate) async fn download(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(file): Path<String>,
) -> Answer {
    let id = file.strip_suffix(".cer").ok_or(Problem::NotFound)?;
    let request = own_request(&app, &visitor, id).await?;
    let header = [
        (CONTENT_TYPE, "application/pkix-cert".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{}.cer\"", request.id())),
    ];
    Ok((header, request.certificate().der().to_vec()).into_response())
}

/// CASES T-103: somebody else's request does not exist.
async fn own_request(app: &App, visitor: &Visitor, id: &str) -> Result<Request, Problem> {
    let id: RequestId = id.parse()?;
    let request = app.directory.request(id).await?.ok_or(Problem::NotFound)?;
    let own = visitor.known()?.address == *request.address();
    if own { Ok(request) } else { Err(Problem::NotFound) }
}

fn back(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/keys?what=smime", flash)
}

async fn page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    answers: Vec<FileAnswer>,
) -> Answer {
    let partner = visitor.known()?.roles.has(Role::Partner);
    let offered = if partner { SMIME } else { PASSWORD };
    let what = match visitor.parameter("what") {
        // Nothing else before that.
        _ if visitor.must_secure() => SECOND_FACTOR,
        Some(PASSWORD) => PASSWORD,
        Some(SECOND_FACTOR) => SECOND_FACTOR,
        _ => offered,
    };
    let factor = match what {
        SECOND_FACTOR => Some(second_factor::view(app, visitor, None).await?),
        _ => None,
    };
    show_kind(app, visitor, status, notice, answers, what, factor).await
}

async fn show_kind(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    answers: Vec<FileAnswer>,
    what: &'static str,
    factor: Option<SecondFactorView>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let partner = person.roles.has(Role::Partner);
    let mut kinds = Vec::new();
    if partner && !visitor.must_secure() {
        kinds.push((SMIME, t.kind_smime()));
    }
    if !visitor.must_secure() {
        kinds.push((PASSWORD, t.kind_password()));
    }
    kinds.push((SECOND_FACTOR, t.kind_second_factor()));
    let (mut open, mut active, mut past) = (Vec::new(), Vec::new(), Vec::new());
    if what == SMIME {
        for request in app.directory.requests(&RequestFilter::For(person.address.clone()), MOST_SHOWN).await? {
            let view = CertificateView::of(app, visitor, &request).await?;
            if view.open {
                open.push(view);
            } else if view.active {
                active.push(view);
            } else {
                past.push(view);
            }
        }
    }
    let passkeys = if what == PASSWORD { passkeys::rows(app, visitor).await? } else { Vec::new() };
    let scripted = factor.as_ref().is_some_and(|factor| factor.passkeys.is_some());
    let page = KeysPage {
        page: Page::new(app, visitor, Section::Keys),
        notice,
        kinds,
        what,
        answers,
        open,
        active,
        past,
        address: person.address.to_string(),
        first: false,
        fewest: FEWEST_CHARACTERS,
        factor,
        passkeys,
    };
    if scripted { html_with_script(app, status, &page) } else { html(status, &page) }
}

const SMIME: &str = "smime";
const PASSWORD: &str = "password";
const SECOND_FACTOR: &str = "second-factor";
const MOST_SHOWN: u32 = 50;

//! What stands in front of each page: who may see it, whether a form is ours, and what every answer carries.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Body as HttpBody;

use crate::Error;
use crate::app::App;
use crate::form::Form;
use crate::page::see_other;
use crate::pages;
use crate::problem::Problem;
use crate::routes::{Access, Intake};
use crate::visitor::{Visitor, escaped};

/// What the guard of one route knows.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) access: Access,
    pub(crate) intake: Intake,
    /// How many segments of the path lead to the page that has the form; `None` for what is no form.
    pub(crate) home: Option<usize>,
}

pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (visitor, trouble) = match Visitor::of(&gate.app, &parts).await {
        Ok(visitor) => (visitor, None),
        Err(problem) => match Visitor::stranger(&gate.app, &parts) {
            Ok(visitor) => (visitor, Some(problem)),
            Err(problem) => return problem.into_response(),
        },
    };
    let home = gate.home.map(|segments| first_segments(parts.uri.path(), segments).to_owned());
    let mut letter = None;
    let admitted = match trouble {
        Some(problem) => Err(refuse(&gate, parts, body, problem.into_response(), &mut letter).await),
        None => admit(&gate, &visitor, parts, body, &mut letter).await,
    };
    let mut response = match admitted {
        Ok(request) => next.run(request).await,
        Err(response) => response,
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let headers = std::mem::take(response.headers_mut());
        response = pages::problem::show(&gate.app, &visitor, &problem, home.as_deref(), letter.as_ref());
        response.headers_mut().extend(headers.into_iter().filter_map(|(name, value)| Some((name?, value))));
    }
    visitor.leave_cookies(&gate.app, response.headers_mut());
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `letter` is what was written, for when it is not sent.
async fn admit(
    gate: &Gate,
    visitor: &Visitor,
    mut parts: Parts,
    mut body: Body,
    letter: &mut Option<Form>,
) -> Result<Request, Response> {
    let changes = changes(&parts);
    if let Some(response) = turned_away(gate, visitor, &parts, changes) {
        return Err(refuse(gate, parts, body, response, letter).await);
    }
    if changes {
        let most = gate.intake.most(&gate.app.settings);
        // Who says that it is too much is not listened to.
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|announced| announced > most) {
            return Err(refuse(gate, parts, body, Problem::TooLarge(gate.intake).into_response(), letter).await);
        }
        let room = match gate.app.room(gate.intake, announced.unwrap_or(most)) {
            Ok(room) => room,
            Err(problem) => return Err(refuse(gate, parts, body, problem.into_response(), letter).await),
        };
        let bytes = to_bytes(body, usize::try_from(most).unwrap_or(usize::MAX)).await;
        let bytes = bytes.map_err(|_| Problem::TooLarge(gate.intake).into_response())?;
        let form = Form::read(Request::from_parts(parts.clone(), Body::from(bytes)), room).await;
        let form = form.map_err(Problem::into_response)?;
        if gate.intake == Intake::Letter {
            *letter = Some(form.clone());
        }
        if !visitor.is_own_form(form.field("csrf")) {
            return Err(Problem::ForeignForm.into_response());
        }
        parts.extensions.insert(form);
        body = Body::empty();
    }
    parts.extensions.insert(visitor.clone());
    Ok(Request::from_parts(parts, body))
}

/// What is not let in is thrown away, but for what somebody wrote: that they get back. Of somebody else's form nothing is
/// shown.
async fn refuse(gate: &Gate, parts: Parts, mut body: Body, response: Response, letter: &mut Option<Form>) -> Response {
    let own = is_same_origin(&parts.headers, &gate.app.directory.settings().base_url);
    if gate.intake == Intake::Letter && changes(&parts) && own {
        *letter = Some(Form::beginning(&parts, &mut body).await);
    }
    without_reading(body, response).await
}

fn changes(parts: &Parts) -> bool {
    !matches!(parts.method, Method::GET | Method::HEAD)
}

/// The beginning of a path.
pub(crate) fn first_segments(path: &str, count: usize) -> &str {
    let end = path.match_indices('/').nth(count).map_or(path.len(), |(at, _)| at);
    path.get(..end).filter(|path| !path.is_empty()).unwrap_or("/")
}

/// Where somebody is sent who may not enter; `None` for those who may.
fn turned_away(gate: &Gate, visitor: &Visitor, parts: &Parts, changes: bool) -> Option<Response> {
    let refused = |problem: Problem| Some(problem.into_response());
    if changes && !is_same_origin(&parts.headers, &gate.app.directory.settings().base_url) {
        return refused(Problem::ForeignForm);
    }
    if !gate.access.is_open() && is_embedded(&parts.headers) {
        return refused(Problem::Forbidden);
    }
    match (visitor.signed_in(), gate.access) {
        // Programs have a gate of their own.
        (_, Access::Token { .. }) => refused(Problem::Forbidden),
        (_, Access::Anyone) | (Some(_), Access::BeforePassword) => None,
        // Whoever says it twice is logged out.
        (None, _) if changes && parts.uri.path() == "/logout" => Some(see_other("/login")),
        (None, _) if changes => refused(Problem::LoggedOut),
        (None, _) => {
            let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
            Some(see_other(&format!("/login?next={}", escaped(wanted))))
        }
        (Some(signed_in), _) if signed_in.must_change => Some(see_other("/password")),
        (Some(_), Access::BeforeSecondFactor) => None,
        (Some(signed_in), _) if signed_in.must_secure => Some(see_other("/keys?what=second-factor")),
        (Some(_), Access::SignedIn) => None,
        (Some(signed_in), Access::Roles(roles)) => {
            let allowed = roles.iter().any(|role| signed_in.person.roles.has(*role));
            if allowed { None } else { refused(Problem::Forbidden) }
        }
    }
}

// A browser shows an answer once it has sent everything: what comes is thrown away, up to a point, and then the
// connection ends.
pub(crate) async fn without_reading(mut body: Body, mut response: Response) -> Response {
    let mut thrown_away = 0;
    while thrown_away < MOST_THROWN_AWAY {
        let frame = poll_fn(|context| HttpBody::poll_frame(Pin::new(&mut body), context)).await;
        match frame {
            None => return response,
            Some(Ok(frame)) => thrown_away += frame.data_ref().map_or(0, |data| data.len()),
            Some(Err(_)) => break,
        }
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

// CASES T-101: a browser says where a form comes from; one too old to say so is held by the token in the form.
fn is_same_origin(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text(&FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text(&ORIGIN), text(&HOST)) {
        (None, _) => true,
        (Some(origin), host) => {
            let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
            base_url.strip_suffix('/').unwrap_or(base_url) == origin
                || host.is_some_and(|host| !host.is_empty() && host == authority)
        }
    }
}

// CASES T-112: a private page is opened by a person, not loaded into another site's page.
fn is_embedded(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = text(&FETCH_SITE).is_some_and(|site| matches!(site, "cross-site" | "same-site"));
    let opened = text(&FETCH_MODE).is_none_or(|mode| mode == "navigate")
        && text(&FETCH_DEST).is_none_or(|dest| dest == "document");
    foreign && !opened
}

/// In front of everything: no answer without these, none that takes for ever.
pub(crate) async fn harden(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(*name).or_insert(HeaderValue::from_static(value));
    }
    if app.secure {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=63072000"));
    }
    response
}

/// For the pages that have a script: this one file at its own address. `'self'` would let run whatever an answer of this
/// origin might look like to a browser.
pub(crate) fn policy_with_script(base_url: &str, script: &str) -> Result<HeaderValue, Error> {
    // In a policy these would end the address, and begin something else.
    let odd = |c: char| c.is_whitespace() || matches!(c, ';' | ',' | '\'' | '"');
    let policy = format!("script-src {base_url}{script}; {POLICY}");
    match HeaderValue::try_from(policy) {
        Ok(policy) if !base_url.contains(odd) => Ok(policy),
        _ => Err(Error::Setting { what: "base_url", because: format!("{base_url} cannot stand in a header") }),
    }
}

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    // Not `no-referrer`: with it a browser says `Origin: null` about our own forms.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const MOST_THROWN_AWAY: usize = 32 << 20;
const LONGEST: Duration = Duration::from_secs(60);

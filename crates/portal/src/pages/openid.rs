//! Log-in at the organisation's own provider: the way there and the way back, on one address.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Limit, LogInWay, Person, Role, Roles};

use super::log_in;
use crate::app::App;
use crate::openid::{Failure, Identity, Returned, new_secret};
use crate::page::{Answer, see_other, start_page};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::{Visitor, clear_openid, set_openid, set_session};

/// Why nobody is logged in although the provider may have done its part.
enum Stopped {
    Failure(Failure),
    /// Nobody inside has this mailbox, or not any more.
    Nobody,
    /// The provider gives them no role here.
    NoRole,
}

pub(crate) async fn log_in(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let provider = app.openid.as_ref().ok_or(Problem::NotFound)?;
    let parameter = |name: &str| visitor.text_parameter(name);
    let (state, code, issuer, error) = (parameter("state"), parameter("code"), parameter("iss"), parameter("error"));
    let now = app.directory.now();
    if code.is_empty() && error.is_empty() {
        let secret = new_secret().map_err(|_| Problem::Internal)?;
        let next = log_in::next_of(&visitor).unwrap_or_default();
        return match provider.begin(&secret, &next, now).await {
            Ok(elsewhere) => {
                let mut response = see_other(&elsewhere);
                set_openid(&app, response.headers_mut(), &secret);
                Ok(response)
            }
            Err(failure) => stopped(&app, &visitor, provider.name(), &Stopped::Failure(failure)),
        };
    }
    // Each try makes this process ask the provider.
    let attempt = match app.attempt(Limit::LogIn, &[visitor.network()]).await {
        Err(Problem::TooMany(until)) => {
            let notice = Notice::bad(visitor.texts().log_in_too_often(visitor.local().moment(until)));
            return log_in::page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, notice, "");
        }
        attempt => attempt?,
    };
    let secret = visitor.openid().unwrap_or_default();
    let returned = Returned { state: &state, code: &code, issuer: &issuer, error: &error };
    let finished = match secret.len() {
        43 => provider.finish(secret, &returned, now).await,
        _ => Err(Failure::Foreign),
    };
    let (identity, next) = match finished {
        Ok(finished) => finished,
        Err(failure) => return stopped(&app, &visitor, provider.name(), &Stopped::Failure(failure)),
    };
    let person = match admit(&app, identity).await? {
        Ok(person) => person,
        Err(why) => return stopped(&app, &visitor, provider.name(), &why),
    };
    app.directory.succeeded(attempt).await?;
    if let Some(before) = visitor.signed_in() {
        app.directory.end_session(&before.token).await?;
    }
    let (token, _) = app.directory.start_session(person.id, &app.session_limits(), LogInWay::Provider).await?;
    let mut response = see_other(log_in::safe_path(next).unwrap_or(start_page(person.roles)));
    set_session(&app, response.headers_mut(), token.as_str());
    clear_openid(&app, response.headers_mut());
    Ok(response)
}

/// Somebody who is known here already: a provider makes nobody one of the house.
async fn admit(app: &App, Identity { address, roles }: Identity) -> Result<Result<Person, Stopped>, Problem> {
    let found = app.directory.person_at(&address).await?;
    let inside = found.filter(|person| person.active && app.directory.is_inside(&person.address));
    let Some(mut person) = inside.filter(|person| !person.roles.has(Role::Partner)) else {
        return Ok(Err(Stopped::Nobody));
    };
    if let Some(roles) = roles {
        if roles == Roles::default() {
            return Ok(Err(Stopped::NoRole));
        }
        if roles != person.roles {
            app.directory.set_roles(person.id, roles, &directory::Actor::System).await?;
            person.roles = roles;
        }
    }
    Ok(Ok(person))
}

fn stopped(app: &App, visitor: &Visitor, name: &str, why: &Stopped) -> Answer {
    let t = visitor.texts();
    let (status, text) = match why {
        Stopped::Nobody => (StatusCode::FORBIDDEN, t.openid_nobody(name)),
        Stopped::NoRole => (StatusCode::FORBIDDEN, t.openid_no_role(name)),
        Stopped::Failure(failure) => {
            tracing::warn!(%failure, "a log-in at the provider came to nothing");
            match failure {
                Failure::Away(_) => (StatusCode::SERVICE_UNAVAILABLE, t.openid_away(name)),
                Failure::Foreign => (StatusCode::FORBIDDEN, t.openid_foreign(name)),
                Failure::Refused(_) => (StatusCode::FORBIDDEN, t.openid_refused(name)),
                Failure::NoAddress | Failure::Unverified => (StatusCode::FORBIDDEN, t.openid_unverified(name)),
                Failure::Disbelieved(_) => (StatusCode::FORBIDDEN, t.openid_disbelieved(name)),
            }
        }
    };
    let mut response = log_in::page(app, visitor, status, Notice::bad(text), "")?;
    clear_openid(app, response.headers_mut());
    Ok(response)
}

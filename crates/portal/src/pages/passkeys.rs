//! Passkeys under *Schlüssel und Kennwörter*: adding one and taking one away.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{NewPasskey, Passkey, PasskeyId};

use super::second_factor::{RecoveryPage, is_owner};
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::{Notice, keys};
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say, needs_second_factor};
use crate::{passkeys, totp};

/// What is shown of one.
pub(crate) struct PasskeyRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) used: Option<String>,
}

/// All of somebody's, and how to add one.
pub(crate) struct PasskeysView {
    pub(crate) rows: Vec<PasskeyRow>,
    /// For the browser, in JSON.
    pub(crate) options: String,
    /// How many recovery codes are left; for who has no codes from the phone.
    pub(crate) left: u64,
    /// Whether they can be used without a password.
    pub(crate) log_in: bool,
}

pub(crate) async fn view(app: &App, visitor: &Visitor, known: &[Passkey]) -> Result<Option<PasskeysView>, Problem> {
    let signed_in = visitor.signed_in().ok_or(Problem::Forbidden)?;
    let options = passkeys::creation_options(app, &signed_in.person, &signed_in.token, known)?;
    let Some(options) = options else { return Ok(None) };
    let local = visitor.local();
    let row = |one: &Passkey| PasskeyRow {
        id: one.id.to_string(),
        name: clean(&one.name),
        since: local.date(one.created),
        used: one.used.map(|used| local.date(used)),
    };
    let left = app.directory.recovery_codes(signed_in.person.id).await?;
    let log_in = app.settings.passkey_log_in;
    Ok(Some(PasskeysView { rows: known.iter().map(row).collect(), options, left, log_in }))
}

pub(crate) async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, signed_in) = (visitor.texts(), visitor.signed_in().ok_or(Problem::Forbidden)?);
    let person = &signed_in.person;
    let name: String = clean(form.field("name")).chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_name_missing()), None).await;
    }
    if !is_owner(&app, &visitor, &form).await? {
        return keys::second_factor_page(&app, &visitor, Notice::bad(t.password_wrong()), None).await;
    }
    let Some(new) = passkeys::brought(&app, person, &signed_in.token, &form).await? else {
        return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_refused()), None).await;
    };
    // With the first thing beside the password, something for the day when it is lost.
    let codes = if app.directory.recovery_codes(person.id).await? == 0 { totp::recovery_codes()? } else { Vec::new() };
    let new =
        NewPasskey { name: &name, credential: new.credential(), key: new.key().spki(), sign_count: new.sign_count() };
    match app.directory.add_passkey(person.id, &new, &codes, &visitor.actor()?).await {
        Err(directory::Error::AlreadyExists { .. }) => {
            return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_known()), None).await;
        }
        Err(directory::Error::NotAllowed { .. }) => {
            return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_too_many()), None).await;
        }
        added => added?,
    };
    if codes.is_empty() {
        return back(&app, "passkey-added");
    }
    // Shown by this answer alone, like a first password.
    html(StatusCode::OK, &RecoveryPage { page: Page::new(&app, &visitor, Section::Keys), codes })
}

pub(crate) async fn remove(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let id: PasskeyId = form.field("passkey").parse()?;
    if needs_second_factor(&app, person) && is_last(&app, &visitor).await? {
        return Err(Problem::Forbidden);
    }
    if !is_owner(&app, &visitor, &form).await? {
        return keys::second_factor_page(&app, &visitor, Notice::bad(t.password_wrong()), None).await;
    }
    app.directory.remove_passkey(person.id, id, &visitor.actor()?).await?;
    back(&app, "passkey-removed")
}

async fn is_last(app: &App, visitor: &Visitor) -> Result<bool, Problem> {
    let id = visitor.known()?.id;
    Ok(app.directory.second_factor(id).await?.is_none() && app.directory.passkeys(id).await?.len() < 2)
}

fn back(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/keys?what=second-factor", flash)
}

const MOST_NAME: usize = 60;

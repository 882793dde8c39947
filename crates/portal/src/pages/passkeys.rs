//! Passkeys under *Schlüssel und Kennwörter*: adding one and taking one away.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Last, NewPasskey, Passkey, PasskeyId};

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

impl PasskeyRow {
    fn of(one: &Passkey, visitor: &Visitor) -> Self {
        let local = visitor.local();
        Self {
            id: one.id.to_string(),
            name: clean(&one.name),
            since: local.date(one.created),
            used: one.used.map(|used| local.date(used)),
        }
    }
}

/// What goes on being good beside the password, for who has just changed it.
pub(crate) async fn rows(app: &App, visitor: &Visitor) -> Result<Vec<PasskeyRow>, Problem> {
    let known = app.directory.passkeys(visitor.known()?.id).await?;
    Ok(known.iter().map(|one| PasskeyRow::of(one, visitor)).collect())
}

pub(crate) async fn view(app: &App, visitor: &Visitor, known: &[Passkey]) -> Result<Option<PasskeysView>, Problem> {
    let signed_in = visitor.signed_in().ok_or(Problem::Forbidden)?;
    let options = passkeys::creation_options(app, &signed_in.person, &signed_in.token, known)?;
    let Some(options) = options else { return Ok(None) };
    let left = app.directory.recovery_codes(signed_in.person.id).await?;
    let log_in = app.settings.passkey_log_in;
    let rows = known.iter().map(|one| PasskeyRow::of(one, visitor)).collect();
    Ok(Some(PasskeysView { rows, options, left, log_in }))
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
    let taken = match app.directory.add_passkey(person.id, &new, &codes, &visitor.actor()?).await {
        Err(directory::Error::AlreadyExists { .. }) => {
            return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_known()), None).await;
        }
        Err(directory::Error::NotAllowed { .. }) => {
            return keys::second_factor_page(&app, &visitor, Notice::bad(t.passkey_too_many()), None).await;
        }
        added => added?.1,
    };
    if !taken {
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
    if !is_owner(&app, &visitor, &form).await? {
        return keys::second_factor_page(&app, &visitor, Notice::bad(t.password_wrong()), None).await;
    }
    let last = if needs_second_factor(&app, person) { Last::Stays } else { Last::Goes };
    app.directory.remove_passkey(person.id, id, last, &visitor.actor()?).await?;
    back(&app, "passkey-removed")
}

fn back(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/keys?what=second-factor", flash)
}

const MOST_NAME: usize = 60;

//! A CA has to revoke: how far the replacement is, and beginning one.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{IncidentId, IncidentReport, IncidentSelection, IncidentState, NewIncident, Role};
use pki::RevocationReason;

use super::tabs;
use crate::app::App;
use crate::certificate_view::{Moment, moment};
use crate::form::Form;
use crate::page::{Answer, Page, Section, Tab, clean, html};
use crate::pages::Notice;
use crate::visitor::{Visitor, go_and_say};

struct View {
    id: String,
    name: String,
    before: Moment,
    closed: Option<String>,
    in_time: bool,
    per_hour: u32,
    /// Waiting, requested, replaced, failed.
    counts: [u64; 4],
    failed: bool,
    left: Vec<Item>,
}

struct Item {
    address: String,
    state: &'static str,
    class: &'static str,
    detail: String,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    incidents: Vec<View>,
    may_open: bool,
    name: String,
    issuer: String,
    serials: String,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let notice = match visitor.take_flash().as_deref() {
        Some("opened") => Notice::good(t.incident_opened()),
        Some("retried") => Notice::good(t.incident_retried()),
        _ => None,
    };
    page(&app, &visitor, StatusCode::OK, notice, &Form::default()).await
}

pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let wrong = |text: &'static str| page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(text), &form);
    let name = clean(form.field("name"));
    let issuer = Some(form.field("issuer")).filter(|issuer| !issuer.is_empty()).map(clean);
    let serials = form.field("serials").split([',', ';', ' ', '\n', '\r']).filter(|serial| !serial.is_empty());
    let serials: Vec<String> = serials.take(MOST_SERIALS + 1).map(ToOwned::to_owned).collect();
    let plain = |serial: &String| serial.len() <= 60 && serial.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    if serials.len() > MOST_SERIALS || !serials.iter().all(plain) {
        return wrong(t.incident_serials_wrong()).await;
    }
    let (hours, per_hour) = (form.field("hours").parse::<u16>(), form.field("per_hour").parse::<u32>());
    let (Ok(hours @ 1..=8760), Ok(per_hour @ 1..=100_000)) = (hours, per_hour) else {
        return wrong(t.incident_numbers_wrong()).await;
    };
    if name.is_empty() || (issuer.is_none() && serials.is_empty()) {
        return wrong(t.incident_selects_nothing()).await;
    }
    let new = NewIncident {
        name,
        selection: IncidentSelection { issuer, serials, ..IncidentSelection::default() },
        before: app.directory.now().plus_seconds(i64::from(hours) * 3600),
        per_hour,
        revoke: match form.field("revoke") {
            "superseded" => Some(RevocationReason::Superseded),
            "key-compromise" => Some(RevocationReason::KeyCompromise),
            _ => None,
        },
    };
    match app.directory.open_incident(&new, &visitor.actor()?).await {
        Err(directory::Error::NotFound { .. }) => wrong(t.incident_none_selected()).await,
        done => {
            done?;
            back(&app, "opened")
        }
    }
}

pub(crate) async fn retry(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let id: IncidentId = form.field("incident").parse()?;
    app.directory.incident(id).await?;
    let again = app.directory.retry_incident(id).await?;
    let (actor, why) = (visitor.actor()?, format!("{again} certificates"));
    app.directory.note(&actor, "incident.retried", &format!("incident:{id}"), None, &why).await?;
    back(&app, "retried")
}

fn back(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/house/incidents", flash)
}

async fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    let t = visitor.texts();
    let mut incidents = Vec::new();
    for incident in app.directory.incidents().await?.into_iter().take(MOST_SHOWN) {
        incidents.push(view(visitor, &app.directory.incident(incident.id).await?));
    }
    let text = |name: &str| form.field(name).chars().take(10_000).collect::<String>();
    let page = IncidentsPage {
        page: Page::new(app, visitor, Section::House),
        notice,
        tabs: tabs(t, true),
        incidents,
        may_open: visitor.known()?.roles.has(Role::Officer),
        name: text("name"),
        issuer: text("issuer"),
        serials: text("serials"),
    };
    html(status, &page)
}

fn view(visitor: &Visitor, report: &IncidentReport) -> View {
    let (t, local, incident) = (visitor.texts(), visitor.local(), &report.incident);
    let left = report.left.iter().take(MOST_ITEMS).map(|item| {
        let (class, state) = match item.state {
            IncidentState::Failed => ("bad", t.incident_failed()),
            IncidentState::Replaced => ("good", t.incident_replaced()),
            IncidentState::Requested => ("wait", t.incident_requested()),
            IncidentState::Waiting => ("none", t.incident_waiting()),
        };
        Item { address: item.credential.address.to_string(), state, class, detail: clean(&item.detail) }
    });
    View {
        id: incident.id.to_string(),
        name: clean(&incident.name),
        before: moment(local, incident.before),
        closed: incident.closed.map(|at| local.moment(at)),
        in_time: report.is_in_time(),
        per_hour: incident.per_hour,
        counts: [report.waiting, report.requested, report.replaced, report.failed],
        failed: report.failed > 0,
        left: left.collect(),
    }
}

const MOST_SERIALS: usize = 1000;
const MOST_SHOWN: usize = 20;
const MOST_ITEMS: usize = 50;

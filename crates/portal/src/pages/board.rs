//! The officers' board: what is due, and the decision about one certificate.

mod bulk;
mod filter;
mod request;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Request, RequestFilter, Role, State as RequestState};

pub(crate) use bulk::approve_selected;
use bulk::bulk_notice;
use filter::{Filter, FilterView};
pub(crate) use request::{approve, ask, refuse, request};

use crate::app::App;
use crate::certificate_view::{
    Moment, clock_class, day, groups, issuer_of, left, name_of, origin_name, state_class, state_name,
};
use crate::page::{Answer, Page, Section, html};
use crate::pages::Notice;
use crate::visitor::Visitor;

struct Row {
    id: String,
    address: String,
    name: String,
    issuer: String,
    /// How long is left, and until when.
    clock: Option<(String, String)>,
    clock_class: &'static str,
    state: &'static str,
    state_class: &'static str,
    todo: &'static str,
    flags: Vec<&'static str>,
    received: Moment,
    origin: &'static str,
    /// What stands for the request and the certificate that is shown here, when it can be approved.
    pick: Option<String>,
    fingerprint: String,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage {
    page: Page,
    notice: Option<Notice>,
    deadline: u16,
    /// Ours, the partner's, authority unknown, overdue.
    counts: (usize, usize, usize, usize),
    filter: FilterView,
    found: String,
    open: Vec<Row>,
    recent: Vec<Row>,
    /// Whether there is something that can be approved from here.
    pickable: bool,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let now = app.directory.now();
    let notice = match visitor.take_flash().as_deref() {
        Some("approved") => Notice::good(t.decided_approved()),
        Some("refused") => Notice::good(t.decided_refused()),
        Some("bulk-none") => Notice::bad(t.bulk_none()),
        Some(bulk) => bulk_notice(t, bulk),
        None => None,
    };
    let open = app.directory.requests(&RequestFilter::Open, MOST_COUNTED).await?;
    let count = |wanted: fn(&Request) -> bool| open.iter().filter(|request| wanted(request)).count();
    let counts = (
        count(|request| request.state() == RequestState::Confirmed),
        count(|request| request.state() == RequestState::Checked),
        count(Request::unknown_authority),
        open.iter().filter(|request| request.due() <= now).count(),
    );
    let filter = Filter::of(&visitor);
    let (mut found, mut recent) = (open, Vec::new());
    if filter.is_active() {
        found = app.directory.search_requests(&filter.search(now), MOST_SHOWN + 1).await?;
    } else {
        recent = app.directory.decided_lately(RECENT).await?;
    }
    let most = usize::try_from(MOST_SHOWN).unwrap_or(usize::MAX);
    let more = found.len() > most;
    found.truncate(most);
    let rows = |requests: &[Request]| requests.iter().map(|request| row(&app, &visitor, request)).collect();
    let decides = visitor.known()?.roles.has(Role::Officer);
    let page = BoardPage {
        page: Page::new(&app, &visitor, Section::Board),
        notice,
        deadline: app.directory.settings().deadline_days,
        counts,
        filter: filter.view(t),
        found: if more { format!("{most}+") } else { found.len().to_string() },
        pickable: decides && found.iter().any(|request| request.state() == RequestState::Confirmed),
        open: rows(&found),
        recent: rows(&recent),
    };
    html(StatusCode::OK, &page)
}

fn row(app: &App, visitor: &Visitor, request: &Request) -> Row {
    let (t, local, now) = (visitor.texts(), visitor.local(), app.directory.now());
    let state = request.state();
    let mut flags = Vec::new();
    if request.replaces().is_some() && state.is_open() {
        flags.push(t.flag_replaces());
    }
    if request.unknown_authority() && state.is_open() {
        flags.push(t.flag_authority());
    }
    Row {
        id: request.id().to_string(),
        address: request.address().to_string(),
        name: name_of(request.certificate()),
        issuer: issuer_of(request.certificate()),
        clock: state.is_open().then(|| (left(t, request, now), t.due_by(local.date(request.due())))),
        clock_class: clock_class(request, now),
        state: state_name(t, state),
        state_class: if state == RequestState::Confirmed { "do" } else { state_class(request) },
        todo: match state {
            RequestState::Received => t.todo_received(),
            RequestState::Checked => t.todo_checked(),
            RequestState::Confirmed => t.todo_confirmed(),
            _ => "",
        },
        flags,
        received: day(local, request.received()),
        origin: origin_name(t, request.origin()),
        pick: (state == RequestState::Confirmed)
            .then(|| format!("{}:{}", request.id(), request.fingerprint().to_hex())),
        fingerprint: groups(&request.fingerprint().to_hex()).join(" "),
    }
}

const MOST_COUNTED: u32 = 1000;
const MOST_SHOWN: u32 = 200;
const RECENT: u32 = 8;

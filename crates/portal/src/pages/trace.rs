//! What became of a message, and what would become of one: without its content, for those who run the house and for
//! an employee's own mail.

mod decision;
mod explain;

use std::collections::HashMap;

use askama::Template;
use asn1::Time;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Address, Person, Role, Trace};

pub(crate) use decision::DecisionView;
pub(crate) use explain::{form as explain_form, show as explain_show};

use crate::app::App;
use crate::certificate_view::{Moment, moment};
use crate::page::{Answer, Page, Section, Tab, clean, html};
use crate::pages::Notice;
use crate::texts::Texts;
use crate::visitor::Visitor;

struct Row {
    at: Moment,
    sender: String,
    message_id: String,
    decision: DecisionView,
    /// How often, where the mail server came again and was told the same.
    tries: String,
}

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    /// What was looked for.
    message_id: String,
    address: String,
    /// Only their own mail.
    own: bool,
    asked: bool,
    rows: Vec<Row>,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let person = visitor.known()?;
    let own = !sees_all(person);
    let message_id: String = visitor.text_parameter("id").trim().chars().take(250).collect();
    let typed: String = visitor.text_parameter("address").trim().chars().take(254).collect();
    let (mut notice, mut status) = (None, StatusCode::OK);
    let mut traces = Vec::new();
    if !message_id.is_empty() {
        traces = app.directory.traces(&message_id).await?;
    } else if own {
        traces = app.directory.traces_of(&person.address, MOST_READ).await?;
    } else if !typed.is_empty() {
        match Address::parse(&typed) {
            Ok(address) => traces = app.directory.traces_of(&address, MOST_READ).await?,
            Err(_) => {
                status = StatusCode::UNPROCESSABLE_ENTITY;
                notice = Notice::bad(t.trace_address_wrong());
            }
        }
    }
    if own {
        traces.retain(|trace| is_own(trace, &person.address));
    }
    let page = TracePage {
        page: Page::new(&app, &visitor, Section::Trace),
        notice,
        tabs: tabs(t, false, app.settings.explain.is_some()),
        asked: own || !message_id.is_empty() || !typed.is_empty(),
        message_id,
        address: typed,
        own,
        rows: rows(&visitor, &traces),
    };
    html(status, &page)
}

/// Whether somebody sees other people's mail. An employee does not.
fn sees_all(person: &Person) -> bool {
    [Role::Officer, Role::Auditor, Role::Operator].into_iter().any(|role| person.roles.has(role))
}

fn is_own(trace: &Trace, address: &Address) -> bool {
    trace.recipient.key() == address.key() || trace.sender.as_ref().is_some_and(|sender| sender.key() == address.key())
}

/// A mail that is held comes again for days: its tries are one row, where the first of them in this order is.
fn rows(visitor: &Visitor, traces: &[Trace]) -> Vec<Row> {
    let mut rows: Vec<(Row, Vec<Time>)> = Vec::new();
    let mut places: HashMap<(String, String, String, String), usize> = HashMap::new();
    for trace in traces {
        let row = row(visitor, trace);
        let decision = &row.decision;
        let what = format!("{} {}", decision.decision, decision.answer);
        let key = (trace.message_id.clone(), row.sender.clone(), decision.recipient.clone(), what);
        let known = places.get(&key).copied().filter(|_| !trace.message_id.is_empty());
        if let Some((_, times)) = known.and_then(|place| rows.get_mut(place)) {
            times.push(trace.at);
        } else if rows.len() < MOST_SHOWN {
            places.insert(key, rows.len());
            rows.push((row, vec![trace.at]));
        }
    }
    let (t, local) = (visitor.texts(), visitor.local());
    let told = |(mut row, times): (Row, Vec<Time>)| {
        if let (Some(first), Some(last), true) = (times.iter().min(), times.iter().max(), times.len() > 1) {
            row.tries = t.trace_tries(times.len(), local.moment(*first), local.moment(*last));
        }
        row
    };
    rows.into_iter().map(told).collect()
}

fn row(visitor: &Visitor, trace: &Trace) -> Row {
    Row {
        tries: String::new(),
        at: moment(visitor.local(), trace.at),
        sender: trace.sender.as_ref().map_or_else(|| "<>".to_owned(), ToString::to_string),
        message_id: clean(&trace.message_id),
        decision: DecisionView::of(visitor.texts(), &trace.recipient.to_string(), &trace.detail),
    }
}

fn tabs(t: Texts, explaining: bool, possible: bool) -> Vec<Tab> {
    let mut tabs = vec![Tab { href: "/trace", label: t.trace_tab(), current: !explaining }];
    if possible {
        tabs.push(Tab { href: "/explain", label: t.explain_tab(), current: explaining });
    }
    tabs
}

const MOST_SHOWN: usize = 100;
/// Most of them may be tries of the same few.
const MOST_READ: u32 = 2_000;

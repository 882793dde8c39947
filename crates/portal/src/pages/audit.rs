//! The record, newest first, and whether its chain holds.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::AuditEntry;

use crate::app::App;
use crate::certificate_view::{Moment, moment};
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::Notice;
use crate::pages::people::{Names, action, why as reason};
use crate::problem::Problem;
use crate::visitor::Visitor;

struct Entry {
    sequence: u64,
    at: Moment,
    what: String,
    erased: bool,
    who: String,
    about: String,
    why: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    page: Page,
    notice: Option<Notice>,
    entries: Vec<Entry>,
    newer: bool,
    older: Option<u64>,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let notice = match visitor.parameter("verify") {
        None => None,
        Some(_) => match app.directory.verify_audit().await {
            Ok(report) => Notice::good(t.audit_good(report.rows, report.head.get(..16).unwrap_or_default())),
            Err(directory::Error::Corrupt { what }) => {
                tracing::error!(%what, "the record does not verify");
                Notice::bad(t.audit_bad())
            }
            Err(error) => return Err(error.into()),
        },
    };
    let before: Option<u64> = visitor.parameter("before").and_then(|number| number.parse().ok());
    let rows = match before {
        None => app.directory.audit_latest(PER_PAGE).await?,
        Some(before) => {
            let after = before.saturating_sub(u64::from(PER_PAGE) + 1);
            let mut rows = app.directory.audit(after, PER_PAGE).await?;
            rows.retain(|row| row.sequence < before);
            rows.reverse();
            rows
        }
    };
    let mut names = Names::default();
    let mut entries = Vec::new();
    for row in &rows {
        entries.push(entry(&app, &visitor, &mut names, row).await?);
    }
    let page = AuditPage {
        page: Page::new(&app, &visitor, Section::Audit),
        notice,
        entries,
        newer: before.is_some(),
        older: rows.last().map(|row| row.sequence).filter(|first| *first > 1),
    };
    html(StatusCode::OK, &page)
}

async fn entry(app: &App, visitor: &Visitor, names: &mut Names, row: &AuditEntry) -> Result<Entry, Problem> {
    let t = visitor.texts();
    let (mut who, mut about, mut why) = (String::new(), String::new(), String::new());
    if let Some(detail) = &row.detail {
        who = names.actor(app, t, &detail.actor).await?;
        about = clean(detail.address.as_deref().unwrap_or(&detail.subject));
        why = match detail.why.strip_prefix("person:") {
            Some(id) => names.person(app, t, id).await?,
            None => reason(t, &detail.why),
        };
    }
    Ok(Entry {
        sequence: row.sequence,
        at: moment(visitor.local(), row.at),
        what: action(t, &row.action),
        erased: row.detail.is_none(),
        who,
        about,
        why,
    })
}

const PER_PAGE: u32 = 100;

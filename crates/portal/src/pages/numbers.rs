//! Figures that people would rather see: drawn here, as SVG with the same figures in a table.

mod chart;
mod curve;

use askama::Template;
use asn1::Time;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{RequestFilter, Role, State as RequestState};

use chart::Chart;
use curve::Curve;

use crate::app::App;
use crate::page::{Answer, Page, Section, html};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "numbers.html")]
struct NumbersPage {
    page: Page,
    charts: Vec<Chart>,
    partners: u64,
    with_certificate: u64,
    /// Of a hundred.
    share: u64,
    ring: String,
    curve: Curve,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let (t, now) = (visitor.texts(), app.directory.now());
    let today = now.plus_seconds(-now.to_unix().rem_euclid(DAY));
    let counts = app.directory.trace_counts(today.plus_days(1 - DAYS)).await?;
    let mut mails = Chart::new(t.numbers_mails(), &[t.numbers_signed(), t.numbers_encrypted(), t.numbers_stopped()]);
    for back in (0..DAYS).rev() {
        let day = today.plus_days(-back);
        let found = counts.iter().find(|count| count.day == day);
        let values = found.map_or([0; 3], |count| [count.signed, count.encrypted, count.stopped]);
        mails.push(visitor.local().short_date(day), &values);
    }
    let open = app.directory.requests(&RequestFilter::Open, MOST_COUNTED).await?;
    let labels = [t.numbers_ours(), t.numbers_theirs()];
    let mut clock = Chart::new(t.numbers_clock(), &labels);
    let deadline = i64::from(app.directory.settings().deadline_days.min(14));
    for days in -1..=deadline {
        let on_day = open.iter().filter(|request| request.days_left(now).clamp(-1, deadline) == days);
        let (ours, theirs): (Vec<_>, Vec<_>) = on_day.partition(|request| request.state() != RequestState::Checked);
        let label = if days < 0 { t.board_late().to_owned() } else { t.numbers_days(days) };
        clock.push(label, &[count(ours.len()), count(theirs.len())]);
    }
    let partners = app.directory.count_people(Role::Partner).await?;
    let with_certificate = app.directory.count_partners_with_certificate().await?;
    let share = (with_certificate * 100).checked_div(partners).unwrap_or(0);
    // One point for each week: what was kept first in it, and what is now.
    let mut curve = Curve::default();
    let mut week = None;
    for kept in app.directory.shares(today.plus_days(-WEEKS * 7)).await? {
        let this = kept.day.to_unix().div_euclid(7 * DAY);
        if week != Some(this) && kept.day != today {
            curve.push(day_of(kept.day), visitor.local().short_date(kept.day), kept.with_certificate, kept.partners);
            week = Some(this);
        }
    }
    curve.push(day_of(today), visitor.local().short_date(today), with_certificate, partners);
    let page = NumbersPage {
        page: Page::new(&app, &visitor, Section::Numbers),
        charts: vec![clock.finish(), mails.finish()],
        partners,
        with_certificate,
        share,
        ring: format!("{share} 100"),
        curve: curve.finish(),
    };
    html(StatusCode::OK, &page)
}

fn day_of(time: Time) -> i64 {
    time.to_unix().div_euclid(DAY)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const DAY: i64 = 86_400;
const DAYS: i64 = 14;
const WEEKS: i64 = 52;
const MOST_COUNTED: u32 = 1000;

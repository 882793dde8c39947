//! What would happen to a mail.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::Address;

use super::{DecisionView, sees_all, tabs};
use crate::ExplainQuery;
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, Tab, html};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    own: bool,
    from: String,
    to: String,
    subject: String,
    decisions: Vec<DecisionView>,
}

pub(crate) async fn form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    page(&app, &visitor, StatusCode::OK, None, &Form::default(), Vec::new())
}

/// A form and not an address with a query: subjects do not belong into logs and histories.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let person = visitor.known()?;
    let explain = app.settings.explain.clone().ok_or(Problem::NotFound)?;
    let wrong =
        |text: &str| page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(text), &form, Vec::new());
    let from = if sees_all(person) { Address::parse(form.field("from")) } else { Ok(person.address.clone()) };
    let Ok(from) = from else { return wrong(t.explain_from_wrong()) };
    let to = form.field("to").split([',', ';', ' ', '\n']).map(str::trim).filter(|to| !to.is_empty());
    let to: Result<Vec<Address>, _> = to.take(MOST_RECIPIENTS + 1).map(Address::parse).collect();
    let Some(to) = to.ok().filter(|to| !to.is_empty() && to.len() <= MOST_RECIPIENTS) else {
        return wrong(t.explain_to_wrong());
    };
    let subject = form.field("subject").chars().filter(|c| !c.is_control()).take(998).collect();
    match explain.explain(&app.directory, ExplainQuery { from, to, subject }).await {
        Ok(details) => {
            let decisions = details.iter().map(|detail| {
                let recipient = detail.get("recipient").and_then(serde_json::Value::as_str).unwrap_or_default();
                DecisionView::of(t, recipient, detail)
            });
            page(&app, &visitor, StatusCode::OK, None, &form, decisions.collect())
        }
        Err(because) => {
            tracing::warn!(%because, "nothing can be explained");
            Err(Problem::Unavailable)
        }
    }
}

fn page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    form: &Form,
    decisions: Vec<DecisionView>,
) -> Answer {
    if app.settings.explain.is_none() {
        return Err(Problem::NotFound);
    }
    let person = visitor.known()?;
    let text = |name: &str| form.field(name).chars().take(2000).collect::<String>();
    let own = !sees_all(person);
    let from = if own || text("from").is_empty() { person.address.to_string() } else { text("from") };
    let page = ExplainPage {
        page: Page::new(app, visitor, Section::Trace),
        notice,
        tabs: tabs(visitor.texts(), true, true),
        own,
        from,
        to: text("to"),
        subject: text("subject"),
        decisions,
    };
    html(status, &page)
}

const MOST_RECIPIENTS: usize = 20;

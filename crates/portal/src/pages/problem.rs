//! What went wrong, as a page in the visitor's language.

use askama::Template;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::page::{Page, Section, html, start_page};
use crate::problem::Problem;
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    page: Page,
    title: &'static str,
    text: String,
    back: &'static str,
    status: u16,
}

pub(crate) fn show(app: &App, visitor: &Visitor, problem: &Problem) -> Response {
    let t = visitor.texts();
    let (title, text) = match problem {
        Problem::BadForm => (t.problem_bad_form(), t.problem_bad_form_text().into()),
        Problem::Conflict(_) => (t.problem_conflict(), t.problem_conflict_text().into()),
        Problem::ForeignForm => (t.problem_form(), t.problem_form_text().into()),
        Problem::Forbidden => (t.problem_forbidden(), t.problem_forbidden_text().into()),
        Problem::Internal => (t.problem_internal(), t.problem_internal_text().into()),
        Problem::LinkInvalid => (t.problem_link(), t.problem_link_text().into()),
        Problem::NotFound => (t.problem_not_found(), t.problem_not_found_text().into()),
        Problem::TooLarge => {
            (t.problem_too_large(), t.problem_too_large_text(visitor.local().bytes(app.settings.upload_bytes)))
        }
        Problem::TooMany(until) => (t.problem_too_many(), t.log_in_too_often(visitor.local().moment(*until))),
        Problem::Unavailable => (t.problem_unavailable(), t.problem_unavailable_text().into()),
    };
    let back = visitor.person().map_or("/", |person| start_page(person.roles));
    let page = Page::new(app, visitor, Section::Nowhere);
    let template = ProblemPage { page, title, text, back, status: problem.status().as_u16() };
    html(problem.status(), &template).unwrap_or_else(|problem| problem.status().into_response())
}

/// Where there is nothing.
pub(crate) async fn nowhere() -> Problem {
    Problem::NotFound
}

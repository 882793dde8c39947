//! What went wrong, as a page in the visitor's language. A letter that was on its way is in it, to be sent again.

use askama::Template;
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::form::Form;
use crate::page::{Page, Section, clean, html, start_page};
use crate::problem::Problem;
use crate::routes::Intake;
use crate::visitor::{Visitor, escaped};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    page: Page,
    title: &'static str,
    text: String,
    /// Where to and in which words; the first is the way out.
    ways: Vec<(String, &'static str)>,
    /// Opened beside this page, which has something that must not be lost.
    beside: bool,
    letter: Option<Letter>,
    status: u16,
}

/// What somebody wrote, and where it was on its way to.
struct Letter {
    action: String,
    csrf: String,
    draft: String,
    number: String,
    to: String,
    subject: String,
    text: String,
    most: String,
}

/// `home` is the page that the form was on, if it was one, and `letter` what was written in it.
pub(crate) fn show(
    app: &App,
    visitor: &Visitor,
    problem: &Problem,
    home: Option<&str>,
    letter: Option<&Form>,
) -> Response {
    let t = visitor.texts();
    let letter = letter.filter(|form| !form.field("text").is_empty()).map(|form| Letter {
        action: visitor.path().to_owned(),
        csrf: visitor.csrf(),
        draft: form.field("draft").into(),
        number: form.field("number").into(),
        to: form.field("to").into(),
        subject: clean(form.field("subject")),
        text: form.exact("text").into(),
        most: visitor.local().bytes(app.settings.message_bytes),
    });
    let most = |intake: &Intake| visitor.local().bytes(intake.shown(&app.settings));
    let (title, text) = match (problem, &letter) {
        (Problem::LoggedOut, Some(_)) => (t.problem_logged_out(), t.problem_logged_out_letter().into()),
        (Problem::TooLarge(intake), Some(_)) => (t.problem_too_large(), t.problem_too_large_letter(most(intake))),
        (Problem::ForeignForm, Some(_)) => (t.problem_form_letter(), t.problem_form_letter_text().into()),
        (Problem::BadForm, _) => (t.problem_bad_form(), t.problem_bad_form_text().into()),
        (Problem::Conflict(_), _) => (t.problem_conflict(), t.problem_conflict_text().into()),
        (Problem::ForeignForm, _) => (t.problem_form(), t.problem_form_text().into()),
        (Problem::Forbidden, _) => (t.problem_forbidden(), t.problem_forbidden_text().into()),
        (Problem::Internal, _) => (t.problem_internal(), t.problem_internal_text().into()),
        (Problem::LinkInvalid, _) => (t.problem_link(), t.problem_link_text().into()),
        (Problem::LoggedOut, _) => (t.problem_logged_out(), t.problem_logged_out_text().into()),
        (Problem::NotFound, _) => (t.problem_not_found(), t.problem_not_found_text().into()),
        (Problem::TooLarge(intake @ Intake::Upload), _) => {
            (t.problem_too_large(), t.problem_too_large_certificate(most(intake)))
        }
        (Problem::TooLarge(intake), _) => (t.problem_too_large(), t.problem_too_large_text(most(intake))),
        (Problem::TooMany(until), _) => (t.problem_too_many(), t.log_in_too_often(visitor.local().moment(*until))),
        (Problem::Unavailable, _) => (t.problem_unavailable(), t.problem_unavailable_text().into()),
    };
    let start = visitor.person().map_or("/", |person| start_page(person.roles));
    let ways = match (problem, home) {
        (Problem::LoggedOut, home) => vec![(format!("/login?next={}", escaped(home.unwrap_or("/"))), t.log_in())],
        // Whoever may not see that page is not sent there.
        (Problem::Forbidden | Problem::NotFound, _) | (_, None) => vec![(start.into(), t.back_to_start())],
        (_, Some(home)) => vec![(home.into(), t.back_to_page()), (start.into(), t.back_to_start())],
    };
    let beside = letter.is_some();
    let page = Page::new(app, visitor, Section::Nowhere);
    let template = ProblemPage { page, title, text, ways, beside, letter, status: problem.status().as_u16() };
    let mut response = html(problem.status(), &template).unwrap_or_else(|problem| problem.status().into_response());
    if let Problem::TooMany(until) = problem {
        let seconds = until.to_unix().saturating_sub(app.directory.now().to_unix()).max(1);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Where there is nothing.
pub(crate) async fn nowhere() -> Problem {
    Problem::NotFound
}

//! The link out of the mail that only the owner of a certificate can read (CASES T-63): looking changes nothing.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Limit, Request};

use crate::app::App;
use crate::certificate_view::CertificateView;
use crate::page::{Answer, Page, Section, html};
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    page: Page,
    csrf: String,
    /// `None` once it is confirmed.
    token: Option<String>,
    certificate: CertificateView,
}

pub(crate) async fn show(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Answer {
    if token == DONE {
        // Only the browser that confirmed it knows its number.
        let id = visitor.take_flash().and_then(|id| id.parse().ok()).ok_or(Problem::LinkInvalid)?;
        let request = app.directory.request(id).await?.ok_or(Problem::LinkInvalid)?;
        return page(&app, &visitor, None, &request).await;
    }
    let attempt = app.attempt(Limit::Link, &[visitor.network()]).await?;
    let request = app.directory.peek_confirmation(&token).await?;
    app.directory.succeeded(attempt).await?;
    page(&app, &visitor, Some(token), &request).await
}

pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Answer {
    let attempt = app.attempt(Limit::Link, &[visitor.network()]).await?;
    let request = app.directory.confirm(&token).await?;
    app.directory.succeeded(attempt).await?;
    go_and_say(&app, &format!("/confirm/{DONE}"), &request.id().to_string())
}

async fn page(app: &App, visitor: &Visitor, token: Option<String>, request: &Request) -> Answer {
    let certificate = CertificateView::of(app, visitor, request).await?;
    let page = Page::new(app, visitor, Section::Nowhere);
    html(StatusCode::OK, &ConfirmPage { page, csrf: visitor.csrf(), token, certificate })
}

/// No token: those have 43 characters.
const DONE: &str = "done";

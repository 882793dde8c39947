//! For machines: whether the portal lives, whether it can work, and its style sheet.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::app::App;
use crate::page::Answer;

pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.directory.is_ready().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the directory is not available\n")
        }
    }
}

pub(crate) async fn asset(State(app): State<App>, Path(file): Path<String>) -> Answer {
    app.assets.get(&file)
}

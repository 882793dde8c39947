//! The style sheet, and what else pages load.

use axum::extract::{Path, State};

use crate::app::App;
use crate::page::Answer;

pub(crate) async fn asset(State(app): State<App>, Path(file): Path<String>) -> Answer {
    app.assets.get(&file)
}

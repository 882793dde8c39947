//! The settings, to be read: they are changed in the configuration file.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::SettingSource;
use crate::app::App;
use crate::page::{Answer, Page, Section, html};
use crate::visitor::Visitor;

struct Row {
    name: String,
    value: String,
    source: &'static str,
    set: bool,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    page: Page,
    /// Part and what is in it.
    parts: Vec<(String, Vec<Row>)>,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let mut parts: Vec<(String, Vec<Row>)> = Vec::new();
    for setting in &app.settings.shown {
        let (part, name) = setting.name.split_once('.').unwrap_or(("", &setting.name));
        let set = setting.source == SettingSource::File;
        let source = if set { t.settings_file() } else { t.settings_default() };
        let row = Row { name: name.to_owned(), value: setting.value.clone(), source, set };
        match parts.last_mut().filter(|(last, _)| last == part) {
            Some((_, rows)) => rows.push(row),
            None => parts.push((part.to_owned(), vec![row])),
        }
    }
    html(StatusCode::OK, &SettingsPage { page: Page::new(&app, &visitor, Section::Settings), parts })
}

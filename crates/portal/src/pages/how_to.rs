//! The how-to page (F1): public, filled from the configuration.

mod guide;

use askama::Template;
use askama::filters::Safe;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use guide::{Guide, getting, guides};

use crate::app::App;
use crate::page::{Answer, Page, Section, html};
use crate::texts::Texts;
use crate::visitor::Visitor;

/// Where certificates can be got.
struct Source {
    name: String,
    href: Option<String>,
}

/// A kind of certificate: name, checks, shows, valid, price.
type Kind = [&'static str; 5];

#[derive(Template)]
#[template(path = "how_to.html")]
struct HowToPage {
    page: Page,
    intake: String,
    days: u16,
    kinds: [Kind; 4],
    sources: Vec<Source>,
    getting: [(&'static str, Safe<String>); 3],
    guides: Vec<Guide>,
    send_link: &'static str,
}

pub(crate) async fn show(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let settings = app.directory.settings();
    let page = HowToPage {
        page: Page::new(&app, &visitor, Section::HowTo),
        intake: settings.intake.to_string(),
        days: settings.deadline_days,
        kinds: kinds(t),
        sources: app.settings.certificate_sources.iter().map(|text| source(text)).collect(),
        getting: getting(t),
        guides: guides(t),
        send_link: if visitor.person().is_some() { "/keys" } else { "/login?next=/keys" },
    };
    html(StatusCode::OK, &page)
}

/// `Name https://…`, a link alone, or words alone.
fn source(text: &str) -> Source {
    let link = text.split_whitespace().find(|word| word.starts_with("https://"));
    let name: Vec<&str> = text.split_whitespace().filter(|word| Some(*word) != link).collect();
    let name = match (name.is_empty(), link) {
        (true, Some(link)) => link.trim_start_matches("https://").trim_end_matches('/').to_owned(),
        _ => name.join(" "),
    };
    Source { name, href: link.map(ToOwned::to_owned) }
}

fn kinds(t: Texts) -> [Kind; 4] {
    let years = t.kind_years();
    [
        [t.kind_mailbox(), t.kind_mailbox_checks(), t.kind_mailbox_shows(), years, t.kind_mailbox_price()],
        [t.kind_individual(), t.kind_individual_checks(), t.kind_individual_shows(), years, t.kind_individual_price()],
        [t.kind_sponsor(), t.kind_sponsor_checks(), t.kind_sponsor_shows(), years, t.kind_sponsor_price()],
        [
            t.kind_organisation(),
            t.kind_organisation_checks(),
            t.kind_organisation_shows(),
            years,
            t.kind_organisation_price(),
        ],
    ]
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn sources_are_names_with_links() {
        let one = source("Muster CA https://ca.example/smime");
        assert_eq!((one.name.as_str(), one.href.as_deref()), ("Muster CA", Some("https://ca.example/smime")));
        assert_eq!(source("https://ca.example/").name, "ca.example");
        assert_eq!(source("javascript:alert(1)").href, None);
    }
}

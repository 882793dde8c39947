//! What all pages have in common.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse as _, Response};
use directory::{Language, Role, Roles};

use crate::app::App;
use crate::icons;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::Visitor;

/// What a page answers.
pub(crate) type Answer = Result<Response, Problem>;

/// Where in the portal a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Audit,
    Authorities,
    Board,
    Contacts,
    House,
    HowTo,
    Inbox,
    Keys,
    Me,
    Nowhere,
    Numbers,
    Partners,
    Settings,
    Staff,
    Trace,
}

/// One link of the navigation.
pub(crate) struct Link {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) icon: askama::filters::Safe<&'static str>,
    pub(crate) current: bool,
}

/// One view of a section.
pub(crate) struct Tab {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) current: bool,
}

/// One language to choose.
pub(crate) struct Choice {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// The frame around a page.
pub(crate) struct Page {
    pub(crate) t: Texts,
    pub(crate) lang: &'static str,
    pub(crate) organisation: String,
    pub(crate) style: String,
    pub(crate) icon: String,
    /// The one script; only pages that [`html_with_script`] sends may run it.
    pub(crate) script: String,
    pub(crate) links: Vec<Link>,
    pub(crate) languages: Vec<Choice>,
    /// Who has logged in.
    pub(crate) person: Option<String>,
    pub(crate) csrf: String,
}

impl Page {
    pub(crate) fn new(app: &App, visitor: &Visitor, section: Section) -> Self {
        let t = visitor.texts();
        let roles =
            visitor.person().filter(|_| !visitor.must_change() && !visitor.must_secure()).map(|person| person.roles);
        Self {
            t,
            lang: visitor.language().code(),
            organisation: app.directory.settings().organisation.clone(),
            style: app.assets.style().to_owned(),
            icon: app.assets.icon().to_owned(),
            script: app.assets.script().to_owned(),
            links: links(t, roles, section),
            languages: languages(visitor),
            person: visitor.person().map(|person| clean(&person.name)),
            csrf: visitor.person().map(|_| visitor.csrf()).unwrap_or_default(),
        }
    }
}

fn links(t: Texts, roles: Option<Roles>, section: Section) -> Vec<Link> {
    let Some(roles) = roles else { return Vec::new() };
    let any = |wanted: &[Role]| wanted.iter().any(|role| roles.has(*role));
    let all = [
        (any(BOARD), Section::Board, "/board", t.nav_board(), icons::board()),
        (any(BOARD), Section::Authorities, "/board/authorities", t.nav_authorities(), icons::building()),
        (any(AUDIT), Section::House, "/house", t.nav_house(), icons::key()),
        (any(AUDIT), Section::Numbers, "/numbers", t.nav_numbers(), icons::chart()),
        (any(PEOPLE), Section::Staff, "/people", t.nav_staff(), icons::people()),
        (any(AUDIT), Section::Settings, "/settings", t.nav_settings(), icons::sliders()),
        (any(TRACE), Section::Trace, "/trace", t.nav_trace(), icons::route()),
        (any(AUDIT), Section::Audit, "/board/audit", t.nav_audit(), icons::book()),
        (any(&[Role::Employee]), Section::Partners, "/partners", t.nav_partners(), icons::people()),
        (any(PARTNER), Section::Inbox, "/inbox", t.nav_inbox(), icons::mail()),
        (any(PARTNER), Section::Contacts, "/contacts", t.nav_contacts(), icons::people()),
        (true, Section::Keys, "/keys", t.nav_keys(), icons::key()),
        (true, Section::Me, "/me", t.nav_me(), icons::person()),
        (any(PARTNER), Section::HowTo, "/", t.nav_how_to(), icons::info()),
    ];
    all.into_iter()
        .filter(|(shown, ..)| *shown)
        .map(|(_, of, href, label, icon)| Link { href, label, icon, current: of == section })
        .collect()
}

fn languages(visitor: &Visitor) -> Vec<Choice> {
    Language::ALL
        .into_iter()
        .map(|language| Choice {
            code: language.code(),
            name: match language {
                Language::German => "Deutsch",
                Language::English => "English",
            },
            href: visitor.here_in(language),
            current: language == visitor.language(),
        })
        .collect()
}

/// Who has a webmailer.
pub(crate) const PARTNER: &[Role] = &[Role::Partner];
/// Who sees the board.
pub(crate) const BOARD: &[Role] = &[Role::Officer, Role::Auditor];
/// Who reads the record.
pub(crate) const AUDIT: &[Role] = &[Role::Officer, Role::Auditor, Role::Operator];

/// Who sees everybody.
pub(crate) const PEOPLE: &[Role] = &[Role::Operator, Role::Auditor];
/// Who follows messages; an employee their own.
pub(crate) const TRACE: &[Role] = &[Role::Employee, Role::Officer, Role::Auditor, Role::Operator];

/// Where somebody begins.
pub(crate) fn start_page(roles: Roles) -> &'static str {
    if roles.has(Role::Officer) || roles.has(Role::Auditor) {
        "/board"
    } else if roles.has(Role::Operator) {
        "/board/audit"
    } else if roles.has(Role::Employee) {
        "/partners"
    } else {
        "/inbox"
    }
}

/// A page.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> Answer {
    let text = template.render()?;
    Ok((status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
}

/// A page with the script for passkeys: the policy for it lets that one file run, and nothing else (CASES T-100).
pub(crate) fn html_with_script(app: &App, status: StatusCode, template: &impl Template) -> Answer {
    let mut response = html(status, template)?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, app.policy_with_script.clone());
    Ok(response)
}

/// Somewhere else in the portal, after a form has done its work. `path` is ours, never from a visitor.
pub(crate) fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response()
}

/// What strangers wrote, in one line, without what is invisible or turns the direction of writing (CASES T-82, T-100).
pub(crate) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !hidden(*c)).take(300).collect()
}

/// An address in HTML that breaks after its `@` and before its dots, and nowhere else.
pub(crate) fn breaking(address: &str) -> askama::filters::Safe<String> {
    let mut html = String::with_capacity(address.len() + 32);
    for c in address.chars() {
        match c {
            '@' => html.push_str("@<wbr>"),
            '.' => html.push_str("<wbr>."),
            '&' => html.push_str("&#38;"),
            '<' => html.push_str("&#60;"),
            '>' => html.push_str("&#62;"),
            '"' => html.push_str("&#34;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    askama::filters::Safe(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_100_addresses_break_at_their_marks_and_stay_text() {
        assert_eq!(breaking("jan@devries.example").0, "jan@<wbr>devries<wbr>.example");
        assert_eq!(breaking("<b>\"&'@x").0, "&#60;b&#62;&#34;&#38;&#39;@<wbr>x");
    }

    #[test]
    fn t_82_what_strangers_wrote_shows_what_it_is() {
        assert_eq!(clean("Muster\u{202e}HbmG\r\nX"), "MusterHbmG  X");
        assert_eq!(clean("a\u{200b}b\u{0}c"), "abc");
        assert_eq!(clean(&"x".repeat(1000)).len(), 300);
    }
}

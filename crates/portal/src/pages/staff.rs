//! People and groups: who there is, what they may do, which groups rules can speak of.

mod change;
mod one;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Person, Role};

pub(crate) use change::{add, add_form, contact, deactivate, groups, new_password, roles};
pub(crate) use one::show as person;

use crate::app::App;
use crate::page::{Answer, Page, Section, Tab, clean, html};
use crate::pages::Notice;
use crate::texts::Texts;
use crate::visitor::Visitor;

struct Row {
    id: String,
    name: String,
    address: String,
    company: String,
    roles: String,
    groups: String,
    active: bool,
}

#[derive(Template)]
#[template(path = "staff.html")]
struct StaffPage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    may_change: bool,
    rows: Vec<Row>,
    role: &'static str,
    next: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let wanted = visitor.parameter("role").unwrap_or_default();
    let role = Role::ALL.into_iter().find(|role| role.name() == wanted).unwrap_or(Role::Employee);
    let after = visitor.text_parameter("after");
    let people = app.directory.people(role, Some(&after), PER_PAGE).await?;
    let full = people.len() >= usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let mut tabs = Vec::new();
    for (of, href) in Role::ALL.into_iter().zip(TABS) {
        tabs.push(Tab { href, label: role_name(t, of), current: of == role });
    }
    let mut rows = Vec::new();
    for person in &people {
        rows.push(Row {
            id: person.id.to_string(),
            name: clean(&person.name),
            address: person.address.to_string(),
            company: clean(person.company.as_deref().unwrap_or_default()),
            roles: roles_of(t, person),
            groups: clean(&app.directory.groups_of(person.id).await?.join(", ")),
            active: person.active,
        });
    }
    let page = StaffPage {
        page: Page::new(&app, &visitor, Section::Staff),
        notice: None,
        tabs,
        may_change: may_change(&visitor)?,
        rows,
        role: role.name(),
        next: people.last().filter(|_| full).map(|last| last.address.key().to_owned()),
    };
    html(StatusCode::OK, &page)
}

fn may_change(visitor: &Visitor) -> Result<bool, crate::problem::Problem> {
    Ok(visitor.known()?.roles.has(Role::Operator))
}

fn roles_of(t: Texts, person: &Person) -> String {
    person.roles.iter().map(|role| role_name(t, role)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn role_name(t: Texts, role: Role) -> &'static str {
    match role {
        Role::Partner => t.role_partner(),
        Role::Employee => t.role_employee(),
        Role::Officer => t.role_officer(),
        Role::Auditor => t.role_auditor(),
        Role::Operator => t.role_operator(),
    }
}

/// In the order of [`Role::ALL`].
const TABS: [&str; 5] = [
    "/people?role=partner",
    "/people?role=employee",
    "/people?role=officer",
    "/people?role=auditor",
    "/people?role=operator",
];
const PER_PAGE: u32 = 50;

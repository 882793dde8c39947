//! One person, and what can be changed about them.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Person, PersonId, Role};

use super::{may_change, role_name, roles_of};
use crate::app::App;
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::Visitor;

struct RoleChoice {
    name: &'static str,
    label: &'static str,
    has: bool,
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    page: Page,
    notice: Option<Notice>,
    id: String,
    name: String,
    address: String,
    company: String,
    roles: String,
    since: String,
    active: bool,
    log_in: &'static str,
    second_factor: bool,
    groups: Vec<String>,
    choices: Vec<RoleChoice>,
    /// Whether the visitor changes people, and is not this one.
    may_change: bool,
    inside: bool,
    /// A partner's contact person; empty for none.
    contact: Option<String>,
}

pub(crate) async fn show(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let t = visitor.texts();
    let person = find(&app, &id).await?;
    let notice = match visitor.take_flash().as_deref() {
        Some("changed") => Notice::good(t.person_changed()),
        _ => None,
    };
    page(&app, &visitor, StatusCode::OK, notice, &person).await
}

pub(super) async fn find(app: &App, id: &str) -> Result<Person, Problem> {
    app.directory.person(id.parse::<PersonId>()?).await?.ok_or(Problem::NotFound)
}

pub(super) async fn page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    person: &Person,
) -> Answer {
    let t = visitor.texts();
    let account = app.directory.account(person.id).await?;
    let choices =
        INSIDE.map(|role| RoleChoice { name: role.name(), label: role_name(t, role), has: person.roles.has(role) });
    let groups = app.directory.groups_of(person.id).await?;
    let contact = match (person.roles.has(Role::Partner), person.contact) {
        (false, _) => None,
        (true, None) => Some(String::new()),
        (true, Some(id)) => {
            let contact = app.directory.person(id).await?;
            Some(contact.map(|contact| format!("{} <{}>", clean(&contact.name), contact.address)).unwrap_or_default())
        }
    };
    let page = PersonPage {
        page: Page::new(app, visitor, Section::Staff),
        notice,
        id: person.id.to_string(),
        name: clean(&person.name),
        address: person.address.to_string(),
        company: clean(person.company.as_deref().unwrap_or_default()),
        roles: roles_of(t, person),
        since: visitor.local().date(person.created),
        active: person.active,
        log_in: match account {
            None => t.partner_no_account(),
            Some(account) if account.must_change => t.partner_waiting(),
            Some(_) => t.partner_ready(),
        },
        second_factor: app.directory.has_second_factor(person.id).await?,
        groups: groups.iter().map(|group| clean(group)).collect(),
        choices: choices.into(),
        may_change: may_change(visitor)? && visitor.known()?.id != person.id && person.active,
        inside: app.directory.is_inside(&person.address),
        contact,
    };
    html(status, &page)
}

/// The roles of people inside.
pub(super) const INSIDE: [Role; 4] = [Role::Employee, Role::Officer, Role::Auditor, Role::Operator];

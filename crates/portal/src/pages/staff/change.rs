//! What an operator does with people. Nobody changes the own roles: that takes somebody else.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Address, Language, NewPerson, Person, Role, Roles};

use super::one::{INSIDE, find, page};
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};

#[derive(Template)]
#[template(path = "add_person.html")]
struct AddPage {
    page: Page,
    notice: Option<Notice>,
    name: String,
    address: String,
    language: &'static str,
    /// Name, label, ticked.
    roles: Vec<(&'static str, &'static str, bool)>,
}

#[derive(Template)]
#[template(path = "first_password.html")]
struct FirstPasswordPage {
    page: Page,
    id: String,
    name: String,
    password: String,
    days: u16,
    url: String,
}

pub(crate) async fn add_form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    add_page(&app, &visitor, StatusCode::OK, None, &Form::default())
}

pub(crate) async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let wrong = |status, text: &str| add_page(&app, &visitor, status, Notice::bad(text), &form);
    let name: String = clean(form.field("name")).chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_name_missing());
    }
    let Ok(address) = Address::parse(form.field("address")) else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_address_wrong());
    };
    if !app.directory.is_inside(&address) {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.person_outside());
    }
    let roles = chosen(&form);
    if roles == Roles::default() {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.person_no_role());
    }
    let language = Language::from_code(form.field("language")).unwrap_or(app.directory.settings().language);
    let new = NewPerson { address, name, company: None, language, roles, contact: None };
    match app.directory.add_person(new, &visitor.actor()?).await {
        Err(directory::Error::AlreadyExists { .. }) => wrong(StatusCode::CONFLICT, t.person_known()),
        added => give_password(&app, &visitor, &added?).await,
    }
}

pub(crate) async fn new_password(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let person = other(&app, &visitor, &id).await?;
    // A partner gets it from the contact person, who knows the partner's voice.
    if !app.directory.is_inside(&person.address) {
        return Err(Problem::NotFound);
    }
    give_password(&app, &visitor, &person).await
}

pub(crate) async fn roles(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let person = other(&app, &visitor, &id).await?;
    if !app.directory.is_inside(&person.address) {
        return Err(Problem::NotFound);
    }
    let roles = chosen(&form);
    if roles == Roles::default() {
        let notice = Notice::bad(visitor.texts().person_no_role());
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &person).await;
    }
    app.directory.set_roles(person.id, roles, &visitor.actor()?).await?;
    changed(&app, &person)
}

pub(crate) async fn groups(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let person = other(&app, &visitor, &id).await?;
    let (add, remove) = (form.field("add"), form.field("remove"));
    if !remove.is_empty() {
        app.directory.remove_from_group(remove, person.id, &visitor.actor()?).await?;
        return changed(&app, &person);
    }
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if add.is_empty() || add.chars().count() > MOST_NAME || !add.chars().all(plain) {
        let notice = Notice::bad(visitor.texts().group_wrong());
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &person).await;
    }
    app.directory.add_to_group(add, person.id, &visitor.actor()?).await?;
    changed(&app, &person)
}

/// Another contact person for a partner: theirs may have left, and nobody else gives a first password.
pub(crate) async fn contact(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let person = other(&app, &visitor, &id).await?;
    if !person.roles.has(Role::Partner) {
        return Err(Problem::NotFound);
    }
    let contact = match Address::parse(form.field("contact")) {
        Ok(address) => app.directory.person_at(&address).await?,
        Err(_) => None,
    };
    let Some(contact) = contact.filter(|contact| contact.active && contact.roles.has(Role::Employee)) else {
        let notice = Notice::bad(visitor.texts().contact_wrong());
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &person).await;
    };
    app.directory.set_contact(person.id, contact.id, &visitor.actor()?).await?;
    changed(&app, &person)
}

pub(crate) async fn deactivate(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let person = other(&app, &visitor, &id).await?;
    app.directory.deactivate(person.id, &visitor.actor()?).await?;
    changed(&app, &person)
}

/// Somebody active who is not the visitor.
async fn other(app: &App, visitor: &Visitor, id: &str) -> Result<Person, Problem> {
    let person = find(app, id).await?;
    if person.id == visitor.known()?.id {
        return Err(Problem::Conflict("nobody changes oneself".into()));
    }
    if person.active { Ok(person) } else { Err(Problem::Conflict("the person is not active".into())) }
}

fn chosen(form: &Form) -> Roles {
    Roles::of(INSIDE.into_iter().filter(|role| form.all("role").any(|name| name == role.name())))
}

fn changed(app: &App, person: &Person) -> Answer {
    go_and_say(app, &format!("/people/{}", person.id), "changed")
}

async fn give_password(app: &App, visitor: &Visitor, person: &Person) -> Answer {
    let password = app.give_first_password(person.id, &visitor.actor()?).await?;
    let page = FirstPasswordPage {
        page: Page::new(app, visitor, Section::Staff),
        id: person.id.to_string(),
        name: clean(&person.name),
        password,
        days: app.settings.first_password_days,
        url: format!("{}/login", app.directory.settings().base_url),
    };
    // Shown by this answer alone: to be sent elsewhere it would have to be kept.
    html(StatusCode::OK, &page)
}

fn add_page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    let text = |field: &str| form.field(field).chars().take(254).collect::<String>();
    let language = Language::from_code(form.field("language")).unwrap_or(app.directory.settings().language);
    let roles = INSIDE.map(|role| {
        let ticked = form.all("role").any(|name| name == role.name());
        (role.name(), super::role_name(visitor.texts(), role), ticked)
    });
    let page = AddPage {
        page: Page::new(app, visitor, Section::Staff),
        notice,
        name: text("name"),
        address: text("address"),
        language: language.code(),
        roles: roles.into(),
    };
    html(status, &page)
}

const MOST_NAME: usize = 120;

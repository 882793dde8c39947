//! People: partners, who somebody is, and the people inside whom a partner writes with.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Address, Language, NewPerson, Person, Role, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::requests::CertificateView;
use super::{Answer, Body, Caller, Fault, Page, Paging, Parameters, json, limit};
use crate::app::App;
use crate::page::clean;

/// Somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    address: String,
    name: String,
    company: Option<String>,
    /// `de` or `en`
    language: &'static str,
    roles: Vec<&'static str>,
    active: bool,
    #[schema(format = DateTime)]
    created: String,
}

impl PersonView {
    fn of(person: &Person) -> Self {
        Self {
            address: person.address.to_string(),
            name: clean(&person.name),
            company: person.company.as_deref().map(clean),
            language: person.language.code(),
            roles: person.roles.iter().map(Role::name).collect(),
            active: person.active,
            created: person.created.to_string(),
        }
    }
}

/// Whose token it is, and what it is for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    person: PersonView,
    token: String,
    scopes: Vec<&'static str>,
    #[schema(format = DateTime)]
    expires: String,
}

/// Who calls.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me)))]
pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Answer {
    let token = &caller.token;
    let me = Me {
        person: PersonView::of(&caller.person),
        token: token.name.clone(),
        scopes: token.scopes.iter().map(|scope| scope.name()).collect(),
        expires: token.expires.to_string(),
    };
    json(StatusCode::OK, &me)
}

/// Somebody by mailbox.
#[utoipa::path(get, path = "/api/v1/people/{address}", params(("address" = String, Path)),
    responses((status = 200, body = PersonView)))]
pub(crate) async fn person(State(app): State<App>, Path(address): Path<String>) -> Answer {
    let address = Address::parse(&address).map_err(|_| Fault::not_found())?;
    let person = app.directory.person_at(&address).await?.ok_or_else(Fault::not_found)?;
    json(StatusCode::OK, &PersonView::of(&person))
}

/// The partners whom the owner of the token has invited, by address.
#[utoipa::path(get, path = "/api/v1/partners", params(Paging), responses((status = 200, body = Page<PersonView>)))]
pub(crate) async fn partners(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Parameters(paging): Parameters<Paging>,
) -> Answer {
    let limit = limit(paging.limit)?;
    let mut partners =
        app.directory.partners_of(caller.person.id, paging.cursor.as_deref(), limit.saturating_add(1)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = partners.len() > limit;
    partners.truncate(limit);
    let next = partners.last().filter(|_| more).map(|last| last.address.key().to_owned());
    json(StatusCode::OK, &Page { items: partners.iter().map(PersonView::of).collect(), next })
}

/// A partner to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPartner {
    address: String,
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    #[schema(max_length = 120)]
    company: Option<String>,
    /// `de` or `en`; the organisation's language if left out
    language: Option<String>,
}

/// A partner who was invited, with the first password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    partner: PersonView,
    /// To be passed on by another channel than mail, and to be changed at the first log-in.
    first_password: String,
}

/// Invites a partner. The owner of the token is their contact person.
#[utoipa::path(post, path = "/api/v1/partners", request_body = NewPartner,
    responses((status = 201, body = Invited)))]
pub(crate) async fn invite(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewPartner>,
) -> Answer {
    let (name, company) = (clean(&new.name), new.company.as_deref().map(clean));
    if name.trim().is_empty() || name.chars().count() > 120 || company.as_ref().is_some_and(|c| c.len() > 250) {
        return Err(Fault::invalid("name, company: 1 to 120 characters"));
    }
    let address = Address::parse(&new.address)?;
    if app.directory.is_inside(&address) {
        return Err(Fault::invalid("address: belongs to the house"));
    }
    let language = match new.language.as_deref() {
        None => app.directory.settings().language,
        Some(code) => Language::from_code(code).ok_or_else(|| Fault::invalid("language: de or en"))?,
    };
    let contact = Some(caller.person.id);
    let new = NewPerson { address, name, company, language, roles: Roles::of([Role::Partner]), contact };
    let partner = app.directory.add_person(new, &caller.actor()).await?;
    let password = app.give_first_password(partner.id, &caller.actor()).await?;
    json(StatusCode::CREATED, &Invited { partner: PersonView::of(&partner), first_password: password })
}

/// Somebody inside, with the certificates in use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactView {
    address: String,
    name: String,
    certificates: Vec<CertificateView>,
}

/// Everybody inside whom the partner who owns the token writes with.
#[utoipa::path(get, path = "/api/v1/contacts", responses((status = 200, body = Vec<ContactView>)))]
pub(crate) async fn contacts(State(app): State<App>, Extension(caller): Extension<Caller>) -> Answer {
    let mut contacts = Vec::new();
    for person in app.directory.contacts_of(&caller.person.address).await? {
        let certificates = app.directory.employee_certificates(&person.address).await?;
        contacts.push(ContactView {
            address: person.address.to_string(),
            name: clean(&person.name),
            certificates: certificates.iter().map(CertificateView::of).collect(),
        });
    }
    json(StatusCode::OK, &contacts)
}

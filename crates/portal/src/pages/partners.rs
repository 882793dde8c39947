//! Inviting partners (F3): the first password is shown once, and known to nobody afterwards but by its hash.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Address, Language, NewPerson, Person, PersonId, RequestFilter, Role, Roles, State as RequestState};

use crate::app::App;
use crate::certificate_view::{state_class, state_name};
use crate::form::Form;
use crate::local::Local;
use crate::page::{Answer, Page, Section, clean, html};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::Visitor;

struct PartnerRow {
    id: String,
    name: String,
    address: String,
    company: String,
    /// Class and words.
    log_in: (&'static str, &'static str),
    certificate: (&'static str, &'static str),
    certificate_more: String,
}

#[derive(Template)]
#[template(path = "partners.html")]
struct PartnersPage {
    page: Page,
    partners: Vec<PartnerRow>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    page: Page,
    notice: Option<Notice>,
    name: String,
    company: String,
    address: String,
    language: &'static str,
    /// The visitor's own partner with this address, who has not logged in yet.
    again: Option<String>,
}

#[derive(Template)]
#[template(path = "invited.html")]
struct InvitedPage {
    page: Page,
    title: String,
    password: String,
    days: u16,
    /// The letter speaks the partner's language.
    theirs: Texts,
    lang: &'static str,
    name: String,
    company: String,
    address: String,
    date: String,
    url: String,
    contact: String,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    // In the order of their addresses; each row takes look-ups of its own.
    let after = visitor.text_parameter("after");
    let mut own = app.directory.partners_of(visitor.known()?.id, Some(&after), PER_PAGE + 1).await?;
    let more = own.len() > usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    if more {
        own.pop();
    }
    let next = own.last().filter(|_| more).map(|last| last.address.key().to_owned());
    let mut partners = Vec::new();
    for partner in &own {
        partners.push(row(&app, &visitor, partner).await?);
    }
    html(StatusCode::OK, &PartnersPage { page: Page::new(&app, &visitor, Section::Partners), partners, next })
}

pub(crate) async fn form(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    invite_page(&app, &visitor, StatusCode::OK, None, &Form::default())
}

pub(crate) async fn invite(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let wrong = |status, text: &str| invite_page(&app, &visitor, status, Notice::bad(text), &form);
    let name: String = clean(form.field("name")).chars().take(MOST_NAME).collect();
    let company: String = clean(form.field("company")).chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_name_missing());
    }
    let Ok(address) = Address::parse(form.field("address")) else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_address_wrong());
    };
    // Mail leaves the house for it: a name without a dot is a machine of this network at best.
    if !address.domain().contains('.') {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_address_wrong());
    }
    if app.directory.is_inside(&address) {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.invite_inside());
    }
    let new = NewPerson {
        address,
        name,
        company: Some(company).filter(|company| !company.is_empty()),
        language: Language::from_code(form.field("language")).unwrap_or(visitor.language()),
        roles: Roles::of([Role::Partner]),
        contact: Some(visitor.known()?.id),
    };
    let partner = match app.directory.add_person(new, &visitor.actor()?).await {
        Err(directory::Error::AlreadyExists { .. }) => return known(&app, &visitor, &form).await,
        added => added?,
    };
    let title = t.invited_title(clean(&partner.name));
    give_first_password(&app, &visitor, &partner, title).await
}

/// There is somebody with this address. A double click shows the second answer, and the first had the password: then
/// there is a way to another one.
async fn known(app: &App, visitor: &Visitor, form: &Form) -> Answer {
    let t = visitor.texts();
    let own = match Address::parse(form.field("address")) {
        Ok(address) => app.directory.person_at(&address).await?,
        Err(_) => None,
    };
    let own = own.filter(|partner| partner.contact == visitor.person().map(|person| person.id) && partner.active);
    let waits = match &own {
        Some(partner) => app.directory.account(partner.id).await?.is_none_or(|account| account.must_change),
        None => false,
    };
    let own = own.filter(|_| waits);
    let notice = match &own {
        Some(partner) => Notice::bad(t.invite_own(clean(&partner.name))),
        None => Notice::bad(t.invite_known()),
    };
    let page =
        InvitePage { again: own.map(|partner| partner.id.to_string()), ..invitation(app, visitor, notice, form) };
    html(StatusCode::CONFLICT, &page)
}

/// Forgotten, or run out: only the partner's own contact person gives a new one.
pub(crate) async fn new_password(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let contact = visitor.known()?.id;
    let partner = app.directory.person(form.field("partner").parse()?).await?;
    let partner = partner.filter(|partner| partner.contact == Some(contact) && partner.active);
    let partner = partner.ok_or(Problem::NotFound)?;
    let title = visitor.texts().renewed_title(clean(&partner.name));
    give_first_password(&app, &visitor, &partner, title).await
}

async fn give_first_password(app: &App, visitor: &Visitor, partner: &Person, title: String) -> Answer {
    let password = app.give_first_password(partner.id, &visitor.actor()?).await?;
    let local = Local { language: partner.language, zone: app.zone.clone() };
    let page = InvitedPage {
        page: Page::new(app, visitor, Section::Partners),
        title,
        password,
        days: app.settings.first_password_days,
        theirs: Texts(partner.language),
        lang: partner.language.code(),
        name: clean(&partner.name),
        company: clean(partner.company.as_deref().unwrap_or_default()),
        address: partner.address.to_string(),
        date: local.date(app.directory.now()),
        url: format!("{}/login", app.directory.settings().base_url),
        contact: clean(&visitor.known()?.name),
    };
    // Shown by this answer alone: to be sent elsewhere it would have to be kept.
    html(StatusCode::OK, &page)
}

async fn row(app: &App, visitor: &Visitor, partner: &Person) -> Result<PartnerRow, Problem> {
    let t = visitor.texts();
    let requests = app.directory.requests(&RequestFilter::For(partner.address.clone()), 50).await?;
    // What is in use says more than what is on its way, and that more than what is over.
    let rank = |state: RequestState| match state {
        RequestState::Active => 0,
        open if open.is_open() => 1,
        _ => 2,
    };
    let telling = requests.iter().min_by_key(|request| (rank(request.state()), -request.received().to_unix()));
    let (certificate, certificate_more) = match telling {
        None => (("none", t.partner_no_certificate()), String::new()),
        Some(request) => {
            let more = match (request.state(), request.refusal()) {
                (RequestState::Active, _) => {
                    t.partner_until(visitor.local().date(request.certificate().validity().not_after))
                }
                (_, Some(refusal)) => refusal.text(t.0),
                (state, _) if state.is_open() => {
                    crate::certificate_view::clock(t, visitor.local(), request, app.directory.now())
                }
                _ => String::new(),
            };
            ((state_class(request), state_name(t, request.state())), more)
        }
    };
    Ok(PartnerRow {
        id: partner.id.to_string(),
        name: clean(&partner.name),
        address: partner.address.to_string(),
        company: clean(partner.company.as_deref().unwrap_or_default()),
        log_in: log_in_state(app, t, partner.id, partner.active).await?,
        certificate,
        certificate_more,
    })
}

async fn log_in_state(
    app: &App,
    t: Texts,
    id: PersonId,
    active: bool,
) -> Result<(&'static str, &'static str), Problem> {
    if !active {
        return Ok(("past", t.partner_inactive()));
    }
    Ok(match app.directory.account(id).await? {
        None => ("none", t.partner_no_account()),
        Some(account) if account.must_change => ("wait", t.partner_waiting()),
        Some(_) => ("good", t.partner_ready()),
    })
}

fn invite_page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    html(status, &invitation(app, visitor, notice, form))
}

fn invitation(app: &App, visitor: &Visitor, notice: Option<Notice>, form: &Form) -> InvitePage {
    let text = |field: &str| form.field(field).chars().take(254).collect::<String>();
    let language = Language::from_code(form.field("language")).unwrap_or(app.directory.settings().language);
    InvitePage {
        page: Page::new(app, visitor, Section::Partners),
        notice,
        again: None,
        name: text("name"),
        company: text("company"),
        address: text("address"),
        language: language.code(),
    }
}

const PER_PAGE: u32 = 50;
const MOST_NAME: usize = 120;

//! The certificates of the house: what ends soon, what is in use, its own CAs, and incidents.

mod incidents;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{
    Address, AuthorityRole, CredentialFilter, CredentialInfo, CredentialState, KeyUse, RequestSearch,
    State as RequestState,
};

pub(crate) use incidents::{list as incidents, open as open_incident, retry as retry_incident};

use crate::app::App;
use crate::certificate_view::{Moment, day, groups, issuer_of, name_of};
use crate::page::{Answer, Page, Section, Tab, html};
use crate::pages::Notice;
use crate::texts::Texts;
use crate::visitor::Visitor;

struct Ending {
    address: String,
    issuer: String,
    until: Moment,
    class: &'static str,
    left: String,
    next: &'static str,
    /// The request, for partners' certificates.
    request: Option<String>,
}

struct Row {
    address: String,
    issuer: String,
    until: Moment,
    class: &'static str,
    state: &'static str,
    key_use: &'static str,
    fingerprint: String,
}

struct Authority {
    name: String,
    role: &'static str,
    until: Moment,
    retired: bool,
    fingerprint: Vec<String>,
}

#[derive(Template)]
#[template(path = "house.html")]
struct HousePage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    address: String,
    ending: Vec<Ending>,
    partners: Vec<Ending>,
    rows: Vec<Row>,
    next: Option<String>,
    authorities: Vec<Authority>,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let (t, local, now) = (visitor.texts(), visitor.local(), app.directory.now());
    let (mut status, mut notice) = (StatusCode::OK, None);
    let typed: String = visitor.text_parameter("address").trim().chars().take(254).collect();
    let after = visitor.parameter("after").and_then(|id| id.parse().ok());
    let mut filter = CredentialFilter::InUseAfter(after);
    if !typed.is_empty() {
        match Address::parse(&typed) {
            Ok(address) => filter = CredentialFilter::For(address),
            Err(_) => {
                status = StatusCode::UNPROCESSABLE_ENTITY;
                notice = Notice::bad(t.trace_address_wrong());
            }
        }
    }
    let found = app.directory.credentials(&filter, PER_PAGE).await?;
    let full = typed.is_empty() && found.len() >= usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let ending = app.directory.renewals_due().await?.into_iter().map(|due| Ending {
        address: due.credential.address.to_string(),
        issuer: issuer_of(&due.credential.certificate),
        until: day(local, due.credential.certificate.validity().not_after),
        class: urgency(due.days_left),
        left: days_left(t, due.days_left),
        next: if due.of_house { t.house_renews() } else { t.house_order() },
        request: None,
    });
    let search = RequestSearch {
        states: vec![RequestState::Active],
        ends_by: Some(now.plus_days(PARTNER_DAYS)),
        ..RequestSearch::default()
    };
    let mut partners = app.directory.search_requests(&search, PER_PAGE).await?;
    partners.sort_by_key(|request| request.certificate().validity().not_after);
    let partners = partners.iter().map(|request| {
        let until = request.certificate().validity().not_after;
        let left = (until.to_unix() - now.to_unix()).div_euclid(86_400);
        Ending {
            address: request.address().to_string(),
            issuer: issuer_of(request.certificate()),
            until: day(local, until),
            class: urgency(left),
            left: days_left(t, left),
            next: t.house_partner_sends(),
            request: Some(request.id().to_string()),
        }
    });
    let authorities = app.directory.house_authorities().await?.into_iter().map(|authority| Authority {
        name: name_of(&authority.certificate),
        role: match authority.role {
            AuthorityRole::Root => t.house_root(),
            AuthorityRole::Issuing => t.house_issuing(),
        },
        until: day(local, authority.certificate.validity().not_after),
        retired: authority.retired.is_some(),
        fingerprint: groups(&authority.certificate.sha256().to_hex()),
    });
    let page = HousePage {
        page: Page::new(&app, &visitor, Section::House),
        notice,
        tabs: tabs(t, false),
        address: typed,
        ending: ending.collect(),
        partners: partners.collect(),
        next: found.last().filter(|_| full).map(|last| last.id.to_string()),
        rows: found.iter().map(|one| row(&visitor, one, now)).collect(),
        authorities: authorities.collect(),
    };
    html(status, &page)
}

fn row(visitor: &Visitor, credential: &CredentialInfo, now: asn1::Time) -> Row {
    let (t, until) = (visitor.texts(), credential.certificate.validity().not_after);
    let (class, state) = match credential.state {
        CredentialState::Active if until < now => ("past", t.state_expired()),
        CredentialState::Active => ("good", t.state_active()),
        CredentialState::Retired => ("past", t.house_retired()),
        CredentialState::Revoked => ("bad", t.state_revoked()),
    };
    Row {
        address: credential.address.to_string(),
        issuer: issuer_of(&credential.certificate),
        until: day(visitor.local(), until),
        class,
        state,
        key_use: match credential.key_use {
            KeyUse::Both => t.house_both(),
            KeyUse::Sign => t.house_signs(),
            KeyUse::Encrypt => t.house_encrypts(),
        },
        fingerprint: groups(&credential.certificate.sha256().to_hex()).join(" "),
    }
}

fn tabs(t: Texts, incidents: bool) -> Vec<Tab> {
    vec![
        Tab { href: "/house", label: t.house_tab(), current: !incidents },
        Tab { href: "/house/incidents", label: t.incidents_tab(), current: incidents },
    ]
}

fn urgency(days: i64) -> &'static str {
    match days {
        i64::MIN..0 => "late",
        0..=14 => "soon",
        _ => "time",
    }
}

fn days_left(t: Texts, days: i64) -> String {
    match days {
        i64::MIN..0 => t.house_ended().to_owned(),
        0 => t.house_today().to_owned(),
        1 => t.house_one_day().to_owned(),
        days => t.house_days(days),
    }
}

const PER_PAGE: u32 = 50;
const PARTNER_DAYS: i64 = 30;

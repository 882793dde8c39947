//! Authorities that nobody trusts yet: one officer proposes, another one confirms (CASES T-62).

use askama::Template;
use asn1::Time;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::harvest::{Finding, harvest};
use directory::{PersonId, Role};
use pki::{Certificate, Fingerprint};

use crate::app::App;
use crate::certificate_view::{Moment, day, groups, key_of, name_of};
use crate::form::Form;
use crate::page::{Answer, Page, Section, Tab, clean, html};
use crate::pages::Notice;
use crate::pages::people::Names;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::{Visitor, go_and_say};

struct Unknown {
    name: String,
    addresses: u64,
    seen: String,
    sha256: String,
    fingerprint: Vec<String>,
    facts: Option<Facts>,
}

/// What is to be known about a root before anybody trusts it.
struct Facts {
    subject: String,
    not_before: Moment,
    not_after: Moment,
    key: String,
    serial: String,
}

impl Facts {
    fn of(visitor: &Visitor, certificate: &Certificate) -> Self {
        let validity = certificate.validity();
        Self {
            subject: clean(&certificate.subject().to_string()),
            not_before: day(visitor.local(), validity.not_before),
            not_after: day(visitor.local(), validity.not_after),
            key: key_of(certificate),
            serial: certificate.serial().to_string(),
        }
    }
}

struct Proposal {
    facts: Option<Facts>,
    name: String,
    sha256: String,
    fingerprint: Vec<String>,
    word: Word,
}

/// By whose word something is trusted, or will be.
pub(super) struct Word {
    pub(super) why: String,
    pub(super) proposed: String,
    pub(super) confirmed: String,
    pub(super) trusted: bool,
    /// The visitor proposed it, so somebody else confirms.
    pub(super) own: bool,
}

impl Word {
    pub(super) async fn of(
        app: &App,
        visitor: &Visitor,
        names: &mut Names,
        (proposed_by, proposed): (PersonId, Time),
        confirmed: Option<(PersonId, Time)>,
        why: &str,
    ) -> Result<Self, Problem> {
        let (t, local) = (visitor.texts(), visitor.local());
        let by = names.person(app, t, &proposed_by.to_string()).await?;
        let trusted = confirmed.is_some();
        let confirmed = match confirmed {
            Some((by, at)) => t.authorities_confirmed(names.person(app, t, &by.to_string()).await?, local.date(at)),
            None => String::new(),
        };
        Ok(Self {
            why: clean(why),
            proposed: t.authorities_proposed(by, local.date(proposed)),
            confirmed,
            trusted,
            own: proposed_by == visitor.known()?.id,
        })
    }
}

#[derive(Template)]
#[template(path = "authorities.html")]
struct AuthoritiesPage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    proposals: Vec<Proposal>,
    unknown: Vec<Unknown>,
    may_decide: bool,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let notice = match visitor.take_flash().as_deref() {
        Some("proposed") => Notice::good(t.authorities_done_proposed()),
        Some("confirmed") => Notice::good(t.authorities_done_confirmed()),
        _ => None,
    };
    page(&app, &visitor, StatusCode::OK, notice).await
}

pub(crate) async fn propose(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let why = clean(form.field("why"));
    let wrong = |status, text| page(&app, &visitor, status, Notice::bad(text));
    if why.is_empty() {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.authorities_why_missing()).await;
    }
    let Some(root) = proposed_root(&app, &form).await? else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.authorities_no_root()).await;
    };
    match app.directory.propose_anchor(&root, visitor.known()?.id, &why).await {
        Err(directory::Error::AlreadyExists { .. }) => wrong(StatusCode::CONFLICT, t.authorities_exists()).await,
        done => {
            done?;
            back(&app, "proposed")
        }
    }
}

pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let root = Fingerprint::parse(form.field("fingerprint")).ok_or(Problem::BadForm)?;
    match app.directory.confirm_anchor(&root, visitor.known()?.id).await {
        Err(directory::Error::NotAllowed { .. }) => {
            let notice = Notice::bad(visitor.texts().authorities_confirm_own());
            page(&app, &visitor, StatusCode::CONFLICT, notice).await
        }
        done => {
            done?;
            back(&app, "confirmed")
        }
    }
}

/// The one in the list whose fingerprint was shown, or the one in the file.
async fn proposed_root(app: &App, form: &Form) -> Result<Option<Certificate>, Problem> {
    if let Some(shown) = Fingerprint::parse(form.field("fingerprint")) {
        let unknown = app.directory.unknown_authorities().await?;
        let known = unknown.into_iter().filter_map(|authority| authority.certificate);
        return Ok(known.into_iter().find(|certificate| certificate.sha256() == shown));
    }
    let Some(file) = form.files("certificate").next() else { return Ok(None) };
    let found = harvest(&file.name, &file.bytes);
    let certificates = found.into_iter().filter_map(|file| match file.finding {
        Finding::Certificates(certificates) => Some(certificates),
        _ => None,
    });
    let mut authorities: Vec<Certificate> = certificates.flatten().filter(Certificate::is_ca).collect();
    // A file with several would leave open which one is meant.
    Ok(if authorities.len() == 1 { authorities.pop() } else { None })
}

/// Roots one by one, and lists of them.
pub(super) fn tabs(t: Texts, packs: bool) -> Vec<Tab> {
    vec![
        Tab { href: "/board/authorities", label: t.packs_tab_one(), current: !packs },
        Tab { href: "/board/packs", label: t.packs_tab(), current: packs },
    ]
}

fn back(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/board/authorities", flash)
}

async fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>) -> Answer {
    let (t, local, person) = (visitor.texts(), visitor.local(), visitor.known()?);
    let mut names = Names::default();
    let mut proposals = Vec::new();
    for proposal in app.directory.proposed_anchors().await? {
        let hex = proposal.certificate.sha256().to_hex();
        let proposed = (proposal.proposed_by, proposal.proposed);
        let word = Word::of(app, visitor, &mut names, proposed, proposal.confirmed, &proposal.why).await?;
        proposals.push(Proposal {
            facts: Some(Facts::of(visitor, &proposal.certificate)),
            name: name_of(&proposal.certificate),
            fingerprint: groups(&hex),
            sha256: hex,
            word,
        });
    }
    let known: Vec<String> = proposals.iter().map(|proposal| proposal.sha256.clone()).collect();
    let unknown = app.directory.unknown_authorities().await?.into_iter().filter_map(|authority| {
        let hex = authority.certificate.as_ref().map(|one| one.sha256().to_hex()).unwrap_or_default();
        let facts = authority.certificate.as_ref().map(|one| Facts::of(visitor, one));
        (hex.is_empty() || !known.contains(&hex)).then(|| Unknown {
            facts,
            name: clean(&authority.name),
            addresses: authority.addresses,
            seen: t.authorities_seen(local.date(authority.first_seen), local.date(authority.last_seen)),
            fingerprint: groups(&hex),
            sha256: hex,
        })
    });
    let page = AuthoritiesPage {
        page: Page::new(app, visitor, Section::Authorities),
        notice,
        tabs: tabs(t, false),
        unknown: unknown.collect(),
        proposals,
        may_decide: person.roles.has(Role::Officer),
    };
    html(status, &page)
}

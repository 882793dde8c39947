//! One request: everything that an officer needs to decide, and the decision, bound to what was shown (CASES T-66).

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Request, RequestId, Role, State as RequestState};
use pki::lint::Severity;
use pki::{Explanation, Fingerprint, Outcome, RevocationStatus};

use crate::app::App;
use crate::certificate_view::{CertificateView, Moment, groups, key_of, moment};
use crate::form::Form;
use crate::page::{Answer, Page, Section, clean, html, see_other};
use crate::pages::Notice;
use crate::pages::people::{Names, action, why as reason_given};
use crate::problem::Problem;
use crate::texts::{Texts, rule as in_words};
use crate::visitor::{Visitor, go_and_say, leave_flash};

struct RuleView {
    class: &'static str,
    certificate: usize,
    /// The rule, and in which language.
    text: (&'static str, &'static str),
    section: &'static str,
    detail: String,
}

struct Entry {
    at: Moment,
    what: String,
    who: String,
    why: String,
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    page: Page,
    notice: Option<Notice>,
    address: String,
    certificate: CertificateView,
    subject: String,
    issuer: String,
    key: String,
    profile: String,
    serial: String,
    submitted_by: String,
    path_good: bool,
    path_why: String,
    revocation: &'static str,
    chain: Vec<String>,
    rules: Vec<RuleView>,
    notes: Vec<RuleView>,
    history: Vec<Entry>,
    replaces: Vec<String>,
    may_decide: bool,
    ready: bool,
    not_ready: &'static str,
    reasons: [&'static str; 3],
    partner_lang: &'static str,
}

pub(crate) async fn request(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Answer {
    let request = find(&app, &id).await?;
    let asked = visitor.take_flash().is_some_and(|flash| flash == "asked");
    let notice = if asked { Notice::good(visitor.texts().asked()) } else { None };
    page(&app, &visitor, StatusCode::OK, notice, &request).await
}

pub(crate) async fn approve(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let request = find(&app, &id).await?;
    let shown = Fingerprint::parse(form.field("fingerprint")).ok_or(Problem::BadForm)?;
    let why: String = clean(form.field("why"));
    let done = app.directory.approve(request.id(), &shown, visitor.known()?.id, &why).await;
    if matches!(done, Err(directory::Error::Conflict { .. })) {
        // Said twice is said.
        return match has_approved(&app, &visitor, request.id(), &shown).await? {
            true => decided(&app, "approved"),
            false => conflict(&app, &visitor, &id).await,
        };
    }
    done?;
    decided(&app, "approved")
}

pub(crate) async fn refuse(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let request = find(&app, &id).await?;
    let shown = Fingerprint::parse(form.field("fingerprint")).ok_or(Problem::BadForm)?;
    let reason: String = clean(form.field("reason"));
    if reason.is_empty() {
        let notice = Notice::bad(visitor.texts().refuse_reason_missing());
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &request).await;
    }
    let done = app.directory.refuse(request.id(), &shown, visitor.known()?.id, &reason).await;
    if matches!(done, Err(directory::Error::Conflict { .. })) {
        return match has_refused(&find(&app, &id).await?, &shown, &reason) {
            true => decided(&app, "refused"),
            false => conflict(&app, &visitor, &id).await,
        };
    }
    done?;
    decided(&app, "refused")
}

/// Asks the partner; the request stays as it is.
pub(crate) async fn ask(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    let request = find(&app, &id).await?;
    let shown = Fingerprint::parse(form.field("fingerprint")).ok_or(Problem::BadForm)?;
    let question = form.field("question");
    if question.is_empty() {
        let notice = Notice::bad(visitor.texts().ask_missing());
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, notice, &request).await;
    }
    match app.directory.ask_back(request.id(), &shown, visitor.known()?.id, question).await {
        Err(directory::Error::Conflict { .. }) => conflict(&app, &visitor, &id).await,
        done => {
            done?;
            let mut response = see_other(&format!("/board/requests/{}", request.id()));
            leave_flash(&app, response.headers_mut(), "asked");
            Ok(response)
        }
    }
}

/// Whether this officer has approved exactly this already, as a double click does.
pub(super) async fn has_approved(
    app: &App,
    visitor: &Visitor,
    id: RequestId,
    shown: &Fingerprint,
) -> Result<bool, Problem> {
    let by = visitor.actor()?.to_string();
    let Some(request) = app.directory.request(id).await? else { return Ok(false) };
    let same = request.state() == RequestState::Active && request.fingerprint() == *shown;
    Ok(same && request.approved_by() == Some(by.as_str()))
}

/// Whether exactly this was refused for this reason already.
fn has_refused(request: &Request, shown: &Fingerprint, reason: &str) -> bool {
    let same = request.state() == RequestState::Refused && request.fingerprint() == *shown;
    same && request.refusal().is_some_and(|refusal| refusal.code == "officer" && refusal.detail == reason)
}

async fn find(app: &App, id: &str) -> Result<Request, Problem> {
    app.directory.request(id.parse::<RequestId>()?).await?.ok_or(Problem::NotFound)
}

async fn conflict(app: &App, visitor: &Visitor, id: &str) -> Answer {
    let request = find(app, id).await?;
    page(app, visitor, StatusCode::CONFLICT, Notice::bad(visitor.texts().decided_conflict()), &request).await
}

fn decided(app: &App, flash: &str) -> Answer {
    go_and_say(app, "/board", flash)
}

async fn page(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, request: &Request) -> Answer {
    let (t, now) = (visitor.texts(), app.directory.now());
    let certificate = request.certificate();
    let entries = app.directory.history(request.id()).await?;
    let mut names = Names::default();
    let mut history = Vec::new();
    for entry in entries.iter().filter(|entry| entry.detail.is_some()) {
        let (actor, why) = entry.detail.as_ref().map_or(("", ""), |detail| (&detail.actor, &detail.why));
        history.push(Entry {
            at: moment(visitor.local(), entry.at),
            what: action(t, &entry.action),
            who: names.actor(app, t, actor).await?,
            why: reason_given(t, why),
        });
    }
    let assessment = app.directory.assess(request).await?;
    let (path_good, path_why) = match assessment.outcome() {
        Ok(_) => (true, String::new()),
        Err(rejected) => (false, reason(t, rejected.reason())),
    };
    let (explanation, lint) = (assessment.explanation(), assessment.lint());
    let notes = lint.notes().iter().map(|rule| RuleView {
        class: if rule.severity() == Severity::Error { "bad" } else { "note" },
        certificate: 0,
        text: in_words(t, rule.text()),
        section: rule.section(),
        detail: String::new(),
    });
    let theirs = Texts(request.language());
    let frame = Page::new(app, visitor, Section::Board);
    let page = RequestPage {
        page: frame,
        notice,
        address: request.address().to_string(),
        certificate: CertificateView::with_history(visitor, request, &entries, now),
        subject: clean(&certificate.subject().to_string()),
        issuer: clean(&certificate.issuer().to_string()),
        key: key_of(certificate),
        profile: lint.profile().map_or_else(|| t.request_profile_none().to_owned(), |profile| profile.to_string()),
        serial: certificate.serial().to_string(),
        submitted_by: names.actor(app, t, request.submitted_by()).await?,
        path_good,
        path_why,
        revocation: revocation(t, assessment.revocation()),
        chain: explanation.certificates().iter().map(|one| clean(&one.to_string())).collect(),
        rules: rules(t, explanation),
        notes: notes.collect(),
        history,
        replaces: request.replaces().map(|old| groups(&old.to_hex())).unwrap_or_default(),
        may_decide: visitor.known()?.roles.has(Role::Officer),
        ready: request.state() == RequestState::Confirmed,
        not_ready: if request.unknown_authority() { t.approve_authority_first() } else { t.approve_not_yet() },
        reasons: [theirs.refuse_template_1(), theirs.refuse_template_2(), theirs.refuse_template_3()],
        partner_lang: request.language().code(),
    };
    html(status, &page)
}

fn reason(t: Texts, reason: &pki::Reason) -> String {
    directory::Refusal { code: reason.code().into(), detail: reason.to_string() }.text(t.0)
}

fn revocation(t: Texts, status: RevocationStatus) -> &'static str {
    match status {
        RevocationStatus::Good => t.revocation_good(),
        RevocationStatus::Revoked => t.revocation_revoked(),
        RevocationStatus::Unknown => t.revocation_unknown(),
        RevocationStatus::Unchecked => t.revocation_unchecked(),
    }
}

fn rules(t: Texts, explanation: &Explanation) -> Vec<RuleView> {
    let steps = explanation.steps().iter().map(|step| RuleView {
        class: match step.outcome {
            Outcome::Passed => "good",
            Outcome::Failed => "bad",
            Outcome::Noted => "note",
        },
        certificate: step.certificate,
        text: in_words(t, step.rule),
        section: step.section,
        detail: clean(step.detail.as_deref().unwrap_or_default()),
    });
    steps.collect()
}

//! Requests for certificates: sending in, looking, deciding.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use directory::harvest::{Finding, harvest};
use directory::{
    Address, Language, Limit, Origin, Request, RequestFilter, RequestId, Role, State as RequestState, Submission,
};
use pki::lint::lint;
use pki::{Certificate, Fingerprint, Outcome, PathChecker, PathPolicy, Purpose};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, Body, Caller, Fault, Page, Parameters, json, limit};
use crate::app::App;
use crate::page::clean;

/// A certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateView {
    /// SHA-256 over the certificate, in hexadecimal.
    sha256: String,
    subject: String,
    issuer: String,
    serial: String,
    addresses: Vec<String>,
    #[schema(format = DateTime)]
    not_before: String,
    #[schema(format = DateTime)]
    not_after: String,
    /// The certificate itself.
    pem: String,
}

impl CertificateView {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self {
            sha256: certificate.sha256().to_hex(),
            subject: clean(&certificate.subject().to_string()),
            issuer: clean(&certificate.issuer().to_string()),
            serial: certificate.serial().to_string(),
            addresses: certificate.email_addresses().iter().take(20).map(|one| clean(&one.to_string())).collect(),
            not_before: certificate.validity().not_before.to_string(),
            not_after: certificate.validity().not_after.to_string(),
            pem: certificate.to_pem(),
        }
    }
}

/// A request that a certificate be used for a mailbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestView {
    #[schema(pattern = "^[0-9a-f]{16}$")]
    id: String,
    address: String,
    /// `received`, `checked`, `confirmed`, `approved`, `active`, `refused`, `superseded`, `expired`, `revoked`
    state: &'static str,
    /// Which way it came in.
    origin: &'static str,
    #[schema(format = DateTime)]
    received: String,
    #[schema(format = DateTime)]
    changed: String,
    /// When it has to be set up.
    #[schema(format = DateTime)]
    due: String,
    /// Why it is not used: one word, and a sentence.
    refusal: Option<RefusalView>,
    /// Whether it waits for a decision about its CA.
    unknown_authority: bool,
    /// SHA-256 of the certificate that is, or was, in use before it.
    replaces: Option<String>,
    certificate: CertificateView,
}

/// Why a certificate is not used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalView {
    code: String,
    detail: String,
}

/// One rule of path validation, and how a certificate fared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepView {
    section: &'static str,
    rule: &'static str,
    /// Index into `chain`.
    certificate: usize,
    /// `passed`, `failed`, `noted`
    outcome: &'static str,
    detail: Option<String>,
}

/// A request with everything that an officer needs to decide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestDetails {
    request: RequestView,
    /// Whether its path is good now.
    path_good: bool,
    /// The chain that was judged, leaf first.
    chain: Vec<String>,
    explanation: Vec<StepView>,
    lint: Vec<LintView>,
}

/// What a linter says about the certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LintView {
    section: &'static str,
    text: String,
}

impl RequestView {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            id: request.id().to_string(),
            address: request.address().to_string(),
            state: request.state().name(),
            origin: request.origin().name(),
            received: request.received().to_string(),
            changed: request.changed().to_string(),
            due: request.due().to_string(),
            refusal: request
                .refusal()
                .map(|refusal| RefusalView { code: refusal.code.clone(), detail: clean(&refusal.detail) }),
            unknown_authority: request.unknown_authority(),
            replaces: request.replaces().map(|old| old.to_hex()),
            certificate: CertificateView::of(request.certificate()),
        }
    }
}

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// A state, or `open` for those that somebody still has to do something about.
    state: Option<String>,
    /// Only those about this mailbox.
    address: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Requests, the earliest due first. Partners see their own.
#[utoipa::path(get, path = "/api/v1/requests", params(Filter), responses((status = 200, body = Page<RequestView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Parameters(filter): Parameters<Filter>,
) -> Answer {
    let address = match &filter.address {
        Some(address) => Some(Address::parse(address)?),
        None if !caller.is_any(STAFF) => Some(caller.person.address.clone()),
        None => None,
    };
    if let Some(address) = &address {
        own_or_staff(&caller, address)?;
    }
    let wanted = match (filter.state.as_deref(), address) {
        (None, None) => RequestFilter::All,
        (None, Some(address)) => RequestFilter::For(address),
        (Some("open"), None) => RequestFilter::Open,
        (Some(state), None) => RequestFilter::InState(
            RequestState::from_name(state).ok_or_else(|| Fault::invalid("state: there is no such state"))?,
        ),
        (Some(_), Some(_)) => return Err(Fault::invalid("state and address: one of them")),
    };
    let after = filter.cursor.as_deref().map(read_cursor).transpose()?;
    let limit = limit(filter.limit)?;
    let requests = app.directory.requests_page(&wanted, after, limit).await?;
    let full = u32::try_from(requests.len()).is_ok_and(|found| found == limit);
    let next = requests.last().filter(|_| full).map(|last| format!("{}.{}", last.due().to_unix(), last.id()));
    json(StatusCode::OK, &Page { items: requests.iter().map(RequestView::of).collect(), next })
}

fn read_cursor(cursor: &str) -> Result<(asn1::Time, RequestId), Fault> {
    let read = || {
        let (due, id) = cursor.split_once('.')?;
        Some((asn1::Time::from_unix(due.parse().ok()?), id.parse().ok()?))
    };
    read().ok_or_else(|| Fault::invalid("cursor: not one of ours"))
}

/// One request, with why its certificate may or may not be used.
#[utoipa::path(get, path = "/api/v1/requests/{id}", params(("id" = String, Path)),
    responses((status = 200, body = RequestDetails)))]
pub(crate) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let request = find(&app, &caller, &id).await?;
    let now = app.directory.now();
    let anchors = app.directory.trust_anchors().await?;
    let policy = PathPolicy::at(now)
        .purpose(Purpose::Encrypt)
        .address(request.address().email().clone())
        .revocation(app.directory.settings().revocation);
    let certificate = request.certificate();
    let checked = PathChecker::new(&anchors, &policy).intermediates(request.intermediates()).check(certificate);
    let explanation = match &checked {
        Ok(path) => path.explanation(),
        Err(rejected) => rejected.explanation(),
    };
    let steps = explanation.steps().iter().map(|step| StepView {
        section: step.section,
        rule: step.rule,
        certificate: step.certificate,
        outcome: match step.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Noted => "noted",
        },
        detail: step.detail.as_deref().map(clean),
    });
    let notes = lint(certificate, now);
    let notes = notes.notes().iter().map(|rule| LintView { section: rule.section(), text: rule.text().to_owned() });
    let details = RequestDetails {
        request: RequestView::of(&request),
        path_good: checked.is_ok(),
        chain: explanation.certificates().iter().map(|one| clean(&one.to_string())).collect(),
        explanation: steps.collect(),
        lint: notes.collect(),
    };
    json(StatusCode::OK, &details)
}

/// A certificate to be sent in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRequest {
    /// The mailbox that it is for.
    address: String,
    /// PEM, or base64 of a file in any form that the webmailer takes; the chain may come along.
    certificate: String,
    /// What to speak to the partner in, when they are not known: `de` or `en`.
    language: Option<String>,
}

/// Sends a certificate in. The partner confirms it, and an officer or a rule approves it, as with every other way.
#[utoipa::path(post, path = "/api/v1/requests", request_body = NewRequest,
    responses((status = 201, body = RequestView, headers(("Location" = String)))))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRequest>,
) -> Answer {
    let address = Address::parse(&new.address)?;
    if !caller.is_any(&[Role::Officer, Role::Employee]) && address != caller.person.address {
        return Err(Fault::forbidden("partners send in their own certificates"));
    }
    // CASES T-110: each writes to a mailbox, which officers may do for many partners at once.
    if !caller.is_any(&[Role::Officer]) {
        let _counted = app.directory.attempt(Limit::Upload, &[&format!("person:{}", caller.person.id)]).await?;
    }
    let language = match new.language.as_deref() {
        None => None,
        Some(code) => Some(Language::from_code(code).ok_or_else(|| Fault::invalid("language: de or en"))?),
    };
    let bytes = match new.certificate.contains("-----BEGIN") {
        true => new.certificate.into_bytes(),
        false => mime::decode_base64(new.certificate.as_bytes())
            .ok_or_else(|| Fault::invalid("certificate: neither PEM nor base64"))?,
    };
    let files = tokio::task::spawn_blocking(move || harvest("certificate", &bytes));
    let files = files.await.map_err(|_| Fault::internal())?;
    let (mut own, mut chain) = (Vec::new(), Vec::new());
    for file in files {
        match file.finding {
            Finding::Certificates(found) => {
                for one in found {
                    let list = if one.is_ca() { &mut chain } else { &mut own };
                    if !list.contains(&one) {
                        list.push(one);
                    }
                }
            }
            Finding::PrivateKey => {
                // CASES T-73
                let subject = format!("person:{}", caller.person.id);
                let why = "sent in through the API, and dropped";
                app.directory.note(&caller.actor(), "private-key.dropped", &subject, Some(&address), why).await?;
                return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "private-key"));
            }
            _ => {}
        }
    }
    let (Some(certificate), true) = (own.pop(), own.is_empty()) else {
        return Err(Fault::invalid("certificate: exactly one that is not a CA's is needed"));
    };
    let mut submission = Submission::new(address, certificate, Origin::Api, caller.actor());
    submission.intermediates = chain;
    submission.language = language;
    let request = app.directory.submit(submission).await?;
    let mut response = json(StatusCode::CREATED, &RequestView::of(&request))?;
    let location = format!("/api/v1/requests/{}", request.id());
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(&location).map_err(|_| Fault::internal())?);
    Ok(response)
}

/// A decision, bound to the certificate that was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// `certificate.sha256` of what was looked at (CASES T-66).
    fingerprint: String,
    /// Why; the partner reads it when it is a refusal.
    #[serde(default)]
    reason: String,
}

impl Decision {
    fn read(&self) -> Result<(Fingerprint, String), Fault> {
        let shown = Fingerprint::parse(&self.fingerprint);
        Ok((shown.ok_or_else(|| Fault::invalid("fingerprint: not a SHA-256"))?, clean(&self.reason)))
    }
}

/// Approves a request. Another certificate of the mailbox is superseded.
#[utoipa::path(post, path = "/api/v1/requests/{id}/approve", params(("id" = String, Path)), request_body = Decision,
    responses((status = 200, body = RequestView)))]
pub(crate) async fn approve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(decision): Body<Decision>,
) -> Answer {
    let (shown, why) = decision.read()?;
    let request = find(&app, &caller, &id).await?;
    let request = app.directory.approve(request.id(), &shown, caller.person.id, &why).await?;
    json(StatusCode::OK, &RequestView::of(&request))
}

/// Refuses a request; a reason is needed.
#[utoipa::path(post, path = "/api/v1/requests/{id}/refuse", params(("id" = String, Path)), request_body = Decision,
    responses((status = 200, body = RequestView)))]
pub(crate) async fn refuse(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(decision): Body<Decision>,
) -> Answer {
    let (shown, why) = decision.read()?;
    if why.trim().is_empty() {
        return Err(Fault::invalid("reason: there is none"));
    }
    let request = find(&app, &caller, &id).await?;
    let request = app.directory.refuse(request.id(), &shown, caller.person.id, &why).await?;
    json(StatusCode::OK, &RequestView::of(&request))
}

/// CASES T-103: somebody else's request does not exist.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<Request, Fault> {
    let request = app.directory.request(id.parse::<RequestId>()?).await?.ok_or_else(Fault::not_found)?;
    if caller.is_any(STAFF) || *request.address() == caller.person.address {
        return Ok(request);
    }
    Err(Fault::not_found())
}

pub(crate) fn own_or_staff(caller: &Caller, address: &Address) -> Result<(), Fault> {
    if caller.is_any(STAFF) || *address == caller.person.address {
        return Ok(());
    }
    Err(Fault::forbidden("partners see what is about their own mailbox"))
}

/// Who sees all requests.
const STAFF: &[Role] = &[Role::Officer, Role::Auditor];

//! Certificates in use, the record, and what was decided about mail.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use directory::{Address, PartnerCertificate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::requests::{CertificateView, own_or_staff};
use super::{Answer, Caller, Fault, Page, Paging, Parameters, json, limit};
use crate::app::App;
use crate::page::clean;

/// Whose certificates.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Of {
    /// The mailbox.
    address: String,
}

/// The certificates that mail to a mailbox is encrypted with now.
#[utoipa::path(get, path = "/api/v1/certificates", params(Of), responses((status = 200, body = Vec<CertificateView>)))]
pub(crate) async fn certificates(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Parameters(of): Parameters<Of>,
) -> Answer {
    let active = active_of(&app, &caller, &of).await?;
    let views: Vec<_> = active.iter().map(|one| CertificateView::of(&one.certificate)).collect();
    json(StatusCode::OK, &views)
}

/// The same, as PEM.
#[utoipa::path(get, path = "/api/v1/certificates.pem", params(Of),
    responses((status = 200, body = String, content_type = "application/pem-certificate-chain")))]
pub(crate) async fn certificates_pem(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Parameters(of): Parameters<Of>,
) -> Answer {
    let active = active_of(&app, &caller, &of).await?;
    let pem: String = active.iter().map(|one| one.certificate.to_pem()).collect();
    Ok(([(CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response())
}

async fn active_of(app: &App, caller: &Caller, of: &Of) -> Result<Vec<PartnerCertificate>, Fault> {
    let address = Address::parse(&of.address)?;
    own_or_staff(caller, &address)?;
    Ok(app.directory.active_certificates(&address).await?)
}

/// One row of the record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    sequence: u64,
    #[schema(format = DateTime)]
    at: String,
    action: String,
    /// Everything personal; `null` once it has been erased.
    detail: Option<AuditDetailView>,
    /// SHA-256 over this row and the one before, in hexadecimal.
    hash: String,
}

/// What a row says about people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditDetailView {
    actor: String,
    subject: String,
    address: Option<String>,
    fingerprint: Option<String>,
    why: String,
}

/// The record, oldest first.
#[utoipa::path(get, path = "/api/v1/audit", params(Paging), responses((status = 200, body = Page<AuditView>)))]
pub(crate) async fn audit(State(app): State<App>, Parameters(paging): Parameters<Paging>) -> Answer {
    let limit = limit(paging.limit)?;
    let after = match &paging.cursor {
        None => 0,
        Some(cursor) => cursor.parse::<u64>().map_err(|_| Fault::invalid("cursor: not one of ours"))?,
    };
    let rows = app.directory.audit(after, limit).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|found| found == limit);
    let next = rows.last().filter(|_| full).map(|last| last.sequence.to_string());
    let items = rows.into_iter().map(|row| AuditView {
        sequence: row.sequence,
        at: row.at.to_string(),
        action: row.action,
        detail: row.detail.map(|detail| AuditDetailView {
            actor: detail.actor,
            subject: detail.subject,
            address: detail.address,
            fingerprint: detail.fingerprint.map(|one| one.to_hex()),
            why: detail.why,
        }),
        hash: row.hash,
    });
    json(StatusCode::OK, &Page { items: items.collect(), next })
}

/// Whether the chain of the record holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditCheck {
    holds: bool,
    /// Rows in the chain.
    rows: Option<u64>,
    /// The newest hash.
    head: Option<String>,
    /// The first row that does not fit.
    broken: Option<String>,
}

/// Computes the chain of the record from its first row.
#[utoipa::path(get, path = "/api/v1/audit/verify", responses((status = 200, body = AuditCheck)))]
pub(crate) async fn verify(State(app): State<App>) -> Answer {
    let check = match app.directory.verify_audit().await {
        Ok(report) => AuditCheck { holds: true, rows: Some(report.rows), head: Some(report.head), broken: None },
        Err(directory::Error::Corrupt { what }) => {
            tracing::error!(%what, "the record does not verify");
            AuditCheck { holds: false, rows: None, head: None, broken: Some(what) }
        }
        Err(error) => return Err(error.into()),
    };
    json(StatusCode::OK, &check)
}

/// What was decided about a message for one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TraceView {
    message_id: String,
    sender: Option<String>,
    recipient: String,
    #[schema(format = DateTime)]
    at: String,
    /// Rule, certificates, algorithms, verdict, answer.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// What was decided about a message, without its content.
#[utoipa::path(get, path = "/api/v1/traces/{message_id}", params(("message_id" = String, Path)),
    responses((status = 200, body = Vec<TraceView>)))]
pub(crate) async fn traces(State(app): State<App>, Path(message_id): Path<String>) -> Answer {
    let traces = app.directory.traces(&message_id).await?;
    if traces.is_empty() {
        return Err(Fault::not_found());
    }
    let views = traces.into_iter().map(|trace| TraceView {
        message_id: clean(&trace.message_id),
        sender: trace.sender.map(|sender| sender.to_string()),
        recipient: trace.recipient.to_string(),
        at: trace.at.to_string(),
        detail: trace.detail,
    });
    json(StatusCode::OK, &views.collect::<Vec<_>>())
}

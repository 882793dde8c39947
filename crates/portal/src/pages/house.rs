//! What the organisation's own CA publishes, for programs: its certificates, its revocation lists, and what it says
//! about a certificate. All of it is signed already; there is no session, no form, and no key.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use directory::{AuthorityId, Error};
use pki::{OcspQuestion, OcspRefusal};

use crate::app::App;
use crate::guard::without_reading;

/// `ID.crl`, `ID.cer`, and OCSP by GET: `ocsp/` with the request in base64 (RFC 6960 §A.1).
pub(crate) async fn file(State(app): State<App>, Path(file): Path<String>) -> Response {
    if let Some(request) = file.strip_prefix("ocsp/") {
        let request = base64_simd::STANDARD.decode_to_vec(request.trim_matches('/')).unwrap_or_default();
        return answer(&app, &request).await;
    }
    let (name, ending) = file.rsplit_once('.').unwrap_or_default();
    let Ok(id) = name.parse::<AuthorityId>() else { return StatusCode::NOT_FOUND.into_response() };
    let (found, kind) = match ending {
        // RFC 2585 §4
        "crl" => (app.directory.house_crl(id).await, "application/pkix-crl"),
        "cer" => {
            let authority = app.directory.house_authority(id).await;
            (authority.map(|authority| Some(authority.certificate.der().to_vec())), "application/pkix-cert")
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match found {
        Ok(Some(der)) => published(der, kind, "public, max-age=3600, no-transform"),
        Ok(None) | Err(Error::NotFound { .. }) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "what the house's own CA publishes cannot be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// OCSP by POST.
pub(crate) async fn ask(State(app): State<App>, request: Request<Body>) -> Response {
    let malformed = || published(OcspRefusal::MalformedRequest.to_der(), OCSP, NOT_KEPT);
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let body = request.into_body();
    if announced.is_some_and(|announced| announced > OcspQuestion::MOST_BYTES) {
        return without_reading(body, malformed()).await;
    }
    match to_bytes(body, OcspQuestion::MOST_BYTES).await {
        Ok(request) => answer(&app, &request).await,
        Err(_) => malformed(),
    }
}

async fn answer(app: &App, request: &[u8]) -> Response {
    match app.directory.ocsp_answer(request).await {
        Ok(der) => published(der, OCSP, "public, max-age=600, no-transform"),
        Err(error) => {
            tracing::error!(%error, "what the house's own CA says cannot be read");
            published(OcspRefusal::TryLater.to_der(), OCSP, NOT_KEPT)
        }
    }
}

fn published(der: Vec<u8>, kind: &'static str, cache: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CACHE_CONTROL, HeaderValue::from_static(cache))];
    (headers, der).into_response()
}

const OCSP: &str = "application/ocsp-response";
const NOT_KEPT: &str = "no-store";

use axum::Json;
use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// What went wrong, as RFC 9457 §3.1 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDetails {
    /// For programs; it stays the same.
    #[serde(rename = "type")]
    #[schema(example = "urn:sealpost:problem:not-found")]
    kind: String,
    /// What the type means.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What it was in this case.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Why a call was not done.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    kind: &'static str,
    detail: Option<String>,
    challenge: Option<String>,
    retry_after: Option<i64>,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, kind: &'static str) -> Self {
        Self { status, kind, detail: None, challenge: None, retry_after: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// RFC 6750 §3: which kind of token is asked for, and what is wrong with the one that came.
    pub(crate) fn challenge(mut self, more: &str) -> Self {
        self.challenge = Some(format!("Bearer realm=\"sealpost\"{more}"));
        self
    }

    pub(crate) fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").detail(detail)
    }

    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden").detail(detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }

    fn title(&self) -> &'static str {
        match self.kind {
            "conflict" => "It is not, or no longer, as the call says",
            "forbidden" => "Not allowed to the owner of this token",
            "idempotency-key" => "The idempotency key is malformed, or belongs to another call",
            "insufficient-scope" => "The token is not for this",
            "internal" => "A fault of ours",
            "invalid" => "What came was understood and is not what it should be",
            "malformed-json" => "The body is not JSON",
            "method-not-allowed" => "Not with this method",
            "not-found" => "There is no such thing, or not for this token",
            "private-key" => "A private key was sent in; it was dropped, and its certificate must not be used any more",
            "too-large" => "More than is taken in",
            "too-many" => "Too often",
            "unauthorized" => "A token is needed",
            "unsupported-media-type" => "Only application/json is understood",
            "unavailable" => "Not at the moment",
            _ => "The call could not be understood",
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = ProblemDetails {
            kind: format!("urn:sealpost:problem:{}", self.kind),
            title: self.title(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(value) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        match problem {
            Problem::Conflict(detail) => Self::new(status, "conflict").detail(detail),
            Problem::TooMany(until) => Self::new(status, "too-many").detail(format!("possible again at {until}")),
            _ => Self::of(status),
        }
    }
}

impl From<directory::Error> for Fault {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Malformed { .. } => Self::invalid(error.to_string()),
            directory::Error::NotAllowed { what } => Self::forbidden(what),
            error => Problem::from(error).into(),
        }
    }
}

impl Fault {
    fn of(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND | StatusCode::GONE => "not-found",
            StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_server_error() => "internal",
            _ => "bad-request",
        };
        Self::new(status, kind)
    }
}

/// Around every answer of the API: one shape for all errors, wherever they come from.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let told = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    if (status.is_client_error() || status.is_server_error()) && !told {
        let allow = response.headers().get(ALLOW).cloned();
        response = Fault::of(status).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

const PROBLEM_JSON: &str = "application/problem+json";

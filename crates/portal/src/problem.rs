//! What went wrong, before it is a page.

use asn1::Time;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::routes::Intake;

/// Why there is no such page, or not now. The guard makes a page of it, in the visitor's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The form is not one of ours.
    BadForm,
    /// Somebody was faster, or it is no longer what was shown.
    Conflict(String),
    /// The form is too old, or comes from somewhere else (CASES T-101).
    ForeignForm,
    /// Not for this visitor.
    Forbidden,
    /// A fault of ours; the log knows more.
    Internal,
    /// The link is unknown, over, or was used (CASES T-103).
    LinkInvalid,
    /// They were logged in, and are no more.
    LoggedOut,
    /// There is none, or not for this visitor.
    NotFound,
    /// More than is taken in.
    TooLarge(Intake),
    /// Too often.
    TooMany(Time),
    /// The database is away.
    Unavailable,
}

impl Problem {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadForm => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::ForeignForm | Self::Forbidden | Self::LoggedOut => StatusCode::FORBIDDEN,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::LinkInvalid => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<directory::Error> for Problem {
    fn from(error: directory::Error) -> Self {
        use directory::Error as E;
        match error {
            E::AlreadyExists { what } => Self::Conflict(format!("there is already {what}")),
            E::Conflict { what } => Self::Conflict(what),
            E::LimitReached { until, .. } => Self::TooMany(until),
            E::NotAllowed { .. } => Self::Forbidden,
            E::NotFound { .. } => Self::NotFound,
            E::TokenInvalid => Self::LinkInvalid,
            error if error.is_temporary() => {
                tracing::warn!(%error, "the directory is not available");
                Self::Unavailable
            }
            error => {
                tracing::error!(%error, "the portal could not answer");
                Self::Internal
            }
        }
    }
}

impl From<crate::Error> for Problem {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Directory(error) => error.into(),
            error => {
                tracing::error!(%error, "the portal could not answer");
                Self::Internal
            }
        }
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be written");
        Self::Internal
    }
}

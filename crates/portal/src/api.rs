//! The REST API, `/api/v1`: what the pages do, for programs.
//!
//! A call carries a token (RFC 6750) that belongs to a person: the route table names the scope that the token needs
//! and the roles that its owner needs. Cookies count for nothing here, so no other site can make a browser call.
//! Whatever goes wrong is answered in one shape (RFC 9457).

mod fault;
mod gate;
mod openapi;
pub(crate) mod people;
pub(crate) mod records;
pub(crate) mod requests;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use directory::{Actor, ApiToken, Person, Role};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use fault::{Fault, shape};
pub(crate) use gate::{ApiGate, Limiter, guard};
pub(crate) use openapi::describe;
pub use openapi::openapi;

/// What a call answers.
pub(crate) type Answer = Result<Response, Fault>;

/// Who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    pub(crate) token: ApiToken,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        Actor::Person(self.person.id)
    }

    /// Whether they see more than what is their own.
    pub(crate) fn is_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.person.roles.has(*role))
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    next: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Fault> {
    match wanted.unwrap_or(50) {
        limit @ 1..=200 => Ok(limit),
        _ => Err(Fault::invalid("limit: between 1 and 200")),
    }
}

/// The body of a call: JSON, with nothing in it that is not known.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Fault> {
        // The guard has bounded it by what the call takes.
        DefaultBodyLimit::disable().apply(&mut request);
        let bytes = Bytes::from_request(request, state).await.map_err(|_| Fault::too_large())?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Fault::invalid(error.to_string()),
            _ => Fault::new(StatusCode::BAD_REQUEST, "malformed-json").detail(error.to_string()),
        })
    }
}

/// The parameters of a call, with none that is not known.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Query(parameters) =
            Query::<T>::try_from_uri(&parts.uri).map_err(|error| Fault::invalid(error.body_text()))?;
        Ok(Self(parameters))
    }
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|_| Fault::internal())?;
    Ok((status, [(CONTENT_TYPE, "application/json")], text).into_response())
}

/// What is not in the route table.
pub(crate) async fn nowhere() -> Fault {
    Fault::not_found()
}

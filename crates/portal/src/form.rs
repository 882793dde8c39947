//! What a form brought: read once, bounded, before any page sees it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use hyper::body::Body as HttpBody;
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::Problem;
use crate::routes::Intake;

/// The fields and files of a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
    files: Vec<File>,
    // Given back when nobody holds the form any more.
    _room: Option<Arc<OwnedSemaphorePermit>>,
}

/// A file out of a form.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// The field that it was chosen for.
    pub(crate) field: String,
    /// Its name as the browser gave it: data for people, never a path (CASES T-107).
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Bytes,
}

impl Form {
    /// From a request whose body is in memory and within its limit already; `room` is what was reserved for it.
    pub(crate) async fn read(request: Request, room: Option<OwnedSemaphorePermit>) -> Result<Self, Problem> {
        let form = Self::parse(request).await?;
        Ok(Self { _room: room.map(Arc::new), ..form })
    }

    /// One that nobody sent: to show a form with these fields.
    pub(crate) fn of(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { fields, ..Self::default() }
    }

    /// What stands before the files, of a form that is not taken in: so that what somebody wrote is not lost with it.
    pub(crate) async fn beginning(head: &Parts, body: &mut Body) -> Self {
        let mut octets = Vec::new();
        while octets.len() < MOST_BEGINNING {
            match poll_fn(|context| HttpBody::poll_frame(Pin::new(&mut *body), context)).await {
                Some(Ok(frame)) => octets.extend(frame.into_data().unwrap_or_default()),
                _ => break,
            }
        }
        let request = Request::from_parts(head.clone(), Body::from(octets));
        let mut form = Self::default();
        let Ok(mut parts) = Multipart::from_request(request, &()).await else { return form };
        while let Ok(Some(part)) = parts.next_field().await {
            let field = part.name().unwrap_or_default().to_owned();
            if part.file_name().is_some() || form.fields.len() >= MOST_FIELDS {
                break;
            }
            let Ok(value) = part.text().await else { break };
            form.fields.push((field, value));
        }
        form
    }

    async fn parse(request: Request) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("multipart/form-data") {
            return Self::read_multipart(request).await;
        }
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Problem::BadForm);
        }
        // Each field takes many times its octets in memory, and none of these forms is long.
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, MOST_ENCODED).await.map_err(|_| Problem::TooLarge(Intake::Form))?;
        let request = Request::from_parts(parts, Body::from(bytes));
        let axum::Form(fields) =
            axum::Form::<Vec<(String, String)>>::from_request(request, &()).await.map_err(|_| Problem::BadForm)?;
        if fields.len() > MOST_FIELDS {
            return Err(Problem::BadForm);
        }
        Ok(Self { fields, ..Self::default() })
    }

    async fn read_multipart(mut request: Request) -> Result<Self, Problem> {
        // The guard has bounded it by what the route takes; the framework's own limit is lower than some of them.
        DefaultBodyLimit::disable().apply(&mut request);
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| Problem::BadForm)?;
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| Problem::BadForm)? {
            if form.fields.len() + form.files.len() >= MOST_FIELDS {
                return Err(Problem::BadForm);
            }
            let field = part.name().unwrap_or_default().to_owned();
            let name = part.file_name().map(plain_name);
            let bytes = part.bytes().await.map_err(|_| Problem::BadForm)?;
            match name {
                // A browser sends an empty part where no file was chosen.
                Some(name) if name.is_empty() && bytes.is_empty() => {}
                Some(name) => form.files.push(File { field, name, bytes }),
                None => {
                    let value = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::BadForm)?;
                    form.fields.push((field, value));
                }
            }
        }
        Ok(form)
    }

    /// The value of a field, without white space around it; empty when there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.exact(name).trim()
    }

    /// The value of a field as it was typed: for passwords.
    pub(crate) fn exact(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// All values of a field that may be there more than once.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim())
    }

    /// The files of a field.
    pub(crate) fn files<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.field == name)
    }
}

/// The last part of a name, without what would upset a reader or a file system.
pub(crate) fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    crate::page::clean(last).chars().take(120).collect::<String>().trim().to_owned()
}

/// Octets that are looked through for what was written.
const MOST_BEGINNING: usize = 256 << 10;
/// Octets of a form without files.
const MOST_ENCODED: usize = 64 << 10;
// As many as the board has rows to choose.
const MOST_FIELDS: usize = 260;

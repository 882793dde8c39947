//! Certificates that somebody sends in: what was found in each file, and what becomes of it.
//!
//! Everything happens in memory (CASES T-107). A private key is dropped, and its owner told that it is burnt
//! (CASES T-73).

use std::collections::HashSet;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use directory::harvest::{Finding, harvest};
use directory::{Limit, Origin, Request, RequestId, State as RequestState, Submission};
use pki::Certificate;

use super::page;
use crate::app::App;
use crate::certificate_view::name_of;
use crate::form::{Form, plain_name};
use crate::page::Answer;
use crate::pages::Notice;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::{Visitor, go_and_say};

/// What is said about one file.
pub(crate) struct FileAnswer {
    pub(crate) file: String,
    pub(crate) class: &'static str,
    pub(crate) text: String,
    pub(crate) more: String,
}

/// What was found in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Archive,
    AuthoritiesOnly,
    Empty,
    Nothing,
    PrivateKey,
    Request(RequestId),
    TooMuch,
}

pub(crate) async fn upload(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let (t, person) = (visitor.texts(), visitor.known()?);
    let wrong = |status, text: &str| page(&app, &visitor, status, Notice::bad(text), Vec::new());
    let files: Vec<_> = form.files("certificate").cloned().collect();
    if files.is_empty() {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.upload_none()).await;
    }
    if files.len() > MOST_FILES {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.upload_too_many()).await;
    }
    // Counted whether or not it succeeds: each one costs work.
    let _counted = app.attempt(Limit::Upload, &[&format!("person:{}", person.id), visitor.network()]).await?;
    let looked = tokio::task::spawn_blocking(move || {
        files.iter().flat_map(|file| harvest(&file.name, &file.bytes)).take(MOST_FILES).collect::<Vec<_>>()
    });
    let looked = looked.await.map_err(|_| Problem::Internal)?;
    let chain: Vec<Certificate> = looked
        .iter()
        .filter_map(|file| match &file.finding {
            Finding::Certificates(certificates) => Some(certificates),
            _ => None,
        })
        .flatten()
        .filter(|certificate| certificate.is_ca())
        .cloned()
        .collect();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for file in looked {
        let name = plain_name(&file.name);
        let own = match file.finding {
            Finding::Certificates(certificates) => {
                certificates.into_iter().filter(|one| !one.is_ca()).collect::<Vec<_>>()
            }
            other => {
                found.push((name, other_finding(&app, &visitor, &other).await?));
                continue;
            }
        };
        if own.is_empty() {
            found.push((name.clone(), Found::AuthoritiesOnly));
        }
        for certificate in own {
            if seen.len() >= MOST_CERTIFICATES || !seen.insert(certificate.sha256()) {
                continue;
            }
            let mut submission =
                Submission::new(person.address.clone(), certificate, Origin::PortalUpload, visitor.actor()?);
            submission.intermediates.clone_from(&chain);
            submission.language = Some(visitor.language());
            found.push((name.clone(), Found::Request(app.directory.submit(submission).await?.id())));
        }
    }
    let mut answers = Vec::new();
    let mut taken = false;
    for (name, found) in &found {
        let answer = answer(&app, &visitor, name, *found).await?;
        taken |= answer.class == "good";
        answers.push(answer);
    }
    if !taken {
        return page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, None, answers).await;
    }
    go_and_say(&app, "/keys?what=smime", &write_answers(&found))
}

async fn other_finding(app: &App, visitor: &Visitor, finding: &Finding) -> Result<Found, Problem> {
    Ok(match finding {
        Finding::Empty => Found::Empty,
        Finding::PrivateKey => {
            let person = visitor.known()?;
            let subject = format!("person:{}", person.id);
            let why = "sent in through the portal, and dropped";
            app.directory.note(&visitor.actor()?, "private-key.dropped", &subject, Some(&person.address), why).await?;
            Found::PrivateKey
        }
        Finding::TooMuch => Found::TooMuch,
        Finding::UnreadableArchive => Found::Archive,
        _ => Found::Nothing,
    })
}

async fn answer(app: &App, visitor: &Visitor, file: &str, found: Found) -> Result<FileAnswer, Problem> {
    let t = visitor.texts();
    let bad = |text: &str| FileAnswer { file: file.to_owned(), class: "bad", text: text.into(), more: String::new() };
    Ok(match found {
        Found::Archive => bad(t.found_archive()),
        Found::AuthoritiesOnly => bad(t.found_authority()),
        Found::Empty => bad(t.found_empty()),
        Found::Nothing => bad(nothing(t, file)),
        Found::PrivateKey => {
            let more = t.found_key_text().into();
            FileAnswer { file: file.to_owned(), class: "burnt", text: t.found_key().into(), more }
        }
        Found::TooMuch => bad(t.found_too_much()),
        Found::Request(id) => {
            let request: Request = app.directory.request(id).await?.ok_or(Problem::NotFound)?;
            if *request.address() != visitor.known()?.address {
                return Err(Problem::NotFound);
            }
            let text = t.found_certificate(name_of(request.certificate()));
            let (class, more) = match (request.state(), request.refusal()) {
                (RequestState::Active, _) => ("good", t.found_known().into()),
                (_, Some(refusal)) => ("bad", refusal.text(t.0)),
                _ => ("good", t.found_taken().into()),
            };
            FileAnswer { file: file.to_owned(), class, text, more }
        }
    })
}

/// What a file without a certificate is by its name, and what to choose instead.
fn nothing(t: Texts, file: &str) -> &'static str {
    let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "csr" | "p10" | "req" => t.found_request(),
        "msg" => t.found_outlook(),
        _ => t.found_nothing(),
    }
}

// It has to fit into a cookie.
fn write_answers(found: &[(String, Found)]) -> String {
    let mut text = String::from("found");
    for (name, found) in found {
        let code = match found {
            Found::Archive => "archive".into(),
            Found::AuthoritiesOnly => "authorities".into(),
            Found::Empty => "empty".into(),
            Found::Nothing => "nothing".into(),
            Found::PrivateKey => "key".into(),
            Found::Request(id) => id.to_string(),
            Found::TooMuch => "too-much".into(),
        };
        let name: String = name.chars().take(60).collect();
        let line = format!("\n{code} {name}");
        if text.len() + line.len() > MOST_FLASH {
            break;
        }
        text.push_str(&line);
    }
    text
}

pub(super) async fn read_answers(app: &App, visitor: &Visitor, lines: &str) -> Result<Vec<FileAnswer>, Problem> {
    let mut answers = Vec::new();
    for line in lines.lines().take(MOST_FILES) {
        let Some((code, name)) = line.split_once(' ') else { continue };
        let found = match code {
            "archive" => Found::Archive,
            "authorities" => Found::AuthoritiesOnly,
            "empty" => Found::Empty,
            "nothing" => Found::Nothing,
            "key" => Found::PrivateKey,
            "too-much" => Found::TooMuch,
            id => match id.parse() {
                Ok(id) => Found::Request(id),
                Err(_) => continue,
            },
        };
        match answer(app, visitor, &plain_name(name), found).await {
            Err(Problem::NotFound) => {}
            answer => answers.push(answer?),
        }
    }
    Ok(answers)
}

const MOST_FILES: usize = 20;
const MOST_CERTIFICATES: usize = 10;
const MOST_FLASH: usize = 2400;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use directory::{Repeated, network_key};

use super::{Caller, Fault};
use crate::app::App;
use crate::portal::Peer;
use crate::routes::{Access, Intake};

/// What stands in front of one route of the API.
#[derive(Clone)]
pub(crate) struct ApiGate {
    pub(crate) app: App,
    pub(crate) access: Access,
    pub(crate) intake: Intake,
    pub(crate) limiter: Arc<Limiter>,
}

/// How often each token and each network has called within the running minute, in this process.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<(i64, HashMap<String, u32>)>);

impl Limiter {
    /// Counts a call; the seconds to wait when there were too many.
    fn count(&self, key: String, most: u32, now: i64) -> Result<(), i64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0 != now.div_euclid(60) {
            *counts = (now.div_euclid(60), HashMap::new());
        }
        // Whoever has called least is forgotten first: nobody gets new calls by coming from many networks.
        while counts.1.len() >= MOST_KEYS && !counts.1.contains_key(&key) {
            let least = counts.1.values().copied().min().unwrap_or_default();
            counts.1.retain(|_, count| *count > least);
        }
        let count = counts.1.entry(key).or_default();
        *count = count.saturating_add(1);
        if *count > most { Err(60 - now.rem_euclid(60)) } else { Ok(()) }
    }

    /// Whether there were too many already, without counting another.
    fn check(&self, key: &str, most: u32, now: i64) -> Result<(), i64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = counts.0 == now.div_euclid(60) && counts.1.get(key).is_some_and(|count| *count >= most);
        if over { Err(60 - now.rem_euclid(60)) } else { Ok(()) }
    }
}

pub(crate) async fn guard(State(gate): State<ApiGate>, request: Request, next: Next) -> Response {
    match admit(&gate, request, next).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn admit(gate: &ApiGate, request: Request, next: Next) -> Result<Response, Fault> {
    let (mut parts, body) = request.into_parts();
    let caller = authenticate(gate, &parts).await?;
    parts.extensions.insert(caller.clone());
    if !matches!(parts.method, Method::POST) {
        return Ok(next.run(Request::from_parts(parts, Body::empty())).await);
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"));
    }
    let most = gate.intake.most(&gate.app.settings);
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > most) {
        return Err(Fault::too_large());
    }
    // Held until the call is answered.
    let _room = gate.app.room(gate.intake, announced.unwrap_or(most))?;
    let bytes = to_bytes(body, usize::try_from(most).unwrap_or(usize::MAX)).await.map_err(|_| Fault::too_large())?;
    let Some(key) = idempotency_key(&parts.headers)? else {
        return Ok(next.run(Request::from_parts(parts, bytes.into())).await);
    };
    let digest = crypto::DigestAlgorithm::Sha256.digest(&bytes);
    let digest = base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.octets());
    let (directory, token) = (&gate.app.directory, caller.token.id);
    let uri = parts.uri.to_string();
    match directory.begin_api_call(token, &key, &["POST", &uri, &digest]).await? {
        Repeated::No => {}
        Repeated::Answered(stored) => return read_answer(&stored).ok_or_else(Fault::internal),
        Repeated::Running => {
            return Err(Fault::new(StatusCode::CONFLICT, "conflict").detail("the same call is still running"));
        }
        Repeated::Another => return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key")),
    }
    let response = next.run(Request::from_parts(parts, bytes.into())).await;
    // What may go better next time is not kept.
    if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS {
        directory.forget_api_call(token, &key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MOST_KEPT).await.map_err(|_| Fault::internal())?;
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let head = format!("{}\n{}\n{}\n", parts.status.as_u16(), header(CONTENT_TYPE), header(LOCATION));
    directory.keep_api_answer(token, &key, &[head.as_bytes(), &body].concat()).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

async fn authenticate(gate: &ApiGate, parts: &Parts) -> Result<Caller, Fault> {
    let now = gate.app.directory.now().to_unix();
    let too_many = |seconds| Fault::new(StatusCode::TOO_MANY_REQUESTS, "too-many").retry_after(seconds);
    let unauthorized = || Fault::new(StatusCode::UNAUTHORIZED, "unauthorized");
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let network = network_key(gate.app.origin(peer, &parts.headers));
    let most = gate.app.settings.api_calls_per_minute;
    // For who goes on trying tokens that are none the directory is not asked any more.
    gate.limiter.check(&network, most, now).map_err(too_many)?;
    let refused = || gate.limiter.count(network.clone(), most.div_ceil(10), now).map_err(too_many);
    let sent = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(token) = token else {
        refused()?;
        return Err(unauthorized().challenge(""));
    };
    let known = match token.len() {
        43 => gate.app.directory.api_token(token).await?,
        _ => None,
    };
    let Some((token, person)) = known else {
        refused()?;
        return Err(unauthorized().challenge(", error=\"invalid_token\""));
    };
    gate.limiter.count(format!("token:{}", token.id), most, now).map_err(too_many)?;
    let Access::Token { scope, roles } = gate.access else { return Err(Fault::internal()) };
    if let Some(scope) = scope.filter(|scope| !token.scopes.contains(scope)) {
        let more = format!(", error=\"insufficient_scope\", scope=\"{}\"", scope.name());
        return Err(Fault::new(StatusCode::FORBIDDEN, "insufficient-scope").challenge(&more));
    }
    let caller = Caller { person, token };
    if !caller.is_any(roles) {
        return Err(Fault::forbidden("the owner of the token does not have the role for this"));
    }
    Ok(caller)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let plain = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    plain.map(|key| Some(key.to_owned())).ok_or_else(|| Fault::new(StatusCode::BAD_REQUEST, "idempotency-key"))
}

fn read_answer(stored: &[u8]) -> Option<Response> {
    let mut parts = stored.splitn(4, |octet| *octet == b'\n');
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (status, kind, location) = (text()?.parse::<u16>().ok()?, text()?, text()?);
    let (kind, location) = (HeaderValue::from_str(kind).ok()?, HeaderValue::from_str(location).ok()?);
    let mut response = Response::new(Body::from(parts.next()?.to_vec()));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    if !location.is_empty() {
        response.headers_mut().insert(LOCATION, location);
    }
    Some(response)
}

const MOST_KEYS: usize = 10_000;
const MOST_KEPT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_104_who_called_too_often_is_not_forgotten_among_many() {
        let limiter = Limiter::default();
        for _ in 0..6 {
            let _ = limiter.count("network:eve".into(), 5, 0);
        }
        for number in 0..MOST_KEYS * 2 {
            limiter.count(format!("network:{number}"), 5, 0).unwrap();
        }
        assert!(limiter.0.lock().unwrap().1.len() <= MOST_KEYS);
        assert_eq!(limiter.count("network:eve".into(), 5, 0), Err(60));
        assert_eq!(limiter.check("network:eve", 5, 30), Err(30));
        assert_eq!(limiter.check("network:eve", 5, 60), Ok(()), "the next minute");
        assert_eq!(limiter.check("network:new", 5, 0), Ok(()));
    }
}

//! The REST API as programs use it.

use directory::{Actor, Scope};
use portal::{Access, routes};

use crate::house::{House, certificate};

const OWNERS: [&str; 5] = [
    "petra@partner.example",
    "emma@muster.example",
    "otto@muster.example",
    "anna@muster.example",
    "oskar@muster.example",
];

struct Answer {
    status: u16,
    kind: String,
    json: serde_json::Value,
    replayed: bool,
}

fn token(house: &House, of: &str, scopes: &[Scope]) -> String {
    let person = house.person(of).id;
    let (token, _) = house.run(house.directory.issue_api_token(person, "test", scopes, 30, &Actor::System));
    token.as_str().to_owned()
}

fn call(house: &House, token: &str, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent: ureq::Agent = config.into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", house.base()));
    if !token.is_empty() {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    if method == "POST" && !headers.iter().any(|(name, _)| *name == "Content-Type") {
        request = request.header("Content-Type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = match method {
        "POST" => agent.run(request.body(body.to_owned()).unwrap()).unwrap(),
        _ => agent.run(request.body(()).unwrap()).unwrap(),
    };
    let replayed = response.headers().contains_key("idempotency-replayed");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let json = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap_or_default();
    Answer { status: response.status().as_u16(), kind: kind.unwrap_or_default(), json, replayed }
}

#[test]
fn t_106_a_token_opens_what_its_scope_and_its_owners_role_allow_and_nothing_else() {
    let house = House::open();
    for owner in OWNERS {
        for scope in Scope::ALL {
            let token = token(&house, owner, &[scope]);
            for route in routes() {
                let Access::Token { scope: needed, roles } = route.access else { continue };
                let path = route.path.replace("{id}", "0000000000000001").replace("{address}", "x@y.example");
                let answer = call(&house, &token, route.method, &path.replace("{message_id}", "x"), "{}", &[]);
                let has = roles.iter().any(|role| house.person(owner).roles.has(*role));
                let allowed = has && needed.is_none_or(|needed| needed == scope);
                let what = format!("{} {} as {owner} with {}: {}", route.method, path, scope.name(), answer.status);
                assert_eq!(answer.status != 403, allowed, "{what}");
                assert!(answer.status != 401 && answer.status < 500, "{what}");
            }
        }
    }
}

#[test]
fn t_104_a_token_ends_and_nothing_but_a_token_counts() {
    let house = House::open();
    let person = house.person("otto@muster.example").id;
    let issue = || house.run(house.directory.issue_api_token(person, "x", &[Scope::AuditRead], 1, &Actor::System));
    let (revoked, info) = issue();
    let (late, _) = issue();
    assert_eq!(call(&house, revoked.as_str(), "GET", "/api/v1/me", "", &[]).status, 200);
    house.run(house.directory.revoke_api_token(info.id, &Actor::System));
    let answer = call(&house, revoked.as_str(), "GET", "/api/v1/me", "", &[]);
    assert_eq!((answer.status, answer.kind.as_str()), (401, "application/problem+json"));
    assert_eq!(call(&house, late.as_str(), "GET", "/api/v1/me", "", &[]).status, 200);
    house.clock.advance_days(2);
    assert_eq!(call(&house, late.as_str(), "GET", "/api/v1/me", "", &[]).status, 401);
    assert_eq!(house.logged_in("otto@muster.example", "de").get("/api/v1/me").status, 401);
    let (gone, _) = issue();
    house.run(house.directory.deactivate(person, &Actor::System));
    assert_eq!(call(&house, gone.as_str(), "GET", "/api/v1/me", "", &[]).status, 401);
}

#[test]
fn every_error_has_one_shape() {
    let house = House::open();
    let token = token(&house, "emma@muster.example", &[Scope::PartnersWrite, Scope::CertificatesWrite]);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let unknown = r#"{"address":"n@new.example","name":"N","x":1}"#;
    for (method, path, body, headers, status, kind) in [
        ("GET", "/api/v1/nothing", "", &[][..], 404, "not-found"),
        ("GET", "/api/v1/", "", &[], 404, "not-found"),
        ("DELETE", "/api/v1/me", "", &[], 405, "method-not-allowed"),
        ("POST", "/api/v1/partners", "{", &[], 400, "malformed-json"),
        ("POST", "/api/v1/partners", unknown, &[], 422, "invalid"),
        ("POST", "/api/v1/partners", "a=b", &form[..], 415, "unsupported-media-type"),
        ("POST", "/api/v1/partners", large.as_str(), &[], 413, "too-large"),
        ("GET", "/api/v1/audit", "", &[], 403, "insufficient-scope"),
    ] {
        let answer = call(&house, &token, method, path, body, headers);
        assert_eq!((answer.status, answer.kind.as_str()), (status, "application/problem+json"), "{method} {path}");
        assert_eq!(answer.json["type"], format!("urn:sealpost:problem:{kind}"), "{method} {path}");
        assert_eq!(answer.json["status"], status);
    }
    let key = TestKey::pem();
    let body = serde_json::json!({"address": "petra@partner.example", "certificate": key}).to_string();
    let answer = call(&house, &token, "POST", "/api/v1/requests", &body, &[]);
    assert_eq!(answer.json["type"], "urn:sealpost:problem:private-key");
}

struct TestKey;

impl TestKey {
    fn pem() -> String {
        asn1::encode_pem("PRIVATE KEY", &[0x30, 0x03, 0x02, 0x01, 0x00])
    }
}

#[test]
fn t_66_a_certificate_goes_its_way_and_a_decision_is_bound_to_it() {
    let house = House::open();
    let petra = certificate("petra@partner.example");
    let chain = testkit::TestPki::shared().ca().certificate().to_pem();
    let body = serde_json::json!({
        "address": "petra@partner.example", "certificate": format!("{}{chain}", petra.certificate().to_pem()),
    });
    let emma = token(&house, "emma@muster.example", &[Scope::CertificatesWrite]);
    let sent = call(&house, &emma, "POST", "/api/v1/requests", &body.to_string(), &[]);
    assert_eq!((sent.status, &sent.json["state"], &sent.json["origin"]), (201, &"checked".into(), &"api".into()));
    let confirmed = house.run(house.directory.confirm(&house.token(&petra)));
    let otto = token(&house, "otto@muster.example", &[Scope::BoardWrite, Scope::CertificatesRead]);
    let path = format!("/api/v1/requests/{}", confirmed.id());
    let details = call(&house, &otto, "GET", &path, "", &[]);
    assert_eq!((details.status, &details.json["path_good"]), (200, &true.into()));
    let approve = format!("{path}/approve");
    let wrong = serde_json::json!({"fingerprint": "00".repeat(32)}).to_string();
    assert_eq!(call(&house, &otto, "POST", &approve, &wrong, &[]).status, 409);
    let right = serde_json::json!({"fingerprint": petra.certificate().sha256().to_hex()}).to_string();
    let approved = call(&house, &otto, "POST", &approve, &right, &[]);
    assert_eq!((approved.status, &approved.json["state"]), (200, &"active".into()));
    let active = call(&house, &otto, "GET", "/api/v1/certificates?address=petra@partner.example", "", &[]);
    assert_eq!(active.json.as_array().unwrap().len(), 1);
    // T-103: nobody else's
    let paul = token(&house, "paul@partner.example", &[Scope::CertificatesRead]);
    assert_eq!(call(&house, &paul, "GET", &path, "", &[]).status, 404);
    assert_eq!(call(&house, &paul, "GET", "/api/v1/requests", "", &[]).json["items"], serde_json::json!([]));
}

#[test]
fn the_same_call_with_the_same_key_happens_once() {
    let house = House::open();
    let token = token(&house, "emma@muster.example", &[Scope::PartnersWrite]);
    let body = r#"{"address":"neu@new.example","name":"Nina Neu"}"#;
    let key = [("Idempotency-Key", "invite-1")];
    let first = call(&house, &token, "POST", "/api/v1/partners", body, &key);
    let again = call(&house, &token, "POST", "/api/v1/partners", body, &key);
    assert_eq!((first.status, again.status, first.replayed, again.replayed), (201, 201, false, true));
    assert_eq!(first.json["first_password"], again.json["first_password"]);
    let other = r#"{"address":"other@new.example","name":"O"}"#;
    assert_eq!(call(&house, &token, "POST", "/api/v1/partners", other, &key).status, 422);
    assert_eq!(call(&house, &token, "POST", "/api/v1/partners", body, &[]).status, 409);
    house.clock.advance_seconds(86_401);
    assert_eq!(call(&house, &token, "POST", "/api/v1/partners", body, &key).status, 409);
}

#[test]
fn pages_of_requests_follow_each_other() {
    let house = House::open();
    for partner in ["petra@partner.example", "paul@partner.example", "third@partner.example"] {
        house.submit(&certificate(partner), partner);
    }
    let token = token(&house, "anna@muster.example", &[Scope::CertificatesRead]);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = call(&house, &token, "GET", &format!("/api/v1/requests?limit=1&state=open{cursor}"), "", &[]);
        found.extend(page.json["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()));
        let Some(next) = page.json["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 3);
}

#[test]
fn the_document_names_every_route_and_is_the_one_in_the_reference() {
    let text = portal::openapi();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for route in routes().iter().filter(|route| route.path.starts_with("/api/") && !route.path.ends_with(".json")) {
        let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
        assert!(operation["security"].is_array(), "{} {}", route.method, route.path);
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
    if std::env::var_os("SEALPOST_WRITE_OPENAPI").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == text, "out of date: SEALPOST_WRITE_OPENAPI=1 cargo test -p portal --test portal the_document");
}

#[test]
fn t_110_who_is_no_officer_sends_in_only_so_many_certificates() {
    let house = House::open();
    let emma = house.person("emma@muster.example").id;
    for _ in 0..30 {
        drop(house.run(house.directory.attempt(directory::Limit::Upload, &[&format!("person:{emma}")])));
    }
    let body = |of: &str| {
        let pem = certificate(of).certificate().to_pem();
        serde_json::json!({ "address": of, "certificate": pem }).to_string()
    };
    for (owner, to, status) in
        [("emma@muster.example", "one@partner.example", 429), ("otto@muster.example", "two@partner.example", 201)]
    {
        let token = token(&house, owner, &[Scope::CertificatesWrite]);
        assert_eq!(call(&house, &token, "POST", "/api/v1/requests", &body(to), &[]).status, status, "{owner}");
    }
}

#[test]
fn t_104_who_goes_on_trying_tokens_is_not_looked_up_any_more() {
    let house = House::with("http://portal.example", |settings| settings.api_calls_per_minute = 3);
    let good = token(&house, "otto@muster.example", &[Scope::CertificatesRead]);
    let bad = "A".repeat(43);
    let status = |token: &str| call(&house, token, "GET", "/api/v1/requests", "", &[]).status;
    assert_eq!([&bad, &bad, &bad, &good].map(|token| status(token)), [401, 429, 429, 429]);
    house.clock.advance_seconds(60);
    assert_eq!(status(&good), 200);
}

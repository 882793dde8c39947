//! Log-in at the organisation's own provider: who gets in, and that nothing but a good answer to this very log-in does.

use crypto::KeyKind;
use directory::{Actor, Role, Roles};
use portal::OpenId;
use serde_json::json;
use testkit::{CLIENT_ID, CLIENT_SECRET, OpenIdProvider, TokenFault};

use crate::browser::{Browser, Page};
use crate::house::{House, PASSWORD};

fn open(kind: KeyKind, change: impl FnOnce(&mut OpenId)) -> (House, OpenIdProvider) {
    let provider = OpenIdProvider::start(kind, testkit::now().to_unix());
    provider.log_in(json!({ "email": "otto@muster.example", "email_verified": true }));
    let mut openid = OpenId {
        name: "Muster-Konto".into(),
        issuer: provider.issuer(),
        client_id: CLIENT_ID.into(),
        client_secret: Some(CLIENT_SECRET.into()),
        scopes: vec!["email".into()],
        address_claim: "email".into(),
        roles_claim: None,
        roles: Vec::new(),
        web: egress::Web::new(None),
    };
    change(&mut openid);
    (House::with("http://portal.example", |settings| settings.openid = Some(openid)), provider)
}

/// To the provider, which logs in at once, and back: the path with everything that it sends along.
fn there_and_back(browser: &Browser, from: &str) -> String {
    let there = browser.get(from);
    assert_eq!(there.status, 303, "{}", there.text());
    let config = ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false).build();
    let back = ureq::Agent::from(config).get(&there.location).call().unwrap();
    let location = back.headers().get("location").unwrap().to_str().unwrap().to_owned();
    location.strip_prefix("http://portal.example").unwrap().to_owned()
}

fn log_in(house: &House, language: &'static str) -> (Browser, Page) {
    let browser = house.browser(language);
    let back = there_and_back(&browser, "/login/openid");
    let page = browser.get(&back);
    (browser, page)
}

#[test]
fn somebody_who_is_known_is_logged_in_with_either_kind_of_key() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let (house, _provider) = open(kind, |_| {});
        let browser = house.browser("de");
        let page = browser.get("/login?next=/trace");
        assert!(page.html.contains("href=\"/login/openid?next=/trace\""), "{}", page.html);
        assert!(page.text().contains("Mit Muster-Konto anmelden"));
        let back = there_and_back(&browser, "/login/openid?next=/trace");
        let page = browser.get(&back);
        assert_eq!((page.status, page.location.as_str()), (303, "/trace"), "{}", page.text());
        assert_eq!(browser.get("/board").status, 200);
        // The same answer again is none: the secret of this log-in is used up, and so is the code.
        assert_eq!(browser.get(&back).status, 403);
    }
}

#[test]
fn without_a_provider_there_is_no_such_page() {
    let house = House::open();
    assert_eq!(house.browser("de").get("/login/openid").status, 404);
    assert!(!house.browser("de").get("/login").html.contains("/login/openid"));
}

#[test]
fn t_105_no_token_that_is_wrong_in_any_way_logs_anybody_in() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let (house, provider) = open(kind, |_| {});
        for how in TokenFault::ALL {
            provider.misbehave(Some(how));
            let (browser, page) = log_in(&house, "en");
            assert_eq!(page.status, 403, "{how:?}");
            assert!(page.text().contains("The answer of Muster-Konto was not in order"), "{how:?}: {}", page.text());
            assert!(!page.cookies().iter().any(|cookie| cookie.starts_with("session=")), "{how:?}");
            assert_eq!(browser.get("/board").status, 303, "{how:?}");
        }
        provider.misbehave(None);
        assert_eq!(log_in(&house, "en").1.status, 303, "the same without the fault");
    }
}

#[test]
fn t_101_an_answer_belongs_to_the_browser_that_asked() {
    let (house, _provider) = open(KeyKind::P256, |_| {});
    let (mine, theirs) = (house.browser("de"), house.browser("de"));
    let back = there_and_back(&mine, "/login/openid");
    // Somebody makes another browser follow it: that one has asked nothing, or something else.
    assert_eq!(theirs.get(&back).status, 403);
    there_and_back(&theirs, "/login/openid");
    let page = theirs.get(&back);
    assert!(page.text().contains("gehört nicht zu Ihrem Browser"), "{}", page.text());
    assert_eq!(theirs.get("/board").status, 303);
    // A code of another log-in, with one's own state: the verifier does not fit.
    let (code, state) =
        (parameter(&there_and_back(&mine, "/login/openid"), "code"), |back: &str| parameter(back, "state"));
    let own = there_and_back(&theirs, "/login/openid");
    let page = theirs.get(&format!("/login/openid?code={code}&state={}", state(&own)));
    assert_eq!(page.status, 403);
    assert_eq!(theirs.get("/board").status, 303);
    // RFC 9207: another provider answers.
    let own = there_and_back(&theirs, "/login/openid");
    let mixed =
        format!("/login/openid?code={}&state={}&iss=https%3A%2F%2Fother.example", parameter(&own, "code"), state(&own));
    assert_eq!(theirs.get(&mixed).status, 403);
}

fn parameter(path: &str, name: &str) -> String {
    let (_, query) = path.split_once('?').unwrap();
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.unwrap().1.to_owned()
}

#[test]
fn only_who_is_entered_inside_gets_in_and_is_told_why_not() {
    let (house, provider) = open(KeyKind::P256, |_| {});
    let anna = house.person("anna@muster.example").id;
    house.run(house.directory.deactivate(anna, &Actor::System));
    for (claims, words) in [
        (json!({ "email": "otto@muster.example" }), "bestätigt Ihre E-Mail-Adresse nicht"),
        (json!({ "email": "otto@muster.example", "email_verified": false }), "bestätigt Ihre E-Mail-Adresse nicht"),
        (json!({ "email_verified": true }), "bestätigt Ihre E-Mail-Adresse nicht"),
        (json!({ "email": "new@muster.example", "email_verified": true }), "niemandem, der hier eingetragen ist"),
        (json!({ "email": "anna@muster.example", "email_verified": true }), "niemandem, der hier eingetragen ist"),
        (json!({ "email": "petra@partner.example", "email_verified": true }), "niemandem, der hier eingetragen ist"),
    ] {
        provider.log_in(claims.clone());
        let (browser, page) = log_in(&house, "de");
        assert_eq!(page.status, 403, "{claims}");
        assert!(page.text().contains(words), "{claims}: {}", page.text());
        assert_eq!(browser.get("/keys").status, 303, "{claims}");
    }
    let stopped = house.browser("de");
    let state = parameter(&there_and_back(&stopped, "/login/openid"), "state");
    let page = stopped.get(&format!("/login/openid?error=access_denied&state={state}"));
    assert!(page.status == 403 && page.text().contains("oder Sie haben abgebrochen"), "{}", page.text());
}

#[test]
fn another_claim_names_the_mailbox_and_roles_come_from_groups() {
    let (house, provider) = open(KeyKind::P256, |openid| {
        openid.address_claim = "upn".into();
        openid.roles_claim = Some("access.groups".into());
        openid.roles = vec![("officers".into(), Role::Officer), ("staff".into(), Role::Employee)];
    });
    let claims = |groups: serde_json::Value| json!({ "upn": "emma@muster.example", "access": { "groups": groups } });
    provider.log_in(claims(json!(["officers", "staff", "others"])));
    let (browser, page) = log_in(&house, "en");
    assert_eq!((page.status, page.location.as_str()), (303, "/board"), "{}", page.text());
    assert_eq!(browser.get("/board").status, 200);
    assert_eq!(house.person("emma@muster.example").roles, Roles::of([Role::Employee, Role::Officer]));
    // Taken out of the group: at the next log-in the role is gone, and with the last one the way in.
    provider.log_in(claims(json!("staff")));
    let (browser, _) = log_in(&house, "en");
    assert_eq!((browser.get("/board").status, browser.get("/partners").status), (403, 200));
    provider.log_in(claims(json!([])));
    let (_, page) = log_in(&house, "en");
    assert!(page.status == 403 && page.text().contains("gives you no role here"), "{}", page.text());
}

#[test]
fn the_provider_may_change_its_key_and_be_away() {
    let (house, provider) = open(KeyKind::P256, |_| {});
    assert_eq!(log_in(&house, "en").1.status, 303);
    provider.change_key(KeyKind::P256, "two");
    house.clock.advance_seconds(61);
    provider.set_time(house.directory.now().to_unix());
    assert_eq!(log_in(&house, "en").1.status, 303);
    // Nobody listens there.
    let (house, _) = open(KeyKind::P256, |openid| openid.issuer = "http://127.0.0.1:1".into());
    let page = house.browser("en").get("/login/openid");
    assert!(page.status == 503 && page.text().contains("is not available at the moment"), "{}", page.text());
}

#[test]
fn t_122_a_provider_that_is_away_is_not_asked_by_everybody() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&asked);
    // It hangs up on everybody, until the tests end.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    let (house, _) = open(KeyKind::P256, |openid| openid.issuer = issuer);
    let status = || house.browser("en").get("/login/openid").status;
    assert_eq!(status(), 503);
    let first = asked.load(Ordering::SeqCst);
    assert_eq!([status(), status(), status()], [503; 3]);
    assert_eq!(asked.load(Ordering::SeqCst), first);
    house.clock.advance_seconds(60);
    assert_eq!(status(), 503);
    assert!(asked.load(Ordering::SeqCst) > first, "it is asked again later");
}

#[test]
fn whom_the_provider_knows_needs_no_password_and_no_second_factor_here() {
    let (house, _provider) = open(KeyKind::P256, |_| {});
    let otto = house.person("otto@muster.example").id;
    let hash = portal::hash_password(PASSWORD).unwrap();
    house.run(house.directory.set_password(otto, &hash, true, &Actor::System));
    let (browser, page) = log_in(&house, "en");
    assert_eq!((page.status, browser.get("/board").status), (303, 200), "the first password is nobody's business");
}

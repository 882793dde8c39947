//! T-102 to T-105: passkeys as second factor and, where the policy has it so, as the whole log-in.

use base64_simd::URL_SAFE_NO_PAD;
use crypto::KeyKind;
use directory::{Actor, Role};
use serde_json::{Value, json};
use testkit::authenticator::{Authenticator, Ceremony, USER_PRESENT};

use crate::browser::{Browser, Page};
use crate::chromium::Chromium;
use crate::house::{House, PASSWORD};

const ORIGIN: &str = "http://portal.localhost";
const HOST: &str = "portal.localhost";
const PETRA: &str = "petra@partner.example";
const PAUL: &str = "paul@partner.example";
const KEYS: &str = "/keys?what=second-factor";

fn house(passkey_log_in: bool) -> House {
    House::with(ORIGIN, |settings| settings.passkey_log_in = passkey_log_in)
}

/// What the script would read.
fn options(page: &Page, kind: &str) -> Value {
    let (_, rest) = page.html.split_once(&format!("data-passkey=\"{kind}\" data-options=\"")).unwrap();
    let json = rest.split('"').next().unwrap().replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&");
    serde_json::from_str(&json).unwrap()
}

fn ceremony(kind: &str, options: &Value) -> Ceremony {
    Ceremony::new(ORIGIN, HOST, kind, options["challenge"].as_str().unwrap())
}

fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(octets)
}

/// What the form brings for a new passkey.
fn created(authenticator: &Authenticator, ceremony: &Ceremony) -> [(&'static str, String); 2] {
    [("client_data", encode(&ceremony.client_data())), ("attestation", encode(&authenticator.attestation(ceremony)))]
}

/// What the form brings for one that answers.
fn answered(
    house: &House,
    of: &str,
    authenticator: &Authenticator,
    ceremony: &Ceremony,
) -> [(&'static str, String); 5] {
    let (client_data, data) = (ceremony.client_data(), authenticator.data(ceremony, false));
    let handle = directory::Directory::user_handle(house.person(of).id);
    [
        ("credential", encode(authenticator.id())),
        ("signature", encode(&authenticator.sign(&data, &client_data))),
        ("client_data", encode(&client_data)),
        ("authenticator_data", encode(&data)),
        ("user_handle", encode(&handle)),
    ]
}

fn send(browser: &Browser, page: &Page, path: &str, fields: &[(&str, String)]) -> Page {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit(page, path, &fields)
}

/// Adds a passkey on the page.
fn add(browser: &Browser, authenticator: &Authenticator, name: &str) -> Page {
    let page = browser.get(KEYS);
    let fields = created(authenticator, &ceremony("webauthn.create", &options(&page, "create")));
    let more = [("name", name.to_owned()), ("current", PASSWORD.to_owned())];
    send(browser, &page, "/keys/passkeys", &[&fields[..], &more].concat())
}

/// With a passkey of this kind.
fn with_passkey(house: &House, at: &str, kind: KeyKind) -> Authenticator {
    let authenticator = Authenticator::new(kind);
    assert_eq!(add(&house.logged_in(at, "en"), &authenticator, "Phone").status, 200);
    authenticator
}

/// The password was right.
fn password(house: &House, at: &str) -> Browser {
    house.clock.advance_seconds(61);
    let browser = house.browser("en");
    let page = browser.get("/login?lang=en");
    let page = browser.submit(&page, "/login", &[("address", at), ("password", PASSWORD)]);
    assert_eq!((page.status, page.location.as_str()), (303, "/login/code"));
    browser
}

/// Answers the page that asks for the second factor.
fn confirm(
    house: &House,
    browser: &Browser,
    of: &str,
    authenticator: &Authenticator,
    change: &dyn Fn(&mut Ceremony),
) -> Page {
    let page = browser.get("/login/code");
    let mut ceremony = ceremony("webauthn.get", &options(&page, "get"));
    change(&mut ceremony);
    send(browser, &page, "/login/code", &answered(house, of, authenticator, &ceremony))
}

fn actions(house: &House) -> Vec<String> {
    house.run(house.directory.audit_latest(9)).into_iter().map(|entry| entry.action).collect()
}

#[test]
fn t_105_a_passkey_is_asked_for_after_the_password() {
    let house = house(false);
    let browser = house.logged_in(PETRA, "en");
    let authenticator = Authenticator::new(KeyKind::P256);
    let done = add(&browser, &authenticator, "Phone <1>");
    assert_eq!(done.status, 200, "{}", done.html);
    assert_eq!(done.html.matches("<li><code>").count(), 8, "with the first come recovery codes");
    let page = browser.get(KEYS);
    assert!(
        page.html.contains("Phone &#60;1&#62;") && page.text().contains("Recovery codes left: 8"),
        "{}",
        page.text()
    );
    assert_eq!(options(&page, "create")["excludeCredentials"][0]["id"], encode(authenticator.id()));
    // The second one brings no codes.
    let second = Authenticator::new(KeyKind::Ed25519);
    assert_eq!(add(&browser, &second, "Key").location, KEYS);
    // Each of them is good.
    for one in [&authenticator, &second] {
        let browser = password(&house, PETRA);
        assert!(browser.get("/inbox").location.starts_with("/login"), "no session yet");
        let page = confirm(&house, &browser, PETRA, one, &|_| {});
        assert_eq!((page.status, page.location.as_str()), (303, "/inbox"), "{}", page.html);
        assert_eq!(browser.get("/inbox").status, 200);
    }
    // Without a script there is a recovery code, once.
    let code = done.html.split("<li><code>").nth(1).unwrap().split('<').next().unwrap();
    for status in [303, 403] {
        let browser = password(&house, PETRA);
        let page = browser.get("/login/code");
        assert!(page.text().contains("Recovery code"), "{}", page.text());
        assert_eq!(browser.submit(&page, "/login/code", &[("code", code)]).status, status);
    }
    assert!(actions(&house).contains(&"account.passkey".to_owned()));
    house.run(house.directory.verify_audit());
}

#[test]
fn t_105_an_answer_counts_once_here_and_for_this_browser() {
    let house = house(false);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let paul = with_passkey(&house, PAUL, KeyKind::P256);
    let refused = |browser: &Browser, authenticator: &Authenticator, change: &dyn Fn(&mut Ceremony)| {
        let page = confirm(&house, browser, PETRA, authenticator, change);
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(!page.cookies().iter().any(|cookie| cookie.starts_with("session=")));
        assert!(browser.get("/inbox").location.starts_with("/login"));
    };
    // Somebody else's passkey, another site, another page, nobody there.
    refused(&password(&house, PETRA), &paul, &|_| {});
    // Nor where it says itself whose it is: who has somebody's password still has no passkey of theirs.
    let browser = password(&house, PETRA);
    assert_eq!(confirm(&house, &browser, PAUL, &paul, &|_| {}).status, 403);
    assert!(browser.get("/inbox").location.starts_with("/login"));
    refused(&password(&house, PETRA), &Authenticator::new(KeyKind::P256), &|_| {});
    refused(&password(&house, PETRA), &authenticator, &|c| c.client_data["origin"] = json!("https://portal.example"));
    refused(&password(&house, PETRA), &authenticator, &|c| c.client_data["type"] = json!("webauthn.create"));
    refused(&password(&house, PETRA), &authenticator, &|c| c.rp_id = "localhost".into());
    refused(&password(&house, PETRA), &authenticator, &|c| c.flags = 0);
    // A challenge that was given to another browser, for something else, or to nobody.
    let other = options(&password(&house, PETRA).get("/login/code"), "get")["challenge"].clone();
    refused(&password(&house, PETRA), &authenticator, &|c| c.client_data["challenge"] = other.clone());
    let made = encode(&[7; 56]);
    refused(&password(&house, PETRA), &authenticator, &|c| c.client_data["challenge"] = json!(made));

    // The same answer twice, within and after the session.
    let browser = password(&house, PETRA);
    let page = browser.get("/login/code");
    let answer = answered(&house, PETRA, &authenticator, &ceremony("webauthn.get", &options(&page, "get")));
    assert_eq!(send(&browser, &page, "/login/code", &answer).status, 303);
    let again = password(&house, PETRA);
    let page = again.get("/login/code");
    assert_eq!(send(&again, &page, "/login/code", &answer).status, 403);
    // Too late.
    let late = password(&house, PETRA);
    let page = late.get("/login/code");
    let answer = answered(&house, PETRA, &authenticator, &ceremony("webauthn.get", &options(&page, "get")));
    house.clock.advance_seconds(301);
    assert_eq!(send(&late, &page, "/login/code", &answer).location, "/login");
    // What is no form of ours, or cut off.
    let browser = password(&house, PETRA);
    let page = browser.get("/login/code");
    assert_eq!(send(&browser, &page, "/login/code", &[("credential", "!".into())]).status, 400);
    assert_eq!(send(&browser, &page, "/login/code", &[("credential", "AAAA".into())]).status, 403);
}

#[test]
fn t_104_four_wrong_answers_are_enough() {
    let house = house(false);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let browser = password(&house, PETRA);
    for _ in 0..4 {
        assert_eq!(confirm(&house, &browser, PETRA, &authenticator, &|c| c.rp_id = "x.example".into()).status, 403);
    }
    assert_eq!(confirm(&house, &browser, PETRA, &authenticator, &|_| {}).status, 429);
    house.clock.advance_seconds(61);
    assert_eq!(confirm(&house, &browser, PETRA, &authenticator, &|_| {}).status, 303);
}

#[test]
fn t_105_a_counter_that_does_not_go_on_is_refused_and_put_on_record() {
    let house = house(false);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let with =
        |count| confirm(&house, &password(&house, PETRA), PETRA, &authenticator, &|c| c.sign_count = count).status;
    assert_eq!([with(5), with(6)], [303, 303]);
    assert!(!actions(&house).contains(&"account.passkey-copied".to_owned()));
    assert_eq!([with(6), with(5), with(0)], [403, 403, 403]);
    assert_eq!(actions(&house).iter().filter(|action| *action == "account.passkey-copied").count(), 3);
    assert_eq!(with(7), 303);
}

#[test]
fn t_105_a_new_passkey_takes_the_password_and_answers_this_session() {
    let house = house(false);
    let browser = house.logged_in(PETRA, "en");
    let authenticator = Authenticator::new(KeyKind::P256);
    let fields = |browser: &Browser, change: &dyn Fn(&mut Ceremony)| {
        let page = browser.get(KEYS);
        let mut ceremony = ceremony("webauthn.create", &options(&page, "create"));
        change(&mut ceremony);
        (page, created(&authenticator, &ceremony))
    };
    let post = |(page, fields): (Page, [(&'static str, String); 2]), name: &str, current: &str| {
        let more = [("name", name.to_owned()), ("current", current.to_owned())];
        send(&browser, &page, "/keys/passkeys", &[&fields[..], &more].concat()).status
    };
    assert_eq!(post(fields(&browser, &|_| {}), "Phone", "wrong"), 422, "an open browser is not enough");
    house.clock.advance_seconds(301);
    assert_eq!(post(fields(&browser, &|_| {}), " ", PASSWORD), 422);
    assert_eq!(post(fields(&browser, &|c| c.rp_id = "x.example".into()), "Phone", PASSWORD), 422);
    assert_eq!(post(fields(&browser, &|c| c.client_data["origin"] = json!("http://x")), "Phone", PASSWORD), 422);
    // Given to the same person elsewhere.
    let (_, elsewhere) = fields(&house.logged_in(PETRA, "en"), &|_| {});
    assert_eq!(post((browser.get(KEYS), elsewhere), "Phone", PASSWORD), 422);
    assert!(house.run(house.directory.passkeys(house.person(PETRA).id)).is_empty());
    let (page, once) = fields(&browser, &|_| {});
    assert_eq!(post((page, once.clone()), "Phone", PASSWORD), 200);
    house.clock.advance_seconds(301);
    assert_eq!(post((browser.get(KEYS), once), "Phone", PASSWORD), 422, "the challenge was used");
    // Nobody else can have it.
    let paul = house.logged_in(PAUL, "en");
    assert_eq!(add(&paul, &authenticator, "Mine").status, 422);
    // There is an end.
    for number in 1..directory::Directory::MOST_PASSKEYS {
        house.clock.advance_seconds(301);
        assert_eq!(add(&browser, &Authenticator::new(KeyKind::P256), "More").status, 303, "{number}");
    }
    house.clock.advance_seconds(301);
    assert_eq!(add(&browser, &Authenticator::new(KeyKind::P256), "More").status, 422);
}

#[test]
fn t_103_where_the_policy_has_it_so_a_passkey_is_enough() {
    let house = house(true);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let alone = |change: &dyn Fn(&mut Ceremony), handle: Option<&str>| {
        house.clock.advance_seconds(301);
        let browser = house.browser("en");
        let page = browser.get("/login?lang=en");
        let asked = options(&page, "get");
        assert_eq!((&asked["allowCredentials"], &asked["userVerification"]), (&json!([]), &json!("required")));
        let mut ceremony = ceremony("webauthn.get", &asked);
        change(&mut ceremony);
        let mut fields = answered(&house, PETRA, &authenticator, &ceremony);
        if let Some(handle) = handle {
            fields[4].1 = handle.to_owned();
        }
        (send(&browser, &page, "/login", &fields), browser)
    };
    let (page, browser) = alone(&|_| {}, None);
    assert_eq!((page.status, page.location.as_str()), (303, "/inbox"), "{}", page.text());
    assert_eq!(browser.get("/inbox").status, 200);
    // The authenticator has to know who touches it, and to say whose it is.
    let paul = encode(&directory::Directory::user_handle(house.person(PAUL).id));
    let failed = alone(&|c| c.flags = USER_PRESENT, None).0;
    assert_eq!(failed.status, 403);
    for page in
        [alone(&|_| {}, Some("")).0, alone(&|_| {}, Some(&paul)).0, alone(&|c| c.sign_count = 0, Some("AAAA")).0]
    {
        assert_eq!((page.status, page.text()), (403, failed.text()), "one answer for all");
    }
    // What was asked after the password is another question.
    let code = options(&password(&house, PETRA).get("/login/code"), "get")["challenge"].clone();
    assert_eq!(alone(&|c| c.client_data["challenge"] = code.clone(), None).0.status, 403);
    // Who is no longer here does not get in.
    house.run(house.directory.deactivate(house.person(PETRA).id, &Actor::System));
    assert_eq!(alone(&|_| {}, None).0.status, 403);
}

#[test]
fn t_106_by_default_a_passkey_alone_logs_nobody_in() {
    let house = house(false);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let browser = house.browser("en");
    let page = browser.get("/login");
    assert!(!page.html.contains("data-passkey") && !page.html.contains("<script"));
    let ceremony = Ceremony::new(ORIGIN, HOST, "webauthn.get", "AAAA");
    let page = send(&browser, &page, "/login", &answered(&house, PETRA, &authenticator, &ceremony));
    assert_eq!(page.status, 403);
    assert!(browser.get("/inbox").location.starts_with("/login"));
}

#[test]
fn t_105_where_a_second_factor_is_required_a_passkey_is_one_and_the_last_stays() {
    const OTTO: &str = "otto@muster.example";
    let house = House::with(ORIGIN, |settings| settings.second_factor_for = vec![Role::Officer]);
    let browser = house.logged_in(OTTO, "en");
    assert_eq!(browser.get("/board").location, KEYS);
    assert_eq!(add(&browser, &Authenticator::new(KeyKind::P256), "Phone").status, 200);
    assert_eq!(browser.get("/board").status, 200);
    let remove = |browser: &Browser, index: usize| {
        house.clock.advance_seconds(301);
        let all = house.run(house.directory.passkeys(house.person(OTTO).id));
        let fields = [("passkey", all[index].id.to_string()), ("current", PASSWORD.to_owned())];
        send(browser, &browser.get("/keys"), "/keys/passkeys/remove", &fields)
    };
    assert_eq!(remove(&browser, 0).status, 403);
    assert!(!browser.get(KEYS).html.contains("/keys/passkeys/remove"));
    assert_eq!(add(&browser, &Authenticator::new(KeyKind::P256), "Key").status, 303);
    // Whoever finds the browser open does not know the password.
    let all = house.run(house.directory.passkeys(house.person(OTTO).id));
    house.clock.advance_seconds(301);
    let fields = [("passkey", all[1].id.to_string()), ("current", "not the password".to_owned())];
    assert_ne!(send(&browser, &browser.get("/keys"), "/keys/passkeys/remove", &fields).location, KEYS);
    assert_eq!(house.run(house.directory.passkeys(house.person(OTTO).id)).len(), 2);
    assert_eq!(remove(&browser, 1).location, KEYS);
    assert_eq!(remove(&browser, 0).status, 403);
    // Somebody else's is not there to be removed.
    with_passkey(&house, PETRA, KeyKind::P256);
    let foreign = house.run(house.directory.passkeys(house.person(PETRA).id))[0].id.to_string();
    let paul = house.logged_in(PAUL, "en");
    let fields = [("passkey", foreign), ("current", PASSWORD.to_owned())];
    assert_eq!(send(&paul, &paul.get("/keys"), "/keys/passkeys/remove", &fields).status, 404);
}

#[test]
fn t_105_a_new_first_password_takes_passkeys_away() {
    let house = house(true);
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let emma = house.logged_in("emma@muster.example", "en");
    let petra = house.person(PETRA);
    let page = emma.get("/partners");
    assert_eq!(emma.submit(&page, "/partners/password", &[("partner", &petra.id.to_string())]).status, 200);
    assert!(!house.run(house.directory.has_second_factor(petra.id)));
    assert_eq!(house.run(house.directory.recovery_codes(petra.id)), 0);
    assert!(actions(&house).contains(&"account.passkey-removed".to_owned()));
    let browser = house.browser("en");
    let page = browser.get("/login");
    let ceremony = ceremony("webauthn.get", &options(&page, "get"));
    assert_eq!(send(&browser, &page, "/login", &answered(&house, PETRA, &authenticator, &ceremony)).status, 403);
}

#[test]
fn t_105_whoever_changes_the_password_sees_which_passkeys_are_still_good() {
    let house = house(false);
    assert!(!house.logged_in(PETRA, "en").get("/keys?what=password").text().contains("still good"));
    let authenticator = with_passkey(&house, PETRA, KeyKind::P256);
    let browser = password(&house, PETRA);
    assert_eq!(confirm(&house, &browser, PETRA, &authenticator, &|_| ()).status, 303);
    let new = "ganz andere Worte 8";
    let fields = [("current", PASSWORD), ("password", new), ("repeat", new)];
    let changed = browser.submit(&browser.get("/keys?what=password"), "/password", &fields);
    assert_eq!((changed.status, changed.location.as_str()), (303, "/keys?what=password"));
    let page = browser.get("/keys?what=password").text();
    assert!(page.contains("These passkeys are still good") && page.contains("Phone"), "{page}");
    assert!(page.contains("Added on"), "{page}");
}

#[test]
fn t_100_pages_with_the_script_run_a_file_of_ours_and_nothing_else() {
    let house = house(true);
    let petra = house.logged_in(PETRA, "en");
    for page in [petra.get(KEYS), house.browser("en").get("/login")] {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.html.matches("<script").count(), 1);
        let source = page.html.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(page.html.contains(&format!("<script src=\"{source}\" defer></script>")));
        // Not `'self'`: no other answer of this origin runs, whatever a browser takes it for.
        let allowed = format!("script-src {}{source}; ", house.directory.settings().base_url);
        assert!(policy.contains(&allowed) && !policy.contains("script-src 'self'"), "{policy}");
        let script = petra.get(source);
        assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    }
    for path in ["/keys?what=password", "/me", "/"] {
        let page = petra.get(path);
        assert!(!page.header("content-security-policy").contains("script-src"), "{path}");
        assert!(!page.html.contains("<script"), "{path}");
    }
    // Where browsers have no passkeys, none are offered.
    let plain = House::open();
    assert!(!plain.logged_in(PETRA, "en").get(KEYS).html.contains("passkey"));
}

#[test]
fn f3_passkeys_in_a_browser() {
    let house = house(true);
    let browser = Chromium::open_at(HOST, &house.base());
    browser.plug_authenticator();
    let type_password = || {
        browser.get("/login?lang=de");
        browser.fill("#address", PETRA);
        browser.fill("#password", PASSWORD);
        browser.click("form:not([data-passkey]) button.primary");
    };
    type_password();
    browser.wait_for_path("/inbox");
    browser.get(KEYS);
    browser.fill("#passkey-name", "Telefon");
    browser.fill("#passkey-current", PASSWORD);
    browser.click("form[data-passkey] button");
    browser.wait_for_selector("#recovery-codes");
    let kept = house.run(house.directory.passkeys(house.person(PETRA).id));
    assert_eq!((kept.len(), kept[0].name.as_str()), (1, "Telefon"));

    // As second factor, and alone.
    browser.forget();
    type_password();
    browser.wait_for_path("/login/code");
    browser.click("form[data-passkey] button");
    browser.wait_for_path("/inbox");
    browser.forget();
    browser.get("/login?lang=en");
    browser.click("form[data-passkey] button");
    browser.wait_for_path("/inbox");

    // One that is not taken: the page says so and can be used again.
    browser.get(KEYS);
    assert!(browser.text().contains("Telefon"));
    browser.fill("#passkey-name", "Once more");
    browser.fill("#passkey-current", PASSWORD);
    browser.click("form[data-passkey] button");
    browser.wait_for("That did not work or was stopped");
    browser.click("#passkeys summary");
    browser.fill("#passkeys .ask-box input[type=password]", PASSWORD);
    browser.click("#passkeys .ask-box button");
    browser.wait_for("The passkey has been removed");
    assert!(house.run(house.directory.passkeys(house.person(PETRA).id)).is_empty());
}

//! T-104, T-105: a second factor is asked for before there is a session, and each code counts once.

use crate::browser::{Browser, Page};
use crate::house::{House, PASSWORD};

const PETRA: &str = "petra@partner.example";

/// RFC 6238, on its own.
fn code(secret: &str, at: i64) -> String {
    let mut bits = String::new();
    for character in secret.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let octets: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
        .collect();
    let tag = crypto::hmac(crypto::DigestAlgorithm::Sha1, &octets, &(at / 30).to_be_bytes()).unwrap();
    let offset = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn now(house: &House) -> i64 {
    house.directory.now().to_unix()
}

/// Switches it on; gives the secret and the recovery codes.
fn set_up(house: &House, browser: &Browser) -> (String, Vec<String>) {
    let page = browser.get("/keys?what=second-factor");
    assert!(page.html.contains("<svg class=\"qr\""));
    let secret = page.html.split("name=\"secret\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let send = |code: &str, current: &str| {
        let fields = [("secret", secret.as_str()), ("code", code), ("current", current)];
        browser.submit(&page, "/keys/second-factor", &fields)
    };
    let right = code(&secret, now(house));
    assert_eq!(send("000000", PASSWORD).status, 422);
    assert_eq!(send(&right, "wrong").status, 422, "an open browser is not enough");
    let done = send(&right, PASSWORD);
    assert_eq!(done.status, 200, "{}", done.html);
    let list = done.html.split("id=\"recovery-codes\">").nth(1).unwrap().split("</ul>").next().unwrap();
    let codes = list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    (secret, codes)
}

fn password(house: &House) -> (Browser, Page) {
    let browser = house.browser("en");
    let page = browser.get("/login?lang=en");
    let page = browser.submit(&page, "/login", &[("address", PETRA), ("password", PASSWORD)]);
    (browser, page)
}

fn enter(browser: &Browser, code: &str) -> Page {
    let form = browser.get("/login/code");
    browser.submit(&form, "/login/code", &[("code", code)])
}

#[test]
fn t_105_without_the_code_there_is_no_session_whatever_the_url() {
    let house = House::open();
    let (secret, _) = set_up(&house, &house.logged_in(PETRA, "en"));
    house.clock.advance_seconds(60);
    let (browser, page) = password(&house);
    assert_eq!((page.status, page.location.as_str()), (303, "/login/code"));
    assert!(!page.cookies().iter().any(|cookie| cookie.starts_with("session=")));
    for path in ["/keys", "/inbox", "/password", "/me", "/keys?what=second-factor"] {
        assert!(browser.get(path).location.starts_with("/login"), "{path}");
    }
    let good = code(&secret, now(&house));
    assert_eq!(enter(&browser, &good).location, "/inbox");
    assert_eq!(browser.get("/keys").status, 200);
    // The same code again is no code, and the step before is none either.
    let (again, _) = password(&house);
    assert_eq!(enter(&again, &good).status, 403);
    assert_eq!(enter(&again, &code(&secret, now(&house) - 30)).status, 403);
    // Without the password there is no form.
    assert_eq!(house.browser("en").get("/login/code").location, "/login");
    // After five minutes the password is asked for again.
    let (late, _) = password(&house);
    house.clock.advance_seconds(301);
    assert_eq!(late.get("/login/code").location, "/login");
}

#[test]
fn t_104_four_wrong_codes_are_enough() {
    let house = House::open();
    let (secret, _) = set_up(&house, &house.logged_in(PETRA, "en"));
    house.clock.advance_seconds(60);
    let (browser, _) = password(&house);
    let statuses: Vec<u16> = (0..4).map(|_| enter(&browser, "000000").status).collect();
    assert_eq!(statuses, [403; 4]);
    assert_eq!(enter(&browser, &code(&secret, now(&house))).status, 429);
    house.clock.advance_seconds(61);
    assert_eq!(enter(&browser, &code(&secret, now(&house))).status, 303);
}

#[test]
fn a_recovery_code_counts_once_and_the_contact_person_is_the_last_resort() {
    let house = House::open();
    let (_, codes) = set_up(&house, &house.logged_in(PETRA, "en"));
    assert_eq!(codes.len(), 8);
    let (browser, _) = password(&house);
    assert_eq!(enter(&browser, &codes[0]).status, 303);
    let (again, _) = password(&house);
    assert_eq!(enter(&again, &codes[0]).status, 403);
    assert!(browser.get("/keys?what=second-factor").text().contains("Recovery codes left: 7"));
    // Phone and codes lost: a new first password takes the second factor away, and the record says so.
    let emma = house.logged_in("emma@muster.example", "en");
    let petra = house.person(PETRA);
    let page = emma.get("/partners");
    assert_eq!(emma.submit(&page, "/partners/password", &[("partner", &petra.id.to_string())]).status, 200);
    assert!(house.run(house.directory.second_factor(petra.id)).is_none());
    let record = house.run(house.directory.audit_latest(9));
    assert!(record.iter().any(|entry| entry.action == "account.second-factor-removed"));
}

#[test]
fn it_is_switched_off_with_the_password_alone() {
    let house = House::open();
    let browser = house.logged_in(PETRA, "en");
    set_up(&house, &browser);
    let page = browser.get("/keys?what=second-factor");
    assert_eq!(browser.submit(&page, "/keys/second-factor/remove", &[("current", "wrong")]).status, 422);
    assert_eq!(browser.submit(&page, "/keys/second-factor/remove", &[("current", PASSWORD)]).status, 303);
    assert_eq!(password(&house).1.location, "/inbox");
}

#[test]
fn t_105_where_it_is_required_nothing_goes_before_it_is_set_up() {
    const OTTO: &str = "otto@muster.example";
    let house =
        House::with("http://portal.example", |settings| settings.second_factor_for = vec![directory::Role::Officer]);
    let browser = house.logged_in(OTTO, "en");
    for path in ["/board", "/me", "/me/export", "/trace"] {
        assert_eq!(browser.get(path).location, "/keys?what=second-factor", "{path}");
    }
    let page = browser.get("/keys?what=password");
    assert!(page.status == 200 && page.text().contains("is required for your role"), "{}", page.text());
    assert!(!page.html.contains("action=\"/password\"") && !page.html.contains("href=\"/board\""));
    set_up(&house, &browser);
    assert_eq!(browser.get("/board").status, 200);
    // It stays.
    let page = browser.get("/keys?what=second-factor");
    assert!(!page.html.contains("/keys/second-factor/remove"));
    assert_eq!(browser.submit(&page, "/keys/second-factor/remove", &[("current", PASSWORD)]).status, 403);
    // Nobody else is asked.
    assert_eq!(house.logged_in(PETRA, "en").get("/inbox").status, 200);
}

#[test]
fn t_105_another_password_ends_what_began_with_the_one_before() {
    let house = House::open();
    let petra = house.logged_in(PETRA, "en");
    let (secret, _) = set_up(&house, &petra);
    house.clock.advance_seconds(60);
    // Somebody has her old password, and waits at the second factor while she chooses another.
    let (browser, page) = password(&house);
    assert_eq!(page.location, "/login/code");
    let person = house.person(PETRA);
    let by = directory::Actor::Person(person.id);
    let scope = [directory::Scope::CertificatesRead];
    let (token, _) = house.run(house.directory.issue_api_token(person.id, "x", &scope, 9, &by));
    assert!(house.run(house.directory.api_token(token.as_str())).is_some());
    let hash = portal::hash_password("another one of hers").unwrap();
    house.run(house.directory.set_password(person.id, &hash, false, &by));
    let form = browser.get("/login?lang=en");
    let answer = browser.submit(&form, "/login/code", &[("code", &code(&secret, now(&house)))]);
    assert_ne!(answer.location, "/inbox", "{}", answer.html);
    assert_ne!(browser.get("/inbox").status, 200);
    assert!(house.run(house.directory.api_token(token.as_str())).is_none());
}

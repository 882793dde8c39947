//! T-103, T-105: a forgotten password, by the contact person or by a mailed link.

use directory::{Actor, NewPasskey, OutgoingKind};

use crate::browser::Page;
use crate::house::{House, PASSWORD};

const PETRA: &str = "petra@partner.example";
const NEW: &str = "ganz andere Worte 8";

fn open() -> House {
    House::with("http://portal.example", |settings| settings.password_links = true)
}

fn ask(house: &House, at: &str) -> Page {
    let browser = house.browser("en");
    let page = browser.get("/forgotten");
    browser.submit(&page, "/forgotten", &[("address", at)])
}

/// The links that were mailed since the last time, once there are so many: they are made after the answer.
fn links(house: &House, expected: usize) -> Vec<String> {
    let mut links = Vec::new();
    for _ in 0..1200 {
        for leased in house.run(house.directory.lease_outbox("test", 100, 60)) {
            house.run(house.directory.delivered(&leased));
            if leased.outgoing.kind != OutgoingKind::PasswordLink {
                continue;
            }
            let text = mime::Entity::parse(&leased.outgoing.content, &mime::Limits::default()).unwrap();
            let text = text.first_text().unwrap();
            let (_, rest) = text.split_once("http://portal.example/reset/").unwrap();
            links.push(format!("/reset/{}", rest.chars().take(43).collect::<String>()));
        }
        if links.len() >= expected {
            return links;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    links
}

fn set(house: &House, link: &str, password: &str, repeat: &str) -> Page {
    let browser = house.browser("en");
    let page = browser.get(link);
    if page.status != 200 {
        return page;
    }
    browser.submit(&page, link, &[("password", password), ("repeat", repeat)])
}

fn log_in(house: &House, password: &str) -> Page {
    let browser = house.browser("en");
    let page = browser.get("/login");
    browser.submit(&page, "/login", &[("address", PETRA), ("password", password)])
}

#[test]
fn t_105_by_default_there_is_no_link_at_all() {
    let house = House::open();
    let token = "x".repeat(43);
    for path in ["/forgotten".to_owned(), format!("/reset/{token}")] {
        assert_eq!(house.browser("de").get(&path).status, 404, "{path}");
        let page = house.browser("de").get("/login");
        let browser = house.browser("de");
        let page_of_browser = browser.get("/login");
        assert_eq!(browser.submit(&page_of_browser, &path, &[("address", PETRA)]).status, 404, "{path}");
        assert!(!page.html.contains("/forgotten"));
    }
}

#[test]
fn t_103_everybody_gets_the_same_answer() {
    let house = open();
    let answers: Vec<String> = [PETRA, "nobody@partner.example", "no address"]
        .iter()
        .map(|at| {
            let page = ask(&house, at);
            assert_eq!(page.status, 200);
            page.html
        })
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(answers[0].contains("the link is on its way now"), "{}", answers[0]);
    assert_eq!(links(&house, 1).len(), 1);
}

#[test]
fn t_105_a_link_works_once_and_not_for_long_and_ends_what_was_before() {
    let house = open();
    let before = house.logged_in(PETRA, "en");
    ask(&house, PETRA);
    let first = links(&house, 1).remove(0);
    ask(&house, PETRA);
    let second = links(&house, 1).remove(0);
    // Looking changes nothing: a scanner of links does it, too (CASES T-63).
    assert_eq!(house.browser("en").get(&first).status, 200);
    assert_eq!(set(&house, &first, "short", "short").status, 422);
    assert_eq!(set(&house, &first, NEW, "another one, quite").status, 422);
    let page = set(&house, &first, NEW, NEW);
    assert_eq!((page.status, page.location.as_str()), (303, "/login"));
    assert!(!page.cookies().iter().any(|cookie| cookie.starts_with("session=")), "the link logs nobody in");
    assert_eq!(before.get("/keys").status, 303, "sessions have ended");
    assert_eq!((log_in(&house, PASSWORD).status, log_in(&house, NEW).status), (403, 303));
    for used in [&first, &second] {
        assert_eq!(set(&house, used, "noch ganz andere Worte", "noch ganz andere Worte").status, 410);
    }
    ask(&house, PETRA);
    let late = links(&house, 1).remove(0);
    house.clock.advance_seconds(1801);
    assert_eq!(set(&house, &late, NEW, NEW).status, 410);
}

#[test]
fn t_105_a_link_does_not_skip_the_second_factor() {
    let house = open();
    let petra = house.person(PETRA).id;
    house.run(house.directory.set_second_factor(petra, &[7; 20], 1, &[], &Actor::System));
    ask(&house, PETRA);
    let link = links(&house, 1).remove(0);
    assert_eq!(set(&house, &link, NEW, NEW).status, 303);
    assert_eq!(log_in(&house, NEW).location, "/login/code");
}

#[test]
fn t_105_after_a_link_its_owner_hears_of_passkeys_that_are_still_good() {
    let house = open();
    let petra = house.person(PETRA).id;
    for (credential, expected) in [(None, false), (Some([1; 16]), true)] {
        if let Some(credential) = credential {
            let new = NewPasskey { name: "CANARY", credential: &credential, key: b"a key", sign_count: 0 };
            house.run(house.directory.add_passkey(petra, &new, &[], &Actor::System));
        }
        ask(&house, PETRA);
        let link = links(&house, 1).remove(0);
        let browser = house.browser("en");
        let words = format!("{NEW} {expected}");
        let set = browser.submit(&browser.get(&link), &link, &[("password", &words), ("repeat", &words)]);
        assert_eq!((set.status, set.location.as_str()), (303, "/login"));
        let page = browser.get("/login").text();
        assert!(page.contains("Your new password is in effect") && !page.contains("CANARY"), "{page}");
        assert_eq!(page.contains("passkeys are still good"), expected, "{page}");
    }
}

#[test]
fn t_104_nobody_is_mailed_more_than_three_links_a_day() {
    let house = open();
    for _ in 0..4 {
        assert_eq!(ask(&house, PETRA).status, 200);
    }

    assert_eq!(links(&house, 3).len(), 3);
    house.clock.advance_seconds(301);
    ask(&house, PETRA);
    ask(&house, "paul@partner.example");
    let others = links(&house, 1);
    assert_eq!(others.len(), 1);
}

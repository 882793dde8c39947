//! T-102 to T-105: sessions, enumeration, brute force, first passwords.

use directory::{Actor, Role};

use crate::house::{House, PASSWORD, address};

fn try_log_in(house: &House, at: &str, password: &str) -> crate::browser::Page {
    let browser = house.browser("en");
    let page = browser.get("/login");
    browser.submit(&page, "/login", &[("address", at), ("password", password)])
}

#[test]
fn t_102_a_session_has_a_fresh_token_that_ends() {
    let house = House::open();
    let browser = house.browser("de");
    let page = browser.get("/login");
    let one = browser.submit(&page, "/login", &[("address", "petra@partner.example"), ("password", PASSWORD)]);
    let cookie = |page: &crate::browser::Page| {
        let found = page.cookies().into_iter().find(|cookie| cookie.starts_with("session=")).map(ToOwned::to_owned);
        found.unwrap()
    };
    let first = cookie(&one);
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
        assert!(first.contains(attribute), "{first}");
    }
    let second = cookie(&try_log_in(&house, "petra@partner.example", PASSWORD));
    assert_ne!(first, second);
    // A cookie that somebody planted is not taken over.
    let token = first.split(';').next().unwrap();
    let planted = house.browser("de").get_with("/keys", &[("Cookie", "session=planted-by-somebody-else")]);
    assert_eq!(planted.status, 303);
    let stolen = || house.browser("de").get_with("/keys", &[("Cookie", token)]).status;
    assert_eq!(stolen(), 200);
    // Logged out is logged out on the server.
    let keys = browser.get("/keys");
    assert_eq!(browser.submit(&keys, "/logout", &[]).location, "/login");
    assert_eq!(stolen(), 303);
    // Idle, and at the latest after half a day.
    let browser = house.logged_in("petra@partner.example", "de");
    house.clock.advance_seconds(29 * 60);
    assert_eq!(browser.get("/keys").status, 200);
    house.clock.advance_seconds(31 * 60);
    assert_eq!(browser.get("/keys").status, 303);
}

#[test]
fn t_102_another_password_ends_every_other_session() {
    let house = House::open();
    let (here, there) =
        (house.logged_in("petra@partner.example", "de"), house.logged_in("petra@partner.example", "de"));
    let page = here.get("/keys?what=password");
    let new = "ganz andere Worte 8";
    let wrong = [("current", "falsch"), ("password", new), ("repeat", new)];
    assert_eq!(here.submit(&page, "/password", &wrong).status, 422);
    let right = [("current", PASSWORD), ("password", new), ("repeat", new)];
    assert_eq!(here.submit(&page, "/password", &right).status, 303);
    assert_eq!(here.get("/keys").status, 200);
    assert_eq!(there.get("/keys").status, 303);
    assert_eq!(try_log_in(&house, "petra@partner.example", PASSWORD).status, 403);
}

#[test]
fn t_102_over_tls_cookies_say_so() {
    let house = House::at("https://portal.example");
    let page = house.browser("de").get("/login");
    assert!(page.cookies().iter().any(|cookie| cookie.starts_with("__Host-form=") && cookie.ends_with("; Secure")));
    assert!(page.header("strict-transport-security").contains("max-age"));
}

#[test]
fn t_103_log_in_gives_one_answer_for_all_that_is_wrong() {
    let house = House::open();
    let petra = house.person("petra@partner.example");
    let known = try_log_in(&house, "petra@partner.example", "wrong password");
    house.run(house.directory.deactivate(petra.id, &Actor::System));
    let locked = try_log_in(&house, "petra@partner.example", PASSWORD);
    let unknown = try_log_in(&house, "perla@partner.example", PASSWORD);
    let strip = |page: &crate::browser::Page, at: &str| {
        let token = page.csrf();
        page.html.replace(&token, "").replace(at, "")
    };
    let expected = strip(&known, "petra@partner.example");
    for (page, at) in [(locked, "petra@partner.example"), (unknown, "perla@partner.example")] {
        assert_eq!((page.status, strip(&page, at)), (403, expected.clone()), "{at}");
    }
    assert_eq!(try_log_in(&house, "no address", PASSWORD).status, 403);
}

/// Time says nothing where the work is the same: the one thing that takes any, Argon2id with the same parameters, is
/// done once whoever is asked for.
#[test]
fn t_103_one_password_is_hashed_whoever_is_asked_for() {
    let house = House::open();
    house.run(house.directory.deactivate(house.person("paul@partner.example").id, &Actor::System));
    let new = |at: &str| directory::NewPerson {
        address: address(at),
        name: "Nora Neu".into(),
        company: None,
        language: directory::Language::German,
        roles: directory::Roles::of([Role::Partner]),
        contact: None,
    };
    // Without a password.
    house.run(house.directory.add_person(new("nora@partner.example"), &Actor::System));
    let long = format!("{}@partner.example", "x".repeat(400));
    for (at, password, status) in [
        ("petra@partner.example", "wrong", 403),
        ("petra@partner.example", PASSWORD, 303),
        ("otto@muster.example", "wrong", 403),
        ("paul@partner.example", PASSWORD, 403),
        ("nora@partner.example", PASSWORD, 403),
        ("nobody@partner.example", PASSWORD, 403),
        ("nobody@elsewhere.example", "", 403),
        ("no address", PASSWORD, 403),
        (long.as_str(), PASSWORD, 403),
        ("", PASSWORD, 403),
    ] {
        let before = house.passwords_hashed();
        assert_eq!(try_log_in(&house, at, password).status, status, "{at}");
        assert_eq!(house.passwords_hashed() - before, 1, "{at}");
    }
}

#[test]
fn t_104_five_failures_are_enough() {
    let house = House::open();
    for _ in 0..5 {
        assert_eq!(try_log_in(&house, "petra@partner.example", "guess").status, 403);
    }
    let sixth = try_log_in(&house, "petra@partner.example", PASSWORD);
    assert_eq!(sixth.status, 429, "not even the right one");
    assert!(sixth.text().contains("12:05"), "it says when: {}", sixth.text());
    // The others of the same office still get in.
    assert_eq!(try_log_in(&house, "paul@partner.example", PASSWORD).status, 303);
    house.clock.advance_seconds(301);
    assert_eq!(try_log_in(&house, "petra@partner.example", PASSWORD).status, 303);
}

#[test]
fn t_104_a_network_has_tries_of_its_own() {
    let house = House::open();
    for account in 0..50 {
        assert_eq!(try_log_in(&house, &format!("nobody{account}@partner.example"), "guess").status, 403);
    }
    assert_eq!(try_log_in(&house, "petra@partner.example", PASSWORD).status, 429, "not even the right one");
    house.clock.advance_seconds(301);
    assert_eq!(try_log_in(&house, "petra@partner.example", PASSWORD).status, 303);
}

#[test]
fn t_104_links_cannot_be_guessed_for_long() {
    let house = House::open();
    let browser = house.browser("de");
    let statuses: Vec<u16> = (0..12).map(|i| browser.get(&format!("/confirm/guess{i}")).status).collect();
    assert_eq!(&statuses[..10], [410; 10]);
    assert_eq!(&statuses[10..], [429; 2]);
}

#[test]
fn t_105_first_passwords_run_out_and_are_replaced_by_the_contact_person_alone() {
    let house = House::open();
    let emma = house.logged_in("emma@muster.example", "en");
    let petra = house.person("petra@partner.example");
    assert_eq!(petra.contact, Some(house.person("emma@muster.example").id));
    let page = emma.get("/partners");
    let given = emma.submit(&page, "/partners/password", &[("partner", &petra.id.to_string())]);
    assert_eq!(given.status, 200);
    let first =
        given.html.split("<output id=\"first-password\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(try_log_in(&house, "petra@partner.example", PASSWORD).status, 403, "the old one is over");
    house.clock.advance_days(15);
    let late = try_log_in(&house, "petra@partner.example", &first);
    assert_eq!(late.status, 403);
    assert!(late.text().contains("has run out"));
    // Somebody else's partner does not exist for this employee.
    let other = house.person("otto@muster.example");
    house.run(house.directory.set_contact(petra.id, other.id, &Actor::System));
    let emma = house.logged_in("emma@muster.example", "en");
    let page = emma.get("/partners");
    assert_eq!(emma.submit(&page, "/partners/password", &[("partner", &petra.id.to_string())]).status, 404);
    assert!(house.run(house.directory.person_at(&address("petra@partner.example"))).unwrap().roles.has(Role::Partner));
}

#[test]
fn t_101_a_log_in_never_leads_elsewhere() {
    let house = House::open();
    for (next, expected) in [
        ("/keys", "/keys"),
        ("//evil.example", "/inbox"),
        ("https://evil.example/", "/inbox"),
        ("/%0d%0aX:y", "/inbox"),
    ] {
        let browser = house.browser("de");
        let page = browser.get(&format!("/login?next={next}"));
        let fields = [("address", "petra@partner.example"), ("password", PASSWORD)];
        let page = browser.submit(&page, &format!("/login?next={next}"), &fields);
        assert_eq!((page.status, page.location.as_str()), (303, expected), "{next}");
    }
}

#[test]
fn t_101_whoever_logs_in_gets_what_was_asked_for() {
    let house = House::open();
    let browser = house.browser("de");
    let asked = browser.get("/keys?what=second-factor&x=%3Ca..b%40c%3E");
    assert_eq!(asked.location, "/login?next=/keys%3Fwhat%3Dsecond-factor%26x%3D%253Ca..b%2540c%253E");
    let page = browser.get(&asked.location);
    let action = page.html.split("method=\"post\" action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = browser.submit(&page, &action, &[("address", "petra@partner.example"), ("password", PASSWORD)]);
    assert_eq!(page.location, "/keys?what=second-factor&x=%3Ca..b%40c%3E");
}

#[test]
fn t_105_a_first_password_is_right_however_it_was_typed() {
    let house = House::open();
    let emma = house.logged_in("emma@muster.example", "de");
    let petra = house.person("petra@partner.example").id.to_string();
    let given = emma.submit(&emma.get("/partners"), "/partners/password", &[("partner", &petra)]);
    let is_it = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    let text = given.text();
    let password = text.split_whitespace().find(is_it).unwrap();
    let typed =
        [password.to_uppercase(), password.replace('-', ""), format!("{password} "), password.replace('-', " ")];
    for typed in typed {
        assert_eq!(try_log_in(&house, "petra@partner.example", &typed).location, "/password", "{typed}");
    }
    let wrong = format!("{}x", &password[..18]);
    assert!(wrong == password || try_log_in(&house, "petra@partner.example", &wrong).status == 403);
    // An own password is right as it is alone.
    assert_eq!(try_log_in(&house, "emma@muster.example", &PASSWORD.to_uppercase()).status, 403);
    assert_eq!(try_log_in(&house, "emma@muster.example", &format!("{PASSWORD} ")).status, 403);
}

#[test]
fn whoever_invites_twice_gets_to_a_password_all_the_same() {
    let house = House::open();
    let emma = house.logged_in("emma@muster.example", "en");
    let form = emma.get("/partners/invite");
    let fields = [("name", "Jan"), ("address", "jan@partner.example"), ("language", "en")];
    assert_eq!(emma.submit(&form, "/partners/invite", &fields).status, 200);
    let second = emma.submit(&form, "/partners/invite", &fields);
    assert_eq!(second.status, 409);
    assert!(second.text().contains("You have invited Jan already"), "{}", second.text());
    let jan = house.person("jan@partner.example").id.to_string();
    assert!(second.html.contains(&format!("name=\"partner\" value=\"{jan}\"")), "{}", second.html);
    assert_eq!(emma.submit(&second, "/partners/password", &[("partner", &jan)]).status, 200);
    // Of somebody who has logged in, or is somebody else's, nothing is said but that there is one.
    let known = emma.submit(&form, "/partners/invite", &[("name", "P"), ("address", "petra@partner.example")]);
    assert!(known.status == 409 && !known.html.contains("name=\"partner\""), "{}", known.html);
}

#[test]
fn a_partner_whose_contact_person_left_gets_another() {
    let house = House::open();
    let petra = house.person("petra@partner.example").id;
    let oskar = house.logged_in("oskar@muster.example", "en");
    let path = format!("/people/{petra}");
    let page = oskar.get(&path);
    assert!(page.html.contains("Emma Muster &#60;emma@muster.example&#62;"), "{}", page.html);
    for wrong in ["nobody@muster.example", "paul@partner.example", "anna@muster.example", "x"] {
        assert_eq!(oskar.submit(&page, &format!("{path}/contact"), &[("contact", wrong)]).status, 422, "{wrong}");
    }
    let nora = directory::NewPerson {
        address: address("nora@muster.example"),
        name: "Nora Neu".into(),
        company: None,
        language: directory::Language::German,
        roles: directory::Roles::of([Role::Employee]),
        contact: None,
    };
    let nora = house.run(house.directory.add_person(nora, &Actor::System));
    let saved = oskar.submit(&page, &format!("{path}/contact"), &[("contact", "nora@muster.example")]);
    assert_eq!((saved.status, saved.location.as_str()), (303, path.as_str()));
    assert_eq!(house.person("petra@partner.example").contact, Some(nora.id));
    // Nobody inside has one.
    let emma = house.person("emma@muster.example").id;
    let form = [("contact", "nora@muster.example")];
    assert_eq!(oskar.submit(&page, &format!("/people/{emma}/contact"), &form).status, 404);
    // And who invites has to say where the mail goes.
    let browser = house.logged_in("emma@muster.example", "en");
    let form = browser.get("/partners/invite");
    assert_eq!(browser.submit(&form, "/partners/invite", &[("name", "A"), ("address", "a@b")]).status, 422);
}

//! Running the house: its certificates, incidents, people, settings, figures.

use directory::{Actor, KeyRing, KeyUse, MasterKey, Role, Trace};
use serde_json::json;
use testkit::TestPki;

use crate::house::{House, PASSWORD, address, certificate};

fn with_key(house: &House, at: &str) -> testkit::Person {
    let person = certificate(at);
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    let chain = [TestPki::shared().ca().certificate().clone()];
    let owner = house.person(at).id;
    house.run(ring.import(owner, &person.pkcs8, person.certificate(), &chain, KeyUse::Both, &Actor::System));
    person
}

#[test]
fn the_certificates_of_the_house_are_shown_and_what_ends_soon_first() {
    let house = House::open();
    let key = with_key(&house, "emma@muster.example");
    let petra = certificate("petra@partner.example");
    let request = house.submit(&petra, "petra@partner.example");
    let token = house.token(&petra);
    house.run(house.directory.confirm(&token));
    let otto = house.person("otto@muster.example").id;
    house.run(house.directory.approve(request.id(), &request.fingerprint(), otto, ""));
    let anna = house.logged_in("anna@muster.example", "de");
    let text = anna.get("/house").text();
    assert!(text.contains("endet kein Zertifikat des Hauses") && text.contains("emma@"), "{text}");
    assert!(!text.contains("petra@"), "{text}");
    assert!(!anna.get("/house?address=otto%40muster.example").text().contains("emma@"));
    assert_eq!(anna.get("/house?address=x").status, 422);

    let end = key.certificate().validity().not_after;
    house.clock.set(end.plus_days(-10));
    let text = house.logged_in("oskar@muster.example", "en").get("/house").text();
    assert!(text.contains("10 days left") && text.contains("order a new certificate"), "{text}");
    assert!(text.contains("certificates that end within 30 days") && text.contains("petra@"), "{text}");
}

#[test]
fn an_incident_is_opened_by_an_officer_for_what_it_names() {
    let house = House::open();
    let key = with_key(&house, "emma@muster.example");
    let otto = house.logged_in("otto@muster.example", "en");
    let page = otto.get("/house/incidents");
    let serial = key.certificate().serial().to_string();
    let fields = [("name", "Leak <1>"), ("serials", serial.as_str()), ("hours", "24"), ("per_hour", "10")];
    for (field, value) in [("name", ""), ("serials", ""), ("serials", "xyz"), ("serials", "abcdef"), ("hours", "0")] {
        let fields = fields.map(|(name, old)| (name, if name == field { value } else { old }));
        assert_eq!(otto.submit(&page, "/house/incidents", &fields).status, 422, "{field}={value}");
    }
    assert!(house.run(house.directory.incidents()).is_empty());
    let done = otto.submit(&page, "/house/incidents", &fields);
    assert_eq!((done.status, done.location.as_str()), (303, "/house/incidents"), "{}", done.html);
    let shown = house.logged_in("anna@muster.example", "en").get("/house/incidents");
    assert!(shown.html.contains("Leak &#60;1&#62;") && shown.text().contains("emma@muster.example"), "{}", shown.html);
    assert!(!shown.html.contains("action=\"/house/incidents\""), "an auditor opens none");
}

#[test]
fn t_106_an_operator_adds_people_and_shows_the_first_password_once() {
    let house = House::open();
    let oskar = house.logged_in("oskar@muster.example", "en");
    let page = oskar.get("/people/add");
    let at = "nina@muster.example";
    let fields = [("name", "Nina Neu"), ("address", at), ("language", "de"), ("role", "employee"), ("role", "auditor")];
    assert_eq!(oskar.submit(&page, "/people/add", &fields[..3]).status, 422, "without a role");
    let outside = fields.map(|(name, value)| (name, if name == "address" { "x@partner.example" } else { value }));
    assert_eq!(oskar.submit(&page, "/people/add", &outside).status, 422);
    let added = oskar.submit(&page, "/people/add", &fields);
    assert_eq!((added.status, added.header("cache-control")), (200, "no-store"), "{}", added.html);
    let (_, rest) = added.html.split_once("<output id=\"first-password\">").unwrap();
    let first = rest.split_once("</output>").unwrap().0.to_owned();
    assert_eq!(oskar.submit(&page, "/people/add", &fields).status, 409, "known already");
    let nina = house.person(at);
    assert!(nina.roles.has(Role::Employee) && nina.roles.has(Role::Auditor) && !nina.roles.has(Role::Operator));
    assert!(!oskar.get(&format!("/people/{}", nina.id)).html.contains(&first));
    let browser = house.browser("de");
    let form = browser.get("/login");
    let page = browser.submit(&form, "/login", &[("address", at), ("password", &first)]);
    assert_eq!((page.status, page.location.as_str()), (303, "/password"));

    // Roles, groups, and the end.
    let path = format!("/people/{}", nina.id);
    let page = oskar.get(&path);
    assert_eq!(oskar.submit(&page, &format!("{path}/roles"), &[("role", "partner")]).status, 422, "none of the house");
    assert_eq!(oskar.submit(&page, &format!("{path}/roles"), &[("role", "officer")]).status, 303);
    assert!(house.person(at).roles.has(Role::Officer) && !house.person(at).roles.has(Role::Auditor));
    assert_eq!(oskar.submit(&page, &format!("{path}/groups"), &[("add", "<b>")]).status, 422);
    assert_eq!(oskar.submit(&page, &format!("{path}/groups"), &[("add", "legal team")]).status, 303);
    assert!(oskar.get("/people?role=officer").text().contains("legal team"));
    assert_eq!(oskar.submit(&page, &format!("{path}/groups"), &[("remove", "legal team")]).status, 303);
    assert!(house.run(house.directory.groups_of(nina.id)).is_empty());
    assert_eq!(oskar.submit(&page, &format!("{path}/deactivate"), &[]).status, 303);
    assert!(!house.person(at).active);
    assert_eq!(oskar.submit(&page, &format!("{path}/roles"), &[("role", "officer")]).status, 409, "it is over");
    house.run(house.directory.verify_audit());
}

#[test]
fn t_106_nobody_changes_oneself_and_an_auditor_changes_nobody() {
    let house = House::open();
    let (oskar, own) = (house.logged_in("oskar@muster.example", "en"), house.person("oskar@muster.example").id);
    let page = oskar.get(&format!("/people/{own}"));
    assert!(!page.html.contains("/roles\""), "no form for oneself");
    let tries: [(&str, &[(&str, &str)]); 3] =
        [("roles", &[("role", "officer")]), ("deactivate", &[]), ("groups", &[("add", "x")])];
    for (what, fields) in tries {
        assert_eq!(oskar.submit(&page, &format!("/people/{own}/{what}"), fields).status, 409, "{what}");
    }
    let petra = house.person("petra@partner.example").id;
    assert_eq!(oskar.submit(&page, &format!("/people/{petra}/password"), &[]).status, 404, "that is Emma's to do");
    assert_eq!(oskar.submit(&page, &format!("/people/{petra}/roles"), &[("role", "officer")]).status, 404);
    let anna = house.logged_in("anna@muster.example", "de");
    let page = anna.get(&format!("/people/{petra}"));
    assert!(page.status == 200 && !page.html.contains("/deactivate"));
    assert!(anna.get("/people?role=partner").text().contains("Petra Partner"));
    assert!(!page.html.contains(PASSWORD));
}

#[test]
fn settings_and_figures_are_shown() {
    let house = House::open();
    let detail = |action: &str| json!({ "direction": "outward", "action": action });
    for (action, count) in [("sign and encrypt", 3), ("hold", 1), ("clear", 2)] {
        let one = Trace {
            queue_ids: [None, None],
            message_id: "<1@x.example>".into(),
            sender: None,
            recipient: address("petra@partner.example"),
            at: testkit::now(),
            detail: detail(action),
        };
        house.run(house.directory.add_traces(&vec![one; count]));
    }
    house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    for (language, words) in [("de", ["24.11.", "0 von 2 Partnern"]), ("en", ["24 Nov", "0 of 2 partners"])] {
        let anna = house.logged_in("anna@muster.example", language);
        let page = anna.get("/numbers");
        for word in words {
            assert!(page.text().contains(word), "{word}: {}", page.text());
        }
        let figures = |row: &str| page.html.split_once(row).unwrap().1.split_once("</tr>").unwrap().0.to_owned();
        let day = figures(&format!("<th scope=\"row\">{}</th>", words[0]));
        assert_eq!(day.matches("<td class=\"number\">3</td>").count(), 2, "{day}");
        assert_eq!(day.matches("<td class=\"number\">1</td>").count(), 1, "{day}");
        let settings = anna.get("/settings").text();
        assert!(settings.contains("[organisation]") && settings.contains("Muster GmbH"), "{settings}");
    }
}

#[test]
fn the_share_of_partners_with_a_certificate_is_drawn_over_time() {
    let house = House::open();
    let text = house.logged_in("anna@muster.example", "en").get("/numbers").text();
    assert!(text.contains("From tomorrow on there is a curve here"), "{text}");
    // Kept by the clock, once a day.
    for days in [-21, -14, -14, -13] {
        house.clock.set(testkit::now().plus_days(days));
        house.run(house.directory.run_schedule("test"));
        house.clock.advance_seconds(3600);
        house.run(house.directory.run_schedule("test"));
    }
    house.clock.set(testkit::now());
    let kept = house.run(house.directory.shares(testkit::now().plus_days(-30)));
    assert_eq!(kept.iter().map(|share| (share.partners, share.with_certificate)).collect::<Vec<_>>(), [(2, 0); 3]);
    let petra = certificate("petra@partner.example");
    let request = house.submit(&petra, "petra@partner.example");
    house.run(house.directory.confirm(&house.token(&petra)));
    let otto = house.person("otto@muster.example").id;
    house.run(house.directory.approve(request.id(), &request.fingerprint(), otto, ""));
    for (language, words, dates) in [
        ("de", "Anteil im Lauf der Zeit", ["3.11.", "10.11.", "24.11."]),
        ("en", "The share over time", ["3 Nov", "10 Nov", "24 Nov"]),
    ] {
        let page = house.logged_in("anna@muster.example", language).get("/numbers");
        assert!(page.text().contains(words) && page.text().contains("50 %"), "{}", page.text());
        // One point a week, at its share, and where its day is: a week without figures leaves a gap.
        assert!(page.html.contains("class=\"curve\" d=\"M56 162L269 162L696 87\""), "{}", page.html);
        for date in dates {
            assert!(page.html.contains(&format!("<th scope=\"row\">{date}</th>")), "{date}");
        }
    }
}

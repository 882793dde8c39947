//! WCAG 2.2 AA: axe-core finds nothing on any page of the route table, in both languages and both themes, and no page
//! has to be moved sideways on a telephone.

use directory::{Actor, KeyRing, KeyUse, MasterKey, NewPasskey, Role, Trace};
use portal::{Access, routes};
use serde_json::{Value, json};
use testkit::TestPki;

use crate::chromium::{Chromium, ENTER, TAB, Theme};
use crate::house::{House, PASSWORD, address, certificate};
use crate::messages::deliver;

/// axe-core 4.14.1 (MPL-2.0, see the licence beside it), run here and part of nothing that is shipped.
const AXE: &str = include_str!("axe/axe.min.js");

/// What is fetched, not looked at.
const FILES: [&str; 7] = [
    "/assets/{file}",
    "/ca/{*file}",
    "/me/export",
    "/keys/certificate/{file}",
    "/messages/{id}/html",
    "/messages/{id}/attachments/{number}",
    "/contacts/{file}",
];

/// Pages that the table has once and people see in several ways.
const WAYS: [(&str, Option<Role>); 10] = [
    ("/nowhere", None),
    ("/keys?what=password", Some(Role::Partner)),
    ("/keys?what=second-factor", Some(Role::Partner)),
    ("/inbox?folder=sent", Some(Role::Partner)),
    ("/board?state=confirmed", Some(Role::Officer)),
    ("/board?q=nobody", Some(Role::Officer)),
    ("/board/audit?verify=yes", Some(Role::Officer)),
    ("/trace?address=petra%40partner.example", Some(Role::Officer)),
    ("/house?address=x", Some(Role::Officer)),
    ("/people?role=partner", Some(Role::Operator)),
];

#[test]
fn no_page_has_a_barrier() {
    let house = furnished();
    let list = crate::packs::list_of(&TestPki::new());
    let olga = house.person("olga@muster.example").id;
    let list = house.run(house.directory.propose_pack(&list, "Verband", olga, "am Telefon verglichen"));
    let request = house.submit(&certificate("paul@partner.example"), "paul@partner.example");
    let petra = certificate("petra@partner.example");
    house.submit(&petra, "petra@partner.example");
    let token = house.token(&petra);
    let html = "From: emma@muster.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Guten Tag</p>";
    let message = deliver(&house, html, "Angebot");
    let person = house.person("emma@muster.example").id.to_string();

    let mut pages: Vec<(Option<Role>, String)> = Vec::new();
    for route in routes().into_iter().filter(|route| route.method == "GET" && !FILES.contains(&route.path)) {
        // Programs read those.
        if route.path.starts_with("/api") || matches!(route.access, Access::Token { .. }) {
            continue;
        }
        let id = match route.path {
            path if path.starts_with("/messages/") => message.clone(),
            path if path.starts_with("/board/requests/") => request.id().to_string(),
            path if path.starts_with("/board/packs/") => list.sha256().to_owned(),
            _ => person.clone(),
        };
        let path = route.path.replace("{id}", &id).replace("{token}", &token);
        assert!(!path.contains('{'), "{path}: say here what stands there, or that it is no page");
        let who = match route.access {
            Access::Anyone | Access::Token { .. } => None,
            Access::Roles(roles) => roles.first().copied(),
            Access::SignedIn | Access::BeforePassword | Access::BeforeSecondFactor => Some(Role::Partner),
        };
        pages.push((who, path));
    }
    assert!(pages.len() > 25, "{}", pages.len());
    pages.extend(WAYS.iter().map(|(path, who)| (*who, (*path).to_owned())));
    pages.sort_by_key(|(who, _)| who.map(|role| role.name()));

    let browser = Chromium::open(&house.base());
    // A search that finds nothing may be none.
    browser.get("/?lang=de");
    browser.script("document.querySelector('main').append(document.createElement('input'))", json!([]));
    let mut found = Vec::new();
    look(&browser, "with a barrier", "de", &mut found);
    assert!(found.iter().any(|one| one.contains("label")), "{found:?}");
    found.clear();
    let mut now = None;
    for (who, path) in pages {
        if let Some(role) = who.filter(|_| who != now) {
            house.clock.advance_seconds(301);
            log_in(&browser, role);
            if role == Role::Partner {
                // Only now, for it would be asked for.
                let new = NewPasskey { name: "Telefon", credential: &[1; 16], key: &[], sign_count: 0 };
                let petra = house.person("petra@partner.example").id;
                house.run(house.directory.add_passkey(petra, &new, &[], &Actor::System));
            }
        }
        now = who;
        for language in ["de", "en"] {
            let mark = if path.contains('?') { '&' } else { '?' };
            browser.get(&format!("{path}{mark}lang={language}"));
            look(&browser, &path, language, &mut found);
        }
    }
    // Forms that were filled in wrongly, and what is shown once.
    house.clock.advance_seconds(301);
    log_in(&browser, Role::Employee);
    browser.get("/partners/invite?lang=de");
    browser.fill("#name", "Nora");
    browser.fill("#address", "emma@muster.example");
    browser.click("main form button.primary");
    browser.wait_for_status(422);
    look(&browser, "/partners/invite, wrong", "de", &mut found);
    browser.fill("#address", "nora@kanzlei.example");
    browser.click("main form button.primary");
    browser.wait_for_status(200);
    look(&browser, "/partners/invite, done", "de", &mut found);
    browser.forget();
    browser.get("/login?lang=de");
    browser.press(&format!("nora@kanzlei.example{TAB}wrong{ENTER}"));
    browser.wait_for_status(403);
    look(&browser, "/login, wrong", "de", &mut found);
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

fn log_in(browser: &Chromium, role: Role) {
    let at = match role {
        Role::Partner => "petra@partner.example",
        Role::Employee => "emma@muster.example",
        Role::Officer => "otto@muster.example",
        Role::Auditor => "anna@muster.example",
        Role::Operator => "oskar@muster.example",
    };
    browser.forget();
    browser.get("/login");
    browser.press(&format!("{at}{TAB}{PASSWORD}{ENTER}"));
    browser.wait_for_selector("form[action='/logout']");
}

/// What stands in the way on the page that is open, in both themes and on a telephone.
fn look(browser: &Chromium, page: &str, language: &str, found: &mut Vec<String>) {
    assert_ne!(browser.status(), 500, "{page}");
    let lang = browser.script("return document.documentElement.lang", json!([]));
    if lang != language {
        found.push(format!("{page} {language}: the page says that it is in {lang}"));
    }
    browser.script(AXE, json!([]));
    // What is folded up is looked at as well.
    browser.script("document.querySelectorAll('details').forEach(one => one.open = true)", json!([]));
    for theme in [Theme::Light, Theme::Dark] {
        browser.show(theme, 1280);
        let script = "const done = arguments[arguments.length - 1]; \
            axe.run(document, { iframes: false, resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', \
            'wcag21aa', 'wcag22aa'] }).then(result => done(result.violations), error => done(String(error)))";
        match browser.script_later(script, json!([])) {
            Value::Array(violations) => {
                for violation in violations {
                    for node in violation["nodes"].as_array().into_iter().flatten().take(3) {
                        let (rule, target) = (&violation["id"], &node["target"]);
                        let why = node["failureSummary"].as_str().unwrap_or_default().replace('\n', " ");
                        found.push(format!("{page} {language} {theme:?}: {rule} {target} {why}"));
                    }
                }
            }
            other => found.push(format!("{page} {language} {theme:?}: {other}")),
        }
    }
    browser.show(Theme::Light, 390);
    let width = browser.script("return document.documentElement.scrollWidth", json!([]));
    if width.as_u64().is_none_or(|width| width > 390) {
        found.push(format!("{page} {language}: {width} wide on a telephone"));
    }
    browser.show(Theme::Light, 1280);
}

/// With something to see on every page.
fn furnished() -> House {
    let house = House::with("http://portal.localhost", |settings| settings.passkey_log_in = true);
    let emma = house.person("emma@muster.example").id;
    let key = certificate("emma@muster.example");
    let chain = [TestPki::shared().ca().certificate().clone()];
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    house.run(ring.import(emma, &key.pkcs8, key.certificate(), &chain, KeyUse::Both, &Actor::System));
    house.run(house.directory.add_to_group("legal", emma, &Actor::System));
    let trace = Trace {
        message_id: "<1@x.example>".into(),
        sender: Some(address("emma@muster.example")),
        recipient: address("petra@partner.example"),
        queue_ids: [None, None],
        at: testkit::now(),
        detail: json!({ "direction": "outward", "action": "sign and encrypt" }),
    };
    house.run(house.directory.add_traces(&[trace]));
    // Somebody whose CA nobody knows.
    let stranger = TestPki::new();
    let ulla = stranger.person("ulla@unbekannt.example", crypto::KeyKind::P256);
    let mut submission = directory::Submission::new(
        address("ulla@unbekannt.example"),
        ulla.certificate().clone(),
        directory::Origin::IntakeMail,
        Actor::Mail(address("ulla@unbekannt.example")),
    );
    submission.intermediates = vec![stranger.ca().certificate().clone(), stranger.root().certificate().clone()];
    house.run(house.directory.submit(submission));
    house
}

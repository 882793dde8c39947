//! The flows in a real browser, with the keyboard alone where people need it, in both languages.

use directory::{Actor, KeyRing, KeyUse, MasterKey, State};
use testkit::TestPki;

use crate::chromium::{Chromium, DOWN, ENTER, SPACE, TAB, UP};
use crate::house::{House, PASSWORD, address, certificate};
use crate::messages::deliver;

struct Words {
    language: &'static str,
    steps: &'static str,
    clock: &'static str,
    thanks: &'static str,
    approved: &'static str,
    active: &'static str,
    asked: &'static str,
    refused: &'static str,
    sent: &'static str,
    log_out: &'static str,
}

const GERMAN: Words = Words {
    language: "de",
    steps: "In drei Schritten",
    clock: "noch 7 Tage",
    thanks: "Vielen Dank",
    approved: "Freigegeben und eingerichtet",
    active: "Eingerichtet",
    asked: "Ihre Frage ist unterwegs",
    refused: "Abgelehnt. Der Partner sieht die Begründung.",
    sent: "Gesendet",
    log_out: "Abmelden",
};
const ENGLISH: Words = Words {
    language: "en",
    steps: "In three steps",
    clock: "7 days left",
    thanks: "Thank you",
    approved: "Approved and in use",
    active: "In use",
    asked: "Your question is on its way",
    refused: "Refused. The partner sees the reason.",
    sent: "Sent",
    log_out: "Log out",
};

#[test]
fn in_a_browser_f1_f3_f4_from_the_how_to_page_to_the_certificate_in_use_in_german() {
    from_the_how_to_page_to_the_certificate_in_use(&GERMAN);
}

#[test]
fn in_a_browser_f1_f3_f4_from_the_how_to_page_to_the_certificate_in_use_in_english() {
    from_the_how_to_page_to_the_certificate_in_use(&ENGLISH);
}

#[test]
fn in_a_browser_f5_f8_messages_contacts_board_and_roles_in_german() {
    messages_contacts_board_and_roles(&GERMAN);
}

#[test]
fn in_a_browser_f5_f8_messages_contacts_board_and_roles_in_english() {
    messages_contacts_board_and_roles(&ENGLISH);
}

/// With the keyboard alone: the address has the focus.
fn log_in(browser: &Chromium, words: &Words, at: &str, password: &str) {
    browser.forget();
    browser.get(&format!("/login?lang={}", words.language));
    browser.tab_to("#address");
    browser.press(&format!("{at}{TAB}{password}{ENTER}"));
}

fn from_the_how_to_page_to_the_certificate_in_use(words: &Words) {
    let house = House::open();
    let browser = Chromium::open(&house.base());
    let at = "nora@kanzlei.example";

    // F1: the language is chosen, the content is one key away, a guide unfolds.
    let other = if words.language == "de" { "en" } else { "de" };
    browser.get(&format!("/?lang={other}"));
    browser.click(&format!(".languages a[lang={}]", words.language));
    browser.wait_for(words.steps);
    browser.press(TAB);
    assert!(browser.script("return document.activeElement.matches('.skip')", serde_json::json!([])) == true);
    browser.press(ENTER);
    browser.wait_for_selector("#main:focus");
    browser.tab_to(".guide summary");
    assert!(!browser.has(".guide[open]"));
    browser.press(ENTER);
    browser.wait_for_selector(".guide[open] .drawing");
    for expected in ["Muster GmbH", "emailzertifikat@muster.example", "Muster CA"] {
        browser.wait_for(expected);
    }

    // An employee invites.
    log_in(&browser, words, "emma@muster.example", PASSWORD);
    browser.wait_for_path("/partners");
    browser.click("main a[href='/partners/invite']");
    browser.fill("#name", "Nora Neu");
    browser.fill("#address", at);
    browser.click(&format!("#language option[value={}]", words.language));
    browser.click("main form button.primary");
    browser.wait_for(at);
    let first = browser.words("#first-password");
    assert_eq!(first.len(), 19, "{}", browser.text());
    browser.click("form[action='/logout'] button");
    browser.wait_for_path("/login");

    // F3: the partner logs in, chooses an own password and sends the certificate in, without a mouse.
    log_in(&browser, words, at, &first);
    browser.wait_for_path("/password");
    let own = "lauter lose Silben 7";
    browser.tab_to("#password");
    browser.press(&format!("{own}{TAB}{own}{ENTER}"));
    browser.wait_for_path("/inbox");
    browser.tab_to("nav.sections a[href='/keys']");
    browser.press(ENTER);
    browser.wait_for_path("/keys");
    browser.tab_to("#what");
    browser.press(DOWN);
    browser.press(UP);
    browser.tab_to(".picker button");
    browser.press(ENTER);
    let key = certificate(at);
    let file = house.folder().join("nora.pem");
    let chain = TestPki::shared().ca().certificate().to_pem();
    std::fs::write(&file, format!("{}{chain}", key.certificate().to_pem())).unwrap();
    browser.tab_to("#certificate");
    browser.fill("#certificate", file.to_str().unwrap());
    browser.tab_to("form[action='/keys/upload'] button");
    browser.press(ENTER);
    browser.wait_for("nora.pem");
    browser.wait_for(words.clock);
    let pairs: Vec<String> = key.certificate().sha256().as_bytes().iter().map(|octet| format!("{octet:02X}")).collect();
    browser.wait_for(&pairs.join(" "));

    // F4: the link out of the encrypted mail, an officer, and it is set up.
    let token = house.token(&key);
    browser.forget();
    browser.get(&format!("/confirm/{token}?lang={}", words.language));
    browser.tab_to("main form button");
    browser.press(ENTER);
    browser.wait_for(words.thanks);
    log_in(&browser, words, "otto@muster.example", PASSWORD);
    browser.wait_for_path("/board");
    browser.click("main a.row-link");
    browser.wait_for(&pairs.join(" "));
    browser.tab_to("form[action$='/approve'] button");
    browser.press(ENTER);
    browser.wait_for(words.approved);
    assert_eq!(house.run(house.directory.active_certificates(&address(at))).len(), 1);
    log_in(&browser, words, at, own);
    browser.wait_for_path("/inbox");
    browser.get("/keys");
    browser.wait_for(words.active);
}

fn messages_contacts_board_and_roles(words: &Words) {
    let house = House::open();
    let emma = house.person("emma@muster.example").id;
    let key = certificate("emma@muster.example");
    let chain = [TestPki::shared().ca().certificate().clone()];
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    house.run(ring.import(emma, &key.pkcs8, key.certificate(), &chain, KeyUse::Both, &Actor::System));
    let mail = "From: emma@muster.example\r\nContent-Type: text/plain\r\n\r\nAnbei der Entwurf.\r\n";
    deliver(&house, mail, "Vertragsentwurf 17");
    let request = house.submit(&certificate("paul@partner.example"), "paul@partner.example");
    house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let browser = Chromium::open(&house.base());

    // F8: read and answer.
    log_in(&browser, words, "petra@partner.example", PASSWORD);
    browser.wait_for_path("/inbox");
    browser.tab_to(".mails a");
    browser.press(ENTER);
    browser.wait_for("Anbei der Entwurf.");
    browser.tab_to("a[href$='/reply']");
    browser.press(ENTER);
    browser.fill("#text", "Einverstanden.");
    browser.tab_to("main form button.primary");
    browser.press(ENTER);
    browser.wait_for_path("/inbox");
    browser.wait_for(words.sent);
    browser.wait_for("Re: Vertragsentwurf 17");

    // F5: the employee's certificate to take along.
    browser.get("/contacts");
    browser.wait_for("Emma Muster");
    assert!(browser.has(&format!("[data-sha256='{}']", key.certificate().sha256().to_hex())));
    let link = browser
        .script("return document.querySelector('a[href$=\".cer\"]').getAttribute('href')", serde_json::json!([]));
    let cookies = browser.cookies();
    let file = house.browser("de").get_with(link.as_str().unwrap(), &[("Cookie", cookies.as_str())]);
    assert_eq!(file.octets, key.certificate().der());

    // Board: found, asked about, refused.
    log_in(&browser, words, "otto@muster.example", PASSWORD);
    browser.wait_for_path("/board");
    browser.wait_for("petra@partner.example");
    browser.tab_to("#q");
    browser.press(&format!("paul{ENTER}"));
    browser.wait_until_gone("petra@partner.example");
    browser.wait_for("paul@partner.example");
    browser.click("main a.row-link");
    browser.fill("#question", "Sind Sie das?");
    browser.click("form[action$='/ask'] button");
    browser.wait_for(words.asked);
    browser.fill("#reason", "Nicht von ihm.");
    browser.click("form[action$='/refuse'] button");
    browser.wait_for(words.refused);
    assert_eq!(house.run(house.directory.request(request.id())).unwrap().state(), State::Refused);

    // Everybody sees what is theirs, and is told that the rest is not (T-106).
    let people = [
        ("petra@partner.example", "/inbox", "/board"),
        ("emma@muster.example", "/partners", "/board"),
        ("otto@muster.example", "/house/incidents", "/people"),
        ("anna@muster.example", "/settings", "/people/add"),
        ("oskar@muster.example", "/people/add", "/inbox"),
    ];
    for (at, own, foreign) in people {
        // Each has tried once, from one network.
        house.clock.advance_seconds(301);
        log_in(&browser, words, at, PASSWORD);
        browser.wait_for(words.log_out);
        browser.get(own);
        assert_eq!((browser.status(), browser.path().as_str()), (200, own), "{at}");
        browser.get(foreign);
        assert_eq!(browser.status(), 403, "{at}: {foreign}");
        browser.tab_to("main a, nav.sections a");
    }
    // What is ticked with the space bar counts.
    house.clock.advance_seconds(301);
    log_in(&browser, words, "oskar@muster.example", PASSWORD);
    browser.wait_for(words.log_out);
    browser.get("/people/add");
    browser.fill("#name", "Nina Neu");
    browser.fill("#address", "nina@muster.example");
    browser.tab_to("input[name=role][value=auditor]");
    browser.press(SPACE);
    browser.tab_to("main form button.primary");
    browser.press(ENTER);
    browser.wait_for("Nina Neu");
    assert_eq!(browser.words("#first-password").len(), 19, "{}", browser.text());
    assert!(house.person("nina@muster.example").roles.has(directory::Role::Auditor));
}

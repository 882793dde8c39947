//! F3 and F4 from the invitation to the certificate in use, in both languages.

use directory::State;
use testkit::TestPki;

use crate::house::{House, address, certificate};

#[test]
fn f3_f4_from_the_invitation_to_the_certificate_in_use_in_german() {
    whole_way("de", "de", "Eingerichtet spätestens am 1. Dezember 2026, noch 7 Tage", "Angenommen", "Vielen Dank");
}

#[test]
fn f3_f4_from_the_invitation_to_the_certificate_in_use_in_english() {
    whole_way("en", "en", "Set up by 1 December 2026 at the latest, 7 days left", "Taken in", "Thank you");
}

fn whole_way(language: &'static str, code: &str, clock: &str, taken: &str, thanks: &str) {
    let house = House::open();
    let (at, own) = ("nora@kanzlei.example", "lauter lose Silben 7");

    // An employee invites; the password is shown once.
    let emma = house.logged_in("emma@muster.example", language);
    let form = emma.get("/partners/invite");
    let fields = [("name", "Nora Neu"), ("address", at), ("language", code), ("company", "Kanzlei Neu")];
    let invited = emma.submit(&form, "/partners/invite", &fields);
    assert_eq!(invited.status, 200, "{}", invited.html);
    assert_eq!(invited.header("cache-control"), "no-store");
    let (_, rest) = invited.html.split_once("<output id=\"first-password\">").unwrap();
    let (first, _) = rest.split_once("</output>").unwrap();
    assert_eq!(first.len(), 19);
    assert!(invited.text().contains("http://portal.example/login"), "the letter names the webmailer");
    let list = emma.get("/partners");
    assert!(list.text().contains("Nora Neu") && !list.html.contains(first));

    // The partner logs in, and can do nothing before the password is changed.
    let nora = house.browser(language);
    let page = nora.get("/login");
    let page = nora.submit(&page, "/login", &[("address", at), ("password", first)]);
    assert_eq!((page.status, page.location.as_str()), (303, "/password"));
    assert_eq!(nora.get("/keys").location, "/password");
    let page = nora.get("/password");
    assert_eq!(nora.submit(&page, "/password", &[("password", "kurz"), ("repeat", "kurz")]).status, 422);
    assert_eq!(nora.submit(&page, "/password", &[("password", first), ("repeat", first)]).status, 422);
    let page = nora.submit(&page, "/password", &[("password", own), ("repeat", own)]);
    assert_eq!(page.status, 303, "{}", page.html);
    assert_eq!(nora.get("/keys").status, 200, "the session goes on with a new cookie");

    // Upload: fingerprint, validity, state, clock.
    let key = certificate(at);
    let chain = TestPki::shared().ca().certificate().to_pem();
    let file = format!("{}{chain}", key.certificate().to_pem());
    let page = nora.get("/keys?what=smime");
    assert!(page.html.contains("<select id=\"what\" name=\"what\">"));
    let sent = nora.upload(&page, "/keys/upload", &[], &[("nora.pem", file.as_bytes())]);
    assert_eq!((sent.status, sent.location.as_str()), (303, "/keys?what=smime"), "{}", sent.html);
    let page = nora.get("/keys?what=smime");
    let text = page.text();
    for expected in [clock, taken, "nora.pem"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let pairs: Vec<String> = key.certificate().sha256().as_bytes().iter().map(|octet| format!("{octet:02X}")).collect();
    assert!(text.contains(&pairs.join(" ")), "the fingerprint is shown in groups: {text}");
    assert!(!nora.get("/keys?what=smime").text().contains("nora.pem"), "the answer is shown once");

    // The link out of the encrypted mail: looking changes nothing (T-63), and takes no log-in.
    let token = house.token(&key);
    let anybody = house.browser(language);
    let path = format!("/confirm/{token}");
    let state = || house.run(house.directory.requests(&directory::RequestFilter::For(address(at)), 1))[0].state();
    for _ in 0..3 {
        assert_eq!(anybody.get(&path).status, 200);
    }
    assert_eq!(state(), State::Checked);
    let page = anybody.get(&path);
    let done = anybody.submit(&page, &path, &[]);
    assert_eq!(done.status, 303, "{}", done.html);
    assert_eq!(state(), State::Confirmed);
    let shown = anybody.get(&done.location).text();
    assert!(shown.contains(thanks), "{shown}");
    assert_eq!(anybody.submit(&page, &path, &[]).status, 410, "a link works once (T-105)");

    // An officer approves.
    let otto = house.logged_in("otto@muster.example", language);
    let request = house.run(house.directory.requests(&directory::RequestFilter::For(address(at)), 1)).remove(0);
    let board = otto.get("/board");
    let path = format!("/board/requests/{}", request.id());
    // In few words there, the same clock.
    let left = clock.rsplit(", ").next().unwrap();
    assert!(board.html.contains(&path) && board.text().contains(left), "{}", board.text());
    let page = otto.get(&path);
    assert!(page.html.contains("name=\"fingerprint\""), "{}", page.html);
    let fingerprint = request.fingerprint().to_hex();
    let done = otto.submit(&page, &format!("{path}/approve"), &[("fingerprint", &fingerprint)]);
    assert_eq!(done.status, 303, "{}", done.html);
    assert_eq!(state(), State::Active);
    assert_eq!(house.run(house.directory.active_certificates(&address(at))).len(), 1);

    // The partner sees it, downloads it, and takes it back.
    let page = nora.get("/keys");
    let download = nora.get(&format!("/keys/certificate/{}.cer", request.id()));
    assert_eq!(download.octets, key.certificate().der());
    assert_eq!(download.header("content-type"), "application/pkix-cert");
    let done = nora.submit(&page, "/keys/withdraw", &[("request", &request.id().to_string())]);
    assert_eq!(done.status, 303);
    assert_eq!(state(), State::Revoked);
    house.run(house.directory.verify_audit());
}

#[test]
fn the_how_to_page_speaks_both_languages_and_is_filled_from_the_configuration() {
    let house = House::open();
    for (language, word) in [("de", "In drei Schritten"), ("en", "In three steps"), ("fr", "In drei Schritten")] {
        let page = house.browser(language).get("/");
        assert_eq!(page.status, 200);
        let text = page.text();
        for expected in [word, "Muster GmbH", "emailzertifikat@muster.example", "Muster CA", "Thunderbird", "7"] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(page.html.contains("href=\"https://ca.example/\""));
        assert!(page.html.len() < 100 << 10, "{} octets", page.html.len());
        assert!(page.cookies().is_empty(), "looking around sets no cookie");
    }
    // The choice stays.
    let browser = house.browser("de");
    assert!(browser.get("/?lang=en").text().contains("In three steps"));
    assert!(browser.get("/").text().contains("In three steps"));
    assert!(browser.get("/?lang=de").text().contains("In drei Schritten"));
}

#[test]
fn certificates_near_their_deadline_say_so_in_words() {
    let house = House::open();
    house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let words =
        [(0, "noch 7 Tage", "time"), (6, "noch 1 Tag", "soon"), (7, "Fällig heute", "late"), (9, "Überfällig", "late")];
    for (days, word, class) in words {
        house.clock.set(testkit::now().plus_days(days));
        let board = house.logged_in("otto@muster.example", "de").get("/board");
        assert!(board.text().contains(word), "after {days} days: {}", board.text());
        assert!(board.html.contains(&format!("clock {class}")), "after {days} days");
    }
}

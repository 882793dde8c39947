//! What became of a message, and what would: an employee sees the own mail alone.

use directory::Trace;
use serde_json::json;

use crate::house::{House, address};

fn trace(house: &House, id: &str, from: &str, to: &str, action: &str) {
    let detail = json!({
        "direction": "outward", "action": action, "rule": "<b>rule</b>", "answer": "250 2.0.0 ok", "cipher": "AES-256-GCM",
        "encrypted_to": [{
            "subject": "CN=<i>Petra</i>", "algorithm": "P-256", "not_after": "2027-01-01T00:00:00Z", "sha256": "ab".repeat(32),
        }],
        "reasons": ["the certificate is good"],
    });
    let one = Trace {
        queue_ids: [None, None],
        message_id: id.into(),
        sender: Some(address(from)),
        recipient: address(to),
        at: house.directory.now(),
        detail,
    };
    house.run(house.directory.add_traces(&[one]));
}

#[test]
fn t_106_a_message_is_found_by_its_id_or_address_and_an_employee_finds_the_own_ones() {
    let house = House::open();
    trace(&house, "<1@muster.example>", "emma@muster.example", "petra@partner.example", "sign and encrypt");
    trace(&house, "<2@muster.example>", "otto@muster.example", "paul@partner.example", "hold");
    for at in ["otto@muster.example", "oskar@muster.example", "anna@muster.example"] {
        let browser = house.logged_in(at, "de");
        assert!(!browser.get("/trace").html.contains("partner.example"), "nobody is shown before it is asked for");
        let found = browser.get("/trace?id=1%40muster.example");
        let text = found.text();
        for expected in
            ["petra@", "signiert und verschlüsselt", "250 2.0.0 ok", "AES-256-GCM", "the certificate is good"]
        {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(found.html.contains("&#60;b&#62;rule") && found.html.contains("CN=&#60;i&#62;Petra"));
        assert!(browser.get("/trace?address=paul%40partner.example").text().contains("zurückgehalten"));
        assert_eq!(browser.get("/trace?address=nonsense").status, 422);
        assert!(browser.get("/trace?id=3%40x").text().contains("Dazu ist nichts aufgezeichnet"));
    }
    let emma = house.logged_in("emma@muster.example", "en");
    let own = emma.get("/trace").text();
    assert!(own.contains("petra@") && own.contains("signed and encrypted") && !own.contains("paul@"), "{own}");
    for query in ["id=%3C2%40muster.example%3E", "address=paul%40partner.example", "address=otto%40muster.example"] {
        assert!(!emma.get(&format!("/trace?{query}")).text().contains("paul@"), "{query}");
    }
}

#[test]
fn t_106_what_would_happen_is_explained_and_an_employee_asks_as_oneself() {
    let house = House::open();
    for (language, words) in [("de", "zurückgehalten"), ("en", "held")] {
        let otto = house.logged_in("otto@muster.example", language);
        let page = otto.get("/explain");
        let fields = [
            ("from", "emma@muster.example"),
            ("to", "petra@partner.example, paul@partner.example"),
            ("subject", "streng vertraulich"),
        ];
        let shown = otto.submit(&page, "/explain", &fields);
        let text = shown.text();
        assert_eq!(shown.status, 200, "{text}");
        assert_eq!(text.matches(words).count(), 2, "{text}");
        assert!(text.contains("asked by emma@muster.example"), "{text}");
        for (field, value) in [("from", "x"), ("to", ""), ("to", "petra@partner.example, x")] {
            let fields = fields.map(|(name, old)| (name, if name == field { value } else { old }));
            assert_eq!(otto.submit(&page, "/explain", &fields).status, 422, "{field}={value}");
        }
        let many = "a@partner.example,".repeat(21);
        let fields = [("from", "emma@muster.example"), ("to", many.as_str())];
        assert_eq!(otto.submit(&page, "/explain", &fields).status, 422);
    }
    let emma = house.logged_in("emma@muster.example", "en");
    let page = emma.get("/explain");
    let fields = [("from", "otto@muster.example"), ("to", "petra@partner.example")];
    let shown = emma.submit(&page, "/explain", &fields).text();
    assert!(shown.contains("asked by emma@muster.example") && shown.contains("sent without protection"), "{shown}");
}

#[test]
fn a_mail_that_is_held_is_one_row_and_one_mail_however_often_it_comes() {
    let house = House::open();
    for _ in 0..12 {
        trace(&house, "<held@muster.example>", "emma@muster.example", "petra@partner.example", "hold");
        house.clock.advance_seconds(10);
    }
    trace(&house, "<held@muster.example>", "emma@muster.example", "paul@partner.example", "hold");
    trace(&house, "<held@muster.example>", "emma@muster.example", "petra@partner.example", "encrypt");
    // Of the same second, the later one stands above.
    let subjects: Vec<String> = (0..9).map(|number| format!("<number{number}@muster.example>")).collect();
    for id in &subjects {
        trace(&house, id, "emma@muster.example", "paul@partner.example", "sign");
    }
    let page = house.logged_in("emma@muster.example", "de").get("/trace");
    let text = page.text();
    assert_eq!(text.matches("zurückgehalten").count(), 2, "{text}");
    assert!(text.contains("12 Versuche: "), "{text}");
    let places: Vec<usize> =
        (0..9).map(|number| page.html.find(&format!("number{number}@")).unwrap_or_default()).collect();
    assert!(places.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 0), "{places:?}");
    let counts = house.run(house.directory.trace_counts(testkit::now().plus_days(-1)));
    let sum = |of: fn(&directory::TraceCounts) -> u64| counts.iter().map(of).sum::<u64>();
    assert_eq!((sum(|day| day.stopped), sum(|day| day.signed), sum(|day| day.all)), (2, 9, 12), "{counts:?}");
}

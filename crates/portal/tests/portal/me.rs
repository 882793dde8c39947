//! One's own data: language, export, deletion.

use directory::{Actor, KeyRing, KeyUse, Language, MasterKey, Trace};
use testkit::TestPki;

use crate::house::{House, PASSWORD, address, certificate};

#[test]
fn people_see_take_along_and_delete_what_is_kept_about_them() {
    let house = House::open();
    house.submit(&certificate("petra@partner.example"), "petra@partner.example");
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/me");
    for expected in ["Petra Partner", "petra@partner.example", "Emma Muster"] {
        assert!(page.text().contains(expected), "{}", page.text());
    }
    assert_eq!(petra.submit(&page, "/me/language", &[("language", "en")]).location, "/me?lang=en");
    assert_eq!(house.person("petra@partner.example").language, Language::English);
    assert!(petra.get("/me?lang=en").text().contains("My data"));
    let export = petra.get("/me/export");
    assert!(export.header("content-disposition").starts_with("attachment"));
    assert!(export.html.contains("\"sha256\"") && !export.html.contains("$argon2"), "{}", export.html);

    assert_eq!(petra.submit(&page, "/me/delete", &[("current", "wrong")]).status, 422);
    let gone = petra.submit(&page, "/me/delete", &[("current", PASSWORD)]);
    assert_eq!((gone.status, gone.location.as_str()), (303, "/login"));
    assert!(petra.get("/login?lang=de").text().contains("Ihr Zugang ist gelöscht."));
    assert!(petra.get("/keys").location.starts_with("/login"));
    assert!(house.run(house.directory.person_at(&address("petra@partner.example"))).is_none());
    house.run(house.directory.verify_audit());
    // Who belongs to the house does not delete themselves.
    let emma = house.logged_in("emma@muster.example", "de");
    let page = emma.get("/me");
    assert!(!page.html.contains("/me/delete"));
    assert_eq!(emma.submit(&page, "/me/delete", &[("current", PASSWORD)]).status, 403);
}

#[test]
fn what_people_take_along_is_everything_that_is_kept_about_them() {
    let house = House::open();
    let (emma, petra) = (house.person("emma@muster.example"), house.person("petra@partner.example"));
    let key = TestPki::shared().person("emma@muster.example", crypto::KeyKind::P256);
    let chain = [TestPki::shared().ca().certificate().clone()];
    let ring = house.run(KeyRing::open(&house.directory, MasterKey::generate().unwrap()));
    house.run(ring.import(emma.id, &key.pkcs8, key.certificate(), &chain, KeyUse::Both, &Actor::System));
    house.run(house.directory.add_to_group("Vertrieb", emma.id, &Actor::System));
    house.run(house.directory.add_traces(&[Trace {
        queue_ids: [None, Some("4fXyz".into())],
        message_id: "<one@muster.example>".into(),
        sender: Some(emma.address.clone()),
        recipient: petra.address.clone(),
        at: house.directory.now(),
        detail: serde_json::json!({ "direction": "outward", "action": "hold" }),
    }]));
    let browser = house.logged_in("emma@muster.example", "de");
    let kept: serde_json::Value = serde_json::from_str(&browser.get("/me/export").html).unwrap();
    assert_eq!(kept["certificates"][0]["sha256"], key.certificate().sha256().to_hex());
    assert_eq!(kept["traces"][0]["message_id"], "<one@muster.example>");
    assert_eq!(kept["traces"][0]["recipient"], "petra@partner.example");
    assert_eq!(kept["access"]["groups"][0], "Vertrieb");
    assert_eq!(kept["access"]["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(kept["access"]["password"]["must_change"], false);
    // The page counts what is there.
    assert!(browser.get("/me").text().contains("Zertifikate 1"), "{}", browser.get("/me").text());
    let theirs = house.logged_in("petra@partner.example", "de").get("/me/export").html;
    let theirs: serde_json::Value = serde_json::from_str(&theirs).unwrap();
    assert_eq!(theirs["access"]["contact"], "emma@muster.example");
    assert_eq!(
        (&theirs["contacts"][0], theirs["traces"].as_array().map(Vec::len)),
        (&serde_json::json!("emma@muster.example"), Some(1))
    );
    // T-24, T-28: that there was a mail, and nothing of what became of it.
    assert!(!theirs["traces"].to_string().contains("hold"), "{theirs}");
    let secret = theirs.to_string();
    assert!(!secret.contains("argon2") && !secret.contains("csrf") && !secret.contains("hash"), "{secret}");
}

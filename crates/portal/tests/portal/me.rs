//! One's own data: language, export, deletion.

use directory::Language;

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

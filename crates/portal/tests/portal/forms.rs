//! T-101, T-107, T-110, T-112: foreign forms, headers, sizes.

use crate::house::House;

#[test]
fn t_101_a_form_that_is_not_ours_changes_nothing() {
    let house = House::open();
    let emma = house.logged_in("emma@muster.example", "de");
    let page = emma.get("/partners/invite");
    let csrf = page.csrf();
    let fields =
        |token: &'static str| vec![("name", "X"), ("address", "x@y.example"), ("language", "de"), ("csrf", token)];
    let token: &'static str = Box::leak(csrf.into_boxed_str());
    type Pairs<'a> = [(&'a str, &'a str)];
    let foreign: [(&Pairs<'_>, Vec<(&str, &str)>); 7] = [
        (&[], fields("")),
        (&[], fields("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        (&[("Sec-Fetch-Site", "cross-site")], fields(token)),
        (&[("Sec-Fetch-Site", "same-site")], fields(token)),
        (&[("Sec-Fetch-Site", "none")], fields(token)),
        (&[("Origin", "https://evil.example")], fields(token)),
        (&[("Origin", "null")], fields(token)),
    ];
    for (headers, fields) in foreign {
        let answer = emma.post_with("/partners/invite", headers, &fields);
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.text().contains("Formular ist abgelaufen"));
    }
    assert!(house.run(house.directory.person_at(&crate::house::address("x@y.example"))).is_none());
    // Somebody else's token is no token.
    let other = house.logged_in("otto@muster.example", "de").get("/board").csrf();
    let other: &'static str = Box::leak(other.into_boxed_str());
    assert_eq!(emma.post_with("/partners/invite", &[], &fields(other)).status, 403);
    // The same with the right one goes through: the test can fail.
    let own = emma.post_with("/partners/invite", &[("Origin", "http://portal.example")], &fields(token));
    assert_eq!(own.status, 200, "{}", own.text());
}

#[test]
fn t_101_every_post_of_the_table_wants_its_token() {
    let house = House::open();
    let people = ["petra@partner.example", "emma@muster.example", "otto@muster.example"];
    let browsers: Vec<_> = people.iter().map(|at| house.logged_in(at, "de")).collect();
    // A question that programs ask, which changes nothing, is no form; nor is a call that goes by its token alone.
    let forms = portal::routes().into_iter().filter(|route| {
        let program = matches!(route.access, portal::Access::Token { .. });
        route.method == "POST" && route.path != "/ca/ocsp" && !program
    });
    for route in forms {
        let path = route.path.replace("{id}", "0000000000000001").replace("{token}", "x");
        for browser in &browsers {
            assert_eq!(browser.post_with(&path, &[], &[("x", "y")]).status, 403, "{path}");
        }
    }
    // And without any session.
    assert_eq!(house.browser("de").post_with("/login", &[], &[("address", "a@b.example")]).status, 403);
}

#[test]
fn t_101_every_answer_carries_its_headers() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "de");
    for path in ["/", "/login", "/keys", "/nowhere", "/board"] {
        let page = petra.get(path);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.header(name), value, "{path}");
        }
        for inline in ["<script", " style=", "<style", " onclick", "javascript:"] {
            assert!(!page.html.contains(inline), "{path} has {inline}");
        }
    }
    let style = petra.get("/").html;
    let style = style.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sheet = petra.get(&style);
    assert_eq!((sheet.status, sheet.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(sheet.header("cache-control").contains("immutable"));
    assert!(!sheet.html.contains("url("), "the style sheet fetches nothing");
}

#[test]
fn t_101_mailed_links_come_from_the_configuration_not_from_the_host_header() {
    let house = House::open();
    let emma = house.logged_in("emma@muster.example", "de");
    let form = emma.get("/partners/invite");
    let csrf = form.csrf();
    let fields = [("name", "X"), ("address", "x@y.example"), ("language", "de"), ("csrf", csrf.as_str())];
    let page = emma.post_with("/partners/invite", &[("X-Forwarded-Host", "evil.example")], &fields);
    assert!(page.html.contains("http://portal.example/login") && !page.html.contains("evil.example"));
}

#[test]
fn t_112_private_pages_are_opened_by_people_not_by_other_sites() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "de");
    let cases: [(&[(&str, &str)], u16); 4] = [
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")], 200),
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")], 403),
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")], 403),
        (&[("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")], 403),
    ];
    for (headers, status) in cases {
        assert_eq!(petra.get_with("/keys", headers).status, status, "{headers:?}");
    }
}

#[test]
fn t_107_what_is_too_large_is_refused_unread() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    let large = vec![b'x'; (1 << 20) + (128 << 10)];
    let answer = petra.upload(&page, "/keys/upload", &[], &[("large.cer", &large)]);
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("1,0 MB"), "{}", answer.text());
    let long = "x".repeat(100 << 10);
    assert_eq!(petra.submit(&page, "/keys/withdraw", &[("request", &long)]).status, 413);
    // One that is just small enough is looked at.
    let answer = petra.upload(&page, "/keys/upload", &[], &[("fits.cer", &large[..1 << 20])]);
    assert_eq!(answer.status, 422);
    // Nothing of either was kept.
    assert_eq!(std::fs::read_dir(house.folder().join("messages")).unwrap().count(), 0);
}

#[test]
fn t_107_names_of_files_are_text_and_never_paths() {
    let house = House::open();
    let petra = house.logged_in("petra@partner.example", "de");
    let page = petra.get("/keys");
    for (name, shown) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\windows\\\\evil.cer", "evil.cer"),
        ("<script>alert(1)</script>.cer", "script"),
        ("a\u{202e}rec.b", "arec.b"),
    ] {
        let answer = petra.upload(&page, "/keys/upload", &[], &[(name, b"no certificate")]);
        assert_eq!(answer.status, 422, "{name}");
        assert!(answer.html.contains(shown) && !answer.html.contains("etc/passwd"), "{name}");
        assert!(!answer.html.contains("<script"), "{name}");
    }
}

#[test]
fn t_101_no_link_of_ours_leads_to_another_host() {
    let house = House::open();
    for path in ["//evil.example/x", "///evil.example/x"] {
        let page = house.browser("de").get(path);
        assert_eq!(page.status, 404);
        assert!(!page.html.contains("\"//") && page.html.contains("\"/evil.example/x?lang=en\""), "{}", page.html);
    }
}

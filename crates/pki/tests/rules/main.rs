//! The rules of paths, one by one, over certificates made for the purpose. Names begin with the numbers of CASES.md.

use asn1::Time;
use pki::{Certificate, PathChecker, PathPolicy, Purpose, Reason, Rejected, Revocation, TrustAnchors};

mod answers;
mod crl;
mod hostile;
mod leaf;
mod lint;
mod name_constraints;
mod ocsp;
mod support;
mod trust;

use support::{Holder, now};

fn anchors(roots: &[&Holder]) -> TrustAnchors {
    roots.iter().map(|root| root.certificate.clone()).collect()
}

fn policy() -> PathPolicy {
    PathPolicy::at(now()).purpose(Purpose::Sign).revocation(Revocation::Off)
}

/// The reason's code, or `"ok"`.
fn verdict(root: &Holder, intermediates: &[&Holder], leaf: &Certificate, policy: &PathPolicy) -> &'static str {
    check(root, intermediates, leaf, policy).map_or_else(|rejected| rejected.reason().code(), |_| "ok")
}

fn check(
    root: &Holder,
    intermediates: &[&Holder],
    leaf: &Certificate,
    policy: &PathPolicy,
) -> Result<pki::Path, Rejected> {
    let between: Vec<Certificate> = intermediates.iter().map(|holder| holder.certificate.clone()).collect();
    PathChecker::new(&anchors(&[root]), policy).intermediates(&between).check(leaf)
}

fn at(time: &str) -> PathPolicy {
    PathPolicy { at: support::time(time), ..policy() }
}

#[test]
fn t_14_each_broken_rule_has_its_own_reason() {
    use pki::KeyUsage;
    use support::{SERVER_AUTH, blank, ca, email, general_name, name, name_constraints, purposes, usage};
    let root = Holder::root("Root", &[]);
    let issuing = root.ca("Issuing", &[]);
    let alice = issuing.person("alice@example.org");
    let with =
        |extension| issuing.issue(&blank(name("Alice"), vec![email("alice@example.org"), extension])).certificate;

    assert_eq!(verdict(&root, &[&issuing], &alice.certificate, &policy()), "ok");
    assert_eq!(verdict(&root, &[], &alice.certificate, &policy()), "issuer-unknown");
    assert_eq!(
        verdict(&Holder::root("Other", &[]), &[&issuing, &root], &alice.certificate, &policy()),
        "unknown-authority"
    );
    assert_eq!(verdict(&root, &[&issuing], &alice.certificate, &at("2027-01-01T00:00:01Z")), "expired");
    assert_eq!(verdict(&root, &[&issuing], &alice.certificate, &at("2025-12-31T23:59:59Z")), "not-yet-valid");
    assert_eq!(verdict(&root, &[&issuing], &with(purposes(&[SERVER_AUTH])), &policy()), "extended-key-usage");
    assert_eq!(verdict(&root, &[&issuing], &with(usage(KeyUsage::KEY_ENCIPHERMENT)), &policy()), "key-usage");
    let encrypt = policy().purpose(Purpose::Encrypt);
    assert_eq!(verdict(&root, &[&issuing], &with(usage(KeyUsage::DIGITAL_SIGNATURE)), &encrypt), "key-usage");
    assert_eq!(verdict(&root, &[&issuing], &with(ca(None)), &policy()), "ca-as-leaf");
    // A person is no CA, whatever was signed with the key.
    let below = alice.person("mallory@example.org");
    assert_eq!(verdict(&root, &[&issuing, &alice], &below.certificate, &policy()), "issuer-not-ca");
    let short = root.ca("Short", &[ca(Some(0))]);
    let deeper = short.ca("Deeper", &[]);
    let bob = deeper.person("bob@example.org");
    assert_eq!(verdict(&root, &[&short, &deeper], &bob.certificate, &policy()), "path-length");
    let confined = root.ca("Confined", &[name_constraints(&[general_name(1, b"example.com")], &[])]);
    let carol = confined.person("carol@example.org");
    assert_eq!(verdict(&root, &[&confined], &carol.certificate, &policy()), "name-constraint");
    let servers = root.ca("Servers", &[purposes(&[SERVER_AUTH])]);
    let dave = servers.person("dave@example.org");
    assert_eq!(verdict(&root, &[&servers], &dave.certificate, &policy()), "extended-key-usage");
}

#[test]
fn t_62_an_unknown_ca_is_never_trusted_by_its_own_word() {
    let root = Holder::root("Root", &[]);
    let impostor = Holder::root("Root", &[]);
    let alice = impostor.person("alice@example.org");
    assert_eq!(verdict(&root, &[&impostor], &alice.certificate, &policy()), "unknown-authority");
    let none = TrustAnchors::new();
    assert!(
        PathChecker::new(&none, &policy()).intermediates([&impostor.certificate]).check(&alice.certificate).is_err()
    );
}

#[test]
fn the_most_telling_reason_is_shown() {
    let root = Holder::root("Root", &[]);
    let mut old = support::blank(support::name("Issuing"), vec![support::ca(None)]);
    old.validity = support::validity("2020-01-01", "2021-01-01");
    let old = root.issue(&old);
    let alice = old.person("alice@example.org");
    // One path expired, another whose signature does not fit: "expired" is nearer to the truth.
    let namesake = Holder::root("Issuing", &[]);
    let rejected = check(&root, &[&namesake, &old], &alice.certificate, &policy()).unwrap_err();
    assert!(matches!(rejected.reason(), Reason::Expired { .. }));
    assert!(!rejected.is_about_leaf());
    assert_eq!(rejected.to_string(), "the CA certificate of CN=Issuing expired on 2021-01-01");
    let text = rejected.explanation().to_string();
    assert!(text.contains("FAIL [1] the validity covers the time (RFC 5280 §6.1.3 (a)(2))"), "{text}");
}

#[test]
fn a_path_tells_what_it_is() {
    let root = Holder::root("Root", &[]);
    let issuing = root.ca("Issuing", &[]);
    let alice = issuing.person("alice@example.org");
    let address = pki::EmailAddress::parse("Alice@Example.ORG").unwrap();
    let path = check(&root, &[&issuing], &alice.certificate, &policy().address(address.clone())).unwrap();
    assert_eq!(path.leaf(), &alice.certificate);
    assert_eq!(path.anchor(), &root.certificate);
    assert_eq!(path.certificates().len(), 3);
    assert_eq!(path.address(), Some(&address));
    assert_eq!(path.revocation(), pki::RevocationStatus::Unchecked);
    assert!(path.explanation().to_string().contains("RFC 8550 §3"));
    let _: Time = path.checked_at();
}

#[test]
fn a_cache_changes_no_verdict() {
    let root = Holder::root("Root", &[]);
    let issuing = root.ca("Issuing", &[]);
    let alice = issuing.person("alice@example.org");
    let (cache, trusted) = (pki::PathCache::new(), anchors(&[&root]));
    let check = |policy: &PathPolicy| {
        PathChecker::new(&trusted, policy)
            .intermediates([&issuing.certificate])
            .cache(&cache)
            .check(&alice.certificate)
            .is_ok()
    };
    assert!(check(&policy()) && cache.len() == 2);
    assert!(check(&policy()) && !check(&at("2030-01-01")) && cache.len() == 2);
    // Without the anchor, what is remembered helps nobody.
    let none = TrustAnchors::new();
    let rejected = PathChecker::new(&none, &policy())
        .intermediates([&issuing.certificate])
        .cache(&cache)
        .check(&alice.certificate);
    assert!(rejected.is_err());
}

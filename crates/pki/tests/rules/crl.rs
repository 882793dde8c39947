//! Certificate revocation lists.

use pki::{Certificate, CertificateList, KeyUsage, PathChecker, PathPolicy, Revocation, RevocationStatus};

use crate::support::{
    CRL_NUMBER, Crl, DELTA_INDICATOR, DISTRIBUTION_POINTS, Extension, Holder, ISSUING_POINT, blank, der, email,
    general_name, name, number, usage,
};
use crate::{anchors, policy};

/// What the lists say about the leaf: `good`, `unknown`, `revoked`. Required and if-available must agree.
fn status(root: &Holder, leaf: &Certificate, lists: &[CertificateList]) -> &'static str {
    status_beside(root, &[], leaf, lists)
}

/// The same with certificates of others at hand, who may have signed the lists.
fn status_beside(root: &Holder, others: &[Certificate], leaf: &Certificate, lists: &[CertificateList]) -> &'static str {
    let trusted = anchors(&[root]);
    let of = |revocation| {
        let policy = PathPolicy { revocation, ..policy() };
        PathChecker::new(&trusted, &policy).intermediates(others).crls(lists).check(leaf)
    };
    match (of(Revocation::IfAvailable), of(Revocation::Required)) {
        (Ok(lenient), Ok(_)) if lenient.revocation() == RevocationStatus::Good => "good",
        (Ok(lenient), Err(strict)) if lenient.revocation() == RevocationStatus::Unknown => {
            assert_eq!(strict.reason().code(), "revocation-unknown");
            assert_eq!(strict.revocation(), RevocationStatus::Unknown);
            "unknown"
        }
        (Err(lenient), Err(strict)) => {
            assert_eq!((lenient.reason().code(), strict.reason().code()), ("revoked", "revoked"));
            assert_eq!(lenient.revocation(), RevocationStatus::Revoked);
            "revoked"
        }
        other => panic!("{other:?}"),
    }
}

fn point(uri: &str) -> Vec<u8> {
    let full = general_name(6, uri.as_bytes());
    der(|w| w.context(0, |w| w.context(0, |w| w.raw(&full))))
}

fn issuing_point(inside: &[u8]) -> Extension {
    (ISSUING_POINT, true, der(|w| w.sequence(|w| w.raw(inside))))
}

#[test]
fn t_14_without_a_list_the_status_is_unknown() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    assert_eq!(status(&root, &alice, &[]), "unknown");
    assert_eq!(status(&root, &alice, &[root.crl(&Crl::default())]), "good");
    assert_eq!(status(&root, &alice, &[root.crl(&Crl::of(&alice))]), "revoked");
}

#[test]
fn t_50_stale_lists_still_revoke_but_never_clear() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let stale = Crl { this_update: "2026-08-01", next_update: Some("2026-08-08"), ..Crl::default() };
    assert_eq!(status(&root, &alice, &[root.crl(&stale)]), "unknown");
    let stale = Crl { revoked: Crl::of(&alice).revoked, ..stale };
    assert_eq!(status(&root, &alice, &[root.crl(&stale)]), "revoked");
    let endless = Crl { next_update: None, ..Crl::default() };
    assert_eq!(status(&root, &alice, &[root.crl(&endless)]), "unknown");
    let future = Crl { this_update: "2026-09-05", next_update: Some("2026-09-15"), ..Crl::default() };
    assert_eq!(status(&root, &alice, &[root.crl(&future)]), "unknown");
    let later = Crl { revoked: vec![(alice.serial().content().to_vec(), "2026-09-04", vec![])], ..future.clone() };
    assert_eq!(status(&root, &alice, &[root.crl(&later)]), "unknown");
    let earlier = Crl { revoked: Crl::of(&alice).revoked, ..future };
    assert_eq!(status(&root, &alice, &[root.crl(&earlier)]), "revoked");
}

#[test]
fn t_50_a_list_of_somebody_else_says_nothing() {
    let root = Holder::root("Root", &[]);
    let other = Holder::root("Other", &[]);
    let namesake = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    for list in [
        other.crl(&Crl::default()),
        other.crl(&Crl::of(&alice)),
        namesake.crl(&Crl::default()),
        namesake.crl(&Crl::of(&alice)),
        other.crl(&Crl { issuer: Some(name("Root")), ..Crl::of(&alice) }),
    ] {
        assert_eq!(status(&root, &alice, &[list]), "unknown");
    }
    // Beside a list that counts, they change nothing.
    assert_eq!(status(&root, &alice, &[namesake.crl(&Crl::of(&alice)), root.crl(&Crl::default())]), "good");
}

#[test]
fn t_50_a_key_for_lists_alone_signs_them_under_the_same_anchor() {
    // RFC 5280 §6.3.3 (f): the CA's name, another key, for lists only.
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let signer_with = |issuer: &Holder, usages| issuer.issue(&blank(name("Root"), vec![usage(usages)]));
    let signer = signer_with(&root, KeyUsage::CRL_SIGN);
    let of = |signer: &Holder, offered: &Holder, list: &Crl| {
        status_beside(&root, std::slice::from_ref(&offered.certificate), &alice, &[signer.crl(list)])
    };
    assert_eq!(of(&signer, &signer, &Crl::default()), "good");
    assert_eq!(of(&signer, &signer, &Crl::of(&alice)), "revoked");
    // A list that another key has signed, beside the certificate of one who might have.
    let namesake = Holder::root("Root", &[]);
    for list in [Crl::default(), Crl::of(&alice)] {
        assert_eq!(of(&namesake, &signer, &list), "unknown");
        // One who may not sign lists, one who was never certified here, one of another name.
        let person = signer_with(&root, KeyUsage::DIGITAL_SIGNATURE);
        assert_eq!(of(&person, &person, &list), "unknown");
        let foreign = signer_with(&namesake, KeyUsage::CRL_SIGN);
        assert_eq!(of(&foreign, &foreign, &list), "unknown");
        let other = root.issue(&blank(name("Other"), vec![usage(KeyUsage::CRL_SIGN)]));
        assert_eq!(of(&other, &other, &Crl { issuer: Some(name("Root")), ..list.clone() }), "unknown");
        let mut old = blank(name("Root"), vec![usage(KeyUsage::CRL_SIGN)]);
        old.validity = crate::support::validity("2020-01-01", "2021-01-01");
        let old = root.issue(&old);
        assert_eq!(of(&old, &old, &list), "unknown");
    }
}

#[test]
fn t_50_what_was_on_hold_may_have_been_lifted_since() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let hold = Crl { revoked: with_reason(&alice, 6), ..Crl::default() };
    assert_eq!(status(&root, &alice, &[root.crl(&hold)]), "revoked");
    let stale = Crl { this_update: "2026-08-20", next_update: Some("2026-08-27"), ..hold };
    assert_eq!(status(&root, &alice, &[root.crl(&stale)]), "unknown");
}

/// An entry for the certificate that tells why.
fn with_reason(certificate: &Certificate, reason: u8) -> Vec<(Vec<u8>, &'static str, Vec<Extension>)> {
    let reason = der(|w| w.primitive(asn1::Tag::ENUMERATED, &[reason]));
    let entry = vec![(asn1::Oid::new("2.5.29.21"), false, reason)];
    vec![(certificate.serial().content().to_vec(), "2026-08-10", entry)]
}

#[test]
fn t_50_a_delta_that_does_not_fit_changes_nothing() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let indicator = || (DELTA_INDICATOR, true, der(|w| w.unsigned(1)));
    let revoked = root.crl(&Crl::of(&alice));
    let good = root.crl(&Crl::default());
    let removing = Crl { revoked: with_reason(&alice, 8), extensions: vec![number(2), indicator()], ..Crl::default() };
    assert_eq!(status(&root, &alice, &[revoked.clone(), root.crl(&removing)]), "good");
    // One that has run out, one of tomorrow, one with a critical extension that is not known: they lift nothing.
    let old = Crl { this_update: "2026-08-20", next_update: Some("2026-08-27"), ..removing.clone() };
    assert_eq!(status(&root, &alice, &[revoked.clone(), root.crl(&old)]), "revoked");
    let future = Crl { this_update: "2026-09-05", next_update: Some("2026-09-15"), ..removing.clone() };
    assert_eq!(status(&root, &alice, &[revoked.clone(), root.crl(&future)]), "revoked");
    let with = |extension: Extension, list: &Crl| {
        root.crl(&Crl { extensions: vec![number(2), indicator(), extension], ..list.clone() })
    };
    let strange = || (asn1::Oid::new("1.2.3.4"), true, vec![5, 0]);
    assert_eq!(status(&root, &alice, &[revoked.clone(), with(strange(), &removing)]), "revoked");
    // Of another scope, under another key, in another name: they are not of this list at all.
    let persons = || issuing_point(&der(|w| w.primitive(asn1::Tag::context(1), &[0xFF])));
    let another_key = || {
        let identifier = der(|w| w.sequence(|w| w.primitive(asn1::Tag::context(0), &[7; 20])));
        (asn1::Oid::new("2.5.29.35"), false, identifier)
    };
    for extension in [persons(), another_key()] {
        assert_eq!(status(&root, &alice, &[revoked.clone(), with(extension.clone(), &removing)]), "revoked");
        assert_eq!(status(&root, &alice, &[good.clone(), with(extension, &Crl::of(&alice))]), "good");
    }
    let named =
        |list: Crl| root.crl(&Crl { issuer: Some(name("Other")), extensions: vec![number(2), indicator()], ..list });
    assert_eq!(status(&root, &alice, &[revoked, named(removing)]), "revoked");
    assert_eq!(status(&root, &alice, &[good, named(Crl::of(&alice))]), "good");
}

#[test]
fn t_50_some_reasons_do_not_make_all() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let only = |bits: &[usize]| {
        let inside = der(|w| w.primitive(asn1::Tag::context(3), &der(|w| w.named_bits(bits))[2..]));
        Crl { extensions: vec![number(1), issuing_point(&inside)], ..Crl::default() }
    };
    // RUSTSEC-2026-0104: an empty onlySomeReasons.
    assert_eq!(status(&root, &alice, &[root.crl(&only(&[]))]), "unknown");
    assert_eq!(status(&root, &alice, &[root.crl(&only(&[1, 2]))]), "unknown");
    assert_eq!(status(&root, &alice, &[root.crl(&only(&[1, 2])), root.crl(&only(&[3, 4, 5, 6, 7, 8]))]), "good");
    let revoking = Crl { revoked: Crl::of(&alice).revoked, ..only(&[3]) };
    assert_eq!(status(&root, &alice, &[root.crl(&only(&[1, 2])), root.crl(&revoking)]), "revoked");
}

#[test]
fn t_50_each_distribution_point_counts() {
    // RUSTSEC-2026-0049, RUSTSEC-2026-0048: several points, of which only the first was looked at.
    let root = Holder::root("Root", &[]);
    let points = der(|w| {
        w.sequence(|w| {
            w.sequence(|w| w.raw(&point("http://one.example/crl")));
            w.sequence(|w| w.raw(&point("http://two.example/crl")));
        });
    });
    let alice = root
        .issue(&blank(name("A"), vec![email("alice@example.org"), (DISTRIBUTION_POINTS, false, points)]))
        .certificate;
    let at = |uri: &str, list: Crl| root.crl(&Crl { extensions: vec![number(1), issuing_point(&point(uri))], ..list });
    assert_eq!(status(&root, &alice, &[at("http://two.example/crl", Crl::default())]), "good");
    assert_eq!(status(&root, &alice, &[at("http://two.example/crl", Crl::of(&alice))]), "revoked");
    assert_eq!(status(&root, &alice, &[at("http://three.example/crl", Crl::default())]), "unknown");
    let clear = at("http://three.example/crl", Crl::of(&alice));
    assert_eq!(status(&root, &alice, &[at("http://one.example/crl", Crl::default()), clear]), "good");
}

#[test]
fn t_50_scopes_are_kept() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let scope = |number_: u32| {
        let inside = der(|w| w.primitive(asn1::Tag::context(number_), &[0xFF]));
        root.crl(&Crl { extensions: vec![number(1), issuing_point(&inside)], ..Crl::default() })
    };
    assert_eq!(status(&root, &alice, &[scope(1)]), "good");
    assert_eq!(status(&root, &alice, &[scope(2)]), "unknown");
    assert_eq!(status(&root, &alice, &[scope(5)]), "unknown");
}

#[test]
fn t_50_deltas_need_their_base() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let delta = |own: u64, base: u64, list: Crl| {
        let indicator = (DELTA_INDICATOR, true, der(|w| w.unsigned(base)));
        root.crl(&Crl { extensions: vec![number(own), indicator], ..list })
    };
    let complete = |own: u64, list: Crl| root.crl(&Crl { extensions: vec![number(own)], ..list });
    assert_eq!(status(&root, &alice, &[delta(2, 1, Crl::default())]), "unknown");
    assert_eq!(status(&root, &alice, &[complete(1, Crl::default()), delta(2, 1, Crl::of(&alice))]), "revoked");
    assert_eq!(status(&root, &alice, &[complete(1, Crl::default()), delta(3, 2, Crl::of(&alice))]), "good");
    let lifted = vec![(
        alice.serial().content().to_vec(),
        "2026-08-20",
        vec![(asn1::Oid::new("2.5.29.21"), false, der(|w| w.primitive(asn1::Tag::ENUMERATED, &[8])))],
    )];
    let removing = Crl { revoked: lifted, ..Crl::default() };
    assert_eq!(status(&root, &alice, &[complete(1, Crl::of(&alice)), delta(2, 1, removing)]), "good");
    // CVE-2026-28388: a delta without a number.
    let indicator = (DELTA_INDICATOR, true, der(|w| w.unsigned(1)));
    let bare = root.crl(&Crl { extensions: vec![indicator], ..Crl::of(&alice) });
    assert_eq!(status(&root, &alice, &[complete(1, Crl::default()), bare]), "good");
    // Numbers of any length are compared, not cut.
    let giant = (CRL_NUMBER, false, der(|w| w.unsigned_bytes(&[0x7F; 20])));
    let huge = root.crl(&Crl { extensions: vec![giant], ..Crl::default() });
    assert_eq!(status(&root, &alice, &[huge, delta(2, 1, Crl::of(&alice))]), "good");
    let too_long = (CRL_NUMBER, false, der(|w| w.unsigned_bytes(&[0x7F; 21])));
    assert_eq!(status(&root, &alice, &[root.crl(&Crl { extensions: vec![too_long], ..Crl::default() })]), "unknown");
}

#[test]
fn t_50_unknown_critical_extensions_clear_nobody() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let unknown = (asn1::Oid::new("1.2.3.4"), true, vec![5, 0]);
    let strange = |list: Crl| root.crl(&Crl { extensions: vec![number(1), unknown.clone()], ..list });
    assert_eq!(status(&root, &alice, &[strange(Crl::default())]), "unknown");
    assert_eq!(status(&root, &alice, &[strange(Crl::of(&alice))]), "revoked");
}

#[test]
fn t_50_a_million_entries_are_found_in_their_place() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let mut revoked: Vec<_> =
        (0..200_000u32).rev().map(|n| ([&[0x20], &n.to_be_bytes()[..]].concat(), "2026-08-01", vec![])).collect();
    let list = root.crl(&Crl { revoked: revoked.clone(), ..Crl::default() });
    assert_eq!(list.len(), 200_000);
    assert_eq!(status(&root, &alice, &[list]), "good");
    revoked.insert(1_000, (alice.serial().content().to_vec(), "2026-08-01", vec![]));
    assert_eq!(status(&root, &alice, &[root.crl(&Crl { revoked, ..Crl::default() })]), "revoked");
    let huge = vec![0x30; CertificateList::MOST_BYTES + 1];
    assert!(matches!(CertificateList::from_der(&huge), Err(pki::Error::TooLarge { .. })));
}

#[test]
fn t_50_an_entry_that_is_not_understood_clears_nobody() {
    let root = Holder::root("Root", &[]);
    let (alice, bob) = (root.person("alice@example.org").certificate, root.person("bob@example.org").certificate);
    let entry = |critical| vec![(asn1::Oid::new("1.2.3.4"), critical, vec![5, 0])];
    let with = |critical| Crl {
        revoked: vec![(bob.serial().content().to_vec(), "2026-08-01", entry(critical))],
        ..Crl::default()
    };
    assert_eq!(status(&root, &alice, &[root.crl(&with(false))]), "good");
    // RFC 5280 §5.3: the whole list, not that entry alone.
    assert_eq!(status(&root, &alice, &[root.crl(&with(true))]), "unknown");
    assert_eq!(status(&root, &bob, &[root.crl(&with(true))]), "revoked");
}

#[test]
fn s_26_the_newest_list_decides_in_whatever_order_they_come() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    // Both are within their time; between the two alice was revoked.
    let before = root.crl(&Crl { this_update: "2026-08-30", next_update: Some("2026-09-30"), ..Crl::default() });
    let after = root.crl(&Crl { revoked: Crl::of(&alice).revoked, extensions: vec![number(2)], ..Crl::default() });
    assert_eq!(status(&root, &alice, &[before.clone(), after.clone()]), "revoked");
    assert_eq!(status(&root, &alice, &[after, before]), "revoked");
}

#[test]
fn s_26_of_two_lists_of_one_time_the_one_that_revokes_decides() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let (clears, revokes) = (root.crl(&Crl::default()), root.crl(&Crl::of(&alice)));
    assert_eq!(clears.this_update(), revokes.this_update());
    assert_eq!(clears.number(), revokes.number());
    assert_eq!(status(&root, &alice, &[clears.clone(), revokes.clone()]), "revoked");
    assert_eq!(status(&root, &alice, &[revokes, clears]), "revoked");
}

#[test]
fn s_26_a_list_of_a_new_key_clears_nothing_that_one_of_the_old_key_revokes() {
    let root = Holder::root("Root", &[]);
    let (old, new) = (root.ca("Issuing CA", &[]), root.ca("Issuing CA", &[]));
    let alice = old.person("alice@example.org").certificate;
    let revokes = old.crl(&Crl { this_update: "2026-08-28", ..Crl::of(&alice) });
    let clears = new.crl(&Crl { this_update: "2026-08-31", ..Crl::default() });
    assert!(revokes.this_update() < clears.this_update());
    let (trusted, above) = (anchors(&[&root]), [old.certificate.clone(), new.certificate.clone()]);
    for lists in [[clears.clone(), revokes.clone()], [revokes.clone(), clears.clone()]] {
        let policy = PathPolicy { revocation: Revocation::IfAvailable, ..policy() };
        let failed = PathChecker::new(&trusted, &policy).intermediates(&above).crls(&lists).check(&alice).unwrap_err();
        assert_eq!(failed.reason().code(), "revoked");
    }
    // Of one key the newer list decides.
    let cleared = old.crl(&Crl { this_update: "2026-08-30", ..Crl::default() });
    let policy = PathPolicy { revocation: Revocation::IfAvailable, ..policy() };
    let lists = [revokes, clears, cleared];
    assert!(PathChecker::new(&trusted, &policy).intermediates(&above).crls(&lists).check(&alice).is_ok());
}

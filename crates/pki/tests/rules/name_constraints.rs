//! CASES T-49: for each form, names that a permitted subtree lets pass and names that it does not; the same subtree
//! excluded gives the opposite. What cannot be read is refused on both sides.

use crate::support::{
    COMMON_NAME, EMAIL, Holder, blank, email, general_name, name, name_constraints, name_of, sans, smtp_utf8,
};
use crate::{policy, verdict};

/// One subtree under test: a CA that permits only it, one that excludes it.
struct Subtree {
    root: Holder,
    permitting: Holder,
    excluding: Holder,
}

impl Subtree {
    fn new(base: Vec<u8>) -> Self {
        let root = Holder::root("Root", &[]);
        let permitting = root.ca("Permitting", &[name_constraints(std::slice::from_ref(&base), &[])]);
        let excluding = root.ca("Excluding", &[name_constraints(&[], &[base])]);
        Self { root, permitting, excluding }
    }

    /// Verdicts under the CA that permits and the one that excludes.
    fn verdicts(&self, subject: &[u8], san: &[Vec<u8>]) -> (&'static str, &'static str) {
        let of = |issuing: &Holder| {
            let extensions = if san.is_empty() { vec![] } else { vec![sans(san)] };
            let leaf = issuing.issue(&blank(subject.to_vec(), extensions)).certificate;
            verdict(&self.root, &[issuing], &leaf, &policy())
        };
        (of(&self.permitting), of(&self.excluding))
    }
}

const IN: (&str, &str) = ("ok", "name-constraint");
const OUT: (&str, &str) = ("name-constraint", "ok");
const UNREADABLE: (&str, &str) = ("name-constraint", "name-constraint");

fn table(kind: u32, rows: &[(&str, (&str, &str), &[&str])]) {
    for (base, expected, names) in rows {
        let subtree = Subtree::new(general_name(kind, base.as_bytes()));
        for text in *names {
            let san = general_name(kind, text.as_bytes());
            assert_eq!(subtree.verdicts(&name("X"), &[san]), *expected, "{text:?} in {base:?}");
        }
    }
}

#[test]
fn t_49_rfc822_names() {
    let many: &[&str] = &[
        "a@example.com",
        "A@EXAMPLE.COM",
        "a.b@example.com",
        "a+b@example.com",
        "a@eXample.Com",
        "x_y@example.com",
        "0@example.com",
        "~@example.com",
        "o'brien@example.com",
    ];
    table(
        1,
        &[
            ("example.com", IN, many),
            ("EXAMPLE.com", IN, many),
            (".example.com", IN, &["a@b.example.com", "a@B.C.EXAMPLE.COM", "a@xn--mller-kva.example.com"]),
            ("a@example.com", IN, &["a@example.com", "a@EXAMPLE.com", "A@example.com"]),
            ("xn--mller-kva.example", IN, &["a@xn--mller-kva.example", "a@XN--MLLER-KVA.example"]),
            (
                "example.com",
                OUT,
                &[
                    "a@b.example.com",
                    "a@example.org",
                    "a@notexample.com",
                    "a@example.com.evil.org",
                    "a@xexample.com",
                    "example.com@evil.org",
                    "a@example.co",
                    "a@com",
                    "a@example-com.org",
                ],
            ),
            (".example.com", OUT, &["a@example.com", "a@bexample.com", "a@example.com.org", "a@b.example.comx"]),
            ("a@example.com", OUT, &["b@example.com", "a@b.example.com", "aa@example.com", "a+@example.com"]),
            ("xn--mller-kva.example", OUT, &["a@muller.example", "a@xn--mllr-5qa.example"]),
            (
                "example.com",
                UNREADABLE,
                &[
                    "a@example.com\0",
                    "a@example.com\0.org",
                    "a\0@example.com",
                    " a@example.com",
                    "a@example.com ",
                    "\"a\"@example.com",
                    "a@b@example.com",
                    "@example.com",
                    "example.com",
                    "a@example.com.",
                    "a@.example.com",
                    "a(x)@example.com",
                    "<a@example.com>",
                    "a@xn--\0.example.com",
                    "a@*.example.com",
                    "a@[192.0.2.1]",
                    "",
                ],
            ),
            ("ex ample.com", UNREADABLE, &["a@example.com"]),
            ("example..com", UNREADABLE, &["a@example.com"]),
        ],
    );
}

#[test]
fn t_49_an_address_in_the_subject_is_bound_too() {
    let subtree = Subtree::new(general_name(1, b"example.com"));
    let subject = |address| name_of(&[(COMMON_NAME, "X"), (EMAIL, address)]);
    let good = general_name(1, b"a@example.com");
    assert_eq!(subtree.verdicts(&subject("a@example.com"), &[]), IN);
    assert_eq!(subtree.verdicts(&subject("a@evil.org"), &[]), OUT);
    // Beside a subjectAltName as well: we match both places.
    assert_eq!(subtree.verdicts(&subject("a@evil.org"), std::slice::from_ref(&good)).0, "name-constraint");
    assert_eq!(subtree.verdicts(&subject("a@example.com"), &[general_name(1, b"a@evil.org")]), UNREADABLE);
    assert_eq!(subtree.verdicts(&subject("a@example.com\0"), &[good]), UNREADABLE);
    // A common name is no address.
    assert_eq!(subtree.verdicts(&name("a@evil.org"), &[]), ("ok", "ok"));
}

#[test]
fn t_49_mailboxes_outside_ascii() {
    let domain = Subtree::new(general_name(1, b"example.com"));
    assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@example.com")]), IN);
    assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@EXAMPLE.com")]), IN);
    assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@example.org")]), OUT);
    assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@b.example.com")]), OUT);
    for odd in [
        "j\u{f6}rg@ex\u{e4}mple.com",
        "\u{feff}j\u{f6}rg@example.com",
        "j\u{f6}rg",
        "j\u{f6} rg@example.com",
        "j\u{a0}@example.com",
    ] {
        assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8(odd)]), UNREADABLE, "{odd:?}");
    }
    let idn = Subtree::new(general_name(1, b".xn--mller-kva.example"));
    assert_eq!(idn.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@a.xn--mller-kva.example")]), IN);
    assert_eq!(idn.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@xn--mller-kva.example")]), OUT);
    assert_eq!(idn.verdicts(&name("X"), &[smtp_utf8("j\u{f6}rg@a.m\u{fc}ller.example")]), UNREADABLE);
    // Twenty on each side, by local parts of many scripts and domains of every relation.
    let locals =
        ["j\u{f6}rg", "\u{4f60}\u{597d}", "\u{43f}\u{43e}\u{447}\u{442}\u{430}", "\u{3b1}.\u{3b2}", "a\u{308}"];
    for local in locals {
        for inside in ["example.com", "Example.Com", "EXAMPLE.COM", "exAmple.com"] {
            assert_eq!(domain.verdicts(&name("X"), &[smtp_utf8(&format!("{local}@{inside}"))]), IN, "{local}@{inside}");
        }
        for outside in ["example.org", "b.example.com", "xexample.com", "example.com.evil.org"] {
            let mailbox = smtp_utf8(&format!("{local}@{outside}"));
            assert_eq!(domain.verdicts(&name("X"), &[mailbox]), OUT, "{local}@{outside}");
        }
    }
    // An otherName that is not even UTF-8 is not let through either.
    let broken = smtp_utf8("j\u{f6}rg@example.com").into_iter().map(|b| if b == 0xC3 { 0xFF } else { b }).collect();
    assert_eq!(domain.verdicts(&name("X"), &[broken]), UNREADABLE);
}

#[test]
fn t_49_dns_names() {
    let many: &[&str] = &[
        "example.com",
        "EXAMPLE.COM",
        "a.example.com",
        "a.b.example.com",
        "*.example.com",
        "*.a.example.com",
        "xn--mller-kva.example.com",
        "A.Example.Com",
        "a-b.example.com",
        "0.example.com",
    ];
    table(
        2,
        &[
            ("example.com", IN, many),
            (".example.com", IN, many),
            ("Example.COM", IN, many),
            ("a.example.com", IN, &["a.example.com", "b.a.example.com", "*.a.example.com"]),
            (
                "example.com",
                OUT,
                &[
                    "example.org",
                    "notexample.com",
                    "example.com.evil.org",
                    "com",
                    "a.example.comx",
                    "xexample.com",
                    "example-com.org",
                    "example.co",
                    "*.org",
                ],
            ),
            ("a.example.com", OUT, &["example.com", "b.example.com", "ba.example.com", "*.b.example.com"]),
            (
                "example.com",
                UNREADABLE,
                &[
                    "a.example.com\0",
                    "a\0.example.com",
                    "example.com\0.org",
                    "",
                    ".",
                    "a..example.com",
                    "*",
                    "*.*.example.com",
                    "a*.example.com",
                    "a.example.com.",
                    " a.example.com",
                    "_a.example.com",
                    "-a.example.com",
                    "192.0.2.1",
                ],
            ),
        ],
    );
    // RUSTSEC-2026-0098, -0099, -0044: a wildcard reaches into an excluded subtree one label below.
    let below = Subtree::new(general_name(2, b"secret.example.com"));
    assert_eq!(below.verdicts(&name("X"), &[general_name(2, b"*.example.com")]), UNREADABLE);
    assert_eq!(below.verdicts(&name("X"), &[general_name(2, b"*.EXAMPLE.com")]), UNREADABLE);
}

#[test]
fn t_49_uris() {
    table(
        6,
        &[
            (
                "example.com",
                IN,
                &[
                    "http://example.com",
                    "http://example.com/",
                    "https://EXAMPLE.com/x",
                    "http://example.com:8080/",
                    "ftp://u@example.com/x",
                    "http://u:p@example.com/",
                    "http://example.com?q",
                    "http://example.com#f",
                    "ldap://example.com/cn=x",
                    "x-y+z.1://example.com",
                ],
            ),
            (
                ".example.com",
                IN,
                &[
                    "http://a.example.com/",
                    "http://a.b.example.com",
                    "http://A.EXAMPLE.COM:1/",
                    "https://a.example.com?x",
                    "http://u@a.example.com",
                    "http://a-b.example.com",
                    "http://xn--mller-kva.example.com",
                    "http://0.example.com",
                    "http://a.example.com#x",
                    "ws://a.example.com/",
                ],
            ),
            (
                "example.com",
                OUT,
                &[
                    "http://a.example.com/",
                    "http://example.org/",
                    "http://example.com.evil.org/",
                    "http://evil.org/example.com",
                    "http://evil.org?example.com",
                    "http://evil.org#example.com",
                    "http://example.com@evil.org/",
                    "http://notexample.com",
                    "http://evil.org:80/@example.com",
                    "http://example.com:80@evil.org/",
                ],
            ),
            (
                ".example.com",
                OUT,
                &[
                    "http://example.com/",
                    "http://aexample.com/",
                    "http://evil.org/.example.com",
                    "http://a.example.com.org",
                ],
            ),
            (
                "example.com",
                UNREADABLE,
                &[
                    "http://192.0.2.1/",
                    "http://[2001:db8::1]/",
                    "urn:example.com",
                    "mailto:a@example.com",
                    "http:example.com",
                    "http:///example.com",
                    "http://evil.org\\@example.com/",
                    "http://a@b@example.com/",
                    "http://example.com\0/",
                    "http://exam ple.com/",
                    "//example.com",
                    "",
                    "http://example.com:x/",
                    "http://example.com./",
                ],
            ),
        ],
    );
}

#[test]
fn t_49_ip_addresses() {
    let v4 = |base: [u8; 8]| Subtree::new(general_name(7, &base));
    let net = v4([192, 0, 2, 0, 255, 255, 255, 0]);
    let ask = |subtree: &Subtree, octets: &[u8]| subtree.verdicts(&name("X"), &[general_name(7, octets)]);
    for last in [0, 1, 2, 7, 8, 15, 16, 127, 128, 254, 255] {
        assert_eq!(ask(&net, &[192, 0, 2, last]), IN);
        assert_eq!(ask(&net, &[192, 0, 3, last]), OUT);
        assert_eq!(ask(&net, &[193, 0, 2, last]), OUT);
    }
    let half = v4([192, 0, 2, 128, 255, 255, 255, 128]);
    assert_eq!((ask(&half, &[192, 0, 2, 128]), ask(&half, &[192, 0, 2, 127])), (IN, OUT));
    let host = v4([192, 0, 2, 1, 255, 255, 255, 255]);
    assert_eq!((ask(&host, &[192, 0, 2, 1]), ask(&host, &[192, 0, 2, 2])), (IN, OUT));
    let everything = v4([0; 8]);
    assert_eq!(ask(&everything, &[8, 8, 8, 8]), IN);
    // Bits of the network outside the mask do not count.
    assert_eq!(ask(&v4([192, 0, 2, 77, 255, 255, 255, 0]), &[192, 0, 2, 1]), IN);
    let gap = v4([192, 0, 2, 0, 255, 0, 255, 0]);
    assert_eq!(ask(&gap, &[192, 0, 2, 1]), UNREADABLE);
    for odd in [&[][..], &[192, 0, 2], &[192, 0, 2, 1, 0], &[0; 15], &[0; 17], &[0; 8]] {
        assert_eq!(ask(&net, odd), UNREADABLE, "{odd:?}");
    }
    let mut v6 = vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let base = [v6.clone(), vec![255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let six = Subtree::new(general_name(7, &base));
    for last in 0..8 {
        v6[15] = last;
        assert_eq!(ask(&six, &v6), IN);
        let mut outside = v6.clone();
        outside[3] = last;
        assert_eq!(ask(&six, &outside), OUT);
    }
    assert_eq!(ask(&six, &[192, 0, 2, 1]), OUT);
    // An IPv4 address in IPv6 clothes is not the IPv4 address.
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1]].concat();
    assert_eq!(ask(&net, &mapped), OUT);
}

#[test]
fn t_49_directory_names() {
    let organization = asn1::Oid::new("2.5.4.10");
    let country = asn1::Oid::new("2.5.4.6");
    let base = [(country, "DE"), (organization, "Muster GmbH")];
    let subtree = Subtree::new(general_name(4, &name_of(&base)));
    let inside: &[&[(asn1::Oid, &str)]] = &[
        &base,
        &[base[0], base[1], (COMMON_NAME, "A")],
        &[(country, "de"), (organization, "MUSTER gmbh"), (COMMON_NAME, "A")],
        &[(country, "DE"), (organization, "  Muster   GmbH "), (COMMON_NAME, "A")],
        &[base[0], base[1], base[1]],
        &[base[0], base[1], (COMMON_NAME, "A"), (COMMON_NAME, "B")],
        &[(country, "DE"), (organization, "Mu\u{ad}ster GmbH")],
        &[(country, "DE"), (organization, "\u{ff2d}uster GmbH")],
    ];
    let outside: &[&[(asn1::Oid, &str)]] = &[
        &[(COMMON_NAME, "A")],
        &[base[0]],
        &[base[1], base[0]],
        &[(country, "AT"), base[1]],
        &[base[0], (organization, "Muster GmbHx"), (COMMON_NAME, "A")],
        &[base[0], (organization, "MusterGmbH"), (COMMON_NAME, "A")],
        &[base[0], (COMMON_NAME, "Muster GmbH")],
        &[base[0], (COMMON_NAME, "A"), base[1]],
        &[(COMMON_NAME, "A"), base[0], base[1]],
        &[base[0], (organization, "")],
    ];
    for parts in inside {
        assert_eq!(subtree.verdicts(&name_of(parts), &[]), IN, "{parts:?}");
        // In a subjectAltName as well.
        let san = general_name(4, &name_of(parts));
        assert_eq!(subtree.verdicts(&name_of(&base), std::slice::from_ref(&san)), IN);
        assert_eq!(subtree.verdicts(&name("X"), &[san]), UNREADABLE);
    }
    for parts in outside {
        assert_eq!(subtree.verdicts(&name_of(parts), &[]), OUT, "{parts:?}");
        let san = general_name(4, &name_of(parts));
        assert_eq!(subtree.verdicts(&name_of(&base), &[san]), UNREADABLE);
    }
}

#[test]
fn t_49_constraints_add_up_along_the_path() {
    let root = Holder::root("Root", &[]);
    let base = |text: &str| general_name(1, text.as_bytes());
    let wide = root.ca("Wide", &[name_constraints(&[base(".example.com"), base("example.org")], &[])]);
    let narrow = wide.ca("Narrow", &[name_constraints(&[base("a.example.com")], &[])]);
    let widening = narrow.ca("Widening", &[name_constraints(&[base("example.net")], &[])]);
    let ask = |chain: &[&Holder], address: &str| {
        let leaf = chain.last().unwrap().issue(&blank(name("X"), vec![email(address)])).certificate;
        verdict(&root, chain, &leaf, &policy())
    };
    assert_eq!(ask(&[&wide], "x@b.example.com"), "ok");
    assert_eq!(ask(&[&wide], "x@example.org"), "ok");
    assert_eq!(ask(&[&wide, &narrow], "x@a.example.com"), "ok");
    assert_eq!(ask(&[&wide, &narrow], "x@b.example.com"), "name-constraint");
    assert_eq!(ask(&[&wide, &narrow], "x@example.org"), "name-constraint");
    for address in ["x@example.net", "x@a.example.com", "x@example.org"] {
        assert_eq!(ask(&[&wide, &narrow, &widening], address), "name-constraint");
    }
    // A constraint on the anchor itself binds too (RFC 5937).
    let bound = Holder::root("Bound", &[name_constraints(&[base("example.com")], &[])]);
    assert_eq!(verdict(&bound, &[], &bound.person("x@example.org").certificate, &policy()), "name-constraint");
}

#[test]
fn t_49_other_forms_are_refused_where_they_are_constrained() {
    let oid = |w: &mut asn1::Writer, text: &str| w.oid(&asn1::Oid::new(text));
    let other = |type_id: &str| {
        let content = crate::support::der(|w| {
            oid(w, type_id);
            w.context(0, |w| w.utf8_string("x"));
        });
        general_name(0, &content)
    };
    let upn = Subtree::new(other("1.3.6.1.4.1.311.20.2.3"));
    assert_eq!(upn.verdicts(&name("X"), &[other("1.3.6.1.4.1.311.20.2.3")]), UNREADABLE);
    assert_eq!(upn.verdicts(&name("X"), &[other("1.2.3.4")]), ("ok", "ok"));
    let registered = Subtree::new(general_name(8, &[0x2A, 3]));
    assert_eq!(registered.verdicts(&name("X"), &[general_name(8, &[0x2A, 3, 4])]), UNREADABLE);
    assert_eq!(registered.verdicts(&name("X"), &[general_name(1, b"a@example.com")]), ("ok", "ok"));
}

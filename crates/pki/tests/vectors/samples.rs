//! RFC 9216's sample CAs with their cross certificates, and certificates with odd addresses.

use asn1::Time;
use pki::{Certificate, EmailAddress, PathChecker, PathPolicy, Purpose, Reason, TrustAnchors};

use crate::{Tally, read, rows};

fn sample(name: &str) -> Certificate {
    Certificate::from_pem(&read(&format!("rfc9216/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn vectors_rfc9216() {
    let at = Time::parse_rfc3339("2026-01-01").unwrap();
    let mut tally = Tally::new("rfc9216");
    let crosses = [sample("ca.rsa.cross.crt"), sample("ca.25519.cross.crt")];
    for row in rows("rfc9216/expected.tsv").iter().filter(|row| row[1] == "end entity") {
        let leaf = sample(&row[0]);
        let (right, wrong) = if row[0].ends_with("sign.crt") {
            (Purpose::Sign, Purpose::Encrypt)
        } else {
            (Purpose::Encrypt, Purpose::Sign)
        };
        let address = EmailAddress::parse(&row[5]).unwrap();
        // Each leaf is good under its own root, and under the other one through a cross certificate.
        for root in ["ca.rsa.crt", "ca.25519.crt"] {
            let anchors: TrustAnchors = [sample(root)].into_iter().collect();
            let policy = PathPolicy::at(at).purpose(right).address(address.clone());
            let outcome = PathChecker::new(&anchors, &policy).intermediates(&crosses).check(&leaf);
            let id = format!("{} under {root}", row[0]);
            tally.judge(&id, outcome.is_ok(), || format!("{outcome:?}"));
            let direct = PathChecker::new(&anchors, &policy).check(&leaf);
            let own = direct.is_ok() == root.contains(&row[3].replace("ca.", ""));
            tally.judge(&format!("{id} alone"), own, || format!("{direct:?}"));
            let policy = PathPolicy::at(at).purpose(wrong);
            let outcome = PathChecker::new(&anchors, &policy).intermediates(&crosses).check(&leaf);
            let refused = matches!(outcome.as_ref().map_err(pki::Rejected::reason), Err(Reason::KeyUsage { .. }));
            tally.judge(&format!("{id} for the wrong purpose"), refused, || format!("{outcome:?}"));
        }
    }
    tally.finish();
}

#[test]
fn t_09_addresses_outside_ascii_are_read_by_their_rules() {
    let ascii = Certificate::from_pem(&read("pkcs7-pyca/ascii-san.pem")).unwrap();
    let other = Certificate::from_pem(&read("pkcs7-pyca/non-ascii-san.pem")).unwrap();
    assert_eq!(ascii.email_addresses(), [EmailAddress::parse("retourne@example.com").unwrap()]);
    assert!(other.email_addresses().is_empty());
    assert!(other.has_bad_email_address());
}

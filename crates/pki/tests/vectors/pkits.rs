//! NIST PKITS: RFC 5280's path validation, every test.

use std::collections::BTreeMap;

use asn1::{Oid, Time};
use pki::{Certificate, CertificateList, PathChecker, PathPolicy, Revocation, TrustAnchors};
use serde_json::Value;

use crate::{Tally, json, read, rows};

fn certificate(name: &str) -> Certificate {
    Certificate::from_der(&read(&format!("pkits/certs/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn policy_oid(name: &str) -> Option<Oid> {
    // PKITS §3: the test policies.
    let number = name.strip_prefix("NIST-test-policy-")?;
    Oid::from_dotted(&format!("2.16.840.1.101.3.2.1.48.{number}"))
}

#[test]
fn vectors_pkits() {
    let table = json("pkits/expected.json");
    let anchors: TrustAnchors = [certificate(table["trust_anchor"].as_str().unwrap())].into_iter().collect();
    let at = Time::parse_rfc3339(table["validation_time"].as_str().unwrap()).unwrap();
    let mut tally = Tally::new("pkits");
    let tests = table["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 247);
    let codes: BTreeMap<String, String> =
        rows("pkits/codes.tsv").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    for test in tests {
        let id = format!("{} {}", test["id"].as_str().unwrap(), test["name"].as_str().unwrap());
        let leaf = certificate(test["leaf"].as_str().unwrap());
        let intermediates: Vec<_> = strings(&test["intermediates"]).into_iter().map(certificate).collect();
        let crls: Vec<_> = strings(&test["crls"])
            .into_iter()
            .filter_map(|name| CertificateList::from_der(&read(&format!("pkits/crls/{name}"))).ok())
            .collect();
        let initial = strings(&test["initial_policy_set"]);
        let mut policy = PathPolicy::at(at).revocation(Revocation::Required);
        if initial != ["anyPolicy"] {
            policy.initial_policies = Some(
                initial.iter().map(|name| policy_oid(name).or_else(|| Oid::from_dotted(name)).expect(name)).collect(),
            );
        }
        policy.require_explicit_policy = test["initial_explicit_policy"].as_bool().unwrap();
        policy.inhibit_policy_mapping = test["initial_policy_mapping_inhibit"].as_bool().unwrap();
        policy.inhibit_any_policy = test["initial_any_policy_inhibit"].as_bool().unwrap();
        let outcome = PathChecker::new(&anchors, &policy).intermediates(&intermediates).crls(&crls).check(&leaf);
        let expected = test["expected"].as_str().unwrap();
        let got = if outcome.is_ok() { "valid" } else { "invalid" };
        // Refused for the reason that the test is about, not for another.
        let code = outcome.as_ref().err().map(|rejected| rejected.reason().code());
        assert_eq!(codes.get(&id).map(String::as_str), code, "{id}");
        tally.judge(&id, expected == got, || match &outcome {
            Ok(_) => "valid".to_owned(),
            Err(rejected) => format!("{rejected}\n{}", rejected.explanation()),
        });
    }
    tally.finish();
}

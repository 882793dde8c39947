//! x509-limbo: every case that concerns more than TLS server names, under the strict profile.

use std::collections::BTreeMap;

use asn1::{Oid, Time};
use pki::{Certificate, CertificateList, Conformance, PathChecker, PathPolicy, Revocation, TrustAnchors};
use serde_json::Value;

use crate::{Tally, json, rows};

fn certificates(value: &Value) -> Result<Vec<Certificate>, pki::Error> {
    value.as_array().unwrap().iter().map(|pem| Certificate::from_pem(pem.as_str().unwrap().as_bytes())).collect()
}

fn check(case: &Value, about_servers: bool) -> Result<(), String> {
    let read = |error: pki::Error| error.to_string();
    // An anchor or intermediate that cannot be read is not there.
    let readable = |value: &Value| -> Vec<Certificate> {
        value
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|pem| Certificate::from_pem(pem.as_str()?.as_bytes()).ok())
            .collect()
    };
    let anchors: TrustAnchors = readable(&case["trusted_certs"]).into_iter().collect();
    let intermediates = readable(&case["untrusted_intermediates"]);
    let leaf = Certificate::from_pem(case["peer_certificate"].as_str().unwrap().as_bytes()).map_err(read)?;
    let crls: Vec<_> = case["crls"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pem| CertificateList::from_pem(pem.as_str()?.as_bytes()).ok())
        .collect();
    let at = match case["validation_time"].as_str() {
        Some(time) => Time::parse_rfc3339(time).unwrap(),
        None => Time::parse_rfc3339("2026-09-01T00:00:00Z").unwrap(),
    };
    let revocation = if crls.is_empty() { Revocation::Off } else { Revocation::Required };
    let mut policy = PathPolicy::at(at).revocation(revocation);
    policy.conformance = Conformance::Strict;
    if let Some(depth) = case["max_chain_depth"].as_u64() {
        policy.limits.depth = usize::try_from(depth).unwrap();
    }
    let _path = PathChecker::new(&anchors, &policy)
        .intermediates(&intermediates)
        .crls(&crls)
        .check(&leaf)
        .map_err(|rejected| format!("{rejected} [{}]", rejected.reason().code()))?;
    // Cases about another purpose than mail are judged by that purpose.
    let server_auth = Oid::new("1.3.6.1.5.5.7.3.1");
    match leaf.extended_key_usage() {
        Some(usage) if about_servers && !usage.contains(server_auth) => Err("extended key usage".into()),
        _ => Ok(()),
    }
}

#[test]
fn vectors_x509_limbo() {
    let limbo = json("x509-limbo/limbo.json");
    let cases: BTreeMap<&str, &Value> =
        limbo["testcases"].as_array().unwrap().iter().map(|case| (case["id"].as_str().unwrap(), case)).collect();
    let mut tally = Tally::new("x509-limbo");
    let mut not_applicable = 0;
    for row in rows("x509-limbo/applicability.tsv") {
        let (id, expected, applies) = (row[0].as_str(), row[1].as_str(), row[2].as_str());
        if applies == "no" {
            not_applicable += 1;
            continue;
        }
        let outcome = check(cases[id], applies == "adapt");
        let got = if outcome.is_ok() { "SUCCESS" } else { "FAILURE" };
        tally.judge(id, expected == got, || format!("expected {expected}, got {got}: {outcome:?}"));
    }
    assert_eq!(not_applicable, 74, "host names and web rules");
    tally.finish();
}

#[test]
fn every_certificate_of_the_set_is_read_without_harm() {
    let limbo = json("x509-limbo/limbo.json");
    for case in limbo["testcases"].as_array().unwrap() {
        let _ = certificates(&case["trusted_certs"]);
        let _ = certificates(&case["untrusted_intermediates"]);
    }
}

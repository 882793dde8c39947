//! What is in a certificate, for people and for programs.

use std::fmt::Write as _;

use pki::Certificate;
use pki::extensions::GeneralName;
use pki::lint::Profile;
use serde_json::{Value, json};

/// Names of the EU's statements (EN 319 412-5 §4): the CA's claim, nothing more.
const QC_STATEMENTS: &[(&str, &str)] = &[
    ("0.4.0.1862.1.1", "says that it is an EU qualified certificate"),
    ("0.4.0.1862.1.4", "says that the key is in a qualified device"),
    ("0.4.0.1862.1.6", "says its type by EU law"),
];

pub(super) fn validity(certificate: &Certificate) -> String {
    let validity = certificate.validity();
    format!("{} to {}", validity.not_before, validity.not_after)
}

fn key(certificate: &Certificate) -> String {
    certificate.public_key().map_or_else(|error| format!("not usable: {error}"), |key| key.describe())
}

fn other_names(certificate: &Certificate) -> Vec<String> {
    let is_address = |name: &&GeneralName| matches!(name, GeneralName::Rfc822Name(_) | GeneralName::SmtpUtf8Mailbox(_));
    certificate.subject_alternative_names().iter().filter(|name| !is_address(name)).map(ToString::to_string).collect()
}

fn policies(certificate: &Certificate) -> Vec<String> {
    certificate.extensions().policies().unwrap_or_default().iter().map(|entry| entry.policy.to_string()).collect()
}

fn claims(certificate: &Certificate) -> Vec<String> {
    let name =
        |id: String| QC_STATEMENTS.iter().find(|(known, _)| *known == id).map_or(id, |(_, text)| (*text).to_owned());
    certificate.extensions().qc_statements().iter().map(|statement| name(statement.id.to_string())).collect()
}

pub(super) fn to_text(certificate: &Certificate) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            // Text out of a certificate never breaks the line or moves the cursor.
            let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "{label:<14} {value}");
        }
    };
    let addresses: Vec<String> = certificate.email_addresses().iter().map(ToString::to_string).collect();
    let usage = certificate.key_usage().map(|usage| usage.to_string());
    let purposes = certificate.extended_key_usage().map(|usage| usage.to_string());
    let oddities: Vec<String> = certificate.oddities().iter().map(ToString::to_string).collect();
    line("subject", certificate.subject().to_string());
    line("addresses", addresses.join(", "));
    line("other names", other_names(certificate).join(", "));
    line("issuer", certificate.issuer().to_string());
    line("serial number", certificate.serial().to_string());
    line("valid", validity(certificate));
    line("SHA-256", certificate.sha256().to_string());
    line("key", key(certificate));
    line("key usage", usage.unwrap_or_else(|| "not restricted".into()));
    line("purposes", purposes.unwrap_or_else(|| "not restricted".into()));
    line("CA", if certificate.is_ca() { "yes".into() } else { "no".into() });
    line("profile", Profile::of(certificate).map(|profile| profile.to_string()).unwrap_or_default());
    line("policies", policies(certificate).join(", "));
    line("the CA claims", claims(certificate).join(", "));
    line("CRL", certificate.crl_uris().collect::<Vec<_>>().join(", "));
    line("OCSP", certificate.ocsp_uris().collect::<Vec<_>>().join(", "));
    line("issuer at", certificate.ca_issuers_uris().collect::<Vec<_>>().join(", "));
    line("odd", oddities.join(", "));
    text
}

pub(super) fn to_json(certificate: &Certificate) -> Value {
    let strings = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<String>>();
    json!({
        "subject": certificate.subject().to_string(),
        "addresses": certificate.email_addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "other_names": other_names(certificate),
        "issuer": certificate.issuer().to_string(),
        "serial": certificate.serial().to_string(),
        "not_before": certificate.validity().not_before.to_string(),
        "not_after": certificate.validity().not_after.to_string(),
        "sha256": certificate.sha256().to_hex(),
        "key": key(certificate),
        "key_usage": certificate.key_usage().map(|usage| usage.names().collect::<Vec<_>>()),
        "extended_key_usage": certificate.extended_key_usage().map(|usage| usage.to_string()),
        "ca": certificate.is_ca(),
        "profile": Profile::of(certificate).map(|profile| profile.to_string()),
        "policies": policies(certificate),
        "qc_statements": claims(certificate),
        "crl": strings(certificate.crl_uris().collect()),
        "ocsp": strings(certificate.ocsp_uris().collect()),
        "ca_issuers": strings(certificate.ca_issuers_uris().collect()),
        "odd": certificate.oddities().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

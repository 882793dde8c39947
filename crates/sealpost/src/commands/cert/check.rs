//! `sealpost cert check`: the path, each rule that mattered, and the verdict.

use std::path::PathBuf;

use asn1::{Oid, Time};
use pki::{Certificate, EmailAddress, Explanation, Outcome, Path, PathChecker, PathPolicy, Reason, Rejected, Verdict};
use serde_json::{Value, json};

use super::{Check, Purpose, Revocation, describe};
use crate::files;
use crate::outcome::Stop;

pub(super) fn run(arguments: &Check) -> Result<(), Stop> {
    let policy = policy(arguments)?;
    let leaf = files::certificate(&arguments.input)?;
    let anchors = files::anchors(&arguments.trust)?;
    let mut between = intermediates(arguments)?;
    // A chain in the certificate's own file helps as well.
    between.extend(files::certificates(std::slice::from_ref(&arguments.input)).unwrap_or_default());
    let required = policy.revocation == pki::Revocation::Required;
    let crls = vouchers(&arguments.crl, required, files::crls)?;
    let ocsp = vouchers(&arguments.ocsp, required, files::ocsp)?;
    let outcome = PathChecker::new(&anchors, &policy).intermediates(&between).crls(&crls).ocsp(&ocsp).check(&leaf);
    if arguments.json {
        say!("{}", to_json(&outcome, policy.at));
    } else {
        print_outcome(&outcome, arguments.explain);
    }
    outcome.map(drop).map_err(|rejected| {
        let stop = Stop::refused(&rejected);
        match hint(&rejected, policy.at) {
            Some(hint) => stop.hint(hint),
            None => stop,
        }
    })
}

/// An issuer's certificate that is broken is as good as none: the path decides.
fn intermediates(arguments: &Check) -> Result<Vec<Certificate>, Stop> {
    let mut all = Vec::new();
    for path in &arguments.with {
        match files::certificates_in(path) {
            Ok(found) => all.extend(found),
            Err(stop) if path.exists() => note!("note: {}, so it is left out", stop.what()),
            Err(stop) => return Err(stop),
        }
    }
    Ok(all)
}

/// What says that certificates are good. One that cannot be read says nothing: where it is required that something does,
/// that decides; elsewhere it would go unnoticed, and is an error.
fn vouchers<T>(
    paths: &[PathBuf],
    required: bool,
    read: impl Fn(&[PathBuf]) -> Result<Vec<T>, Stop>,
) -> Result<Vec<T>, Stop> {
    let mut all = Vec::new();
    for path in paths {
        match read(std::slice::from_ref(path)) {
            Ok(found) => all.extend(found),
            Err(stop) if required && path.exists() => note!("note: {}, so it says nothing", stop.what()),
            Err(stop) => return Err(stop),
        }
    }
    Ok(all)
}

fn policy(arguments: &Check) -> Result<PathPolicy, Stop> {
    let mut policy = PathPolicy::at(files::moment(arguments.at.as_deref())?);
    policy.purpose = match arguments.purpose {
        Purpose::Any => pki::Purpose::Any,
        Purpose::Sign => pki::Purpose::Sign,
        Purpose::Encrypt => pki::Purpose::Encrypt,
    };
    policy.revocation = match arguments.revocation {
        Revocation::Required => pki::Revocation::Required,
        Revocation::IfAvailable => pki::Revocation::IfAvailable,
        Revocation::Off => pki::Revocation::Off,
    };
    if let Some(text) = &arguments.address {
        policy.address =
            Some(EmailAddress::parse(text).map_err(|error| {
                Stop::failed(format_args!("{text}: {error}")).hint("write it like alice@example.org")
            })?);
    }
    let oid = |text: &String| {
        let named = if text == "any" { Some(Oid::new("2.5.29.32.0")) } else { Oid::from_dotted(text) };
        named.ok_or_else(|| {
            Stop::failed(format_args!("{text} is not an object identifier"))
                .hint("write it like 2.23.140.1.5.3.3, or any")
        })
    };
    if !arguments.initial_policy.is_empty() {
        policy.initial_policies = Some(arguments.initial_policy.iter().map(oid).collect::<Result<_, _>>()?);
    }
    policy.require_explicit_policy = arguments.require_explicit_policy;
    policy.inhibit_policy_mapping = arguments.inhibit_policy_mapping;
    policy.inhibit_any_policy = arguments.inhibit_any_policy;
    Ok(policy)
}

fn explanation(outcome: &Result<Path, Rejected>) -> &Explanation {
    match outcome {
        Ok(path) => path.explanation(),
        Err(rejected) => rejected.explanation(),
    }
}

fn print_outcome(outcome: &Result<Path, Rejected>, explain: bool) {
    if explain {
        say_all!("{}", explanation(outcome));
    }
    if let Ok(path) = outcome {
        let whom = path.address().map_or_else(|| path.leaf().to_string(), ToString::to_string);
        say!("accepted: the certificate for {whom} is good until {}", path.leaf().validity().not_after);
        say!("trusted through: {}", path.anchor());
        say!("revocation: {}", path.revocation());
    }
}

fn to_json(outcome: &Result<Path, Rejected>, at: Time) -> Value {
    let (accepted, revocation, reason) = match outcome {
        Ok(path) => (true, path.revocation(), None),
        Err(rejected) => (false, rejected.revocation(), Some(rejected)),
    };
    let explanation = explanation(outcome);
    let until = match explanation.verdict() {
        Some(Verdict::Accepted { until, .. }) => Some(until.to_string()),
        _ => None,
    };
    let steps: Vec<Value> = explanation
        .steps()
        .iter()
        .map(|step| {
            let outcome = match step.outcome {
                Outcome::Passed => "pass",
                Outcome::Failed => "fail",
                Outcome::Noted => "note",
            };
            json!({ "certificate": step.certificate, "section": step.section, "rule": step.rule, "outcome": outcome,
                "detail": step.detail })
        })
        .collect();
    json!({
        "outcome": if accepted { "accepted" } else { "refused" },
        "reason": reason.map(|rejected| rejected.reason().code()),
        "text": reason.map(ToString::to_string),
        "at": at.to_string(),
        "revocation": revocation.to_string(),
        "until": until,
        "policies": outcome.as_ref().map(|path| path.policies().iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap_or_default(),
        "path": explanation.certificates().iter().map(describe::to_json).collect::<Vec<_>>(),
        "explanation": steps,
        "other_paths": explanation.other_paths().iter().map(Reason::code).collect::<Vec<_>>(),
    })
}

fn hint(rejected: &Rejected, at: Time) -> Option<String> {
    Some(match rejected.reason() {
        Reason::AddressMismatch { found, .. } => match found.first() {
            Some(address) => format!("to check it for its own address, add --for {address}"),
            None => return None,
        },
        Reason::Expired { on } => format!("to judge as of an earlier time, add --at {on}"),
        Reason::IssuerUnknown => match rejected.certificate().ca_issuers_uris().next() {
            Some(uri) => format!("the issuer's certificate is said to be at {uri}; give it by --with"),
            None => format!("give the certificate of {} by --with", rejected.certificate().issuer()),
        },
        Reason::NotYetValid { .. } => format!("it was judged as of {at}; another time can be given by --at"),
        Reason::RevocationUnknown => match rejected.certificate().crl_uris().next() {
            Some(uri) => format!("its revocation list is said to be at {uri}; give it by --crl"),
            None => "give a revocation list by --crl or an answer by --ocsp, or see --explain".into(),
        },
        Reason::UnknownAuthority => {
            "whether to trust that CA is your decision: compare its fingerprint, then give it by --trust".into()
        }
        Reason::KeyUsage { .. } => "people may have one certificate for signing and one for encrypting".into(),
        _ => "each rule is shown by --explain".into(),
    })
}

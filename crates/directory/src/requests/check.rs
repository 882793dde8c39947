//! Whether a certificate may be used for a mailbox, as far as looking at it tells.

use asn1::Time;
use pki::lint::{Lint, lint};
use pki::{
    Certificate, Explanation, Path, PathCache, PathChecker, PathPolicy, Purpose, Reason, Rejected, Revocation,
    RevocationStatus, TrustAnchors,
};
use serde_json::{Value, json};

use super::{Refusal, Request};
use crate::revocation::Material;

pub(crate) enum Verdict {
    Good,
    /// Nothing is wrong, but nobody has decided to trust who issued it.
    UnknownAuthority {
        /// The issuer that is missing or not trusted.
        name: String,
        /// Its certificate, when it came along.
        certificate: Option<Box<Certificate>>,
    },
    /// Whether it was revoked is to be found out first, and nobody could yet (CASES T-14).
    RevocationUnknown,
    Refused(Refusal),
}

/// What is to be said about a request's certificate: for the officer's board and for programs.
#[derive(Debug, Clone)]
pub struct Assessment {
    lint: Lint,
    outcome: Result<Path, Rejected>,
}

impl Assessment {
    /// The certificate by itself: its profile, notes for the officer, and what makes it unsafe.
    pub fn lint(&self) -> &Lint {
        &self.lint
    }

    /// Whether there is a path for encrypting to the mailbox.
    pub fn outcome(&self) -> Result<&Path, &Rejected> {
        self.outcome.as_ref()
    }

    /// The path, each rule that mattered, and the verdict.
    pub fn explanation(&self) -> &Explanation {
        match &self.outcome {
            Ok(path) => path.explanation(),
            Err(rejected) => rejected.explanation(),
        }
    }

    /// What is known about revocation.
    pub fn revocation(&self) -> RevocationStatus {
        match &self.outcome {
            Ok(path) => path.revocation(),
            Err(rejected) => rejected.revocation(),
        }
    }

    /// For programs: the same that `sealpost cert check --json` prints about a path, and the notes.
    pub fn to_json(&self) -> Value {
        let explanation = self.explanation();
        let steps: Vec<Value> = explanation
            .steps()
            .iter()
            .map(|step| {
                let outcome = match step.outcome {
                    pki::Outcome::Passed => "pass",
                    pki::Outcome::Failed => "fail",
                    pki::Outcome::Noted => "note",
                };
                json!({
                    "certificate": step.certificate, "section": step.section, "rule": step.rule, "outcome": outcome,
                    "detail": step.detail,
                })
            })
            .collect();
        let path: Vec<Value> = explanation
            .certificates()
            .iter()
            .map(|certificate| {
                json!({
                    "subject": certificate.subject().to_string(), "issuer": certificate.issuer().to_string(),
                    "sha256": certificate.sha256().to_hex(), "not_after": certificate.validity().not_after.to_string(),
                })
            })
            .collect();
        let notes: Vec<Value> = self
            .lint
            .notes()
            .iter()
            .map(|rule| json!({ "rule": rule.id(), "section": rule.section(), "text": rule.text() }))
            .collect();
        let refused = self.outcome.as_ref().err();
        json!({
            "outcome": if refused.is_none() { "accepted" } else { "refused" },
            "reason": refused.map(|rejected| rejected.reason().code()),
            "text": refused.map(ToString::to_string),
            "revocation": self.revocation().to_string(),
            "profile": self.lint.profile().map(|profile| profile.to_string()),
            "path": path, "explanation": steps, "notes": notes,
            "unsafe": self.lint.refusals().iter().map(|reason| reason.code()).collect::<Vec<_>>(),
        })
    }
}

/// Looks at a request's certificate, with revocation as far as it is known.
pub(crate) fn assess(request: &Request, material: &Material, anchors: &TrustAnchors, now: Time) -> Assessment {
    let policy = PathPolicy::at(now).purpose(Purpose::Encrypt).address(request.address().email().clone());
    let outcome = PathChecker::new(anchors, &policy)
        .intermediates(request.intermediates())
        .crls(&material.lists)
        .ocsp(&material.answers)
        .check(request.certificate());
    Assessment { lint: lint(request.certificate(), now), outcome }
}

/// What a certificate is judged against.
pub(crate) struct Standard<'a> {
    pub(crate) anchors: &'a TrustAnchors,
    pub(crate) revocation: Revocation,
    pub(crate) now: Time,
    pub(crate) paths: &'a PathCache,
}

/// CASES T-62, T-65: refused with the exact reason, pending when only the CA is unknown.
pub(crate) fn judge(request: &Request, material: &Material, standard: &Standard<'_>) -> Verdict {
    let (address, certificate) = (request.address(), request.certificate());
    let intermediates = request.intermediates();
    let Standard { anchors, revocation, now, paths } = *standard;
    let refused = |reason: &Reason| Verdict::Refused(refusal_of(reason));
    if let Some(reason) = lint(certificate, now).refusals().first() {
        return refused(reason);
    }
    let addresses = certificate.email_addresses();
    if !addresses.contains(address.email()) {
        return refused(&Reason::AddressMismatch { asked: address.email().clone(), found: addresses });
    }
    if let Err(error) = cms::Recipient::new(certificate) {
        let detail = format!("cannot be encrypted to: {error}");
        return Verdict::Refused(Refusal { code: "not-for-encryption".into(), detail });
    }
    let policy = PathPolicy::at(now).purpose(Purpose::Encrypt).address(address.email().clone()).revocation(revocation);
    let checker = PathChecker::new(anchors, &policy)
        .intermediates(intermediates)
        .crls(&material.lists)
        .ocsp(&material.answers)
        .cache(paths);
    match checker.check(certificate) {
        Ok(_) => Verdict::Good,
        Err(rejected) => match rejected.reason() {
            Reason::UnknownAuthority | Reason::IssuerUnknown => {
                let (name, certificate) = top_of_chain(certificate, intermediates);
                Verdict::UnknownAuthority { name, certificate: certificate.map(Box::new) }
            }
            Reason::RevocationUnknown => Verdict::RevocationUnknown,
            reason => refused(reason),
        },
    }
}

pub(crate) fn refusal_of(reason: &Reason) -> Refusal {
    Refusal { code: reason.code().into(), detail: reason.to_string() }
}

// Who an officer would have to trust: the last issuer that can be named.
fn top_of_chain(leaf: &Certificate, others: &[Certificate]) -> (String, Option<Certificate>) {
    let mut top = leaf;
    // Each step goes to another certificate, or stops.
    for _ in 0..others.len() {
        if top.is_self_issued() {
            break;
        }
        match others.iter().find(|candidate| candidate.subject() == top.issuer() && *candidate != top) {
            Some(issuer) => top = issuer,
            None => break,
        }
    }
    let known = top.is_self_issued() && top.is_ca();
    (top.issuer().to_string(), known.then(|| top.clone()))
}

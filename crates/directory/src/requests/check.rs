//! Whether a certificate may be used for a mailbox, as far as looking at it tells.

use asn1::Time;
use pki::{
    Certificate, CertificateList, PathChecker, PathPolicy, Purpose, Reason, Revocation, TrustAnchors, lint::lint,
};

use super::Refusal;
use crate::Address;

pub(crate) enum Verdict {
    Good,
    /// Nothing is wrong, but nobody has decided to trust who issued it.
    UnknownAuthority {
        /// The issuer that is missing or not trusted.
        name: String,
        /// Its certificate, when it came along.
        certificate: Option<Box<Certificate>>,
    },
    Refused(Refusal),
}

/// What a certificate is judged against.
pub(crate) struct Standard<'a> {
    pub(crate) anchors: &'a TrustAnchors,
    pub(crate) revocation: Revocation,
    pub(crate) now: Time,
}

/// CASES T-62, T-65: refused with the exact reason, pending when only the CA is unknown.
pub(crate) fn judge(
    address: &Address,
    certificate: &Certificate,
    intermediates: &[Certificate],
    crls: &[CertificateList],
    standard: &Standard<'_>,
) -> Verdict {
    let Standard { anchors, revocation, now } = *standard;
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
    let checker = PathChecker::new(anchors, &policy).intermediates(intermediates).crls(crls);
    match checker.check(certificate) {
        Ok(_) => Verdict::Good,
        Err(rejected) => match rejected.reason() {
            Reason::UnknownAuthority | Reason::IssuerUnknown => {
                let (name, certificate) = top_of_chain(certificate, intermediates);
                Verdict::UnknownAuthority { name, certificate: certificate.map(Box::new) }
            }
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

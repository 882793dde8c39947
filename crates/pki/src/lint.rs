//! A certificate against the CA/Browser Forum S/MIME Baseline Requirements, and against what is unsafe.
//!
//! What departs from the Baseline Requirements is a note for the officer: the CA's business, not the partner's.
//! What is unsafe is a refusal with its exact [`Reason`] (CASES T-65).

mod profile;
mod rules;
mod sample_keys;
mod weak_keys;

use asn1::Time;

pub use profile::{Generation, Profile, Validation};
pub use rules::{Rule, Severity, Verdict, rules};

use crate::path::leaf_failures;
use crate::{Certificate, Reason};

/// What is to be said about one certificate.
#[derive(Debug, Clone)]
pub struct Lint {
    profile: Option<Profile>,
    notes: Vec<&'static Rule>,
    refusals: Vec<Reason>,
}

impl Lint {
    /// The Baseline Requirements profile that the certificate's policies claim.
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    /// Rules of the Baseline Requirements that were in force when it was issued, and that it does not keep.
    pub fn notes(&self) -> &[&'static Rule] {
        &self.notes
    }

    /// Why it must not be used, each reason on its own; none is good.
    pub fn refusals(&self) -> &[Reason] {
        &self.refusals
    }
}

/// Looks at a person's certificate on its way in, as of `at`. Its chain and revocation are for
/// [`PathChecker`](crate::PathChecker).
pub fn lint(certificate: &Certificate, at: Time) -> Lint {
    let notes = rules().iter().filter(|rule| rule.judge(certificate) == Verdict::Broken).collect();
    let mut refusals = leaf_failures(certificate, at);
    // CASES T-65: no email.
    if certificate.email_addresses().is_empty() {
        refusals.push(Reason::AddressMissing);
    }
    // CASES T-09: what looks like an address and is none was put there to deceive some program.
    if certificate.has_bad_email_address() {
        refusals.push(Reason::AddressMalformed);
    }
    if let Err(reason) = crate::keys::accepted_algorithm(certificate.signature_algorithm()) {
        refusals.push(reason);
    }
    refusals.extend(weak_keys::weakness(certificate));
    Lint { profile: Profile::of(certificate), notes, refusals }
}

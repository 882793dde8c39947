use std::fmt;

use asn1::{Oid, Time};

use super::RevocationStatus;
use crate::{Certificate, Reason};

/// Why a certificate may be used, or may not: the path that was judged, each rule that mattered in the order it was
/// looked at, and the verdict. The prompt, the officer's board and the API show the same one.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    pub(super) certificates: Vec<Certificate>,
    pub(super) steps: Vec<Step>,
    pub(super) others: Vec<Reason>,
    pub(super) verdict: Option<Verdict>,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It may be used for what was asked.
    Accepted {
        /// No certificate of the path ends before this.
        until: Time,
        /// What is known about revocation.
        revocation: RevocationStatus,
        /// The policies that hold along the path.
        policies: Vec<Oid>,
    },
    /// It may not.
    Refused {
        /// The most telling reason.
        reason: Reason,
        /// Index into [`Explanation::certificates`] of the one that the reason speaks of.
        certificate: usize,
        /// What is known about revocation.
        revocation: RevocationStatus,
    },
}

/// One rule, and how a certificate fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where the rule stands: `"RFC 5280 §6.1.3 (a)(2)"`.
    pub section: &'static str,
    /// The rule in a few words.
    pub rule: &'static str,
    /// Index into [`Explanation::certificates`]; 0 is the leaf.
    pub certificate: usize,
    /// How it came out.
    pub outcome: Outcome,
    /// What exactly was found, where that is not plain.
    pub detail: Option<String>,
}

/// How a rule came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The rule is kept.
    Passed,
    /// The rule is broken, and that decides.
    Failed,
    /// Not decisive, but worth knowing.
    Noted,
}

impl Explanation {
    /// The chain that was judged, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The rules.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Why other paths, tried before or after this one, failed.
    pub fn other_paths(&self) -> &[Reason] {
        &self.others
    }

    /// How it ended; there in every explanation that a check hands out.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    pub(super) fn passed(&mut self, certificate: usize, section: &'static str, rule: &'static str) {
        self.steps.push(Step { section, rule, certificate, outcome: Outcome::Passed, detail: None });
    }

    pub(super) fn noted(
        &mut self,
        certificate: usize,
        section: &'static str,
        rule: &'static str,
        detail: Option<String>,
    ) {
        self.steps.push(Step { section, rule, certificate, outcome: Outcome::Noted, detail });
    }

    pub(super) fn failed(&mut self, certificate: usize, section: &'static str, rule: &'static str, reason: &Reason) {
        let detail = Some(reason.to_string());
        self.steps.push(Step { section, rule, certificate, outcome: Outcome::Failed, detail });
    }
}

impl fmt::Display for Explanation {
    /// The chain, leaf first and indented, then one line per rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, certificate) in self.certificates.iter().enumerate() {
            writeln!(f, "{:indent$}[{index}] {certificate}", "", indent = index * 2)?;
        }
        for step in &self.steps {
            let mark = match step.outcome {
                Outcome::Passed => "pass",
                Outcome::Failed => "FAIL",
                Outcome::Noted => "note",
            };
            write!(f, "{mark} [{}] {} ({})", step.certificate, step.rule, step.section)?;
            match &step.detail {
                Some(detail) => writeln!(f, ": {detail}")?,
                None => writeln!(f)?,
            }
        }
        for other in &self.others {
            writeln!(f, "another path failed: {other}")?;
        }
        match &self.verdict {
            Some(Verdict::Accepted { until, revocation, .. }) => {
                writeln!(f, "verdict: accepted, good until {until}, revocation {revocation}")
            }
            Some(Verdict::Refused { reason, certificate, .. }) => {
                writeln!(f, "verdict: refused, [{certificate}] {reason}")
            }
            None => Ok(()),
        }
    }
}

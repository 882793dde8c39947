use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::budget::Exhausted;
use super::explanation::Verdict;
use super::validate::{self, Failure};
use super::{Budget, Explanation, Path, PathChecker, Refusal, Rejected, Revocation, RevocationStatus, revocation};
use crate::{Certificate, Reason, keys};

pub(super) fn check(checker: &PathChecker<'_>, leaf: &Certificate, budget: &Budget) -> Result<Path, Rejected> {
    Search::new(checker, budget).run(leaf)
}

/// SHA-256 of what is signed, and of the SubjectPublicKeyInfo of the key that signed it.
pub(super) type SignedBy = ([u8; 32], [u8; 32]);

/// One search for a path. Searches for CRL issuers and OCSP responders begin from it, one level down each time.
pub(super) struct Search<'a> {
    pub(super) checker: &'a PathChecker<'a>,
    pub(super) budget: &'a Budget,
    // Depth of searches within searches: a CRL's issuer has a CRL that has an issuer.
    pub(super) nesting: u8,
    verified: Rc<RefCell<HashMap<SignedBy, bool>>>,
    links: Rc<RefCell<Vec<Link>>>,
    considered: Vec<Certificate>,
    best: Option<Attempt>,
    others: Vec<Reason>,
}

/// Whether a certificate's key signed another: known by where they lie in memory, which takes less than their digests.
struct Link {
    child: Certificate,
    issuer: Certificate,
    good: bool,
}

/// A path that failed, and what was found on the way.
struct Attempt {
    failure: Failure,
    certificate: Certificate,
    revocation: RevocationStatus,
    explanation: Explanation,
}

/// The search is over, with nothing more to try.
struct Stop;

impl From<Exhausted> for Stop {
    fn from(_: Exhausted) -> Self {
        Self
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(checker: &'a PathChecker<'a>, budget: &'a Budget) -> Self {
        Self {
            checker,
            budget,
            nesting: 0,
            verified: Rc::default(),
            links: Rc::default(),
            considered: Vec::new(),
            best: None,
            others: Vec::new(),
        }
    }

    /// A search for somebody that `outer` needs to trust, such as a CRL's issuer.
    pub(super) fn nested(checker: &'a PathChecker<'a>, outer: &Search<'a>) -> Self {
        let (verified, links) = (Rc::clone(&outer.verified), Rc::clone(&outer.links));
        Self { nesting: outer.nesting + 1, verified, links, ..Self::new(checker, outer.budget) }
    }

    pub(super) fn run(mut self, leaf: &Certificate) -> Result<Path, Rejected> {
        let policy = self.checker.policy;
        let mut explanation = Explanation {
            certificates: vec![leaf.clone()],
            // As many as the leaf has rules.
            steps: Vec::with_capacity(8),
            ..Explanation::default()
        };
        if let Err(failure) = validate::check_leaf(leaf, policy, &mut explanation) {
            self.record(std::slice::from_ref(leaf), failure, RevocationStatus::Unchecked, explanation);
            return Err(self.rejected(leaf));
        }
        let leaf_steps = explanation.steps;
        let found = if self.checker.anchors.contains(leaf) {
            self.judge(std::slice::from_ref(leaf), &leaf_steps)
        } else {
            self.extend(&mut vec![leaf.clone()], 0, &leaf_steps)
        };
        match found {
            Ok(Some(path)) => Ok(path),
            Ok(None) => Err(self.rejected(leaf)),
            Err(Stop) => {
                let failure = Failure {
                    certificate: 0,
                    section: "CASES T-48",
                    rule: "the work stays within its budget",
                    reason: Reason::ChainTooComplex,
                };
                let explanation =
                    Explanation { certificates: vec![leaf.clone()], steps: leaf_steps, ..Explanation::default() };
                // What was found out before stands if it tells more.
                self.record(std::slice::from_ref(leaf), failure, RevocationStatus::Unchecked, explanation);
                Err(self.rejected(leaf))
            }
        }
    }

    // Depth first, anchors before intermediates. The recursion is as deep as a path may be long.
    fn extend(
        &mut self,
        chain: &mut Vec<Certificate>,
        depth: usize,
        leaf_steps: &[super::Step],
    ) -> Result<Option<Path>, Stop> {
        self.budget.path()?;
        let Some(child) = chain.last().cloned() else { return Ok(None) };
        let checker = self.checker;
        let (mut issuer_seen, mut link_found) = (false, false);
        for anchor in checker.anchors.with_subject(child.issuer()) {
            issuer_seen = true;
            if let Err(reason) = self.verify_link(&child, anchor)? {
                self.record_link(chain, Some(anchor), reason, leaf_steps);
                continue;
            }
            link_found = true;
            chain.push(anchor.clone());
            let judged = self.judge(chain, leaf_steps);
            chain.pop();
            if let Some(path) = judged? {
                return Ok(Some(path));
            }
        }
        for issuer in self.candidates(&child) {
            if chain.iter().any(|seen| same_authority(seen, issuer)) || checker.anchors.contains(issuer) {
                continue;
            }
            if !self.considered.contains(issuer) {
                self.budget.certificate()?;
                self.considered.push(issuer.clone());
            }
            issuer_seen = true;
            // RFC 5280 §6.1.4 (l): self-issued certificates do not count.
            let depth = depth + usize::from(!issuer.is_self_issued());
            if depth > checker.policy.limits.depth || chain.len() > 2 * checker.policy.limits.depth + 2 {
                self.record_link(chain, None, Reason::ChainTooLong, leaf_steps);
                continue;
            }
            if let Err(reason) = self.verify_link(&child, issuer)? {
                self.record_link(chain, Some(issuer), reason, leaf_steps);
                continue;
            }
            link_found = true;
            chain.push(issuer.clone());
            let found = self.extend(chain, depth, leaf_steps);
            chain.pop();
            if let Some(path) = found? {
                return Ok(Some(path));
            }
        }
        if !link_found && child.is_self_issued() {
            self.record_link(chain, None, Reason::UnknownAuthority, leaf_steps);
        } else if !issuer_seen {
            self.record_link(chain, None, Reason::IssuerUnknown, leaf_steps);
        }
        Ok(None)
    }

    // Those that name themselves as the child's issuer, the likely ones first: RFC 4158 §3.5.
    fn candidates(&self, child: &Certificate) -> Vec<&'a Certificate> {
        let at = self.checker.policy.at;
        let mut candidates: Vec<&'a Certificate> = Vec::new();
        for certificate in &self.checker.intermediates {
            if certificate.subject() == child.issuer() && !candidates.contains(certificate) {
                candidates.push(certificate);
            }
            // CASES T-48: one more than the budget allows is enough to find that out.
            if candidates.len() > usize::try_from(self.checker.policy.limits.certificates).unwrap_or(usize::MAX) {
                break;
            }
        }
        candidates.sort_by_key(|issuer| {
            let key_fits = match (child.authority_key_identifier(), issuer.subject_key_identifier()) {
                (Some(asked), Some(offered)) if asked == offered => 0,
                (Some(_), Some(_)) => 2,
                _ => 1,
            };
            (
                key_fits,
                !issuer.is_ca(),
                !issuer.validity().contains(at),
                std::cmp::Reverse(issuer.validity().not_before),
            )
        });
        candidates
    }

    /// Whether `issuer`'s key signed `child`, remembered within this search and in the cache.
    fn verify_link(&mut self, child: &Certificate, issuer: &Certificate) -> Result<Result<(), Reason>, Stop> {
        if let Err(reason) = keys::accepted_algorithm(child.signature_algorithm()) {
            return Ok(Err(reason));
        }
        let Ok(key) = issuer.public_key() else { return Ok(Err(Reason::KeyUnsupported)) };
        if let Some(reason) = keys::weakness(key) {
            return Ok(Err(reason));
        }
        let same = |link: &&Link| link.child.is_same(child) && link.issuer.is_same(issuer);
        let known = self.links.borrow().iter().find(same).map(|link| link.good);
        let good = match known {
            Some(good) => good,
            None => {
                let verify = || child.verify_signature(key).is_ok();
                let good = if self.checker.cache.is_some() {
                    self.remembered((*child.sha256().as_bytes(), issuer.public_key_sha256()), verify)?
                } else {
                    self.budget.signature()?;
                    verify()
                };
                self.links.borrow_mut().push(Link { child: child.clone(), issuer: issuer.clone(), good });
                good
            }
        };
        Ok(if good { Ok(()) } else { Err(Reason::SignatureInvalid) })
    }

    /// Whether a signature is good: `pair` is the SHA-256 of what is signed and of the key. Verified at most
    /// once, within the budget.
    pub(super) fn remembered(&mut self, pair: SignedBy, verify: impl FnOnce() -> bool) -> Result<bool, Exhausted> {
        if let Some(&good) = self.verified.borrow().get(&pair) {
            return Ok(good);
        }
        if self.checker.cache.is_some_and(|cache| cache.contains(pair.0, pair.1)) {
            return Ok(true);
        }
        self.budget.signature()?;
        let good = verify();
        self.verified.borrow_mut().insert(pair, good);
        if let (true, Some(cache)) = (good, self.checker.cache) {
            cache.insert(pair.0, pair.1);
        }
        Ok(good)
    }

    // A chain that reaches an anchor: RFC 5280 §6.1, then revocation.
    fn judge(&mut self, chain: &[Certificate], leaf_steps: &[super::Step]) -> Result<Option<Path>, Stop> {
        self.budget.path()?;
        let policy = self.checker.policy;
        // As many as a chain of usual length has rules.
        let mut steps = Vec::with_capacity(leaf_steps.len() + 10 * chain.len());
        steps.extend_from_slice(leaf_steps);
        let mut explanation = Explanation { certificates: chain.to_vec(), steps, ..Explanation::default() };
        let validated = validate::validate(chain, policy, self.budget, &mut explanation)
            .and_then(|policies| self.check_trust(chain, &mut explanation).map(|()| policies));
        let policies = match validated {
            Ok(policies) => policies,
            Err(failure) => {
                self.record(chain, failure, RevocationStatus::Unchecked, explanation);
                return Ok(None);
            }
        };
        let revocation = if policy.revocation == Revocation::Off {
            RevocationStatus::Unchecked
        } else {
            match revocation::check(self, chain, &mut explanation) {
                Ok(status) => status,
                Err(stopped) => {
                    let (failure, status) = *stopped;
                    self.record(chain, failure, status, explanation);
                    return Ok(None);
                }
            }
        };
        let Some(leaf) = chain.first().cloned() else { return Ok(None) };
        let others = std::mem::take(&mut self.others);
        let earlier = self.best.take().map(|attempt| attempt.failure.reason);
        explanation.others = others.into_iter().chain(earlier).collect();
        let until = chain.iter().map(|certificate| certificate.validity().not_after).min().unwrap_or(policy.at);
        explanation.verdict = Some(Verdict::Accepted { until, revocation, policies: policies.clone() });
        Ok(Some(Path {
            leaf,
            certificates: chain.to_vec(),
            address: policy.address.clone(),
            purpose: policy.purpose,
            at: policy.at,
            policies,
            revocation,
            explanation,
        }))
    }

    // Root programs let a CA go by a date: what it issued before stays good.
    fn check_trust(&self, chain: &[Certificate], explanation: &mut Explanation) -> Result<(), Failure> {
        let (Some(leaf), Some(anchor)) = (chain.first(), chain.last()) else { return Ok(()) };
        let Some(on) = self.checker.anchors.distrusted_after(anchor) else { return Ok(()) };
        let (section, rule) = ("RFC 5280 §6.1.1 (d)", "the anchor was trusted when the certificate was issued");
        if on < leaf.validity().not_before {
            return Err(Failure { certificate: 0, section, rule, reason: Reason::DistrustedAfter { on } });
        }
        explanation.passed(0, section, rule);
        Ok(())
    }

    fn record_link(
        &mut self,
        chain: &[Certificate],
        issuer: Option<&Certificate>,
        reason: Reason,
        leaf_steps: &[super::Step],
    ) {
        let mut chain = chain.to_vec();
        let (section, rule) = match reason {
            Reason::SignatureInvalid | Reason::SignatureUnacceptable { .. } => {
                ("RFC 5280 §6.1.3 (a)(1)", "the signature is the issuer's")
            }
            // These speak of the issuer, not of what it issued.
            Reason::KeyUnsupported | Reason::KeyTooShort { .. } => {
                chain.extend(issuer.cloned());
                ("RFC 8551 §4", "the key is of a kind and size that is accepted")
            }
            Reason::ChainTooLong => ("CASES T-48", "the path is not too long"),
            _ => ("RFC 5280 §6.1.3 (a)(4)", "the issuer is at hand and trusted"),
        };
        let certificate = chain.len().saturating_sub(1);
        let explanation =
            Explanation { certificates: chain.clone(), steps: leaf_steps.to_vec(), ..Explanation::default() };
        let failure = Failure { certificate, section, rule, reason };
        self.record(&chain, failure, RevocationStatus::Unchecked, explanation);
    }

    // Of several failures the one that tells most is kept: the largest rank, then the first.
    fn record(
        &mut self,
        chain: &[Certificate],
        failure: Failure,
        revocation: RevocationStatus,
        mut explanation: Explanation,
    ) {
        const MOST_OTHERS: usize = 20;
        explanation.failed(failure.certificate, failure.section, failure.rule, &failure.reason);
        let Some(certificate) = chain.get(failure.certificate).or(chain.first()).cloned() else { return };
        let attempt = Attempt { failure, certificate, revocation, explanation };
        let loser = match &mut self.best {
            Some(best) if best.failure.reason.rank() >= attempt.failure.reason.rank() => Some(attempt),
            best => best.replace(attempt),
        };
        if let Some(loser) = loser {
            let reason = loser.failure.reason;
            if self.others.len() < MOST_OTHERS && !self.others.contains(&reason) {
                self.others.push(reason);
            }
        }
    }

    fn rejected(self, leaf: &Certificate) -> Rejected {
        let address = self.checker.policy.address.clone();
        let refusal = match self.best {
            Some(Attempt { failure, certificate, revocation, mut explanation }) => {
                explanation.others = self.others;
                let (reason, certificate_index) = (failure.reason.clone(), failure.certificate);
                explanation.verdict = Some(Verdict::Refused { reason, certificate: certificate_index, revocation });
                let is_leaf = failure.certificate == 0;
                Refusal { reason: failure.reason, certificate, is_leaf, address, revocation, explanation }
            }
            None => Refusal {
                reason: Reason::IssuerUnknown,
                certificate: leaf.clone(),
                is_leaf: true,
                address,
                revocation: RevocationStatus::Unchecked,
                explanation: Explanation {
                    certificates: vec![leaf.clone()],
                    verdict: Some(Verdict::Refused {
                        reason: Reason::IssuerUnknown,
                        certificate: 0,
                        revocation: RevocationStatus::Unchecked,
                    }),
                    ..Explanation::default()
                },
            },
        };
        Rejected(Box::new(refusal))
    }
}

// RFC 4158 §2.4.2: a path does not visit the same name with the same key twice.
fn same_authority(one: &Certificate, other: &Certificate) -> bool {
    one == other
        || (one.subject() == other.subject() && one.subject_public_key_info() == other.subject_public_key_info())
}

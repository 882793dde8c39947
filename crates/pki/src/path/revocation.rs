//! Whether the certificates of a path were revoked: CRLs by RFC 5280 §6.3, OCSP by RFC 6960 §3.2.

use super::build::Search;
use super::validate::Failure;
use super::{Conformance, Explanation, PathChecker, PathPolicy, Purpose, Revocation, RevocationStatus};
use crate::crl::{RevocationReason, Revoked, Unusable};
use crate::extensions::{DistributionPoint, DistributionPointName, GeneralName, KeyUsage, ReasonFlags};
use crate::{Certificate, CertificateList, Name, Reason, TrustAnchors, keys, oids};

/// What one source, or all together, say about one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Revoked(Revoked),
    Unknown,
}

/// Checks every certificate below the anchor, from the top down. Within searches for CRL issuers, `nesting`
/// ends the chain of questions.
pub(super) fn check(
    search: &mut Search<'_>,
    chain: &[Certificate],
    explanation: &mut Explanation,
) -> Result<RevocationStatus, Box<(Failure, RevocationStatus)>> {
    let policy = search.checker.policy;
    // An anchor's revocation is for who trusts it; a path of nothing else has nobody to ask.
    let mut overall = if chain.len() > 1 { RevocationStatus::Good } else { RevocationStatus::Unchecked };
    for index in (0..chain.len().saturating_sub(1)).rev() {
        let (Some(certificate), Some(above)) = (chain.get(index), chain.get(index + 1..)) else { continue };
        let (section, rule) = ("RFC 5280 §6.1.3 (a)(3)", "the certificate is not revoked");
        let fail = |reason| Failure { certificate: index, section, rule, reason };
        let mut findings = Vec::new();
        let status = status_of(search, certificate, above, &mut findings);
        if status == Status::Unknown {
            let detail = (!findings.is_empty()).then(|| findings.join("; "));
            explanation.noted(index, section, "whether the certificate is revoked is unknown", detail);
        }
        match status {
            Status::Good => explanation.passed(index, section, rule),
            Status::Revoked(Revoked { on, reason, .. }) => {
                return Err(Box::new((fail(Reason::Revoked { on, because: reason }), RevocationStatus::Revoked)));
            }
            Status::Unknown if policy.revocation == Revocation::Required => {
                return Err(Box::new((fail(Reason::RevocationUnknown), RevocationStatus::Unknown)));
            }
            Status::Unknown => overall = RevocationStatus::Unknown,
        }
    }
    Ok(overall)
}

fn status_of(
    search: &mut Search<'_>,
    certificate: &Certificate,
    above: &[Certificate],
    findings: &mut Vec<String>,
) -> Status {
    let Some(issuer) = above.first() else { return Status::Unknown };
    let by_ocsp = ocsp_status(search, certificate, issuer, above, findings);
    match by_ocsp {
        Status::Revoked(_) => by_ocsp,
        _ => match crl_status(search, certificate, above, findings) {
            Status::Unknown => by_ocsp,
            known => known,
        },
    }
}

fn ocsp_status(
    search: &mut Search<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
    above: &[Certificate],
    findings: &mut Vec<String>,
) -> Status {
    let policy = search.checker.policy;
    let mut status = Status::Unknown;
    for index in 0..search.checker.ocsp.len() {
        let Some(&response) = search.checker.ocsp.get(index) else { continue };
        if !response.is_about(certificate, issuer) {
            continue;
        }
        // RFC 6960 §3.2: signed by who may, within its time.
        if search.budget.signature().is_err() {
            return status;
        }
        let (found, delegate) = response.status(certificate, issuer, policy.at);
        // RFC 6960 §4.2.2.2.1: a delegate may be revoked, too, unless its certificate says that nobody needs to look.
        let revocable = delegate.filter(|delegate| delegate.extensions().get(oids::OCSP_NOCHECK).is_none());
        if let Some(delegate) = revocable
            && matches!(crl_status(search, delegate, above, &mut Vec::new()), Status::Revoked(_))
        {
            findings.push(format!("the OCSP responder {delegate} was revoked"));
            continue;
        }
        match found {
            Status::Unknown => findings.push(format!(
                "the OCSP response of {} says nothing that counts: not good, not current, or not signed by who may",
                response.produced_at()
            )),
            revoked @ Status::Revoked(_) => return revoked,
            Status::Good => status = Status::Good,
        }
    }
    status
}

// RFC 5280 §6.3.3
fn crl_status(
    search: &mut Search<'_>,
    certificate: &Certificate,
    above: &[Certificate],
    findings: &mut Vec<String>,
) -> Status {
    if search.checker.crls.is_empty() {
        findings.push("no CRL is at hand".to_owned());
        return Status::Unknown;
    }
    let mut in_any_scope = false;
    let mut covered = ReasonFlags::NONE;
    let mut clearing_keys: Vec<[u8; 32]> = Vec::new();
    // After the certificate's own distribution points, whatever else its issuer has issued.
    let implicit = DistributionPoint {
        name: Some(DistributionPointName::Full(vec![GeneralName::DirectoryName(certificate.issuer().clone())])),
        reasons: None,
        crl_issuer: Vec::new(),
    };
    let points = certificate.extensions().crl_distribution_points();
    // CASES S-26: of several lists for one scope the newest decides, so it is asked first; of two that are equally
    // new, the one that names the certificate, in whatever order they came.
    let mut newest_first: Vec<usize> = (0..search.checker.crls.len()).collect();
    newest_first.sort_by_cached_key(|&index| {
        let list = search.checker.crls.get(index);
        std::cmp::Reverse(list.map(|list| (list.this_update(), list.number(), list_names(list, certificate))))
    });
    let is_named = search.checker.crls.iter().any(|list| list_names(list, certificate));
    for point in points.iter().chain([&implicit]) {
        for &index in &newest_first {
            let Some(&list) = search.checker.crls.get(index) else { continue };
            if list.is_delta() || !in_scope(list, point, certificate) {
                continue;
            }
            in_any_scope = true;
            // (d), (e)
            let some = |reasons: Option<ReasonFlags>| reasons.unwrap_or(ReasonFlags::ALL);
            let only = list.issuing_distribution_point().and_then(|point| point.only_some_reasons);
            let reasons = some(point.reasons).intersection(some(only));
            let is_covered = covered.contains(reasons);
            if is_covered && !is_named {
                continue;
            }
            // (f), (g)
            let Some(signer) = signer_of(search, list, above) else {
                findings.push(format!("{} is not signed by who may sign it", described(list)));
                continue;
            };
            // A newer list takes an older one's place where one key has signed both (RFC 5280 §5.2.1). A CA that goes on
            // under its name with a new key publishes one list for each: what one of them revokes, no other clears.
            if is_covered && clearing_keys.contains(&signer.public_key_sha256()) {
                continue;
            }
            // (c), (h)
            let delta = newest_delta(search, list, &signer);
            let Some(found) = judge(list, delta, certificate, search.checker.policy) else {
                findings.push(format!("{} {}", described(list), why_useless(list, search.checker.policy)));
                continue;
            };
            match found {
                Status::Revoked(_) => return found,
                Status::Good => {
                    covered = covered.union(reasons);
                    clearing_keys.push(signer.public_key_sha256());
                }
                Status::Unknown => {}
            }
        }
    }
    if covered == ReasonFlags::ALL {
        return Status::Good;
    }
    if !in_any_scope {
        findings.push("no CRL at hand covers it".to_owned());
    } else if covered != ReasonFlags::NONE {
        findings.push("the CRLs at hand cover some reasons only".to_owned());
    }
    Status::Unknown
}

fn described(list: &CertificateList) -> String {
    format!("the CRL of {} from {}", list.issuer(), list.this_update())
}

fn why_useless(list: &CertificateList, policy: &PathPolicy) -> String {
    match (list.unusable(), list.next_update()) {
        (Some(Unusable::UnknownCritical(oid)), _) => format!("has the critical extension {oid}, which is not known"),
        (Some(Unusable::Malformed(oid)), _) => format!("has an extension {oid} that cannot be parsed"),
        (Some(Unusable::Nonconforming(what)), _) => format!("is {what}"),
        _ if policy.at < list.this_update() => "is of a later time".to_owned(),
        (None, None) => "does not say when the next one comes".to_owned(),
        (None, Some(next)) if next < policy.at => format!("ran out on {next}"),
        _ => "does not decide".to_owned(),
    }
}

fn list_names(list: &CertificateList, certificate: &Certificate) -> bool {
    list.find(certificate.serial(), certificate.issuer()).is_some()
}

// RFC 5280 §6.3.3 (b)
fn in_scope(list: &CertificateList, point: &DistributionPoint, certificate: &Certificate) -> bool {
    let scope = list.issuing_distribution_point();
    // (b)(1)
    if point.crl_issuer.is_empty() {
        if list.issuer() != certificate.issuer() {
            return false;
        }
    } else {
        let named = point
            .crl_issuer
            .iter()
            .any(|name| matches!(name, GeneralName::DirectoryName(name) if name == list.issuer()));
        if !named || !scope.is_some_and(|scope| scope.indirect) {
            return false;
        }
    }
    let Some(scope) = scope else { return true };
    // (b)(2)(i)
    if let Some(name) = &scope.name {
        let theirs = name.resolve(list.issuer());
        let ours = match &point.name {
            Some(name) => name.resolve(crl_issuer_of(point, certificate)),
            None => point.crl_issuer.clone(),
        };
        if !theirs.iter().any(|name| ours.contains(name)) {
            return false;
        }
    }
    // (b)(2)(ii)–(iv)
    !(scope.only_user_certificates && certificate.is_ca()
        || scope.only_ca_certificates && !certificate.is_ca()
        || scope.only_attribute_certificates)
}

fn crl_issuer_of<'a>(point: &'a DistributionPoint, certificate: &'a Certificate) -> &'a Name {
    let named = point.crl_issuer.iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    named.unwrap_or(certificate.issuer())
}

// RFC 5280 §6.3.3 (i)–(k), with what a list that is too old or too strange can still say: that a certificate is
// revoked, never that it is good. `None` where it says nothing.
fn judge(
    list: &CertificateList,
    delta: Option<&CertificateList>,
    certificate: &Certificate,
    policy: &PathPolicy,
) -> Option<Status> {
    let current = is_current(list, policy) && list.unusable().is_none();
    // RFC 5280 §5.2.3: a CRL number is required of conforming CAs.
    if policy.conformance == Conformance::Strict && list.number().is_none() {
        return None;
    }
    let find = |list: &CertificateList| list.find(certificate.serial(), certificate.issuer());
    let newest = delta.and_then(find);
    if let Some(revoked) = newest {
        if revoked.reason == RevocationReason::RemoveFromCrl {
            return current.then_some(Status::Good);
        }
        return Some(Status::Revoked(revoked));
    }
    match find(list) {
        Some(Revoked { reason: RevocationReason::RemoveFromCrl, .. }) => None,
        // A later list tells of later revocations too, which were not yet at the time asked for.
        Some(revoked) if list.this_update() > policy.at && revoked.on > policy.at => None,
        // An old list's hold may have been lifted since.
        Some(Revoked { reason: RevocationReason::CertificateHold, .. }) if !current => None,
        Some(revoked) => Some(Status::Revoked(revoked)),
        None => current.then_some(Status::Good),
    }
}

fn is_current(list: &CertificateList, policy: &PathPolicy) -> bool {
    // CASES T-50: without nextUpdate nobody can say that a list is not stale.
    list.this_update() <= policy.at && list.next_update().is_some_and(|next| policy.at <= next)
}

// RFC 5280 §6.3.3 (c), §5.2.4: same issuer, same scope, based on what the complete list has, and newer.
fn newest_delta<'a>(
    search: &mut Search<'a>,
    list: &CertificateList,
    signer: &Certificate,
) -> Option<&'a CertificateList> {
    let policy = search.checker.policy;
    let number = list.number()?;
    let mut fitting: Vec<&'a CertificateList> = Vec::new();
    for &delta in &search.checker.crls {
        let fits = delta.base_number().is_some_and(|base| base <= number)
            && delta.number().is_some_and(|delta| delta >= number)
            && delta.issuer() == list.issuer()
            && delta.issuing_distribution_point() == list.issuing_distribution_point()
            && delta.authority_key_identifier() == list.authority_key_identifier()
            && delta.unusable().is_none()
            && is_current(delta, policy);
        if fits {
            fitting.push(delta);
        }
    }
    fitting.sort_by_key(|delta| std::cmp::Reverse(delta.number().cloned()));
    fitting.into_iter().find(|delta| search.verify_list(delta, signer))
}

// RFC 5280 §6.3.3 (f): whoever may sign the list, under the same trust anchor as the certificate.
fn signer_of(search: &mut Search<'_>, list: &CertificateList, above: &[Certificate]) -> Option<Certificate> {
    let may_sign = |signer: &Certificate| {
        let asked = list.authority_key_identifier().and_then(|identifier| identifier.key_identifier.as_deref());
        signer.subject() == list.issuer()
            && signer.key_usage().is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN))
            && !matches!((asked, signer.subject_key_identifier()), (Some(asked), Some(offered)) if asked != offered)
    };
    // A CA of the path itself needs no path of its own.
    for signer in above.iter().filter(|signer| may_sign(signer)) {
        if search.verify_list(list, signer) {
            return Some(signer.clone());
        }
    }
    let anchor = above.last()?;
    let checker = search.checker;
    for &signer in checker.intermediates.iter().filter(|signer| may_sign(signer)) {
        if above.contains(signer) || search.nesting >= MOST_NESTED || !search.verify_list(list, signer) {
            continue;
        }
        let anchors: TrustAnchors = [anchor.clone()].into_iter().collect();
        let policy = PathPolicy {
            purpose: Purpose::Crl,
            address: None,
            // RFC 5280 §6.3.3 (f) asks for a valid path; that the signer was revoked is found out where a list at
            // hand says so, but a list need not vouch for its own signer.
            revocation: if search.nesting + 1 < MOST_NESTED { Revocation::IfAvailable } else { Revocation::Off },
            initial_policies: None,
            require_explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
            ..checker.policy.clone()
        };
        let nested = PathChecker { anchors: &anchors, policy: &policy, ..checker.clone() };
        if Search::nested(&nested, search).run(signer).is_ok() {
            return Some(signer.clone());
        }
    }
    None
}

/// A CRL's signer has a CRL, whose signer has a CRL.
const MOST_NESTED: u8 = 3;

impl Search<'_> {
    /// Whether `signer`'s key signed the list, remembered in the cache.
    fn verify_list(&mut self, list: &CertificateList, signer: &Certificate) -> bool {
        if !list.algorithms_agree() || keys::accepted_algorithm(list.signature_algorithm()).is_err() {
            return false;
        }
        let Ok(key) = signer.public_key() else { return false };
        let pair = (list.sha256(), signer.public_key_sha256());
        self.remembered(pair, || list.verify_signature(key).is_ok()).unwrap_or(false)
    }
}

use asn1::{Oid, Time};

use super::constraints::Constraints;
use super::policy_graph::PolicyGraph;
use super::{Budget, Conformance, Explanation, PathPolicy, Purpose, conformance};
use crate::certificate::Oddity;
use crate::extensions::KeyUsage;
use crate::{Certificate, Reason, keys, oids};

/// Where a path failed: index into the chain, and the rule.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) certificate: usize,
    pub(super) section: &'static str,
    pub(super) rule: &'static str,
    pub(super) reason: Reason,
}

type Checked<T = ()> = Result<T, Failure>;

fn fail<T>(certificate: usize, section: &'static str, rule: &'static str, reason: Reason) -> Checked<T> {
    Err(Failure { certificate, section, rule, reason })
}

/// The rules that concern the leaf alone, before any path is looked for: RFC 8550 and the key itself.
pub(super) fn check_leaf(leaf: &Certificate, policy: &PathPolicy, explanation: &mut Explanation) -> Checked {
    check_structure(0, leaf, policy, explanation)?;
    check_validity(0, leaf, policy, explanation)?;
    check_key(0, leaf)?;
    match policy.purpose {
        Purpose::Any | Purpose::Sign | Purpose::Encrypt => {}
        Purpose::Ocsp => {
            let rule = "the extended key usage allows signing OCSP responses";
            if !leaf.extended_key_usage().is_some_and(|usage| usage.contains(oids::OCSP_SIGNING)) {
                return fail(0, "RFC 6960 §4.2.2.2", rule, Reason::ExtendedKeyUsage);
            }
            explanation.passed(0, "RFC 6960 §4.2.2.2", rule);
        }
        Purpose::Crl => {
            let needed = KeyUsage::CRL_SIGN;
            let rule = "the key usage allows signing CRLs";
            if leaf.key_usage().is_some_and(|usage| !usage.intersects(needed)) {
                return fail(0, "RFC 5280 §6.3.3 (f)", rule, Reason::KeyUsage { needed });
            }
            explanation.passed(0, "RFC 5280 §6.3.3 (f)", rule);
        }
    }
    if policy.is_for_mail() { check_mail_leaf(leaf, policy, explanation) } else { Ok(()) }
}

/// What is wrong with a leaf by itself, one reason of each kind (CASES T-65).
pub(crate) fn leaf_failures(leaf: &Certificate, at: Time) -> Vec<Reason> {
    let policy = PathPolicy::at(at);
    let mut explanation = Explanation::default();
    [
        check_structure(0, leaf, &policy, &mut explanation),
        check_validity(0, leaf, &policy, &mut explanation),
        check_key(0, leaf),
        check_mail_leaf(leaf, &policy, &mut explanation),
    ]
    .into_iter()
    .filter_map(|checked| checked.err().map(|failure| failure.reason))
    .collect()
}

// RFC 8550 §3, §4.4
fn check_mail_leaf(leaf: &Certificate, policy: &PathPolicy, explanation: &mut Explanation) -> Checked {
    let rule = "the certificate is not a CA's";
    if leaf.is_ca() {
        return fail(0, "RFC 8550 §4.4.1", rule, Reason::CaAsLeaf);
    }
    explanation.passed(0, "RFC 8550 §4.4.1", rule);

    let (needed, rule) = match policy.purpose {
        Purpose::Encrypt => (
            KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::KEY_AGREEMENT),
            "the key usage allows key encipherment or key agreement",
        ),
        Purpose::Sign => (
            KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION),
            "the key usage allows digital signature or non-repudiation",
        ),
        _ => (
            KeyUsage::DIGITAL_SIGNATURE
                .with(KeyUsage::NON_REPUDIATION)
                .with(KeyUsage::KEY_ENCIPHERMENT)
                .with(KeyUsage::KEY_AGREEMENT),
            "the key usage allows signing or encrypting",
        ),
    };
    // Without the extension the key decides what it can do.
    let allowed = leaf.key_usage().is_none_or(|usage| usage.intersects(needed));
    let able = leaf.public_key().is_ok_and(|key| keys::is_able(key, policy.purpose));
    if !allowed || !able {
        return fail(0, "RFC 8550 §4.4.2", rule, Reason::KeyUsage { needed });
    }
    explanation.passed(0, "RFC 8550 §4.4.2", rule);

    let rule = "the extended key usage is absent or allows mail";
    if leaf.extended_key_usage().is_some_and(|usage| !usage.allows_email()) {
        return fail(0, "RFC 8550 §4.4.4", rule, Reason::ExtendedKeyUsage);
    }
    explanation.passed(0, "RFC 8550 §4.4.4", rule);

    if let Some(address) = &policy.address {
        let rule = "the certificate speaks for the address";
        let found = leaf.email_addresses();
        if found.is_empty() {
            return fail(0, "RFC 8550 §3", rule, Reason::AddressMissing);
        }
        if !found.contains(address) {
            return fail(0, "RFC 8550 §3", rule, Reason::AddressMismatch { asked: address.clone(), found });
        }
        explanation.passed(0, "RFC 8550 §3", rule);
    }
    Ok(())
}

/// RFC 5280 §6.1 over a whole chain, leaf first, anchor last, whose signatures are verified already. Returns
/// the policies that hold.
pub(super) fn validate(
    chain: &[Certificate],
    policy: &PathPolicy,
    budget: &Budget,
    explanation: &mut Explanation,
) -> Checked<Vec<Oid>> {
    let Some((anchor, below)) = chain.split_last() else { return Ok(Vec::new()) };
    let count = u32::try_from(below.len()).unwrap_or(u32::MAX);
    let mut state = State {
        constraints: Constraints::default(),
        // RFC 5280 §6.1.2 (d)–(f), (k)
        graph: Some(PolicyGraph::new()),
        explicit_policy: if policy.require_explicit_policy { 0 } else { count.saturating_add(1) },
        inhibit_any_policy: if policy.inhibit_any_policy { 0 } else { count.saturating_add(1) },
        policy_mapping: if policy.inhibit_policy_mapping { 0 } else { count.saturating_add(1) },
        max_path_length: count,
    };
    if policy.conformance == Conformance::Strict {
        conformance::check_chain(chain).map_err(|(certificate, what)| Failure {
            certificate,
            section: "RFC 5280 §4",
            rule: "the certificate conforms to the profile",
            reason: Reason::Nonconforming { what },
        })?;
    }
    if below.is_empty() {
        // The leaf itself is an anchor: its word is taken, within its own limits.
        explanation.passed(0, "RFC 5280 §6.1.1 (d)", "the certificate itself is a trust anchor");
        return Ok(Vec::new());
    }
    let anchor_index = below.len();
    state.check_anchor(anchor_index, anchor, policy, explanation)?;
    for (index, certificate) in below.iter().enumerate().rev() {
        if index > 0 {
            check_structure(index, certificate, policy, explanation)?;
            check_validity(index, certificate, policy, explanation)?;
            check_key(index, certificate)?;
        }
        state.process(index, certificate, budget, explanation)?;
        if index > 0 {
            state.prepare_for_next(index, certificate, policy, explanation)?;
        }
    }
    let leaf = below.first().unwrap_or(anchor);
    state.wrap_up(leaf, policy, explanation)
}

struct State<'a> {
    constraints: Constraints<'a>,
    graph: Option<PolicyGraph>,
    explicit_policy: u32,
    inhibit_any_policy: u32,
    policy_mapping: u32,
    max_path_length: u32,
}

impl<'a> State<'a> {
    // RFC 5937 §3: a trust anchor that comes as a certificate limits itself.
    fn check_anchor(
        &mut self,
        index: usize,
        anchor: &'a Certificate,
        policy: &PathPolicy,
        explanation: &mut Explanation,
    ) -> Checked {
        check_structure(index, anchor, policy, explanation)?;
        check_validity(index, anchor, policy, explanation)?;
        check_key(index, anchor)?;
        explanation.passed(index, "RFC 5280 §6.1.1 (d)", "the path ends in a trust anchor");
        // A root from before version 3 cannot say that it is a CA's, and is trusted by being listed.
        if anchor.version() == 3 {
            self.check_issuer(index, anchor, policy, explanation)?;
        }
        self.take_limits(anchor);
        Ok(())
    }

    // RFC 5280 §6.1.3
    fn process(
        &mut self,
        index: usize,
        certificate: &'a Certificate,
        budget: &Budget,
        explanation: &mut Explanation,
    ) -> Checked {
        // (a)(1) and (a)(4) held when the path was built.
        explanation.passed(index, "RFC 5280 §6.1.3 (a)(1)", "the signature is the issuer's");
        // (b), (c)
        if (index == 0 || !certificate.is_self_issued()) && !self.constraints.is_empty() {
            let (section, rule) = ("RFC 5280 §6.1.3 (b), (c)", "every name is one that the CAs above may certify");
            if let Err(reason) = self.constraints.check(certificate, budget) {
                return fail(index, section, rule, reason);
            }
            explanation.passed(index, section, rule);
        }
        // (d), (e)
        let any_allowed = self.inhibit_any_policy > 0 || (index > 0 && certificate.is_self_issued());
        self.graph = self.graph.take().and_then(|graph| graph.extend(certificate.extensions().policies(), any_allowed));
        // (f)
        if self.explicit_policy == 0 {
            let (section, rule) = ("RFC 5280 §6.1.3 (f)", "a policy is left where one is required");
            if self.graph.is_none() {
                return fail(index, section, rule, Reason::PolicyRequired);
            }
            explanation.passed(index, section, rule);
        }
        Ok(())
    }

    // RFC 5280 §6.1.4
    fn prepare_for_next(
        &mut self,
        index: usize,
        certificate: &'a Certificate,
        policy: &PathPolicy,
        explanation: &mut Explanation,
    ) -> Checked {
        // (a), (b)
        let mappings = certificate.extensions().policy_mappings();
        if !mappings.is_empty() {
            let (section, rule) = ("RFC 5280 §6.1.4 (a)", "no policy mapping names anyPolicy");
            if mappings.iter().any(|&(issuer, subject)| issuer == oids::ANY_POLICY || subject == oids::ANY_POLICY) {
                return fail(index, section, rule, Reason::PolicyMapping);
            }
            explanation.passed(index, section, rule);
            let allowed = self.policy_mapping > 0;
            self.graph = self.graph.take().and_then(|graph| graph.map(mappings, allowed));
        }
        self.check_issuer(index, certificate, policy, explanation)?;
        // (h), (l)
        if !certificate.is_self_issued() {
            for counter in [&mut self.explicit_policy, &mut self.policy_mapping, &mut self.inhibit_any_policy] {
                *counter = counter.saturating_sub(1);
            }
            let (section, rule) = ("RFC 5280 §6.1.4 (l)", "the path length that the CAs above allow is kept");
            match self.max_path_length.checked_sub(1) {
                Some(left) => self.max_path_length = left,
                None => return fail(index, section, rule, Reason::PathLength),
            }
            explanation.passed(index, section, rule);
        }
        self.take_limits(certificate);
        Ok(())
    }

    // RFC 5280 §6.1.4 (k), (n): only a CA issues.
    fn check_issuer(
        &self,
        index: usize,
        issuer: &Certificate,
        policy: &PathPolicy,
        explanation: &mut Explanation,
    ) -> Checked {
        let (section, rule) = ("RFC 5280 §6.1.4 (k)", "the basic constraints say that it is a CA's");
        if !issuer.is_ca() {
            return fail(index, section, rule, Reason::IssuerNotCa);
        }
        explanation.passed(index, section, rule);
        let (section, rule) = ("RFC 5280 §6.1.4 (n)", "the key usage allows signing certificates");
        let needed = KeyUsage::KEY_CERT_SIGN;
        if issuer.key_usage().is_some_and(|usage| !usage.contains(needed)) {
            return fail(index, section, rule, Reason::KeyUsage { needed });
        }
        explanation.passed(index, section, rule);
        if policy.is_for_mail() {
            // RFC 5280 §4.2.1.12 is silent about CAs; CAs use it to confine their issuing CAs, as the
            // CA/Browser Forum has it, and so it is read.
            let (section, rule) = ("S/MIME BR §7.1.2.2 g", "the CA's extended key usage is absent or allows mail");
            if issuer.extended_key_usage().is_some_and(|usage| !usage.allows_email()) {
                return fail(index, section, rule, Reason::ExtendedKeyUsage);
            }
            explanation.passed(index, section, rule);
        }
        Ok(())
    }

    // RFC 5280 §6.1.4 (g), (i), (j), (m)
    fn take_limits(&mut self, issuer: &'a Certificate) {
        let extensions = issuer.extensions();
        if let Some(constraints) = extensions.name_constraints() {
            self.constraints.add(constraints);
        }
        let tighten =
            |counter: &mut u32, limit: Option<u32>| *counter = limit.map_or(*counter, |limit| limit.min(*counter));
        if let Some(constraints) = extensions.policy_constraints() {
            tighten(&mut self.explicit_policy, constraints.require_explicit_policy);
            tighten(&mut self.policy_mapping, constraints.inhibit_policy_mapping);
        }
        tighten(&mut self.inhibit_any_policy, extensions.inhibit_any_policy());
        tighten(&mut self.max_path_length, issuer.basic_constraints().and_then(|constraints| constraints.path_length));
    }

    // RFC 5280 §6.1.5
    fn wrap_up(mut self, leaf: &Certificate, policy: &PathPolicy, explanation: &mut Explanation) -> Checked<Vec<Oid>> {
        // (a)
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        // (b)
        if leaf.extensions().policy_constraints().is_some_and(|it| it.require_explicit_policy == Some(0)) {
            self.explicit_policy = 0;
        }
        // (g)
        let accepted = self.graph.map(|graph| graph.accepted(policy.initial_policies.as_deref())).unwrap_or_default();
        let (section, rule) = ("RFC 5280 §6.1.5 (g)", "an accepted policy holds along the path, where one is required");
        if self.explicit_policy == 0 && accepted.is_empty() {
            return fail(0, section, rule, Reason::PolicyRequired);
        }
        explanation.passed(0, section, rule);
        Ok(accepted)
    }
}

// RFC 5280 §4.1.1.2, §4.2: what is refused whatever the path.
fn check_structure(
    index: usize,
    certificate: &Certificate,
    policy: &PathPolicy,
    explanation: &mut Explanation,
) -> Checked {
    let (section, rule) = ("RFC 5280 §4.2", "the certificate is well-formed");
    for oddity in certificate.oddities() {
        let reason = match *oddity {
            Oddity::AlgorithmMismatch => Reason::AlgorithmMismatch,
            Oddity::DuplicateExtension(oid) => Reason::ExtensionDuplicated(oid),
            Oddity::MalformedExtension(oid) if matters(oid, certificate) => Reason::ExtensionMalformed(oid),
            // RFC 5280 §4.1.2.9: others may not read them, a CA's limits among them.
            Oddity::ExtensionsUnexpected | Oddity::ValidityReversed => Reason::Odd(*oddity),
            _ => {
                explanation.noted(index, section, "odd, but harmless", Some(oddity.to_string()));
                continue;
            }
        };
        return fail(index, section, rule, reason);
    }
    // RFC 5280 §6.1.4 (o), §6.1.5 (f)
    let (section, rule) = ("RFC 5280 §6.1.4 (o), §6.1.5 (f)", "every critical extension is understood");
    for extension in certificate.extensions().iter().filter(|extension| extension.critical) {
        let ocsp_responder = policy.purpose == Purpose::Ocsp && extension.oid == oids::OCSP_NOCHECK;
        if !is_understood(extension.oid) && !ocsp_responder {
            return fail(index, section, rule, Reason::CriticalExtensionUnknown(extension.oid));
        }
    }
    explanation.passed(index, section, rule);
    Ok(())
}

/// Whether a critical extension of this type refuses nobody.
pub(crate) fn is_understood(oid: Oid) -> bool {
    UNDERSTOOD.contains(&oid)
}

/// Extensions that path validation reads or that say nothing about it.
const UNDERSTOOD: &[Oid] = &[
    oids::AUTHORITY_INFO_ACCESS,
    oids::AUTHORITY_KEY_IDENTIFIER,
    oids::BASIC_CONSTRAINTS,
    oids::CERTIFICATE_POLICIES,
    oids::CRL_DISTRIBUTION_POINTS,
    oids::EXTENDED_KEY_USAGE,
    oids::FRESHEST_CRL,
    oids::INHIBIT_ANY_POLICY,
    oids::ISSUER_ALT_NAME,
    oids::KEY_USAGE,
    oids::NAME_CONSTRAINTS,
    oids::POLICY_CONSTRAINTS,
    oids::POLICY_MAPPINGS,
    oids::QC_STATEMENTS,
    oids::SMIME_CAPABILITIES,
    oids::SUBJECT_ALT_NAME,
    oids::SUBJECT_DIRECTORY_ATTRIBUTES,
    oids::SUBJECT_INFO_ACCESS,
    oids::SUBJECT_KEY_IDENTIFIER,
];

/// Whether a known extension that cannot be parsed could change the verdict.
fn matters(oid: Oid, certificate: &Certificate) -> bool {
    certificate.extensions().get(oid).is_some_and(|extension| extension.critical)
        || matches!(
            oid,
            oids::BASIC_CONSTRAINTS
                | oids::CERTIFICATE_POLICIES
                | oids::CRL_DISTRIBUTION_POINTS
                | oids::EXTENDED_KEY_USAGE
                | oids::INHIBIT_ANY_POLICY
                | oids::KEY_USAGE
                | oids::NAME_CONSTRAINTS
                | oids::POLICY_CONSTRAINTS
                | oids::POLICY_MAPPINGS
                | oids::SUBJECT_ALT_NAME
        )
}

fn check_validity(
    index: usize,
    certificate: &Certificate,
    policy: &PathPolicy,
    explanation: &mut Explanation,
) -> Checked {
    let (section, rule) = ("RFC 5280 §6.1.3 (a)(2)", "the validity covers the time");
    let validity = certificate.validity();
    if policy.at < validity.not_before {
        return fail(index, section, rule, Reason::NotYetValid { until: validity.not_before });
    }
    if validity.not_after < policy.at {
        return fail(index, section, rule, Reason::Expired { on: validity.not_after });
    }
    explanation.passed(index, section, rule);
    Ok(())
}

fn check_key(index: usize, certificate: &Certificate) -> Checked {
    let (section, rule) = ("RFC 8551 §4", "the key is of a kind and size that is accepted");
    let Ok(key) = certificate.public_key() else { return fail(index, section, rule, Reason::KeyUnsupported) };
    match keys::weakness(key) {
        Some(reason) => fail(index, section, rule, reason),
        None => Ok(()),
    }
}

use std::collections::{BTreeMap, BTreeSet};

use asn1::Oid;

use crate::extensions::PolicyInformation;
use crate::oids::ANY_POLICY;

/// The valid_policy_graph of RFC 9618 §5, which replaces RFC 5280's tree: a level per certificate, at most one
/// node per policy in each, so that its size is bounded by what the certificates name (CASES T-48,
/// CVE-2023-0464).
#[derive(Debug, Clone)]
pub(super) struct PolicyGraph {
    levels: Vec<BTreeMap<Oid, Node>>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    expected: BTreeSet<Oid>,
    // Policies of the level above. The root has none.
    parents: BTreeSet<Oid>,
}

impl Node {
    fn new(expected: Oid, parents: impl IntoIterator<Item = Oid>) -> Self {
        Self { expected: BTreeSet::from([expected]), parents: parents.into_iter().collect() }
    }
}

impl PolicyGraph {
    // RFC 9618 §5.2: one node of depth zero, anyPolicy.
    pub(super) fn new() -> Self {
        Self { levels: vec![BTreeMap::from([(ANY_POLICY, Node::new(ANY_POLICY, []))])] }
    }

    // RFC 9618 §5.3 (d): one certificate's policies. `any_allowed` is (d)(2)'s condition.
    // Returns `None` when nothing is left: the graph is NULL.
    pub(super) fn extend(mut self, policies: Option<&[PolicyInformation]>, any_allowed: bool) -> Option<Self> {
        // RFC 9618 §5.3 (e)
        let policies = policies?;
        let above = self.levels.last()?;
        // Which policies of the level above expect each policy.
        let mut expecting: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for (policy, node) in above {
            node.expected.iter().for_each(|&expected| expecting.entry(expected).or_default().push(*policy));
        }
        let mut level = BTreeMap::new();
        for policy in policies.iter().map(|information| information.policy).filter(|&policy| policy != ANY_POLICY) {
            match expecting.get(&policy) {
                // (d)(1)(i)
                Some(parents) => {
                    level.insert(policy, Node::new(policy, parents.iter().copied()));
                }
                // (d)(1)(ii)
                None if above.contains_key(&ANY_POLICY) => {
                    level.insert(policy, Node::new(policy, [ANY_POLICY]));
                }
                None => {}
            }
        }
        // (d)(2)
        if any_allowed && policies.iter().any(|information| information.policy == ANY_POLICY) {
            for (expected, parents) in expecting {
                level.entry(expected).or_insert_with(|| Node::new(expected, parents));
            }
        }
        self.levels.push(level);
        self.prune()
    }

    // RFC 9618 §5.4 (b): policy mappings of a certificate that issues the next.
    pub(super) fn map(mut self, mappings: &[(Oid, Oid)], mapping_allowed: bool) -> Option<Self> {
        let mut by_issuer_policy: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
        for &(issuer, subject) in mappings {
            by_issuer_policy.entry(issuer).or_default().insert(subject);
        }
        let level = self.levels.last_mut()?;
        for (policy, subjects) in by_issuer_policy {
            if !mapping_allowed {
                // (b)(2)
                level.remove(&policy);
            } else if let Some(node) = level.get_mut(&policy) {
                // (b)(1)
                node.expected = subjects;
            } else if level.contains_key(&ANY_POLICY) {
                level.insert(policy, Node { expected: subjects, parents: BTreeSet::from([ANY_POLICY]) });
            }
        }
        self.prune()
    }

    // RFC 9618 §5.3 (d)(3): nodes without children go, from the bottom up.
    fn prune(mut self) -> Option<Self> {
        let mut needed: Option<BTreeSet<Oid>> = None;
        for level in self.levels.iter_mut().rev() {
            if let Some(needed) = &needed {
                level.retain(|policy, _| needed.contains(policy));
            }
            if level.is_empty() {
                return None;
            }
            needed = Some(level.values().flat_map(|node| node.parents.iter().copied()).collect());
        }
        Some(self)
    }

    // RFC 9618 §5.5 (g): the policies of the last level that the user accepts; `None` accepts any.
    pub(super) fn accepted(&self, initial: Option<&[Oid]>) -> Vec<Oid> {
        let last = self.levels.last().map(|level| level.keys().copied().collect()).unwrap_or_default();
        let Some(initial) = initial.filter(|initial| !initial.contains(&ANY_POLICY)) else { return last };
        // A node whose parent is anyPolicy begins the user's domain; what it leads to stands or falls with it.
        let mut reachable: BTreeSet<Oid> = BTreeSet::new();
        for (depth, level) in self.levels.iter().enumerate() {
            let mut here = BTreeSet::new();
            for (policy, node) in level {
                let begins = depth > 0 && *policy != ANY_POLICY && node.parents.contains(&ANY_POLICY);
                if begins && initial.contains(policy) || node.parents.intersection(&reachable).next().is_some() {
                    here.insert(*policy);
                }
            }
            reachable = here;
        }
        // (g)(iii)(3): anyPolicy at the end stands for everything that the user accepts.
        if self.levels.last().is_some_and(|level| level.contains_key(&ANY_POLICY)) {
            reachable.extend(initial.iter().copied());
        }
        reachable.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(oids: &[Oid]) -> Vec<PolicyInformation> {
        let entry = |&policy| PolicyInformation { policy, practice_statements: vec![], notices: vec![] };
        oids.iter().map(entry).collect()
    }

    #[test]
    fn t_48_policy_graph_stays_small() {
        // CVE-2023-0464: every policy mapped to every other, level after level.
        let oids: Vec<Oid> = (0..50u32).map(|n| Oid::from_dotted(&format!("1.2.3.{n}")).unwrap()).collect();
        let mappings: Vec<(Oid, Oid)> = oids.iter().flat_map(|&a| oids.iter().map(move |&b| (a, b))).collect();
        let mut graph = PolicyGraph::new();
        for _ in 0..32 {
            graph = graph.extend(Some(&policies(&oids)), true).unwrap().map(&mappings, true).unwrap();
        }
        assert_eq!(graph.levels.iter().map(BTreeMap::len).max(), Some(50));
        assert_eq!(graph.accepted(Some(&oids[..1])).len(), 50);
        assert!(graph.accepted(Some(&[Oid::new("1.2.4")])).is_empty());
    }
}

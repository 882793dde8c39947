//! The policy for mail, for people who ask in the portal.

use directory::Directory;
use gateway::{Policy, Query, explain_with_directory};
use portal::{Explain, ExplainQuery, Explaining};

/// Knows the gateway's policy.
#[derive(Debug)]
pub(super) struct Explainer {
    policy: Policy,
}

impl Explainer {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy }
    }
}

impl Explain for Explainer {
    fn explain<'a>(&'a self, directory: &'a Directory, query: ExplainQuery) -> Explaining<'a> {
        Box::pin(async move {
            let query = Query {
                from: Some(query.from.email().clone()),
                to: query.to.iter().map(|to| to.email().clone()).collect(),
                subject: query.subject,
                ..Query::default()
            };
            // Where there is a portal there is a webmailer.
            let explained = explain_with_directory(directory, &self.policy, true, &query).await;
            let explained = explained.map_err(|error| error.because.to_string())?;
            Ok(explained.iter().map(gateway::Explanation::to_json).collect())
        })
    }
}

//! What is counted, for Prometheus: plans, verdicts, answers, the outbox. Nothing of it names anybody.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::Side;
use crate::smtp::{Class, Reply};

/// The counters of one gateway.
pub struct Metrics {
    registry: Registry,
    plans: Family<Action, Counter>,
    verdicts: Family<Verdict, Counter>,
    answers: Family<Answer, Counter>,
    outbox: Family<Outbox, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    smime: &'static str,
    decrypted: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    side: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outbox {
    kind: &'static str,
    outcome: &'static str,
}

impl Metrics {
    /// A Plan for one recipient.
    pub(crate) fn planned(&self, action: &'static str) {
        self.plans.get_or_create(&Action { action }).inc();
    }

    /// A verdict about an incoming message.
    pub(crate) fn judged(&self, smime: &'static str, decrypted: bool) {
        let decrypted = if decrypted { "yes" } else { "no" };
        self.verdicts.get_or_create(&Verdict { smime, decrypted }).inc();
    }

    /// What was said about a message, for each recipient.
    pub(crate) fn answered(&self, side: Side, replies: &[Reply]) {
        let side = match side {
            Side::Inside => "inside",
            Side::Outside => "outside",
        };
        for reply in replies {
            self.answers.get_or_create(&Answer { side, class: word(reply.class()) }).inc();
        }
    }

    /// What became of a mail from the outbox.
    pub(crate) fn delivered(&self, kind: &'static str, class: Class) {
        self.outbox.get_or_create(&Outbox { kind, outcome: word(class) }).inc();
    }

    /// What has been done so far, in the text format of OpenMetrics.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn word(class: Class) -> &'static str {
    match class {
        Class::Positive => "done",
        Class::Transient => "later",
        Class::Permanent => "never",
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sealpost");
        let (plans, verdicts, answers, outbox) =
            (Family::default(), Family::default(), Family::default(), Family::default());
        registry.register("plans", "What was planned for recipients of outgoing mail", plans.clone());
        registry.register("verdicts", "What was found about incoming mail", verdicts.clone());
        registry.register("answers", "What was answered, for each recipient", answers.clone());
        registry.register("outbox_attempts", "What became of mails from the outbox", outbox.clone());
        Self { registry, plans, verdicts, answers, outbox }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

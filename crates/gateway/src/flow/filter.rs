//! For a mail server that keeps the message and asks what to change: signed, or verified and marked. There is one message
//! for all its recipients, and nothing is encrypted or opened.

use cms::Spool;

use super::inward::Opening;
use super::{Shared, message_key, read, unhandled};
use crate::Side;
use crate::book::Book;
use crate::decide::{Action, MOST_HOPS, Plan, Treatment};
use crate::explain::{Explanation, explain};
use crate::facts::Facts;
use crate::mail::{Mail, Rewritten};
use crate::settings::Undecryptable;
use crate::smtp::{Envelope, Peer, Recipient, Reply};

/// What a mail server is asked to do with a message.
#[derive(Debug)]
pub(crate) struct Filtered {
    /// As it came.
    pub(crate) mail: Mail,
    /// As it shall be, when that is not the same.
    pub(crate) changed: Option<Rewritten>,
    /// Recipients, by their place in the envelope, whose message was for us: it is taken in, and committed.
    pub(crate) taken: Vec<usize>,
}

/// What a mail server says about a message, beside the message.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What it calls it.
    pub(crate) queue_id: Option<String>,
    /// Nobody has logged in where everybody has to: nothing is signed.
    pub(crate) nobody_logged_in: bool,
}

impl<B: Book> Shared<B> {
    /// What becomes of a message; a reply when the mail server must not take it.
    pub(crate) async fn filter(
        &self,
        side: Side,
        peer: &Peer,
        envelope: &Envelope,
        content: Spool,
        told: Told,
    ) -> Result<Filtered, Reply> {
        let result = self.filtered(side, peer, envelope, content, told).await;
        let reply = result.as_ref().map_or_else(Clone::clone, |_| handed_back());
        self.metrics.answered(side, &vec![reply; envelope.recipients.len()]);
        result
    }

    async fn filtered(
        &self,
        side: Side,
        peer: &Peer,
        envelope: &Envelope,
        content: Spool,
        told: Told,
    ) -> Result<Filtered, Reply> {
        let mail = Mail::new(content);
        let mut facts = read(peer, envelope, &mut *mail.lock().await)?;
        (facts.queue_id, facts.nobody_logged_in) = (told.queue_id, told.nobody_logged_in);
        let everybody = envelope.recipients.iter().cloned().enumerate();
        let (intake, mut others): (Vec<_>, Vec<_>) =
            everybody.partition(|(_, recipient)| self.book.is_intake(recipient.to.mailbox()));
        let mut taken: Vec<usize> = intake.iter().map(|(index, _)| *index).collect();
        if side == Side::Outside && crate::acme::may_be_challenge(&facts) {
            let asked: Vec<usize> = others.iter().map(|(index, _)| *index).collect();
            let mut replies = vec![unhandled(); envelope.recipients.len()];
            others = self.answered(others, &mail, &mut replies).await?;
            for index in asked.into_iter().filter(|asked| !others.iter().any(|(index, _)| index == asked)) {
                match replies.get(index) {
                    Some(reply) if reply.is_positive() => taken.push(index),
                    Some(reply) => return Err(reply.clone()),
                    None => {}
                }
            }
        }
        let others: Vec<Recipient> = others.into_iter().map(|(_, recipient)| recipient).collect();
        let for_others = envelope.with_recipients(others);
        let changed = match side {
            _ if for_others.recipients.is_empty() => None,
            Side::Inside => self.signed(peer, &for_others, &mail, facts.clone()).await?,
            Side::Outside => self.marked(&for_others, &mail, &facts).await?,
        };
        // Last: whoever hears that it is not taken gets no answer from the intake address.
        if !intake.is_empty() {
            self.take_in(envelope, &mail, &facts).await?;
        }
        Ok(Filtered { mail, changed, taken })
    }

    async fn signed(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        mail: &Mail,
        mut facts: Facts,
    ) -> Result<Option<Rewritten>, Reply> {
        let planned = self.planned(peer, envelope, mail, &mut facts).await?;
        let explanations: Vec<_> = explain(&planned.known, &planned.plans).iter().map(Explanation::to_json).collect();
        let made = match one_for_all(&planned.plans) {
            Ok(Some(treatment)) => self.treated(mail, treatment, planned.credential.as_ref()).await.map(Some),
            Ok(None) => Ok(None),
            Err(reply) => Err(reply),
        };
        let reply = made.as_ref().map_or_else(Clone::clone, |_| handed_back());
        let replies = vec![reply; envelope.recipients.len()];
        self.trace(envelope, &facts, &explanations, &replies);
        self.afterwards(envelope, &facts, &planned.known, &replies).await;
        made
    }

    async fn marked(&self, envelope: &Envelope, mail: &Mail, facts: &Facts) -> Result<Option<Rewritten>, Reply> {
        if facts.hops > MOST_HOPS {
            return Err(Reply::new(554, "5.4.6", "the message goes round in circles"));
        }
        // Whoever it is to: an alias or a host name may lead inside, and nothing under our name gets there that is not ours.
        let is_ours = envelope.recipients.iter().any(|recipient| self.book.is_inside(recipient.to.mailbox()));
        let policy = self.judging().await?;
        let mut settings = self.settings.incoming.clone();
        settings.undecryptable = Undecryptable::DeliverEncrypted;
        let key = (message_key(envelope, mail).await?, 0);
        let opened = self.opened(mail, Opening { key, keys: Vec::new(), policy, settings, message_id: None }).await;
        let (detail, reply) = match &opened {
            Ok(opened) => {
                tracing::info!(smime = opened.verdict.result.as_str(), "judged");
                self.metrics.judged(opened.verdict.result.as_str(), false);
                self.deferred.forget(key);
                if is_ours {
                    self.learn(facts, opened).await;
                }
                (opened.verdict.to_json(), handed_back())
            }
            Err(reply) => (serde_json::json!({ "direction": "inward" }), reply.clone()),
        };
        let count = envelope.recipients.len();
        self.trace(envelope, facts, &vec![detail; count], &vec![reply; count]);
        opened.map(|opened| Some(opened.message))
    }
}

fn handed_back() -> Reply {
    Reply::ok("handed back to the mail server")
}

/// How the one message for all is treated; a reply when there is no such message. Nothing leaves in the clear that a plan
/// protects: what is to be encrypted is not taken here (CASES T-88).
fn one_for_all(plans: &[Plan]) -> Result<Option<&Treatment>, Reply> {
    let (mut held, mut treatment, mut as_it_came, mut differ) = (None, None::<&Treatment>, false, false);
    for plan in plans {
        let to = &plan.recipient.to;
        let only_signs = |what: &str| {
            Err(Reply::new(550, "5.7.5", format!("mail to {to} {what}, and on this way mail is only signed")))
        };
        match &plan.action {
            // An answer that waiting does not change goes before one that it may.
            Action::Refuse(reply) => return Err(reply.clone()),
            Action::Webmailer { .. } => return only_signs("goes into the webmailer"),
            Action::Deliver(treatment) if !treatment.encrypt.is_empty() => return only_signs("is to be encrypted"),
            Action::Hold(reply) => held = held.or(Some(reply)),
            // In the house a signature does no harm.
            Action::Untouched if plan.stays => {}
            Action::Untouched => as_it_came = true,
            Action::Deliver(other) => match treatment {
                None => treatment = Some(other),
                Some(one) => differ |= Treatment { hidden: one.hidden, ..other.clone() } != *one,
            },
        }
    }
    if let Some(reply) = held {
        return Err(reply.clone());
    }
    if differ || (as_it_came && treatment.is_some()) {
        let text =
            "rules want copies that differ for its recipients, and on this way there is one: send it to each apart";
        return Err(Reply::new(550, "5.7.1", text));
    }
    Ok(treatment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HeaderProtection;

    fn sign() -> Treatment {
        Treatment {
            sign: true,
            encrypt: Vec::new(),
            profile: smime::Profile::Modern,
            headers: HeaderProtection::Off,
            words: Vec::new(),
            banner: None,
            hidden: false,
        }
    }

    fn plan(action: Action, stays: bool) -> Plan {
        let to = pki::EmailAddress::parse("bob@partner.example").unwrap();
        Plan { recipient: Recipient::new(to), action, rule: "inside".into(), stays, reasons: Vec::new() }
    }

    #[test]
    fn t_88_nothing_leaves_in_the_clear_that_a_plan_protects() {
        let certificate = testkit::TestPki::shared().person("bob@partner.example", crypto::KeyKind::P256);
        let encrypt = Treatment { encrypt: vec![(certificate.certificate().clone(), None)], ..sign() };
        let hold = Action::Hold(Reply::new(451, "4.7.5", "later"));
        for (actions, code) in [
            (vec![Action::Deliver(sign()), Action::Deliver(encrypt)], 550),
            (vec![Action::Deliver(sign()), Action::Webmailer { words: Vec::new() }], 550),
            (vec![hold.clone(), Action::Deliver(sign())], 451),
            (vec![hold, Action::Refuse(Reply::new(550, "5.7.5", "no"))], 550),
            (vec![Action::Deliver(sign()), Action::Untouched], 550),
            (vec![Action::Deliver(sign()), Action::Deliver(Treatment { banner: Some("x".into()), ..sign() })], 550),
        ] {
            let plans: Vec<Plan> = actions.into_iter().map(|action| plan(action, false)).collect();
            assert_eq!(one_for_all(&plans).unwrap_err().code(), code);
        }
        let house = [plan(Action::Untouched, true), plan(Action::Deliver(sign()), false)];
        assert!(one_for_all(&house).unwrap().unwrap().sign);
        assert!(one_for_all(&house[..1]).unwrap().is_none());
    }
}

//! From the people inside: planned per recipient, protected, sent.

use std::collections::BTreeMap;

use pki::{Credential, EmailAddress};

use super::{Copy, Shared, calmly, delivered_before, message_key, set, unhandled};
use crate::book::{Book, MessageKey, WebmailerMessage};
use crate::decide::{Action, Group, Known, Plan, Snapshot, Treatment, decide, groups};
use crate::explain::{Explanation, additional, explain};
use crate::facts::Facts;
use crate::mail::{Mail, Rewritten, read_header};
use crate::smtp::{Envelope, Peer, Recipient, Reply};
use crate::{outgoing, trace};

/// What was decided about a message from inside, and what it was decided from.
pub(super) struct Planned {
    pub(super) known: Snapshot,
    pub(super) credential: Option<Credential>,
    pub(super) plans: Vec<Plan>,
}

impl<B: Book> Shared<B> {
    pub(super) async fn outward(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        mail: Mail,
        mut facts: Facts,
    ) -> Result<Vec<Reply>, Reply> {
        let key = message_key(envelope, &mail).await?;
        let Planned { known, credential, plans } = self.planned(peer, envelope, &mail, &mut facts).await?;
        let explanations = explain(&known, &plans);
        let done = self.delivered(envelope, &key).await?;
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        for group in groups(plans) {
            let made = match &group.action {
                Action::Hold(reply) | Action::Refuse(reply) => Err(reply.clone()),
                Action::Webmailer { words } => {
                    for (index, recipient) in &group.members {
                        let reply = match done.contains(&recipient.to.mailbox().canonical()) {
                            true => delivered_before(),
                            false => self.keep(&facts, &mail, recipient, words, &key).await.unwrap_or_else(|no| no),
                        };
                        self.note_delivery(envelope, &key, recipient, &reply).await;
                        set(&mut replies, *index, reply);
                    }
                    continue;
                }
                Action::Untouched => Ok(Rewritten::default()),
                Action::Deliver(treatment) => self.treated(&mail, treatment, credential.as_ref()).await,
            };
            let mut message = match made {
                Ok(message) => message,
                Err(reply) => {
                    group.members.iter().for_each(|(index, _)| set(&mut replies, *index, reply.clone()));
                    continue;
                }
            };
            self.send_group(peer, envelope, &group, (&mail, &mut message), &key, &done, &mut replies).await;
        }
        let behind = async {
            self.finish(envelope, &key, &replies).await;
            self.trace(envelope, &facts, &explanations.iter().map(Explanation::to_json).collect::<Vec<_>>(), &replies);
            self.afterwards(envelope, &facts, &known, &replies).await;
        };
        calmly(behind).await;
        Ok(replies)
    }

    /// What shall happen to a message from inside, for each recipient.
    pub(super) async fn planned(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        mail: &Mail,
        facts: &mut Facts,
    ) -> Result<Planned, Reply> {
        facts.came_in = trace::came_in(&read_header(&mut *mail.lock().await)?, &self.settings.hostname);
        let identity = match &peer.user {
            Some(user) => EmailAddress::parse(user).ok(),
            None => envelope.from.mailbox().cloned(),
        };
        let identity = identity.filter(|identity| self.book.is_inside(identity) && !facts.nobody_logged_in);
        let mut credential = None;
        if let Some(identity) = &identity {
            credential = self.book.signing(identity).await?;
            if self.settings.policy.names_groups() {
                facts.groups = self.book.groups(identity).await?;
            }
        }
        let known = Snapshot {
            signing: credential.as_ref().map(|credential| credential.certificate().clone()),
            identity,
            recipients: self.known(&envelope.recipients).await?,
            additional: additional(&self.book, &self.settings.policy).await?,
            webmailer: self.book.has_webmailer(),
        };
        // What mail programs and servers return or forward is named within (CASES T-27, T-29).
        let returned = Self::returned(mail).await?;
        facts.returns_nameless = returned.has_more || (facts.null_sender && returned.is_nameless);
        facts.references.extend(returned.ids);
        facts.confidential = self.book.is_confidential(&facts.references).await?;
        let plans = decide(facts, &envelope.recipients, &known, &self.settings.policy);
        for plan in &plans {
            self.metrics.planned(plan.action.name());
            tracing::info!(to = %plan.recipient.to, action = plan.action.name(), rule = %plan.rule, "planned");
        }
        Ok(Planned { known, credential, plans })
    }

    /// The message as it was planned.
    pub(super) async fn treated(
        &self,
        mail: &Mail,
        treatment: &Treatment,
        credential: Option<&Credential>,
    ) -> Result<Rewritten, Reply> {
        let _room = match treatment.banner {
            Some(_) => Some(self.room_for(mail).await?),
            None => None,
        };
        let (treatment, credential, limits) = (treatment.clone(), credential.cloned(), self.spool_limits());
        let now = self.book.now();
        mail.work(move |mail| outgoing::protect(mail, &treatment, credential.as_ref(), now, &limits)).await
    }

    /// Who wrote to whom, and whose certificates would have been wanted.
    pub(super) async fn afterwards(&self, envelope: &Envelope, facts: &Facts, known: &Snapshot, replies: &[Reply]) {
        for (recipient, reply) in envelope.recipients.iter().zip(replies) {
            let to = recipient.to.mailbox();
            let unknown = known.recipients.get(&to.canonical()).is_some_and(|k| !k.inside && k.certificates.is_empty());
            if unknown && known.identity.is_some() && !facts.automatic {
                self.book.is_wanted(to);
            }
            if let Some(employee) = known.identity.as_ref().filter(|_| reply.is_positive() && !self.book.is_inside(to))
            {
                self.book.wrote(employee, to).await;
            }
        }
    }

    async fn known(&self, recipients: &[Recipient]) -> Result<BTreeMap<String, Known>, Reply> {
        let mut known = BTreeMap::new();
        for recipient in recipients {
            let to = recipient.to.mailbox();
            let mut about = Known { inside: self.book.is_inside(to), ..Known::default() };
            if about.inside && self.settings.policy.encrypts_within() {
                let certificates = self.book.house_certificates(to).await?;
                about.certificates = certificates.into_iter().map(|certificate| (certificate, None)).collect();
            }
            if !about.inside {
                about.certificates = self.book.certificates(to).await?;
                // Asked only where it can matter.
                if about.certificates.is_empty() {
                    about.unusable = self.book.unusable(to).await?;
                    about.reads_webmailer = self.book.has_webmailer() && self.book.reads_webmailer(to).await?;
                }
            }
            known.insert(to.canonical(), about);
        }
        Ok(known)
    }

    #[expect(clippy::too_many_arguments, reason = "one copy and what it is about; a struct would say the same again")]
    async fn send_group(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        group: &Group,
        (mail, message): (&Mail, &mut Rewritten),
        key: &MessageKey,
        done: &std::collections::HashSet<String>,
        replies: &mut [Reply],
    ) {
        for (client, inside) in [(&self.inside, true), (&self.outside, false)] {
            let members = group.members.iter().filter(|(_, r)| self.book.is_inside(r.to.mailbox()) == inside);
            let (had, left): (Vec<_>, Vec<_>) =
                members.partition(|(_, recipient)| done.contains(&recipient.to.mailbox().canonical()));
            had.iter().for_each(|(index, _)| set(replies, *index, delivered_before()));
            self.send(Copy { client, peer, envelope, mail, message, to: &left, key, decrypted: false }, replies).await;
        }
    }

    /// Puts a message into the webmailer: 250 once it is committed.
    async fn keep(
        &self,
        facts: &Facts,
        mail: &Mail,
        recipient: &Recipient,
        words: &[String],
        key: &MessageKey,
    ) -> Result<Reply, Reply> {
        let no_sender = || Reply::new(550, "5.7.1", "the webmailer does not take mail without a sender");
        let from = facts.sender().cloned().filter(|from| self.book.is_inside(from)).ok_or_else(no_sender)?;
        let _room = self.room_for(mail).await?;
        let mut original = mail.lock().await;
        let (subject, content) = outgoing::for_webmailer(&mut original, words)?;
        drop(original);
        let to = recipient.to.mailbox().clone();
        self.book.keep(WebmailerMessage { key: *key, from, to, subject, content }).await?;
        Ok(Reply::ok("kept in the webmailer"))
    }
}

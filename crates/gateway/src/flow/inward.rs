//! From the world: opened with the recipient's keys, judged, marked, delivered.

use std::collections::VecDeque;

use pki::Credential;

use super::{Copy, Shared, calmly, delivered_before, message_key, set, unhandled};
use crate::book::Book;
use crate::facts::{Facts, Protection};
use crate::incoming::{self, Opened};
use crate::mail::Mail;
use crate::settings::Undecryptable;
use crate::smtp::{Envelope, Peer, Recipient, Reply};

impl<B: Book> Shared<B> {
    pub(super) async fn inward(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        mail: Mail,
        facts: Facts,
    ) -> Result<Vec<Reply>, Reply> {
        if facts.hops > crate::decide::MOST_HOPS {
            return Err(Reply::new(554, "5.4.6", "the message goes round in circles"));
        }
        let key = message_key(envelope, &mail).await?;
        let done = self.delivered(envelope, &key).await?;
        let policy = self.judging().await?;
        // What was decrypted must be known again in its answers: without a Message-ID that they repeat, by one of ours.
        let plain_id = facts.own_ids.first().filter(|_| facts.has_plain_id).cloned();
        let message_id = plain_id.unwrap_or_else(|| format!("<{key}@{}>", self.settings.hostname));
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        let mut details = vec![serde_json::json!({ "direction": "inward" }); envelope.recipients.len()];
        // A signature is the same for all; an encrypted mail is opened for each recipient by itself (CASES T-28). What is
        // encrypted under a signature shows only when that is taken off.
        let is_plain = facts.protection == Protection::None;
        let alone = !is_plain && (facts.protection != Protection::Signed || envelope.recipients.len() == 1);
        let everybody: Vec<(usize, Recipient)> = envelope.recipients.iter().cloned().enumerate().collect();
        let (had, left): (Vec<_>, Vec<_>) =
            everybody.into_iter().partition(|(_, recipient)| done.contains(&recipient.to.mailbox().canonical()));
        had.iter().for_each(|(index, _)| set(&mut replies, *index, delivered_before()));
        let mut sets: VecDeque<Set> = match (left.is_empty(), alone) {
            (true, _) => VecDeque::new(),
            (_, true) => self.by_keys(left, &mut replies).await?.into(),
            (_, false) => [(left, None)].into(),
        };
        while let Some((left, keys)) = sets.pop_front() {
            let with_keys = keys.is_some();
            let (policy, mut settings, keys) =
                (policy.clone(), self.settings.incoming.clone(), keys.unwrap_or_default());
            if !with_keys {
                settings.undecryptable = Undecryptable::DeliverEncrypted;
            }
            let (hostname, id) = (self.settings.hostname.clone(), message_id.clone());
            let open = move |mail: &mut _| incoming::open(mail, &keys, &policy, &settings, &hostname, Some(&id));
            // What is cleaned is in memory as a whole.
            let cleans = with_keys && self.settings.incoming.clean_html;
            let room = if cleans { self.room_for(&mail).await.map(Some) } else { Ok(None) };
            let opened = match room {
                Ok(_room) => mail.work(open).await,
                Err(reply) => Err(reply),
            };
            if !with_keys && opened.as_ref().is_ok_and(|opened| opened.is_unopened) {
                sets.extend(self.by_keys(left, &mut replies).await?);
                continue;
            }
            let left: Vec<&(usize, Recipient)> = left.iter().collect();
            match opened {
                Ok(mut opened) => {
                    tracing::info!(smime = opened.verdict.result.as_str(), "judged");
                    self.metrics.judged(opened.verdict.result.as_str(), opened.verdict.decrypted);
                    left.iter().for_each(|(index, _)| set_detail(&mut details, *index, opened.verdict.to_json()));
                    if opened.verdict.decrypted {
                        for id in facts.own_ids.iter().chain([&message_id]) {
                            self.book.mark_confidential(id).await?;
                        }
                    }
                    self.learn(&facts, &opened).await;
                    if let (Some(key), Some(from), [(_, recipient)]) =
                        (&opened.verdict.decrypted_by, &facts.visible_from, left.as_slice())
                    {
                        self.book.encrypted_to(recipient.to.mailbox(), key, from).await;
                    }
                    let (client, message) = (&self.inside, &mut opened.message);
                    let decrypted = opened.verdict.decrypted;
                    let copy = Copy { client, peer, envelope, mail: &mail, message, to: &left, key: &key, decrypted };
                    self.send(copy, &mut replies).await;
                    if decrypted {
                        left.iter().for_each(|(index, _)| say_nothing_of_content(&mut replies, *index));
                    }
                }
                Err(reply) => left.iter().for_each(|(index, _)| set(&mut replies, *index, reply.clone())),
            }
        }
        let behind = async {
            self.finish(envelope, &key, &replies).await;
            self.trace(envelope, &facts, &details, &replies);
        };
        calmly(behind).await;
        Ok(replies)
    }

    /// What signatures are judged by.
    pub(super) async fn judging(&self) -> Result<smime::Policy, Reply> {
        let mut policy = smime::Policy::new(
            self.book.anchors().await?,
            self.book.now(),
            smime::Limits::in_folder(&self.settings.spool_folder),
        );
        policy.limits.spool = self.opened_limits();
        policy.revocation = self.book.revocation();
        policy.revocations = self.book.revocations();
        Ok(policy)
    }

    /// Each recipient who has keys, alone (CASES T-28), and all others together: what nobody opens differently is one
    /// copy, or a stranger with a list of names would make a thousand of one mail.
    async fn by_keys(&self, members: Vec<(usize, Recipient)>, replies: &mut [Reply]) -> Result<Vec<Set>, Reply> {
        // What came to the whole domain is for whoever it was addressed to.
        let of_domain = match &self.settings.incoming.domain_address {
            Some(domain) => self.book.decryption(domain).await?,
            None => Vec::new(),
        };
        let (mut sets, mut others): (Vec<Set>, Vec<_>) = (Vec::new(), Vec::new());
        for member in members {
            let mut keys = self.book.decryption(member.1.to.mailbox()).await?;
            if keys.is_empty() {
                others.push(member);
            } else if sets.len() >= MOST_COPIES {
                let text = "too many recipients for one encrypted message; the others get it with the next attempt";
                set(replies, member.0, Reply::new(452, "4.5.3", text));
            } else {
                keys.extend(of_domain.iter().cloned());
                sets.push((vec![member], Some(keys)));
            }
        }
        if !others.is_empty() {
            sets.push((others, Some(of_domain)));
        }
        Ok(sets)
    }

    /// What cannot be learnt now comes with the next mail: it does not hold this one.
    pub(super) async fn learn(&self, facts: &Facts, opened: &Opened) {
        let Some(from) = facts.visible_from.as_ref().filter(|_| self.settings.incoming.learn) else { return };
        for signer in &opened.signers {
            if let Err(error) = self.book.learn(from, signer).await {
                tracing::warn!(because = %error.because, "a certificate was not learnt");
            }
        }
    }
}

/// Recipients who get the same copy, and the keys that it is opened with: `None` before keys were looked for.
type Set = (Vec<(usize, Recipient)>, Option<Vec<Credential>>);

/// Copies that one attempt makes of an encrypted message.
const MOST_COPIES: usize = 100;

fn set_detail(details: &mut [serde_json::Value], index: usize, detail: serde_json::Value) {
    if let Some(place) = details.get_mut(index) {
        *place = detail;
    }
}

/// CASES T-27: what a server behind us says about a decrypted mail may quote it, and goes out to whoever sent it.
fn say_nothing_of_content(replies: &mut [Reply], index: usize) {
    if let Some(reply) = replies.get_mut(index).filter(|reply| !reply.is_positive()) {
        let text = "the mail server of the recipient does not take this message";
        *reply = Reply::new(reply.code(), reply.enhanced(), text);
    }
}

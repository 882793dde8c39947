//! From the world: opened with the recipient's keys, judged, marked, delivered.

use std::collections::VecDeque;
use std::sync::Arc;

use pki::Credential;

use super::{Copy, Shared, calmly, delivered_before, message_key, set, unhandled};
use crate::book::{Book, MessageKey};
use crate::facts::{Facts, Protection};
use crate::incoming::{self, Opened};
use crate::inquiry::Answer;
use crate::mail::Mail;
use crate::settings::{Incoming, Undecryptable};
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
            let mut settings = self.settings.incoming.clone();
            if !with_keys {
                settings.undecryptable = Undecryptable::DeliverEncrypted;
            }
            let place = left.first().map_or(0, |(index, _)| *index);
            let opening = Opening {
                key: (key, place),
                keys: keys.unwrap_or_default(),
                policy: policy.clone(),
                settings,
                message_id: Some(message_id.clone()),
            };
            let opened = self.opened(&mail, opening).await;
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
                    if left.iter().all(|(index, _)| replies.get(*index).is_some_and(Reply::is_positive)) {
                        self.deferred.forget((key, place));
                    }
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

    /// Opens a message. Where all that is missing is whether its signer's certificate was revoked, that is asked first:
    /// what is not known then is never called valid (CASES T-14).
    pub(super) async fn opened(&self, mail: &Mail, opening: Opening) -> Result<Opened, Reply> {
        // What is cleaned is in memory as a whole.
        let _room = match opening.settings.clean_html && !opening.keys.is_empty() {
            true => Some(self.room_for(mail).await?),
            false => None,
        };
        let (opening, hostname) = (Arc::new(opening), self.settings.hostname.clone());
        let open = || {
            let (opening, hostname) = (Arc::clone(&opening), hostname.clone());
            mail.work(move |mail| {
                let Opening { keys, policy, settings, message_id, .. } = &*opening;
                incoming::open(mail, keys, policy, settings, &hostname, message_id.as_deref())
            })
        };
        let mut opened = open().await?;
        if let Some(undecided) = &opened.undecided {
            let answer = self.book.ask_about(&undecided.signer, &undecided.others).await?;
            match answer {
                Answer::News => opened = open().await?,
                // CASES T-24, T-28: whoever mails captured ciphertext again learns nothing of who signed inside.
                Answer::Later if !undecided.is_secret && self.deferred.once_more(opening.key) => {
                    let text = "whether the signer's certificate was revoked is being found out; come again";
                    return Err(Reply::new(451, "4.7.5", text));
                }
                Answer::Later | Answer::Nothing => {}
            }
        }
        Ok(opened)
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

/// What a message is opened with.
pub(super) struct Opening {
    /// Which message, and for whom.
    pub(super) key: (MessageKey, usize),
    pub(super) keys: Vec<Credential>,
    pub(super) policy: smime::Policy,
    pub(super) settings: Incoming,
    /// What is decrypted is called so.
    pub(super) message_id: Option<String>,
}

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

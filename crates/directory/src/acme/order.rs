//! The steps of an order. Each is one transaction, holds only from the state that it belongs to, and leaves a row in the
//! record where something was decided.

use asn1::Time;
use pki::Certificate;

use super::{AcmeChallenge, AcmeOrder, AcmeState};
use crate::audit::{Change, Note, digest_of};
use crate::database::values;
use crate::{
    AcmeAccountId, AcmeOrderId, Actor, CredentialId, CredentialInfo, Directory, Error, KeyOrder, KeyRing, OutboxId,
    Outgoing, PersonId, outbox, renewal::same_again, statements as sql,
};

/// What became of a mail with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcmeAnswer {
    /// Its answer is in the outbox.
    Answered,
    /// It was answered before, under this order: it is the same mail again.
    AnsweredBefore,
    /// Its token belongs to another order, or the order has gone on: nothing answers it.
    NotAnswered,
}

impl KeyRing {
    /// Orders a certificate: makes the key and its request, which the CA gets when it is ready for it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the mailbox has an order that is not over; [`Error::NotAllowed`] for an account that the
    /// CA does not know.
    pub async fn order_by_acme(
        &self,
        person: PersonId,
        order: &KeyOrder,
        account: AcmeAccountId,
        note: &str,
        by: &Actor,
    ) -> Result<AcmeOrder, Error> {
        let directory = self.directory();
        let person = directory.present_person(person).await?;
        if !directory.is_inside(&person.address) {
            return Err(Error::NotAllowed { what: "ordering for an address outside the organisation's domains" });
        }
        // RFC 8823 §3: an order has one mailbox, for which its mail is answered.
        if !order.also_for.is_empty() {
            return Err(Error::NotAllowed { what: "ordering one certificate for several mailboxes by ACME" });
        }
        if self.acme_key(account).await?.0.url.is_none() {
            return Err(Error::NotAllowed { what: "ordering before the account is registered" });
        }
        if directory.open_acme_order(&person.address).await?.is_some() {
            return Err(has_one(&person.address));
        }
        let waiting = self.order_key(person.id, order, by).await?;
        if waiting.request.is_none() {
            directory.withdraw_key_request(waiting.id, by).await?;
            return Err(Error::NotAllowed { what: "ordering by ACME for a key that cannot sign its request" });
        }
        let id = AcmeOrderId::random()?;
        let placed = async {
            let mut change = directory.change().await?;
            let row = values![
                id.number(),
                account.number(),
                person.id.number(),
                person.address.key(),
                waiting.id.number(),
                note,
                change.now,
                change.now.plus_days(LONGEST_DAYS)
            ];
            change.tx.execute(sql::ADD_ACME_ORDER, row).await?;
            note_order(&mut change, id, &person.address, "acme.ordered", by, note).await?;
            change.commit().await
        };
        if let Err(error) = placed.await {
            directory.withdraw_key_request(waiting.id, by).await?;
            return Err(match error {
                Error::AlreadyExists { .. } => has_one(&person.address),
                error => error,
            });
        }
        directory.acme_order(id).await
    }

    /// Orders a certificate like one that came by ACME and ends soon; `None` when it came another way, or an order is
    /// under way.
    pub async fn renew_by_acme(&self, old: &CredentialInfo, by: &Actor) -> Result<Option<AcmeOrder>, Error> {
        let row = self.directory().database().fetch_one(sql::ACME_ACCOUNT_OF, values![old.id.number()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        if self.directory().open_acme_order(&old.address).await?.is_some() {
            return Ok(None);
        }
        let account = AcmeAccountId(row.int()?);
        self.order_by_acme(old.person, &same_again(old)?, account, "", by).await.map(Some)
    }

    /// Takes in what the CA has issued. Again, it is what it was.
    pub async fn acme_issued(
        &self,
        order: &AcmeOrder,
        chain: &[Certificate],
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let directory = self.directory();
        let waiting = directory.key_request(order.key_request).await?;
        let credential = match waiting.credential {
            // Taken in, and then the process ended.
            Some(credential) => credential,
            None => {
                let answered = self.answer(chain, by).await?;
                let ours = answered.into_iter().find(|(request, _)| *request == order.key_request);
                ours.map(|(_, credential)| credential)
                    .ok_or(Error::NotFound { what: "certificate for the ordered key" })?
            }
        };
        let mut change = directory.change().await?;
        let row = values![order.id.number(), credential.number(), change.now];
        if change.tx.execute(sql::ACME_ISSUED, row).await? > 0 {
            note_order(&mut change, order.id, &order.address, "acme.issued", by, "").await?;
        }
        change.commit().await?;
        Ok(credential)
    }
}

impl Directory {
    /// Takes the work on orders for a while; `false` when another process has it.
    pub async fn take_acme_lease(&self, worker: &str) -> Result<bool, Error> {
        let now = self.now();
        let lease = values!["acme", worker, now, now.plus_seconds(LEASE_SECONDS)];
        Ok(self.database().execute(sql::TAKE_LEASE, lease).await? > 0)
    }

    /// The orders whose next step is due, the first to be due first.
    pub async fn acme_orders_due(&self, limit: u32) -> Result<Vec<AcmeOrder>, Error> {
        let rows = self.database().fetch(sql::ACME_ORDERS_DUE, values![self.now(), limit]).await?;
        rows.into_iter().map(AcmeOrder::read).collect()
    }

    /// The CA has the order.
    pub async fn acme_placed(&self, id: AcmeOrderId, url: &str) -> Result<(), Error> {
        self.database().execute(sql::ACME_PLACED, values![id.number(), url, self.now()]).await.map(drop)
    }

    /// The CA has said what it wants proven.
    pub async fn acme_challenged(&self, id: AcmeOrderId, challenge: &AcmeChallenge) -> Result<(), Error> {
        let row = values![
            id.number(),
            challenge.url.as_str(),
            challenge.from.to_string(),
            challenge.token.as_str(),
            self.now()
        ];
        self.database().execute(sql::ACME_CHALLENGED, row).await.map(drop)
    }

    /// The CA's mail has proven itself: puts its answer into the outbox, unless its token was seen before.
    pub async fn acme_answer(
        &self,
        order: &AcmeOrder,
        token_part1: &str,
        answer: &Outgoing,
    ) -> Result<AcmeAnswer, Error> {
        let hash = digest_of(&["acme token", order.address.key(), token_part1]);
        let mut change = self.change().await?;
        let seen = change.tx.fetch_one(sql::ACME_TOKEN, values![hash.as_str()]).await?;
        if let Some(mut row) = seen {
            let before = row.int()? == order.id.number();
            return Ok(if before { AcmeAnswer::AnsweredBefore } else { AcmeAnswer::NotAnswered });
        }
        change.tx.execute(sql::ADD_ACME_TOKEN, values![hash, order.id.number(), change.now]).await?;
        let (id, now) = (OutboxId::random()?, change.now);
        let response = outbox::add(&mut change.tx, &self.settings().store_key, id, answer, now).await?;
        let row = values![order.id.number(), response.number(), now];
        if change.tx.execute(sql::ACME_ANSWERED, row).await? == 0 {
            return Ok(AcmeAnswer::NotAnswered);
        }
        let by = order.challenge.as_ref().map_or(Actor::System, |challenge| Actor::Mail(challenge.from.clone()));
        note_order(&mut change, order.id, &order.address, "acme.answered", &by, "").await?;
        change.commit().await?;
        Ok(AcmeAnswer::Answered)
    }

    /// Whether the mail that answers a challenge was delivered: `None` while it waits, `false` when it was given up.
    pub async fn acme_response_delivered(&self, order: &AcmeOrder) -> Result<Option<bool>, Error> {
        let Some(response) = order.response else { return Ok(None) };
        let row = self.database().fetch_one(sql::OUTBOX_STATE, values![response.number()]).await?;
        Ok(match row.map(|mut row| row.text()).transpose()?.as_deref() {
            // What was delivered long ago is forgotten.
            Some("delivered") | None => Some(true),
            Some("waiting" | "leased") => None,
            Some(_) => Some(false),
        })
    }

    /// The CA was told that its mail was answered.
    pub async fn acme_validating(&self, order: &AcmeOrder) -> Result<(), Error> {
        let row = values![order.id.number(), order.response.map(OutboxId::number), self.now()];
        self.database().execute(sql::ACME_VALIDATING, row).await.map(drop)
    }

    /// Nothing happened, or something went wrong for now: the next step is later. No problem counts as progress.
    /// Only in the state in which it was decided: a mail that came meanwhile is not kept waiting.
    pub async fn acme_wait(
        &self,
        id: AcmeOrderId,
        state: AcmeState,
        until: Time,
        problem: Option<&str>,
    ) -> Result<(), Error> {
        let problem = problem.map(|text| text.chars().take(500).collect::<String>());
        let row = values![id.number(), until, problem, state.name()];
        self.database().execute(sql::ACME_WAIT, row).await.map(drop)
    }

    /// It came to nothing; the key that waited is destroyed.
    pub async fn acme_failed(&self, order: &AcmeOrder, why: &str, by: &Actor) -> Result<(), Error> {
        let why: String = why.chars().take(500).collect();
        let mut change = self.change().await?;
        if change.tx.execute(sql::ACME_FAILED, values![order.id.number(), why.as_str(), change.now]).await? > 0 {
            change.tx.execute(sql::WITHDRAW_KEY_REQUEST, values![order.key_request.number()]).await?;
            note_order(&mut change, order.id, &order.address, "acme.failed", by, &why).await?;
        }
        change.commit().await
    }
}

async fn note_order(
    change: &mut Change<'_>,
    id: AcmeOrderId,
    address: &crate::Address,
    action: &'static str,
    actor: &Actor,
    why: &str,
) -> Result<(), Error> {
    let subject = format!("acme-order:{id}");
    change.note(Note { actor, action, subject, address: Some(address), fingerprint: None, why }).await
}

fn has_one(address: &crate::Address) -> Error {
    Error::conflict(format_args!("an order for {address} is under way"))
}

/// An order that takes longer is given up.
const LONGEST_DAYS: i64 = 7;
const LEASE_SECONDS: i64 = 300;

impl AcmeState {
    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Answered => "the CA's mail was answered",
            Self::Failed => "it came to nothing",
            Self::Issued => "the certificate is in use",
            Self::Ordered => "it is being placed with the CA",
            Self::Validating => "the CA is at work",
            Self::Waiting => "the CA's mail has not come yet",
        }
    }
}

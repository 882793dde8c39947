//! What the CA is told and asked, one step at a time. After each step the directory knows how far the order is, so that
//! another process goes on where this one ended; whatever was told twice, the CA has once.

use std::sync::Arc;
use std::time::Duration;

use directory::{AcmeChallenge, AcmeOrder, AcmeState, Actor, Address, KeyRing};
use egress::acme::{Account, AccountKey, AcmeClient, Answered, Authorization, Order, Problem, Status};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{AcmeSettings, Clients};
use crate::directory_book::DirectoryBook;
use crate::flow::Shared;
use crate::smtp::down;

/// Goes on until `shutdown` says true. Of several processes that share a directory, one does it.
pub(crate) async fn drive(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let Some(settings) = shared.settings.acme.clone() else { return };
    let pause = Duration::from_secs(shared.settings.schedule_seconds.clamp(1, LONGEST_PAUSE));
    let clients = Clients::default();
    for round in 0_u64.. {
        let keys = shared.book.keys();
        let work = async {
            match keys.directory().take_acme_lease(&shared.settings.worker).await {
                Ok(true) => {
                    if round.is_multiple_of(SELDOM) {
                        renew(keys, settings.renew_days).await;
                    }
                    step_all(keys, &settings, &clients).await;
                }
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "orders for certificates cannot be looked at"),
            }
        };
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = work => {}
        }
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = sleep(pause) => {}
        }
    }
}

/// Orders again what came from a CA and ends soon.
async fn renew(keys: &KeyRing, days: u16) {
    let due = match keys.directory().renewals_due().await {
        Ok(due) => due,
        Err(error) => return tracing::error!(%error, "certificates that end cannot be looked at"),
    };
    for due in due.iter().filter(|due| !due.of_house && (0..i64::from(days)).contains(&due.days_left)) {
        match keys.renew_by_acme(&due.credential, &Actor::System).await {
            Ok(Some(order)) => tracing::info!(order = %order.id, "a certificate that ends was ordered again"),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(credential = %due.credential.id, %error, "a certificate was not ordered again")
            }
        }
    }
}

async fn step_all(keys: &KeyRing, settings: &AcmeSettings, clients: &Clients) {
    let directory = keys.directory();
    let due = match directory.acme_orders_due(MOST_AT_ONCE).await {
        Ok(due) => due,
        Err(error) => return tracing::error!(%error, "orders for certificates cannot be looked at"),
    };
    for order in due {
        let done = match step(keys, settings, clients, &order).await {
            Ok(Next::Wait { state, seconds }) => {
                directory.acme_wait(order.id, state, directory.now().plus_seconds(i64::from(seconds)), None).await
            }
            Ok(Next::Over) => Ok(()),
            Err(Trouble::Failed(why)) => {
                tracing::error!(order = %order.id, why, "an order for a certificate came to nothing");
                directory.acme_failed(&order, &why, &Actor::System).await
            }
            Err(Trouble::Later { because, .. }) if order.ends <= directory.now() => {
                directory.acme_failed(&order, &format!("it took too long: {because}"), &Actor::System).await
            }
            Err(Trouble::Later { because, seconds }) => {
                tracing::warn!(order = %order.id, because, "an order for a certificate is tried again later");
                let until = directory.now().plus_seconds(i64::from(seconds.unwrap_or(rest(order.attempts))));
                directory.acme_wait(order.id, order.state, until, Some(&because)).await
            }
        };
        if let Err(error) = done {
            tracing::error!(order = %order.id, %error, "what became of an order was not noted");
        }
    }
}

enum Next {
    /// Nothing to do for so many seconds, in this state.
    Wait { state: AcmeState, seconds: u32 },
    /// It is over.
    Over,
}

enum Trouble {
    /// For good.
    Failed(String),
    /// For now.
    Later { because: String, seconds: Option<u32> },
}

impl From<egress::Error> for Trouble {
    // What a server sends by mistake it may send right the next time; what it refuses it refuses again.
    fn from(error: egress::Error) -> Self {
        match &error {
            egress::Error::Problem { .. } if !error.is_temporary() => Self::Failed(error.to_string()),
            _ => Self::Later { because: error.to_string(), seconds: error.retry_after() },
        }
    }
}

impl From<directory::Error> for Trouble {
    fn from(error: directory::Error) -> Self {
        match error {
            // A certificate that is not what was ordered does not get better.
            directory::Error::Malformed { .. }
            | directory::Error::NotFound { .. }
            | directory::Error::NotAllowed { .. } => Self::Failed(error.to_string()),
            error => Self::Later { because: error.to_string(), seconds: None },
        }
    }
}

/// One step of one order: asks the CA how far it is, and does what is next.
async fn step(keys: &KeyRing, settings: &AcmeSettings, clients: &Clients, order: &AcmeOrder) -> Result<Next, Trouble> {
    let directory = keys.directory();
    if order.ends <= directory.now() && order.state == AcmeState::Waiting {
        return Err(Trouble::Failed("the CA's mail never came, or could not be believed".into()));
    }
    let (account, key) = keys.acme_key(order.account).await?;
    let url = account.url.ok_or_else(|| Trouble::Failed("the account is not registered".into()))?;
    let client = clients.of(settings, &account.server)?;
    let account = Account { key: AccountKey::new(key)?, url };
    let Some(url) = &order.url else {
        let (url, answered) = client.new_order(&account, &order.address.to_string()).await?;
        directory.acme_placed(order.id, &url).await?;
        return go_on(keys, &client, &account, order, answered).await;
    };
    let answered = client.order(&account, url).await?;
    go_on(keys, &client, &account, order, answered).await
}

async fn go_on(
    keys: &KeyRing,
    client: &AcmeClient,
    account: &Account,
    order: &AcmeOrder,
    answered: Answered<Order>,
) -> Result<Next, Trouble> {
    let wanted = order.address.to_string();
    let ours = |kind: &str, value: &str| kind == "email" && same_address(value, &wanted);
    if !answered.value.identifiers.iter().all(|one| ours(&one.kind, &one.value)) {
        return Err(Trouble::Failed("the CA's order is for something else".into()));
    }
    let wait = |state| Ok(Next::Wait { state, seconds: seconds(answered.retry_after, state) });
    match answered.value.status {
        Status::Pending => prove(keys, client, account, order, &answered).await,
        Status::Ready => {
            let waiting = keys.directory().key_request(order.key_request).await?;
            let request = waiting.request.ok_or_else(|| Trouble::Failed("the key has no request".into()))?;
            let finalized = client.finalize(account, &answered.value.finalize, &request).await?;
            match finalized.value.status {
                Status::Valid => collect(keys, client, account, order, &finalized.value).await,
                Status::Invalid | Status::Over => Err(refused(finalized.value.problem.as_ref())),
                _ => Ok(Next::Wait { state: order.state, seconds: seconds(finalized.retry_after, order.state) }),
            }
        }
        Status::Processing => wait(order.state),
        Status::Valid => collect(keys, client, account, order, &answered.value).await,
        Status::Invalid | Status::Over => Err(refused(answered.value.problem.as_ref())),
    }
}

/// Looks for what the CA still wants proven, and tells it when that has been answered.
async fn prove(
    keys: &KeyRing,
    client: &AcmeClient,
    account: &Account,
    order: &AcmeOrder,
    answered: &Answered<Order>,
) -> Result<Next, Trouble> {
    let directory = keys.directory();
    let mut found: Option<Answered<Authorization>> = None;
    for url in &answered.value.authorizations {
        let one = client.authorization(account, url).await?;
        let identifier = &one.value.identifier;
        let ours = identifier.kind == "email" && same_address(&identifier.value, &order.address.to_string());
        match one.value.status {
            Status::Pending if ours => found = Some(one),
            Status::Pending => {
                return Err(Trouble::Failed("the CA wants something else proven than the mailbox".into()));
            }
            Status::Invalid | Status::Over => {
                let problem = one.value.email_reply.and_then(|challenge| challenge.problem);
                return Err(refused(problem.as_ref()));
            }
            Status::Processing | Status::Ready | Status::Valid => {}
        }
    }
    let retry_after = answered.retry_after;
    let wait = |state| Ok(Next::Wait { state, seconds: seconds(retry_after, state) });
    let Some(authorization) = found else { return wait(order.state) };
    let Some(challenge) = authorization.value.email_reply else {
        return Err(Trouble::Failed("the CA does not offer to prove a mailbox by mail (email-reply-00)".into()));
    };
    match order.state {
        AcmeState::Ordered => {
            let from = Address::parse(&challenge.from)
                .map_err(|error| Trouble::Failed(format!("the CA names an odd sender of its mail: {error}")))?;
            let challenge = AcmeChallenge { url: challenge.url, from, token: challenge.token };
            directory.acme_challenged(order.id, &challenge).await?;
            wait(AcmeState::Waiting)
        }
        AcmeState::Answered => match directory.acme_response_delivered(order).await? {
            None => wait(AcmeState::Answered),
            Some(false) => Err(Trouble::Failed("the mail that answers the CA could not be delivered".into())),
            Some(true) => {
                if challenge.status == Status::Pending {
                    client.respond(account, &challenge.url).await?;
                }
                directory.acme_validating(order).await?;
                wait(AcmeState::Validating)
            }
        },
        // Some CAs send their mail only when they are told that it is waited for.
        AcmeState::Waiting if directory.now() >= order.changed.plus_seconds(i64::from(PATIENCE)) => {
            if challenge.status == Status::Pending {
                client.respond(account, &challenge.url).await?;
            }
            Ok(Next::Wait { state: AcmeState::Waiting, seconds: PATIENCE })
        }
        state => wait(state),
    }
}

async fn collect(
    keys: &KeyRing,
    client: &AcmeClient,
    account: &Account,
    order: &AcmeOrder,
    answered: &Order,
) -> Result<Next, Trouble> {
    let url = answered.certificate.as_ref().ok_or_else(|| Trouble::Later {
        because: "the CA does not say where the certificate is".into(),
        seconds: None,
    })?;
    let chain = client.certificate(account, url).await?;
    let credential = keys.acme_issued(order, &chain, &Actor::Program("ACME".into())).await?;
    tracing::info!(order = %order.id, %credential, "a certificate came from the CA");
    Ok(Next::Over)
}

fn refused(problem: Option<&Problem>) -> Trouble {
    Trouble::Failed(
        problem.map_or_else(|| "the CA refused it".into(), |problem| format!("the CA refused it: {problem}")),
    )
}

fn same_address(one: &str, other: &str) -> bool {
    matches!((Address::parse(one), Address::parse(other)), (Ok(one), Ok(other)) if one == other)
}

/// When to ask again: as the CA says, within bounds; else as it suits the state.
fn seconds(retry_after: Option<u32>, state: AcmeState) -> u32 {
    let usual = match state {
        AcmeState::Waiting => 60,
        _ => 10,
    };
    retry_after.unwrap_or(usual).clamp(1, LONGEST_WAIT)
}

/// How long to leave a server alone that failed so often.
fn rest(attempts: u32) -> u32 {
    30_u32.saturating_mul(1 << attempts.min(7)).min(LONGEST_WAIT)
}

/// How long a CA's mail may take before the CA is told that it is waited for.
const PATIENCE: u32 = 900;
const LONGEST_WAIT: u32 = 3_600;
const LONGEST_PAUSE: u64 = 10;
const MOST_AT_ONCE: u32 = 50;
/// Once in so many rounds what has days of time.
const SELDOM: u64 = 360;

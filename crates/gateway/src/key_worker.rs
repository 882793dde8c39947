//! What the keys of the people inside need beside the mail: lists and answers of the house's own CA are signed in time,
//! certificates are renewed and announced, incidents go on, and a rotation of the master key knows who is at work.

use std::sync::Arc;
use std::time::Duration;

use directory::{Actor, Error, KeyRing};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::directory_book::DirectoryBook;
use crate::flow::Shared;
use crate::smtp::down;

/// Goes on until `shutdown` says true. Of several processes that share a directory, one does what is done once.
pub(crate) async fn keep_keys(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let pause = Duration::from_secs(shared.settings.schedule_seconds.max(1));
    for round in 0_u64.. {
        let keys = shared.book.keys();
        say("the master keys of this process were not reported", keys.report(&shared.settings.worker).await);
        say("an incident does not go on", go_on(keys, &shared.settings.worker).await);
        if round.is_multiple_of(SELDOM) {
            say("the house's own CA did not sign its lists", publish(keys).await);
            say("certificates were not renewed", renew(keys, &shared).await);
        }
        tokio::select! {
            biased;
            () = down(&mut shutdown) => {
                // Whoever comes after it has another name, and a rotation does not wait for this one.
                say("a process that ends was not reported", keys.leave(&shared.settings.worker).await);
                return;
            }
            () = sleep(pause) => {}
        }
    }
}

/// Once in so many rounds what has days of time.
const SELDOM: u64 = 15;

fn say(what: &str, done: Result<(), Error>) {
    if let Err(error) = done {
        tracing::error!(%error, "{what}");
    }
}

async fn publish(keys: &KeyRing) -> Result<(), Error> {
    let published = keys.publish().await?;
    if published.lists + published.answers > 0 {
        tracing::info!(?published, "the house's own CA signed anew what it publishes");
    }
    Ok(())
}

async fn renew(keys: &KeyRing, shared: &Shared<DirectoryBook>) -> Result<(), Error> {
    let report = keys.renew_due(&shared.settings.worker, &shared.settings.renewal).await?;
    for (credential, because) in &report.failures {
        tracing::error!(%credential, because, "a certificate was not renewed or announced");
    }
    if report.notices + report.renewed + report.announced > 0 {
        let directory::RenewalReport { notices, renewed, announced, .. } = report;
        tracing::info!(notices, renewed, announced, "certificates that come to their end were looked at");
        shared.book.wake().notify_one();
    }
    Ok(())
}

async fn go_on(keys: &KeyRing, worker: &str) -> Result<(), Error> {
    for incident in keys.directory().incidents().await?.iter().filter(|incident| incident.closed.is_none()) {
        let report = keys.work_on_incident(incident.id, worker, &Actor::System).await?;
        if !report.is_in_time() {
            tracing::warn!(incident = %incident.id, waiting = report.waiting, "the rate of an incident is too low");
        }
    }
    Ok(())
}

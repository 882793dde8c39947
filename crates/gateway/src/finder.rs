//! Looks for certificates of people who are written to and have none here: beside the mail, never before it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory::{Actor, Address, Directory, Origin, RequestFilter, Submission};
use egress::LookUp;
use pki::EmailAddress;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::directory_book::DirectoryBook;
use crate::flow::Shared;
use crate::smtp::down;

/// Asks the directories that the operator named for whoever is wanted, until `shutdown` says true.
pub(crate) async fn look_up(
    shared: Arc<Shared<DirectoryBook>>,
    mut wanted: mpsc::Receiver<EmailAddress>,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some(directories) = shared.settings.look_up.clone().filter(|directories| !directories.is_empty()) else {
        return;
    };
    let (mut asked, mut running) = (HashMap::new(), JoinSet::new());
    loop {
        let address = tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            Some(_) = running.join_next() => continue,
            address = wanted.recv(), if running.len() < AT_ONCE => address,
        };
        let Some(address) = address else { return };
        if !is_due(&mut asked, &address) {
            continue;
        }
        let (shared, directories) = (Arc::clone(&shared), Arc::clone(&directories));
        running.spawn(async move {
            match timeout(PATIENCE, find(shared.book.directory(), &directories, &address)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(found)) => {
                    tracing::info!(found, "certificates were looked up for somebody who is written to");
                    shared.book.wake().notify_one();
                }
                Ok(Err(error)) => tracing::warn!(%error, "what was looked up could not be taken in"),
                Err(_) => tracing::info!("looking up a certificate took too long"),
            }
        });
    }
}

/// What is found goes the way of every other candidate (CASES T-70): nothing is encrypted to it before it is confirmed.
async fn find(directory: &Directory, directories: &LookUp, address: &EmailAddress) -> Result<usize, directory::Error> {
    let Ok(address) = Address::from_email(address.clone()) else { return Ok(0) };
    if directory.is_inside(&address) || !directory.active_certificates(&address).await?.is_empty() {
        return Ok(0);
    }
    let Some(found) = directories.find(address.email()).await.found else { return Ok(0) };
    let known = directory.requests(&RequestFilter::For(address.clone()), 100).await?;
    let mut taken = 0;
    for certificate in &found.certificates {
        // What was refused or is on its way is not asked for again.
        if known.iter().any(|request| request.fingerprint() == certificate.sha256()) {
            continue;
        }
        let mut submission = Submission::new(address.clone(), certificate.clone(), Origin::LookUp, Actor::System);
        submission.intermediates = found.intermediates.clone();
        match directory.submit(submission).await {
            Ok(_) => taken += 1,
            Err(directory::Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

fn is_due(asked: &mut HashMap<String, Instant>, address: &EmailAddress) -> bool {
    let name = address.canonical();
    if asked.get(&name).is_some_and(|at| at.elapsed() < AGAIN) {
        return false;
    }
    if asked.len() >= MOST_REMEMBERED {
        asked.clear();
    }
    asked.insert(name, Instant::now());
    true
}

/// Look-ups side by side, how long one may take, and when the same one is due again.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(6 * 3_600);
const MOST_REMEMBERED: usize = 50_000;
/// Addresses that may wait to be looked up.
pub(crate) const WAITING: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_is_not_asked_for_at_every_mail() {
        let (mut asked, bob) = (HashMap::new(), EmailAddress::parse("bob@partner.example").unwrap());
        assert!(is_due(&mut asked, &bob));
        assert!(!is_due(&mut asked, &bob));
        assert!(is_due(&mut asked, &EmailAddress::parse("carol@partner.example").unwrap()));
    }
}

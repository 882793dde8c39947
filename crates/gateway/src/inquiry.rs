//! Whether a signer's certificate was revoked, found out while the signer's first mail waits.
//!
//! Where nothing is valid that is not known to be good, nobody's first mail would ever be: what its CA says is fetched
//! only then. It is asked at once, for as long as a session can wait; a mail that would have to wait longer is kept by
//! its mail server and comes again, twice at most. After that it is judged by what is known, which never makes it valid
//! (CASES T-14, T-122).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use directory::Directory;
use pki::Certificate;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Watch;
use crate::book::{MessageKey, Unavailable};

/// What came of asking about a signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// More is known than before.
    News,
    /// Nothing more is to be had now.
    Nothing,
    /// It takes longer, or whoever was asked gave nothing now.
    Later,
}

/// Asks for what a signer's certificate points to.
#[derive(Debug)]
pub(crate) struct Inquiry {
    watch: Watch,
    patience: Duration,
    places: Arc<Semaphore>,
}

impl Inquiry {
    /// A session waits for `patience`.
    pub(crate) fn new(watch: Watch, patience: Duration) -> Self {
        Self { watch, patience, places: Arc::new(Semaphore::new(SIDE_BY_SIDE)) }
    }

    /// Asks about a signer whatever was not asked lately.
    pub(crate) async fn about(
        &self,
        directory: &Directory,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<Answer, Unavailable> {
        // CASES T-121: without a path to a trusted anchor nobody is asked.
        let Some(path) = directory.signer_path(signer, others).await? else { return Ok(Answer::Nothing) };
        // Who says nothing about revocation will not say more later.
        if path.revocation_sources().is_empty() {
            return Ok(Answer::Nothing);
        }
        // Asked lately, and it is still not known: its CA is away for some minutes, which is no word about the signer.
        if !self.watch.is_due(directory, &path).await? {
            return Ok(Answer::Later);
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(Answer::Later) };
        let (watch, directory) = (self.watch.clone(), directory.clone());
        // Whoever stops waiting finds what it brings when the mail comes again.
        let asking = tokio::spawn(async move {
            let _place = place;
            watch.ask(&directory, &path).await
        });
        match timeout(self.patience, asking).await {
            Ok(Ok(Ok(1..))) => Ok(Answer::News),
            Ok(Ok(Err(error))) => Err(Unavailable::from(error)),
            Ok(Ok(Ok(0)) | Err(_)) | Err(_) => Ok(Answer::Later),
        }
    }
}

/// Which mails were told to come again, for which recipient, and how often.
#[derive(Debug, Default)]
pub(crate) struct Deferred(Mutex<HashMap<(MessageKey, usize), u32>>);

impl Deferred {
    /// Whether a mail may be told to come again once more; says so no more often than [`MOST_DEFERRALS`] times.
    pub(crate) fn once_more(&self, message: (MessageKey, usize)) -> bool {
        let mut deferred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if deferred.len() >= MOST_REMEMBERED && !deferred.contains_key(&message) {
            // Each of those comes again twice once more: the price of a bound.
            deferred.clear();
        }
        let count = deferred.entry(message).or_default();
        *count += 1;
        *count <= MOST_DEFERRALS
    }

    /// It went on.
    pub(crate) fn forget(&self, message: (MessageKey, usize)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&message);
    }
}

const SIDE_BY_SIDE: usize = 8;
const MOST_DEFERRALS: u32 = 2;
const MOST_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_comes_again_twice_at_most() {
        let (deferred, one, other) = (Deferred::default(), (MessageKey([1; 32]), 0), (MessageKey([1; 32]), 1));
        assert!(deferred.once_more(one) && deferred.once_more(one) && deferred.once_more(other));
        assert!(!deferred.once_more(one) && !deferred.once_more(one));
        deferred.forget(one);
        assert!(deferred.once_more(one));
    }
}

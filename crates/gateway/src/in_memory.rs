//! How much of mails may be in memory as a whole at the same time: those that get a banner, go into the webmailer, are
//! looked into for certificates or for a CA's challenge, are cleaned, or leave the outbox. All others pass through spools
//! (CASES N-17).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::smtp::Reply;

/// Room for mails in memory, in KiB; who finds none waits, and is told to come again.
#[derive(Debug)]
pub(crate) struct Room {
    kibibytes: Arc<Semaphore>,
    all: u32,
}

impl Room {
    pub(crate) fn of(all: u32) -> Self {
        Self { kibibytes: Arc::new(Semaphore::new(usize::try_from(all).unwrap_or(usize::MAX))), all }
    }

    /// Room for a mail of so many octets, until the permit is dropped. A mail that is larger than all the room has all of
    /// it for itself.
    pub(crate) async fn for_mail(&self, octets: u64, patience: Duration) -> Result<OwnedSemaphorePermit, Reply> {
        let wanted = u32::try_from(octets / 1_024).unwrap_or(u32::MAX).saturating_add(1).min(self.all);
        let acquired = timeout(patience, Arc::clone(&self.kibibytes).acquire_many_owned(wanted)).await;
        acquired.ok().and_then(Result::ok).ok_or_else(|| {
            Reply::new(451, "4.3.2", "too many large messages are being worked on; this one is kept and tried again")
        })
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::of(256 * 1_024)
    }
}

/// Longer than it takes to sign and encrypt what fills the room.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn n_17_what_is_in_memory_has_an_end_and_comes_back() {
        let (room, at_once) = (Room::of(100), Duration::ZERO);
        let small = room.for_mail(50 * 1_024, at_once).await.unwrap();
        let refused = room.for_mail(60 * 1_024, at_once).await.unwrap_err();
        assert_eq!((refused.code(), refused.enhanced()), (451, "4.3.2"));
        drop(small);
        let huge = room.for_mail(u64::MAX, at_once).await.unwrap();
        assert!(room.for_mail(0, at_once).await.is_err());
        drop(huge);
        assert!(room.for_mail(60 * 1_024, at_once).await.is_ok());
    }
}

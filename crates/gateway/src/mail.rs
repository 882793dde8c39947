//! A mail while it is in our hands: in a spool that is read as often as it takes, never whole in memory (CASES N-17).

use std::sync::Arc;

use cms::Spool;
use mime::Header;
use tokio::sync::{Mutex, MutexGuard};

use crate::smtp::Reply;

/// A mail that several read, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Mail(Arc<Mutex<Spool>>);

impl Mail {
    pub(crate) fn new(content: Spool) -> Self {
        Self(Arc::new(Mutex::new(content)))
    }

    pub(crate) async fn lock(&self) -> MutexGuard<'_, Spool> {
        self.0.lock().await
    }

    /// Does what takes its time beside the sessions. When the work breaks off, the mail is still there.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> Result<T, Reply> + Send + 'static,
    ) -> Result<T, Reply> {
        let mut content = Arc::clone(&self.0).lock_owned().await;
        tokio::task::spawn_blocking(move || work(&mut content)).await.unwrap_or_else(|_| Err(broke_off()))
    }
}

/// A mail as it goes on: octets of ours, then those of a spool from some place on.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    pub(crate) head: Vec<u8>,
    /// Octets at the spool's beginning that `head` stands for.
    pub(crate) skip: usize,
    /// Where the rest is; it is in the mail as it came when there is nothing here.
    pub(crate) content: Option<Spool>,
}

impl Rewritten {
    /// Another header before a body.
    pub(crate) fn with_header(header: &Header, skip: usize, content: Option<Spool>) -> Self {
        let mut head = header.to_bytes();
        head.extend_from_slice(b"\r\n");
        Self { head, skip, content }
    }
}

impl From<Spool> for Rewritten {
    fn from(content: Spool) -> Self {
        Self { content: Some(content), ..Self::default() }
    }
}

/// The header of a mail; its body begins behind [`Header::octets_read`].
pub(crate) fn read_header(mail: &mut Spool) -> Result<Header, Reply> {
    let mut reader = mail.reader().map_err(|_| unreadable_spool())?;
    Header::read(&mut reader, &mime::Limits::default()).map_err(|error| unreadable_header(&error))
}

pub(crate) fn unreadable_header(error: &mime::Error) -> Reply {
    match error {
        mime::Error::Io(_) => unreadable_spool(),
        error => Reply::new(550, "5.6.0", format!("the message's header cannot be read: {error}")),
    }
}

pub(crate) fn broke_off() -> Reply {
    Reply::new(451, "4.3.0", "the work on the message broke off")
}

pub(crate) fn unreadable_spool() -> Reply {
    Reply::new(451, "4.3.0", "the message cannot be read now")
}

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gateway::maildir::Maildirs;
use mime::{Entity, Header};
use pki::EmailAddress;

/// Somebody's mailbox, as their mail program sees it.
#[derive(Debug)]
pub(super) struct Mailbox {
    maildirs: Maildirs,
    address: EmailAddress,
    seen: HashSet<PathBuf>,
}

/// A mail as it lies in the mailbox.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Mailbox {
    /// Everything that is there by now counts as read.
    pub(super) fn open(maildirs: &Maildirs, address: &EmailAddress) -> Self {
        let mut mailbox = Self::open_unread(maildirs, address);
        mailbox.seen = mailbox.files().into_iter().collect();
        mailbox
    }

    /// Nothing that is there counts as read.
    pub(super) fn open_unread(maildirs: &Maildirs, address: &EmailAddress) -> Self {
        Self { maildirs: maildirs.clone(), address: address.clone(), seen: HashSet::new() }
    }

    /// The next new mail, waited for.
    pub(super) fn next(&mut self) -> Result<Delivered, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(mail) = self.new_mail()? {
                return Ok(mail);
            }
            if Instant::now() > until {
                return Err(format!("no mail came to {} within {} seconds", self.address, PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// The next new mail whose subject has these words; what comes before it counts as read.
    pub(super) fn next_about(&mut self, words: &str) -> Result<Delivered, String> {
        loop {
            let mail = self.next()?;
            if mail.header()?.get("Subject").is_some_and(|subject| subject.text().contains(words)) {
                return Ok(mail);
            }
        }
    }

    /// A new mail, if there is one now.
    pub(super) fn new_mail(&mut self) -> Result<Option<Delivered>, String> {
        let Some(file) = self.files().into_iter().find(|file| !self.seen.contains(file)) else { return Ok(None) };
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        self.seen.insert(file.clone());
        Ok(Some(Delivered { file, bytes }))
    }

    fn files(&self) -> Vec<PathBuf> {
        self.maildirs.messages(&self.address).unwrap_or_default()
    }
}

impl Delivered {
    /// Its header.
    pub(super) fn header(&self) -> Result<Header, String> {
        Header::parse(&self.bytes, &mime::Limits::default())
            .map(|(header, _)| header)
            .map_err(|error| error.to_string())
    }

    /// Whether these words stand in it for anybody to read.
    pub(super) fn shows(&self, words: &str) -> bool {
        shows(&self.bytes, words)
    }
}

/// Whether these words stand in a message, in whatever transfer encoding.
pub(super) fn shows(message: &[u8], words: &str) -> bool {
    let Ok(entity) = Entity::parse(message, &mime::Limits::default()) else { return false };
    let raw = message.windows(words.len()).any(|window| window == words.as_bytes());
    raw || entity.walk().iter().any(|part| part.text().contains(words))
}

const PATIENCE: Duration = Duration::from_secs(20);

//! Delivery into Maildirs by LMTP or SMTP: where the demonstration's mail ends, and small installations' too.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cms::Spool;
use pki::EmailAddress;

use crate::smtp::{Envelope, Peer, Recipient, Reply, Service};

/// A folder of Maildirs, one for each mailbox: `FOLDER/alice@example.org/{cur,new,tmp}`.
#[derive(Debug, Clone)]
pub struct Maildirs {
    folder: PathBuf,
    open: bool,
    counter: Arc<AtomicU64>,
}

impl Maildirs {
    /// Mailboxes are made by [`Self::create`]; mail for others is refused.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), open: false, counter: Arc::default() }
    }

    /// A mailbox is made for whoever gets mail.
    #[must_use]
    pub fn for_everybody(self) -> Self {
        Self { open: true, ..self }
    }

    /// Makes a mailbox.
    pub fn create(&self, address: &EmailAddress) -> io::Result<PathBuf> {
        let path = self.path(address);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(path.join(part))?;
        }
        Ok(path)
    }

    /// Where an address's mailbox lies.
    pub fn path(&self, address: &EmailAddress) -> PathBuf {
        // CASES T-93: an address has no slash at its ends that could leave the folder; one inside becomes a dash.
        self.folder.join(address.canonical().replace('/', "-"))
    }

    /// The messages of a mailbox, oldest first.
    pub fn messages(&self, address: &EmailAddress) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for part in ["cur", "new"] {
            for entry in fs::read_dir(self.path(address).join(part))? {
                files.push(entry?.path());
            }
        }
        files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
        Ok(files)
    }

    /// Puts a message into a mailbox. When this returns, it is on the disk under its final name.
    pub fn deliver(&self, to: &EmailAddress, from: &str, content: &mut Spool) -> io::Result<PathBuf> {
        let path = self.path(to);
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let random: [u8; 8] = crypto::random_array().map_err(io::Error::other)?;
        let name = format!("{}.{number:08}.{:016x}.sealpost", sequence(), u64::from_be_bytes(random));
        let (temporary, last) = (path.join("tmp").join(&name), path.join("new").join(&name));
        let result = self.write(&temporary, to, from, content).and_then(|()| {
            fs::rename(&temporary, &last)?;
            sync_folder(&path.join("new"))
        });
        if result.is_err() {
            // What is half written is nobody's mail.
            let _ = fs::remove_file(&temporary);
        }
        result.map(|()| last)
    }

    fn write(&self, file: &Path, to: &EmailAddress, from: &str, content: &mut Spool) -> io::Result<()> {
        let mut file = File::create_new(file)?;
        // RFC 5321 §4.4: final delivery keeps the reverse-path.
        write!(file, "Return-Path: <{from}>\r\nDelivered-To: {to}\r\n")?;
        io::copy(&mut content.reader()?, &mut file)?;
        file.sync_all()
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Names sort by arrival. Only the name depends on the clock of the machine.
fn sequence() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_micros())
}

impl Service for Maildirs {
    async fn recipient(&self, _: &Peer, _: &Envelope, to: &Recipient) -> Result<(), Reply> {
        let path = self.path(to.to.mailbox());
        if path.join("new").is_dir() {
            return Ok(());
        }
        if !self.open {
            return Err(Reply::new(550, "5.1.1", "there is no such mailbox"));
        }
        self.create(to.to.mailbox()).map(|_| ()).map_err(|error| failed(&error))
    }

    async fn message(&self, _: &Peer, envelope: &Envelope, content: Spool) -> Vec<Reply> {
        let (this, envelope) = (self.clone(), envelope.clone());
        let count = envelope.recipients.len();
        let deliver = move || {
            let mut content = content;
            let each = envelope.recipients.iter().map(|recipient| {
                match this.deliver(recipient.to.mailbox(), envelope.from.as_str(), &mut content) {
                    Ok(_) => Reply::new(250, "2.1.5", "delivered"),
                    Err(error) => failed(&error),
                }
            });
            each.collect()
        };
        tokio::task::spawn_blocking(deliver)
            .await
            .unwrap_or_else(|_| vec![Reply::new(451, "4.3.0", "the delivery broke off"); count])
    }
}

fn failed(error: &io::Error) -> Reply {
    tracing::error!(%error, "a Maildir cannot be written");
    Reply::new(452, "4.3.1", "the mailbox cannot be written now")
}

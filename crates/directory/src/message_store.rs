//! Bodies of messages in the webmailer: one sealed file each.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::sealing::{open, seal};
use crate::{Error, StoreKey, hex};

/// A folder of sealed bodies. A name in it is a [`BodyId`], never text of a message (CASES T-103).
#[derive(Debug, Clone)]
pub struct MessageStore {
    folder: PathBuf,
    key: StoreKey,
}

/// A body in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyId([u8; 16]);

impl MessageStore {
    /// In `folder`, which is made when it is missing.
    pub fn open(folder: &Path, key: StoreKey) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// Keeps a body: sealed, and on the disk when this returns.
    pub async fn put(&self, body: &[u8]) -> Result<BodyId, Error> {
        let id = BodyId(crypto::random_array()?);
        let sealed = seal(&self.key.0, &context(id), body)?;
        let (folder, file) = (self.folder.clone(), self.file(id));
        blocking(move || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            // Gateway and portal may be two users of one group; what is in it is sealed.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
            let mut out = options.open(file)?;
            out.write_all(&sealed)?;
            out.sync_all()?;
            // The name has to be on the disk as well.
            std::fs::File::open(folder)?.sync_all()
        })
        .await?;
        Ok(id)
    }

    /// A body.
    pub async fn get(&self, id: BodyId) -> Result<Vec<u8>, Error> {
        let file = self.file(id);
        let sealed = match blocking(move || std::fs::read(file)).await {
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotFound { what: "message body" });
            }
            sealed => sealed?,
        };
        Ok(open(&self.key.0, &context(id), &sealed)?.to_vec())
    }

    /// Removes a body; one that is gone already is no error.
    pub async fn remove(&self, id: BodyId) -> Result<(), Error> {
        let file = self.file(id);
        match blocking(move || std::fs::remove_file(file)).await {
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Bodies that were put here at least so long ago, by the clock of the file system's machine.
    pub async fn older_than(&self, age: Duration) -> Result<Vec<BodyId>, Error> {
        let folder = self.folder.clone();
        blocking(move || {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                // What has no name of ours is not ours to remove.
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let since = entry.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
                if matches!(since, Ok(Ok(since)) if since >= age) {
                    found.push(id);
                }
            }
            Ok(found)
        })
        .await
    }

    fn file(&self, id: BodyId) -> PathBuf {
        self.folder.join(id.to_string())
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for BodyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| plain);
        number.map(|number| Self(number.to_be_bytes())).ok_or(Error::NotFound { what: "message body" })
    }
}

fn context(id: BodyId) -> Vec<u8> {
    format!("sealpost message body {id}").into_bytes()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable { because: error.to_string() })?.map_err(Error::from)
}

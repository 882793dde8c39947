//! Bodies of messages in the webmailer, each sealed by itself: in a folder, or in an S3-compatible store where several
//! machines share them.

mod folder;
mod objects;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use folder::Folder;
use objects::Objects;

use crate::sealing::{open, seal};
use crate::{Error, StoreKey, hex};

pub use objects::ObjectPlace;

/// Where bodies are.
#[derive(Debug, Clone)]
pub enum MessagePlace {
    /// In a folder, which is made when it is missing.
    Folder(PathBuf),
    /// In an S3-compatible store.
    Objects(ObjectPlace),
}

/// A store of sealed bodies. A name in it is a [`BodyId`], never text of a message (CASES T-103).
#[derive(Debug, Clone)]
pub struct MessageStore {
    place: Place,
    key: StoreKey,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(Folder),
    Objects(Arc<Objects>),
}

/// A body in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyId([u8; 16]);

impl MessageStore {
    /// At a place of any kind. A store on the network may be away now and come back.
    pub fn at(place: &MessagePlace, key: StoreKey) -> Result<Self, Error> {
        let place = match place {
            MessagePlace::Folder(folder) => Place::Folder(Folder::open(folder)?),
            MessagePlace::Objects(described) => Place::Objects(Arc::new(Objects::open(described)?)),
        };
        Ok(Self { place, key })
    }

    /// In `folder`, which is made when it is missing.
    pub fn open(folder: &Path, key: StoreKey) -> Result<Self, Error> {
        Self::at(&MessagePlace::Folder(folder.to_owned()), key)
    }

    /// Keeps a body: sealed, and safe when this returns.
    ///
    /// # Errors
    /// One that [`Error::is_temporary`] where the store is away or full: nothing is kept then, and whoever brought the
    /// body keeps it.
    pub async fn put(&self, body: &[u8]) -> Result<BodyId, Error> {
        let id = BodyId(crypto::random_array()?);
        let sealed = seal(&self.key.0, &context(id), body)?;
        match &self.place {
            Place::Folder(folder) => folder.put(id, sealed).await?,
            Place::Objects(objects) => objects.put(id, sealed).await?,
        }
        Ok(id)
    }

    /// A body.
    pub async fn get(&self, id: BodyId) -> Result<Vec<u8>, Error> {
        let sealed = match &self.place {
            Place::Folder(folder) => folder.get(id).await?,
            Place::Objects(objects) => objects.get(id).await?,
        };
        let sealed = sealed.ok_or(Error::NotFound { what: "message body" })?;
        Ok(open(&self.key.0, &context(id), &sealed)?.to_vec())
    }

    /// Removes a body; one that is gone already is no error.
    pub async fn remove(&self, id: BodyId) -> Result<(), Error> {
        match &self.place {
            Place::Folder(folder) => folder.remove(id).await,
            Place::Objects(objects) => objects.remove(id).await,
        }
    }

    /// Whether a body can be put here, read again, listed and removed: for who sets it up.
    pub async fn check(&self) -> Result<(), Error> {
        let id = self.put(b"a try").await?;
        let read = self.get(id).await.map(drop);
        let listed = self.older_than(Duration::ZERO).await.map(drop);
        // Whatever came of the others: it does not stay.
        self.remove(id).await?;
        read.and(listed)
    }

    /// Bodies that were put here at least so long ago, by the clock of the store.
    pub async fn older_than(&self, age: Duration) -> Result<Vec<BodyId>, Error> {
        match &self.place {
            Place::Folder(folder) => folder.older_than(age).await,
            Place::Objects(objects) => objects.older_than(age).await,
        }
    }
}

impl From<PathBuf> for MessagePlace {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
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

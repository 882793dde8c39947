use std::fmt;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore as _, ObjectStoreExt as _, RetryConfig};
use zeroize::Zeroizing;

use crate::{BodyId, Error};

/// A bucket in an S3-compatible store.
#[derive(Clone)]
pub struct ObjectPlace {
    /// Where the store is, `https://…`; without it, Amazon's own in the region.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What stands before the names of bodies, so that other things may be in the bucket.
    pub prefix: String,
    /// Whose requests they are.
    pub access_key: String,
    /// What they are signed with.
    pub secret_key: Zeroizing<String>,
}

impl fmt::Debug for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectPlace({}/{} at {:?})", self.bucket, self.prefix, self.endpoint)
    }
}

/// One object for each body.
pub(super) struct Objects {
    store: AmazonS3,
    prefix: Path,
}

impl Objects {
    pub(super) fn open(place: &ObjectPlace) -> Result<Self, Error> {
        let malformed =
            |error: &dyn fmt::Display| Error::Malformed { what: "an S3-compatible store", because: error.to_string() };
        let plain = place.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        // Bodies are sealed before they leave: whoever reads along on a plain connection reads nothing.
        let client = ClientOptions::new().with_allow_http(plain).with_timeout(TIMEOUT).with_connect_timeout(CONNECT);
        // A mail server asks again by itself: it is told soon that nobody is there.
        let backoff =
            BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: 2, retry_timeout: TIMEOUT };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&place.bucket)
            .with_region(&place.region)
            .with_access_key_id(&place.access_key)
            .with_secret_access_key(place.secret_key.as_str())
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let store = builder.build().map_err(|error| malformed(&error))?;
        let prefix = Path::parse(&place.prefix).map_err(|error| malformed(&error))?;
        Ok(Self { store, prefix })
    }

    /// In the store when this returns: S3 answers when an object is durable, and a write is there whole or not at all.
    pub(super) async fn put(&self, id: BodyId, sealed: Vec<u8>) -> Result<(), Error> {
        self.store.put(&self.name(id), sealed.into()).await.map(drop).map_err(unavailable)
    }

    pub(super) async fn get(&self, id: BodyId) -> Result<Option<Vec<u8>>, Error> {
        let found = match self.store.get(&self.name(id)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(unavailable)?,
        };
        Ok(Some(found.bytes().await.map_err(unavailable)?.to_vec()))
    }

    pub(super) async fn remove(&self, id: BodyId) -> Result<(), Error> {
        match self.store.delete(&self.name(id)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            removed => removed.map_err(unavailable),
        }
    }

    pub(super) async fn older_than(&self, age: Duration) -> Result<Vec<BodyId>, Error> {
        let (mut found, mut all) = (Vec::new(), self.store.list(Some(&self.prefix)));
        while let Some(object) = all.try_next().await.map_err(unavailable)? {
            // What has no name of ours is not ours to remove.
            let Some(id) = object.location.filename().and_then(|name| name.parse().ok()) else { continue };
            let since = SystemTime::from(object.last_modified).elapsed();
            if object.location == self.name(id) && since.is_ok_and(|since| since >= age) {
                found.push(id);
            }
        }
        Ok(found)
    }

    fn name(&self, id: BodyId) -> Path {
        self.prefix.clone().join(id.to_string())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.prefix)
    }
}

/// Whatever a store says that is not about a missing body is about its state: what depends on it is held, and tried
/// again.
fn unavailable(error: object_store::Error) -> Error {
    Error::Unavailable { because: format!("message store: {error}") }
}

/// For all of a body, which may have 100 MiB: a mail server waits ten minutes for an answer (RFC 5321 §4.5.3.2.6).
const TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(5);

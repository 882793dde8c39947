use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};
use directory::{Actor, BodyId, Directory, Limit, MessageStore, PersonId, SessionLimits};
use jiff::tz::TimeZone;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webauthn::RelyingParty;

use crate::assets::Assets;
use crate::guard::policy_with_script;
use crate::openid::Provider;
use crate::problem::Problem;
use crate::routes::Intake;
use crate::{Error, Settings, password};

/// What every page can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) directory: Directory,
    pub(crate) settings: Settings,
    /// Bodies of messages, sealed.
    pub(crate) store: MessageStore,
    pub(crate) zone: TimeZone,
    pub(crate) assets: Assets,
    /// What a page with the script for passkeys lets a browser load.
    pub(crate) policy_with_script: HeaderValue,
    /// Whether people reach the portal through TLS: then cookies say so.
    pub(crate) secure: bool,
    /// The site as passkeys know it; `None` where browsers have none.
    pub(crate) party: Option<RelyingParty>,
    /// Where the people inside log in without a password.
    pub(crate) openid: Option<Provider>,
    // Somebody without an account costs as much time as somebody with one (CASES T-103).
    nobody: String,
    // How many passwords were hashed, for whatever reason.
    hashed: AtomicU64,
    // Argon2id takes 19 MiB: no more of them at once than this (CASES T-104).
    hashing: Semaphore,
    // KiB of uploads that may be in memory, over all sessions (CASES T-107).
    uploads: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(settings: Settings, directory: Directory) -> Result<Self, Error> {
        let zone = match &settings.time_zone {
            None => TimeZone::system(),
            Some(name) => {
                TimeZone::get(name).map_err(|error| Error::Setting { what: "time_zone", because: error.to_string() })?
            }
        };
        let store = MessageStore::at(&settings.messages, directory.settings().store_key.clone())?;
        let secure = directory.settings().base_url.starts_with("https://");
        let base_url = &directory.settings().base_url;
        let openid = settings.openid.clone().map(|openid| Provider::new(openid, base_url)).transpose()?;
        let party = RelyingParty::at(base_url);
        let assets = Assets::new();
        let policy_with_script = policy_with_script(base_url, assets.script())?;
        let nobody = password::hash_password(&password::first_password()?)?;
        // More of them than there are cores would be no faster, and pages would wait behind them.
        let hashes_at_once = std::thread::available_parallelism().map_or(1, usize::from).min(HASHES_AT_ONCE);
        let uploads = usize::try_from(settings.upload_memory_bytes >> 10).unwrap_or(usize::MAX);
        let inner = Inner {
            directory,
            settings,
            store,
            zone,
            policy_with_script,
            assets,
            secure,
            party,
            openid,
            nobody,
            hashed: AtomicU64::new(0),
            hashing: Semaphore::new(hashes_at_once),
            uploads: Arc::new(Semaphore::new(uploads.min(Semaphore::MAX_PERMITS))),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// How long somebody stays logged in.
    pub(crate) fn session_limits(&self) -> SessionLimits {
        SessionLimits { idle_seconds: u32::from(self.settings.idle_minutes) * 60, ..SessionLimits::default() }
    }

    /// Whether a password is right; without a hash it never is, and takes as long.
    pub(crate) async fn verify_password(&self, typed: &str, hash: Option<String>) -> Result<bool, Problem> {
        let (typed, known) = (typed.to_owned(), hash.is_some());
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let right = self.hashing(move || password::verify(&typed, &hash)).await?;
        Ok(right && known)
    }

    /// A password's hash.
    pub(crate) async fn hash_password(&self, typed: &str) -> Result<String, Problem> {
        let typed = typed.to_owned();
        Ok(self.hashing(move || password::hash_password(&typed)).await??)
    }

    /// How many passwords were hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Gives somebody a first password; the directory takes away what they had beside the one before.
    pub(crate) async fn give_first_password(&self, person: PersonId, by: &Actor) -> Result<String, Problem> {
        let password = password::first_password()?;
        let hash = self.hash_password(&password).await?;
        self.directory.set_password(person, &hash, true, by).await?;
        Ok(password)
    }

    /// Removes a body that no message has any more. Where the store is away it is swept later, with others like it.
    pub(crate) async fn forget_body(&self, body: BodyId) {
        if let Err(error) = self.store.remove(body).await {
            tracing::warn!(%error, %body, "a message body was not removed");
        }
    }

    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _turn = self.hashing.acquire().await.map_err(|_| Problem::Unavailable)?;
        self.hashed.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::Internal)
    }

    /// Reserves memory for what is uploaded; forms and questions without files are small, and need none.
    pub(crate) fn room(&self, intake: Intake, bytes: u64) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if !matches!(intake, Intake::Letter | Intake::Message | Intake::Upload) {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).map_err(|_| Problem::TooLarge(intake))?;
        match Arc::clone(&self.uploads).try_acquire_many_owned(kib) {
            Ok(room) => Ok(Some(room)),
            Err(_) => {
                tracing::warn!("an upload was turned away: the memory for uploads is in use");
                Err(Problem::Unavailable)
            }
        }
    }

    /// Counts a try of this visitor; the answer says when the next one is possible.
    pub(crate) async fn attempt(&self, limit: Limit, keys: &[&str]) -> Result<directory::Attempt, Problem> {
        Ok(self.directory.attempt(limit, keys).await?)
    }

    /// Where a request comes from: what trusted proxies say, else the peer.
    pub(crate) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        origin(&self.settings.trusted_proxies, peer, headers)
    }
}

/// Each proxy writes whom it heard at the end, in a field of its own or in the one that is there: all of them are one
/// list. From the right, the first one that no trusted proxy is, is where the request came from; what stands left of it
/// is anybody's word.
fn origin(trusted: &[IpAddr], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |address: &IpAddr| trusted.contains(&address.to_canonical());
    let fields: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let hops = fields.iter().rev().flat_map(|field| field.rsplit(',')).map_while(|hop| hop.trim().parse().ok());
    let mut origin = peer;
    for hop in hops.take(10) {
        if !trusted(&origin) {
            break;
        }
        origin = hop;
    }
    origin
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

const HASHES_AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn t_104_a_visitor_is_who_the_trusted_proxies_say() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = [address("127.0.0.1"), address("192.0.2.1")];
        for (peer, fields, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"][..], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7"][..], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7, 192.0.2.1"][..], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, unknown"][..], "127.0.0.1"),
            ("198.51.100.7", &["203.0.113.9"][..], "198.51.100.7"),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", HeaderValue::from_str(field).unwrap());
            }
            assert_eq!(origin(&trusted, address(peer), &headers), address(expected), "{peer} {fields:?}");
        }
    }
}

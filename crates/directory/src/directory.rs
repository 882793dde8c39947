use std::fmt;
use std::sync::Arc;

use asn1::Time;
use pki::{PathCache, TrustAnchors};
use smime::Profile;

use crate::database::Database;
use crate::{Address, Clock, Error, Language, StoreKey, schema};

/// What the directory has to know about the organisation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that partners see.
    pub organisation: String,
    /// The organisation's mail domains, lower case and in A-labels; everybody else is outside.
    pub domains: Vec<String>,
    /// Where partners mail their certificates.
    pub intake: Address,
    /// From whom confirmations and notifications come.
    pub notify_from: Address,
    /// How people reach the portal; links in mails are built from it alone (CASES T-101).
    pub base_url: String,
    /// For people whose language is not known.
    pub language: Language,
    /// Within how many days a certificate is set up.
    pub deadline_days: u16,
    /// Approve at once what a trusted CA issued and the partner confirmed.
    pub automatic_approval: bool,
    /// Roots that are trusted for email; those decided about in the portal come on top.
    pub trust: TrustAnchors,
    /// How much has to be known about revocation when a certificate comes in.
    pub revocation: pki::Revocation,
    /// Which algorithms confirmation mails are encrypted with.
    pub profile: Profile,
    /// Seals mail at rest.
    pub store_key: StoreKey,
}

impl Settings {
    /// With seven days, German, current algorithms, no trust anchor, and an officer for every certificate.
    pub fn new(
        organisation: impl Into<String>,
        domains: impl IntoIterator<Item = impl Into<String>>,
        intake: Address,
        base_url: impl Into<String>,
        store_key: StoreKey,
    ) -> Self {
        Self {
            organisation: organisation.into(),
            domains: domains.into_iter().map(Into::into).collect(),
            notify_from: intake.clone(),
            intake,
            base_url: base_url.into(),
            language: Language::German,
            deadline_days: 7,
            automatic_approval: false,
            trust: TrustAnchors::new(),
            revocation: pki::Revocation::IfAvailable,
            profile: Profile::Modern,
            store_key,
        }
    }
}

/// The directory: cheap to clone, one per process. It opens no private key; see [`KeyRing`](crate::KeyRing).
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    database: Database,
    settings: Settings,
    clock: Arc<dyn Clock>,
    paths: PathCache,
}

impl Directory {
    /// Opens the database at `url` (`sqlite:FILE` or `postgres://…`) and brings it to this program's version.
    pub async fn open(url: &str, mut settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        for domain in &mut settings.domains {
            *domain = Address::parse(&format!("x@{domain}"))?.domain().to_owned();
        }
        settings.base_url.truncate(settings.base_url.trim_end_matches('/').len());
        let database = Database::connect(url).await?;
        schema::migrate(&database, clock.now()).await?;
        Ok(Self(Arc::new(Inner { database, settings, clock, paths: PathCache::new() })))
    }

    /// What is known about the organisation.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The clock that everything here goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// What the clock says.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Takes the turn for some work that one process does at a time, or keeps it, for so many seconds from now. When
    /// another process has it, that is `false`.
    pub async fn take_lease(&self, work: &str, worker: &str, seconds: i64) -> Result<bool, Error> {
        let now = self.now();
        // CASES R-10: what ends a day after a lease that begins now was taken while the clock was wrong.
        let lease = crate::database::values![work, worker, now, now.plus_seconds(seconds)];
        Ok(self.0.database.execute(crate::statements::TAKE_LEASE, lease).await? > 0)
    }

    /// Gives back every turn that a process has: it ends, and whoever comes after it has another name.
    pub async fn release_leases(&self, worker: &str) -> Result<(), Error> {
        self.0.database.execute(crate::statements::RELEASE_LEASES, crate::database::values![worker]).await.map(drop)
    }

    /// Whether an address belongs to one of the organisation's domains. A domain below one of them is another one.
    pub fn is_inside(&self, address: &Address) -> bool {
        self.0.settings.domains.iter().any(|domain| domain == address.domain())
    }

    /// Whether the database answers and can be written to: for readiness.
    pub async fn is_ready(&self) -> Result<(), Error> {
        let mut tx = self.database().begin().await?;
        tx.execute(crate::statements::TOUCH_READINESS, crate::database::values![self.now()]).await?;
        tx.commit().await
    }

    /// Whether a commit survives a power cut; if not, why (CASES R-07).
    pub async fn durability(&self) -> Result<Option<String>, Error> {
        self.database().durability().await
    }

    /// Finishes what runs and closes the connections.
    pub async fn close(&self) {
        self.0.database.close().await;
    }

    /// Which signatures on certificates were verified before.
    pub(crate) fn paths(&self) -> &PathCache {
        &self.0.paths
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({})", self.0.settings.organisation)
    }
}

//! Looks after the certificates that are in use or on their way: were they revoked? (CASES T-68, N-19)

use std::collections::HashSet;
use std::sync::Arc;

use directory::{Directory, Error, Request, RevocationEntry, State};
use egress::{Fetched, Fetcher};
use pki::{Path, RevocationSourceKind};
use tokio::task::JoinSet;

/// Fetches what tells whether certificates were revoked, and has the directory look at them again.
///
/// It runs beside the mail, so that no mail waits for somebody's server (CASES T-122).
#[derive(Debug, Clone)]
pub struct Watch {
    fetcher: Arc<Fetcher>,
    worker: String,
    seconds: i64,
}

/// What a round has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchReport {
    /// Certificates looked at.
    pub looked_at: u64,
    /// CRLs and answers fetched.
    pub fetched: u64,
    /// Sources that gave nothing.
    pub failed: u64,
    /// Certificates found revoked.
    pub revoked: u64,
}

impl Watch {
    /// Under the name of this process, with half an hour between two looks at the same certificate: a revocation that
    /// its CA has published is known here well within the hour.
    pub fn new(worker: impl Into<String>, fetcher: Fetcher) -> Self {
        Self { fetcher: Arc::new(fetcher), worker: worker.into(), seconds: 1800 }
    }

    /// The same with a fetcher that others use as well.
    pub(crate) fn sharing(worker: impl Into<String>, fetcher: Arc<Fetcher>) -> Self {
        Self { fetcher, worker: worker.into(), seconds: 1800 }
    }

    /// Whether one of the sources that a path names is to be asked now.
    pub(crate) async fn is_due(&self, directory: &Directory, path: &Path) -> Result<bool, Error> {
        for (_, source) in path.revocation_sources() {
            if directory.is_revocation_due(&source, self.seconds).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks the sources that a path names and that are due; gives how many told something.
    pub(crate) async fn ask(&self, directory: &Directory, path: &Path) -> Result<u64, Error> {
        let mut report = WatchReport::default();
        self.fetch(directory, path, &mut report).await?;
        Ok(report.fetched)
    }

    /// With another time between two looks.
    #[must_use]
    pub fn every(self, seconds: i64) -> Self {
        Self { seconds, ..self }
    }

    /// Looks at those that were neglected longest. Of several processes, one does; call it every minute.
    pub async fn round(&self, directory: &Directory) -> Result<WatchReport, Error> {
        let mut report = WatchReport::default();
        let mut waiting = directory.watched(&self.worker, self.seconds, MOST_AT_ONCE).await?.into_iter();
        let mut running = JoinSet::new();
        // Many share a CA, and so a list: the first fetches it, the others find it.
        let begin = |running: &mut JoinSet<Result<WatchReport, Error>>, request: Request| {
            let (this, directory) = (self.clone(), directory.clone());
            running.spawn(async move { this.look_after(&directory, &request).await });
        };
        waiting.by_ref().take(SIDE_BY_SIDE).for_each(|request| begin(&mut running, request));
        while let Some(done) = running.join_next().await {
            if let Some(request) = waiting.next() {
                begin(&mut running, request);
            }
            match done {
                Ok(Ok(one)) => {
                    report.looked_at += one.looked_at;
                    report.fetched += one.fetched;
                    report.failed += one.failed;
                    report.revoked += one.revoked;
                }
                Ok(Err(error)) => tracing::error!(%error, "a certificate cannot be looked after"),
                Err(error) => tracing::error!(%error, "looking after a certificate ended too soon"),
            }
        }
        Ok(report)
    }

    async fn look_after(&self, directory: &Directory, request: &Request) -> Result<WatchReport, Error> {
        let mut report = WatchReport { looked_at: 1, ..WatchReport::default() };
        // CASES T-121: without a path to a trusted anchor nobody is asked.
        if let Some(path) = directory.trusted_path(request).await? {
            self.fetch(directory, &path, &mut report).await?;
        }
        let after = directory.look_again(request.id()).await?;
        let is_revoked = after.refusal().is_some_and(|refusal| refusal.code == "revoked");
        if is_revoked && after.state() != request.state() {
            report.revoked += 1;
            let in_use = request.state() == State::Active;
            tracing::warn!(id = %request.id(), in_use, "a certificate was revoked and is not used any more");
        }
        Ok(report)
    }

    async fn fetch(&self, directory: &Directory, path: &Path, report: &mut WatchReport) -> Result<(), Error> {
        // An OCSP answer tells what the list would.
        let mut answered: HashSet<usize> = HashSet::new();
        for (index, source) in path.revocation_sources() {
            let is_list = source.kind == RevocationSourceKind::Crl;
            if is_list && answered.contains(&index) {
                continue;
            }
            if !directory.is_revocation_due(&source, self.seconds).await? {
                continue;
            }
            match self.fetcher.fetch(path, index, &source, directory.now()).await {
                Ok(fetched) => {
                    report.fetched += 1;
                    let Fetched { source, der, this_update, next_update } = fetched;
                    directory.keep_revocation(&RevocationEntry { source, der, this_update, next_update }).await?;
                    if !is_list {
                        answered.insert(index);
                    }
                }
                Err(error) => {
                    report.failed += 1;
                    tracing::info!(uri = source.uri, %error, "revocation was not found out");
                    directory.revocation_failed(&source, &error.to_string()).await?;
                }
            }
        }
        Ok(())
    }
}

/// Certificates in one round, and how many are looked at side by side.
const MOST_AT_ONCE: u32 = 500;
const SIDE_BY_SIDE: usize = 8;

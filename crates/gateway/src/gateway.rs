use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, KeyRing, MessageStore};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::book::Book;
use crate::directory_book::DirectoryBook;
use crate::flow::{Shared, Way};
use crate::inquiry::Inquiry;
use crate::intake::{self, Intake};
use crate::log_in::LogIn;
use crate::metrics::Metrics;
use crate::milter::{MilterAddress, MilterServer};
use crate::smtp::{Caps, Client, ClientSettings, Hop, Listening, Server, ServerTls, client_config};
use crate::{Error, ListenerSettings, Settings, Side, Watch, acme, finder, key_worker, workers};

/// A gateway that is running.
#[derive(Debug)]
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    milters: Vec<MilterAddress>,
    tls: Vec<Arc<ServerTls>>,
    metrics: Arc<Metrics>,
    shutdown: watch::Sender<bool>,
    running: JoinSet<()>,
    ended: watch::Sender<bool>,
    keeper: Option<JoinHandle<()>>,
}

impl Gateway {
    /// The gateway of an organisation: everything that the directory and its keys are for. Besides the listeners it
    /// serves the intake address, delivers the outbox, fills the webmailer, and keeps the deadlines.
    ///
    /// # Errors
    /// When a listener, TLS or the message store cannot be set up; nothing runs then.
    pub async fn start_with_directory(settings: Settings, directory: Directory, keys: KeyRing) -> Result<Self, Error> {
        let unusable = |error: directory::Error| Error::Directory { because: error.to_string() };
        let store_key = directory.settings().store_key.clone();
        let store = settings.messages.as_ref().map(|place| MessageStore::at(place, store_key));
        let store = store.transpose().map_err(unusable)?;
        let mut limits = smime::Limits::in_folder(&settings.spool_folder);
        limits.spool.memory = settings.limits.memory_bytes;
        let taking_in = Intake::new(directory.clone(), keys.clone(), settings.intake.clone(), limits);
        let log_in = LogIn::new(settings.second_factor_for.clone());
        let answerer = settings.acme.clone().map(acme::Answerer::new);
        let watch = Watch::sharing(settings.worker.clone(), Arc::clone(&settings.fetcher));
        let inquiry = Inquiry::new(watch, settings.inquiry);
        let (book, traces, wanted) = DirectoryBook::new(directory, keys, store, taking_in, answerer, log_in, inquiry);
        let (mut this, shared) = Self::bind(settings, book).await?;
        // It ends after the listeners, so that what they did last is kept as well.
        let (keeper, last) =
            (workers::keep_traces(Arc::clone(&shared), traces, this.ended.subscribe()), shared.clone());
        this.keeper = Some(tokio::spawn(async move {
            keeper.await;
            // The next one need not wait until what this one had runs out.
            if let Err(error) = last.book.directory().release_leases(&last.settings.worker).await {
                tracing::warn!(%error, "what this process had in its turn is held until it runs out");
            }
        }));
        this.running.spawn(workers::deliver_outbox(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(intake::watch_mailbox(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(finder::look_up(Arc::clone(&shared), wanted, this.shutdown.subscribe()));
        this.running.spawn(workers::sweep(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(workers::watch_revocation(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(workers::keep_schedule(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(acme::drive(Arc::clone(&shared), this.shutdown.subscribe()));
        this.running.spawn(key_worker::keep_keys(shared, this.shutdown.subscribe()));
        Ok(this)
    }

    /// A gateway with a book of one's own, and nothing but listeners.
    ///
    /// # Errors
    /// When a listener or TLS cannot be set up.
    pub async fn start<B: Book>(settings: Settings, book: B) -> Result<Self, Error> {
        Ok(Self::bind(settings, book).await?.0)
    }

    /// Binds all listeners, then serves.
    async fn bind<B: Book>(settings: Settings, book: B) -> Result<(Self, Arc<Shared<B>>), Error> {
        let (shutdown, _) = watch::channel(false);
        let caps = Caps::new(settings.connections, settings.connections_per_address);
        let client = |hop: &Hop| -> Result<Client, Error> {
            Ok(Client::new(
                hop.clone(),
                ClientSettings {
                    hostname: settings.hostname.clone(),
                    connect: settings.hop_timeouts.connect,
                    answer: settings.hop_timeouts.answer,
                    delivered: settings.hop_timeouts.delivered,
                    idle: settings.hop_timeouts.idle,
                    spare: 16,
                    tls_opportunistic: client_config(None)?,
                    tls_required: client_config(Some(&settings.tls_roots))?,
                },
            ))
        };
        let shared = Arc::new(Shared {
            inside: client(&settings.inside)?,
            outside: client(&settings.outside)?,
            settings: settings.clone(),
            metrics: Arc::default(),
            room: Default::default(),
            deferred: Default::default(),
            book,
        });
        let (mut bound, mut tls) = (Vec::new(), Vec::new());
        for listener in &settings.listeners {
            let listening = listening(&settings, listener)?;
            tls.extend(listening.tls.clone());
            bound.push((Server::bind(listener.address, listening).await?, listener.side, listener.ticket.clone()));
        }
        let mut milter_servers = Vec::new();
        for milter in &settings.milters {
            milter_servers.push(MilterServer::bind(milter).await?);
        }
        let addresses = bound.iter().map(|(server, ..)| server.address()).collect();
        let mut running = JoinSet::new();
        for (server, side, ticket) in bound {
            let service = Arc::new(Way { side, ticket, shared: Arc::clone(&shared) });
            running.spawn(server.serve(service, Arc::clone(&caps), shutdown.subscribe(), GRACE));
        }
        let milters = milter_servers.iter().map(|server| server.address().clone()).collect();
        // A mail server has a connection for each of its clients, beside those of the listeners.
        let places = usize::try_from(settings.connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        // Each side has its own: strangers take no place from the people inside.
        let [for_inside, for_outside] = [(); 2].map(|()| Arc::new(Semaphore::new(places)));
        for server in milter_servers {
            let room = if server.side() == Side::Inside { &for_inside } else { &for_outside };
            running.spawn(server.serve(Arc::clone(&shared), Arc::clone(room), shutdown.subscribe(), GRACE));
        }
        let (ended, _) = watch::channel(false);
        let metrics = Arc::clone(&shared.metrics);
        Ok((Self { addresses, milters, tls, metrics, shutdown, running, ended, keeper: None }, shared))
    }

    /// Where it listens, in the order of the settings, with real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where mail servers ask, in the order of the settings, with real ports.
    pub fn milter_addresses(&self) -> &[MilterAddress] {
        &self.milters
    }

    /// Reads the listeners' certificates and keys again, without a connection less.
    ///
    /// # Errors
    /// When one cannot be used: that listener goes on with what it had, the others have theirs (CASES R-11).
    pub fn reload_tls(&self) -> Result<(), Error> {
        let results: Vec<Result<(), Error>> = self.tls.iter().map(|tls| tls.reload()).collect();
        results.into_iter().collect()
    }

    /// What is counted, for as long as somebody wants to know.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Takes no new connections, lets each session finish its message and each mail from the outbox its attempt, and
    /// ends (CASES R-16).
    pub async fn shutdown(mut self) {
        self.shutdown.send_replace(true);
        while self.running.join_next().await.is_some() {}
        self.ended.send_replace(true);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.await;
        }
    }
}

/// How long sessions may take to finish their message at shutdown.
const GRACE: Duration = Duration::from_secs(25);

fn listening(settings: &Settings, listener: &ListenerSettings) -> Result<Listening, Error> {
    let clients = listener.tls_clients.as_deref();
    let load = |(certificate, key): &(PathBuf, PathBuf)| {
        ServerTls::load_for(certificate, key, clients, &listener.tls_client_names)
    };
    let tls = listener.tls.as_ref().map(load).transpose()?;
    if (listener.implicit_tls || clients.is_some() || listener.authentication) && tls.is_none() {
        return Err(Error::Settings { what: format!("{} wants TLS and has no certificate", listener.address) });
    }
    Ok(Listening {
        tls,
        implicit_tls: listener.implicit_tls,
        tls_required: clients.is_some(),
        auth: listener.authentication,
        auth_required: listener.authentication,
        side: listener.side,
        networks: listener.networks.clone(),
        limits: settings.limits.clone(),
        ..Listening::new(&settings.hostname, listener.protocol, &settings.spool_folder)
    })
}

//! `sealpost serve`: gateway and portal as the configuration says, until they are told to stop.

mod explainer;
mod keys;
mod settings;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::{Clock, Directory, KeyRing, SystemClock};
use gateway::Gateway;
use portal::Portal;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::cli::{Role, Serve};
use crate::commands::config::load;
use crate::config::{Config, LogFormat, LogLevel};
use crate::outcome::Stop;

pub(crate) use keys::{
    SecretPlace, first_line, master, master_place, next_master_place, open_keys, open_to_others, secret_line, token,
    tokens,
};
pub(crate) use settings::{gateway as gateway_settings, messages, policy};
use watch::Watch;

/// What one configuration has started.
#[derive(Debug)]
pub(crate) struct Running {
    directory: Directory,
    keys: Option<KeyRing>,
    gateway: Option<Gateway>,
    portal: Option<Portal>,
    watch: Option<Watch>,
}

impl Running {
    /// Starts what the role is made of. The portal's role never reads the master key.
    pub(crate) async fn start(config: &Config, role: Role) -> Result<Self, Stop> {
        Self::listen(config, role, &Opened::open(config, role).await?).await
    }

    async fn listen(config: &Config, role: Role, opened: &Opened) -> Result<Self, Stop> {
        let Opened { directory, keys } = opened.clone();
        let mut running = Self { directory, keys, gateway: None, portal: None, watch: None };
        match running.listen_everywhere(config, role).await {
            Ok(()) => Ok(running),
            Err(stop) => {
                // What did start may have mail in its hands already.
                running.halt().await;
                Err(stop)
            }
        }
    }

    async fn listen_everywhere(&mut self, config: &Config, role: Role) -> Result<(), Stop> {
        if role != Role::Gateway {
            let started = Portal::start(settings::portal(config)?, self.directory.clone()).await;
            self.portal = Some(started.map_err(|error| cannot_start(&error))?);
        }
        if let Some(keys) = &self.keys {
            let settings = settings::gateway(config)?;
            let started = Gateway::start_with_directory(settings, self.directory.clone(), keys.clone()).await;
            self.gateway = Some(started.map_err(|error| cannot_start(&error))?);
        }
        if let Some(watch) = &config.watch {
            let metrics = self.gateway.as_ref().map(Gateway::metrics);
            self.watch = Some(Watch::start(watch.address, self.directory.clone(), metrics).await?);
        }
        Ok(())
    }

    /// The directory that they share.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What opens private keys; not in the portal's role.
    pub(crate) fn keys(&self) -> Option<&KeyRing> {
        self.keys.as_ref()
    }

    /// Where mail comes in, in the order of the configuration.
    pub(crate) fn mail_addresses(&self) -> &[SocketAddr] {
        self.gateway.as_ref().map(Gateway::addresses).unwrap_or_default()
    }

    /// Where the pages are.
    pub(crate) fn portal_address(&self) -> Option<SocketAddr> {
        self.portal.as_ref().map(Portal::address)
    }

    /// Takes nothing new in, finishes what runs, and ends (CASES R-16).
    pub(crate) async fn shutdown(self) {
        let directory = self.directory.clone();
        self.halt().await;
        directory.close().await;
    }

    /// The same, and the directory stays open.
    async fn halt(self) {
        let Self { gateway, portal, watch, .. } = self;
        let portal = async {
            if let Some(portal) = portal {
                portal.shutdown().await;
            }
        };
        let gateway = async {
            if let Some(gateway) = gateway {
                gateway.shutdown().await;
            }
        };
        let watch = async {
            if let Some(watch) = watch {
                watch.shutdown().await;
            }
        };
        tokio::join!(portal, gateway, watch);
    }

    fn announce(&self, config: &Config) {
        for address in self.mail_addresses() {
            tracing::info!(%address, "mail comes in");
        }
        for address in self.gateway.iter().flat_map(Gateway::milter_addresses) {
            tracing::info!(%address, "a mail server asks here as its milter");
        }
        if let Some(address) = self.portal_address() {
            tracing::info!(%address, base_url = %config.portal.base_url, "pages are served");
        }
    }
}

/// What a start needs that can be away for a while, a database or a token: opened before those who run are told to stop.
#[derive(Debug, Clone)]
struct Opened {
    directory: Directory,
    keys: Option<KeyRing>,
}

impl Opened {
    async fn open(config: &Config, role: Role) -> Result<Self, Stop> {
        let directory = open_directory(config, Arc::new(SystemClock)).await?;
        let keys = match role {
            Role::All | Role::Gateway => Some(open_keys(config, &directory).await?),
            Role::Portal => None,
        };
        Ok(Self { directory, keys })
    }
}

/// `sealpost serve`
pub(crate) fn run(arguments: &Serve) -> Result<(), Stop> {
    let mut config = load(&arguments.config)?;
    log_to_standard_error(&config);
    nothing_into_core_dumps();
    runtime()?.block_on(async {
        let mut reload = signal(SignalKind::hangup())
            .map_err(|error| Stop::failed(format_args!("cannot wait for signals: {error}")))?;
        let mut told = Told::listen()?;
        let mut running = tokio::select! {
            () = told.stops() => return Ok(()),
            running = Running::start(&config, arguments.role) => running?,
        };
        running.announce(&config);
        let mut draining = JoinSet::new();
        loop {
            tokio::select! {
                () = told.stops() => break,
                _ = reload.recv() => {}
            }
            let ready = tokio::select! {
                () = told.stops() => break,
                ready = ready(arguments) => ready,
            };
            // What cannot be used leaves everything as it is (CASES R-11).
            let (new, opened) = match ready {
                Ok(ready) => ready,
                Err(stop) => {
                    tracing::error!(because = %stop.what(), hint = stop.way_out(), "the new configuration is not used");
                    continue;
                }
            };
            draining.spawn(running.shutdown());
            (running, config) = tokio::select! {
                () = told.stops() => return ended(draining).await,
                started = started_at_last((new, opened), config, arguments.role) => started,
            };
            running.announce(&config);
            tracing::info!("the configuration was read again");
            while draining.try_join_next().is_some() {}
        }
        draining.spawn(running.shutdown());
        ended(draining).await
    })
}

/// Waits for the sessions of all that was told to stop (CASES R-16).
async fn ended(mut draining: JoinSet<()>) -> Result<(), Stop> {
    tracing::info!("stopping: what runs is finished, nothing new is taken");
    while let Some(ended) = draining.join_next().await {
        if ended.is_err() {
            tracing::error!("sessions broke off");
        }
    }
    Ok(())
}

/// Decrypted mail and keys are in memory: none of it goes into a core dump, whatever the system does with those
/// (CASES T-35). The unit files set `LimitCORE=0` as well.
fn nothing_into_core_dumps() {
    if let Err(error) = std::fs::write("/proc/self/coredump_filter", "0") {
        tracing::warn!(%error, "core dumps of this process cannot be emptied");
    }
    // Nor does another process of the same user read it out of here.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can look into this one");
    }
}

/// The configuration as the file has it now, for new rules and for new certificates on the listeners, with all that it
/// needs but the listeners themselves. While a database is away those who run go on, and tell mail servers to come again
/// (CASES R-06).
async fn ready(arguments: &Serve) -> Result<(Config, Opened), Stop> {
    let new = load(&arguments.config)?;
    checked(&new, arguments.role)?;
    let opened = Opened::open(&new, arguments.role).await?;
    Ok((new, opened))
}

/// Whatever can be found wrong before anything is stopped.
fn checked(config: &Config, role: Role) -> Result<(), Stop> {
    settings::directory(config, settings::store_key(config)?)?;
    match role {
        // The gateway's secrets are not for the pages.
        Role::Portal => settings::policy(&config.policy).map(drop),
        Role::All | Role::Gateway => settings::gateway(config).map(drop),
    }
}

/// The listeners change hands, which takes a moment in which a mail server is told to come again: they may be in the old
/// hands for a while. A new configuration that cannot have them gives way to the one before; and whatever happens, this
/// goes on until one of the two listens.
async fn started_at_last(new: (Config, Opened), old: Config, role: Role) -> (Running, Config) {
    let (new, opened) = new;
    loop {
        match soon(|| Running::listen(&new, role, &opened)).await {
            Ok(running) => return (running, new),
            Err(stop) => {
                tracing::error!(because = %stop.what(), hint = stop.way_out(), "the new configuration does not start");
            }
        }
        match soon(|| Running::start(&old, role)).await {
            Ok(running) => {
                opened.directory.close().await;
                return (running, old);
            }
            Err(stop) => {
                tracing::error!(because = %stop.what(), hint = stop.way_out(), "nor does the one before: trying again");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Between tries when nothing can be listened on.
const PAUSE: Duration = Duration::from_secs(5);

async fn soon<F: Future<Output = Result<Running, Stop>>>(start: impl Fn() -> F) -> Result<Running, Stop> {
    let mut tries = 0;
    loop {
        match start().await {
            Err(_) if tries < 20 => tokio::time::sleep(Duration::from_millis(100)).await,
            result => return result,
        }
        tries += 1;
    }
}

/// Opens the directory of a configuration: for `serve` and for the commands that look into it.
pub(crate) async fn open_directory(config: &Config, clock: Arc<dyn Clock>) -> Result<Directory, Stop> {
    let settings = settings::directory(config, settings::store_key(config)?)?;
    let url = &config.database.url;
    Directory::open(url, settings, clock).await.map_err(|error| {
        let stop =
            Stop::failed(format_args!("cannot open the database {}: {error}", crate::config::without_secrets(url)));
        match error {
            directory::Error::Unavailable { .. } => {
                stop.hint("is it running, does the folder exist, and may this user read and write there?")
            }
            directory::Error::SchemaTooNew { .. } => {
                stop.hint("run the version of sealpost that wrote it, or a newer one")
            }
            _ => stop,
        }
    })
}

/// The runtime for servers; commands that only read and write files never start one.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::failed(format_args!("cannot start: {error}")))
}

/// Returns at SIGTERM, SIGINT, or Ctrl-C.
pub(crate) async fn until_told_to_stop() -> Result<(), Stop> {
    Told::listen()?.stops().await;
    Ok(())
}

/// SIGTERM and SIGINT, from the time on that this is made: what comes while nobody waits is not lost.
struct Told {
    term: Signal,
    int: Signal,
}

impl Told {
    fn listen() -> Result<Self, Stop> {
        let cannot = |error: std::io::Error| Stop::failed(format_args!("cannot wait for signals: {error}"));
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(cannot)?,
            int: signal(SignalKind::interrupt()).map_err(cannot)?,
        })
    }

    async fn stops(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

fn log_to_standard_error(config: &Config) {
    let level = match config.log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    };
    // Others' crates may log what is in a message or a statement: only ours speak below a warning.
    let ours = ["sealpost", "gateway", "portal", "directory", "egress"].map(|name| format!("{name}={level}")).join(",");
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,{ours}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Human => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn cannot_start(error: &dyn std::error::Error) -> Stop {
    Stop::failed(error.to_string().as_str())
        .hint("is another program listening there? the addresses are in the configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_35_nobody_looks_into_the_process() {
        nothing_into_core_dumps();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}

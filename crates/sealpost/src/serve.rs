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
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Role, Serve};
use crate::commands::config::load;
use crate::config::{Config, LogFormat, LogLevel};
use crate::outcome::Stop;

pub(crate) use keys::{
    SecretPlace, first_line, master, master_place, next_master_place, open_keys, secret_line, token, tokens,
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
        Self::start_at(config, role, Arc::new(SystemClock)).await
    }

    async fn start_at(config: &Config, role: Role, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        let directory = open_directory(config, clock).await?;
        let keys = match role {
            Role::All | Role::Gateway => Some(open_keys(config, &directory).await?),
            Role::Portal => None,
        };
        let gateway = match &keys {
            Some(keys) => {
                let settings = settings::gateway(config)?;
                let started = Gateway::start_with_directory(settings, directory.clone(), keys.clone()).await;
                Some(started.map_err(|error| cannot_start(&error))?)
            }
            None => None,
        };
        let portal = match role {
            Role::All | Role::Portal => {
                let started = Portal::start(settings::portal(config)?, directory.clone()).await;
                Some(started.map_err(|error| cannot_start(&error))?)
            }
            Role::Gateway => None,
        };
        let watch = match &config.watch {
            Some(watch) => {
                let metrics = gateway.as_ref().map(Gateway::metrics);
                Some(Watch::start(watch.address, directory.clone(), metrics).await?)
            }
            None => None,
        };
        Ok(Self { directory, keys, gateway, portal, watch })
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
        let Self { directory, gateway, portal, watch, .. } = self;
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
        directory.close().await;
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

/// `sealpost serve`
pub(crate) fn run(arguments: &Serve) -> Result<(), Stop> {
    let mut config = load(&arguments.config)?;
    log_to_standard_error(&config);
    nothing_into_core_dumps();
    runtime()?.block_on(async {
        let mut running = Running::start(&config, arguments.role).await?;
        running.announce(&config);
        let mut reload = signal(SignalKind::hangup())
            .map_err(|error| Stop::failed(format_args!("cannot wait for signals: {error}")))?;
        loop {
            tokio::select! {
                told = until_told_to_stop() => { told?; break }
                _ = reload.recv() => {}
            }
            (running, config) = reloaded(running, config, arguments).await?;
        }
        tracing::info!("stopping: what runs is finished, nothing new is taken");
        running.shutdown().await;
        Ok(())
    })
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

/// Goes on under the configuration as the file has it now: for new rules, and for new certificates on the listeners.
///
/// What cannot be used leaves everything as it is (CASES R-11). Otherwise the listeners change hands, which takes a
/// moment in which a mail server is told to come again; sessions that are under way end under the old configuration.
async fn reloaded(running: Running, config: Config, arguments: &Serve) -> Result<(Running, Config), Stop> {
    let new = match load(&arguments.config).and_then(|new| checked(&new, arguments.role).map(|()| new)) {
        Ok(new) => new,
        Err(stop) => {
            tracing::error!(because = %stop.what(), hint = stop.way_out(), "the new configuration is not used");
            return Ok((running, config));
        }
    };
    let draining = tokio::spawn(running.shutdown());
    let started = match started_soon(&new, arguments.role).await {
        Ok(running) => (running, new),
        Err(stop) => {
            tracing::error!(because = %stop.what(), hint = stop.way_out(), "the new configuration does not start");
            (started_soon(&config, arguments.role).await?, config)
        }
    };
    started.0.announce(&started.1);
    tracing::info!("the configuration was read again");
    tokio::spawn(async move {
        if draining.await.is_err() {
            tracing::error!("sessions of the time before broke off");
        }
    });
    Ok(started)
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

/// The listeners may be in the old hands for another moment.
async fn started_soon(config: &Config, role: Role) -> Result<Running, Stop> {
    let mut tries = 0;
    loop {
        match Running::start(config, role).await {
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
    let cannot = |error: std::io::Error| Stop::failed(format_args!("cannot wait for signals: {error}"));
    let (mut term, mut int) =
        (signal(SignalKind::terminate()).map_err(cannot)?, signal(SignalKind::interrupt()).map_err(cannot)?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
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

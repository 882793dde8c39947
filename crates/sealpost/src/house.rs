//! Commands that look into the directory of a configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use directory::{Actor, Address, Directory, Error, KeyRing, Person, SystemClock};

use crate::commands::config::load;
use crate::config::Config;
use crate::outcome::Stop;
use crate::serve;

/// Which installation a command is about.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    pub(crate) config: PathBuf,
}

/// Who does what is done at the prompt.
pub(crate) fn at_the_prompt() -> Actor {
    Actor::Program("command line".into())
}

/// Runs with the directory of a configuration.
pub(crate) fn with_directory(
    at: &Where,
    work: impl AsyncFnOnce(&Config, &Directory) -> Result<(), Stop>,
) -> Result<(), Stop> {
    run(&at.config, async |config, directory| work(config, directory).await)
}

/// Runs with what opens private keys as well.
pub(crate) fn with_keys(at: &Where, work: impl AsyncFnOnce(&Config, &KeyRing) -> Result<(), Stop>) -> Result<(), Stop> {
    run(&at.config, async |config, directory| {
        let keys = serve::open_keys(config, directory).await?;
        work(config, &keys).await
    })
}

fn run(path: &Path, work: impl AsyncFnOnce(&Config, &Directory) -> Result<(), Stop>) -> Result<(), Stop> {
    let config = load(path)?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let done = work(&config, &directory).await;
        directory.close().await;
        done
    })
}

/// Somebody by their address.
pub(crate) async fn person(directory: &Directory, address: &str) -> Result<Person, Stop> {
    let parsed = self::address(address)?;
    let found = directory.person_at(&parsed).await.map_err(|error| cannot("look up", address, &error))?;
    found.ok_or_else(|| Stop::refused(format_args!("{address} is not known")).hint("sealpost people list shows who is"))
}

pub(crate) fn address(text: &str) -> Result<Address, Stop> {
    Address::parse(text).map_err(|error| Stop::failed(format_args!("{text}: {error}")))
}

/// What the directory said, with what was being done: "no" and "could not" stay apart.
pub(crate) fn cannot(what: &str, whom: &str, error: &Error) -> Stop {
    let said = format!("cannot {what} {whom}: {error}");
    match error {
        Error::AlreadyExists { .. }
        | Error::Conflict { .. }
        | Error::Malformed { .. }
        | Error::NotAllowed { .. }
        | Error::NotFound { .. } => Stop::refused(said),
        _ => Stop::failed(said),
    }
}

//! One module per command.

use crate::cli::{Command, Config};
use crate::outcome::Stop;

pub(crate) mod cert;
mod config;
pub(crate) mod key;

pub(crate) fn run(command: Command) -> Result<(), Stop> {
    match command {
        Command::Cert(command) => cert::run(&command),
        Command::Key(command) => key::run(&command),
        Command::Config(Config::Check { config }) => config::check(&config),
        Command::Config(Config::Reference) => config::reference(),
        _ => Err(Stop::failed("this command is being built")),
    }
}

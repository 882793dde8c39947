//! One module per command.

use crate::cli::{Command, Config};
use crate::outcome::Stop;

pub(crate) mod audit;
pub(crate) mod cert;
pub(crate) mod config;
mod decrypt;
pub(crate) mod doctor;
mod encrypt;
mod inspect;
pub(crate) mod key;
pub(crate) mod people;
pub(crate) mod policy;
mod sign;
mod verify;

pub(crate) fn run(command: Command) -> Result<(), Stop> {
    match command {
        Command::Audit(command) => audit::run(&command),
        Command::Cert(command) => cert::run(&command),
        Command::Config(Config::Check { config }) => config::check(&config),
        Command::Config(Config::New) => config::new(),
        Command::Config(Config::Reference) => config::reference(),
        Command::Demo(command) => crate::demo::run(&command),
        Command::Decrypt(command) => decrypt::run(&command),
        Command::Doctor(command) => doctor::run(&command),
        Command::Encrypt(command) => encrypt::run(&command),
        Command::Inspect(command) => inspect::run(&command),
        Command::Key(command) => key::run(&command),
        Command::People(command) => people::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Sign(command) => sign::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Serve(command) => crate::serve::run(&command),
    }
}

use clap::Subcommand;

use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {}

pub(crate) fn run(command: &Key) -> Result<(), Stop> {
    match *command {}
}

use clap::Subcommand;

use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {}

pub(crate) fn run(command: &Cert) -> Result<(), Stop> {
    match *command {}
}

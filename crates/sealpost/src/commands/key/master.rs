//! `sealpost key master`: make the key that opens private keys, and bring in another one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use directory::MasterKey;
use zeroize::Zeroizing;

use crate::commands::config::load;
use crate::files;
use crate::house::{self, Where};
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Subcommand)]
pub(crate) enum Master {
    /// Make a master key: a file with 32 random octets in base64, or a key that never leaves its token
    New(New),
    /// Seal every private key with keys.next_master_key, while everybody goes on working
    Rotate {
        #[command(flatten)]
        at: Where,
    },
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The file to write; it is never written over
    #[arg(value_name = "FILE", required_unless_present = "token")]
    file: Option<PathBuf>,
    /// Make it in this token of the configuration instead: LABEL or LABEL/NAME
    #[arg(long, value_name = "LABEL", conflicts_with = "file")]
    token: Option<String>,
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(command: &Master) -> Result<(), Stop> {
    match command {
        Master::New(New { file: Some(file), .. }) => new_file(file),
        Master::New(New { token, at, .. }) => new_in_token(token.as_deref().unwrap_or_default(), at),
        Master::Rotate { at } => rotate(at),
    }
}

pub(super) fn new_file(file: &std::path::Path) -> Result<(), Stop> {
    let key = MasterKey::generate().map_err(|error| Stop::failed(format_args!("cannot make a key: {error}")))?;
    let line = Zeroizing::new(format!("{}\n", key.to_base64().as_str()));
    files::write_secret(file, line.as_bytes())
}

fn new_in_token(token: &str, at: &Where) -> Result<(), Stop> {
    let place = serve::SecretPlace::parse(&format!("token:{token}"));
    let Some(serve::SecretPlace::Token { label, name }) = place else {
        return Err(Stop::failed(format_args!("{token} is not a token's label")).hint("write LABEL or LABEL/NAME"));
    };
    let tokens = serve::tokens(&load(&at.config)?)?;
    let token = serve::token(&label, &tokens)?;
    token.generate_secret(&name).map_err(|error| match error {
        crypto::Error::MalformedKey { .. } => Stop::refused(format_args!("the token {label} has a key {name} already"))
            .hint("give another name: LABEL/NAME"),
        error => Stop::failed(format_args!("cannot make a key in the token {label}: {error}")),
    })?;
    say!("made: {name} in the token {label}; in the configuration it is \"token:{label}/{name}\"");
    Ok(())
}

fn rotate(at: &Where) -> Result<(), Stop> {
    house::with_keys(at, async |config, keys| {
        let Some(next) = serve::next_master_place(config) else {
            return Err(Stop::refused("keys.next_master_key is not set").hint(
                "make one by sealpost key master new, name it as keys.next_master_key, restart every gateway, rotate, and \
                 then name it as the master key",
            ));
        };
        let new = serve::master(&next, &serve::tokens(config)?)?;
        let rotation = keys.rotate(&new).await.map_err(|error| {
            let stop = house::cannot("rotate to", &next.to_string(), &error);
            match error {
                directory::Error::Conflict { .. } => {
                    stop.hint("every gateway is started with keys.next_master_key first, one after the other")
                }
                _ => stop,
            }
        })?;
        say!("rotated: {} private keys are sealed with {next}", rotation.keys);
        say!("From now on name it as the master key, take keys.next_master_key out, and destroy the old one.");
        Ok(())
    })
}

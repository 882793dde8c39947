//! `sealpost cert publish`: our own certificates for others to look up.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use directory::{Address, SystemClock};
use pki::Certificate;

use crate::commands::config::load;
use crate::look_up;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// Print lines for the zone of the address's domain (SMIMEA, RFC 8162)
    #[arg(long, required_unless_present = "ldap")]
    dns: bool,
    /// Put them into the entry on the LDAP server that look_up.publish names
    #[arg(long)]
    ldap: bool,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
    /// Whose: somebody of the house
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<String>,
}

pub(super) fn run(arguments: &Publish) -> Result<(), Stop> {
    let config = load(&arguments.config)?;
    let server = if arguments.ldap { Some(look_up::publish_server(&config)?) } else { None };
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let mut done = Ok(());
        for text in &arguments.addresses {
            done = publish(&directory, server.as_ref(), arguments.dns, text).await;
            if done.is_err() {
                break;
            }
        }
        directory.close().await;
        done
    })
}

async fn publish(
    directory: &directory::Directory,
    server: Option<&egress::look_up::LdapDirectory>,
    dns: bool,
    text: &str,
) -> Result<(), Stop> {
    let address = Address::parse(text)
        .map_err(|error| Stop::failed(format_args!("{text}: {error}")).hint("write it like alice@example.org"))?;
    let all = directory.employee_certificates(&address).await;
    let all = all.map_err(|error| Stop::failed(format_args!("cannot ask the directory: {error}")))?;
    // Others encrypt with what they find.
    let certificates: Vec<Certificate> =
        all.into_iter().filter(|certificate| cms::Recipient::new(certificate).is_ok()).collect();
    if certificates.is_empty() {
        return Err(Stop::refused(format_args!("{address} has no certificate to encrypt with"))
            .hint("sealpost people key gives somebody of the house a key with its certificate"));
    }
    if dns {
        for certificate in &certificates {
            if let Some(line) = egress::publish::smimea_line(address.email(), certificate) {
                say!("{line}");
            }
        }
    }
    if let Some(server) = server {
        server.publish(address.email(), &certificates).await.map_err(|error| {
            Stop::failed(format_args!("cannot publish for {address}: {error}"))
                .hint("the entry must be there, and look_up.publish must name who may write it")
        })?;
        say!("published {} certificates of {address} at {server}", certificates.len());
    }
    Ok(())
}

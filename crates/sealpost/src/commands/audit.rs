//! `sealpost audit`: the record of who changed which binding, checked; one person's data exported and erased.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use directory::{Actor, Address, Directory, Error, MessageStore, SystemClock};
use serde_json::json;

use crate::commands::config::load;
use crate::config::Config;
use crate::files;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Compute the chain of the record from its first row: was anything changed or removed?
    Verify(Verify),
    /// Write out everything that is kept about somebody
    Export(Export),
    /// Erase what is kept about somebody outside; the chain of the record stays verifiable
    Erase(Erase),
}

#[derive(Debug, Args)]
struct Where {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A hash that was printed here before: the record must still contain it
    #[arg(long, value_name = "HASH")]
    contains: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Whose
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whose
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Yes, for good
    #[arg(long)]
    yes: bool,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

pub(crate) fn run(command: &Audit) -> Result<(), Stop> {
    let config = load(match command {
        Audit::Verify(Verify { at, .. }) | Audit::Export(Export { at, .. }) | Audit::Erase(Erase { at, .. }) => {
            &at.config
        }
    })?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let done = match command {
            Audit::Verify(arguments) => verify(&directory, arguments).await,
            Audit::Export(arguments) => export(&directory, arguments).await,
            Audit::Erase(arguments) => erase(&config, &directory, arguments).await,
        };
        directory.close().await;
        done
    })
}

async fn verify(directory: &Directory, arguments: &Verify) -> Result<(), Stop> {
    let (report, contained) = match directory.verify_audit().await {
        Ok(report) => {
            let contained = match &arguments.contains {
                Some(hash) => {
                    let hash = hash.trim().to_ascii_lowercase();
                    Some(directory.audit_row(&hash).await.map_err(|error| cannot("read the record", error))?)
                }
                None => None,
            };
            (report, contained)
        }
        Err(Error::Corrupt { what }) => {
            if arguments.json {
                say!("{}", json!({ "outcome": "refused", "text": what }));
            }
            return Err(Stop::refused(format_args!("the record does not hold: {what}"))
                .hint("somebody changed the database by hand; compare it with a backup, and keep both"));
        }
        Err(error) => return Err(cannot("read the record", error)),
    };
    let missing = contained == Some(None);
    if arguments.json {
        say!(
            "{}",
            json!({
                "outcome": if missing { "refused" } else { "accepted" }, "rows": report.rows, "erased": report.erased,
                "head": report.head, "contains": contained.map(|row| row.is_some()),
            })
        );
    } else if !missing {
        say!("the record holds: {} rows, the personal part of {} erased", report.rows, report.erased);
        say!("head: {}", report.head);
        if let Some(Some(row)) = contained {
            say!("the hash from before is that of row {row}");
        }
    }
    if missing {
        return Err(Stop::refused("the record does not contain the hash from before")
            .hint("the whole record was made anew since, or the hash is another database's"));
    }
    Ok(())
}

async fn export(directory: &Directory, arguments: &Export) -> Result<(), Stop> {
    let address = read_address(&arguments.address)?;
    let all = directory.export_person(&address).await.map_err(|error| cannot("read what is kept", error))?;
    if is_nothing(&all) {
        return Err(nothing_kept(&address));
    }
    files::write_from(&arguments.output, files::Readers::Owner, &mut format!("{all:#}\n").as_bytes())
}

/// Whether nothing is kept: all that is left is the address that was asked for.
fn is_nothing(kept: &serde_json::Value) -> bool {
    let empty = |value: &serde_json::Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    kept.as_object().is_some_and(|kept| kept.iter().all(|(name, value)| name == "address" || empty(value)))
}

fn nothing_kept(address: &Address) -> Stop {
    Stop::refused(format_args!("nothing is kept about {address}"))
        .hint("see whether the address is spelled as they use it; each of several addresses is asked for by itself")
}

async fn erase(config: &Config, directory: &Directory, arguments: &Erase) -> Result<(), Stop> {
    let address = read_address(&arguments.address)?;
    let kept = directory.export_person(&address).await.map_err(|error| cannot("read what is kept", error))?;
    // A slip of the pen must not look like a request that was met. Of the house nothing is erased anyhow.
    let unknown = !directory.is_inside(&address) && is_nothing(&kept);
    if unknown && !arguments.yes {
        return Err(nothing_kept(&address));
    }
    if !arguments.yes {
        return Err(Stop::refused(format_args!(
            "nothing was erased: what is kept about {address} would be gone for good"
        ))
        .hint("look at it first with sealpost audit export, then add --yes"));
    }
    let store = MessageStore::at(&serve::messages(config)?, directory.settings().store_key.clone())
        .map_err(|error| cannot("open the message store", error))?;
    let by = Actor::Program("sealpost audit erase".into());
    let bodies = match directory.erase_person(&address, &by).await {
        Ok(bodies) => bodies,
        Err(Error::NotAllowed { .. }) => {
            return Err(Stop::refused(format_args!("{address} belongs to the house, and old mail needs its keys"))
                .hint("sealpost people deactivate takes away log-in and signature"));
        }
        Err(error) => return Err(cannot("erase", error)),
    };
    let count = bodies.len();
    for body in bodies {
        // One that is gone already is as good as erased.
        match store.remove(body).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(cannot("remove a message", error)),
        }
    }
    // What only waits somewhere, in the outbox or with a certificate on its way, is gone; nobody asked for it by this name.
    if unknown {
        return Err(nothing_kept(&address));
    }
    // The chain is what must survive.
    let report = directory.verify_audit().await.map_err(|error| cannot("verify the record", error))?;
    if arguments.json {
        say!("{}", json!({ "outcome": "accepted", "messages": count, "head": report.head, "rows": report.rows }));
    } else {
        say!("erased what was kept about {address}, with {count} messages; the record still holds");
        say!("head: {}", report.head);
    }
    Ok(())
}

fn read_address(text: &str) -> Result<Address, Stop> {
    Address::parse(text)
        .map_err(|error| Stop::failed(format_args!("{text}: {error}")).hint("write it like alice@example.org"))
}

fn cannot(doing: &str, error: Error) -> Stop {
    Stop::failed(format_args!("cannot {doing}: {error}"))
}

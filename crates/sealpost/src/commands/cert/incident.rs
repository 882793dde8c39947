//! `sealpost cert due` and `cert incident`: certificates that come to their end, and many that have to go at once.

use clap::{Args, Subcommand, ValueEnum};
use directory::{Incident, IncidentId, IncidentReport, IncidentSelection, NewIncident};
use pki::RevocationReason;
use serde_json::json;

use crate::commands::key::Validation;
use crate::files;
use crate::house::{self, Where, at_the_prompt, cannot};
use crate::outcome::Stop;

#[derive(Debug, Args)]
pub(crate) struct Due {
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Collect the certificates that have to go; the gateways begin at once
    Open(Open),
    /// List incidents, or say how far one is and what is left
    Show(Show),
    /// Put those that failed back in the line
    Retry(Which),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OldOnes {
    /// They stay good until they end
    Keep,
    /// The house's own CA revokes them: superseded
    Superseded,
    /// The house's own CA revokes them: key compromised
    KeyCompromise,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: String,
    /// The issuer: its common name, or its whole name as certificates show it
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// What the CA verified
    #[arg(long, value_enum)]
    profile: Option<Validation>,
    /// A serial number, in hexadecimal
    #[arg(long, value_name = "SERIAL")]
    serial: Vec<String>,
    /// A file with serial numbers, one a line
    #[arg(long, value_name = "FILE")]
    serial_file: Option<std::path::PathBuf>,
    /// All must be replaced before this moment (RFC 3339, or a date)
    #[arg(long, value_name = "TIME")]
    before: String,
    /// At most so many are begun within an hour
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    per_hour: u32,
    /// What becomes of those of the house's own CA
    #[arg(long, value_enum, default_value_t = OldOnes::Keep)]
    old: OldOnes,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its number; all if left out
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its number
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: Where,
}

pub(super) fn due(arguments: &Due) -> Result<(), Stop> {
    house::with_directory(&arguments.at, async |_, directory| {
        let due = directory.renewals_due().await;
        for due in due.map_err(|error| cannot("list", "what comes to its end", &error))? {
            let (address, certificate) = (&due.credential.address, &due.credential.certificate);
            let end = certificate.validity().not_after;
            let by = if due.of_house { "the house renews it" } else { "needs a successor" };
            if arguments.json {
                let line = json!({
                    "address": address.to_string(), "sha256": certificate.sha256().to_hex(), "not_after": end.to_string(),
                    "days_left": due.days_left, "stage": due.stage, "of_house": due.of_house,
                });
                say!("{line}");
            } else {
                say!("{address}  {} days left, until {end}  {by}", due.days_left);
            }
        }
        Ok(())
    })
}

pub(super) fn run(command: &IncidentCommand) -> Result<(), Stop> {
    match command {
        IncidentCommand::Open(arguments) => open(arguments),
        IncidentCommand::Show(arguments) => show(arguments),
        IncidentCommand::Retry(arguments) => house::with_directory(&arguments.at, async |_, directory| {
            let again = directory.retry_incident(id(&arguments.id)?).await;
            let again = again.map_err(|error| cannot("go on with", &arguments.id, &error))?;
            say!("{again} certificates are in the line again");
            Ok(())
        }),
    }
}

fn open(arguments: &Open) -> Result<(), Stop> {
    let before = asn1::Time::parse_rfc3339(&arguments.before).ok_or_else(|| {
        Stop::failed(format_args!("--before {} is not a time", arguments.before))
            .hint("write 2026-03-01 or 2026-03-01T12:00:00Z")
    })?;
    let mut serials = arguments.serial.clone();
    if let Some(file) = &arguments.serial_file {
        let text = String::from_utf8_lossy(&files::read(file)?).into_owned();
        serials.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let new = NewIncident {
        name: arguments.name.clone(),
        selection: IncidentSelection {
            issuer: arguments.issuer.clone(),
            validation: arguments.profile.map(Into::into),
            serials,
        },
        before,
        per_hour: arguments.per_hour,
        revoke: match arguments.old {
            OldOnes::Keep => None,
            OldOnes::Superseded => Some(RevocationReason::Superseded),
            OldOnes::KeyCompromise => Some(RevocationReason::KeyCompromise),
        },
    };
    house::with_directory(&arguments.at, async |_, directory| {
        let report = directory.open_incident(&new, &at_the_prompt()).await;
        let report = report.map_err(|error| cannot("open", &arguments.name, &error))?;
        say(&report, false);
        Ok(())
    })
}

fn show(arguments: &Show) -> Result<(), Stop> {
    house::with_directory(&arguments.at, async |_, directory| {
        let failed = |error| cannot("look at", "incidents", &error);
        if let Some(text) = &arguments.id {
            say(&directory.incident(id(text)?).await.map_err(failed)?, arguments.json);
            return Ok(());
        }
        for Incident { id, name, before, closed, .. } in directory.incidents().await.map_err(failed)? {
            if arguments.json {
                let closed = closed.map(|at| at.to_string());
                let line =
                    json!({ "id": id.to_string(), "name": name, "before": before.to_string(), "closed": closed });
                say!("{line}");
            } else {
                let closed = closed.map_or("open".to_owned(), |at| format!("closed {at}"));
                say!("{id}  {name}  before {before}  {closed}");
            }
        }
        Ok(())
    })
}

fn id(text: &str) -> Result<IncidentId, Stop> {
    text.parse().map_err(|_| Stop::failed(format_args!("{text} is not a number of an incident")))
}

fn say(report: &IncidentReport, for_programs: bool) {
    let IncidentReport { incident, waiting, requested, replaced, failed, needed_per_hour, left } = report;
    if for_programs {
        let left: Vec<_> = left
            .iter()
            .map(|item| {
                json!({
                    "address": item.credential.address.to_string(), "state": item.state.name(), "detail": item.detail,
                    "sha256": item.credential.certificate.sha256().to_hex(),
                })
            })
            .collect();
        let line = json!({
            "id": incident.id.to_string(), "name": incident.name, "before": incident.before.to_string(),
            "waiting": waiting, "requested": requested, "replaced": replaced, "failed": failed,
            "needed_per_hour": needed_per_hour, "in_time": report.is_in_time(), "left": left,
        });
        say!("{line}");
        return;
    }
    say!("{}  {}, before {}", incident.id, incident.name, incident.before);
    say!("replaced {replaced}, at the CA {requested}, waiting {waiting}, failed {failed}");
    if !report.is_in_time() {
        match needed_per_hour {
            Some(needed) => say!("too slow: {needed} an hour are needed, {} are allowed", incident.per_hour),
            None => say!("the time is over"),
        }
    }
    for item in left {
        let detail = if item.detail.is_empty() { String::new() } else { format!("  {}", item.detail) };
        say!("{}  {}  {}{detail}", item.state.name(), item.credential.address, item.credential.certificate.serial());
    }
}

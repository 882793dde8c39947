//! `sealpost cert`: look at certificates, compare them with the rules, find them, check them.

mod acme;
mod authority;
mod check;
mod describe;
mod find;
mod incident;
mod publish;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pki::Certificate;
use pki::lint::Severity;
use serde_json::json;

use crate::files;
use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Say what is in a certificate, without judging it
    Show {
        /// For programs
        #[arg(long)]
        json: bool,
        /// The certificate
        #[arg(value_name = "CERT")]
        input: PathBuf,
    },
    /// Compare with the S/MIME Baseline Requirements, and refuse what is unsafe
    Lint {
        /// Judge as of this moment (RFC 3339, or a date); now if left out
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
        /// The certificate
        #[arg(value_name = "CERT")]
        input: PathBuf,
    },
    /// Find certificates: for an address in the directories, or in files and folders
    Find(find::Find),
    /// May this certificate be used for this address, for this purpose, at this time, and why (not)?
    Check(Check),
    /// Certificates for the people inside from a CA that speaks ACME
    #[command(subcommand)]
    Acme(acme::Acme),
    /// The organisation's own CA
    #[command(subcommand)]
    Ca(authority::Authority),
    /// List the certificates of the people inside that come to their end
    Due(incident::Due),
    /// Replace many certificates in stages, before an hour
    #[command(subcommand)]
    Incident(incident::IncidentCommand),
    /// Publish certificates of the house for others to look up
    Publish(publish::Publish),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The certificate
    #[arg(value_name = "CERT")]
    input: PathBuf,
    /// Trusted roots: files or folders, PEM or DER
    #[arg(long, value_name = "ROOTS", required = true)]
    trust: Vec<PathBuf>,
    /// More certificates that may be part of a chain
    #[arg(long, value_name = "CERT")]
    with: Vec<PathBuf>,
    /// Revocation lists
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// OCSP responses
    #[arg(long, value_name = "FILE")]
    ocsp: Vec<PathBuf>,
    /// Judge as of this moment (RFC 3339, or a date); now if left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The address that the certificate must speak for
    #[arg(long = "for", value_name = "ADDRESS")]
    address: Option<String>,
    /// What the key is to be used for
    #[arg(long, value_enum, default_value_t = Purpose::Any)]
    purpose: Purpose,
    /// How much must be known about revocation
    #[arg(long, value_enum, default_value_t = Revocation::IfAvailable)]
    revocation: Revocation,
    /// Accept only these policies (RFC 5280, user-initial-policy-set)
    #[arg(long, value_name = "OID")]
    initial_policy: Vec<String>,
    /// An accepted policy must hold along the path
    #[arg(long)]
    require_explicit_policy: bool,
    /// Policies are not mapped to others
    #[arg(long)]
    inhibit_policy_mapping: bool,
    /// The policy "any" matches nothing
    #[arg(long)]
    inhibit_any_policy: bool,
    /// Print the path and each rule that mattered, with its section
    #[arg(long)]
    explain: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// RFC 5280 alone
    Any,
    /// Verifying signed mail
    Sign,
    /// Encrypting mail
    Encrypt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Revocation {
    /// Every certificate must be known to be good
    Required,
    /// Revoked is refused, unknown is let pass and reported
    IfAvailable,
    /// Not looked at
    Off,
}

pub(crate) fn run(command: &Cert) -> Result<(), Stop> {
    match command {
        Cert::Show { json, input } => show(*json, &files::certificate(input)?),
        Cert::Lint { at, json, input } => lint(at.as_deref(), *json, &files::certificate(input)?),
        Cert::Find(arguments) => find::run(arguments),
        Cert::Check(arguments) => check::run(arguments),
        Cert::Acme(command) => acme::run(command),
        Cert::Ca(command) => authority::run(command),
        Cert::Due(arguments) => incident::due(arguments),
        Cert::Incident(command) => incident::run(command),
        Cert::Publish(arguments) => publish::run(arguments),
    }
}

fn show(json: bool, certificate: &Certificate) -> Result<(), Stop> {
    if json {
        say!("{}", describe::to_json(certificate));
    } else {
        say_all!("{}", describe::to_text(certificate));
    }
    Ok(())
}

fn lint(at: Option<&str>, json: bool, certificate: &Certificate) -> Result<(), Stop> {
    let lint = pki::lint::lint(certificate, files::moment(at)?);
    if json {
        let notes: Vec<_> = lint
            .notes()
            .iter()
            .map(|rule| {
                let severity = if rule.severity() == Severity::Error { "error" } else { "warning" };
                json!({ "rule": rule.id(), "section": rule.section(), "severity": severity, "text": rule.text() })
            })
            .collect();
        let refusals: Vec<_> =
            lint.refusals().iter().map(|reason| json!({ "code": reason.code(), "text": reason.to_string() })).collect();
        let profile = lint.profile().map(|profile| profile.to_string());
        say!("{}", json!({ "profile": profile, "notes": notes, "refusals": refusals }));
    } else {
        match lint.profile() {
            Some(profile) => say!("profile: {profile}"),
            None => say!("profile: none of the S/MIME Baseline Requirements"),
        }
        for rule in lint.notes() {
            let word = if rule.severity() == Severity::Error { "error" } else { "warning" };
            say!("note: not kept ({word}, {}): {}", rule.section(), rule.text());
        }
    }
    match lint.refusals() {
        [] => Ok(()),
        reasons => {
            let all: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            Err(Stop::refused(format_args!("the certificate of {certificate} {}", all.join(", and "))))
        }
    }
}

//! `sealpost cert find`: in files, or for an address in the directory and then in those that the operator named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use directory::{Actor, Address, Directory, Origin, Submission, SystemClock};
use pki::Certificate;
use serde_json::{Value, json};

use super::describe;
use crate::commands::config::load;
use crate::files;
use crate::look_up;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Args)]
pub(crate) struct Find {
    /// For programs
    #[arg(long)]
    json: bool,
    /// The configuration that names the directories, where no file is given
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
    /// Send in what other directories have, as a candidate
    #[arg(long)]
    submit: bool,
    /// An address; in files also the beginning of a SHA-256 fingerprint, a serial number, or a part of the name
    #[arg(value_name = "WHAT")]
    what: String,
    /// Files and folders to look in; the directories if left out
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Find) -> Result<(), Stop> {
    if arguments.inputs.is_empty() { in_directories(arguments) } else { in_files(arguments) }
}

fn in_files(arguments: &Find) -> Result<(), Stop> {
    let Find { json, what, inputs, .. } = arguments;
    let all = files::certificates(inputs)?;
    let found: Vec<&Certificate> = all.iter().filter(|certificate| is_what(certificate, what)).collect();
    if *json {
        let list: Vec<_> = found.iter().map(|certificate| describe::to_json(certificate)).collect();
        say!("{}", json!(list));
    } else {
        found.iter().for_each(|certificate| print_line(certificate));
    }
    if found.is_empty() {
        return Err(Stop::refused(format_args!("none of {} certificates is {what}", all.len()))
            .hint("an address, the beginning of a SHA-256 fingerprint, a serial number, or a part of the name"));
    }
    Ok(())
}

fn in_directories(arguments: &Find) -> Result<(), Stop> {
    let address = Address::parse(&arguments.what).map_err(|error| {
        Stop::failed(format_args!("{}: {error}", arguments.what))
            .hint("directories are asked for an address; name files or folders to look in for anything else")
    })?;
    let config = load(Path::new(&arguments.config))?;
    let look_up = look_up::sources(&config)?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let found = find(&directory, &look_up, &address, arguments).await;
        directory.close().await;
        found
    })
}

async fn find(
    directory: &Directory,
    look_up: &egress::LookUp,
    address: &Address,
    arguments: &Find,
) -> Result<(), Stop> {
    let cannot = |error: directory::Error| Stop::failed(format_args!("cannot ask the directory: {error}"));
    let active = directory.active_certificates(address).await.map_err(cannot)?;
    if !active.is_empty() {
        let all: Vec<&Certificate> = active.iter().map(|active| &active.certificate).collect();
        say(arguments.json, "directory", "in use", &all, &[]);
        return Ok(());
    }
    let answers = look_up.find(address.email()).await;
    for (source, error) in &answers.failed {
        note!("note: {source} could not be asked: {error}");
    }
    let Some(found) = answers.found else {
        return Err(Stop::refused(format_args!("nobody has a certificate for {address}"))
            .hint("look_up.source in the configuration names directories; or ask for the certificate by mail"));
    };
    let mut requests = Vec::new();
    if arguments.submit {
        for certificate in &found.certificates {
            let by = Actor::Program("sealpost cert find".into());
            let mut submission = Submission::new(address.clone(), certificate.clone(), Origin::LookUp, by);
            submission.intermediates = found.intermediates.clone();
            requests.push(directory.submit(submission).await.map_err(cannot)?);
        }
    }
    let requests: Vec<(String, &'static str)> =
        requests.iter().map(|request| (request.id().to_string(), request.state().name())).collect();
    let all: Vec<&Certificate> = found.certificates.iter().collect();
    say(arguments.json, &found.source, "candidate", &all, &requests);
    Ok(())
}

fn say(json: bool, source: &str, standing: &str, all: &[&Certificate], requests: &[(String, &'static str)]) {
    if json {
        let certificates: Vec<Value> = all.iter().map(|certificate| describe::to_json(certificate)).collect();
        let requests: Vec<Value> = requests.iter().map(|(id, state)| json!({ "id": id, "state": state })).collect();
        say!(
            "{}",
            json!({ "source": source, "standing": standing, "certificates": certificates, "requests": requests })
        );
        return;
    }
    say!("{standing}, from {source}");
    all.iter().for_each(|certificate| print_line(certificate));
    for (id, state) in requests {
        say!("request {id} is {state}");
    }
}

fn print_line(certificate: &Certificate) {
    say!("{}  {}  {certificate}", certificate.sha256().to_hex(), describe::validity(certificate));
}

pub(super) fn is_what(certificate: &Certificate, what: &str) -> bool {
    if let Ok(address) = pki::EmailAddress::parse(what) {
        return certificate.email_addresses().contains(&address);
    }
    let digits: String = what.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_ascii_lowercase();
    let is_number = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_number && (certificate.sha256().to_hex().starts_with(&digits) || certificate.serial().to_string() == digits)
        || certificate.subject().to_string().to_lowercase().contains(&what.to_lowercase())
}

//! `sealpost doctor`: what is wrong with this installation, and the way out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use directory::{Directory, MessageStore, RequestFilter, Role, SystemClock};
use gateway::smtp::{Client, ClientSettings, Hop, client_config};
use pki::{PathChecker, PathPolicy, Purpose};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::commands::config::load;
use crate::config::{Choice, Config, Side};
use crate::files;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
    /// For programs: a line for each finding
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Note,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    grade: Grade,
    found: String,
    way_out: Option<String>,
}

/// What has been found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: &'static str, found: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Good, found: found.into(), way_out: None });
    }

    fn note(&mut self, what: &'static str, found: impl Into<String>, way_out: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Note, found: found.into(), way_out: Some(way_out.into()) });
    }

    fn wrong(&mut self, what: &'static str, found: impl Into<String>, way_out: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Wrong, found: found.into(), way_out: Some(way_out.into()) });
    }
}

pub(crate) fn run(arguments: &Doctor) -> Result<(), Stop> {
    let config = load(&arguments.config)?;
    let mut findings = Findings::default();
    files_and_folders(&config, &mut findings);
    listeners(&config, &mut findings);
    pages(&config, &mut findings);
    serve::runtime()?.block_on(async {
        next_hops(&config, &mut findings).await;
        match serve::open_directory(&config, Arc::new(SystemClock)).await {
            Ok(directory) => {
                behind_the_database(&config, &directory, &mut findings).await;
                directory.close().await;
            }
            Err(stop) => findings.wrong("database", stop.what(), stop.way_out().unwrap_or("see above")),
        }
    });
    let wrong = findings.0.iter().filter(|finding| finding.grade == Grade::Wrong).count();
    for finding in &findings.0 {
        print(finding, arguments.json);
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Stop::refused("one thing is wrong")),
        _ => Err(Stop::refused(format_args!("{wrong} things are wrong"))),
    }
}

fn print(finding: &Finding, for_programs: bool) {
    let grade = match finding.grade {
        Grade::Good => "good",
        Grade::Note => "note",
        Grade::Wrong => "wrong",
    };
    if for_programs {
        let line = json!({ "what": finding.what, "grade": grade, "found": finding.found, "way_out": finding.way_out });
        say!("{line}");
        return;
    }
    say!("{grade:<6} {:<14} {}", finding.what, finding.found);
    if let Some(way_out) = &finding.way_out {
        say!("{:21} → {way_out}", "");
    }
}

fn files_and_folders(config: &Config, findings: &mut Findings) {
    match serve::master_place(config) {
        None => findings.note(
            "master key",
            "none is set: this installation can serve the pages, not the mail",
            "set keys.master_key_file where the gateway runs",
        ),
        Some(serve::SecretPlace::File(file)) => secret_file("master key", &file, findings),
        Some(place) => findings.good("master key", format!("it is {place}")),
    }
    let folder = &config.storage.folder;
    match tempfile::tempfile_in(folder) {
        Ok(_) => {
            findings.good("storage", format!("{} can be written to", folder.display()));
            if serve::open_to_others(folder, 0o007) {
                let way_out = format!("chmod o-rwx {}", folder.display());
                findings.note("storage", "everybody on this machine can look into it", way_out);
            }
        }
        Err(error) => findings.wrong(
            "storage",
            format!("{} cannot be written to: {error}", folder.display()),
            "make the folder, and give it to the user that sealpost runs as",
        ),
    }
    match files::anchors(&config.trust.anchors) {
        Ok(anchors) => {
            let now = files::now();
            let over = anchors.iter().filter(|anchor| !anchor.validity().contains(now)).count();
            findings.good("trust", format!("{} trusted roots", anchors.len()));
            if over > 0 {
                let found = format!("{over} of them have run out or are not valid yet");
                findings.note("trust", found, "take them out; what they issued is refused anyway");
            }
        }
        Err(stop) => findings.wrong("trust", stop.what(), stop.way_out().unwrap_or("see trust.anchors")),
    }
}

fn secret_file(what: &'static str, file: &Path, findings: &mut Findings) {
    let named = file.display();
    match std::fs::metadata(file) {
        Err(error) => findings.wrong(
            what,
            format!("{named} cannot be read: {error}"),
            "for a first start: sealpost key master new; otherwise bring it back from its backup",
        ),
        Ok(_) if serve::open_to_others(file, 0o077) => {
            let found = format!("{named} can be read by others on this machine");
            findings.wrong(what, found, format!("chmod 600 {named}"));
        }
        Ok(_) => findings.good(what, format!("{named} is there, for its owner alone")),
    }
}

/// Whoever reaches a milter for mail from inside has mail signed.
fn milters(config: &Config, findings: &mut Findings) {
    for milter in config.gateway.milter.iter().filter(|milter| milter.side == Side::Inside) {
        let networks = milter.networks.as_deref().unwrap_or_default();
        let tcp = milter.address.parse::<std::net::SocketAddr>().ok();
        if let Some(everybody) = networks.iter().find(|network| tcp.is_some() && network.ends_with("/0")) {
            findings.wrong(
                "milter",
                format!("{} signs for whoever comes from {everybody}: everybody", milter.address),
                "name your mail server's addresses in its networks",
            );
        }
        if tcp.is_some_and(|address| !address.ip().is_loopback()) {
            let found = format!("{} has mail over the network, and the protocol knows no TLS", milter.address);
            findings.note("milter", found, "put it on this machine, or on a network of its own");
        }
        if config.policy.encrypt != Choice::Never {
            findings.note(
                "milter",
                format!(
                    "{} does not take what is to be encrypted, and policy.encrypt is not \"never\"",
                    milter.address
                ),
                "set policy.encrypt = \"never\", or have Postfix give mail to a listener",
            );
        }
    }
}

/// CASES T-83, T-84: whoever reaches an inside listener is signed for and relayed.
fn listeners(config: &Config, findings: &mut Findings) {
    for side in [Side::Inside, Side::Outside] {
        let listens = config.gateway.listener.iter().any(|listener| listener.side == side);
        if !listens && !config.gateway.milter.iter().any(|milter| milter.side == side) {
            let (found, way_out) = match side {
                Side::Inside => ("no listener takes mail from your people", "add one with side = \"inside\""),
                Side::Outside => ("no listener takes mail from outside", "add one with side = \"outside\""),
            };
            findings.note("listeners", found, way_out);
        }
    }
    for listener in config.gateway.listener.iter().filter(|listener| listener.side == Side::Inside) {
        let networks = listener.networks.as_deref().unwrap_or_default();
        if let Some(everybody) = networks.iter().find(|network| network.ends_with("/0")) {
            findings.wrong(
                "open relay",
                format!("{} takes mail as if from your people from {everybody}: everybody", listener.address),
                "name your mail server's addresses in its networks",
            );
        }
        if listener.tls_certificate.is_none() && !listener.address.ip().is_loopback() {
            findings.note(
                "listeners",
                format!("{} takes your people's mail over the network without TLS", listener.address),
                "set tls_certificate and tls_key",
            );
        }
    }
    milters(config, findings);
    for (key, url) in [("inside", &config.gateway.next_hop.inside), ("outside", &config.gateway.next_hop.outside)] {
        let place = url.split_once("://").map_or("", |(_, place)| place);
        if let Some(own) = config.gateway.listener.iter().find(|own| own.address.to_string() == place) {
            findings.wrong(
                "loop",
                format!("the next hop {key} is {place}, our own listener for mail from {:?}", own.side).to_lowercase(),
                format!("gateway.next_hop.{key} names the server that takes the mail after us"),
            );
        }
    }
}

fn pages(config: &Config, findings: &mut Findings) {
    let url = &config.portal.base_url;
    if url.starts_with("https://") {
        findings.good("pages", format!("partners reach them at {url}"));
    } else {
        // A configuration takes nothing else without TLS.
        findings.note(
            "pages",
            format!("{url} is this machine: no partner reaches them"),
            "put a TLS server before the portal, and set portal.base_url to its https:// address",
        );
    }
}

async fn next_hops(config: &Config, findings: &mut Findings) {
    let settings = match serve::gateway_settings(config) {
        Ok(settings) => settings,
        Err(stop) => {
            findings.wrong("next hops", stop.what(), stop.way_out().unwrap_or("see gateway.next_hop"));
            return;
        }
    };
    for (what, hop) in [("hop inside", &settings.inside), ("hop outside", &settings.outside)] {
        let place = format!("{}:{}", hop.host, hop.port);
        if greeting(hop).await.is_some_and(|greeting| is_our_own(&greeting, &settings.hostname)) {
            findings.wrong(
                "loop",
                format!(
                    "whoever answers at {place}, the next hop {}, is this Sealpost itself",
                    what.trim_start_matches("hop ")
                ),
                "mail would go round in circles: name the server that takes the mail after us",
            );
            continue;
        }
        match probe(hop, &settings).await {
            Ok(()) => findings.good(what, format!("{place} answers")),
            Err(why) => findings.wrong(
                what,
                format!("{place}: {why}"),
                "mail is held until it answers; start it, or correct gateway.next_hop",
            ),
        }
    }
}

/// The first line that a server says.
async fn greeting(hop: &Hop) -> Option<String> {
    let heard = async {
        let mut stream = tokio::net::TcpStream::connect((hop.host.as_str(), hop.port)).await.ok()?;
        let mut line = Vec::new();
        let mut octet = [0];
        while line.len() < 512 && stream.read(&mut octet).await.ok()? == 1 && octet != *b"\n" {
            line.extend_from_slice(&octet);
        }
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    };
    tokio::time::timeout(Duration::from_secs(10), heard).await.ok().flatten()
}

/// Whatever name or forwarded port leads there: the greeting of our own listener.
fn is_our_own(greeting: &str, hostname: &str) -> bool {
    ["ESMTP", "LMTP"].iter().any(|spoken| greeting == format!("220 {hostname} {spoken} Sealpost"))
}

async fn probe(hop: &Hop, settings: &gateway::Settings) -> Result<(), String> {
    let wait = Duration::from_secs(10);
    let required = client_config(Some(&settings.tls_roots)).map_err(|error| error.to_string())?;
    let client = ClientSettings {
        hostname: settings.hostname.clone(),
        connect: wait,
        answer: wait,
        delivered: wait,
        idle: wait,
        spare: 0,
        tls_opportunistic: client_config(None).map_err(|error| error.to_string())?,
        tls_required: required,
    };
    Client::new(hop.clone(), client).probe().await.map_err(|reply| reply.text().to_owned())
}

async fn behind_the_database(config: &Config, directory: &Directory, findings: &mut Findings) {
    match directory.is_ready().await {
        Ok(()) => findings.good("database", "it answers and can be written to"),
        Err(error) => findings.wrong("database", error.to_string(), "mail is held until it can be written to"),
    }
    match directory.durability().await {
        Ok(None) => findings.good("database", "what it says is committed survives a power cut"),
        Ok(Some(why)) => findings.wrong("database", why, "nothing may be lost once it is committed: mend that first"),
        Err(error) => findings.wrong("database", error.to_string(), "its durability could not be found out"),
    }
    if serve::master_place(config).is_some() {
        match serve::open_keys(config, directory).await {
            Ok(_) => findings.good("master key", "it opens the private keys"),
            Err(stop) => findings.wrong("master key", stop.what(), stop.way_out().unwrap_or("see keys")),
        }
    }
    if config.storage.s3.is_some() {
        message_store(config, directory, findings).await;
    }
    clock(directory, findings).await;
    let looked = async {
        people(directory, findings).await?;
        waiting(directory, findings).await
    };
    if let Err(error) = looked.await {
        findings.wrong("directory", error.to_string(), "some of it could not be looked at");
    }
}

/// The store that machines share, tried with a body of no message.
async fn message_store(config: &Config, directory: &Directory, findings: &mut Findings) {
    let place = match serve::messages(config) {
        Ok(place) => place,
        Err(stop) => return findings.wrong("messages", stop.what(), stop.way_out().unwrap_or("see storage.s3")),
    };
    let tried = async { MessageStore::at(&place, directory.settings().store_key.clone())?.check().await };
    match tried.await {
        Ok(()) => findings.good("messages", "the S3-compatible store takes, gives, lists and removes bodies"),
        Err(error) => findings.wrong(
            "messages",
            error.to_string(),
            "mail for the webmailer is put off until then: see storage.s3, the bucket, and what its key may do",
        ),
    }
}

/// A clock that went back makes what is valid invalid, and the other way round.
async fn clock(directory: &Directory, findings: &mut Findings) {
    let Ok(latest) = directory.audit_latest(1).await else { return };
    match latest.first().filter(|entry| entry.at > directory.now().plus_seconds(60)) {
        Some(entry) => findings.wrong(
            "clock",
            format!("it is {} here, and the record has an entry of {}", directory.now(), entry.at),
            "set the clock, and let it be kept right (chrony, systemd-timesyncd)",
        ),
        None => findings.good("clock", format!("it is {} here", directory.now())),
    }
}

async fn people(directory: &Directory, findings: &mut Findings) -> Result<(), directory::Error> {
    const MOST: u32 = 2_000;
    let employees = directory.people(Role::Employee, None, MOST).await?;
    let officers = directory.count_people(Role::Officer).await?;
    if officers == 0 && !directory.settings().automatic_approval {
        findings.wrong(
            "officers",
            "nobody can approve a certificate",
            "sealpost people add ADDRESS --name NAME --role officer",
        );
    }
    let anchors = directory.trust_anchors().await?;
    let now = directory.now();
    let (mut with, mut without, mut ending, mut broken) = (0, Vec::new(), Vec::new(), Vec::new());
    for person in employees.iter().filter(|person| person.active) {
        let certificates = directory.employee_certificates(&person.address).await?;
        if certificates.is_empty() {
            without.push(person.address.to_string());
            continue;
        }
        with += 1;
        for certificate in certificates {
            if certificate.validity().not_after < now.plus_days(30) {
                ending.push(format!("{} on {}", person.address, certificate.validity().not_after));
            }
            let chain = directory.employee_chain(&person.address, &certificate).await?;
            let policy = PathPolicy::at(now).purpose(Purpose::Any).revocation(pki::Revocation::Off);
            if let Err(rejected) = PathChecker::new(&anchors, &policy).intermediates(&chain).check(&certificate) {
                broken.push(format!("{}: {rejected}", person.address));
            }
        }
    }
    findings.good("people", format!("{with} of {} employees have a certificate", employees.len()));
    if !without.is_empty() {
        findings.note("people", format!("without a certificate: {}", some(&without)), "sealpost people key ADDRESS");
    }
    if !ending.is_empty() {
        findings.note("certificates", format!("ending within 30 days: {}", some(&ending)), "renew them now");
    }
    if !broken.is_empty() {
        findings.note(
            "certificates",
            format!("partners may not find their way to a trusted root: {}", some(&broken)),
            "import them again with the whole chain, and see that the root is in trust.anchors",
        );
    }
    Ok(())
}

async fn waiting(directory: &Directory, findings: &mut Findings) -> Result<(), directory::Error> {
    let counts = directory.outbox_counts().await?;
    findings.good("outbox", format!("{} mails waiting", counts.waiting + counts.leased));
    if counts.given_up > 0 {
        let found = format!("{} mails could not be delivered and were given up", counts.given_up);
        findings.note("outbox", found, "their last errors are in the log");
    }
    let now = directory.now();
    let open = directory.requests(&RequestFilter::Open, 1_000).await?;
    let overdue = open.iter().filter(|request| request.due() < now).count();
    findings.good("requests", format!("{} certificates on their way", open.len()));
    if overdue > 0 {
        let found = format!("{overdue} of them are overdue");
        findings.note("requests", found, format!("an officer decides at {}/board", directory.settings().base_url));
    }
    Ok(())
}

/// The first of them, and how many more.
fn some(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(5).map(String::as_str).collect();
    match all.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_greeting_is_known_and_no_other() {
        for (greeting, own) in [
            ("220 gate.example ESMTP Sealpost", true),
            ("220 gate.example LMTP Sealpost", true),
            ("220 other.example ESMTP Sealpost", false),
            ("220 gate.example ESMTP Postfix", false),
            ("554 gate.example ESMTP Sealpost", false),
        ] {
            assert_eq!(is_our_own(greeting, "gate.example"), own, "{greeting}");
        }
    }
}

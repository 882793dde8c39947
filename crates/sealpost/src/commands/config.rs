use std::path::Path;

use crate::config::{Choice, Config, LoadError, Otherwise, REFERENCE, Side};
use crate::outcome::{Doing, Stop};

/// What a newcomer begins with; `sealpost config new` prints it.
const NEW: &str = include_str!("../config/new.toml");

/// Reads a configuration file for a command.
pub(crate) fn load(path: &Path) -> Result<Config, Stop> {
    match Config::load(path) {
        Ok(config) => Ok(config),
        Err(LoadError::Io(error)) => Err(error).doing(format_args!("read {}", path.display())),
        Err(LoadError::Config(error)) => Err(Stop::refused(format_args!("{} {error}", path.display()))
            .hint("every key is explained by: sealpost config reference")),
    }
}

/// `sealpost config check`: says in words what the file means.
pub(crate) fn check(path: &Path) -> Result<(), Stop> {
    let config = load(path)?;
    let organisation = &config.organisation;
    say!("{} is in order", path.display());
    say!("  {} with the domains {}", organisation.name, organisation.domains.join(", "));
    say!(
        "  certificates come to {} and are set up within {} days",
        organisation.intake_address,
        organisation.deadline_days
    );
    for listener in &config.gateway.listener {
        let who = match listener.side {
            Side::Inside => "mail from your people",
            Side::Outside => "mail from outside",
        };
        let tls = if listener.tls_certificate.is_some() { "with STARTTLS" } else { "without TLS" };
        say!("  {who} comes in at {} by {:?} {tls}", listener.address, listener.protocol);
    }
    say!("  mail to the world goes on to {}", config.gateway.next_hop.outside);
    say!("  mail to your people goes on to {}", config.gateway.next_hop.inside);
    say!(
        "  outgoing mail is {} and {}",
        in_words(config.policy.sign, "signed"),
        in_words(config.policy.encrypt, "encrypted")
    );
    let otherwise = match config.policy.otherwise {
        Otherwise::Clear => "leaves in the clear",
        Otherwise::Hold => "is held: the mail server keeps it and tries again",
        Otherwise::Refuse => "is refused",
        Otherwise::Webmailer => "goes to the webmailer",
    };
    say!("  what must be encrypted and cannot be {otherwise}");
    for rule in &config.policy.rule {
        say!("  before that, the rule {} decides for those it matches", rule.name);
    }
    say!("  the pages are at {}, for partners {}", config.portal.address, config.portal.base_url);
    for path in &config.trust.anchors {
        if !path.exists() {
            say!("  note: {} does not exist, so it brings no trusted root", path.display());
        }
    }
    let master = match crate::serve::master_place(&config) {
        Some(crate::serve::SecretPlace::File(path)) => Some(path),
        _ => None,
    };
    if let Some(path) = master.filter(|path| !path.exists()) {
        say!("  note: the master key {} does not exist; sealpost key master new makes one", path.display());
    }
    Ok(())
}

fn in_words(choice: Choice, done: &str) -> String {
    match choice {
        Choice::Always => format!("always {done}"),
        Choice::IfPossible => format!("{done} where possible"),
        Choice::Never => format!("never {done}"),
    }
}

/// `sealpost config new`
pub(crate) fn new() -> Result<(), Stop> {
    say_all!("{NEW}");
    Ok(())
}

/// `sealpost config reference`
pub(crate) fn reference() -> Result<(), Stop> {
    say_all!("{REFERENCE}");
    Ok(())
}

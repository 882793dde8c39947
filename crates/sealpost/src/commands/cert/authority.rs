//! `sealpost cert ca`: the organisation's own CA.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use directory::{HouseCertificate, KeyPlace, NewAuthority};
use pki::{CertificateRequest, RevocationReason};
use serde_json::json;

use super::describe;
use crate::commands::key::{Kind, Order};
use crate::files;
use crate::house::{self, Where, address, at_the_prompt, cannot};
use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Authority {
    /// Make a root and an issuing CA below it, and write the root's certificate
    Init(Init),
    /// List the CAs, or what they have issued
    Show(Show),
    /// Make a key for an employee and a certificate for it; or certify a key that waits, or one of a request
    Issue(Box<Issue>),
    /// Revoke a certificate, and publish that at once
    Revoke(Revoke),
    /// Write the newest revocation list of each CA that is in use, signed anew where it is time
    Crl(Crl),
    /// A CA issues nothing any more; it still signs its lists
    Retire(Retire),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name that its certificates show
    #[arg(value_name = "NAME")]
    name: String,
    /// The kind of its keys
    #[arg(long, value_enum, default_value_t = Kind::P384)]
    kind: Kind,
    /// Make its keys in this token, which they never leave; sealed in the database if left out
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Where its lists and answers are published; /ca on the portal if left out
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Years that the root is valid; the issuing CA is for half of them
    #[arg(long, value_name = "YEARS", default_value_t = 20)]
    years: u16,
    /// Where to write the root's certificate, as PEM
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// What was issued for this mailbox
    #[arg(long = "for", value_name = "ADDRESS")]
    of: Option<String>,
    /// Everything that was issued
    #[arg(long)]
    issued: bool,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    order: Order,
    /// Days that it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u16,
    /// Certify the key that waits under this number
    #[arg(long, value_name = "ID", conflicts_with = "csr")]
    request: Option<String>,
    /// Certify the key of this request (PKCS #10), which stays with its owner; the certificate is written to OUT
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// A certificate file, a serial number, or the beginning of a SHA-256 fingerprint
    #[arg(value_name = "WHICH")]
    which: String,
    /// Why
    #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
    reason: Reason,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Crl {
    /// The folder to write ID.crl files into
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Retire {
    /// Its number, as `show` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(command: &Authority) -> Result<(), Stop> {
    match command {
        Authority::Init(arguments) => init(arguments),
        Authority::Show(arguments) => show(arguments),
        Authority::Issue(arguments) => issue(arguments),
        Authority::Revoke(arguments) => revoke(arguments),
        Authority::Crl(arguments) => crl(arguments),
        Authority::Retire(arguments) => retire(arguments),
    }
}

fn init(arguments: &Init) -> Result<(), Stop> {
    house::with_keys(&arguments.at, async |_, keys| {
        let new = NewAuthority {
            kind: arguments.kind.into(),
            place: arguments.token.clone().map_or(KeyPlace::Sealed, KeyPlace::Token),
            url: arguments.url.clone(),
            years: arguments.years,
            ..NewAuthority::named(&arguments.name)
        };
        // Two of one name and with two keys confuse whoever checks a certificate, and which of them issues is chance.
        let existing = keys.directory().house_authorities().await;
        let existing = existing.map_err(|error| cannot("list", "what the house's own CA has", &error))?;
        let wanted = [format!("{} Root CA", arguments.name), format!("{} Issuing CA", arguments.name)];
        let is_named = |certificate: &pki::Certificate| {
            let name = certificate.subject().common_name().unwrap_or_default().to_lowercase();
            wanted.iter().any(|wanted| wanted.to_lowercase() == name)
        };
        if let Some(one) = existing.iter().find(|one| one.retired.is_none() && is_named(&one.certificate)) {
            return Err(Stop::refused(format_args!("{} is in use already", one.certificate)).hint(
                "give another name, such as one with the year; or sealpost cert ca retire, which ends the old one",
            ));
        }
        let made = keys.create_authority(&new, &at_the_prompt()).await;
        let [root, issuing] = made.map_err(|error| cannot("make the CA", &arguments.name, &error))?;
        files::write(&arguments.output, root.certificate.to_pem().as_bytes())?;
        note!("made: {} (SHA-256 {})", root.certificate, root.certificate.sha256());
        note!("made: {}, published at {}", issuing.certificate, issuing.url);
        note!("Put the root's certificate where trust.anchors looks, and give it to those who shall trust it.");
        Ok(())
    })
}

fn show(arguments: &Show) -> Result<(), Stop> {
    house::with_directory(&arguments.at, async |_, directory| {
        let failed = |error| cannot("list", "what the house's own CA has", &error);
        if arguments.issued || arguments.of.is_some() {
            let of = arguments.of.as_deref().map(address).transpose()?;
            for issued in directory.house_certificates(of.as_ref(), 100_000).await.map_err(failed)? {
                say(&issued, arguments.json);
            }
            return Ok(());
        }
        for authority in directory.house_authorities().await.map_err(failed)? {
            let (id, role, url) = (authority.id, authority.role.name(), &authority.url);
            if arguments.json {
                let retired = authority.retired.map(|at| at.to_string());
                let certificate = describe::to_json(&authority.certificate);
                say!(
                    "{}",
                    json!({ "id": id.to_string(), "role": role, "url": url, "retired": retired, "certificate": certificate })
                );
            } else {
                let retired = authority.retired.map(|at| format!(", retired {at}")).unwrap_or_default();
                say!(
                    "{id}  {role}  {}  {}{retired}",
                    describe::validity(&authority.certificate),
                    authority.certificate
                );
            }
        }
        Ok(())
    })
}

fn say(issued: &HouseCertificate, for_programs: bool) {
    let certificate = &issued.certificate;
    if for_programs {
        let revoked = issued.revoked.map(|(at, reason)| json!({ "at": at.to_string(), "reason": reason.to_string() }));
        let line = json!({
            "authority": issued.authority.to_string(), "address": issued.address.as_ref().map(ToString::to_string),
            "serial": certificate.serial().to_string(), "sha256": certificate.sha256().to_hex(),
            "issued": issued.issued.to_string(), "not_after": certificate.validity().not_after.to_string(),
            "revoked": revoked,
        });
        say!("{line}");
    } else {
        let revoked = issued.revoked.map(|(at, reason)| format!("  revoked {at}: {reason}")).unwrap_or_default();
        say!("{}  {}  {certificate}{revoked}", certificate.serial(), describe::validity(certificate));
    }
}

fn issue(arguments: &Issue) -> Result<(), Stop> {
    let order = &arguments.order;
    house::with_keys(order.at(), async |_, keys| {
        let directory = keys.directory();
        let person = house::person(directory, order.address()).await?;
        let wanted = order.to_order(person.address.email())?;
        let failed = |error| {
            let stop = cannot("issue a certificate for", order.address(), &error);
            match error {
                directory::Error::NotFound { what } if what.starts_with("CA of the house") => {
                    stop.hint("sealpost cert ca init makes one")
                }
                _ => stop,
            }
        };
        let by = at_the_prompt();
        if let Some(csr) = &arguments.csr {
            let request = CertificateRequest::from_pem_or_der(&files::read(csr)?)
                .map_err(|error| Stop::failed(format_args!("{} holds no request: {error}", csr.display())))?;
            let issued =
                keys.certify_request(person.id, &request, wanted.key_use, wanted.subject, arguments.days, &by).await;
            let issued = issued.map_err(failed)?;
            note!("issued: {issued}, good until {}", issued.validity().not_after);
            return files::write(order.output(), issued.to_pem().as_bytes());
        }
        let id = match &arguments.request {
            Some(id) => {
                let id = id.parse().map_err(|_| Stop::failed(format_args!("{id} is not a number of a key")))?;
                keys.issue_for_request(id, wanted.subject, arguments.days, &by).await
            }
            None => keys.issue(person.id, &wanted, arguments.days, &by).await,
        };
        let info = directory.credential(id.map_err(failed)?).await.map_err(failed)?;
        say!(
            "issued: {} for {}, good until {}",
            info.certificate,
            info.key_use.name(),
            info.certificate.validity().not_after
        );
        Ok(())
    })
}

fn revoke(arguments: &Revoke) -> Result<(), Stop> {
    house::with_keys(&arguments.at, async |_, keys| {
        let failed = |error| cannot("revoke", &arguments.which, &error);
        let path = PathBuf::from(&arguments.which);
        let certificate = if path.is_file() {
            files::certificate(&path)?
        } else {
            let issued = keys.directory().house_certificates(None, 100_000).await.map_err(failed)?;
            let mut found =
                issued.into_iter().filter(|issued| super::find::is_what(&issued.certificate, &arguments.which));
            match (found.next(), found.next()) {
                (Some(one), None) => one.certificate,
                (None, _) => {
                    return Err(Stop::refused(format_args!("nothing that was issued here is {}", arguments.which))
                        .hint("sealpost cert ca show --issued lists it"));
                }
                (Some(_), Some(_)) => {
                    return Err(Stop::refused(format_args!("{} is more than one certificate", arguments.which))
                        .hint("give the serial number, or more of the fingerprint"));
                }
            }
        };
        keys.revoke(&certificate, arguments.reason.into(), &at_the_prompt()).await.map_err(failed)?;
        say!("revoked: {certificate}, serial number {}", certificate.serial());
        Ok(())
    })
}

fn crl(arguments: &Crl) -> Result<(), Stop> {
    house::with_keys(&arguments.at, async |_, keys| {
        let failed = |error| cannot("publish", "the revocation lists", &error);
        keys.publish().await.map_err(failed)?;
        for authority in keys.directory().house_authorities().await.map_err(failed)? {
            if let Some(list) = keys.directory().house_crl(authority.id).await.map_err(failed)? {
                let path = arguments.folder.join(format!("{}.crl", authority.id));
                files::write(&path, &list)?;
                say!("{}  {}", path.display(), authority.certificate);
            }
        }
        Ok(())
    })
}

fn retire(arguments: &Retire) -> Result<(), Stop> {
    house::with_keys(&arguments.at, async |_, keys| {
        let unknown = |_| Stop::failed(format_args!("{} is not a number of a CA", arguments.id));
        let id = arguments.id.parse().map_err(unknown)?;
        let done = keys.retire_authority(id, &at_the_prompt()).await;
        done.map_err(|error| cannot("retire", &arguments.id, &error))
    })
}

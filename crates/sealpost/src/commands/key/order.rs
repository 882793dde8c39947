//! `sealpost key order`, `answer`, `waiting`, `withdraw`: keys that are made in the installation and never leave it.

use std::path::PathBuf;

use clap::Args;
use directory::{KeyOrder, KeyPlace, KeyRequest, KeyUse};
use pki::EmailAddress;
use serde_json::json;

use super::Kind;
use super::identity::read_any;
use super::request::{Names, Usage};
use crate::files;
use crate::house::{self, Where, at_the_prompt, cannot};
use crate::outcome::Stop;

#[derive(Debug, Args)]
pub(crate) struct Order {
    /// The employee's mailbox
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The kind of key
    #[arg(long, value_enum, default_value_t = Kind::Rsa3072)]
    kind: Kind,
    /// What the key is for
    #[arg(long, value_enum, default_value_t = Usage::Both)]
    usage: Usage,
    /// Make it in this token, which it never leaves; sealed in the database if left out
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Further addresses that the certificate shall speak for
    #[arg(long = "also-for", value_name = "ADDRESS")]
    also_for: Vec<String>,
    #[command(flatten)]
    names: Names,
    /// Where to write the request for the CA, as PEM
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// What the CA returned: PEM, DER, .p7b, .zip, or its mail
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// Its number, as `waiting` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: Where,
}

impl From<Usage> for KeyUse {
    fn from(usage: Usage) -> Self {
        match usage {
            Usage::Both => Self::Both,
            Usage::Sign => Self::Sign,
            Usage::Encrypt => Self::Encrypt,
        }
    }
}

impl Order {
    /// What is asked for, once it is known for whom.
    pub(crate) fn to_order(&self, first: &EmailAddress) -> Result<KeyOrder, Stop> {
        let read =
            |text: &String| EmailAddress::parse(text).map_err(|error| Stop::failed(format_args!("{text}: {error}")));
        Ok(KeyOrder {
            kind: self.kind.into(),
            place: self.token.clone().map_or(KeyPlace::Sealed, KeyPlace::Token),
            key_use: self.usage.into(),
            subject: self.names.subject(first)?,
            also_for: self.also_for.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn output(&self) -> &std::path::Path {
        &self.output
    }

    pub(crate) fn at(&self) -> &Where {
        &self.at
    }
}

pub(super) fn order(arguments: &Order) -> Result<(), Stop> {
    house::with_keys(&arguments.at, async |_, keys| {
        let person = house::person(keys.directory(), &arguments.address).await?;
        if !keys.directory().is_inside(&person.address) {
            // What a partner's key opens is for the partner alone.
            return Err(Stop::refused(format_args!("{} is outside the organisation's domains", person.address))
                .hint("a partner makes their own key, and sends in the certificate"));
        }
        let order = arguments.to_order(person.address.email())?;
        let made = keys.order_key(person.id, &order, &at_the_prompt()).await;
        let made = made.map_err(|error| cannot("make a key for", &arguments.address, &error))?;
        let Some(request) = &made.request else {
            note!("made: {} for {}; such a key signs no request", made.public_key.describe(), person.address);
            note!("its number is {}; sealpost cert ca issue --request gives it a certificate", made.id);
            return Ok(());
        };
        note!("made: {} for {}, number {}", made.public_key.describe(), person.address, made.id);
        files::write(&arguments.output, request.to_pem().as_bytes())
    })
}

pub(super) fn answer(arguments: &Answer) -> Result<(), Stop> {
    let mut certificates = Vec::new();
    for path in &arguments.inputs {
        let bytes = read_any(path)?;
        let found = pki::Certificate::all_from(&bytes);
        certificates.extend(found.map_err(|error| Stop::failed(format_args!("{}: {error}", path.display())))?);
    }
    house::with_keys(&arguments.at, async |_, keys| {
        let answered = keys.answer(&certificates, &at_the_prompt()).await.map_err(|error| {
            let stop = cannot("take in", "what the CA returned", &error);
            match error {
                directory::Error::NotFound { .. } => stop.hint("sealpost key waiting shows which keys wait"),
                _ => stop,
            }
        })?;
        for (_, credential) in answered {
            let info = keys.directory().credential(credential).await;
            let info = info.map_err(|error| cannot("look up", "what was taken in", &error))?;
            say!(
                "in use: {} for {}, good until {}",
                info.certificate,
                info.key_use.name(),
                info.certificate.validity().not_after
            );
        }
        Ok(())
    })
}

pub(super) fn waiting(arguments: &Waiting) -> Result<(), Stop> {
    house::with_directory(&arguments.at, async |_, directory| {
        let requests = directory.key_requests(10_000).await;
        for request in requests.map_err(|error| cannot("list", "the keys that wait", &error))? {
            say(&request, arguments.json);
        }
        Ok(())
    })
}

fn say(request: &KeyRequest, for_programs: bool) {
    let KeyRequest { id, address, key_use, public_key, created, .. } = request;
    if for_programs {
        let pem = request.request.as_ref().map(pki::CertificateRequest::to_pem);
        let line = json!({
            "id": id.to_string(), "address": address.to_string(), "for": key_use.name(),
            "key": public_key.describe(), "since": created.to_string(), "request": pem,
        });
        say!("{line}");
    } else {
        say!("{id}  {address}  {}  {}  since {created}", key_use.name(), public_key.describe());
    }
}

pub(super) fn withdraw(arguments: &Withdraw) -> Result<(), Stop> {
    house::with_directory(&arguments.at, async |_, directory| {
        let unknown = |_| Stop::failed(format_args!("{} is not a number of a key", arguments.id));
        let id = arguments.id.parse().map_err(unknown)?;
        let done = directory.withdraw_key_request(id, &at_the_prompt()).await;
        done.map_err(|error| cannot("withdraw", &arguments.id, &error))
    })
}

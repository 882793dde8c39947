//! `sealpost cert acme`: an account with a CA, orders, and how far they are. What an order needs afterwards, the mail of the
//! CA above all, is the business of `sealpost serve`.

use clap::{Args, Subcommand};
use directory::{AcmeOrder, KeyOrder, KeyPlace, KeyRing};
use egress::acme::{AccountKey, check_issue_mail};
use serde_json::json;

use crate::acme;
use crate::commands::key::{Kind, Names, Usage};
use crate::config::Config;
use crate::house::{self, Where, at_the_prompt, cannot};
use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Acme {
    /// Make the account with the CA that the configuration names, or find it again
    Register(Register),
    /// Order a certificate for somebody inside, with a new key
    Order(Box<Order>),
    /// Say how far orders are
    Status(Status),
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// Say that the terms of the CA were read and are agreed to
    #[arg(long)]
    agree_terms: bool,
    #[command(flatten)]
    at: Where,
}

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
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The employee's mailbox; all if left out
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    /// For programs: one object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(command: &Acme) -> Result<(), Stop> {
    match command {
        Acme::Register(arguments) => {
            house::with_keys(&arguments.at, async |config, keys| register(config, keys, arguments.agree_terms).await)
        }
        Acme::Order(arguments) => {
            house::with_keys(&arguments.at, async |config, keys| order(config, keys, arguments).await)
        }
        Acme::Status(arguments) => status(arguments),
    }
}

async fn register(config: &Config, keys: &KeyRing, agree_terms: bool) -> Result<(), Stop> {
    let section = acme::section(config)?;
    let (client, binding) = (acme::client(section)?, acme::external_account(section)?);
    let directory = client.directory().await.map_err(|error| unanswered(&error))?;
    if let Some(terms) = directory.terms_of_service.as_ref().filter(|_| !agree_terms) {
        return Err(Stop::refused(format_args!("the CA has terms to agree to: {terms}"))
            .hint("read them, then add --agree-terms"));
    }
    let (account, key) = keys
        .acme_account_key(&section.server)
        .await
        .map_err(|error| cannot("make a key for", &section.server, &error))?;
    let key = AccountKey::new(key).map_err(|error| unanswered(&error))?;
    let url = client.register(&key, &section.contact, agree_terms, binding.as_ref()).await;
    let url = url.map_err(|error| unanswered(&error))?;
    let noted = keys.directory().acme_registered(account.id, &url, &at_the_prompt()).await;
    noted.map_err(|error| cannot("register with", &section.server, &error))?;
    say!("registered: {url}");
    say!("key: {}", key.thumbprint());
    Ok(())
}

async fn order(config: &Config, keys: &KeyRing, arguments: &Order) -> Result<(), Stop> {
    let section = acme::section(config)?;
    let person = house::person(keys.directory(), &arguments.address).await?;
    let failed = |error: directory::Error| cannot("order for", &arguments.address, &error);
    let account = keys.directory().acme_account(&section.server).await.map_err(failed)?;
    let Some(account) = account.filter(|account| account.url.is_some()) else {
        return Err(Stop::refused(format_args!("there is no account with {}", section.server))
            .hint("make one by: sealpost cert acme register"));
    };
    let directory = acme::client(section)?.directory().await.map_err(|error| unanswered(&error))?;
    // Told before, so that nobody wonders later; who decides is the CA.
    let records = acme::records(section)?;
    let note = check_issue_mail(&records, person.address.domain(), &directory.caa_identities).await.to_string();
    let wanted = KeyOrder {
        kind: arguments.kind.into(),
        place: arguments.token.clone().map_or(KeyPlace::Sealed, KeyPlace::Token),
        key_use: arguments.usage.into(),
        subject: arguments.names.subject(person.address.email())?,
        also_for: Vec::new(),
    };
    let made = keys.order_by_acme(person.id, &wanted, account.id, &note, &at_the_prompt()).await.map_err(failed)?;
    say!("ordered: {} for {}", made.id, made.address);
    say!("note: {note}");
    Ok(())
}

fn status(arguments: &Status) -> Result<(), Stop> {
    let address = arguments.address.as_deref().map(house::address).transpose()?;
    house::with_directory(&arguments.at, async |_, directory| {
        let orders = directory.acme_orders(address.as_ref(), 10_000).await;
        for order in orders.map_err(|error| cannot("list", "the orders", &error))? {
            say(&order, arguments.json);
        }
        Ok(())
    })
}

fn say(order: &AcmeOrder, for_programs: bool) {
    let AcmeOrder { id, address, state, created, changed, note, problem, credential, .. } = order;
    if for_programs {
        let line = json!({
            "id": id.to_string(), "address": address.to_string(), "state": state.name(), "note": note,
            "problem": problem, "created": created.to_string(), "changed": changed.to_string(),
            "credential": credential.map(|id| id.to_string()), "url": order.url,
        });
        say!("{line}");
        return;
    }
    say!("{id}  {address}  {}: {}, since {changed}", state.name(), state.meaning());
    for (word, text) in [("problem", problem), ("note", note)] {
        if !text.is_empty() {
            say!("  {word}: {text}");
        }
    }
}

fn unanswered(error: &egress::Error) -> Stop {
    match error {
        egress::Error::Problem { .. } | egress::Error::Useless { .. } => Stop::refused(error.to_string())
            .hint("acme.external_account in the configuration binds the account, where the CA wants that"),
        _ => Stop::failed(error.to_string()).hint("is acme.server right, and acme.tls_roots the roots for it?"),
    }
}

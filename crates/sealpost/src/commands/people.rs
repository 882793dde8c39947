//! `sealpost people`: who is known to the directory, their roles, their passwords and their keys.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use directory::{Actor, Address, Directory, KeyUse, Language, NewPerson, Person, Role, Roles, Scope, SystemClock};
use serde_json::json;

use crate::cli::Identity;
use crate::commands::config::load;
use crate::config::Config;
use crate::files;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// Add somebody, and print the first password
    Add(Add),
    /// List people by role
    List(List),
    /// Give somebody a new first password, and print it
    Password(Which),
    /// Give an employee a key with its certificate: the gateway signs and decrypts with it
    Key(Key),
    /// Make a token with which programs use the REST API in somebody's name, and print it
    Token(NewToken),
    /// List the tokens of somebody, or of everybody
    Tokens(Tokens),
    /// End a token at once
    RevokeToken(RevokeToken),
    /// Take away somebody's log-in and signature
    Deactivate(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Outside: reads and answers protected mail
    Partner,
    /// Inside: writes mail, invites partners
    Employee,
    /// Decides about certificates
    Officer,
    /// Reads everything but content, changes nothing
    Auditor,
    /// Runs the machine
    Operator,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Partner => Role::Partner,
            Self::Employee => Role::Employee,
            Self::Officer => Role::Officer,
            Self::Auditor => Role::Auditor,
            Self::Operator => Role::Operator,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LanguageName {
    De,
    En,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The mailbox
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// How they are called
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What they may do; employee for an address of the house and partner for others if left out
    #[arg(long, value_enum)]
    role: Vec<RoleName>,
    /// The firm of somebody outside
    #[arg(long, value_name = "FIRM")]
    company: Option<String>,
    /// What to speak to them in; the organisation's language if left out
    #[arg(long, value_enum)]
    language: Option<LanguageName>,
    /// The employee who invites somebody outside and passes the password on
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those with this role
    #[arg(long, value_enum)]
    role: Option<RoleName>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The mailbox
    #[arg(value_name = "ADDRESS")]
    address: String,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct NewToken {
    /// Whose token it is: it does no more than they may
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// What it is for: audit:read, board:write, certificates:read, certificates:write, contacts:read,
    /// mail:submit, partners:read, partners:write, people:read, traces:read
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<String>,
    /// How many days it is good
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// What to call it
    #[arg(long, value_name = "NAME", default_value = "token")]
    name: String,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Tokens {
    /// Whose
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeToken {
    /// The number in the list
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyUseName {
    Both,
    Sign,
    Encrypt,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The employee's mailbox
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Key and certificate
    #[command(flatten)]
    identity: Identity,
    /// What the key is for; by its certificate's key usage if left out
    #[arg(long = "for", value_enum)]
    key_use: Option<KeyUseName>,
    #[command(flatten)]
    at: Where,
}

pub(crate) fn run(command: &People) -> Result<(), Stop> {
    let config = load(match command {
        People::Add(Add { at, .. })
        | People::Key(Key { at, .. })
        | People::List(List { at, .. })
        | People::Password(Which { at, .. })
        | People::RevokeToken(RevokeToken { at, .. })
        | People::Token(NewToken { at, .. })
        | People::Tokens(Tokens { at, .. })
        | People::Deactivate(Which { at, .. }) => &at.config,
    })?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let done = match command {
            People::Add(add) => self::add(&directory, add).await,
            People::Deactivate(which) => deactivate(&directory, which).await,
            People::Key(key) => import_key(&config, &directory, key).await,
            People::List(list) => self::list(&directory, list).await,
            People::Password(which) => password(&directory, which).await,
            People::RevokeToken(revoke) => revoke_token(&directory, revoke).await,
            People::Token(new) => token(&directory, new).await,
            People::Tokens(tokens) => self::tokens(&directory, tokens).await,
        };
        directory.close().await;
        done
    })
}

async fn add(directory: &Directory, add: &Add) -> Result<(), Stop> {
    let address = read_address(&add.address)?;
    if add.name.trim().is_empty() {
        return Err(
            Stop::failed(format_args!("{address} needs a name")).hint("give it with --name, as the pages show it")
        );
    }
    let roles: Vec<Role> = match add.role.as_slice() {
        [] if directory.is_inside(&address) => vec![Role::Employee],
        [] => vec![Role::Partner],
        named => named.iter().map(|role| role.role()).collect(),
    };
    let contact = match &add.contact {
        Some(contact) => Some(find(directory, contact).await?.id),
        None => None,
    };
    let language = match add.language {
        Some(LanguageName::De) => Language::German,
        Some(LanguageName::En) => Language::English,
        None => directory.settings().language,
    };
    let company = add.company.clone();
    let new = NewPerson { address, name: add.name.clone(), company, language, roles: Roles::of(roles), contact };
    let person = directory.add_person(new, &Actor::System).await.map_err(|error| cannot("add", &add.address, error))?;
    give_first_password(directory, &person).await
}

async fn password(directory: &Directory, which: &Which) -> Result<(), Stop> {
    let person = find(directory, &which.address).await?;
    give_first_password(directory, &person).await
}

async fn give_first_password(directory: &Directory, person: &Person) -> Result<(), Stop> {
    let failed = |error: portal::Error| Stop::failed(error.to_string());
    let first = portal::first_password().map_err(failed)?;
    let hash = portal::hash_password(&first).map_err(failed)?;
    let set = directory.set_password(person.id, &hash, true, &Actor::System).await;
    set.map_err(|error| cannot("set the password of", &person.address.to_string(), error))?;
    let roles: Vec<&str> = person.roles.iter().map(Role::name).collect();
    say!("{} <{}>, {}", person.name, person.address, roles.join(" and "));
    say!("first password: {first}");
    say!("Pass it on by another channel than mail. It must be changed at {}/login", directory.settings().base_url);
    Ok(())
}

async fn token(directory: &Directory, new: &NewToken) -> Result<(), Stop> {
    let person = find(directory, &new.address).await?;
    let mut scopes = Vec::new();
    for name in &new.scope {
        let names = || Scope::ALL.map(Scope::name).join(", ");
        let scope = Scope::from_name(name);
        scopes.push(scope.ok_or_else(|| Stop::failed(format_args!("{name} is no scope")).hint(names()))?);
    }
    let made = directory.issue_api_token(person.id, &new.name, &scopes, new.days, &Actor::System).await;
    let (secret, token) = made.map_err(|error| cannot("make a token for", &new.address, error))?;
    say!("{}  {token}, for {}, until {}", token.id, person.address, token.expires);
    say!("token: {}", secret.as_str());
    say!("It is shown this once. Send it as Authorization: Bearer, to {}/api/v1", directory.settings().base_url);
    Ok(())
}

async fn tokens(directory: &Directory, tokens: &Tokens) -> Result<(), Stop> {
    let person = match &tokens.address {
        Some(address) => Some(find(directory, address).await?.id),
        None => None,
    };
    let found = directory.api_tokens(person).await.map_err(|error| cannot("list", "tokens", error))?;
    for token in found {
        let owner = directory.person(token.person).await.map_err(|error| cannot("list", "tokens", error))?;
        let owner = owner.map(|owner| owner.address.to_string()).unwrap_or_default();
        let state = match token.revoked {
            Some(at) => format!("revoked {at}"),
            None if token.expires <= directory.now() => format!("over since {}", token.expires),
            None => format!("until {}", token.expires),
        };
        say!("{}  {owner}  {token}, {state}", token.id);
    }
    Ok(())
}

async fn revoke_token(directory: &Directory, revoke: &RevokeToken) -> Result<(), Stop> {
    let failed = |error| cannot("revoke", &revoke.id, error);
    let unknown = |_| {
        Stop::failed(format_args!("{} is not a number of a token", revoke.id)).hint("sealpost people tokens shows them")
    };
    let id = revoke.id.parse().map_err(unknown)?;
    let token = directory.revoke_api_token(id, &Actor::System).await.map_err(failed)?;
    say!("revoked: {token}");
    Ok(())
}

async fn import_key(config: &Config, directory: &Directory, key: &Key) -> Result<(), Stop> {
    let person = find(directory, &key.address).await?;
    let keys = serve::open_keys(config, directory).await?;
    for (private, credential) in files::exportable(&key.identity)? {
        let certificate = credential.certificate();
        let key_use = match key.key_use {
            Some(KeyUseName::Both) => KeyUse::Both,
            Some(KeyUseName::Encrypt) => KeyUse::Encrypt,
            Some(KeyUseName::Sign) => KeyUse::Sign,
            None => use_of(certificate),
        };
        keys.import(person.id, &private.to_pkcs8(), certificate, credential.chain(), key_use, &Actor::System)
            .await
            .map_err(|error| cannot("import a key for", &key.address, error))?;
        say!("imported: the key of {certificate}, good until {}", certificate.validity().not_after);
    }
    Ok(())
}

/// RFC 8550 §4.4.2: the key usage says whether a certificate is for signatures, for encryption, or for both.
fn use_of(certificate: &pki::Certificate) -> KeyUse {
    use pki::KeyUsage;
    let signs = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);
    let encrypts = KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::KEY_AGREEMENT);
    match certificate.key_usage().map(|usage| (usage.intersects(signs), usage.intersects(encrypts))) {
        Some((true, false)) => KeyUse::Sign,
        Some((false, true)) => KeyUse::Encrypt,
        _ => KeyUse::Both,
    }
}

async fn deactivate(directory: &Directory, which: &Which) -> Result<(), Stop> {
    let person = find(directory, &which.address).await?;
    let done = directory.deactivate(person.id, &Actor::System).await;
    done.map_err(|error| cannot("deactivate", &which.address, error))?;
    say!("{} <{}> logs in no more, and nothing is signed for them", person.name, person.address);
    Ok(())
}

async fn list(directory: &Directory, list: &List) -> Result<(), Stop> {
    const PAGE: u32 = 500;
    let roles = list.role.map_or(Role::ALL.to_vec(), |role| vec![role.role()]);
    let mut people: Vec<Person> = Vec::new();
    for role in roles {
        let mut after: Option<String> = None;
        loop {
            let page = directory.people(role, after.as_deref(), PAGE).await;
            let page = page.map_err(|error| cannot("list", role.name(), error))?;
            let Some(last) = page.last() else { break };
            after = Some(last.address.key().to_owned());
            people.extend(page);
        }
    }
    people.sort_by(|one, other| one.address.key().cmp(other.address.key()));
    people.dedup_by(|one, other| one.id == other.id);
    for person in &people {
        let roles: Vec<&str> = person.roles.iter().map(Role::name).collect();
        if list.json {
            let line = json!({
                "address": person.address.to_string(), "name": person.name, "company": person.company,
                "roles": roles, "language": person.language.code(), "active": person.active,
            });
            say!("{line}");
        } else {
            let state = if person.active { "" } else { "  (deactivated)" };
            say!("{}  {}  {}{state}", person.address, person.name, roles.join(", "));
        }
    }
    Ok(())
}

async fn find(directory: &Directory, address: &str) -> Result<Person, Stop> {
    let parsed = read_address(address)?;
    let found = directory.person_at(&parsed).await.map_err(|error| cannot("look up", address, error))?;
    found.ok_or_else(|| Stop::refused(format_args!("{address} is not known")).hint("sealpost people list shows who is"))
}

fn read_address(text: &str) -> Result<Address, Stop> {
    Address::parse(text).map_err(|error| Stop::failed(format_args!("{text}: {error}")))
}

fn cannot(what: &str, whom: &str, error: directory::Error) -> Stop {
    match error {
        directory::Error::AlreadyExists { .. } | directory::Error::NotAllowed { .. } => {
            Stop::refused(format_args!("cannot {what} {whom}: {error}"))
        }
        error => Stop::failed(format_args!("cannot {what} {whom}: {error}")),
    }
}

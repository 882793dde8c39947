//! The configuration: one TOML file, every key documented in `config/reference.toml`.

mod shown;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use shown::without_secrets;

use crate::serve::SecretPlace;

/// Every key with its meaning; `sealpost config reference` prints it, and a test holds it against the types here.
pub(crate) const REFERENCE: &str = include_str!("config/reference.toml");

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) organisation: Organisation,
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    #[serde(default)]
    pub(crate) keys: Keys,
    #[serde(default)]
    pub(crate) renewal: Renewal,
    pub(crate) acme: Option<Acme>,
    pub(crate) trust: Trust,
    #[serde(default)]
    pub(crate) look_up: LookUp,
    #[serde(default)]
    pub(crate) approval: Approval,
    pub(crate) gateway: Gateway,
    #[serde(default)]
    pub(crate) policy: Policy,
    pub(crate) portal: Portal,
    pub(crate) watch: Option<Watch>,
    #[serde(default)]
    pub(crate) log: Log,
    /// The keys that stand in the file, `part.name`.
    #[serde(skip)]
    pub(crate) written: BTreeSet<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watch {
    pub(crate) address: SocketAddr,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organisation {
    pub(crate) name: String,
    pub(crate) domains: Vec<String>,
    pub(crate) intake_address: String,
    pub(crate) notify_from: Option<String>,
    #[serde(default)]
    pub(crate) language: Language,
    #[serde(default = "seven")]
    pub(crate) deadline_days: u16,
    #[serde(default)]
    pub(crate) certificate_sources: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    #[default]
    De,
    En,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    pub(crate) folder: PathBuf,
    pub(crate) s3: Option<S3>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    pub(crate) endpoint: Option<String>,
    pub(crate) bucket: String,
    #[serde(default = "us_east")]
    pub(crate) region: String,
    #[serde(default = "messages")]
    pub(crate) prefix: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) master_key: Option<String>,
    pub(crate) next_master_key: Option<String>,
    #[serde(default)]
    pub(crate) token: Vec<Token>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) label: String,
    pub(crate) module: PathBuf,
    pub(crate) pin: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Renewal {
    pub(crate) house_days: u16,
    pub(crate) validity_days: u16,
    pub(crate) announce: bool,
}

impl Default for Renewal {
    fn default() -> Self {
        let directory::RenewalSettings { house_days, validity_days, announce } = Default::default();
        Self { house_days, validity_days, announce }
    }
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acme {
    pub(crate) server: String,
    #[serde(default)]
    pub(crate) contact: Vec<String>,
    #[serde(default = "system_roots")]
    pub(crate) tls_roots: PathBuf,
    #[serde(default)]
    pub(crate) dns_servers: Vec<SocketAddr>,
    pub(crate) external_account: Option<String>,
    pub(crate) external_account_key: Option<String>,
    #[serde(default = "thirty")]
    pub(crate) renew_days: u16,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    pub(crate) anchors: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) revocation: Revocation,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Revocation {
    Required,
    #[default]
    IfAvailable,
    Off,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookUp {
    pub(crate) tls_roots: Option<PathBuf>,
    #[serde(default)]
    pub(crate) dns_servers: Vec<SocketAddr>,
    #[serde(default)]
    pub(crate) source: Vec<LookUpSource>,
    pub(crate) publish: Option<LdapServer>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookUpSource {
    pub(crate) kind: LookUpKind,
    pub(crate) url: Option<String>,
    pub(crate) base: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) bind_name: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LookUpKind {
    Http,
    Ldap,
    Smimea,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LdapServer {
    pub(crate) url: String,
    pub(crate) base: String,
    pub(crate) filter: Option<String>,
    pub(crate) bind_name: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    #[serde(default)]
    pub(crate) automatic: bool,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    pub(crate) hostname: Option<String>,
    #[serde(default = "hundred_mebibytes")]
    pub(crate) message_bytes: u64,
    #[serde(default = "thousand")]
    pub(crate) connections: u32,
    #[serde(default = "fifty")]
    pub(crate) connections_per_address: u32,
    #[serde(default)]
    pub(crate) listener: Vec<Listener>,
    #[serde(default)]
    pub(crate) milter: Vec<Milter>,
    pub(crate) next_hop: NextHop,
    #[serde(default)]
    pub(crate) incoming: Incoming,
    #[serde(default)]
    pub(crate) intake: Intake,
    pub(crate) loop_mark: Option<LoopMark>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milter {
    pub(crate) address: String,
    pub(crate) side: Side,
    pub(crate) networks: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) log_in: bool,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopMark {
    #[serde(default = "loop_header")]
    pub(crate) header: String,
    pub(crate) inside_secret: String,
    pub(crate) outside_secret: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Intake {
    pub(crate) authentication_results: Option<String>,
    pub(crate) answers_per_hour: u32,
    pub(crate) mailbox: Option<Mailbox>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mailbox {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: String,
    #[serde(default = "inbox")]
    pub(crate) folder: String,
    pub(crate) move_to: Option<String>,
    pub(crate) tls_roots: PathBuf,
    #[serde(default = "two_minutes")]
    pub(crate) look_seconds: u64,
}

impl Mailbox {
    /// Host and port of `imaps://HOST:PORT`.
    pub(crate) fn place(&self) -> Option<(&str, u16)> {
        let (host, port) = self.url.strip_prefix("imaps://")?.rsplit_once(':')?;
        Some((host, port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
    }
}

impl Default for Intake {
    fn default() -> Self {
        let gateway::IntakeSettings { authentication_results, answers_per_hour } = gateway::IntakeSettings::default();
        Self { authentication_results, answers_per_hour, mailbox: None }
    }
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Incoming {
    pub(crate) tampered: Tampered,
    pub(crate) undecryptable: Undecryptable,
    pub(crate) mark_signed: String,
    pub(crate) mark_encrypted: String,
    pub(crate) mark_failed: String,
    pub(crate) keep_signature: bool,
    pub(crate) learn: bool,
    pub(crate) domain_address: Option<String>,
    pub(crate) scanner: Option<String>,
    pub(crate) clean_html: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        let gateway::Incoming { mark_signed, mark_encrypted, mark_failed, keep_signature, learn, .. } =
            gateway::Incoming::default();
        Self {
            tampered: Tampered::default(),
            undecryptable: Undecryptable::default(),
            mark_signed,
            mark_encrypted,
            mark_failed,
            keep_signature,
            learn,
            domain_address: None,
            scanner: None,
            clean_html: false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tampered {
    #[default]
    DeliverMarked,
    Refuse,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Undecryptable {
    #[default]
    DeliverEncrypted,
    Hold,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) side: Side,
    #[serde(default)]
    pub(crate) protocol: Protocol,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) tls_certificate: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(crate) tls_from_start: bool,
    pub(crate) tls_client_roots: Option<PathBuf>,
    #[serde(default)]
    pub(crate) tls_client_names: Vec<String>,
    pub(crate) ticket: Option<String>,
    #[serde(default)]
    pub(crate) log_in: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Inside,
    Outside,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    #[default]
    Smtp,
    Lmtp,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NextHop {
    pub(crate) inside: String,
    pub(crate) outside: String,
    #[serde(default)]
    pub(crate) tls: NextHopTls,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NextHopTls {
    Off,
    #[default]
    Opportunistic,
    Required,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    #[serde(default)]
    pub(crate) sign: Choice,
    #[serde(default)]
    pub(crate) encrypt: Choice,
    #[serde(default)]
    pub(crate) otherwise: Otherwise,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) headers: Headers,
    #[serde(default)]
    pub(crate) rule: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Choice {
    Always,
    #[default]
    IfPossible,
    Never,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Otherwise {
    Clear,
    #[default]
    Hold,
    Refuse,
    Webmailer,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Headers {
    #[default]
    Off,
    NoConfidentiality,
    Baseline,
    Shy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    #[default]
    Outward,
    Within,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    #[default]
    Modern,
    Compatible,
    Energy,
    Bsi,
    Pq,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) from: Vec<String>,
    #[serde(default)]
    pub(crate) to: Vec<String>,
    #[serde(default)]
    pub(crate) direction: Direction,
    #[serde(default)]
    pub(crate) subject_words: Vec<String>,
    pub(crate) header: Option<String>,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    #[serde(default)]
    pub(crate) users: Vec<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    pub(crate) larger_than: Option<u64>,
    pub(crate) smaller_than: Option<u64>,
    pub(crate) sign: Option<Choice>,
    pub(crate) encrypt: Option<Choice>,
    pub(crate) otherwise: Option<Otherwise>,
    pub(crate) profile: Option<Profile>,
    pub(crate) headers: Option<Headers>,
    #[serde(default)]
    pub(crate) also_to: Vec<String>,
    pub(crate) certificate_of: Option<String>,
    pub(crate) banner: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portal {
    pub(crate) address: SocketAddr,
    pub(crate) base_url: String,
    #[serde(default = "mebibyte")]
    pub(crate) upload_bytes: u64,
    #[serde(default = "quarter_gibibyte")]
    pub(crate) upload_memory_bytes: u64,
    #[serde(default = "thirty")]
    pub(crate) idle_minutes: u16,
    #[serde(default = "loopback")]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    #[serde(default)]
    pub(crate) second_factor_for: Vec<PortalRole>,
    #[serde(default)]
    pub(crate) passkeys: Passkeys,
    #[serde(default)]
    pub(crate) forgotten_password: ForgottenPassword,
    #[serde(default = "six_hundred")]
    pub(crate) api_calls_per_minute: u32,
    pub(crate) openid: Option<OpenId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PortalRole {
    Partner,
    Employee,
    Officer,
    Auditor,
    Operator,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Passkeys {
    #[default]
    SecondFactor,
    LogIn,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForgottenPassword {
    #[default]
    ContactPerson,
    MailedLink,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenId {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    #[serde(default = "email")]
    pub(crate) scopes: Vec<String>,
    #[serde(default = "email_claim")]
    pub(crate) address_claim: String,
    pub(crate) roles_claim: Option<String>,
    #[serde(default)]
    pub(crate) roles: OpenIdRoles,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OpenIdRoles {
    pub(crate) employee: Vec<String>,
    pub(crate) officer: Vec<String>,
    pub(crate) auditor: Vec<String>,
    pub(crate) operator: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    #[serde(default)]
    pub(crate) level: LogLevel,
    #[serde(default)]
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Human,
    Json,
}

fn system_roots() -> PathBuf {
    "/etc/ssl/certs/ca-certificates.crt".into()
}
fn loop_header() -> String {
    "X-Sealpost-Loop".to_owned()
}
fn inbox() -> String {
    "INBOX".to_owned()
}
fn two_minutes() -> u64 {
    120
}
fn seven() -> u16 {
    7
}
/// The TLS server before the pages usually runs on the same machine.
fn loopback() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

fn thirty() -> u16 {
    30
}
fn fifty() -> u32 {
    50
}
fn thousand() -> u32 {
    1000
}
fn us_east() -> String {
    "us-east-1".into()
}

fn messages() -> String {
    "messages".into()
}

fn six_hundred() -> u32 {
    600
}
fn email() -> Vec<String> {
    vec!["email".into()]
}
fn email_claim() -> String {
    "email".into()
}
fn quarter_gibibyte() -> u64 {
    256 << 20
}
fn mebibyte() -> u64 {
    1 << 20
}
fn hundred_mebibytes() -> u64 {
    100 << 20
}

/// Why a configuration cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// Line of the file, from 1; `None` when it concerns the file as a whole.
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Config {
    /// Reads and checks a configuration's text.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError {
            line: error.span().map(|span| line_of(text, span.start)),
            what: in_words(error.message()),
        })?;
        config.check().map_err(|what| ConfigError { line: None, what })?;
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        config.written = shown::leaves(&table).into_iter().map(|(name, _)| name).collect();
        Ok(config)
    }

    /// Reads and checks a configuration file; relative paths in it are taken from its folder.
    pub(crate) fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path).map_err(LoadError::Io)?;
        let mut config = Self::parse(&text).map_err(LoadError::Config)?;
        if let Some(folder) = path.parent() {
            config.resolve(folder);
        }
        Ok(config)
    }

    fn resolve(&mut self, folder: &Path) {
        let paths = self.trust.anchors.iter_mut().chain([&mut self.storage.folder]);
        let paths = paths.chain(self.keys.master_key_file.as_mut()).chain(self.look_up.tls_roots.as_mut());
        let paths = paths.chain(self.acme.as_mut().map(|acme| &mut acme.tls_roots));
        let passwords = self.look_up.source.iter_mut().filter_map(|source| source.password_file.as_mut());
        let paths = paths.chain(passwords);
        let paths = paths.chain(self.look_up.publish.as_mut().and_then(|server| server.password_file.as_mut()));
        for path in paths.chain(self.gateway.listener.iter_mut().flat_map(|listener| {
            let Listener { tls_certificate, tls_key, tls_client_roots, .. } = listener;
            tls_certificate.iter_mut().chain(tls_key).chain(tls_client_roots)
        })) {
            *path = folder.join(&*path);
        }
        let secrets = self.keys.master_key.iter_mut().chain(&mut self.keys.next_master_key);
        let secrets = secrets.chain(self.acme.as_mut().and_then(|acme| acme.external_account_key.as_mut()));
        let secrets = secrets.chain(self.portal.openid.as_mut().and_then(|openid| openid.client_secret.as_mut()));
        let secrets = secrets.chain(self.keys.token.iter_mut().map(|token| &mut token.pin));
        if let Some(mailbox) = &mut self.gateway.intake.mailbox {
            mailbox.password = SecretPlace::resolved(&mailbox.password, folder);
            mailbox.tls_roots = folder.join(&mailbox.tls_roots);
        }
        let secrets = secrets.chain(self.storage.s3.as_mut().map(|store| &mut store.secret_key));
        let marks = self.gateway.loop_mark.iter_mut();
        let secrets = secrets.chain(marks.flat_map(|mark| [&mut mark.inside_secret, &mut mark.outside_secret]));
        for secret in secrets.chain(self.gateway.listener.iter_mut().filter_map(|listener| listener.ticket.as_mut())) {
            *secret = SecretPlace::resolved(secret, folder);
        }
        for token in &mut self.keys.token {
            token.module = folder.join(&token.module);
        }
        if let Some(file) = self.database.url.strip_prefix("sqlite:").filter(|file| !file.starts_with('/')) {
            self.database.url = format!("sqlite:{}", folder.join(file).display());
        }
    }

    fn check(&self) -> Result<(), String> {
        let Self { organisation, gateway, portal, .. } = self;
        if organisation.name.trim().is_empty() {
            return Err("organisation.name is empty".into());
        }
        if organisation.domains.is_empty() {
            return Err("organisation.domains is empty: nobody would be inside".into());
        }
        values::domains(&organisation.domains)?;
        let intake_domain = organisation.intake_address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        if !intake_domain.is_some_and(|domain| organisation.domains.iter().any(|own| own.eq_ignore_ascii_case(&domain)))
        {
            return Err(format!(
                "organisation.intake_address {} is not in one of organisation.domains",
                organisation.intake_address
            ));
        }
        if !(1..=90).contains(&organisation.deadline_days) {
            return Err("organisation.deadline_days must be 1 to 90".into());
        }
        if !self.database.url.starts_with("sqlite:")
            && !self.database.url.starts_with("postgres:")
            && !self.database.url.starts_with("postgresql:")
        {
            return Err("database.url must begin with sqlite: or postgres:".into());
        }
        self.check_keys()?;
        if self.trust.anchors.is_empty() {
            return Err("trust.anchors is empty: no certificate would be trusted".into());
        }
        if gateway.listener.is_empty() && gateway.milter.is_empty() {
            return Err("there is no [[gateway.listener]] and no [[gateway.milter]]: no mail would come in".into());
        }
        for milter in &gateway.milter {
            milter.address.parse::<gateway::MilterAddress>().map_err(|error| error.to_string())?;
            if milter.log_in && milter.side == Side::Outside {
                return Err(format!("milter {}: log_in is for mail from inside", milter.address));
            }
        }
        for listener in &gateway.listener {
            if listener.tls_certificate.is_some() != listener.tls_key.is_some() {
                return Err(format!("listener {}: tls_certificate and tls_key go together", listener.address));
            }
            let needs_tls = listener.tls_from_start || listener.log_in || listener.tls_client_roots.is_some();
            if needs_tls && listener.tls_certificate.is_none() {
                return Err(format!(
                    "listener {}: tls_from_start, tls_client_roots and log_in need tls_certificate and tls_key",
                    listener.address
                ));
            }
            if !listener.tls_client_names.is_empty() && listener.tls_client_roots.is_none() {
                return Err(format!("listener {}: tls_client_names need tls_client_roots", listener.address));
            }
            if listener.ticket.as_ref().is_some_and(|place| !is_in_a_file(place)) {
                return Err(format!("listener {}: ticket is not file:PATH or credential:NAME", listener.address));
            }
            if listener.side == Side::Inside && listener.networks.as_ref().is_some_and(Vec::is_empty) {
                return Err(format!(
                    "listener {}: networks = [] lets nobody in: name your mail server's addresses, or leave it out \
                     for this machine only",
                    listener.address
                ));
            }
        }
        self.check_incoming()?;
        let networks = gateway.listener.iter().flat_map(|listener| listener.networks.iter().flatten());
        for network in networks.chain(gateway.milter.iter().flat_map(|milter| milter.networks.iter().flatten())) {
            network.parse::<gateway::Network>().map_err(|error| error.to_string())?;
        }
        for (key, hop) in [("inside", &gateway.next_hop.inside), ("outside", &gateway.next_hop.outside)] {
            next_hop(hop)
                .ok_or_else(|| format!("gateway.next_hop.{key} {hop} is not smtp://HOST:PORT or lmtp://HOST:PORT"))?;
        }
        values::base_url(&portal.base_url)?;
        values::senses(self)?;
        if portal.upload_memory_bytes < portal.upload_bytes {
            return Err(
                "portal.upload_memory_bytes is smaller than portal.upload_bytes: nothing could be sent in".into()
            );
        }
        if let Some(openid) = &portal.openid {
            openid.check()?;
            values::issuer(openid)?;
        }
        if self.policy.otherwise == Otherwise::Clear {
            return Err(
                "policy.otherwise = \"clear\" would let everything leave unprotected; only a rule may say so".into()
            );
        }
        for rule in &self.policy.rule {
            values::rule(rule)?;
            if rule.header.as_ref().is_some_and(|header| !header.contains(':')) {
                return Err(format!(
                    "policy rule {}: header is \"NAME: PART\", or \"NAME:\" for whatever value",
                    rule.name
                ));
            }
            for address in rule.also_to.iter().chain(&rule.certificate_of) {
                pki::EmailAddress::parse(address)
                    .map_err(|error| format!("policy rule {}: {address}: {error}", rule.name))?;
            }
        }
        let mut names: Vec<&str> = self.policy.rule.iter().map(|rule| rule.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!("two policy rules are named {}", pair.first().unwrap_or(&"")));
        }
        Ok(())
    }
}

impl Config {
    fn check_incoming(&self) -> Result<(), String> {
        let Gateway { incoming, loop_mark, intake, .. } = &self.gateway;
        if let Some(mailbox) = &intake.mailbox {
            if mailbox.place().is_none() {
                return Err(format!("gateway.intake.mailbox.url {} is not imaps://HOST:PORT", mailbox.url));
            }
            if !is_in_a_file(&mailbox.password) {
                return Err("gateway.intake.mailbox.password is not file:PATH or credential:NAME".into());
            }
        }
        if let Some(mark) = loop_mark {
            let name = mark.header.as_str();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(format!("gateway.loop_mark.header {name} is not the name of a header field"));
            }
            for (name, secret) in [("inside", &mark.inside_secret), ("outside", &mark.outside_secret)] {
                if !is_in_a_file(secret) {
                    return Err(format!("gateway.loop_mark.{name}_secret is not file:PATH or credential:NAME"));
                }
            }
        }
        if let Some(scanner) = &incoming.scanner {
            scanner
                .parse::<gateway::Scanner>()
                .map_err(|_| format!("gateway.incoming.scanner {scanner} is not clamd://HOST:PORT or clamd:/PATH"))?;
        }
        if let Some(address) = &incoming.domain_address {
            let parsed = pki::EmailAddress::parse(address)
                .map_err(|error| format!("gateway.incoming.domain_address {address}: {error}"))?;
            if !self.organisation.domains.iter().any(|own| own.eq_ignore_ascii_case(parsed.domain())) {
                return Err(format!("gateway.incoming.domain_address {address} is not inside"));
            }
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), String> {
        let keys = &self.keys;
        for (key, text) in [("master_key", &keys.master_key), ("next_master_key", &keys.next_master_key)] {
            let Some(text) = text else { continue };
            match SecretPlace::parse(text) {
                None => return Err(format!("keys.{key} {text} is not file:PATH, credential:NAME or token:LABEL")),
                Some(SecretPlace::Token { label, .. }) if !keys.token.iter().any(|token| token.label == label) => {
                    return Err(format!("keys.{key} is in the token {label}, which no [[keys.token]] describes"));
                }
                Some(_) => {}
            }
        }
        for token in &keys.token {
            if matches!(SecretPlace::parse(&token.pin), None | Some(SecretPlace::Token { .. })) {
                return Err(format!("keys.token {}: pin is not file:PATH or credential:NAME", token.label));
            }
        }
        if let Some(acme) = &self.acme {
            acme.check()?;
        }
        if !(1..=1_185).contains(&self.renewal.validity_days) {
            return Err("renewal.validity_days must be 1 to 1185".into());
        }
        Ok(())
    }
}

impl Acme {
    fn check(&self) -> Result<(), String> {
        if !self.server.starts_with("https://") {
            return Err(format!("acme.server {} is not https://…", self.server));
        }
        if let Some(odd) = self.contact.iter().find(|contact| !contact.starts_with("mailto:")) {
            return Err(format!("acme.contact {odd} is not mailto:ADDRESS"));
        }
        if self.external_account.is_some() != self.external_account_key.is_some() {
            return Err("acme.external_account and acme.external_account_key go together".into());
        }
        match self.external_account_key.as_deref().map(SecretPlace::parse) {
            Some(None | Some(SecretPlace::Token { .. })) => {
                Err("acme.external_account_key is not file:PATH or credential:NAME".into())
            }
            _ => Ok(()),
        }
    }
}

fn is_in_a_file(place: &str) -> bool {
    matches!(SecretPlace::parse(place), Some(SecretPlace::File(_) | SecretPlace::Credential(_)))
}

impl OpenId {
    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.client_id.is_empty() || self.address_claim.is_empty() {
            return Err("portal.openid: name, client_id and address_claim must not be empty".into());
        }
        let OpenIdRoles { employee, officer, auditor, operator } = &self.roles;
        let none = [employee, officer, auditor, operator].into_iter().all(Vec::is_empty);
        if self.roles_claim.is_some() == none {
            return Err("portal.openid: roles_claim and [portal.openid.roles] go together".into());
        }
        match self.client_secret.as_deref().map(|text| (text, SecretPlace::parse(text))) {
            Some((text, None | Some(SecretPlace::Token { .. }))) => {
                Err(format!("portal.openid.client_secret {text} is not file:PATH or credential:NAME"))
            }
            _ => Ok(()),
        }
    }
}

/// Why a configuration file could not be used.
#[derive(Debug)]
pub(crate) enum LoadError {
    Io(std::io::Error),
    Config(ConfigError),
}

/// `smtp://HOST:PORT` or `lmtp://HOST:PORT`, taken apart.
pub(crate) fn next_hop(url: &str) -> Option<(Protocol, &str)> {
    let (protocol, rest) = match url.split_once("://")? {
        ("smtp", rest) => (Protocol::Smtp, rest),
        ("lmtp", rest) => (Protocol::Lmtp, rest),
        _ => return None,
    };
    let (host, port) = rest.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok()).then_some((protocol, rest))
}

fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes().iter().take(position).filter(|&&b| b == b'\n').count() + 1
}

/// The parser's message as one line in our words.
fn in_words(message: &str) -> String {
    let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line
        .replace("unknown field", "there is no key")
        .replace(", expected one of", "; known here:")
        .replace(", expected", "; known here:")
        .replace("missing field", "a key is missing:")
}

#[cfg(test)]
mod tests;

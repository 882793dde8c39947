use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::{RenewalSettings, Role};
use egress::{Fetcher, FetcherLimits, LookUp};
use pki::EmailAddress;

use crate::smtp::{Hop, Protocol, SessionLimits, TlsPolicy};
use crate::{AcmeSettings, LoopMark, MailboxSettings, MilterSettings, Network, Policy, Scanner};

/// Everything that the gateway is told at its start. Whose it is, which domains are inside, the intake address and
/// the trust anchors stand in the directory's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What we call ourselves in greetings, trace fields and `Authentication-Results`.
    pub hostname: String,
    /// Where mail comes in.
    pub listeners: Vec<ListenerSettings>,
    /// Where a mail server asks what to change in mail that it keeps.
    pub milters: Vec<MilterSettings>,
    /// Where mail for people inside goes.
    pub inside: Hop,
    /// Where mail for people outside goes.
    pub outside: Hop,
    /// How long next hops are waited for.
    pub hop_timeouts: HopTimeouts,
    /// Roots for next hops under [`TlsPolicy::Required`], in DER.
    pub tls_roots: Vec<Vec<u8>>,
    /// Who gets what kind of protection.
    pub policy: Policy,
    /// What becomes of incoming mail that does not hold what it claims.
    pub incoming: Incoming,
    /// Connections at once, over all listeners.
    pub connections: u32,
    /// Connections at once from one address.
    pub connections_per_address: u32,
    /// What one session may use up.
    pub limits: SessionLimits,
    /// Where large messages wait, encrypted.
    pub spool_folder: PathBuf,
    /// Where the bodies of webmailer messages are kept; without it nothing goes to the webmailer.
    pub messages: Option<directory::MessagePlace>,
    /// The name of this process among those that share a directory.
    pub worker: String,
    /// Seconds between two looks at the outbox.
    pub outbox_seconds: u64,
    /// Seconds between two looks at deadlines and at what has run out.
    pub schedule_seconds: u64,
    /// How certificates of the people inside are renewed.
    pub renewal: RenewalSettings,
    /// How mail to the intake address is answered.
    pub intake: IntakeSettings,
    /// How CAs that speak ACME are reached; without it nothing is ordered there and no mail of theirs is answered.
    pub acme: Option<AcmeSettings>,
    /// A mailbox that mail to the intake address goes into, where it does not come by here.
    pub mailbox: Option<MailboxSettings>,
    /// Who is asked for certificates of people who are written to and have none here.
    pub look_up: Option<Arc<LookUp>>,
    /// Whoever has one of these roles needs a second factor, and submits mail with a token for it.
    pub second_factor_for: Vec<Role>,
    /// Fetches what certificates point to, about revocation.
    pub fetcher: Arc<Fetcher>,
    /// How long a mail waits in its session for what is fetched about its signer, where revocation is required.
    pub inquiry: Duration,
    /// What mail that leaves us carries, where a mail server gives us mail and takes it back.
    pub loop_mark: Option<LoopMark>,
}

/// How long next hops are waited for, each time.
#[derive(Debug, Clone, Copy)]
pub struct HopTimeouts {
    /// For connecting, with TLS.
    pub connect: Duration,
    /// For each answer (RFC 5321 §4.5.3.2: 5 minutes), and until a piece of content is taken.
    pub answer: Duration,
    /// For the answer after the content (RFC 5321 §4.5.3.2.6: 10 minutes).
    pub delivered: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

impl Default for HopTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            answer: Duration::from_secs(300),
            delivered: Duration::from_secs(600),
            idle: Duration::from_secs(20),
        }
    }
}

/// How mail to the intake address is answered.
#[derive(Debug, Clone)]
pub struct IntakeSettings {
    /// The name under which the mail server before us writes `Authentication-Results`. When it is set, only mail that
    /// passed SPF, DKIM or DMARC there, or is signed, is answered: others may be forged (CASES T-74).
    pub authentication_results: Option<String>,
    /// Answers in an hour to senders who proved nothing.
    pub answers_per_hour: u32,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self { authentication_results: None, answers_per_hour: 60 }
    }
}

/// A way in.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whose mail comes in here.
    pub side: Side,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Who may connect; when empty, everybody from outside, and this machine alone from inside.
    pub networks: Vec<Network>,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Roots in PEM: when they are set, only clients with a certificate below one of them are spoken to, under TLS.
    pub tls_clients: Option<PathBuf>,
    /// Of those clients only the ones whose certificate is for one of these names; whichever when empty.
    pub tls_client_names: Vec<String>,
    /// What mail must carry in `X-Sealpost-Ticket` to be taken here; the field is taken out.
    pub ticket: Option<String>,
    /// TLS from the start.
    pub implicit_tls: bool,
    /// Whether a client must log in (AUTH PLAIN under TLS); who it is then decides whose key signs.
    pub authentication: bool,
}

/// Whose mail comes in at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From the people of the organisation, by their mail server: it is signed and encrypted.
    Inside,
    /// From the world: it is decrypted and verified, and only for domains inside.
    Outside,
}

/// What becomes of incoming mail that does not hold what it claims.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Mail whose signature does not hold.
    pub tampered: Tampered,
    /// Mail that none of the recipient's keys opens.
    pub undecryptable: Undecryptable,
    /// What is put before the subject of mail with an accepted signature; empty for nothing.
    pub mark_signed: String,
    /// What is put before the subject of mail that was encrypted and has no accepted signature; empty for nothing.
    pub mark_encrypted: String,
    /// What is put before the subject of mail whose signature does not hold; empty for nothing.
    pub mark_failed: String,
    /// Leave signatures on, so that the recipient's own program can verify them too.
    pub keep_signature: bool,
    /// Take signers' certificates as candidates.
    pub learn: bool,
    /// Whose keys open mail for everybody inside as well: those of the house's domain or gateway certificate.
    pub domain_address: Option<EmailAddress>,
    /// Who looks at what was decrypted before it is delivered.
    pub scanner: Option<Scanner>,
    /// Take out of HTML that was decrypted what it would fetch, and show what it hides.
    pub clean_html: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            tampered: Tampered::default(),
            undecryptable: Undecryptable::default(),
            mark_signed: "[signed]".into(),
            mark_encrypted: "[encrypted, sender not proven]".into(),
            mark_failed: "[signature invalid]".into(),
            keep_signature: false,
            learn: true,
            domain_address: None,
            scanner: None,
            clean_html: false,
        }
    }
}

/// What becomes of mail whose signature does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tampered {
    /// Delivered, with the verdict and a mark.
    #[default]
    DeliverMarked,
    /// Refused, naming the layer and the reason.
    Refuse,
}

/// What becomes of mail that cannot be decrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Undecryptable {
    /// Delivered as it came, still encrypted.
    #[default]
    DeliverEncrypted,
    /// Held.
    Hold,
}

impl Settings {
    /// What suits one machine: nothing listens yet.
    pub fn new(hostname: &str, inside: Hop, outside: Hop, spool_folder: impl Into<PathBuf>) -> Self {
        Self {
            hostname: hostname.to_owned(),
            listeners: Vec::new(),
            milters: Vec::new(),
            inside,
            outside,
            hop_timeouts: HopTimeouts::default(),
            tls_roots: Vec::new(),
            policy: Policy::default(),
            incoming: Incoming::default(),
            connections: 1_000,
            connections_per_address: 50,
            limits: SessionLimits::default(),
            spool_folder: spool_folder.into(),
            messages: None,
            worker: worker(hostname),
            outbox_seconds: 2,
            schedule_seconds: 60,
            renewal: RenewalSettings::default(),
            intake: IntakeSettings::default(),
            acme: None,
            mailbox: None,
            look_up: None,
            second_factor_for: Vec::new(),
            fetcher: Arc::new(Fetcher::new(FetcherLimits::default())),
            inquiry: Duration::from_secs(8),
            loop_mark: None,
        }
    }

    /// With one more way in.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr, side: Side, protocol: Protocol) -> Self {
        self.listeners.push(ListenerSettings {
            address,
            side,
            protocol,
            networks: Vec::new(),
            tls: None,
            tls_clients: None,
            tls_client_names: Vec::new(),
            ticket: None,
            implicit_tls: false,
            authentication: false,
        });
        self
    }
}

/// Whoever shares a directory is told apart by it: hosts behind one name have the same process numbers, containers above
/// all, and two that are taken for one would hold each lease together (CASES R-13).
fn worker(hostname: &str) -> String {
    // The standard library's own randomness: it has to differ, and nobody has to be unable to guess it.
    let random = RandomState::new().build_hasher().finish();
    format!("{hostname}/{}/{random:016x}", std::process::id())
}

impl Hop {
    /// A hop on loopback, without TLS.
    pub fn plain(protocol: Protocol, address: SocketAddr) -> Self {
        Self { protocol, host: address.ip().to_string(), port: address.port(), tls: TlsPolicy::Off }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn r_13_whoever_shares_a_directory_has_a_name_of_its_own() {
        let hop = || Hop::plain(Protocol::Smtp, SocketAddr::from((Ipv4Addr::LOCALHOST, 25)));
        let settings = || Settings::new("gate.example", hop(), hop(), "/nowhere");
        assert_ne!(settings().worker, settings().worker);
    }
}

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cms::{Spool, SpoolLimits};
use crypto::DigestAlgorithm;
use mime::Header;
use pki::EmailAddress;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::book::{Book, MessageKey, Unavailable};
use crate::decide::{Action, Known, Snapshot, decide, groups};
use crate::facts::{Facts, Protection};
use crate::incoming::{self, Opened};
use crate::smtp::{
    Caps, Client, ClientSettings, Envelope, Hop, Listening, Peer, Recipient, Reply, Server, ServerTls, Service,
    client_config,
};
use crate::{Error, ListenerSettings, Settings, Side, outgoing, trace};

/// A gateway that is running.
#[derive(Debug)]
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    shutdown: watch::Sender<bool>,
    servers: JoinSet<()>,
}

impl Gateway {
    /// Binds all listeners, then serves.
    pub async fn start<B: Book>(settings: Settings, book: B) -> Result<Self, Error> {
        let (shutdown, _) = watch::channel(false);
        let caps = Caps::new(settings.connections, settings.connections_per_address);
        let client = |hop: &Hop| -> Result<Client, Error> {
            Ok(Client::new(
                hop.clone(),
                ClientSettings {
                    hostname: settings.hostname.clone(),
                    connect: Duration::from_secs(30),
                    answer: Duration::from_secs(300),
                    delivered: Duration::from_secs(600),
                    idle: Duration::from_secs(20),
                    spare: 16,
                    tls_opportunistic: client_config(None)?,
                    tls_required: client_config(Some(&settings.tls_roots))?,
                },
            ))
        };
        let shared = Arc::new(Shared {
            inside: client(&settings.inside)?,
            outside: client(&settings.outside)?,
            settings: settings.clone(),
            book,
        });
        let mut bound = Vec::new();
        for listener in &settings.listeners {
            let server = Server::bind(listener.address, listening(&settings, listener)?).await?;
            bound.push((server, listener.side));
        }
        let addresses = bound.iter().map(|(server, _)| server.address()).collect();
        let mut servers = JoinSet::new();
        for (server, side) in bound {
            let service = Arc::new(Way { side, shared: Arc::clone(&shared) });
            servers.spawn(server.serve(service, Arc::clone(&caps), shutdown.subscribe(), GRACE));
        }
        Ok(Self { addresses, shutdown, servers })
    }

    /// Where it listens, in the order of the settings, with real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no new connections, lets each session finish its message, and ends (CASES R-16).
    pub async fn shutdown(mut self) {
        self.shutdown.send_replace(true);
        while self.servers.join_next().await.is_some() {}
    }
}

/// How long sessions may take to finish their message at shutdown.
const GRACE: Duration = Duration::from_secs(25);

fn listening(settings: &Settings, listener: &ListenerSettings) -> Result<Listening, Error> {
    let tls = listener.tls.as_ref().map(|(certificate, key)| ServerTls::load(certificate, key)).transpose()?;
    if listener.implicit_tls && tls.is_none() {
        return Err(Error::Settings { what: format!("{} wants TLS and has no certificate", listener.address) });
    }
    Ok(Listening {
        tls,
        implicit_tls: listener.implicit_tls,
        auth: listener.authentication,
        auth_required: listener.authentication,
        networks: listener.networks.clone(),
        limits: settings.limits.clone(),
        ..Listening::new(&settings.hostname, listener.protocol, &settings.spool_folder)
    })
}

#[derive(Debug)]
struct Shared<B> {
    settings: Settings,
    book: B,
    inside: Client,
    outside: Client,
}

/// One side's service.
#[derive(Debug)]
struct Way<B> {
    side: Side,
    shared: Arc<Shared<B>>,
}

impl<B: Book> Service for Way<B> {
    async fn recipient(&self, _: &Peer, _: &Envelope, to: &Recipient) -> Result<(), Reply> {
        // CASES T-83: nothing comes in that some server behind us would route out again.
        if to.to.routes() {
            return Err(Reply::new(550, "5.7.1", "addresses inside addresses are not taken"));
        }
        match self.side {
            Side::Outside if !self.shared.book.is_inside(to.to.mailbox()) => {
                Err(Reply::new(550, "5.7.1", "mail for this domain is not taken here"))
            }
            _ => Ok(()),
        }
    }

    async fn message(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> Vec<Reply> {
        let result = match self.side {
            Side::Inside => self.shared.outgoing(peer, envelope, content).await,
            Side::Outside => self.shared.incoming(peer, envelope, content).await,
        };
        result.unwrap_or_else(|reply| vec![reply; envelope.recipients.len()])
    }
}

impl From<Unavailable> for Reply {
    fn from(error: Unavailable) -> Self {
        tracing::error!(because = %error.because, "the directory cannot be asked");
        Self::new(451, "4.3.0", "the directory cannot be asked now; the mail is kept and tried again")
    }
}

impl<B: Book> Shared<B> {
    async fn outgoing(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> Result<Vec<Reply>, Reply> {
        let (mail, facts) = self.read(peer, envelope, content).await?;
        let key = message_key(envelope, &mail);
        let identity = match &peer.user {
            Some(user) => EmailAddress::parse(user).ok(),
            None => envelope.from.mailbox().cloned(),
        };
        let identity = identity.filter(|identity| self.book.is_inside(identity));
        let credential = match &identity {
            Some(identity) => self.book.signing(identity).await?,
            None => None,
        };
        let mut recipients = BTreeMap::new();
        for recipient in &envelope.recipients {
            let to = recipient.to.mailbox();
            let inside = self.book.is_inside(to);
            let certificates = if inside { Vec::new() } else { self.book.certificates(to).await? };
            recipients.insert(to.canonical(), Known { inside, certificates, unusable: Vec::new() });
        }
        let known = Snapshot {
            signing: credential.as_ref().map(|credential| credential.certificate().clone()),
            identity,
            recipients,
            webmailer: false,
        };
        let plans = decide(&facts, &envelope.recipients, &known, &self.settings.policy);
        for plan in &plans {
            tracing::info!(to = %plan.recipient.to, action = plan.action.name(), rule = %plan.rule, "planned");
        }
        let done = self.book.delivered(&key).await?;
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        let now = self.book.now();
        for group in groups(plans) {
            let made = match &group.action {
                Action::Hold(reply) | Action::Refuse(reply) => Err(reply.clone()),
                Action::Webmailer => Err(Reply::new(451, "4.3.0", "the webmailer does not take mail now")),
                Action::Untouched => Ok(mail.clone()),
                Action::Deliver(treatment) => {
                    let (mail, treatment, credential) = (mail.clone(), treatment.clone(), credential.clone());
                    tokio::task::spawn_blocking(move || outgoing::protect(&mail, &treatment, credential.as_ref(), now))
                        .await
                        .unwrap_or_else(|_| Err(broke_off()))
                }
            };
            let message = match made {
                Ok(message) => message,
                Err(reply) => {
                    for (index, _) in &group.members {
                        set(&mut replies, *index, reply.clone());
                    }
                    continue;
                }
            };
            for (client, inside) in [(&self.inside, true), (&self.outside, false)] {
                let members = group.members.iter().filter(|(_, r)| self.book.is_inside(r.to.mailbox()) == inside);
                let (had, left): (Vec<_>, Vec<_>) =
                    members.partition(|(_, recipient)| done.contains(&recipient.to.mailbox().canonical()));
                for (index, _) in had {
                    set(&mut replies, *index, Reply::new(250, "2.1.5", "delivered before"));
                }
                self.send(client, peer, envelope, &message, &left, &key, &mut replies).await?;
            }
        }
        Ok(replies)
    }

    async fn incoming(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> Result<Vec<Reply>, Reply> {
        let (mail, facts) = self.read(peer, envelope, content).await?;
        if facts.hops > crate::decide::MOST_HOPS {
            return Err(Reply::new(554, "5.4.6", "the message goes round in circles"));
        }
        let key = message_key(envelope, &mail);
        let done = self.book.delivered(&key).await?;
        let mut policy = smime::Policy::new(
            self.book.anchors().await?,
            self.book.now(),
            smime::Limits::in_folder(&self.settings.spool_folder),
        );
        policy.limits.spool = self.spool_limits();
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        // A signature is the same for all; an encrypted mail is opened for each recipient by itself (CASES T-28).
        let alone = facts.protection != Protection::Signed && facts.protection != Protection::None;
        let everybody: Vec<(usize, Recipient)> = envelope.recipients.iter().cloned().enumerate().collect();
        let sets: Vec<Vec<(usize, Recipient)>> =
            if alone { everybody.into_iter().map(|one| vec![one]).collect() } else { vec![everybody] };
        for members in sets {
            let (had, left): (Vec<_>, Vec<_>) =
                members.into_iter().partition(|(_, recipient)| done.contains(&recipient.to.mailbox().canonical()));
            for (index, _) in had {
                set(&mut replies, index, Reply::new(250, "2.1.5", "delivered before"));
            }
            let keys = match left.as_slice() {
                [] => continue,
                [(_, recipient)] if facts.protection != Protection::None => {
                    self.book.decryption(recipient.to.mailbox()).await?
                }
                _ => Vec::new(),
            };
            let (policy, settings) = (policy.clone(), self.settings.incoming.clone());
            let (mut spool, hostname) = (self.spool(&mail)?, self.settings.hostname.clone());
            let opened =
                tokio::task::spawn_blocking(move || incoming::open(&mut spool, &keys, &policy, &settings, &hostname))
                    .await
                    .unwrap_or_else(|_| Err(broke_off()));
            let left: Vec<&(usize, Recipient)> = left.iter().collect();
            match opened {
                Ok(opened) => {
                    tracing::info!(smime = opened.verdict.result.as_str(), "judged");
                    self.learn(&facts, &opened).await;
                    self.send(&self.inside, peer, envelope, &opened.content, &left, &key, &mut replies).await?;
                }
                Err(reply) => left.iter().for_each(|(index, _)| set(&mut replies, *index, reply.clone())),
            }
        }
        Ok(replies)
    }

    /// What cannot be learnt now comes with the next mail: it does not hold this one.
    async fn learn(&self, facts: &Facts, opened: &Opened) {
        let Some(from) = facts.visible_from.as_ref().filter(|_| self.settings.incoming.learn) else { return };
        for signer in &opened.signers {
            let learnt = self.book.learn(from, &signer.certificate, signer.capabilities.as_deref(), signer.signed);
            if let Err(error) = learnt.await {
                tracing::warn!(because = %error.because, "a certificate was not learnt");
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one attempt at one hop; a struct would name the same things again")]
    async fn send(
        &self,
        client: &Client,
        peer: &Peer,
        envelope: &Envelope,
        message: &[u8],
        to: &[&(usize, Recipient)],
        key: &MessageKey,
        replies: &mut [Reply],
    ) -> Result<(), Reply> {
        if to.is_empty() {
            return Ok(());
        }
        let mut with_trace = trace::received(peer, &self.settings.hostname, self.book.now()).raw().to_vec();
        with_trace.extend_from_slice(message);
        let mut spool = self.spool(&with_trace)?;
        let part = envelope.with_recipients(to.iter().map(|(_, recipient)| recipient.clone()).collect());
        let answers = client.send(&part, &mut spool).await;
        for ((index, recipient), answer) in to.iter().zip(answers) {
            if answer.is_positive() && envelope.recipients.len() > 1 {
                // The hop has it: a journal that cannot be written costs a second copy, never the mail.
                if let Err(error) = self.book.record_delivery(key, recipient.to.mailbox()).await {
                    tracing::error!(because = %error.because, "a delivery was not recorded");
                }
            }
            set(replies, *index, answer);
        }
        Ok(())
    }

    async fn read(&self, peer: &Peer, envelope: &Envelope, mut content: Spool) -> Result<(Vec<u8>, Facts), Reply> {
        let mut mail = Vec::new();
        content.reader().and_then(|mut reader| reader.read_to_end(&mut mail)).map_err(|_| broke_off())?;
        let (header, body) = Header::parse(&mail, &mime::Limits::default())
            .map_err(|error| Reply::new(550, "5.6.0", format!("the message's header cannot be read: {error}")))?;
        let beginning = body.get(..body.len().min(4_096)).unwrap_or_default();
        let facts = Facts::of(envelope, peer, &header, beginning, &content);
        Ok((mail, facts))
    }

    fn spool_limits(&self) -> SpoolLimits {
        SpoolLimits { memory: self.settings.limits.memory_bytes, ..SpoolLimits::in_folder(&self.settings.spool_folder) }
    }

    fn spool(&self, mail: &[u8]) -> Result<Spool, Reply> {
        let mut spool = Spool::new(self.spool_limits());
        spool.write_all(mail).map_err(|_| Reply::new(452, "4.3.1", "the message cannot be stored now"))?;
        Ok(spool)
    }
}

fn set(replies: &mut [Reply], index: usize, reply: Reply) {
    if let Some(place) = replies.get_mut(index) {
        *place = reply;
    }
}

fn unhandled() -> Reply {
    Reply::new(451, "4.3.0", "the message was not handled")
}

fn broke_off() -> Reply {
    Reply::new(451, "4.3.0", "the work on the message broke off")
}

/// The same envelope with the same content is a retry. Each part is preceded by its length, so that no two different
/// envelopes are one text.
fn message_key(envelope: &Envelope, mail: &[u8]) -> MessageKey {
    let mut hasher = crypto::Hasher::new(DigestAlgorithm::Sha256);
    let mut add = |part: &[u8]| {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    };
    add(envelope.from.as_str().as_bytes());
    for recipient in &envelope.recipients {
        add(recipient.to.mailbox().canonical().as_bytes());
    }
    add(b"");
    add(mail);
    let digest = hasher.finish();
    let mut key = [0; 32];
    key.copy_from_slice(digest.octets().get(..32).unwrap_or(&[0; 32]));
    MessageKey(key)
}

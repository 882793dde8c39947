use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cms::{Spool, SpoolLimits};
use crypto::KeyKind;
use directory::{Actor, Address, KeyUse, Language, MasterKey, NewPerson, Role, Roles};
use gateway::maildir::Maildirs;
use gateway::smtp::{
    Caps, Client, ClientSettings, Envelope, Hop, Listening, Protocol, Reply, Server, TlsPolicy, client_config,
};
use pki::{EmailAddress, Subject};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::cast::{Authority, DOMAIN, EMPLOYEES, IDENTITY_PASSWORD, INTAKE, KARL, ORGANISATION, Partner};
use super::mailbox::Mailbox;
use crate::cli;
use crate::config::Config;
use crate::files;
use crate::outcome::{Doing, Stop};
use crate::serve::Running;

/// Everything that the story needs: the program under its configuration, the mailboxes, and the partners' keys.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    running: Running,
    inside: SocketAddr,
    outside: SocketAddr,
    pub(super) base_url: String,
    pub(super) maildirs: Maildirs,
    pub(super) nora: Partner,
    pub(super) jan: Partner,
    mailboxes: watch::Sender<bool>,
}

impl Stage {
    /// Makes organisation, CAs, people and mailboxes in `folder`, and starts the program.
    pub(super) fn set(runtime: &Runtime, folder: &Path, smtp_port: u16, http_port: u16) -> Result<Self, Stop> {
        let database = folder.join("sealpost.db");
        if database.exists() {
            return Err(Stop::failed(format_args!("{} has a demo in it already", folder.display()))
                .hint("name an empty folder, or leave --data out"));
        }
        let now = files::now();
        for part in ["trust", "identities", "mail", "queue"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).doing(format_args!("make the folder {}", part.display()))?;
        }
        let house = Authority::new(ORGANISATION, now)?;
        let official = Authority::new("Beispiel Trust Services", now)?;
        house.publish(&folder.join("trust/house-root.pem"))?;
        official.publish(&folder.join("trust/official-root.pem"))?;
        let identities = folder.join("identities");
        let nora =
            official.partner(&identities, "Nora Lindner", "nora@kanzlei-lindner.example", KeyKind::Rsa3072, now)?;
        let jan = official.partner(&identities, "Jan de Vries", "jan@devries.example", KeyKind::P256, now)?;

        let maildirs = Maildirs::new(folder.join("mail"));
        let (mailboxes, stop) = watch::channel(false);
        let sink = runtime.block_on(deliver_into(&maildirs, folder, stop))?;
        let inside_port = free_port(smtp_port)?;
        let outside_port = free_port(if smtp_port == 0 { 0 } else { smtp_port.saturating_add(1) })?;
        let http_port = free_port(http_port)?;
        let base_url = format!("http://127.0.0.1:{http_port}");
        let text = CONFIGURATION
            .replace("{organisation}", ORGANISATION)
            .replace("{domain}", DOMAIN)
            .replace("{intake}", INTAKE)
            .replace("{inside}", &inside_port.to_string())
            .replace("{outside}", &outside_port.to_string())
            .replace("{http}", &http_port.to_string())
            .replace("{sink}", &sink.to_string());
        let file = folder.join("sealpost.toml");
        files::write(&file, text.as_bytes())?;
        MasterKey::load_or_create(&folder.join("master.key"))
            .map_err(|error| Stop::failed(format_args!("cannot make the master key: {error}")))?;
        let config = crate::commands::config::load(&file)?;
        let running = runtime.block_on(Self::people(&config, &house, now))?;
        let [inside, outside] = *running.mail_addresses() else {
            return Err(Stop::failed("the gateway does not listen on both sides"));
        };
        let everybody = EMPLOYEES.iter().map(|employee| employee.address).chain([INTAKE, KARL.1]);
        for address in everybody.chain([nora.address.to_string().as_str(), jan.address.to_string().as_str()]) {
            let address = EmailAddress::parse(address).map_err(|error| Stop::failed(error.to_string()))?;
            maildirs.create(&address).doing("make a mailbox")?;
        }
        Ok(Self { folder: folder.to_owned(), running, inside, outside, base_url, maildirs, nora, jan, mailboxes })
    }

    /// Starts the program, adds the employees, and gives each a password, a certificate and a key.
    async fn people(config: &Config, house: &Authority, now: asn1::Time) -> Result<Running, Stop> {
        let cannot = |error: directory::Error| Stop::failed(format_args!("cannot set the stage: {error}"));
        let running = Running::start(config, cli::Role::All).await?;
        let directory = running.directory();
        let keys = running.keys().ok_or_else(|| Stop::failed("there is no key ring"))?;
        for employee in EMPLOYEES {
            let roles = [Role::Employee].into_iter().chain(employee.officer.then_some(Role::Officer));
            let address = Address::parse(employee.address).map_err(cannot)?;
            let new = NewPerson {
                address: address.clone(),
                name: employee.name(),
                company: None,
                language: Language::German,
                roles: Roles::of(roles),
                contact: None,
            };
            let person = directory.add_person(new, &Actor::System).await.map_err(cannot)?;
            let hash = portal::hash_password(employee.password).map_err(|error| Stop::failed(error.to_string()))?;
            directory.set_password(person.id, &hash, false, &Actor::System).await.map_err(cannot)?;
            let subject = Subject::person(employee.given_name, employee.surname).of(ORGANISATION);
            let (credential, pkcs8) = house.issue(subject, address.email(), KeyKind::Rsa3072, now)?;
            keys.import(person.id, &pkcs8, credential.certificate(), credential.chain(), KeyUse::Both, &Actor::System)
                .await
                .map_err(cannot)?;
        }
        Ok(running)
    }

    pub(super) fn directory(&self) -> &directory::Directory {
        self.running.directory()
    }

    /// Roots that the partners' mail programs trust.
    pub(super) fn anchors(&self) -> Result<pki::TrustAnchors, String> {
        files::anchors(&[self.folder.join("trust")]).map_err(|_| "the trusted roots cannot be read".to_owned())
    }

    pub(super) fn mailbox(&self, address: &EmailAddress) -> Mailbox {
        Mailbox::open(&self.maildirs, address)
    }

    /// Where spooled content of the story's mail programs goes.
    pub(super) fn limits(&self) -> smime::Limits {
        smime::Limits::in_folder(&self.folder)
    }

    /// The house's mail server sends for an employee: what is not taken stays in its queue.
    pub(super) fn send_from_inside(
        &self,
        runtime: &Runtime,
        from: &EmailAddress,
        to: &[&EmailAddress],
        mail: &[u8],
    ) -> Result<(Vec<Reply>, PathBuf), String> {
        let queued = Queued::put(&self.folder.join("queue"), from, to, mail).map_err(|error| error.to_string())?;
        let replies = runtime.block_on(queued.attempt(self.inside, &self.folder))?;
        Ok((replies, queued.file))
    }

    /// A partner's mail server sends to the house.
    pub(super) fn send_from_outside(
        &self,
        runtime: &Runtime,
        from: &EmailAddress,
        to: &EmailAddress,
        mail: &[u8],
    ) -> Result<Reply, String> {
        let replies = runtime.block_on(send(self.outside, from, std::slice::from_ref(to), mail, &self.folder))?;
        replies.into_iter().next().ok_or_else(|| "there was no answer".to_owned())
    }

    /// As every mail server: what was held is tried again, for as long as the demonstration stays up.
    pub(super) async fn keep_trying(&self) -> Infallible {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let Ok(queue) = Queued::all(&self.folder.join("queue")) else { continue };
            for queued in queue {
                if let Ok(replies) = queued.attempt(self.inside, &self.folder).await
                    && replies.iter().all(Reply::is_positive)
                {
                    say!("the mail that was held has left: {}", queued.file.display());
                }
            }
        }
    }

    pub(super) fn introduce(&self) {
        say!("{ORGANISATION} and its partners, all on this machine");
        say!("  folder     {}", self.folder.display());
        say!("  mail       {} from the house, {} from outside", self.inside, self.outside);
        say!("  pages      {}", self.base_url);
    }

    pub(super) fn explain(&self) {
        say!("\nIt stays up. The same steps by hand, in a browser at {}:", self.base_url);
        say!("  how-to page             {}/", self.base_url);
        say!("  log in                  {}/login", self.base_url);
        say!("  partner                 {}  password  {}", self.nora.address, super::story::NORAS_PASSWORD);
        for employee in EMPLOYEES {
            let who = if employee.officer { "officer" } else { "employee" };
            say!("  {who:<23} {}  password  {}", employee.address, employee.password);
        }
        say!("Mail by hand:");
        say!("  from the house          smtp://{}", self.inside);
        say!("  from outside            smtp://{}", self.outside);
        say!("  mailboxes               {}", self.folder.join("mail").display());
        say!(
            "  the partners' keys      {} (the .p12 files open with: {IDENTITY_PASSWORD})",
            self.folder.join("identities").display()
        );
        say!("  configuration           {}", self.folder.join("sealpost.toml").display());
        say!("  read a mail             sealpost decrypt --identity {} MAIL", self.nora.identity.display());
        say!("Ctrl-C ends it.");
    }

    pub(super) fn strike(self, runtime: &Runtime) {
        runtime.block_on(self.running.shutdown());
        self.mailboxes.send_replace(true);
    }
}

/// A mail in the queue of the house's mail server: a file with the envelope before it.
#[derive(Debug)]
struct Queued {
    file: PathBuf,
    from: EmailAddress,
    to: Vec<EmailAddress>,
    mail: Vec<u8>,
}

impl Queued {
    fn put(folder: &Path, from: &EmailAddress, to: &[&EmailAddress], mail: &[u8]) -> std::io::Result<Self> {
        let mut file = tempfile::Builder::new().prefix("mail-").suffix(".queued").tempfile_in(folder)?;
        writeln!(file, "{from}")?;
        let recipients: Vec<String> = to.iter().map(ToString::to_string).collect();
        writeln!(file, "{}", recipients.join(" "))?;
        file.write_all(mail)?;
        file.as_file().sync_all()?;
        let (_, path) = file.keep().map_err(|error| error.error)?;
        Ok(Self { file: path, from: from.clone(), to: to.iter().map(|&to| to.clone()).collect(), mail: mail.to_vec() })
    }

    fn all(folder: &Path) -> std::io::Result<Vec<Self>> {
        let mut queue = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            queue.extend(Self::read(entry?.path()));
        }
        Ok(queue)
    }

    fn read(file: PathBuf) -> Option<Self> {
        let bytes = std::fs::read(&file).ok()?;
        let mut lines = bytes.splitn(3, |&octet| octet == b'\n');
        let from = EmailAddress::parse(std::str::from_utf8(lines.next()?).ok()?).ok()?;
        let to = std::str::from_utf8(lines.next()?).ok()?;
        let to = to.split(' ').map(EmailAddress::parse).collect::<Result<_, _>>().ok()?;
        let mail = lines.next()?.to_vec();
        Some(Self { file, from, to, mail })
    }

    /// Tries it once. The file goes when everybody's server has taken the mail, and never before.
    async fn attempt(&self, gateway: SocketAddr, folder: &Path) -> Result<Vec<Reply>, String> {
        let replies = send(gateway, &self.from, &self.to, &self.mail, folder).await?;
        if replies.iter().all(Reply::is_positive) {
            std::fs::remove_file(&self.file).map_err(|error| error.to_string())?;
        }
        Ok(replies)
    }
}

async fn send(
    to_gateway: SocketAddr,
    from: &EmailAddress,
    to: &[EmailAddress],
    mail: &[u8],
    folder: &Path,
) -> Result<Vec<Reply>, String> {
    let tls = client_config(None).map_err(|error| error.to_string())?;
    let wait = Duration::from_secs(30);
    let settings = ClientSettings {
        hostname: "mail.demo.example".into(),
        connect: wait,
        answer: wait,
        delivered: wait,
        idle: wait,
        spare: 0,
        tls_opportunistic: Arc::clone(&tls),
        tls_required: tls,
    };
    let hop = Hop {
        protocol: Protocol::Smtp,
        host: to_gateway.ip().to_string(),
        port: to_gateway.port(),
        tls: TlsPolicy::Off,
    };
    let mut spool = Spool::new(SpoolLimits::in_folder(folder));
    spool.write_all(mail).map_err(|error| error.to_string())?;
    let envelope = Envelope::new(from.clone(), to.iter().cloned());
    Ok(Client::new(hop, settings).send(&envelope, &mut spool).await)
}

/// Everybody's mailboxes, behind LMTP: where the mail of this demonstration ends.
async fn deliver_into(maildirs: &Maildirs, folder: &Path, stop: watch::Receiver<bool>) -> Result<SocketAddr, Stop> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listening = Listening::new("mailboxes.demo.example", Protocol::Lmtp, folder);
    let server = Server::bind(any, listening).await.map_err(|error| Stop::failed(error.to_string()))?;
    let address = server.address();
    tokio::spawn(server.serve(Arc::new(maildirs.clone()), Caps::new(100, 100), stop, Duration::from_secs(1)));
    Ok(address)
}

/// A port that nobody listens on: this one, or any for 0. The pages' address has to be known before they are up.
fn free_port(wanted: u16) -> Result<u16, Stop> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).map_err(|error| {
        Stop::failed(format_args!("port {wanted} on 127.0.0.1 cannot be used: {error}"))
            .hint("--smtp-port 0 --http-port 0 picks free ones")
    })?;
    listener.local_addr().map(|address| address.port()).doing("find a free port")
}

const CONFIGURATION: &str = include_str!("sealpost.toml");

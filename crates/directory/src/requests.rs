//! F4: one request, whichever way it came in, one state machine, one clock.

mod check;
mod decide;
mod mail;
mod schedule;
mod state;
mod submit;

use asn1::Time;
use pki::{Certificate, CertificateList, Fingerprint};

use crate::audit::{Change, Note};
use crate::database::{Row, Tx, values};
use crate::{Actor, Address, Directory, Error, Language, RequestId, statements as sql, texts};

pub use check::Assessment;
pub(crate) use check::{Verdict, assess};
pub(crate) use mail::{Links, Sent, confirmed_by, send_confirmation};
pub use schedule::ScheduleReport;
pub use state::State;
pub(crate) use state::Step;

/// How a certificate came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Through the REST API.
    Api,
    /// In a mail to the intake address.
    IntakeMail,
    /// In a signed mail to somebody inside.
    Learned,
    /// From a directory or key server.
    LookUp,
    /// An officer put it in.
    Officer,
    /// In the portal, under *Schlüssel und Kennwörter*.
    PortalUpload,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Api, Self::IntakeMail, Self::Learned, Self::LookUp, Self::Officer, Self::PortalUpload];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::IntakeMail => "intake-mail",
            Self::Learned => "learned",
            Self::LookUp => "look-up",
            Self::Officer => "officer",
            Self::PortalUpload => "portal-upload",
        }
    }
}

/// A certificate that somebody sends in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Whose mailbox it is for.
    pub address: Address,
    /// The certificate.
    pub certificate: Certificate,
    /// What came along and may help to build its path.
    pub intermediates: Vec<Certificate>,
    /// Revocation lists at hand.
    pub crls: Vec<CertificateList>,
    /// Which way it came in.
    pub origin: Origin,
    /// By whose word.
    pub by: Actor,
    /// What to speak to the partner in; default: as the directory knows them, else the organisation's.
    pub language: Option<Language>,
}

impl Submission {
    /// With nothing along.
    pub fn new(address: Address, certificate: Certificate, origin: Origin, by: Actor) -> Self {
        Self { address, certificate, intermediates: Vec::new(), crls: Vec::new(), origin, by, language: None }
    }
}

/// Why a certificate is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One word for programs: [`pki::Reason::code`], or one of ours (`own-domain`, `not-confirmed`, `officer`,
    /// `withdrawn`, `not-for-encryption`).
    pub code: String,
    /// The exact reason, in English.
    pub detail: String,
}

impl Refusal {
    /// The reason for people.
    pub fn text(&self, language: Language) -> String {
        texts::refusal(language, self)
    }
}

/// A request that a certificate be used for a mailbox. Only the flow makes and changes one.
#[derive(Debug, Clone)]
pub struct Request {
    id: RequestId,
    address: Address,
    certificate: Certificate,
    intermediates: Vec<Certificate>,
    state: State,
    pub(crate) refusal: Option<Refusal>,
    origin: Origin,
    submitted_by: String,
    language: Language,
    received: Time,
    changed: Time,
    due: Time,
    confirmation_sent: Option<Time>,
    confirmed: Option<Time>,
    approved_by: Option<String>,
    reminders: i64,
    escalated: bool,
    unknown_authority: bool,
    replaces: Option<Fingerprint>,
}

impl Request {
    /// Which one.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Whose mailbox it is about.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What came along with the certificate.
    pub fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    /// The certificate's SHA-256: what an approval is bound to.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.sha256()
    }

    /// How far it has come.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it was refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Which way it came in.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// By whose word, as [`Actor`] shows itself.
    pub fn submitted_by(&self) -> &str {
        &self.submitted_by
    }

    /// What to speak to the partner in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// When it came in.
    pub fn received(&self) -> Time {
        self.received
    }

    /// When its state changed last.
    pub fn changed(&self) -> Time {
        self.changed
    }

    /// When it has to be set up.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Whole days until it is due, rounded up; negative when it is overdue.
    pub fn days_left(&self, now: Time) -> i64 {
        let seconds = self.due.to_unix().saturating_sub(now.to_unix());
        seconds.saturating_add(86_399).div_euclid(86_400)
    }

    /// When the latest confirmation mail was sent.
    pub fn confirmation_sent(&self) -> Option<Time> {
        self.confirmation_sent
    }

    /// When the partner proved mailbox and key.
    pub fn confirmed(&self) -> Option<Time> {
        self.confirmed
    }

    /// Who approved it: `person:…` or `system`.
    pub fn approved_by(&self) -> Option<&str> {
        self.approved_by.as_deref()
    }

    /// Whether it waits for a decision about its CA (CASES T-62).
    pub fn unknown_authority(&self) -> bool {
        self.unknown_authority
    }

    /// The certificate that is, or was, in use before it (CASES T-60).
    pub fn replaces(&self) -> Option<Fingerprint> {
        self.replaces
    }

    pub(crate) fn take(&mut self, step: Step, now: Time) -> Result<(), Error> {
        self.state = self.state.after(step)?;
        self.changed = now;
        Ok(())
    }
}

/// Which requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFilter {
    /// All of them.
    All,
    /// Those about one mailbox.
    For(Address),
    /// Those in one state.
    InState(State),
    /// Those that somebody still has to do something about.
    Open,
}

/// What to look for among the requests; what is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestSearch {
    /// In one of these states.
    pub states: Vec<State>,
    /// Came in this way.
    pub origin: Option<Origin>,
    /// Due at this moment or before.
    pub due_by: Option<Time>,
    /// Whose certificate ends at this moment or before.
    pub ends_by: Option<Time>,
    /// Part of the mailbox's address.
    pub text: String,
}

/// A certificate in use.
#[derive(Debug, Clone)]
pub struct PartnerCertificate {
    /// The mailbox.
    pub address: Address,
    /// The certificate.
    pub certificate: Certificate,
    /// What came along with it and may be needed for its path.
    pub intermediates: Vec<Certificate>,
    /// SMIMECapabilities in DER, from a signature that was verified.
    pub capabilities: Option<Vec<u8>>,
    /// In use since then.
    pub since: Time,
    /// The request that brought it.
    pub request: RequestId,
}

impl Directory {
    /// One request.
    pub async fn request(&self, id: RequestId) -> Result<Option<Request>, Error> {
        self.database().fetch_one(sql::REQUEST, values![id.0]).await?.map(read).transpose()
    }

    /// Requests, the earliest due first.
    pub async fn requests(&self, filter: &RequestFilter, limit: u32) -> Result<Vec<Request>, Error> {
        let database = self.database();
        let rows = match filter {
            RequestFilter::All => database.fetch(sql::REQUESTS, values![limit]).await?,
            RequestFilter::For(address) => {
                database.fetch(sql::REQUESTS_OF_ADDRESS, values![address.key(), limit]).await?
            }
            RequestFilter::InState(state) => {
                database.fetch(sql::REQUESTS_IN_STATE, values![state.name(), limit]).await?
            }
            RequestFilter::Open => database.fetch(sql::REQUESTS_OPEN, values![limit]).await?,
        };
        rows.into_iter().map(read).collect()
    }

    /// What was put to use or refused, the latest decision first.
    pub async fn decided_lately(&self, limit: u32) -> Result<Vec<Request>, Error> {
        let mut found = Vec::new();
        for state in [State::Active, State::Refused] {
            found.extend(self.database().fetch(sql::REQUESTS_CHANGED_LAST, values![state.name(), limit]).await?);
        }
        let mut found = found.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|request| std::cmp::Reverse(request.changed().to_unix()));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Requests that match, the earliest due first.
    pub async fn search_requests(&self, search: &RequestSearch, limit: u32) -> Result<Vec<Request>, Error> {
        let mut states: String = search.states.iter().map(|state| format!(",{}", state.name())).collect();
        if !states.is_empty() {
            states.push(',');
        }
        let text: String = search.text.trim().to_lowercase().chars().filter(|c| !c.is_control()).take(254).collect();
        let text = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let values = values![
            states,
            search.origin.map(Origin::name).unwrap_or_default(),
            search.due_by.map_or(0, Time::to_unix),
            if text.is_empty() { text } else { format!("%{text}%") },
            search.ends_by.map_or(0, Time::to_unix),
            limit
        ];
        self.database().fetch(sql::SEARCH_REQUESTS, values).await?.into_iter().map(read).collect()
    }

    /// Requests in pages, the earliest due first: those after `after`, which are the due date and the number of the
    /// last one on the page before.
    pub async fn requests_page(
        &self,
        filter: &RequestFilter,
        after: Option<(Time, RequestId)>,
        limit: u32,
    ) -> Result<Vec<Request>, Error> {
        let database = self.database();
        let (due, id) = after.map_or((i64::MIN, 0), |(due, id)| (due.to_unix(), id.0));
        let rows = match filter {
            RequestFilter::All => database.fetch(sql::REQUESTS_PAGE, values![due, id, limit]).await?,
            RequestFilter::For(address) => {
                database.fetch(sql::REQUESTS_PAGE_OF_ADDRESS, values![due, id, limit, address.key()]).await?
            }
            RequestFilter::InState(state) => {
                database.fetch(sql::REQUESTS_PAGE_IN_STATE, values![due, id, limit, state.name()]).await?
            }
            RequestFilter::Open => database.fetch(sql::REQUESTS_PAGE_OPEN, values![due, id, limit]).await?,
        };
        rows.into_iter().map(read).collect()
    }

    /// The certificates that mail to a mailbox is encrypted with now. One that has run out is not among them,
    /// whether or not the clock has noticed (CASES T-68); nor, where revocation must be known, one of which it is not
    /// known now that it is good.
    pub async fn active_certificates(&self, address: &Address) -> Result<Vec<PartnerCertificate>, Error> {
        let statement = match self.settings().revocation {
            pki::Revocation::Required => sql::ACTIVE_CERTIFICATES_KNOWN_GOOD,
            _ => sql::ACTIVE_CERTIFICATES,
        };
        let rows = self.database().fetch(statement, values![address.key(), self.now()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(PartnerCertificate {
                    request: RequestId(row.int()?),
                    address: stored_address(&row.text()?)?,
                    certificate: stored_certificate(&row.blob()?)?,
                    intermediates: split_chain(&row.blob()?)?,
                    since: row.time()?,
                    capabilities: row.optional_blob()?,
                })
            })
            .collect()
    }

    /// Keeps what the owner of a certificate in use can decrypt. Only for SMIMECapabilities from a verified signature
    /// (RFC 8551 §2.5.2): nothing here can tell.
    ///
    /// Gives `false` when they are older than what is known, or claim to come from the future (CASES S-06, T-69).
    pub async fn record_capabilities(
        &self,
        address: &Address,
        certificate: &Fingerprint,
        capabilities: &[u8],
        signed_at: Time,
    ) -> Result<bool, Error> {
        if signed_at > self.now().plus_seconds(CLOCK_SKEW) || capabilities.len() > MOST_CAPABILITIES {
            return Ok(false);
        }
        let values = values![address.key(), certificate.to_hex(), capabilities, signed_at];
        Ok(self.database().execute(sql::SET_CAPABILITIES, values).await? > 0)
    }
}

const CLOCK_SKEW: i64 = 300;
const MOST_CAPABILITIES: usize = 4096;

impl Change<'_> {
    pub(crate) async fn load(&mut self, id: RequestId) -> Result<Request, Error> {
        let row = self.tx.fetch_one(sql::REQUEST, values![id.0]).await?;
        read(row.ok_or(Error::NotFound { what: "request" })?)
    }

    /// Stores what has become of a request, with a row in the record.
    pub(crate) async fn store(
        &mut self,
        request: &Request,
        actor: &Actor,
        action: &'static str,
        why: &str,
    ) -> Result<(), Error> {
        let (code, detail) = match &request.refusal {
            Some(refusal) => (Some(refusal.code.clone()), Some(refusal.detail.clone())),
            None => (None, None),
        };
        let values = values![
            request.id.0,
            request.state.name(),
            code,
            detail,
            request.changed,
            request.confirmation_sent,
            request.confirmed,
            request.approved_by.clone(),
            request.reminders,
            request.escalated,
            request.unknown_authority,
            request.replaces.map(|fingerprint| fingerprint.to_hex())
        ];
        self.tx.execute(sql::SAVE_REQUEST, values).await?;
        self.note_request(request, actor, action, why).await
    }

    pub(crate) async fn note_request(
        &mut self,
        request: &Request,
        actor: &Actor,
        action: &'static str,
        why: &str,
    ) -> Result<(), Error> {
        self.note(Note {
            actor,
            action,
            subject: format!("request:{}", request.id),
            address: Some(&request.address),
            fingerprint: Some(request.fingerprint()),
            why,
        })
        .await
    }
}

/// The request whose certificate is in use for a mailbox.
pub(crate) async fn active_request(tx: &mut Tx, address: &Address) -> Result<Option<Request>, Error> {
    tx.fetch_one(sql::ACTIVE_REQUEST, values![address.key()]).await?.map(read).transpose()
}

pub(crate) fn read(mut row: Row) -> Result<Request, Error> {
    let id = RequestId(row.int()?);
    let address = stored_address(&row.text()?)?;
    let certificate = stored_certificate(&row.blob()?)?;
    let intermediates = split_chain(&row.blob()?)?;
    let unknown = |what: &str| Error::corrupt(format_args!("request {id}: an unknown {what}"));
    let state = State::from_name(&row.text()?).ok_or_else(|| unknown("state"))?;
    let refusal = match (row.optional_text()?, row.optional_text()?) {
        (Some(code), Some(detail)) => Some(Refusal { code, detail }),
        _ => None,
    };
    let origin = row.text()?;
    let origin =
        Origin::ALL.into_iter().find(|candidate| candidate.name() == origin).ok_or_else(|| unknown("origin"))?;
    Ok(Request {
        id,
        address,
        certificate,
        intermediates,
        state,
        refusal,
        origin,
        submitted_by: row.text()?,
        language: Language::from_code(&row.text()?).ok_or_else(|| unknown("language"))?,
        received: row.time()?,
        changed: row.time()?,
        due: row.time()?,
        confirmation_sent: row.optional_time()?,
        confirmed: row.optional_time()?,
        approved_by: row.optional_text()?,
        reminders: row.int()?,
        escalated: row.flag()?,
        unknown_authority: row.flag()?,
        replaces: row.optional_text()?.as_deref().and_then(Fingerprint::parse),
    })
}

pub(crate) fn stored_address(text: &str) -> Result<Address, Error> {
    Address::parse(text).map_err(|error| Error::corrupt(format_args!("a stored address: {error}")))
}

pub(crate) fn stored_certificate(der: &[u8]) -> Result<Certificate, Error> {
    Certificate::from_der(der).map_err(|error| Error::corrupt(format_args!("a stored certificate: {error}")))
}

/// Certificates in one column: each with its length in four octets before it.
pub(crate) fn join_chain(chain: &[Certificate]) -> Vec<u8> {
    let mut joined = Vec::new();
    for certificate in chain {
        let Ok(length) = u32::try_from(certificate.der().len()) else { continue };
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(certificate.der());
    }
    joined
}

pub(crate) fn split_chain(mut joined: &[u8]) -> Result<Vec<Certificate>, Error> {
    let cut = || Error::corrupt("a stored chain is cut");
    let mut chain = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
        let (der, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        chain.push(stored_certificate(der)?);
        joined = rest;
    }
    if joined.is_empty() { Ok(chain) } else { Err(cut()) }
}

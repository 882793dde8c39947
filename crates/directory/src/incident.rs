//! A CA has to revoke: everything of one issuer, profile or list of numbers is issued anew, in stages, before an hour.

use asn1::Time;
use pki::lint::Profile;
use pki::{Certificate, RevocationReason, Validation};
use serde_json::{Value, json};

use crate::audit::Note;
use crate::database::values;
use crate::renewal::same_again;
use crate::{
    Actor, CredentialFilter, CredentialId, CredentialInfo, CredentialState, Directory, Error, IncidentId, KeyRequestId,
    KeyRing, statements as sql,
};

/// Which certificates have to go. What is given must all hold; nothing given selects nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentSelection {
    /// The issuer: its whole name as certificates show it, or its common name.
    pub issuer: Option<String>,
    /// What the CA verified, by the policy of the S/MIME Baseline Requirements.
    pub validation: Option<Validation>,
    /// Serial numbers in hexadecimal, with or without colons.
    pub serials: Vec<String>,
}

/// An incident to be opened.
#[derive(Debug, Clone)]
pub struct NewIncident {
    /// What people call it.
    pub name: String,
    /// Which certificates.
    pub selection: IncidentSelection,
    /// All must be replaced before.
    pub before: Time,
    /// At most so many are begun within an hour.
    pub per_hour: u32,
    /// Revoke what the house's own CA issued, once it is replaced, and say why.
    pub revoke: Option<RevocationReason>,
}

/// An incident.
#[derive(Debug, Clone)]
pub struct Incident {
    /// Which one.
    pub id: IncidentId,
    /// What people call it.
    pub name: String,
    /// Which certificates.
    pub selection: IncidentSelection,
    /// All must be replaced before.
    pub before: Time,
    /// At most so many are begun within an hour.
    pub per_hour: u32,
    /// What the house's own CA says about those that are replaced.
    pub revoke: Option<RevocationReason>,
    /// Since when.
    pub opened: Time,
    /// When nothing was left.
    pub closed: Option<Time>,
}

/// How far the replacement of one certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentState {
    /// Nothing could be done about it; somebody has to.
    Failed,
    /// There is a new certificate.
    Replaced,
    /// A new key waits for what the CA returns.
    Requested,
    /// It is its turn later.
    Waiting,
}

impl IncidentState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Replaced, Self::Requested, Self::Waiting];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Replaced => "replaced",
            Self::Requested => "requested",
            Self::Waiting => "waiting",
        }
    }

    fn from_name(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| Error::corrupt("a certificate of an incident in an unknown state"))
    }
}

/// One certificate of an incident.
#[derive(Debug, Clone)]
pub struct IncidentItem {
    /// The certificate that has to go.
    pub credential: CredentialInfo,
    /// How far it is.
    pub state: IncidentState,
    /// The key that waits for its certificate.
    pub request: Option<KeyRequestId>,
    /// What took its place.
    pub replacement: Option<CredentialId>,
    /// What went wrong.
    pub detail: String,
}

/// How far an incident is.
#[derive(Debug, Clone)]
pub struct IncidentReport {
    /// The incident.
    pub incident: Incident,
    /// Certificates that wait for their turn.
    pub waiting: u64,
    /// Those whose new key waits for what the CA returns.
    pub requested: u64,
    /// Those that are replaced.
    pub replaced: u64,
    /// Those that somebody has to look at.
    pub failed: u64,
    /// How many have to be begun within an hour to be done in time; `None` when the time is over.
    pub needed_per_hour: Option<u64>,
    /// Everything that is not replaced, the first to end first.
    pub left: Vec<IncidentItem>,
}

impl IncidentReport {
    /// Whether the rate that was set is enough.
    pub fn is_in_time(&self) -> bool {
        self.waiting == 0 || self.needed_per_hour.is_some_and(|needed| needed <= u64::from(self.incident.per_hour))
    }
}

impl IncidentSelection {
    /// Whether a certificate is selected.
    pub fn selects(&self, certificate: &Certificate) -> bool {
        if self.is_empty() {
            return false;
        }
        let issuer = self.issuer.as_deref().is_none_or(|wanted| {
            let name = certificate.issuer();
            name.to_string() == wanted || name.common_name() == Some(wanted)
        });
        let validation = self
            .validation
            .is_none_or(|wanted| Profile::of(certificate).is_some_and(|profile| profile.validation == wanted));
        let serial = plain_serial(&certificate.serial().to_string());
        let listed = self.serials.is_empty() || self.serials.iter().any(|wanted| plain_serial(wanted) == serial);
        issuer && validation && listed
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn to_text(&self) -> String {
        let validation = self.validation.map(Validation::name);
        json!({ "issuer": self.issuer, "validation": validation, "serials": self.serials }).to_string()
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text).map_err(Error::corrupt)?;
        let word = |name: &str| value.get(name).and_then(Value::as_str);
        let serials = value.get("serials").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            issuer: word("issuer").map(str::to_owned),
            validation: word("validation").and_then(Validation::from_name),
            serials: serials.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

// CAs write them with and without colons, spaces and leading zeros.
fn plain_serial(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    digits.trim_start_matches('0').to_ascii_lowercase()
}

impl Directory {
    /// Collects what has to be replaced.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no certificate in use is selected.
    pub async fn open_incident(&self, new: &NewIncident, by: &Actor) -> Result<IncidentReport, Error> {
        let malformed = |because: &str| Error::Malformed { what: "an incident", because: because.into() };
        if new.selection.is_empty() {
            return Err(malformed("it selects nothing: give an issuer, a profile or serial numbers"));
        }
        if new.per_hour == 0 || new.before <= self.now() {
            return Err(malformed("it needs a time that is not over, and a rate"));
        }
        let (mut selected, mut after) = (Vec::new(), None);
        loop {
            let page = self.credentials(&CredentialFilter::InUseAfter(after), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            selected.extend(page.iter().filter(|one| new.selection.selects(&one.certificate)).map(|one| one.id));
        }
        if selected.is_empty() {
            return Err(Error::NotFound { what: "certificate in use of this selection" });
        }
        let id = IncidentId::random()?;
        let mut change = self.change().await?;
        let row = values![
            id.number(),
            new.name.as_str(),
            new.selection.to_text(),
            new.before,
            new.per_hour,
            change.now,
            new.revoke.map(|reason| i64::from(reason.number()))
        ];
        change.tx.execute(sql::ADD_INCIDENT, row).await?;
        for credential in &selected {
            change.tx.execute(sql::ADD_INCIDENT_ITEM, values![id.number(), credential.number(), change.now]).await?;
        }
        let why = format!("{}: {} certificates before {}", new.name, selected.len(), new.before);
        change.note(about("incident.opened", id, by, &why)).await?;
        change.commit().await?;
        self.incident(id).await
    }

    /// All incidents, newest first.
    pub async fn incidents(&self) -> Result<Vec<Incident>, Error> {
        let rows = self.database().fetch(sql::INCIDENTS, values![]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (id, name, selection) = (IncidentId(row.int()?), row.text()?, row.text()?);
                let (before, per_hour) = (row.time()?, row.int()?);
                let (opened, closed, reason) = (row.time()?, row.optional_time()?, row.optional_int()?);
                let revoke = reason.map(|reason| RevocationReason::from_number(u64::try_from(reason).ok()));
                let selection = IncidentSelection::parse(&selection)?;
                let per_hour = u32::try_from(per_hour).map_err(|_| Error::corrupt("an incident without a rate"))?;
                Ok(Incident { id, name, selection, before, per_hour, revoke, opened, closed })
            })
            .collect()
    }

    /// How far one is.
    pub async fn incident(&self, id: IncidentId) -> Result<IncidentReport, Error> {
        let incident = self.incidents().await?.into_iter().find(|incident| incident.id == id);
        let incident = incident.ok_or(Error::NotFound { what: "incident" })?;
        let (mut waiting, mut requested, mut replaced, mut failed) = (0, 0, 0, 0);
        let mut left = Vec::new();
        for item in self.incident_items(id).await? {
            match item.state {
                IncidentState::Waiting => waiting += 1,
                IncidentState::Requested => requested += 1,
                IncidentState::Replaced => replaced += 1,
                IncidentState::Failed => failed += 1,
            }
            if item.state != IncidentState::Replaced {
                left.push(item);
            }
        }
        left.sort_by_key(|item| item.credential.certificate.validity().not_after);
        let seconds =
            u64::try_from(incident.before.to_unix() - self.now().to_unix()).ok().filter(|seconds| *seconds > 0);
        let needed_per_hour = seconds.map(|seconds| (waiting * 3_600_u64).div_ceil(seconds));
        Ok(IncidentReport { incident, waiting, requested, replaced, failed, needed_per_hour, left })
    }

    async fn incident_items(&self, id: IncidentId) -> Result<Vec<IncidentItem>, Error> {
        let rows = self.database().fetch(sql::INCIDENT_ITEMS, values![id.number()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (state, request) = (IncidentState::from_name(&row.text()?)?, row.optional_int()?.map(KeyRequestId));
                let (replacement, detail) = (row.optional_int()?.map(CredentialId), row.text()?);
                Ok(IncidentItem { credential: CredentialInfo::read(row)?, state, request, replacement, detail })
            })
            .collect()
    }

    /// Puts those that failed back in the line, after somebody has looked at them.
    pub async fn retry_incident(&self, id: IncidentId) -> Result<u64, Error> {
        self.database().execute(sql::RETRY_INCIDENT, values![id.number(), self.now()]).await
    }

    async fn set_item(
        &self,
        id: IncidentId,
        credential: CredentialId,
        state: IncidentState,
        request: Option<KeyRequestId>,
        replacement: Option<CredentialId>,
        detail: &str,
    ) -> Result<(), Error> {
        let (request, replacement) = (request.map(KeyRequestId::number), replacement.map(CredentialId::number));
        let detail: String = detail.chars().take(300).collect();
        let row = values![id.number(), credential.number(), state.name(), self.now(), request, replacement, detail];
        self.database().execute(sql::SET_INCIDENT_ITEM, row).await.map(drop)
    }
}

impl KeyRing {
    /// Goes on with an incident: takes in what has been answered, and begins as many as the rate allows. To be called
    /// every few minutes, by one process at a time.
    ///
    /// What the house's own CA issued is issued anew at once; for the rest a new key is made, whose request waits for
    /// the CA in [`Directory::key_requests`].
    pub async fn work_on_incident(&self, id: IncidentId, worker: &str, by: &Actor) -> Result<IncidentReport, Error> {
        let directory = self.directory();
        let now = directory.now();
        let report = directory.incident(id).await?;
        let lease = values![format!("incident {id}"), worker, now, now.plus_seconds(LEASE_SECONDS)];
        if report.incident.closed.is_some() || directory.database().execute(sql::TAKE_LEASE, lease).await? == 0 {
            return Ok(report);
        }
        for item in &report.left {
            self.take_in(&report.incident, item, by).await?;
        }
        let started =
            directory.database().fetch_one(sql::INCIDENT_STARTED, values![id.number(), now.plus_seconds(-3_600)]);
        let started = started.await?.map(|mut row| row.int()).transpose()?.unwrap_or(0);
        let mut budget = i64::from(report.incident.per_hour) - started;
        for item in directory.incident(id).await?.left.iter().filter(|item| item.state == IncidentState::Waiting) {
            if budget <= 0 {
                break;
            }
            budget -= 1;
            match self.replace(&report.incident, item, by).await {
                Ok(()) => {}
                // A database or token that is away: all others would fail as well.
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => {
                    let (credential, detail) = (item.credential.id, error.to_string());
                    directory.set_item(id, credential, IncidentState::Failed, None, None, &detail).await?;
                }
            }
        }
        let report = directory.incident(id).await?;
        if !report.left.is_empty() {
            return Ok(report);
        }
        let mut change = directory.change().await?;
        if change.tx.execute(sql::CLOSE_INCIDENT, values![id.number(), change.now]).await? > 0 {
            change.note(about("incident.closed", id, by, &report.incident.name)).await?;
            change.commit().await?;
        }
        directory.incident(id).await
    }

    /// What the CA has answered, and what somebody has replaced by hand.
    async fn take_in(&self, incident: &Incident, item: &IncidentItem, by: &Actor) -> Result<(), Error> {
        let directory = self.directory();
        let replacement = match item.request {
            Some(request) => match directory.key_request(request).await {
                Ok(request) => request.credential,
                // Given up: it is its turn again.
                Err(Error::NotFound { .. }) if item.state == IncidentState::Requested => {
                    let state = IncidentState::Waiting;
                    return directory.set_item(incident.id, item.credential.id, state, None, None, "").await;
                }
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let by_hand = item.credential.state != CredentialState::Active;
        if replacement.is_none() && !by_hand {
            return Ok(());
        }
        self.revoke_replaced(incident, item, by).await?;
        let (state, credential) = (IncidentState::Replaced, item.credential.id);
        directory.set_item(incident.id, credential, state, item.request, replacement, "").await
    }

    async fn replace(&self, incident: &Incident, item: &IncidentItem, by: &Actor) -> Result<(), Error> {
        let (directory, old) = (self.directory(), &item.credential);
        let authorities = directory.house_authorities().await?;
        let of_house = authorities.iter().any(|authority| authority.certificate.subject() == old.certificate.issuer());
        if of_house {
            let validity = old.certificate.validity();
            let days = (validity.not_after.to_unix() - validity.not_before.to_unix()) / 86_400;
            let new = self.renew(old, u16::try_from(days.clamp(1, 1_185)).unwrap_or(365), by).await?;
            directory.set_item(incident.id, old.id, IncidentState::Replaced, None, Some(new), "").await?;
            return self.revoke_replaced(incident, item, by).await;
        }
        let request = self.order_key(old.person, &same_again(old)?, by).await?;
        directory.set_item(incident.id, old.id, IncidentState::Requested, Some(request.id), None, "").await
    }

    async fn revoke_replaced(&self, incident: &Incident, item: &IncidentItem, by: &Actor) -> Result<(), Error> {
        let Some(reason) = incident.revoke else { return Ok(()) };
        match self.revoke(&item.credential.certificate, reason, by).await {
            // Somebody else's CA revokes by itself.
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn about<'a>(action: &'static str, id: IncidentId, by: &'a Actor, why: &'a str) -> Note<'a> {
    Note { actor: by, action, subject: format!("incident:{id}"), address: None, fingerprint: None, why }
}

const PAGE: u32 = 500;
const LEASE_SECONDS: i64 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_the_same_however_they_are_written() {
        for text in ["0A:1B:2C", "a1b2c", "00 0a 1b 2c", "0A1B2C"] {
            assert_eq!(plain_serial(text), "a1b2c");
        }
        let selection = IncidentSelection {
            issuer: Some("CN=\"x\"".into()),
            validation: Some(Validation::Sponsor),
            serials: vec!["01".into()],
        };
        assert_eq!(IncidentSelection::parse(&selection.to_text()).unwrap(), selection);
    }
}

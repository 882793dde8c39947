use serde_json::{Value, json};

use crate::audit::Note;
use crate::database::values;
use crate::{Actor, Address, CredentialFilter, Directory, Error, Folder, Person, RequestFilter, statements as sql};

impl Directory {
    /// Everything that is kept about a mailbox, but for message bodies and what is secret.
    pub async fn export_person(&self, address: &Address) -> Result<Value, Error> {
        let found = self.person_at(address).await?;
        let access = match &found {
            Some(person) => Some(self.export_access(person).await?),
            None => None,
        };
        let person = found.map(|person| {
            let roles: Vec<&str> = person.roles.iter().map(crate::Role::name).collect();
            json!({
                "address": person.address.to_string(), "name": person.name, "company": person.company,
                "language": person.language.code(), "roles": roles, "created": person.created.to_string(),
                "active": person.active,
            })
        });
        let requests = self.requests(&RequestFilter::For(address.clone()), MOST).await?;
        let requests: Vec<Value> = requests
            .iter()
            .map(|request| {
                json!({
                    "id": request.id().to_string(), "state": request.state().name(),
                    "origin": request.origin().name(), "sha256": request.fingerprint().to_hex(),
                    "received": request.received().to_string(), "changed": request.changed().to_string(),
                    "refusal": request.refusal().map(|refusal| refusal.detail.clone()),
                })
            })
            .collect();
        let mut messages = Vec::new();
        for folder in [Folder::Drafts, Folder::Inbox, Folder::Sent] {
            for message in self.messages(address, folder, MOST).await? {
                messages.push(json!({
                    "folder": folder.name(), "correspondent": message.correspondent.to_string(),
                    "subject": message.subject, "at": message.at.to_string(),
                }));
            }
        }
        let record: Vec<Value> = self
            .audit_for(address)
            .await?
            .into_iter()
            .map(|entry| {
                let why = entry.detail.map(|detail| detail.why);
                json!({ "at": entry.at.to_string(), "action": entry.action, "why": why })
            })
            .collect();
        let contacts: Vec<String> =
            self.contacts_of(address).await?.iter().map(|contact| contact.address.to_string()).collect();
        let traces: Vec<Value> = self
            .traces_of(address, MOST)
            .await?
            .into_iter()
            .map(|trace| {
                // CASES T-24, T-28: what became of mail that somebody sent again under another name is not told to them.
                json!({
                    "at": trace.at.to_string(), "message_id": trace.message_id,
                    "sender": trace.sender.map(|sender| sender.to_string()), "recipient": trace.recipient.to_string(),
                })
            })
            .collect();
        // Their keys are sealed, and belong to the house.
        let certificates: Vec<Value> = self
            .credentials(&CredentialFilter::For(address.clone()), MOST)
            .await?
            .into_iter()
            .map(|one| {
                let validity = one.certificate.validity();
                json!({
                    "sha256": one.certificate.sha256().to_hex(), "state": one.state.name(),
                    "subject": one.certificate.subject().to_string(),
                    "not_before": validity.not_before.to_string(), "not_after": validity.not_after.to_string(),
                })
            })
            .collect();
        Ok(json!({
            "address": address.key(), "person": person, "access": access, "contacts": contacts, "requests": requests,
            "certificates": certificates, "messages": messages, "traces": traces, "record": record,
        }))
    }

    /// What somebody logs in with and has access by, without what is secret of it.
    async fn export_access(&self, person: &Person) -> Result<Value, Error> {
        let contact = match person.contact {
            Some(id) => self.person(id).await?.map(|contact| contact.address.to_string()),
            None => None,
        };
        let password = self
            .account(person.id)
            .await?
            .map(|account| json!({ "changed": account.changed.to_string(), "must_change": account.must_change }));
        let second_factor = self.second_factor(person.id).await?.map(|factor| factor.since.to_string());
        let passkeys: Vec<Value> = self
            .passkeys(person.id)
            .await?
            .into_iter()
            .map(|one| {
                let used = one.used.map(|used| used.to_string());
                json!({ "name": one.name, "created": one.created.to_string(), "used": used })
            })
            .collect();
        let mut sessions = Vec::new();
        for mut row in self.database().fetch(sql::SESSIONS_OF, values![person.id.0]).await? {
            let (created, seen, ends) = (row.time()?, row.time()?, row.time()?);
            sessions.push(json!({
                "created": created.to_string(), "last_seen": seen.to_string(), "ends": ends.to_string(),
                "way": row.optional_text()?,
            }));
        }
        let tokens: Vec<Value> = self
            .api_tokens(Some(person.id))
            .await?
            .into_iter()
            .map(|one| {
                json!({
                    "name": one.name, "created": one.created.to_string(), "expires": one.expires.to_string(),
                    "used": one.used.map(|used| used.to_string()),
                    "revoked": one.revoked.map(|revoked| revoked.to_string()),
                })
            })
            .collect();
        Ok(json!({
            "contact": contact, "groups": self.groups_of(person.id).await?, "password": password,
            "second_factor_since": second_factor, "recovery_codes_left": self.recovery_codes(person.id).await?,
            "passkeys": passkeys, "sessions": sessions, "api_tokens": tokens,
        }))
    }

    /// Erases what is kept about somebody outside; the record keeps its chain, without what it said about them. Gives
    /// the bodies that are to be removed from the message store.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for an address of the house, whose keys are needed for old mail.
    pub async fn erase_person(&self, address: &Address, by: &Actor) -> Result<Vec<crate::BodyId>, Error> {
        if self.is_inside(address) {
            return Err(Error::NotAllowed { what: "erasing somebody of the house" });
        }
        let mut change = self.change().await?;
        let key = || values![address.key()];
        let mut bodies = Vec::new();
        for mut row in change.tx.fetch(sql::ERASE_MESSAGES, key()).await? {
            bodies.push(row.text()?.parse()?);
        }
        for statement in sql::ERASE {
            change.tx.execute(statement, key()).await?;
        }
        let erased = format!("{} messages removed", bodies.len());
        let subject = "person:erased".to_owned();
        let note = Note { actor: by, action: "person.erased", subject, address: None, fingerprint: None, why: &erased };
        change.note(note).await?;
        let rows = values![address.key(), change.sequence()];
        change.tx.execute(sql::MARK_ERASED, rows).await?;
        change.tx.execute(sql::ERASE_AUDIT_DETAILS, key()).await?;
        change.commit().await?;
        Ok(bodies)
    }
}

const MOST: u32 = 10_000;

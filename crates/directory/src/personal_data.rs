use serde_json::{Value, json};

use crate::audit::Note;
use crate::database::values;
use crate::{Actor, Address, Directory, Error, Folder, RequestFilter, statements as sql};

impl Directory {
    /// Everything that is kept about a mailbox, but for message bodies and what is secret.
    pub async fn export_person(&self, address: &Address) -> Result<Value, Error> {
        let person = self.person_at(address).await?.map(|person| {
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
        Ok(json!({
            "address": address.key(), "person": person, "requests": requests, "messages": messages, "record": record,
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

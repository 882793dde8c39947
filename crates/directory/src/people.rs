use asn1::Time;

use crate::audit::Note;
use crate::database::{Row, values};
use crate::{Actor, Address, Directory, Error, Language, PersonId, statements as sql};

/// Somebody whom the directory knows by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Which one.
    pub id: PersonId,
    /// Their mailbox.
    pub address: Address,
    /// How they are called.
    pub name: String,
    /// The firm of somebody outside.
    pub company: Option<String>,
    /// What to speak to them in.
    pub language: Language,
    /// What they may do.
    pub roles: Roles,
    /// For somebody outside: the person inside who invited them and passes on first passwords.
    pub contact: Option<PersonId>,
    /// Since when.
    pub created: Time,
    /// The first mail from or to this mailbox.
    pub first_seen: Option<Time>,
    /// The latest one.
    pub last_seen: Option<Time>,
    /// Whether they may still log in, and be signed for.
    pub active: bool,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Outside; reads and answers protected mail.
    Partner,
    /// Inside; writes mail, invites partners.
    Employee,
    /// Decides about certificates.
    Officer,
    /// Reads everything but content, changes nothing.
    Auditor,
    /// Runs the machine.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Partner, Self::Employee, Self::Officer, Self::Auditor, Self::Operator];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Employee => "employee",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    fn bit(self) -> i64 {
        match self {
            Self::Partner => 1,
            Self::Employee => 2,
            Self::Officer => 4,
            Self::Auditor => 8,
            Self::Operator => 16,
        }
    }
}

/// A set of [`Role`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Roles(i64);

impl Roles {
    /// These.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }

    /// Whether `role` is one of them.
    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |&role| self.has(role))
    }
}

/// Somebody to be added.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Their mailbox.
    pub address: Address,
    /// How they are called.
    pub name: String,
    /// The firm of somebody outside.
    pub company: Option<String>,
    /// What to speak to them in.
    pub language: Language,
    /// What they may do.
    pub roles: Roles,
    /// For somebody outside: who inside invites them.
    pub contact: Option<PersonId>,
}

/// How many partners there were on a day, and how many of them had a certificate in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The day's beginning, in UTC.
    pub day: Time,
    /// Active partners.
    pub partners: u64,
    /// Those of them with a certificate in use.
    pub with_certificate: u64,
}

impl Directory {
    /// Adds somebody. Partners are outside and everybody else is inside, whatever was asked for.
    pub async fn add_person(&self, new: NewPerson, by: &Actor) -> Result<Person, Error> {
        let inside = self.is_inside(&new.address);
        let partner = new.roles.has(Role::Partner);
        if inside && partner {
            return Err(Error::NotAllowed { what: "a partner with an address of the house" });
        }
        if !inside && new.roles != Roles::of([Role::Partner]) {
            return Err(Error::NotAllowed { what: "a role of the house for an address outside" });
        }
        let id = PersonId::random()?;
        let mut change = self.change().await?;
        if change.tx.fetch_one(sql::PERSON_AT, values![new.address.key()]).await?.is_some() {
            return Err(Error::AlreadyExists { what: "somebody with this address" });
        }
        let row = values![
            id.0,
            new.address.key(),
            new.address.to_string(),
            new.name.as_str(),
            new.company.clone(),
            new.language.code(),
            new.roles.0,
            new.contact.map(|contact| contact.0),
            change.now,
            true
        ];
        change.tx.execute(sql::ADD_PERSON, row).await?;
        change.note(about("person.added", id, &new.address, by, &names(new.roles))).await?;
        change.commit().await?;
        self.person(id).await?.ok_or(Error::NotFound { what: "person" })
    }

    /// Somebody by id.
    pub async fn person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        self.database().fetch_one(sql::PERSON, values![id.0]).await?.map(read).transpose()
    }

    /// Somebody by mailbox.
    pub async fn person_at(&self, address: &Address) -> Result<Option<Person>, Error> {
        self.database().fetch_one(sql::PERSON_AT, values![address.key()]).await?.map(read).transpose()
    }

    /// People with a role, by address; for the next page, `after` is the key of the last address on this one.
    pub async fn people(&self, role: Role, after: Option<&str>, limit: u32) -> Result<Vec<Person>, Error> {
        let values = values![role.bit(), after.unwrap_or_default(), limit];
        self.database().fetch(sql::PEOPLE, values).await?.into_iter().map(read).collect()
    }

    /// How many active people have a role.
    pub async fn count_people(&self, role: Role) -> Result<u64, Error> {
        let mut row = self.database().fetch_one(sql::COUNT_PEOPLE, values![role.bit()]).await?;
        let count = row.as_mut().map_or(Ok(0), Row::int)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many active partners have a certificate in use.
    pub async fn count_partners_with_certificate(&self) -> Result<u64, Error> {
        let values = values![Role::Partner.bit()];
        let mut row = self.database().fetch_one(sql::COUNT_PARTNERS_WITH_CERTIFICATE, values).await?;
        let count = row.as_mut().map_or(Ok(0), Row::int)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Keeps how many partners there are today and how many of them have a certificate in use, once a day: who is
    /// erased is in no record that this could be counted from later.
    pub async fn keep_share(&self) -> Result<(), Error> {
        let day = self.now().to_unix().div_euclid(DAY) * DAY;
        if self.database().fetch_one(sql::SHARE_ON, values![day]).await?.is_some() {
            return Ok(());
        }
        let all = count(self.count_people(Role::Partner).await?);
        let with_certificate = count(self.count_partners_with_certificate().await?);
        self.database().execute(sql::ADD_SHARE, values![day, all, with_certificate]).await.map(drop)
    }

    /// What was kept since a moment, the oldest first.
    pub async fn shares(&self, since: Time) -> Result<Vec<Share>, Error> {
        let rows = self.database().fetch(sql::SHARES, values![since]).await?;
        let share = |mut row: Row| -> Result<Share, Error> {
            let (day, partners, with_certificate) = (row.time()?, row.int()?, row.int()?);
            let number = |count| u64::try_from(count).unwrap_or(0);
            Ok(Share { day, partners: number(partners), with_certificate: number(with_certificate) })
        };
        rows.into_iter().map(share).collect()
    }

    /// The partners whom somebody inside has invited, by address; for the next page, `after` is the key of the last
    /// address on this one.
    pub async fn partners_of(&self, contact: PersonId, after: Option<&str>, limit: u32) -> Result<Vec<Person>, Error> {
        let values = values![contact.0, after.unwrap_or_default(), limit];
        self.database().fetch(sql::PARTNERS_OF, values).await?.into_iter().map(read).collect()
    }

    /// Gives somebody other roles.
    pub async fn set_roles(&self, id: PersonId, roles: Roles, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        if self.is_inside(&person.address) == roles.has(Role::Partner) {
            return Err(Error::NotAllowed { what: "a partner inside, or a role of the house outside" });
        }
        let mut change = self.change().await?;
        change.tx.execute(sql::SET_ROLES, values![id.0, roles.0]).await?;
        change.note(about("person.roles", id, &person.address, by, &names(roles))).await?;
        change.commit().await
    }

    /// Speaks to somebody in another language from now on.
    pub async fn set_language(&self, id: PersonId, language: Language, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        let mut change = self.change().await?;
        change.tx.execute(sql::SET_LANGUAGE, values![id.0, language.code()]).await?;
        change.note(about("person.language", id, &person.address, by, language.code())).await?;
        change.commit().await
    }

    /// Gives a partner another contact person.
    pub async fn set_contact(&self, id: PersonId, contact: PersonId, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        let mut change = self.change().await?;
        change.tx.execute(sql::SET_CONTACT, values![id.0, contact.0]).await?;
        change.note(about("person.contact", id, &person.address, by, &format!("person:{contact}"))).await?;
        change.commit().await
    }

    /// Nobody logs in as this person any more, and nothing is signed for them.
    pub async fn deactivate(&self, id: PersonId, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        let mut change = self.change().await?;
        change.tx.execute(sql::DEACTIVATE, values![id.0]).await?;
        change.tx.execute(sql::END_SESSIONS_OF, values![id.0]).await?;
        change.note(about("person.deactivated", id, &person.address, by, "")).await?;
        change.commit().await
    }

    /// Remembers that mail came from or went to a mailbox now.
    pub async fn seen(&self, address: &Address) -> Result<(), Error> {
        self.database().execute(sql::SEEN, values![address.key(), self.now()]).await.map(drop)
    }

    /// Remembers that somebody inside wrote to somebody outside.
    pub async fn record_contact(&self, employee: &Address, partner: &Address) -> Result<(), Error> {
        let values = values![partner.key(), employee.key(), self.now()];
        self.database().execute(sql::RECORD_CONTACT, values).await.map(drop)
    }

    /// The people inside who have written to a partner or invited them, by address.
    pub async fn contacts_of(&self, partner: &Address) -> Result<Vec<Person>, Error> {
        self.database().fetch(sql::CONTACTS_OF, values![partner.key()]).await?.into_iter().map(read).collect()
    }

    /// Puts somebody into a group.
    pub async fn add_to_group(&self, group: &str, person: PersonId, by: &Actor) -> Result<(), Error> {
        let address = self.known_person(person).await?.address;
        let mut change = self.change().await?;
        change.tx.execute(sql::ADD_TO_GROUP, values![group, person.0]).await?;
        change.note(about("group.added", person, &address, by, group)).await?;
        change.commit().await
    }

    /// Takes somebody out of a group.
    pub async fn remove_from_group(&self, group: &str, person: PersonId, by: &Actor) -> Result<(), Error> {
        let address = self.known_person(person).await?.address;
        let mut change = self.change().await?;
        change.tx.execute(sql::REMOVE_FROM_GROUP, values![group, person.0]).await?;
        change.note(about("group.removed", person, &address, by, group)).await?;
        change.commit().await
    }

    /// The groups that somebody is in.
    pub async fn groups_of(&self, person: PersonId) -> Result<Vec<String>, Error> {
        let rows = self.database().fetch(sql::GROUPS_OF, values![person.0]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    pub(crate) async fn known_person(&self, id: PersonId) -> Result<Person, Error> {
        self.person(id).await?.ok_or(Error::NotFound { what: "person" })
    }

    /// Somebody who has not left: for nobody else is a key made or a certificate issued.
    pub(crate) async fn present_person(&self, id: PersonId) -> Result<Person, Error> {
        let person = self.known_person(id).await?;
        if person.active { Ok(person) } else { Err(Error::NotAllowed { what: "a new key for somebody who has left" }) }
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn about<'a>(
    action: &'static str,
    id: PersonId,
    address: &'a Address,
    actor: &'a Actor,
    why: &'a str,
) -> Note<'a> {
    Note { actor, action, subject: format!("person:{id}"), address: Some(address), fingerprint: None, why }
}

fn names(roles: Roles) -> String {
    roles.iter().map(Role::name).collect::<Vec<_>>().join(", ")
}

pub(crate) fn read(mut row: Row) -> Result<Person, Error> {
    let id = PersonId(row.int()?);
    let stored = |error: Error| Error::corrupt(format_args!("person {id}: {error}"));
    Ok(Person {
        id,
        address: Address::parse(&row.text()?).map_err(stored)?,
        name: row.text()?,
        company: row.optional_text()?,
        language: Language::from_code(&row.text()?).ok_or_else(|| Error::corrupt("a language is unknown"))?,
        roles: Roles(row.int()?),
        contact: row.optional_int()?.map(PersonId),
        created: row.time()?,
        active: row.flag()?,
        first_seen: row.optional_time()?,
        last_seen: row.optional_time()?,
    })
}

const DAY: i64 = 86_400;

pub(crate) const SHARES: &[&str] = &[
    "CREATE TABLE partner_shares (day BIGINT PRIMARY KEY, partners BIGINT NOT NULL, with_certificate BIGINT NOT NULL)",
    "CREATE INDEX people_of_contact_by_address ON people (contact, address_key)",
    "DROP INDEX people_of_contact",
];

//! A forgotten password: a link by mail that sets another one, where the house allows it.

use crate::accounts::{add_token, tokens_since};
use crate::outbox;
use crate::people::about;
use crate::{Actor, Address, Directory, Error, OutboxId, Outgoing, OutgoingKind, Person, Purpose, texts};

impl Directory {
    /// Mails somebody a link that sets another password. Who does not log in here gets none, and nobody gets more than
    /// three a day; the answer is the same (CASES T-103).
    pub async fn send_password_link(&self, address: &Address) -> Result<(), Error> {
        let Some((person, _)) = self.account_at(address).await? else { return Ok(()) };
        let (settings, address) = (self.settings(), &person.address);
        let mut change = self.change().await?;
        let (now, purpose) = (change.now, Purpose::ResetPassword);
        let (count, _) = tokens_since(&mut change.tx, purpose, address, now.plus_days(-1)).await?;
        if count >= MOST_PER_DAY {
            return Ok(());
        }
        let token = add_token(&mut change.tx, purpose, person.id.0, address, now, LINK_SECONDS).await?;
        let link = format!("{}/reset/{}", settings.base_url, token.as_str());
        let mail = texts::password_link(settings, person.language, address, &link);
        let outgoing = Outgoing {
            sender: Some(settings.notify_from.clone()),
            recipient: address.clone(),
            content: texts::render(settings, address, person.language, now, &mail)?,
            kind: OutgoingKind::PasswordLink,
            not_before: None,
            key: None,
        };
        outbox::add(&mut change.tx, &settings.store_key, OutboxId::random()?, &outgoing, now).await?;
        change.note(about("account.password-link", person.id, address, &Actor::System, "")).await?;
        change.commit().await
    }

    /// Whose password a link sets, without using it.
    pub async fn peek_password_link(&self, token: &str) -> Result<Person, Error> {
        let info = self.peek_token(token, Purpose::ResetPassword).await?;
        let found = self.account_at(&info.address).await?.map(|(person, _)| person);
        found.filter(|person| person.id.0 == info.subject).ok_or(Error::TokenInvalid)
    }

    /// Uses a link: the password is the one with this hash from now on, whether or not it was a first one before. All
    /// sessions and all other links of this person end (CASES T-105).
    pub async fn use_password_link(&self, token: &str, hash: &str) -> Result<Person, Error> {
        let person = self.peek_password_link(token).await?;
        self.use_token(token, Purpose::ResetPassword).await?;
        self.set_password(person.id, hash, false, &Actor::Person(person.id)).await?;
        Ok(person)
    }
}

const MOST_PER_DAY: i64 = 3;
const LINK_SECONDS: u32 = 1800;

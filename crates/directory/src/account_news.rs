//! What somebody is written to when their way of logging in has changed. If it was somebody else, this is how they hear
//! of it: the mail goes out with the change itself, or neither does.

use crate::audit::Change;
use crate::database::values;
use crate::{Directory, Error, OutboxId, Outgoing, OutgoingKind, Person, outbox, statements as sql, texts};

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountNews {
    /// A secret for codes from the phone was set up.
    Codes,
    /// It is gone.
    CodesRemoved,
    /// The house gave out another first password, and took everything else away.
    FirstPassword,
    /// There is one passkey more.
    Passkey,
    /// There is one less.
    PasskeyRemoved,
    /// The password is another one; so many passkeys are left from before.
    Password { passkeys: usize },
}

impl Directory {
    /// Writes to the owner of an account within the change.
    pub(crate) async fn tell_owner(
        &self,
        change: &mut Change<'_>,
        owner: &Person,
        news: AccountNews,
    ) -> Result<(), Error> {
        let (settings, now) = (self.settings(), change.now);
        let mail = texts::account_news(settings, owner.language, &owner.address, news);
        let outgoing = Outgoing {
            sender: Some(settings.notify_from.clone()),
            recipient: owner.address.clone(),
            content: texts::render(settings, &owner.address, owner.language, now, &mail)?,
            kind: OutgoingKind::AccountNews,
            not_before: None,
            key: None,
        };
        outbox::add(&mut change.tx, &settings.store_key, OutboxId::random()?, &outgoing, now).await?;
        Ok(())
    }

    /// The same for a password, which nobody hears of who had none before.
    pub(crate) async fn tell_owner_of_password(
        &self,
        change: &mut Change<'_>,
        owner: &Person,
        first: bool,
    ) -> Result<(), Error> {
        let passkeys = change.tx.fetch(sql::PASSKEYS_OF, values![owner.id.0]).await?.len();
        let news = if first { AccountNews::FirstPassword } else { AccountNews::Password { passkeys } };
        self.tell_owner(change, owner, news).await
    }
}

//! Log-in of programs and people who submit mail: the passwords of the portal, for people inside. Whoever has a second
//! factor there, or must have one, submits with a token for this in the place of the password: a mail program asks for
//! no second factor, and a password that was phished signs nothing.

use std::net::IpAddr;
use std::time::Duration;

use argon2::password_hash::PasswordVerifier as _;
use argon2::{Argon2, password_hash::phc::PasswordHash};
use directory::{Address, Directory, Error, Limit, Role, Scope, network_key};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::book::Unavailable;
use crate::smtp::Reply;

/// What log-ins have in common.
#[derive(Debug)]
pub(crate) struct LogIn {
    /// Whoever has one of these roles needs a second factor.
    second_factor_for: Vec<Role>,
    // Argon2id takes 19 MiB: no more of them at once than this (CASES T-104).
    hashing: Semaphore,
    patience: Duration,
}

impl LogIn {
    pub(crate) fn new(second_factor_for: Vec<Role>) -> Self {
        Self { second_factor_for, hashing: Semaphore::new(HASHES_AT_ONCE), patience: PATIENCE }
    }

    /// Whether an address of the house and a password belong together. Tries are counted (CASES T-104), and an address
    /// that nobody has takes as long as a wrong password (CASES T-103).
    pub(crate) async fn check(
        &self,
        directory: &Directory,
        name: &str,
        password: &str,
        network: IpAddr,
    ) -> Result<bool, Reply> {
        let Ok(address) = Address::parse(name) else { return Ok(false) };
        let network = network_key(network);
        // The same keys as in the portal: whoever guesses at both doors has no more tries than at one.
        let account = format!("account:{}", address.key());
        let attempt = match directory.attempt(Limit::LogIn, &[&account, &network]).await {
            Ok(attempt) => attempt,
            Err(Error::LimitReached { .. }) => {
                return Err(Reply::new(454, "4.7.0", "too many tries, come again later"));
            }
            Err(error) => return Err(Unavailable::from(error).into()),
        };
        if password.len() == TOKEN {
            let token = directory.api_token(password).await.map_err(Unavailable::from)?;
            let own = token.is_some_and(|(token, person)| {
                let theirs = person.address == address && !person.roles.has(Role::Partner);
                theirs && token.scopes.contains(&Scope::MailSubmit)
            });
            if own {
                directory.succeeded(attempt).await.map_err(Unavailable::from)?;
                return Ok(true);
            }
        }
        let known = directory.account_at(&address).await.map_err(Unavailable::from)?;
        // A first password is for changing it, and partners write in the webmailer.
        let usable = known.filter(|(person, account)| !account.must_change && !person.roles.has(Role::Partner));
        let hash = usable.as_ref().map_or(NOBODY, |(_, account)| account.password_hash.as_str()).to_owned();
        let password = Zeroizing::new(password.to_owned());
        let busy = || Reply::new(454, "4.7.0", "too many log in at the moment, come again soon");
        let _turn = timeout(self.patience, self.hashing.acquire()).await.ok().and_then(Result::ok).ok_or_else(busy)?;
        let fits = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        let fits = fits.await.unwrap_or(false);
        let Some((person, _)) = usable.filter(|_| fits) else { return Ok(false) };
        directory.succeeded(attempt).await.map_err(Unavailable::from)?;
        let required = self.second_factor_for.iter().any(|role| person.roles.has(*role));
        if required || directory.has_second_factor(person.id).await.map_err(Unavailable::from)? {
            let text =
                "this account has a second factor: submit with a token for mail:submit in the place of the password";
            return Err(Reply::new(534, "5.7.9", text));
        }
        Ok(true)
    }
}

/// Characters of a token.
const TOKEN: usize = 43;
/// Hashes that are computed at the same time, and how long others wait for that.
const HASHES_AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// A hash that no password is known for, with the costs of all others.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VhbHBvc3Qgbm9ib2R5IQ$JqRZk6u7q8m9m5oW1tJ8c2p0m0Yw5m3w0v4kU8Yk2aE";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t_104_only_so_many_passwords_are_hashed_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let settings = directory::Settings::new(
            "Muster GmbH",
            ["inside.example"],
            Address::parse("intake@inside.example").unwrap(),
            "https://mail.inside.example",
            directory::StoreKey::generate().unwrap(),
        );
        let clock = std::sync::Arc::new(directory::ManualClock::at(testkit::now()));
        let url = format!("sqlite:{}", folder.path().join("house.db").display());
        let directory = Directory::open(&url, settings, clock).await.unwrap();
        let log_in = LogIn { patience: Duration::ZERO, ..LogIn::new(Vec::new()) };
        let try_it = || log_in.check(&directory, "eve@inside.example", "guessed", IpAddr::from([192, 0, 2, 1]));
        assert_eq!(try_it().await, Ok(false));
        let all = log_in.hashing.acquire_many(4).await.unwrap();
        assert_eq!(log_in.hashing.available_permits(), 0);
        let reply = try_it().await.unwrap_err();
        assert_eq!((reply.code(), reply.enhanced()), (454, "4.7.0"));
        drop(all);
        assert_eq!(try_it().await, Ok(false));
    }

    #[test]
    fn t_103_nobody_takes_as_long_as_somebody() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(hash.to_string(), NOBODY);
        assert!(Argon2::default().verify_password(b"", &hash).is_err());
    }
}

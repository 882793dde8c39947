//! Log-in of programs and people who submit mail: the passwords of the portal, for people inside.

use std::net::IpAddr;

use argon2::password_hash::PasswordVerifier as _;
use argon2::{Argon2, password_hash::phc::PasswordHash};
use directory::{Address, Directory, Error, Limit, Role, network_key};
use zeroize::Zeroizing;

use crate::book::Unavailable;
use crate::smtp::Reply;

/// Whether an address of the house and a password belong together. Tries are counted (CASES T-104), and an address
/// that nobody has takes as long as a wrong password (CASES T-103).
pub(crate) async fn check(directory: &Directory, name: &str, password: &str, network: IpAddr) -> Result<bool, Reply> {
    let Ok(address) = Address::parse(name) else { return Ok(false) };
    let network = network_key(network);
    // The same keys as in the portal: whoever guesses at both doors has no more tries than at one.
    let account = format!("account:{}", address.key());
    let attempt = match directory.attempt(Limit::LogIn, &[&account, &network]).await {
        Ok(attempt) => attempt,
        Err(Error::LimitReached { .. }) => return Err(Reply::new(454, "4.7.0", "too many tries, come again later")),
        Err(error) => return Err(Unavailable::from(error).into()),
    };
    let known = directory.account_at(&address).await.map_err(Unavailable::from)?;
    // A first password is for changing it, and partners write in the webmailer.
    let usable = known.filter(|(person, account)| !account.must_change && !person.roles.has(Role::Partner));
    let hash = usable.as_ref().map_or(NOBODY, |(_, account)| account.password_hash.as_str()).to_owned();
    let password = Zeroizing::new(password.to_owned());
    let fits = tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    });
    let fits = fits.await.unwrap_or(false) && usable.is_some();
    if fits {
        directory.succeeded(attempt).await.map_err(Unavailable::from)?;
    }
    Ok(fits)
}

/// A hash that no password is known for, with the costs of all others.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VhbHBvc3Qgbm9ib2R5IQ$JqRZk6u7q8m9m5oW1tJ8c2p0m0Yw5m3w0v4kU8Yk2aE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_103_nobody_takes_as_long_as_somebody() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(hash.to_string(), NOBODY);
        assert!(Argon2::default().verify_password(b"", &hash).is_err());
    }
}

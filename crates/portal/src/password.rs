//! Passwords: Argon2id, rules that are about length and obviousness alone, and first passwords that can be read out.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, password_hash::phc::PasswordHash};
use directory::Address;

use crate::Error;

/// Hashes a password with Argon2id and a fresh salt, in PHC form, as [`directory::Directory::set_password`] takes it.
pub fn hash_password(password: &str) -> Result<String, Error> {
    let salt = crypto::random_array::<16>().map_err(|error| failed(&error))?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Password { because: error.to_string() }
}

/// Whether `password` is the one that `hash` was made from.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    // What nobody could have set is not worth the memory (CASES T-104).
    if password.len() > MOST_OCTETS {
        return false;
    }
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// What is wrong with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    Differs,
    Obvious,
    SameAsBefore,
    TooLong,
    TooShort,
}

/// The rules for a new password that was typed twice.
/// `names` are those of the person and of the house.
pub(crate) fn check(password: &str, repeat: &str, address: &Address, names: &[&str]) -> Result<(), Weakness> {
    if password.chars().count() < FEWEST_CHARACTERS {
        return Err(Weakness::TooShort);
    }
    if password.len() > MOST_OCTETS {
        return Err(Weakness::TooLong);
    }
    if is_obvious(password, address, names) {
        return Err(Weakness::Obvious);
    }
    if password != repeat { Err(Weakness::Differs) } else { Ok(()) }
}

fn is_obvious(password: &str, address: &Address, names: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5 {
        return true;
    }
    // What is left without one's own name and what everybody takes has to be worth something.
    let mut rest = lower.clone();
    let own = std::iter::once(address.local_part().to_lowercase())
        .chain(names.iter().flat_map(|name| name.split_whitespace()).map(str::to_lowercase))
        .chain(address.domain().split('.').map(str::to_owned));
    for word in own.filter(|word| word.chars().count() >= 4).chain(COMMON.iter().map(|word| (*word).to_owned())) {
        rest = rest.replace(&word, "");
    }
    rest != lower && rest.chars().count() < 5
}

/// A first password as [`first_password`] made it, however it was typed: in capitals, without its hyphens, with blanks
/// around it. `None` for what is none.
pub(crate) fn first_as_made(typed: &str) -> Option<String> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let plain: String = typed.chars().take(80).filter(|c| !is_between(*c)).map(|c| c.to_ascii_lowercase()).collect();
    let is_one = plain.len() == 16 && plain.bytes().all(|octet| ALPHABET.contains(&octet));
    is_one.then(|| in_groups(&plain))
}

/// A first password: 16 characters that are not mistaken for each other on paper or on the phone, about 79 bits.
pub fn first_password() -> Result<String, Error> {
    let mut characters = String::new();
    while characters.len() < 16 {
        for octet in crypto::random_array::<32>().map_err(|error| failed(&error))? {
            // The 32nd value is thrown away, so that each character is as likely as the others.
            if let Some(&character) = ALPHABET.get(usize::from(octet & 31))
                && characters.len() < 16
            {
                characters.push(char::from(character));
            }
        }
    }
    Ok(in_groups(&characters))
}

fn in_groups(characters: &str) -> String {
    let groups: Vec<&str> = (0..4).filter_map(|group| characters.get(group * 4..group * 4 + 4)).collect();
    groups.join("-")
}

const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

pub(crate) const FEWEST_CHARACTERS: usize = 10;
const MOST_OCTETS: usize = 256;

const COMMON: &[&str] = &[
    "passwort",
    "password",
    "kennwort",
    "geheim",
    "secret",
    "qwertz",
    "qwerty",
    "hallo",
    "hello",
    "welcome",
    "willkommen",
    "letmein",
    "admin",
    "sommer",
    "winter",
    "summer",
    "iloveyou",
    "123456789",
    "1234567",
    "12345",
    "1234",
    "0000",
    "1111",
    "abc",
    "2024",
    "2025",
    "2026",
    "2027",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(password: &str) -> Result<(), Weakness> {
        let address = Address::parse("petra.partner@kanzlei.example").unwrap();
        check(password, password, &address, &["Petra Partner", "Testhaus AG"])
    }

    #[test]
    fn a_hash_is_argon2id_and_knows_its_password_alone() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_password("correct horse battery").unwrap());
        assert!(verify("correct horse battery", &hash));
        for wrong in ["correct horse batter", "", "Correct horse battery"] {
            assert!(!verify(wrong, &hash));
        }
        assert!(!verify("x", "no hash"));
        assert!(!verify(&"x".repeat(300), &hash_password(&"x".repeat(300)).unwrap()));
    }

    #[test]
    fn rules_are_about_length_and_obviousness() {
        assert_eq!(of("kurz"), Err(Weakness::TooShort));
        assert_eq!(of(&"langes Kennwort ".repeat(30)), Err(Weakness::TooLong));
        for obvious in
            ["aaaaaaaaaaaa", "passwort1234", "Petra.Partner1", "kanzlei2026!", "Testhaus AG 2026", "1212121212"]
        {
            assert_eq!(of(obvious), Err(Weakness::Obvious), "{obvious}");
        }
        for good in ["Sonnenblume 27", "vier Worte ohne Sinn", "x7-kqm4-t9fh", "Kennwort mit vielen Worten"] {
            assert_eq!(of(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn t_105_first_passwords_are_random_and_readable() {
        let (one, other) = (first_password().unwrap(), first_password().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 19);
        assert!(one.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert!(!one.contains(['l', 'i', 'o', '0', '1']));
        for typed in
            [one.clone(), one.to_uppercase(), one.replace('-', ""), format!(" {} ", one.replace('-', " \u{2013} "))]
        {
            assert_eq!(first_as_made(&typed).as_ref(), Some(&one), "{typed}");
        }
        for other in ["", "vier Worte ohne Sinn", &one[1..], &format!("{one}x"), "abcd-efgh-jkmn-pqr1"] {
            assert_eq!(first_as_made(other), None, "{other}");
        }
    }
}

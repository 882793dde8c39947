//! What opens private keys: from a file, from the service manager, or in a token.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crypto::{Token, TokenSettings};
use directory::{Directory, KeyRing, Master, MasterKey};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::outcome::{Doing, Stop};

/// Where a secret is, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// `file:PATH`
    File(PathBuf),
    /// `credential:NAME`: a file in the folder that the service manager has made for this service alone.
    Credential(String),
    /// `token:LABEL` or `token:LABEL/NAME`: a key in a PKCS #11 token.
    Token {
        /// The token's label.
        label: String,
        /// The key's name in it.
        name: String,
    },
}

/// The name of a master key in a token, unless another is given.
const USUAL_NAME: &str = "sealpost-master";

impl SecretPlace {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            _ if rest.is_empty() => None,
            "file" => Some(Self::File(rest.into())),
            // A name, never a path out of the folder.
            "credential" if !rest.contains('/') && !rest.starts_with('.') => Some(Self::Credential(rest.into())),
            "token" => {
                let (label, name) = rest.split_once('/').unwrap_or((rest, USUAL_NAME));
                (!label.is_empty() && !name.is_empty()).then(|| Self::Token { label: label.into(), name: name.into() })
            }
            _ => None,
        }
    }

    /// The same with a relative path taken from `folder`.
    pub(crate) fn resolved(text: &str, folder: &Path) -> String {
        match Self::parse(text) {
            Some(Self::File(path)) => format!("file:{}", folder.join(path).display()),
            _ => text.to_owned(),
        }
    }

    /// The file that it is in; `None` when it is in a token.
    fn file(&self) -> Result<Option<PathBuf>, Stop> {
        match self {
            Self::File(path) => Ok(Some(path.clone())),
            Self::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    Stop::failed(format_args!("there is no credential {name}: the service manager gave none"))
                        .hint("set LoadCredential= or LoadCredentialEncrypted= in the unit, or use file:PATH")
                })?;
                Ok(Some(Path::new(&folder).join(name)))
            }
            Self::Token { .. } => Ok(None),
        }
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
            Self::Token { label, name } => write!(f, "{name} in the token {label}"),
        }
    }
}

/// Where the master key is; `None` where only pages are served.
pub(crate) fn master_place(config: &Config) -> Option<SecretPlace> {
    let named = config.keys.master_key.as_deref().and_then(SecretPlace::parse);
    named.or_else(|| config.keys.master_key_file.clone().map(SecretPlace::File))
}

/// Where the next one is, while it is brought in.
pub(crate) fn next_master_place(config: &Config) -> Option<SecretPlace> {
    config.keys.next_master_key.as_deref().and_then(SecretPlace::parse)
}

/// Opens the private keys of a configuration.
pub(crate) async fn open_keys(config: &Config, directory: &Directory) -> Result<KeyRing, Stop> {
    let Some(place) = master_place(config) else {
        return Err(Stop::refused("keys.master_key_file is not set, and this role opens private keys")
            .hint("name the file in the configuration, or run the pages alone with --role portal"));
    };
    for place in [Some(&place), next_master_place(config).as_ref()].into_iter().flatten() {
        if let SecretPlace::File(file) = place
            && open_to_others(file, 0o077)
        {
            let file = file.display();
            tracing::warn!(%file, "the master key can be read by others on this machine: chmod 600 it");
        }
    }
    let tokens = tokens(config)?;
    let mut masters = vec![master(&place, &tokens)?];
    if let Some(next) = next_master_place(config) {
        masters.push(master(&next, &tokens)?);
    }
    KeyRing::open_with(directory, masters, tokens).await.map_err(|error| {
        let stop = Stop::failed(format_args!("cannot open the private keys: {error}"));
        match error {
            directory::Error::MasterKeyWrong => stop.hint(format_args!(
                "{place} belongs to another database, or a rotation needs keys.next_master_key as well"
            )),
            directory::Error::Crypto(crypto::Error::Unavailable { .. }) => {
                stop.hint("is the token there, and its PIN right? see keys.token in the configuration")
            }
            _ => stop,
        }
    })
}

/// Whether a file or folder has one of these bits set, for others than its owner.
pub(crate) fn open_to_others(path: &Path, bits: u32) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bits != 0)
}

/// Reads or names a master key.
pub(crate) fn master(place: &SecretPlace, tokens: &[Token]) -> Result<Master, Stop> {
    if let SecretPlace::Token { label, name } = place {
        return Ok(token(label, tokens)?.secret(name).into());
    }
    let file = place.file()?.unwrap_or_default();
    let key = MasterKey::load(&file).map_err(|error| {
        Stop::failed(format_args!("cannot read the master key {}: {error}", file.display()))
            .hint("sealpost key master new makes one; keep a copy of it apart from the database")
    })?;
    Ok(key.into())
}

/// A password: the first line of what a place has.
pub(crate) fn password(key: &str, place: &str) -> Result<Zeroizing<String>, Stop> {
    let wrong = || Stop::refused(format_args!("{key} is not file:PATH or credential:NAME"));
    first_line(place)?.ok_or_else(wrong)
}

/// The first line of what a place has, for secrets that other programs have to write as well.
pub(crate) fn secret_line(key: &str, place: &str) -> Result<String, Stop> {
    let wrong = || Stop::refused(format_args!("{key} is not file:PATH or credential:NAME"));
    let line = first_line(place)?.ok_or_else(wrong)?;
    let line = line.trim();
    // It stands in a header field, and must not be guessed.
    if line.len() < 16 || line.len() > 200 || !line.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Stop::refused(format_args!("{key} is 16 to 200 printable characters"))
            .hint("openssl rand -hex 32 makes one"));
    }
    Ok(line.to_owned())
}

/// The token with a label.
pub(crate) fn token<'t>(label: &str, tokens: &'t [Token]) -> Result<&'t Token, Stop> {
    tokens.iter().find(|token| token.label() == label).ok_or_else(|| {
        Stop::refused(format_args!("no token {label} is configured")).hint("describe it in a [[keys.token]]")
    })
}

/// The first line of the file that a place names; `None` when it names none.
pub(crate) fn first_line(place: &str) -> Result<Option<Zeroizing<String>>, Stop> {
    let Some(file) = SecretPlace::parse(place).map(|place| place.file()).transpose()?.flatten() else {
        return Ok(None);
    };
    let text = Zeroizing::new(std::fs::read_to_string(&file).doing(format_args!("read {}", file.display()))?);
    Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())))
}

/// The tokens of a configuration. One that is away now is asked again when it is needed.
pub(crate) fn tokens(config: &Config) -> Result<Vec<Token>, Stop> {
    let one = |described: &crate::config::Token| {
        let wrong = || Stop::refused(format_args!("token {}: the PIN is in no file: or credential:", described.label));
        let pin = first_line(&described.pin)?.ok_or_else(wrong)?;
        let settings = TokenSettings { module: described.module.clone(), label: described.label.clone(), pin };
        Token::new(settings).map_err(|error| {
            Stop::failed(format_args!("token {}: {error}", described.label))
                .hint("is keys.token.module the right file?")
        })
    };
    config.keys.token.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_secrets_are_read() {
        let token = |label: &str, name: &str| SecretPlace::Token { label: label.into(), name: name.into() };
        for (text, expected) in [
            ("file:master.key", Some(SecretPlace::File("master.key".into()))),
            ("credential:master", Some(SecretPlace::Credential("master".into()))),
            ("token:hsm", Some(token("hsm", USUAL_NAME))),
            ("token:hsm/2027", Some(token("hsm", "2027"))),
            ("credential:../etc/shadow", None),
            ("credential:..", None),
            ("token:/x", None),
            ("file:", None),
            ("/etc/sealpost/master.key", None),
            ("http://x", None),
        ] {
            assert_eq!(SecretPlace::parse(text), expected, "{text}");
        }
        assert_eq!(SecretPlace::resolved("file:a", Path::new("/b")), "file:/b/a");
        assert_eq!(SecretPlace::resolved("credential:a", Path::new("/b")), "credential:a");
    }
}

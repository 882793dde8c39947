use std::fmt;
use std::pin::Pin;

use directory::{Address, Directory};
use serde_json::Value;

/// A mail that somebody asks about: what would happen to it?
#[derive(Debug, Clone)]
pub struct ExplainQuery {
    /// Who would send it.
    pub from: Address,
    /// To whom.
    pub to: Vec<Address>,
    /// Its subject; rules look for words in it.
    pub subject: String,
}

/// What is explained: for each recipient an object as traces keep it, with `recipient`, `rule`, `action`, `reasons`,
/// `signed_with`, `encrypted_to`, `cipher`, `unusable` and `reply`. An error says why nothing can be said now.
pub type Explaining<'a> = Pin<Box<dyn Future<Output = Result<Vec<Value>, String>> + Send + 'a>>;

/// Knows the policy for mail. The program puts it in: the portal has no policy of its own.
pub trait Explain: fmt::Debug + Send + Sync {
    /// What would happen to a mail, with what the directory knows now.
    fn explain<'a>(&'a self, directory: &'a Directory, query: ExplainQuery) -> Explaining<'a>;
}

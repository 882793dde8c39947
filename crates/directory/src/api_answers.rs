//! What a program was answered, kept for a day: a call that is repeated with the same key gets the same answer and
//! changes nothing again.
//!
//! Answers are sealed: one of them may hold a first password.

use zeroize::Zeroizing;

use crate::audit::digest_of;
use crate::database::values;
use crate::sealing::{open, seal};
use crate::{ApiTokenId, Directory, Error, statements as sql};

/// What is known about a key that a program gave its call.
#[derive(Debug)]
pub enum Repeated {
    /// This is the first call with it: it is marked as running, until the answer is kept or the mark is taken away.
    No,
    /// The same call has been answered.
    Answered(Zeroizing<Vec<u8>>),
    /// The same call is still running.
    Running,
    /// Another call had this key.
    Another,
}

impl Directory {
    /// Marks a call of a token as running under `key`. `request` is everything that the call consists of.
    pub async fn begin_api_call(&self, token: ApiTokenId, key: &str, request: &[&str]) -> Result<Repeated, Error> {
        let (key, request, now) = (key_hash(token, key), digest_of(request), self.now());
        let mut tx = self.database().begin().await?;
        tx.execute(sql::FORGET_API_ANSWERS, values![now.plus_seconds(-KEPT_SECONDS)]).await?;
        // A process that went away in the middle answers no more.
        let given_up = now.plus_seconds(-LONGEST_CALL_SECONDS);
        tx.execute(sql::FORGET_API_CALL, values![token.0, key.as_str(), given_up]).await?;
        let row = values![token.0, key.as_str(), request.as_str(), now];
        if tx.execute(sql::ADD_API_CALL, row).await? > 0 {
            tx.commit().await?;
            return Ok(Repeated::No);
        }
        let row = tx.fetch_one(sql::API_ANSWER, values![token.0, key.as_str()]).await?;
        tx.commit().await?;
        let Some(mut row) = row else { return Ok(Repeated::Running) };
        if row.text()? != request {
            return Ok(Repeated::Another);
        }
        match row.optional_blob()? {
            None => Ok(Repeated::Running),
            Some(sealed) => Ok(Repeated::Answered(open(&self.settings().store_key.0, &context(&key), &sealed)?)),
        }
    }

    /// Keeps the answer to a call for a day.
    pub async fn keep_api_answer(&self, token: ApiTokenId, key: &str, answer: &[u8]) -> Result<(), Error> {
        let key = key_hash(token, key);
        let sealed = seal(&self.settings().store_key.0, &context(&key), answer)?;
        self.database().execute(sql::SET_API_ANSWER, values![token.0, key, sealed]).await.map(drop)
    }

    /// The call came to nothing, and may be tried again with the same key.
    pub async fn forget_api_call(&self, token: ApiTokenId, key: &str) -> Result<(), Error> {
        let values = values![token.0, key_hash(token, key), self.now()];
        self.database().execute(sql::FORGET_API_CALL, values).await.map(drop)
    }
}

fn key_hash(token: ApiTokenId, key: &str) -> String {
    digest_of(&["api call", &token.to_string(), key])
}

fn context(key: &str) -> Vec<u8> {
    format!("sealpost api answer {key}").into_bytes()
}

const KEPT_SECONDS: i64 = 86_400;
const LONGEST_CALL_SECONDS: i64 = 300;

//! What an ACME server says, read from its JSON: nothing is taken of it but what is used, and that within bounds.

use std::fmt;

use serde_json::Value;

use crate::Error;

/// Where a server has what (RFC 8555 §7.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    /// The terms that a customer has to agree to.
    pub terms_of_service: Option<String>,
    /// By which names the CA stands in CAA records.
    pub caa_identities: Vec<String>,
    /// Whether an account has to be bound to one that the customer has there already.
    pub external_account_required: bool,
}

/// How far something is (RFC 8555 §7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Something has to be done for it.
    Pending,
    /// The server is at work.
    Processing,
    /// An order whose certificate can be asked for.
    Ready,
    /// It is done.
    Valid,
    /// It failed.
    Invalid,
    /// It is over: revoked, expired, deactivated.
    Over,
}

/// What is to be proven (RFC 8555 §9.7.7, RFC 8823 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// `email`, `dns`, …
    pub kind: String,
    /// The address.
    pub value: String,
}

/// A request for a certificate (RFC 8555 §7.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How far it is.
    pub status: Status,
    /// What it is for.
    pub identifiers: Vec<Identifier>,
    /// Where its authorizations are, in whatever order.
    pub authorizations: Vec<String>,
    /// Where the certificate is asked for.
    pub finalize: String,
    /// Where it is, once it is there.
    pub certificate: Option<String>,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// What has to be proven for one identifier (RFC 8555 §7.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// How far it is.
    pub status: Status,
    /// For what.
    pub identifier: Identifier,
    /// The one way to prove it that is known here, if the server offers it.
    pub email_reply: Option<Challenge>,
}

/// The challenge `email-reply-00` (RFC 8823 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Where the server is told that it was answered.
    pub url: String,
    /// How far it is.
    pub status: Status,
    /// From whom the mail with the first part of the token comes.
    pub from: String,
    /// The second part of the token.
    pub token: String,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// What went wrong, in the server's words (RFC 7807, RFC 8555 §6.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The last part of its type: `badNonce`, `rateLimited`, …
    pub kind: String,
    /// For people.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.kind) } else { write!(f, "{} ({})", self.detail, self.kind) }
    }
}

impl Directory {
    /// From the JSON of a server.
    ///
    /// # Errors
    /// When it is none, or larger than one may be.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let object = Object::parse("an ACME directory", body)?;
        let meta = object.value.get("meta").unwrap_or(&Value::Null);
        let identities = meta.get("caaIdentities").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            new_nonce: object.text("newNonce")?,
            new_account: object.text("newAccount")?,
            new_order: object.text("newOrder")?,
            terms_of_service: meta.get("termsOfService").and_then(Value::as_str).map(shortened),
            caa_identities: identities.filter_map(Value::as_str).take(MOST_ITEMS).map(shortened).collect(),
            external_account_required: meta.get("externalAccountRequired").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

impl Order {
    /// From the JSON of a server.
    ///
    /// # Errors
    /// When it is none, or larger than one may be.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let object = Object::parse("an ACME order", body)?;
        let identifiers = object.list("identifiers")?.iter().map(|one| Identifier::read(object.what, one));
        let authorizations = object.list("authorizations")?.iter().map(|one| one.as_str().map(str::to_owned));
        Ok(Self {
            status: object.status()?,
            identifiers: identifiers.collect::<Result<_, _>>()?,
            authorizations: authorizations.collect::<Option<_>>().ok_or_else(|| object.missing("authorizations"))?,
            finalize: object.text("finalize")?,
            certificate: object.value.get("certificate").and_then(Value::as_str).map(str::to_owned),
            problem: object.value.get("error").map(Problem::read),
        })
    }
}

impl Authorization {
    /// From the JSON of a server.
    ///
    /// # Errors
    /// When it is none, or larger than one may be.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let object = Object::parse("an ACME authorization", body)?;
        let identifier = object.value.get("identifier").ok_or_else(|| object.missing("identifier"))?;
        let ours = |one: &&Value| one.get("type").and_then(Value::as_str) == Some("email-reply-00");
        let email_reply = object.list("challenges")?.iter().find(ours).map(Challenge::read).transpose()?;
        Ok(Self { status: object.status()?, identifier: Identifier::read(object.what, identifier)?, email_reply })
    }
}

impl Challenge {
    /// From the JSON of a server.
    ///
    /// # Errors
    /// When it is none, or larger than one may be.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        Self::read(&Object::parse("an ACME challenge", body)?.value)
    }

    fn read(value: &Value) -> Result<Self, Error> {
        let object = Object { what: "an ACME challenge", value: value.clone() };
        let token = object.text("token")?;
        // RFC 8555 §8.1: base64url alone, so that nothing else is digested with it.
        if token.is_empty() || !is_base64url(&token) {
            return Err(Error::Malformed { what: object.what, because: "its token is no base64url".into() });
        }
        Ok(Self {
            url: object.text("url")?,
            status: object.status()?,
            from: object.text("from")?,
            token,
            problem: value.get("error").map(Problem::read),
        })
    }
}

impl Identifier {
    fn read(what: &'static str, value: &Value) -> Result<Self, Error> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| text.len() <= MOST_OCTETS);
        let read = text("type").zip(text("value")).map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        let (kind, value) = read.ok_or_else(|| Error::Malformed { what, because: "an odd identifier".into() })?;
        Ok(Self { kind, value })
    }
}

impl Problem {
    /// From the JSON of a server, if it is one.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        value.get("type").and_then(Value::as_str)?;
        Some(Self::read(&value))
    }

    fn read(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type").rsplit(':').next().unwrap_or_default();
        // What went wrong with one identifier stands below (RFC 8555 §6.7.1).
        let below = value.get("subproblems").and_then(Value::as_array).into_iter().flatten();
        let below = below.take(3).filter_map(|one| one.get("detail").and_then(Value::as_str));
        let detail: Vec<&str> = std::iter::once(text("detail")).chain(below).filter(|text| !text.is_empty()).collect();
        Self { kind: shortened(kind), detail: shortened(&detail.join("; ")) }
    }
}

/// Whether a text is base64url without padding.
pub(crate) fn is_base64url(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

struct Object {
    what: &'static str,
    value: Value,
}

impl Object {
    fn parse(what: &'static str, body: &[u8]) -> Result<Self, Error> {
        let malformed = |because: String| Error::Malformed { what, because };
        let value: Value = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        if value.is_object() { Ok(Self { what, value }) } else { Err(malformed("it is no object".into())) }
    }

    fn missing(&self, key: &str) -> Error {
        Error::Malformed { what: self.what, because: format!("{key} is missing or odd") }
    }

    fn text(&self, key: &str) -> Result<String, Error> {
        let text = self.value.get(key).and_then(Value::as_str).filter(|text| text.len() <= MOST_OCTETS);
        text.map(str::to_owned).ok_or_else(|| self.missing(key))
    }

    fn list(&self, key: &str) -> Result<&[Value], Error> {
        let list = self.value.get(key).and_then(Value::as_array).filter(|list| list.len() <= MOST_ITEMS);
        list.map(Vec::as_slice).ok_or_else(|| self.missing(key))
    }

    fn status(&self) -> Result<Status, Error> {
        match self.text("status")?.as_str() {
            "pending" => Ok(Status::Pending),
            "processing" => Ok(Status::Processing),
            "ready" => Ok(Status::Ready),
            "valid" => Ok(Status::Valid),
            "invalid" => Ok(Status::Invalid),
            "revoked" | "expired" | "deactivated" => Ok(Status::Over),
            _ => Err(self.missing("status")),
        }
    }
}

// What a server says is shown to people.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

const MOST_OCTETS: usize = 2_048;
const MOST_ITEMS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORIZATION: &str = r#"{"status":"pending","identifier":{"type":"email","value":"a@b.example"},"challenges":[
        {"type":"new-99","url":"https://x","status":"pending"},
        {"type":"email-reply-00","url":"https://y","status":"pending","from":"ca@ca.example","token":"@"}]}"#;

    #[test]
    fn a_challenge_is_found_among_others_and_its_token_is_plain() {
        let with = |token: &str| Authorization::parse(AUTHORIZATION.replace('@', token).as_bytes());
        let challenge = with("ab-_9").unwrap().email_reply.unwrap();
        assert_eq!((challenge.token.as_str(), challenge.url.as_str()), ("ab-_9", "https://y"));
        for token in ["", "a.b", "a b", "a=", "\u{e9}"] {
            assert!(with(token).is_err(), "{token}");
        }
    }

    #[test]
    fn what_is_not_what_it_should_be_is_an_error() {
        for body in ["", "[]", "null", "{}", r#"{"status":"pending"}"#, r#"{"status":7}"#] {
            assert!(Order::parse(body.as_bytes()).is_err(), "{body}");
            assert!(Authorization::parse(body.as_bytes()).is_err(), "{body}");
            assert!(Challenge::parse(body.as_bytes()).is_err(), "{body}");
            assert!(Directory::parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(Order::parse(deep.as_bytes()).is_err());
        let many = format!(
            r#"{{"status":"ready","identifiers":[],"finalize":"f","authorizations":[{}"x"]}}"#,
            "\"x\",".repeat(MOST_ITEMS)
        );
        assert!(Order::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn a_problem_is_short_and_of_one_line() {
        let body = format!(
            r#"{{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no\r\n{}","subproblems":[]}}"#,
            "x".repeat(9_000)
        );
        let problem = Problem::parse(body.as_bytes()).unwrap();
        assert_eq!(problem.kind, "rejectedIdentifier");
        assert!(problem.detail.starts_with("nox") && problem.detail.len() == 300);
        assert!(Problem::parse(b"{}").is_none());
    }
}

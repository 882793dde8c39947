use serde::Deserialize;

use crate::Rejected;

/// What the browser says about the question (`CollectedClientData`, Web Authentication Level 2 §5.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientData {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) challenge: String,
    pub(crate) origin: String,
    #[serde(default)]
    pub(crate) cross_origin: bool,
    pub(crate) token_binding: Option<TokenBinding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TokenBinding {
    pub(crate) status: String,
}

impl ClientData {
    /// Reads its JSON. More members than are known here are no fault (Web Authentication Level 2 §5.8.1); one twice is.
    pub fn parse(json: &[u8]) -> Result<Self, Rejected> {
        if json.len() > LONGEST {
            return Err(Rejected::malformed(WHAT, "it is too long"));
        }
        serde_json::from_slice(json).map_err(|error| Rejected::malformed(WHAT, error.to_string()))
    }

    /// The challenge that it says it answers, in base64url: nobody's word before it has been verified.
    pub fn claimed_challenge(&self) -> &str {
        &self.challenge
    }
}

const WHAT: &str = "CollectedClientData";
const LONGEST: usize = 8 << 10;

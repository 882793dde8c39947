use ciborium::Value;

use crate::cbor::{self, Map, as_number};
use crate::{CoseKey, Rejected};

/// What comes with a new passkey (Web Authentication Level 2 §6.5).
#[derive(Debug, Clone, PartialEq)]
pub struct AttestationObject {
    format: String,
    statement: Value,
    authenticator_data: Vec<u8>,
}

impl AttestationObject {
    /// Reads `{"fmt": …, "attStmt": …, "authData": …}`, all of it.
    pub fn parse(octets: &[u8]) -> Result<Self, Rejected> {
        let missing = |name: &str| Rejected::malformed(WHAT, format!("no {name}"));
        if octets.len() > LONGEST {
            return Err(Rejected::malformed(WHAT, "it is too long"));
        }
        let mut rest = octets;
        let map = Map::of(cbor::item(&mut rest, WHAT)?, WHAT)?;
        if !rest.is_empty() {
            return Err(Rejected::malformed(WHAT, format!("{} octets are left over", rest.len())));
        }
        let format = map.text("fmt").and_then(Value::as_text).ok_or_else(|| missing("fmt"))?;
        let statement = map.text("attStmt").ok_or_else(|| missing("attStmt"))?;
        let data = map.text("authData").and_then(Value::as_bytes).ok_or_else(|| missing("authData"))?;
        Ok(Self { format: format.to_owned(), statement: statement.clone(), authenticator_data: data.clone() })
    }

    /// The authenticator data in it.
    pub fn authenticator_data(&self) -> &[u8] {
        &self.authenticator_data
    }

    /// Web Authentication Level 2 §7.1, steps 18 to 21: nothing is attested, or the new key speaks for itself.
    pub(crate) fn verify(&self, key: &CoseKey, client_data_hash: &[u8]) -> Result<(), Rejected> {
        let other = || Rejected::Attestation { format: self.format.chars().take(40).collect() };
        let statement = Map::of(self.statement.clone(), "an attestation statement")?;
        match self.format.as_str() {
            // §8.7
            "none" if statement.is_empty() => Ok(()),
            // §8.2 without `x5c`; what §5.1.3 lets a browser pass on where nothing was asked for.
            "packed" if statement.text("x5c").is_none() => {
                if statement.text("alg").and_then(as_number) != Some(key.algorithm().number()) {
                    return Err(Rejected::Algorithm);
                }
                let signature = statement.text("sig").and_then(Value::as_bytes).ok_or_else(other)?;
                key.verify(&[self.authenticator_data.as_slice(), client_data_hash].concat(), signature)
            }
            _ => Err(other()),
        }
    }
}

const WHAT: &str = "an attestation object";
// What a form can bring, with room.
const LONGEST: usize = 64 << 10;

//! CBOR (RFC 8949) as far as authenticators write it: one item at a time, shallow, no key of a map twice.

use ciborium::Value;

use crate::Rejected;

/// Reads one item from the front of `rest`.
pub(crate) fn item(rest: &mut &[u8], what: &'static str) -> Result<Value, Rejected> {
    ciborium::de::from_reader_with_recursion_limit(&mut *rest, DEPTH)
        .map_err(|error| Rejected::malformed(what, error.to_string()))
}

/// No map that authenticators write has as many.
const MOST_PAIRS: usize = 64;

/// The pairs of a map.
pub(crate) struct Map(Vec<(Value, Value)>);

impl Map {
    pub(crate) fn of(value: Value, what: &'static str) -> Result<Self, Rejected> {
        let Value::Map(pairs) = value else { return Err(Rejected::malformed(what, "it is no map")) };
        // Each is compared with each.
        if pairs.len() > MOST_PAIRS {
            return Err(Rejected::malformed(what, "there are too many keys"));
        }
        for (index, (key, _)) in pairs.iter().enumerate() {
            // Two readers could take two different ones.
            if pairs.iter().take(index).any(|(before, _)| before == key) {
                return Err(Rejected::malformed(what, "a key is there twice"));
            }
        }
        Ok(Self(pairs))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a text key.
    pub(crate) fn text(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
    }

    /// The value of a number.
    pub(crate) fn number(&self, number: i64) -> Option<&Value> {
        self.0.iter().find(|(key, _)| as_number(key) == Some(number)).map(|(_, value)| value)
    }

    /// The octets of a number.
    pub(crate) fn octets(&self, number: i64) -> Option<&[u8]> {
        self.number(number)?.as_bytes().map(Vec::as_slice)
    }
}

/// A number that is small enough to be one of ours.
pub(crate) fn as_number(value: &Value) -> Option<i64> {
    i64::try_from(i128::from(value.as_integer()?)).ok()
}

const DEPTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_40_a_map_has_few_keys_each_once() {
        let map = |keys: &[u32]| {
            Map::of(Value::Map(keys.iter().map(|&key| (key.into(), Value::Null)).collect()), "a map").is_ok()
        };
        let many: Vec<u32> = (0..65).collect();
        assert!(map(&many[..64]));
        assert!(!map(&many));
        assert!(!map(&[1, 2, 1]));
    }
}

//! The ID token: what of it is believed, and when (OpenID Connect Core 1.0, section 3.1.3.7).

use asn1::Time;
use serde_json::Value;

use super::jwk::{Algorithm, Key};

/// Why an ID token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disbelief {
    /// Not signed in a way that counts: `none`, or with a shared secret.
    Algorithm,
    /// For another program.
    Audience,
    Expired,
    /// From another provider.
    Issuer,
    /// No key of the provider has this name; it may be newer than what is known of them.
    UnknownKey,
    Malformed,
    /// The answer to another log-in.
    Nonce,
    Signature,
}

/// What the token must be about.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Time,
}

/// The claims of a token that is believed.
#[derive(Debug)]
pub(super) struct Claims(Value);

impl Claims {
    pub(super) fn verify(token: &str, keys: &[Key], expected: &Expected<'_>) -> Result<Self, Disbelief> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Disbelief::Malformed);
        };
        let json = |part: &str| -> Option<Value> {
            serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).ok()?).ok()
        };
        let head = json(header).ok_or(Disbelief::Malformed)?;
        let algorithm = head.get("alg").and_then(Value::as_str).and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(Disbelief::Algorithm)?;
        // RFC 7515 §4.1.11: extensions that must be understood; none is.
        if head.get("crit").is_some() {
            return Err(Disbelief::Malformed);
        }
        let signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).map_err(|_| Disbelief::Malformed)?;
        let name = head.get("kid").and_then(Value::as_str);
        let mut fitting = keys.iter().filter(|key| key.fits(algorithm));
        let key = match name {
            Some(name) => fitting.find(|key| key.id.as_deref() == Some(name)),
            // Without a name there must be no choice.
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        let key = key.ok_or(Disbelief::UnknownKey)?;
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(Disbelief::Malformed)?;
        if !key.verify(algorithm, signed.as_bytes(), &signature) {
            return Err(Disbelief::Signature);
        }
        let claims = Self(json(payload).filter(Value::is_object).ok_or(Disbelief::Malformed)?);
        claims.check(expected)?;
        Ok(claims)
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), Disbelief> {
        if self.text("iss") != Some(expected.issuer) {
            return Err(Disbelief::Issuer);
        }
        let audiences: Vec<&str> = match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let party = self.text("azp");
        let ours = audiences.contains(&expected.client_id)
            && party.is_none_or(|party| party == expected.client_id)
            && (audiences.len() == 1 || party.is_some());
        if !ours {
            return Err(Disbelief::Audience);
        }
        let now = expected.now.to_unix();
        let moment = |name: &str| self.0.get(name).and_then(Value::as_f64);
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
        let (earliest, latest) = ((now - SKEW) as f64, (now + SKEW) as f64);
        let expires = moment("exp").ok_or(Disbelief::Malformed)?;
        let issued = moment("iat").ok_or(Disbelief::Malformed)?;
        if expires <= earliest || issued > latest || moment("nbf").is_some_and(|begin| begin > latest) {
            return Err(Disbelief::Expired);
        }
        let nonce = self.text("nonce").unwrap_or_default();
        if !crypto::constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes()) {
            return Err(Disbelief::Nonce);
        }
        if self.text("sub").unwrap_or_default().is_empty() {
            return Err(Disbelief::Malformed);
        }
        Ok(())
    }

    /// A claim that is text; a dotted name leads into objects.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.as_str()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        // Some providers write it as text.
        matches!(self.find(name), Some(Value::Bool(true))) || self.text(name) == Some("true")
    }

    /// The values of a claim that is a text or a list of them.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        match self.find(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn find(&self, name: &str) -> Option<&Value> {
        // A claim may have a dot in its own name, such as a URL.
        if let Some(found) = self.0.get(name) {
            return Some(found);
        }
        name.split('.').try_fold(&self.0, |value, part| value.get(part))
    }
}

/// Two clocks may differ by so many seconds.
const SKEW: i64 = 60;

#[cfg(test)]
mod tests {
    use crypto::{DigestAlgorithm, KeyKind, PrivateKey as _, SignatureAlgorithm, SoftwareKey};
    use serde_json::json;

    use super::*;

    fn base64(octets: impl AsRef<[u8]>) -> String {
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(octets.as_ref())
    }

    fn token(key: &SoftwareKey, head: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64(head.to_string()), base64(claims.to_string()));
        let signature = key.sign(&SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64(signature))
    }

    /// The object with another member, or with the member changed.
    fn with(object: &Value, name: &str, value: Value) -> Value {
        let mut changed = object.clone();
        changed[name] = value;
        changed
    }

    #[test]
    fn t_105_a_token_is_for_us_alone_and_has_nothing_that_is_not_understood() {
        let key = SoftwareKey::generate(KeyKind::Rsa2048).unwrap();
        let (modulus, exponent) = key.public_key().rsa_components().unwrap();
        let jwk = json!({ "kty": "RSA", "kid": "one", "n": base64(modulus), "e": base64(exponent) });
        let now = testkit::now();
        let expected = Expected { issuer: "https://id.example", client_id: "us", nonce: "nonce", now };
        let believed = |head: &Value, claims: &Value, keys: &[&Value]| {
            let keys = Key::read_set(&json!({ "keys": keys }));
            Claims::verify(&token(&key, head, claims), &keys, &expected).map(drop)
        };
        let head = json!({ "alg": "RS256", "kid": "one" });
        let claims = json!({
            "iss": "https://id.example", "aud": "us", "sub": "1", "nonce": "nonce",
            "exp": now.to_unix() + 300, "iat": now.to_unix(),
        });
        assert_eq!(believed(&head, &claims, &[&jwk]), Ok(()));
        // RFC 7515 §4.1.11
        let critical = with(&head, "crit", json!(["exp"]));
        assert_eq!(believed(&critical, &claims, &[&jwk]), Err(Disbelief::Malformed));
        // OpenID Connect Core §3.1.3.7, 3 to 5: for us, and where for others too, asked for by us.
        let both = with(&claims, "aud", json!(["us", "them"]));
        assert_eq!(believed(&head, &both, &[&jwk]), Err(Disbelief::Audience));
        assert_eq!(believed(&head, &with(&both, "azp", json!("us")), &[&jwk]), Ok(()));
        for claims in [&claims, &both] {
            assert_eq!(believed(&head, &with(claims, "azp", json!("them")), &[&jwk]), Err(Disbelief::Audience));
        }
        assert_eq!(believed(&head, &with(&claims, "aud", json!([])), &[&jwk]), Err(Disbelief::Audience));
        for nobody in [json!(""), json!(null), json!(7)] {
            assert_eq!(believed(&head, &with(&claims, "sub", nobody), &[&jwk]), Err(Disbelief::Malformed));
        }
        // A key is for what the provider says, and where no key is named there is one only.
        for (name, value) in [("alg", "PS256"), ("use", "enc"), ("kid", "two"), ("kty", "oct")] {
            assert_eq!(believed(&head, &claims, &[&with(&jwk, name, json!(value))]), Err(Disbelief::UnknownKey));
        }
        let unnamed = json!({ "alg": "RS256" });
        assert_eq!(believed(&unnamed, &claims, &[&jwk]), Ok(()));
        let another = with(&jwk, "kid", json!("two"));
        assert_eq!(believed(&unnamed, &claims, &[&jwk, &another]), Err(Disbelief::UnknownKey));
    }
}

use crypto::{DigestAlgorithm, constant_time_eq};

use crate::{AttestationObject, AuthenticatorData, ClientData, CoseKey, Rejected};

/// One web site, as passkeys know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
    id_hash: Vec<u8>,
}

/// Whether an authenticator has to find out who touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserVerification {
    /// It may.
    Preferred,
    /// It must: the passkey is all that is asked for.
    Required,
}

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The challenge in base64url, which was given to this visitor alone and has been used up by now.
    pub challenge: &'a str,
    /// What the authenticator had to do.
    pub verification: UserVerification,
}

/// What a browser answers to `navigator.credentials.create`.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationAnswer<'a> {
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `attestationObject`
    pub attestation_object: &'a [u8],
}

/// What a browser answers to `navigator.credentials.get`.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// `rawId`
    pub credential: &'a [u8],
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `authenticatorData`
    pub authenticator_data: &'a [u8],
    /// `signature`
    pub signature: &'a [u8],
    /// `userHandle`; empty where there is none.
    pub user_handle: &'a [u8],
}

/// What is known of the passkey that answers.
#[derive(Debug, Clone, Copy)]
pub struct KnownPasskey<'a> {
    /// What it is asked for by.
    pub credential: &'a [u8],
    /// Its key, as [`NewPasskey::key`] gave it.
    pub key: &'a CoseKey,
    /// How often it had signed.
    pub sign_count: u32,
    /// Whose it is, as the authenticator was told.
    pub user_handle: &'a [u8],
    /// Whether it was known before whose it must be: then it may leave out the user handle.
    pub user_known: bool,
}

/// A passkey that was just made. Only [`RelyingParty::register`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "keep it, or the passkey is good for nothing"]
pub struct NewPasskey {
    credential: Vec<u8>,
    key: CoseKey,
    sign_count: u32,
}

impl NewPasskey {
    /// What it is asked for by. That nobody else has it is for who keeps them to see (§7.1, step 22).
    pub fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// Its key.
    pub fn key(&self) -> &CoseKey {
        &self.key
    }

    /// How often it has signed.
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }
}

/// That somebody has the passkey that was asked for. Only [`RelyingParty::log_in`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the counter in it has to be kept"]
pub struct Proof {
    sign_count: u32,
    user_verified: bool,
}

impl Proof {
    /// How often the passkey has signed by now.
    pub fn sign_count(self) -> u32 {
        self.sign_count
    }

    /// Whether the authenticator found out who touched it.
    pub fn user_verified(self) -> bool {
        self.user_verified
    }
}

impl RelyingParty {
    /// The site at a URL. `None` where browsers have no passkeys: without TLS, but on this machine itself, and at a bare
    /// IP address.
    pub fn at(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
            None => (authority.as_str(), None),
        };
        let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        // The last label of an IPv4 address is a number, that of a name is none.
        let is_address = host.rsplit('.').next().is_none_or(|label| label.bytes().all(|b| b.is_ascii_digit()));
        let here = host == "localhost" || host.ends_with(".localhost");
        let (scheme, usual) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" if here => ("http", 80),
            _ => return None,
        };
        if !named || is_address {
            return None;
        }
        let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
        let id_hash = DigestAlgorithm::Sha256.digest(host.as_bytes()).octets().to_vec();
        Some(Self { id: host.to_owned(), origin: format!("{scheme}://{host}{port}"), id_hash })
    }

    /// Its name to authenticators: the host.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its pages are.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Verifies what comes with a new passkey (Web Authentication Level 2 §7.1).
    pub fn register(&self, asked: &Asked<'_>, answer: &RegistrationAnswer<'_>) -> Result<NewPasskey, Rejected> {
        // Steps 5 to 10
        self.check_client_data(answer.client_data, "webauthn.create", asked)?;
        // Step 11
        let hash = DigestAlgorithm::Sha256.digest(answer.client_data);
        // Step 12
        let object = AttestationObject::parse(answer.attestation_object)?;
        let data = AuthenticatorData::parse(object.authenticator_data())?;
        // Steps 13 to 15
        self.check_authenticator_data(&data, asked)?;
        // Step 16; that its algorithm is one of those that were offered was seen when the key was read.
        let attested =
            data.attested().ok_or_else(|| Rejected::malformed("authenticator data", "no passkey is in it"))?;
        // Steps 18 to 21
        object.verify(&attested.key, hash.octets())?;
        Ok(NewPasskey { credential: attested.id.clone(), key: attested.key.clone(), sign_count: data.sign_count() })
    }

    /// Verifies what a passkey says at a log-in (Web Authentication Level 2 §7.2).
    pub fn log_in(
        &self,
        asked: &Asked<'_>,
        known: &KnownPasskey<'_>,
        answer: &Assertion<'_>,
    ) -> Result<Proof, Rejected> {
        // Steps 5 to 7
        if answer.credential != known.credential {
            return Err(Rejected::Credential);
        }
        let told = !(answer.user_handle.is_empty() && known.user_known);
        if told && answer.user_handle != known.user_handle {
            return Err(Rejected::UserHandle);
        }
        // Steps 8 to 14
        self.check_client_data(answer.client_data, "webauthn.get", asked)?;
        let data = AuthenticatorData::parse(answer.authenticator_data)?;
        // Steps 15 to 17
        self.check_authenticator_data(&data, asked)?;
        // Steps 19 and 20
        let hash = DigestAlgorithm::Sha256.digest(answer.client_data);
        known.key.verify(&[data.octets(), hash.octets()].concat(), answer.signature)?;
        // Step 21: one that counts goes on counting.
        let (before, shown) = (known.sign_count, data.sign_count());
        if (before != 0 || shown != 0) && shown <= before {
            return Err(Rejected::Counter { known: before, shown });
        }
        Ok(Proof { sign_count: shown, user_verified: data.user_verified() })
    }

    fn check_client_data(&self, json: &[u8], kind: &str, asked: &Asked<'_>) -> Result<(), Rejected> {
        let data = ClientData::parse(json)?;
        if data.kind != kind {
            return Err(Rejected::Type { found: data.kind.chars().take(40).collect() });
        }
        if asked.challenge.is_empty() || !constant_time_eq(data.challenge.as_bytes(), asked.challenge.as_bytes()) {
            return Err(Rejected::Challenge);
        }
        if data.origin != self.origin {
            return Err(Rejected::Origin { found: data.origin.chars().take(200).collect() });
        }
        // Web Authentication Level 3 §7.1, step 10: no page of ours is within another site's.
        if data.cross_origin {
            return Err(Rejected::CrossOrigin);
        }
        // `supported` says that the browser could, and it is not used here.
        match data.token_binding {
            Some(binding) if binding.status != "supported" => Err(Rejected::TokenBinding),
            _ => Ok(()),
        }
    }

    fn check_authenticator_data(&self, data: &AuthenticatorData<'_>, asked: &Asked<'_>) -> Result<(), Rejected> {
        if !constant_time_eq(data.rp_id_hash(), &self.id_hash) {
            return Err(Rejected::RelyingParty);
        }
        if !data.user_present() {
            return Err(Rejected::UserNotPresent);
        }
        if asked.verification == UserVerification::Required && !data.user_verified() {
            return Err(Rejected::UserNotVerified);
        }
        Ok(())
    }
}

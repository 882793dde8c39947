use crate::cbor::{self, Map};
use crate::{CoseKey, Rejected};

/// What the authenticator says and signs (Web Authentication Level 2 §6.1).
///
/// ```text
/// rpIdHash (32) | flags (1) | signCount (4) | attestedCredentialData, if AT | extensions, if ED
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    octets: &'a [u8],
    rp_id_hash: &'a [u8],
    flags: u8,
    sign_count: u32,
    attested: Option<AttestedCredential>,
}

/// The new passkey in it (Web Authentication Level 2 §6.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedCredential {
    /// Which model made it; zeros where it does not say.
    pub aaguid: [u8; 16],
    /// What the passkey is asked for by.
    pub id: Vec<u8>,
    /// Its key.
    pub key: CoseKey,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of it.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Rejected> {
        let mut rest = octets;
        let rp_id_hash = take(&mut rest, 32)?;
        let flags = take(&mut rest, 1)?.first().copied().unwrap_or_default();
        let sign_count = u32::from_be_bytes(array(take(&mut rest, 4)?)?);
        // Web Authentication Level 3 §6.1.3: what cannot be backed up is not backed up.
        if flags & (BACKUP_ELIGIBLE | BACKED_UP) == BACKED_UP {
            return Err(Rejected::malformed(WHAT, "backed up, and not eligible for it"));
        }
        let attested = if flags & ATTESTED == 0 { None } else { Some(attested(&mut rest)?) };
        if flags & EXTENSIONS != 0 {
            // None are asked for; what comes unasked is read over (Web Authentication Level 2 §7.1, step 17).
            Map::of(cbor::item(&mut rest, EXTENSION_MAP)?, EXTENSION_MAP)?;
        }
        if !rest.is_empty() {
            return Err(Rejected::malformed(WHAT, format!("{} octets are left over", rest.len())));
        }
        Ok(Self { octets, rp_id_hash, flags, sign_count, attested })
    }

    /// As it came, for the signature.
    pub(crate) fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The SHA-256 of the relying party that it was made for.
    pub(crate) fn rp_id_hash(&self) -> &'a [u8] {
        self.rp_id_hash
    }

    /// Whether somebody touched the authenticator.
    pub fn user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    /// Whether it found out who: by a PIN, a finger, a face.
    pub fn user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// How often it has signed, or 0 where it does not count.
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }

    /// The new passkey, where there is one.
    pub fn attested(&self) -> Option<&AttestedCredential> {
        self.attested.as_ref()
    }
}

fn attested(rest: &mut &[u8]) -> Result<AttestedCredential, Rejected> {
    let aaguid = array(take(rest, 16)?)?;
    let length = usize::from(u16::from_be_bytes(array(take(rest, 2)?)?));
    // Web Authentication Level 2 §5.8.3: an identifier has 16 octets at least; §7.1, step 22 in Level 3: 1023 at most.
    if !(16..=1023).contains(&length) {
        return Err(Rejected::malformed(WHAT, "the identifier has another length"));
    }
    let id = take(rest, length)?.to_vec();
    let key = CoseKey::from_value(cbor::item(rest, "COSE_Key")?)?;
    Ok(AttestedCredential { aaguid, id, key })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Rejected> {
    let cut = || Rejected::malformed(WHAT, "it is cut off");
    let (taken, left) = rest.split_at_checked(length).ok_or_else(cut)?;
    *rest = left;
    Ok(taken)
}

fn array<const N: usize>(octets: &[u8]) -> Result<[u8; N], Rejected> {
    octets.try_into().map_err(|_| Rejected::malformed(WHAT, "it is cut off"))
}

const WHAT: &str = "authenticator data";
const EXTENSION_MAP: &str = "a map of extensions";
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

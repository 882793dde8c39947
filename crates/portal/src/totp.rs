//! One-time codes (RFC 6238) and recovery codes.

use crypto::DigestAlgorithm;

use crate::Error;

/// The time step whose code this is: the present one, or one beside it for clocks that differ.
pub(crate) fn matching_step(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    let present = now.div_euclid(STEP);
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    // All are compared, so that nothing is told by the time it takes.
    let mut found = None;
    for step in [present - 1, present, present + 1] {
        let expected = code_at(secret, step)?;
        if crypto::constant_time_eq(expected.as_bytes(), code.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

/// RFC 4226 §5.3, six digits.
fn code_at(secret: &[u8], step: i64) -> Option<String> {
    let tag = crypto::hmac(DigestAlgorithm::Sha1, secret, &step.to_be_bytes()).ok()?;
    let offset = usize::from(tag.last()? & 0x0f);
    let octets: [u8; 4] = tag.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(octets) & 0x7fff_ffff) % 1_000_000))
}

/// 160 random bits (RFC 4226 §4).
pub(crate) fn new_secret() -> Result<[u8; 20], Error> {
    crypto::random_array().map_err(|error| Error::Password { because: error.to_string() })
}

/// Eight codes of ten characters, for when the device is gone.
pub(crate) fn recovery_codes() -> Result<Vec<String>, Error> {
    (0..8).map(|_| Ok(crate::password::first_password()?.chars().filter(|c| *c != '-').take(10).collect())).collect()
}

/// As authenticator programs take it: base32 in groups of four (RFC 4648 §6).
pub(crate) fn to_base32(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.chunks(5) {
        let mut block = [0u8; 8];
        for (to, from) in block.iter_mut().skip(3).zip(chunk) {
            *to = *from;
        }
        let bits = u64::from_be_bytes(block);
        for index in 0..8u32 {
            let value = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            text.push(char::from(*BASE32.get(value).unwrap_or(&b'A')));
        }
    }
    text
}

/// Back from [`to_base32`]; `None` when it is not 20 octets.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    if text.len() != 32 {
        return None;
    }
    let mut octets = Vec::new();
    for chunk in text.as_bytes().chunks(8) {
        let mut bits = 0u64;
        for character in chunk {
            let value = BASE32.iter().position(|known| known == character)?;
            bits = bits << 5 | u64::try_from(value).ok()?;
        }
        octets.extend(bits.to_be_bytes().into_iter().skip(3));
    }
    Some(octets)
}

/// What a phone's camera reads, as the path of an SVG picture, and how many modules wide it is.
pub(crate) fn picture(issuer: &str, account: &str, secret: &str) -> Option<(String, i32)> {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    let (issuer, account) = (escape(issuer), escape(account));
    let uri = format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}");
    let code = qrcodegen::QrCode::encode_text(&uri, qrcodegen::QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + 4, y + 4));
        }
    }
    Some((path, code.size() + 8))
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // RFC 6238 §B: the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (time, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(matching_step(secret, code, time), Some(time / 30), "{time}");
            assert_eq!(matching_step(secret, code, time + 30), Some(time / 30), "a clock may be late");
            assert_eq!(matching_step(secret, code, time + 90), None);
        }
        assert_eq!(matching_step(secret, "287 082", 59), Some(1));
        for wrong in ["", "287083", "0287082", "28708"] {
            assert_eq!(matching_step(secret, wrong, 59), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_written_in_base32() {
        assert_eq!(to_base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").as_deref(), Some(&b"12345678901234567890"[..]));
        for odd in ["", "GEZDGNBV", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"] {
            assert_eq!(from_base32(odd), None, "{odd}");
        }
        assert!(picture("Muster & Söhne", "a@b.example", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").is_some());
    }
}

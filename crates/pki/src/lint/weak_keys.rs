use crypto::PublicKeyKind;

use super::sample_keys::SAMPLE_KEYS;
use crate::{Certificate, Reason};

/// Why others may hold the key, or compute it (CASES T-65).
pub(super) fn weakness(certificate: &Certificate) -> Option<Reason> {
    if SAMPLE_KEYS.binary_search(&certificate.public_key_sha256()).is_ok() {
        return Some(Reason::KeyIsPublic);
    }
    let key = certificate.public_key().ok()?;
    if !matches!(key.kind(), PublicKeyKind::Rsa { .. }) {
        return None;
    }
    let (modulus, _) = key.rsa_components()?;
    if is_roca(modulus) {
        return Some(Reason::KeyIsWeak { because: "ROCA, CVE-2017-15361" });
    }
    // A factor that trial division finds.
    PRIMES
        .iter()
        .any(|&prime| remainder(modulus, prime) == 0)
        .then_some(Reason::KeyIsWeak { because: "a small factor" })
}

/// The fingerprint of keys made by the faulty Infineon library: modulo each small prime, the modulus is a power of
/// 65537. A sound key looks like that once in 2²⁸ times or less.
fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let wanted = remainder(modulus, prime);
        let generator = 65_537 % prime;
        let mut power = 1;
        for _ in 0..prime {
            if power == wanted {
                return true;
            }
            power = power * generator % prime;
        }
        false
    })
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, &octet| (rest << 8 | u32::from(octet)) % prime)
}

/// The odd primes up to 167, whose product the faulty library works with.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The product of the primes, times 256 to the `shift`, plus `plus`.
    fn multiple(shift: usize, plus: u8) -> Vec<u8> {
        let mut product = vec![1u8];
        for prime in PRIMES {
            let mut carry = 0;
            for octet in product.iter_mut().rev() {
                let value = u32::from(*octet) * prime + carry;
                *octet = value.to_le_bytes()[0];
                carry = value >> 8;
            }
            if carry > 0 {
                product.insert(0, carry.to_le_bytes()[0]);
            }
        }
        product.extend(vec![0; shift]);
        *product.last_mut().unwrap() = plus;
        product
    }

    #[test]
    fn t_65_roca_is_recognised() {
        // 1 is 65537 to the power of 0, whatever the prime.
        assert!(is_roca(&multiple(230, 1)));
        assert!(!is_roca(&multiple(230, 3)));
        // 65537 itself, squared: 2^32 + 2^17 + 1.
        assert!(is_roca(&[1, 0, 2, 0, 1]));
        assert!(!is_roca(&[0xC1; 256]));
    }

    #[test]
    fn the_samples_are_in_order() {
        assert!(SAMPLE_KEYS.is_sorted());
    }
}

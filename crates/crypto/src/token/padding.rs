//! Padding taken off outside the token, where the token gives the bare RSA result.
//!
//! A token's own refusal of a padding is an answer that can be told apart by word and by time (CASES T-23, T-24); here
//! there is one answer, and the same work for all.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::{DigestAlgorithm, Error, Hasher};

/// RFC 8017 §7.2.2: `00 02 PS 00 M`, with at least eight octets of PS.
pub(super) fn unpad_pkcs1(encoded: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let [first, second, rest @ ..] = encoded else { return Err(Error::BadValue) };
    let (mut looking, mut end) = (Choice::from(1), 0_u32);
    for (index, octet) in (0_u32..).zip(rest) {
        let zero = octet.ct_eq(&0);
        end.conditional_assign(&index, looking & zero);
        looking &= !zero;
    }
    let long_enough = Choice::from(u8::from(end >= 8));
    let right = first.ct_eq(&0) & second.ct_eq(&2) & !looking & long_enough;
    let message = usize::try_from(end).ok().and_then(|end| rest.get(end + 1..)).unwrap_or_default();
    if bool::from(right) { Ok(Zeroizing::new(message.to_vec())) } else { Err(Error::BadValue) }
}

/// The same for a message whose length is known, or random octets: nobody can tell which (RFC 3218 §2.3.2).
pub(super) fn unpad_pkcs1_or(encoded: &[u8], random: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let mut out = random;
    let Some(start) = encoded.len().checked_sub(out.len()).filter(|start| *start >= 11) else { return out };
    let (padding, message) = encoded.split_at(start);
    let mut right = Choice::from(1);
    for (index, octet) in padding.iter().enumerate() {
        right &= match index {
            0 => octet.ct_eq(&0),
            1 => octet.ct_eq(&2),
            _ if index + 1 == start => octet.ct_eq(&0),
            _ => !octet.ct_eq(&0),
        };
    }
    for (octet, decrypted) in out.iter_mut().zip(message) {
        octet.conditional_assign(decrypted, right);
    }
    out
}

/// RFC 8017 §7.1.2: `00 maskedSeed maskedDB`, where DB is `lHash PS 01 M`.
pub(super) fn unpad_oaep(
    encoded: &[u8],
    digest: DigestAlgorithm,
    mgf_digest: DigestAlgorithm,
    label: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length = digest.length();
    let (first, rest) = encoded.split_first().ok_or(Error::BadValue)?;
    let (masked_seed, masked_block) = rest.split_at_checked(length).ok_or(Error::BadValue)?;
    let mut seed = Zeroizing::new(masked_seed.to_vec());
    mask(&mut seed, mgf_digest, masked_block);
    let mut block = Zeroizing::new(masked_block.to_vec());
    mask(&mut block, mgf_digest, &seed);
    let (label_hash, padded) = block.split_at_checked(length).ok_or(Error::BadValue)?;

    let (mut looking, mut sound, mut start) = (Choice::from(1), Choice::from(1), 0_u32);
    for (index, octet) in (1_u32..).zip(padded) {
        let one = octet.ct_eq(&1);
        start.conditional_assign(&index, looking & one);
        sound &= !looking | one | octet.ct_eq(&0);
        looking &= !one;
    }
    let right = first.ct_eq(&0) & label_hash.ct_eq(digest.digest(label).octets()) & sound & !looking;
    let message = usize::try_from(start).ok().and_then(|start| padded.get(start..)).unwrap_or_default();
    if bool::from(right) { Ok(Zeroizing::new(message.to_vec())) } else { Err(Error::BadValue) }
}

// RFC 8017 §B.2.1: MGF1.
fn mask(out: &mut [u8], digest: DigestAlgorithm, seed: &[u8]) {
    for (counter, chunk) in (0_u32..).zip(out.chunks_mut(digest.length().max(1))) {
        let mut hasher = Hasher::new(digest);
        hasher.update(seed);
        hasher.update(&counter.to_be_bytes());
        for (octet, mask) in chunk.iter_mut().zip(hasher.finish().octets()) {
            *octet ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pkcs1(padding: &[u8], message: &[u8]) -> Vec<u8> {
        [&[0, 2], padding, &[0], message].concat()
    }

    #[test]
    fn t_23_a_padding_is_right_or_random() {
        let message = [7; 16];
        let good = pkcs1(&[9; 30], &message);
        assert_eq!(&**unpad_pkcs1(&good).unwrap(), &message);
        let random = || Zeroizing::new(vec![0xAA; 16]);
        assert_eq!(&**unpad_pkcs1_or(&good, random()), &message);
        let mut bad = vec![pkcs1(&[9; 7], &message), pkcs1(&[9; 30], &message[1..]), vec![], vec![0; 16], vec![0; 49]];
        for at in [0, 1, 32] {
            let mut changed = good.clone();
            changed[at] ^= 1;
            bad.push(changed);
        }
        let mut early = good.clone();
        early[5] = 0;
        for encoded in bad.iter().chain([&early]) {
            assert_eq!(&**unpad_pkcs1_or(encoded, random()), &[0xAA; 16], "{encoded:?}");
        }
        // A message of another length is right by itself; all others are not.
        for encoded in &bad {
            let is_padded = *encoded == pkcs1(&[9; 30], &message[1..]);
            assert_eq!(unpad_pkcs1(encoded).is_ok(), is_padded, "{encoded:?}");
        }
    }

    #[test]
    fn t_24_every_change_of_an_oaep_block_is_the_same_error() {
        let (digest, mgf) = (DigestAlgorithm::Sha256, DigestAlgorithm::Sha1);
        let seed = [3; 32];
        let mut block = [digest.digest(b"label").octets(), &[0; 40], &[1], b"content key"].concat();
        mask(&mut block, mgf, &seed);
        let mut masked_seed = seed.to_vec();
        mask(&mut masked_seed, mgf, &block);
        let good = [&[0][..], &masked_seed, &block].concat();
        assert_eq!(&**unpad_oaep(&good, digest, mgf, b"label").unwrap(), b"content key");
        assert_eq!(unpad_oaep(&good, digest, mgf, b""), Err(Error::BadValue));
        assert_eq!(unpad_oaep(&good, digest, digest, b"label"), Err(Error::BadValue));
        // A change of the message itself is not seen by OAEP: it is its last eleven octets.
        for at in 0..good.len() - 11 {
            let mut changed = good.clone();
            changed[at] ^= 0x80;
            assert_eq!(unpad_oaep(&changed, digest, mgf, b"label"), Err(Error::BadValue), "octet {at}");
            assert!(unpad_oaep(&good[..at], digest, mgf, b"label").is_err(), "cut at {at}");
        }
    }
}

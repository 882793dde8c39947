//! The triple-DES key wrap (RFC 3217 §3), to read what older programs send.

use des::TdesEde3;
use des::cipher::{Block, BlockCipherDecrypt as _, KeyInit as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{DigestAlgorithm, Error, constant_time_eq};

/// The vector of the outer encryption (RFC 3217 §3.1).
const OUTER_VECTOR: [u8; 8] = [0x4A, 0xDD, 0xA2, 0x2C, 0x79, 0xE8, 0x21, 0x05];
/// Octets of a wrapped key: a vector, the key, and its checksum.
const WRAPPED: usize = 40;

/// Unwraps a triple-DES key (RFC 3217 §3.2).
pub(super) fn unwrap(key_encryption_key: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if wrapped.len() != WRAPPED {
        return Err(Error::BadValue);
    }
    let cipher = TdesEde3::new_from_slice(key_encryption_key).map_err(|_| Error::BadValue)?;
    let mut once = decrypt(&cipher, OUTER_VECTOR, wrapped);
    once.reverse();
    let (vector, inner) = once.split_first_chunk().ok_or(Error::BadValue)?;
    let mut key = decrypt(&cipher, *vector, inner);
    let checksum = Zeroizing::new(key.split_off(24));
    let digest = DigestAlgorithm::Sha1.digest(&key);
    if constant_time_eq(digest.octets().get(..8).unwrap_or_default(), &checksum) {
        Ok(key)
    } else {
        Err(Error::BadValue)
    }
}

fn decrypt(cipher: &TdesEde3, mut previous: [u8; 8], ciphertext: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(ciphertext.len()));
    for &ciphertext in ciphertext.as_chunks::<8>().0 {
        let mut block: Block<TdesEde3> = ciphertext.into();
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(octet, previous)| octet ^ previous));
        block.zeroize();
        previous = ciphertext;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3217 §3.4 prints one; its parity bits are those of the text.
    #[test]
    fn the_example_of_the_standard() {
        let octets = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
        };
        let kek = octets("255e0d1c07b646dfb3134cc843ba8aa71f025b7c0838251f");
        let wrapped = octets("690107618ef092b3b48ca1796b234ae9fa33ebb4159604037db5d6a84eb3aac2768c632775a467d4");
        let key = octets("2923bf85e06dd6ae529149f1f1bae9eab3a7da3d860d3e98");
        assert_eq!(*unwrap(&kek, &wrapped).unwrap(), key);
        for at in 0..WRAPPED {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert_eq!(unwrap(&kek, &changed), Err(Error::BadValue), "{at}");
        }
        assert_eq!(unwrap(&kek, &wrapped[1..]), Err(Error::BadValue));
        assert_eq!(unwrap(&kek[1..], &wrapped), Err(Error::BadValue));
    }
}

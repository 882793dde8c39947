//! Ciphers that are read because old key files are in them.

use des::{Des, TdesEde2, TdesEde3};
use rc2::Rc2;
use rc2::cipher::consts::U8;
use rc2::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use rc4::{Rc4, StreamCipher as _};
use zeroize::Zeroizing;

use crate::Error;

/// DES, or 3DES with two or three keys, by the key's length; in CBC mode.
pub(super) fn des_decrypt(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    match key.len() {
        8 => cbc_decrypt(&keyed::<Des>(key)?, iv, ciphertext),
        16 => cbc_decrypt(&keyed::<TdesEde2>(key)?, iv, ciphertext),
        _ => cbc_decrypt(&keyed::<TdesEde3>(key)?, iv, ciphertext),
    }
}

/// 3DES with three keys in CBC mode, for programs that read nothing newer.
pub(super) fn triple_des_encrypt(key: &[u8], iv: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = keyed::<TdesEde3>(key)?;
    let mut previous = <[u8; 8]>::try_from(iv).map_err(|_| Error::BadValue)?;
    let padding = 8 - plaintext.len() % 8;
    let mut padded = Zeroizing::new(plaintext.to_vec());
    padded.resize(plaintext.len() + padding, padding.to_le_bytes()[0]);
    let mut out = Vec::with_capacity(padded.len());
    for plaintext in padded.as_chunks::<8>().0 {
        previous.iter_mut().zip(plaintext).for_each(|(octet, plain)| *octet ^= plain);
        let mut block: Block<TdesEde3> = previous.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    Ok(out)
}

/// RC2 in CBC mode.
pub(super) fn rc2_decrypt(
    key: &[u8],
    effective_bits: usize,
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if key.is_empty() || key.len() > 128 || !(1..=1024).contains(&effective_bits) {
        return Err(Error::BadValue);
    }
    cbc_decrypt(&Rc2::new_with_eff_key_len(key, effective_bits), iv, ciphertext)
}

/// RC4. It has neither padding nor a check.
pub(super) fn rc4_decrypt(key: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut out = Zeroizing::new(ciphertext.to_vec());
    keyed::<Rc4>(key)?.apply_keystream(&mut out);
    Ok(out)
}

fn keyed<C: KeyInit>(key: &[u8]) -> Result<C, Error> {
    C::new_from_slice(key).map_err(|_| Error::BadValue)
}

fn cbc_decrypt<C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U8>>(
    cipher: &C,
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (blocks, []) = ciphertext.as_chunks::<8>() else { return Err(Error::BadValue) };
    let mut previous = <[u8; 8]>::try_from(iv).map_err(|_| Error::BadValue)?;
    let mut out = Zeroizing::new(Vec::with_capacity(ciphertext.len()));
    for ciphertext in blocks {
        let mut block: Block<C> = (*ciphertext).into();
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(octet, previous)| octet ^ previous));
        previous = *ciphertext;
    }
    // RFC 8018 §6.1.1: as many octets of padding as the last one says, all alike.
    let padding = usize::from(*out.last().ok_or(Error::BadValue)?);
    let length = out.len().checked_sub(padding).filter(|_| (1..=8).contains(&padding)).ok_or(Error::BadValue)?;
    if out.iter().skip(length).any(|&octet| usize::from(octet) != padding) {
        return Err(Error::BadValue);
    }
    out.truncate(length);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triple_des_goes_there_and_back() {
        let key = b"three different keys    ";
        for length in [0u8, 1, 7, 8, 9, 250] {
            let plaintext = vec![length; usize::from(length)];
            let sealed = triple_des_encrypt(key, &[4; 8], &plaintext).unwrap();
            assert_eq!(*des_decrypt(key, &[4; 8], &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn padding_is_checked() {
        for ciphertext in [&[][..], &[1; 7], &[1; 8], &[2; 64]] {
            assert_eq!(rc2_decrypt(&[7; 5], 40, &[0; 8], ciphertext), Err(Error::BadValue));
            assert_eq!(des_decrypt(&[7; 24], &[0; 8], ciphertext), Err(Error::BadValue));
        }
    }
}

use std::io::Read as _;

use cms::{
    CompressedDataReader, Content, DecryptionKeys, EncryptedDataReader, Integrity, Receipt, SharedKey,
    SignedDataReader, SpoolLimits,
};

use crate::keys;

fn spool() -> SpoolLimits {
    SpoolLimits { total: 4 << 20, ..SpoolLimits::in_folder(std::env::temp_dir()) }
}

pub(crate) fn signed_data(bytes: &[u8]) {
    let read = |piece: usize| -> Result<Vec<bool>, ()> {
        let source = std::io::BufReader::with_capacity(piece, bytes);
        let mut reader = SignedDataReader::open(source).map_err(|_| ())?;
        let mut content = Vec::new();
        reader.by_ref().take(4 << 20).read_to_end(&mut content).map_err(|_| ())?;
        let data = reader.finish(None).map_err(|_| ())?.with_whole_content(content);
        for signer in data.signers() {
            let _ = (signer.receipt_request(), signer.verify_countersigners(data.certificates()));
        }
        Ok(data.verify(&[]).iter().map(|report| report.integrity == Integrity::Intact).collect())
    };
    assert_eq!(read(1 << 16), read(1));
    let _ = cms::sniff(bytes);
}

pub(crate) fn encrypted_data(bytes: &[u8]) {
    let Ok(reader) = EncryptedDataReader::open(bytes) else { return };
    let _ = (reader.cipher_name(), reader.recipients().iter().map(|info| info.algorithm().len()).sum::<usize>());
    let shared_keys = [SharedKey::new(b"k", &[1; 32]).unwrap()];
    let keys = DecryptionKeys { credentials: keys::all(), shared_keys: &shared_keys, ..DecryptionKeys::default() };
    match reader.decrypt_with(keys, spool()) {
        Ok(decrypted) => {
            let authenticated = matches!(decrypted.content, Content::Authenticated(_));
            assert_eq!(authenticated, decrypted.cipher.is_authenticated());
        }
        // CASES N-22: nothing else is ever said.
        Err(cms::Error::DecryptionFailed | cms::Error::NoMatchingRecipient) => {}
        Err(error) => assert!(error.is_local(), "{error}"),
    }
}

pub(crate) fn compressed_data(bytes: &[u8]) {
    if let Ok(reader) = CompressedDataReader::open(bytes)
        && let Ok(spool) = reader.decompress(spool())
    {
        // CASES T-53.
        assert!(spool.len() <= 64 * 1024 + 100 * bytes.len() as u64);
    }
}

pub(crate) fn receipt(bytes: &[u8]) {
    let _ = Receipt::parse(bytes);
}

//! Messages in DER and BER with every kind of recipient.

use cms::{ContentType, EncryptedDataReader, RecipientKind, sniff};
use testkit::VectorSet;

use crate::{fails, pem, read_signed, same};

fn read(bytes: &[u8]) -> Result<(), String> {
    match sniff(bytes) {
        Some(ContentType::SignedData) => read_signed(bytes).map(|_| ()).map_err(|error| error.to_string()),
        Some(ContentType::EnvelopedData | ContentType::AuthEnvelopedData) => {
            EncryptedDataReader::open(bytes).map(|_| ()).map_err(|error| error.to_string())
        }
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn vectors_of_rustcrypto() {
    let mut set = VectorSet::in_folder("rustcrypto-cms", "rustcrypto-cms");
    for name in ["cms_ber.bin", "cms_der.bin", "sd.cms", "scep_der.bin", "pkits.p7b", "pkits_ee.p7b"] {
        let bytes = set.file(name);
        let bytes = if bytes.starts_with(b"-----") { pem(&bytes) } else { bytes };
        set.check(name, read(&bytes));
    }
    let apple = "apple_mdm_signature_der.bin";
    let outcome = read(&set.file(apple));
    set.list_divergence(apple, "PKCS #7 1.5: its content is no OCTET STRING (RFC 5652 §5.2.1)", &outcome);
    let (ber, der) = (read_signed(&set.file("cms_ber.bin")).unwrap(), read_signed(&set.file("cms_der.bin")).unwrap());
    set.check("cms_ber.bin and cms_der.bin", same(&ber.0, &der.0));
    for name in set.names("").into_iter().filter(|name| name.ends_with(".ber")) {
        set.check(&name, read(&set.file(&name)));
    }
    for (name, kind) in [
        ("ktri", RecipientKind::KeyTrans),
        ("kari", RecipientKind::KeyAgree),
        ("kekri", RecipientKind::Kek),
        ("pwri", RecipientKind::Password),
    ] {
        let name = format!("enveloped_data_{name}.bin");
        let outcome =
            EncryptedDataReader::open(&set.file(&name)[..]).map_err(|error| error.to_string()).and_then(|reader| {
                match reader.recipients() {
                    [info] if info.kind() == kind => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            });
        set.check(&name, outcome);
    }
    set.check("enveloped_data_multi.bin", read(&set.file("enveloped_data_multi.bin")));
    for name in ["signer_info_explicit_attrs.bin", "signer_info_sequence_not_set.bin"] {
        set.check(name, fails(read(&set.file(name))));
    }
    for name in set.names("").into_iter().filter(|name| name.contains("kemri")) {
        set.check(&name, read(&set.file(&name)));
    }
    set.list("digested_data.bin", "S/MIME knows no digested-data (RFC 8551 §2.4)");
    set.list("encrypted_data.bin", "S/MIME knows no encrypted-data (RFC 8551 §2.4)");
    set.list("example.pfx", "PKCS #12: judged in `pki`");
    set.finish();
}

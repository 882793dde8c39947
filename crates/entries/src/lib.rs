//! Every entry of the libraries that takes untrusted bytes, in one table (CASES N-01).
//!
//! `fuzz/` has a target for each row, and `cargo xtask fuzz` runs them; the tests of this crate run each with some
//! thousand changed seeds, so that a plain `cargo test` covers them, too. Development only.
//!
//! An entry does what a program does with bytes from outside and goes on with whatever comes out. It may say what it
//! likes; it must not panic, hang, or contradict itself.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a broken promise must stop the run")]

mod acme_entries;
mod asn1_entries;
mod cms_entries;
mod crypto_entries;
mod keys;
mod milter_entries;
mod mime_entries;
mod pki_entries;
mod seeds;
mod smime_entries;
mod webauthn_entries;

/// One entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name of the fuzz target.
    pub name: &'static str,
    /// Takes the bytes.
    pub run: fn(&[u8]),
    /// Files and folders below `vectors/` to begin with; an empty list: made by [`Entry::seeds`].
    seeds: &'static [&'static str],
}

/// All of them, by crate.
pub const ENTRIES: &[Entry] = &[
    entry("asn1_reader", asn1_entries::reader, &["rfc4134", "rustcrypto-cms"]),
    entry("asn1_stream_reader", asn1_entries::stream_reader, &["rfc4134", "rustcrypto-cms"]),
    entry("asn1_pem", asn1_entries::pem, &["openssl/smime-certs", "pkcs7-pyca"]),
    entry("asn1_values", asn1_entries::values, &[]),
    entry("crypto_public_key", crypto_entries::public_key, &[]),
    entry("crypto_private_key", crypto_entries::private_key, &["pqc/lamps/cms-kyber", "rustcrypto-cms/p256-priv.der"]),
    entry("crypto_algorithms", crypto_entries::algorithms, &[]),
    entry("crypto_wrapped_keys", crypto_entries::wrapped_keys, &[]),
    entry("pki_certificate", pki_entries::certificate, &["rfc4134", "zlint-smime/certs", "openssl/smime-certs"]),
    entry("pki_path", pki_entries::path, &["rfc9216", "pkits/certs"]),
    entry("pki_revocation_list", pki_entries::revocation_list, &["rfc4134", "pkits/crls"]),
    entry("pki_ocsp", pki_entries::ocsp, &["openssl/ocsp"]),
    entry("pki_request", pki_entries::request, &["rustcrypto-cms/sceptest_csr.der"]),
    entry("pki_pkcs12", pki_entries::pkcs12, &["pkcs12-pyca", "openssl/pkcs12"]),
    entry("pki_credential", pki_entries::credential, &["openssl/smime-certs", "pkcs12-pyca", "rfc9216"]),
    entry("pki_names", pki_entries::names, &[]),
    entry("mime_entity", mime_entries::entity, &["rfc9788", "mime/mime4j-testmsgs", "mime/mime-tools"]),
    entry("mime_header", mime_entries::header, &["rfc9788", "mime/python-email"]),
    entry("mime_address", mime_entries::address, &[]),
    entry("mime_transfer", mime_entries::transfer, &["mime/mime-tools"]),
    entry("mime_parts", mime_entries::parts, &["mime/mime4j-testmsgs", "rfc9788"]),
    entry("cms_signed_data", cms_entries::signed_data, &["rfc4134", "pqc/artifacts-bc", "openssl/cms"]),
    entry("cms_encrypted_data", cms_entries::encrypted_data, &["rfc4134", "pqc/artifacts-bc", "openssl/cms"]),
    entry("cms_compressed_data", cms_entries::compressed_data, &["rustcrypto-cms/compressed_data.bin"]),
    entry("cms_receipt", cms_entries::receipt, &[]),
    entry("milter_commands", milter_entries::commands, &[]),
    entry("milter_changes", milter_entries::changes, &[]),
    entry("smime_verify", smime_entries::verify, &["rfc9788", "attacks", "protected-headers"]),
    entry("smime_decrypt", smime_entries::decrypt, &["attacks", "rfc9788"]),
    entry("smime_inspect", smime_entries::inspect, &["rfc9788", "attacks", "rfc4134", "mime/mime4j-testmsgs"]),
    entry("smime_produce", smime_entries::produce, &["mime/mime4j-testmsgs", "mime/python-email"]),
    entry("smime_capabilities", smime_entries::capabilities, &[]),
    entry("webauthn_answers", webauthn_entries::answers, &[]),
    entry("acme_objects", acme_entries::objects, &[]),
    entry("acme_challenge_mail", acme_entries::challenge_mail, &[]),
];

const fn entry(name: &'static str, run: fn(&[u8]), seeds: &'static [&'static str]) -> Entry {
    Entry { name, run, seeds }
}

impl Entry {
    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ENTRIES.iter().find(|entry| entry.name == name)
    }

    /// What to begin with: published vectors of at most 64 KiB, and what we make ourselves.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        seeds::of(self.name, self.seeds)
    }
}

/// Runs the entry with this name; for the fuzz targets.
pub fn run(name: &str, bytes: &[u8]) {
    match Entry::named(name) {
        Some(entry) => (entry.run)(bytes),
        None => panic!("there is no entry {name}"),
    }
}

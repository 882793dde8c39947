//! DKIM signatures (RFC 6376), written for tests: relaxed in header and body, RSA with SHA-256.

use base64_simd::STANDARD as BASE64;
use crypto::{DigestAlgorithm, KeyKind, PrivateKey as _, SignatureAlgorithm, SoftwareKey};

use crate::{generate, must};

/// A domain that signs its mail.
#[derive(Debug)]
pub struct DkimSigner {
    domain: String,
    key: SoftwareKey,
}

impl DkimSigner {
    /// What RFC 8823 wants signed in the mail of a CA.
    pub const CHALLENGE_FIELDS: &str = "From:Sender:Reply-To:To:CC:Subject:Date:In-Reply-To:References:Message-ID:\
        Auto-Submitted:Content-Type:Content-Transfer-Encoding";

    /// With a fresh key.
    pub fn new(domain: &str) -> Self {
        Self { domain: domain.to_owned(), key: generate(KeyKind::Rsa2048) }
    }

    /// Where its key is in DNS, and what stands there.
    pub fn record(&self) -> (String, Vec<u8>) {
        let key = BASE64.encode_to_string(self.key.public_key().spki());
        (format!("test._domainkey.{}", self.domain), format!("v=DKIM1; k=rsa; p={key}").into_bytes())
    }

    /// The mail with a signature about `fields`, names with colons between them; `more` are further tags.
    pub fn sign(&self, mail: &[u8], fields: &str, more: &str) -> Vec<u8> {
        let text = String::from_utf8_lossy(mail);
        let (header, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let digest = DigestAlgorithm::Sha256.digest(relaxed_body(body).as_bytes());
        let body_hash = BASE64.encode_to_string(digest.octets());
        let value = format!(
            "v=1; a=rsa-sha256; c=relaxed/relaxed; d={}; s=test;{more} h={fields}; bh={body_hash}; b=",
            self.domain
        );
        let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
        let present: Vec<(&str, &str)> = unfolded.lines().filter_map(|line| line.split_once(':')).collect();
        let mut signed = String::new();
        for field in fields.split(':') {
            // RFC 6376 §5.4.2: the last one of a name.
            if let Some((name, value)) = present.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(field.trim()))
            {
                signed += &format!("{}:{}\r\n", name.to_ascii_lowercase(), relaxed(value));
            }
        }
        signed += &format!("dkim-signature:{}", relaxed(&value));
        let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
        let signature = BASE64.encode_to_string(must(self.key.sign(&algorithm, signed.as_bytes())));
        [format!("DKIM-Signature: {value}{signature}\r\n").as_bytes(), mail].concat()
    }
}

fn relaxed(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn relaxed_body(body: &str) -> String {
    let lines = body.split("\r\n").map(|line| {
        let words: Vec<&str> = line.split([' ', '\t']).collect();
        let mut out = String::new();
        for (index, word) in words.iter().enumerate() {
            if index > 0 && !out.ends_with(' ') {
                out.push(' ');
            }
            out.push_str(word);
        }
        out.trim_end_matches(' ').to_owned()
    });
    let mut lines: Vec<String> = lines.collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

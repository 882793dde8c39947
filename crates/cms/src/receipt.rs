//! Signed receipts (RFC 2634 §2.1), which are read and never sent by themselves.

use asn1::{Encoding, Oid, Reader, Tag};

use crate::{Error, SignerInfo, oids};

/// The content of a signed receipt: somebody says that they verified a signature.
///
/// ```text
/// Receipt ::= SEQUENCE {
///   version ESSVersion,
///   contentType ContentType,
///   signedContentIdentifier ContentIdentifier,
///   originatorSignatureValue OCTET STRING }
/// ```
/// RFC 2634 §2.8. It is a claim until the signature over the receipt itself is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    content_type: Oid,
    identifier: Vec<u8>,
    signature: Vec<u8>,
}

impl Receipt {
    /// Reads the content of a SignedData of the type `id-ct-receipt`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(content, Encoding::Ber);
        let mut inside = outer.sequence("Receipt")?;
        outer.finish()?;
        inside.integer()?;
        let content_type = inside.oid()?;
        let identifier = inside.octet_string()?.into_owned();
        let signature = inside.octet_string()?.into_owned();
        inside.finish()?;
        Ok(Self { content_type, identifier, signature })
    }

    /// The type of the content that was received.
    pub fn content_type(&self) -> Oid {
        self.content_type
    }

    /// The identifier that the sender gave to the content.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Whether it answers what this signer sent (RFC 2634 §2.6): the same identifier and the same signature.
    pub fn answers(&self, sent: &SignerInfo) -> bool {
        let requested = sent.receipt_request().ok().flatten();
        requested.is_some_and(|request| request.identifier == self.identifier) && sent.signature() == self.signature
    }
}

/// A signer's wish for a signed receipt.
///
/// ```text
/// ReceiptRequest ::= SEQUENCE {
///   signedContentIdentifier ContentIdentifier,
///   receiptsFrom ReceiptsFrom,
///   receiptsTo SEQUENCE SIZE (1..ub-receiptsTo) OF GeneralNames }
/// ```
/// RFC 2634 §2.7. Nobody answers it by themselves (CASES S-54).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRequest {
    identifier: Vec<u8>,
    receipts_to: Vec<String>,
}

impl ReceiptRequest {
    fn parse(value: &[u8]) -> Result<Self, Error> {
        const MOST_NAMES: usize = 64;
        let mut outer = Reader::new(value, Encoding::Ber);
        let mut inside = outer.sequence("ReceiptRequest")?;
        let identifier = inside.octet_string()?.into_owned();
        inside.element()?;
        let mut to = inside.sequence("receiptsTo")?;
        let mut receipts_to = Vec::new();
        while !to.is_empty() && receipts_to.len() < MOST_NAMES {
            let mut names = to.sequence("GeneralNames")?;
            while !names.is_empty() && receipts_to.len() < MOST_NAMES {
                let name = names.element()?;
                // rfc822Name [1] IA5String
                if name.tag() == Tag::context(1) {
                    receipts_to.push(String::from_utf8_lossy(name.content()).into_owned());
                }
            }
        }
        inside.finish()?;
        Ok(Self { identifier, receipts_to })
    }

    /// The identifier that the sender gave to the content.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// The mailboxes that the receipt is to go to.
    pub fn receipts_to(&self) -> &[String] {
        &self.receipts_to
    }
}

impl SignerInfo {
    /// What this signer asks of those who verify the signature, by a signed attribute (RFC 2634 §2.3, §2.7).
    ///
    /// # Errors
    /// When the attribute is not one, or is there more than once.
    pub fn receipt_request(&self) -> Result<Option<ReceiptRequest>, Error> {
        let value = self.signed_attributes().map_or(Ok(None), |signed| signed.single(oids::ID_AA_RECEIPT_REQUEST));
        match value {
            Ok(value) => value.map(ReceiptRequest::parse).transpose(),
            Err(count) => Err(Error::TooMany { what: "receipt requests", limit: count.min(1) }),
        }
    }
}

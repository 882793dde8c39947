//! Messages as byte-exact part trees, and the MIME writer.
//!
//! What is read keeps its bytes: a signature covers bytes, not meaning. Display decoding (encoded words, character
//! sets) stands beside the bytes and is never used for what is signed. This crate has never heard of cryptography.
//!
//! ```
//! use mime::Entity;
//!
//! let mail = b"From: Alice <alice@example.org>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
//!              --b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b--\r\n";
//! let entity = Entity::parse(mail, &mime::Limits::default())?;
//! assert_eq!(entity.parts().len(), 1);
//! assert_eq!(entity.parts()[0].body(), b"Hello");
//! assert_eq!(entity.header().visible_from()?.to_string(), "alice@example.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod ambiguity;
mod ascii_fields;
mod builder;
mod content_type;
mod date;
mod encoded_word;
mod entity;
mod error;
mod header;
mod html;
mod multipart;
mod quoted_printable;
mod seven_bit;
mod transfer;

pub use address::{AddressError, Mailbox, VisibleFromError, parse_mailbox_list};
pub use ambiguity::Ambiguity;
pub use builder::{Attachment, MessageBuilder};
pub use content_type::{ContentType, Disposition};
pub use date::date;
pub use encoded_word::{decode_words, encode_words};
pub use entity::{Entity, decode_body};
pub use error::{Error, Limits};
pub use header::{Field, Header};
pub use html::HtmlBudget;
pub use multipart::{PartEnd, PartReader};
pub use quoted_printable::{QuotedPrintableReader, QuotedPrintableWriter};
pub use seven_bit::{SevenBit, SevenBitScan, seven_bit};
pub use transfer::{
    Base64Reader, Base64Writer, CrlfWriter, decode_base64, decode_quoted_printable, encode_base64,
    encode_quoted_printable, is_seven_bit,
};

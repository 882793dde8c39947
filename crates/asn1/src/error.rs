use std::fmt;
use std::io;

use crate::Tag;

/// Why bytes could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source of a stream failed.
    Io(io::Error),
    /// The bytes are not the ASN.1 they should be.
    Malformed {
        /// The type that was being read, in its standard's own word.
        what: &'static str,
        /// Byte position from the start of the outermost input.
        offset: u64,
        /// What is wrong there.
        because: Because,
    },
    /// The bytes may be well-formed, but ask for more work than the limits allow.
    TooMuch {
        /// The type that was being read.
        what: &'static str,
        /// Byte position from the start of the outermost input.
        offset: u64,
        /// The limit that was met, in its own unit.
        limit: u64,
        /// What is limited: `"depth"`, `"bytes"`.
        of: &'static str,
    },
}

/// What is wrong at the offset that an [`Error::Malformed`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// A BOOLEAN that is neither FALSE nor TRUE.
    BadBoolean,
    /// A BIT STRING without its count of unused bits, or with more than seven, or with them set.
    BadBitString,
    /// An INTEGER without content or with superfluous leading octets.
    BadInteger,
    /// A NULL with content.
    BadNull,
    /// An OBJECT IDENTIFIER that is empty, cut, padded, or has arcs beyond any use.
    BadOid,
    /// A character string with octets that its type does not know.
    BadString,
    /// A tag in a longer form than needed, or beyond any use.
    BadTag,
    /// A UTCTime or GeneralizedTime outside the profile, or a date that does not exist.
    BadTime,
    /// The elements of a DER SET OF are out of order, or a default value is encoded.
    BadOrder,
    /// The value is well-formed but not one that is defined here.
    BadValue,
    /// Constructed where it must be primitive, or the other way round.
    BadForm,
    /// The input ends in the middle.
    Truncated,
    /// An indefinite length where DER asks for a definite one.
    IndefiniteLength,
    /// A length longer than it needs to be, or reserved.
    BadLength,
    /// The length runs past the end of what surrounds it.
    LengthPastEnd,
    /// Another element was expected here; `None` means the container was to end.
    Unexpected {
        /// The tag that stands there, if any.
        found: Option<Tag>,
        /// The tag that should.
        expected: Option<Tag>,
    },
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadBoolean => "a BOOLEAN must be 00 or FF",
            Self::BadBitString => "the count of unused bits is wrong",
            Self::BadInteger => "the INTEGER is empty or padded",
            Self::BadNull => "a NULL has no content",
            Self::BadOid => "the object identifier is empty, cut, or too large",
            Self::BadString => "the string has characters that its type does not know",
            Self::BadTag => "the tag is not in its shortest form",
            Self::BadTime => "this is not a date and time of this profile",
            Self::BadOrder => "the elements are not in DER order",
            Self::BadValue => "the value is not one that is defined here",
            Self::BadForm => "the element is constructed where it must be primitive or the reverse",
            Self::Truncated => "the input ends in the middle",
            Self::IndefiniteLength => "DER has no indefinite length",
            Self::BadLength => "the length is not in its shortest form",
            Self::LengthPastEnd => "the length runs past the end",
            Self::Unexpected { found, expected } => {
                return match (expected, found) {
                    (Some(e), Some(found)) => write!(f, "expected {e}, found {found}"),
                    (Some(e), None) => write!(f, "expected {e}, found the end"),
                    (None, Some(found)) => write!(f, "{found} follows where nothing should"),
                    (None, None) => f.write_str("an element is missing"),
                };
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read: {error}"),
            Self::Malformed { what, offset, because } => {
                write!(f, "cannot parse {what} at byte {offset}: {because}")
            }
            Self::TooMuch { what, offset, limit, of } => {
                write!(f, "{what} at byte {offset} asks for more than {limit} {of}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    /// An [`Error`] that travelled inside an `io::Error` comes out as itself.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(inner) => inner,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

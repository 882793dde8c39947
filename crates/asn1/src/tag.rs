use std::fmt;

/// The class of a [`Tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Types that X.680 itself defines.
    Universal,
    /// `[APPLICATION n]`.
    Application,
    /// `[n]`.
    Context,
    /// `[PRIVATE n]`.
    Private,
}

/// An identifier octet or several: class, form, number.
///
/// The named constants carry the form that DER gives the type. Readers of BER accept the
/// constructed form of a string where the primitive one is named.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// Universal, application, context or private.
    pub class: Class,
    /// Whether the content is a series of elements.
    pub constructed: bool,
    /// The number within the class.
    pub number: u32,
}

macro_rules! universal {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $constructed:literal;)*) => {
        $($(#[$meta])* pub const $name: Self =
            Self { class: Class::Universal, constructed: $constructed, number: $number };)*
    };
}

impl Tag {
    universal! {
        /// End-of-contents, which ends an indefinite length.
        END_OF_CONTENTS = 0, false;
        /// BOOLEAN
        BOOLEAN = 1, false;
        /// INTEGER
        INTEGER = 2, false;
        /// BIT STRING
        BIT_STRING = 3, false;
        /// OCTET STRING
        OCTET_STRING = 4, false;
        /// NULL
        NULL = 5, false;
        /// OBJECT IDENTIFIER
        OID = 6, false;
        /// ENUMERATED
        ENUMERATED = 10, false;
        /// UTF8String
        UTF8_STRING = 12, false;
        /// SEQUENCE and SEQUENCE OF
        SEQUENCE = 16, true;
        /// SET and SET OF
        SET = 17, true;
        /// NumericString
        NUMERIC_STRING = 18, false;
        /// PrintableString
        PRINTABLE_STRING = 19, false;
        /// TeletexString
        TELETEX_STRING = 20, false;
        /// IA5String
        IA5_STRING = 22, false;
        /// UTCTime
        UTC_TIME = 23, false;
        /// GeneralizedTime
        GENERALIZED_TIME = 24, false;
        /// VisibleString
        VISIBLE_STRING = 26, false;
        /// UniversalString
        UNIVERSAL_STRING = 28, false;
        /// BMPString
        BMP_STRING = 30, false;
    }

    /// `[number]` in primitive form: an IMPLICIT tag over a simple type.
    pub const fn context(number: u32) -> Self {
        Self { class: Class::Context, constructed: false, number }
    }

    /// `[number]` in constructed form: an EXPLICIT tag, or IMPLICIT over SEQUENCE or SET.
    pub const fn context_constructed(number: u32) -> Self {
        Self { class: Class::Context, constructed: true, number }
    }

    /// The same tag, primitive.
    pub const fn as_primitive(self) -> Self {
        Self { constructed: false, ..self }
    }

    /// The same tag, constructed.
    pub const fn as_constructed(self) -> Self {
        Self { constructed: true, ..self }
    }

    /// Same class and number, in whichever form.
    pub fn is_like(self, other: Self) -> bool {
        self.class == other.class && self.number == other.number
    }

    pub(crate) fn leading_octet_bits(self) -> u8 {
        let class = match self.class {
            Class::Universal => 0x00,
            Class::Application => 0x40,
            Class::Context => 0x80,
            Class::Private => 0xC0,
        };
        class | if self.constructed { 0x20 } else { 0 }
    }

    pub(crate) fn from_leading_octet(octet: u8, number: u32) -> Self {
        let class = match octet >> 6 {
            0 => Class::Universal,
            1 => Class::Application,
            2 => Class::Context,
            _ => Class::Private,
        };
        Self { class, constructed: octet & 0x20 != 0, number }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.class, self.number) {
            (Class::Universal, 0) => "end-of-contents",
            (Class::Universal, 1) => "BOOLEAN",
            (Class::Universal, 2) => "INTEGER",
            (Class::Universal, 3) => "BIT STRING",
            (Class::Universal, 4) => "OCTET STRING",
            (Class::Universal, 5) => "NULL",
            (Class::Universal, 6) => "OBJECT IDENTIFIER",
            (Class::Universal, 10) => "ENUMERATED",
            (Class::Universal, 12) => "UTF8String",
            (Class::Universal, 16) => "SEQUENCE",
            (Class::Universal, 17) => "SET",
            (Class::Universal, 19) => "PrintableString",
            (Class::Universal, 20) => "TeletexString",
            (Class::Universal, 22) => "IA5String",
            (Class::Universal, 23) => "UTCTime",
            (Class::Universal, 24) => "GeneralizedTime",
            (Class::Universal, 30) => "BMPString",
            (Class::Universal, n) => return write!(f, "[UNIVERSAL {n}]"),
            (Class::Application, n) => return write!(f, "[APPLICATION {n}]"),
            (Class::Context, n) => return write!(f, "[{n}]"),
            (Class::Private, n) => return write!(f, "[PRIVATE {n}]"),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", if self.constructed { " (constructed)" } else { "" })
    }
}

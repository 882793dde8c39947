//! Every text of the pages, in German and English: each a function, so that the compiler knows when one is missing
//! or is not used any more.

mod board;
mod common;
mod guides;
mod how_to;
mod keys;
mod log_in;
mod mail;
mod me;
mod packs;
mod partners;
mod reasons;
mod rules;
mod running;
mod trace;

use directory::Language;

pub(crate) use reasons::reason;
pub(crate) use rules::rule;

/// The texts in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts(pub(crate) Language);

macro_rules! messages {
    (@one $name:ident, $de:literal, $en:literal) => {
        pub(crate) fn $name(self) -> &'static str {
            match self.0 {
                directory::Language::German => $de,
                directory::Language::English => $en,
            }
        }
    };
    (@one $name:ident ($($value:ident),+), $de:literal, $en:literal) => {
        pub(crate) fn $name(self, $($value: impl std::fmt::Display),+) -> String {
            match self.0 {
                directory::Language::German => format!($de),
                directory::Language::English => format!($en),
            }
        }
    };
    ($($name:ident $(($($value:ident),+))?: $de:literal, $en:literal;)*) => {
        impl crate::texts::Texts {
            $($crate::texts::messages!(@one $name $(($($value),+))?, $de, $en);)*
        }

        /// For the test that reads them all.
        #[cfg(test)]
        pub(super) const TABLE: &[(&str, &str, &str)] = &[$((stringify!($name), $de, $en),)*];
    };
}
pub(crate) use messages;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_with_words_of_their_own() {
        let tables = [
            board::TABLE,
            common::TABLE,
            guides::TABLE,
            how_to::TABLE,
            keys::TABLE,
            log_in::TABLE,
            mail::TABLE,
            me::TABLE,
            packs::TABLE,
            partners::TABLE,
            running::TABLE,
            trace::TABLE,
        ];
        let mut count = 0;
        for (name, de, en) in tables.into_iter().flatten() {
            count += 1;
            assert!(!de.trim().is_empty() && !en.trim().is_empty(), "{name} is empty");
            let values = |text: &str| {
                let mut found: Vec<String> =
                    text.split('{').skip(1).filter_map(|rest| Some(rest.split('}').next()?.to_owned())).collect();
                found.sort();
                found.dedup();
                found
            };
            assert_eq!(values(de), values(en), "{name} has other values");
            let same = de == en && !SAME.contains(name);
            assert!(!same, "{name} is not translated");
            for english in [" the ", " your ", " and "] {
                assert!(!de.contains(english), "{name}: {de}");
            }
            for german in [" der ", " und ", " nicht ", " Sie "] {
                assert!(!en.contains(german), "{name}: {en}");
            }
        }
        assert!(count > 200, "{count}");
    }

    /// Words that are the same in both languages.
    const SAME: &[&str] = &[
        "code",
        "column_partner",
        "passkeys_title",
        "field_name",
        "role_partner",
        "kind_smime",
        "partner",
        "product",
        "reply_subject",
    ];
}

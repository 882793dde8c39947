//! Which language somebody wrote in.

use directory::Language;
use mime::{Field, Header};

/// What the mail says about itself, else what its words say.
pub(super) fn of(header: &Header, text: &str) -> Option<Language> {
    let said = ["Content-Language", "Accept-Language"].into_iter().find_map(|name| {
        let value = header.get(name).map(Field::value)?;
        value.split(',').find_map(|tag| Language::from_code(tag.split(';').next().unwrap_or_default().trim()))
    });
    said.or_else(|| by_words(&format!("{} {text}", header.get("Subject").map(Field::text).unwrap_or_default())))
}

fn by_words(text: &str) -> Option<Language> {
    let (mut german, mut english) = (0, 0);
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(500);
    for word in words.map(str::to_lowercase) {
        german += usize::from(GERMAN.contains(&word.as_str()) || word.contains(['ä', 'ö', 'ü', 'ß']));
        english += usize::from(ENGLISH.contains(&word.as_str()));
    }
    match german.cmp(&english) {
        std::cmp::Ordering::Greater => Some(Language::German),
        std::cmp::Ordering::Less => Some(Language::English),
        std::cmp::Ordering::Equal => None,
    }
}

const GERMAN: &[&str] = &[
    "anbei",
    "bitte",
    "danke",
    "das",
    "der",
    "die",
    "ein",
    "eine",
    "guten",
    "hallo",
    "ich",
    "ihnen",
    "ist",
    "mein",
    "meine",
    "mit",
    "nicht",
    "schlüssel",
    "sehr",
    "sie",
    "und",
    "unser",
    "unsere",
    "zertifikat",
    "zum",
    "zur",
];
const ENGLISH: &[&str] = &[
    "a",
    "and",
    "attached",
    "certificate",
    "dear",
    "for",
    "hello",
    "hi",
    "is",
    "key",
    "kind",
    "my",
    "of",
    "our",
    "please",
    "regards",
    "thank",
    "thanks",
    "the",
    "this",
    "with",
    "you",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of_mail(header: &str, text: &str) -> Option<Language> {
        of(&Header::parse(format!("{header}\r\n\r\n").as_bytes(), &mime::Limits::default()).unwrap().0, text)
    }

    #[test]
    fn people_are_answered_in_their_language() {
        assert_eq!(of_mail("Subject: Zertifikat", "Guten Tag, anbei mein Zertifikat."), Some(Language::German));
        assert_eq!(of_mail("Subject: certificate", "Hello, my certificate is attached."), Some(Language::English));
        assert_eq!(of_mail("Content-Language: en", "Guten Tag"), Some(Language::English));
        assert_eq!(of_mail("Content-Language: fr", "Bonjour"), None);
        assert_eq!(of_mail("X: y", ""), None);
    }
}

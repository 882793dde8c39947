/// The languages that people are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// Deutsch
    #[default]
    German,
    /// English
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// `de` or `en`
    pub fn code(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    /// From a language tag: `de`, `de-AT`, `en_US`.
    pub fn from_code(code: &str) -> Option<Self> {
        let primary = code.split(['-', '_']).next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The one that a reader likes best among ours (RFC 9110 §12.5.4); `default` when there is none.
    pub fn from_accept_language(value: &str, default: Self) -> Self {
        let mut best: Option<(u32, Self)> = None;
        for range in value.split(',').take(20) {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Self::from_code) else { continue };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, language));
            }
        }
        best.map_or(default, |(_, language)| language)
    }
}

// RFC 9110 §12.4.2: a weight has at most three decimals.
fn thousandths(weight: &str) -> u32 {
    let (whole, decimals) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let decimals: String = format!("{decimals:0<3}").chars().take(3).collect();
    let value = |text: &str| text.parse::<u32>().unwrap_or(0);
    value(whole).min(1) * 1000 + value(&decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_first_choice_wins() {
        let of = |value| Language::from_accept_language(value, Language::German);
        assert_eq!(of("fr, en;q=0.8, de;q=0.7"), Language::English);
        assert_eq!(of("de-AT,en"), Language::German);
        assert_eq!(of("en;q=0"), Language::German);
        assert_eq!(of(""), Language::German);
        assert_eq!(of("en;q=0.35,de;q=0.4"), Language::German);
    }
}

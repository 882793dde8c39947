//! Texts that look alike made alike, so that a forged mark or a hidden trigger word is seen (CASES T-11, T-87).

use unicode_normalization::UnicodeNormalization as _;

/// What a person would read: compatibility forms, case, invisible characters and look-alikes folded away.
pub(crate) fn fold(text: &str) -> String {
    folds(text.chars()).collect()
}

fn folds(text: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    text.nfkd().filter(|c| !is_invisible(*c) && !is_combining(*c)).flat_map(char::to_lowercase).map(skeleton)
}

/// `text` without the `needles`, in whatever writing, and without those that only taking out others makes: one walk
/// over the text, however many there are (CASES T-54).
pub(crate) fn without(text: &str, needles: &[&str]) -> String {
    let needles: Vec<Vec<char>> = needles
        .iter()
        .map(|needle| fold(needle).chars().collect())
        .filter(|needle: &Vec<char>| !needle.is_empty())
        .collect();
    // What is kept, each character with how many it folds to; and all that they fold to, which never has a needle.
    let (mut kept, mut folded): (Vec<(char, usize)>, Vec<char>) = (Vec::new(), Vec::new());
    for c in text.chars() {
        let before = folded.len();
        folded.extend(folds(std::iter::once(c)));
        kept.push((c, folded.len() - before));
        let ends = |end: usize| {
            let so_far = folded.get(..end).unwrap_or_default();
            needles.iter().find(|needle| so_far.ends_with(needle)).map(|needle| end - needle.len())
        };
        let Some(start) = (before + 1..=folded.len()).find_map(ends) else { continue };
        while folded.len() > start {
            let Some((_, length)) = kept.pop() else { break };
            folded.truncate(folded.len() - length);
        }
    }
    kept.into_iter().map(|(c, _)| c).collect()
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFB | 0xE0000..=0xE0FFF)
}

fn is_combining(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The letters of other scripts and the signs that look like ASCII (a part of Unicode TS 39's table).
fn skeleton(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'ß' | 'β' | 'ь' => 'b',
        'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'ɗ' => 'd',
        'е' | 'ҽ' | 'ε' | 'є' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'н' | 'հ' => 'h',
        'і' | 'ι' | 'ı' | 'ɩ' | 'ӏ' | 'l' | '|' | '1' | 'ǀ' => 'i',
        'ј' | 'ϳ' => 'j',
        'κ' | 'к' => 'k',
        'м' => 'm',
        'η' | 'ո' | 'п' | 'ռ' => 'n',
        'о' | 'ο' | 'σ' | 'օ' | '0' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' | 'ᴦ' => 'r',
        'ѕ' | 'ꜱ' | '5' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' | 'ц' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' | 'ѡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        '【' | '〔' | '⟦' | '［' | '❲' | '⁅' | '〚' | '{' | '(' | '<' => '[',
        '】' | '〕' | '⟧' | '］' | '❳' | '⁆' | '〛' | '}' | ')' | '>' => ']',
        '‚' | '，' | '、' => ',',
        '‐'..='―' | '−' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_11_look_alikes_fold_to_one() {
        let mark = fold("[signed]");
        for forged in [
            "[signed]",
            "[SIGNED]",
            "[Sіgned]",
            "[s\u{200b}igned]",
            "［ｓｉｇｎｅｄ］",
            "[s\u{ad}igned]",
            "【signed】",
            "[\u{202e}signed]",
            "[ѕіgnеd]",
            "[s1gned]",
            "[sígned]",
        ] {
            assert_eq!(fold(forged), mark, "{forged}");
        }
        assert_ne!(fold("[singed]"), mark);
    }

    #[test]
    fn t_11_needles_are_taken_out_as_they_are_written() {
        assert_eq!(without("Re: [ѕі\u{200b}gned] x", &["[signed]"]), "Re:  x");
        assert_eq!(without("[ѕі\u{200b}gned][SIGNED]", &["[signed]"]), "");
        assert_eq!(without("[sig[signed]ned] [[valid]signed]", &["[signed]", "[valid]", ""]), " ");
        assert_eq!(without("nothing", &["[signed]"]), "nothing");
    }

    #[test]
    fn t_54_taking_out_a_hundred_thousand_needles_is_one_walk() {
        let before = testkit::processor_time();
        let text = "[ѕigned]".repeat(100_000) + &"[signed".repeat(20_000) + &"]".repeat(20_000);
        assert_eq!(without(&text, &["[signed]", "[signature invalid]"]), "");
        assert!((testkit::processor_time() - before).as_secs() < 20);
    }
}

//! Texts that look alike made alike, so that a forged mark or a hidden trigger word is seen (CASES T-11, T-87).

use unicode_normalization::UnicodeNormalization as _;

/// What a person would read: compatibility forms, case, invisible characters and look-alikes folded away.
pub(crate) fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_invisible(*c) && !is_combining(*c)).flat_map(char::to_lowercase).map(skeleton).collect()
}

/// Where the folded `needle` stands in `text`, as positions in `text`.
pub(crate) fn find(text: &str, needle: &str) -> Option<(usize, usize)> {
    let needle = fold(needle);
    if needle.is_empty() {
        return None;
    }
    // Each character of the text with what it folds to; a match begins and ends at characters of the text.
    let pieces: Vec<(usize, usize, String)> =
        text.char_indices().map(|(at, c)| (at, at + c.len_utf8(), fold(c.encode_utf8(&mut [0; 4])))).collect();
    for (index, (start, _, first)) in pieces.iter().enumerate() {
        if first.is_empty() {
            continue;
        }
        let mut seen = String::new();
        for (_, end, piece) in pieces.iter().skip(index) {
            seen.push_str(piece);
            if seen == needle {
                return Some((*start, *end));
            }
            if !needle.starts_with(&seen) {
                break;
            }
        }
    }
    None
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
    fn positions_are_of_the_text_itself() {
        let text = "Re: [ѕі\u{200b}gned] x";
        let (start, end) = find(text, "[signed]").unwrap();
        assert_eq!(&text[start..end], "[ѕі\u{200b}gned]");
        assert_eq!(find("nothing", "[signed]"), None);
    }
}

//! What it costs to parse HTML, known before anybody parses it: for whoever shows or cleans what strangers wrote.

/// How much a parser may have to do for the HTML of one message. Asked for each text of it, before that is parsed.
///
/// A parser walks all open elements at each tag, opens each formatting element anew in each paragraph (HTML §13.2.4.3),
/// and compares each attribute of a tag with all before it. So a few hundred KiB can take gigabytes, or hours, and what
/// a message may cost is decided by counting: from start tags alone, since end tags may end nothing.
#[derive(Debug, Clone, Default)]
pub struct HtmlBudget {
    octets: usize,
    tags: usize,
    elements: usize,
    comparisons: usize,
}

impl HtmlBudget {
    /// Octets of HTML in one message: more than any letter has.
    pub const MOST_OCTETS: usize = 512 * 1024;
    /// Start tags in one message.
    pub const MOST_TAGS: usize = 20_000;
    /// Elements that a parser may make of the start tags of one message.
    pub const MOST_ELEMENTS: usize = 1_000_000;
    /// Comparisons of attributes in one message, and with it somewhat over a thousand attributes in one tag.
    pub const MOST_COMPARISONS: usize = 2_000_000;

    /// Whether this text may be parsed as well. What may not is shown as text.
    pub fn has_room_for(&mut self, html: &str) -> bool {
        self.octets = self.octets.saturating_add(html.len());
        if self.octets > Self::MOST_OCTETS {
            return false;
        }
        let Some(cost) = Cost::of(html) else { return false };
        self.tags = self.tags.saturating_add(cost.tags);
        self.elements = self.elements.saturating_add(cost.tags.saturating_mul(cost.formatting));
        self.comparisons = self.comparisons.saturating_add(cost.comparisons);
        self.tags <= Self::MOST_TAGS
            && self.elements <= Self::MOST_ELEMENTS
            && self.comparisons <= Self::MOST_COMPARISONS
    }
}

struct Cost {
    tags: usize,
    /// Formatting elements that may be open at once, heavier with many attributes.
    formatting: usize,
    comparisons: usize,
}

impl Cost {
    /// `None` where counting itself would take long.
    ///
    /// A tag begins at `<` and a letter, if anything does there: a comment, a script or a quoted value may be around it.
    /// Each place is counted as if it were a tag, so that nothing before it hides what is in it.
    fn of(html: &str) -> Option<Self> {
        // Of those without attributes a parser keeps three of a kind at most, and of links one.
        let mut cost = Self { tags: 0, formatting: FORMATTING.len() * 3, comparisons: 0 };
        let (mut roots, mut of_roots) = (0_usize, 0_usize);
        let octets = html.as_bytes();
        let mut steps = octets.len().saturating_mul(4).saturating_add(4096);
        for (at, _) in html.match_indices('<') {
            let rest = octets.get(at + 1..).unwrap_or_default();
            let (is_end, rest) = match rest.strip_prefix(b"/") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            if !rest.first().is_some_and(u8::is_ascii_alphabetic) {
                continue;
            }
            let length = rest.iter().position(|&octet| is_space(octet) || matches!(octet, b'/' | b'>'));
            let (name, rest) = rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or_default();
            let (attributes, looked_at) = attributes(rest);
            steps = steps.checked_sub(name.len() + looked_at)?;
            cost.comparisons = cost.comparisons.saturating_add(attributes.saturating_mul(attributes));
            if is_end {
                continue;
            }
            cost.tags += 1;
            let is = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
            if attributes > 0 && FORMATTING.iter().any(is) {
                cost.formatting = cost.formatting.saturating_add(1 + attributes / 8);
            }
            // Attributes of a second one are added to the first (HTML §13.2.6.4.7).
            if ["html", "body"].iter().any(is) {
                roots += 1;
                of_roots = of_roots.saturating_add(attributes);
            }
        }
        cost.comparisons = cost.comparisons.saturating_add(roots.saturating_mul(of_roots));
        Some(cost)
    }
}

/// How many attributes a tag has, from behind its name, and how many octets were looked at (HTML §13.2.5.32 to 39).
fn attributes(rest: &[u8]) -> (usize, usize) {
    enum Within {
        Between,
        Name,
        AfterName,
        BeforeValue,
        Quoted(u8),
        Bare,
    }
    let (mut count, mut within) = (0_usize, Within::Between);
    for (at, &octet) in rest.iter().enumerate() {
        within = match (within, octet) {
            (Within::Quoted(quote), _) if octet != quote => Within::Quoted(quote),
            (Within::Quoted(_), _) => Within::Between,
            (_, b'>') => return (count, at + 1),
            (Within::BeforeValue, b'"' | b'\'') => Within::Quoted(octet),
            (Within::BeforeValue, _) if is_space(octet) => Within::BeforeValue,
            (Within::BeforeValue, _) => Within::Bare,
            (Within::Bare, _) if !is_space(octet) => Within::Bare,
            (Within::Bare, _) => Within::Between,
            (Within::Name | Within::AfterName, b'=') => Within::BeforeValue,
            (Within::Name, _) if is_space(octet) => Within::AfterName,
            (Within::AfterName, _) if is_space(octet) => Within::AfterName,
            (Within::Name | Within::AfterName | Within::Between, b'/') => Within::Between,
            (Within::Name, _) => Within::Name,
            (Within::Between, _) if is_space(octet) => Within::Between,
            (Within::AfterName | Within::Between, _) => {
                count += 1;
                Within::Name
            }
        };
    }
    (count, rest.len())
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b'\t' | b'\n' | b'\r' | 0x0C | b' ')
}

/// Elements that a parser opens anew in the next paragraph (HTML §13.2.4.3), but links, of which it keeps one.
const FORMATTING: &[&str] =
    &["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

#[cfg(test)]
mod tests {
    use super::*;

    fn has_room(html: &str) -> bool {
        HtmlBudget::default().has_room_for(html)
    }

    #[test]
    fn attributes_are_counted_as_a_parser_finds_them() {
        for (tag, expected) in [
            ("<p>", 0),
            ("<p a>", 1),
            ("<p a=1 b = 2 c='>' d=\">\">", 4),
            ("<p/a/b/c/>", 3),
            ("<p a=\"1\"b=\"2\"c>", 3),
            ("<p a=x/b c>", 2),
            ("<p =a =b>", 1),
            ("<p a<b c<d>", 2),
            ("<p a b c", 3),
            ("<p a = > b", 1),
        ] {
            assert_eq!(attributes(tag.as_bytes().get(2..).unwrap()).0, expected, "{tag}");
        }
    }

    #[test]
    fn t_40_what_would_take_gigabytes_or_hours_is_known_before() {
        let fonts: String = (0..5_000).map(|number| format!("<font size={number}>")).collect();
        let names = |separator: &str| (0..20_000).map(|number| format!("{separator}a{number}")).collect::<String>();
        for costly in [
            "<div>".repeat(HtmlBudget::MOST_TAGS + 1),
            "<div></x>".repeat(HtmlBudget::MOST_TAGS + 1),
            "x".repeat(HtmlBudget::MOST_OCTETS + 1),
            format!("<p>{fonts}{}", "<p>x".repeat(4_900)),
            format!("<p{}>", names(" ")),
            format!("<p{}>", names("/")),
            format!("</p{}>", names("\n")),
            format!("<p{}", names(" x=\">\" ")),
            format!("<p{}>", names("='<i>' ")),
            // What comes before it hides nothing of it.
            format!("<style><p a=\"</style><p{}>", names(" ")),
            format!("<!-- <p a=' --><p{}>", names(" ")),
            (0..15_000).map(|number| format!("<html a{number}>")).collect(),
            // Counting takes no longer than that either.
            "<a \"".repeat(100_000),
        ] {
            assert!(!has_room(&costly), "{costly:.60}");
        }
        let row =
            "<tr><td align=\"left\" width=600 style=\"font-family: 'X', sans-serif\"><font face=a size=2>x</font>";
        for letter in [
            "<i></i>".repeat(HtmlBudget::MOST_TAGS / 2),
            "<p>1 < 2 <b>x</b> <a href=\"https://a.example/?a=1&b=2\">y</a></p>".repeat(2_000),
            format!("<html lang=de><body bgcolor=white><table>{}</table>", row.repeat(300)),
            format!("<p{}>", " a".repeat(1_000)),
        ] {
            assert!(has_room(&letter), "{letter:.60}");
        }
        // It is one budget for all of a message.
        let (mut budget, half) = (HtmlBudget::default(), "x".repeat(HtmlBudget::MOST_OCTETS / 2));
        assert!(budget.has_room_for(&half) && budget.has_room_for(&half) && !budget.has_room_for("x"));
    }
}

//! Who gets what kind of protection: rules read from top to bottom, the first that matches a recipient decides.

use pki::EmailAddress;
use smime::{HeaderConfidentiality, Profile};

use crate::confusable::fold;
use crate::facts::Reading;

/// Rules, and what holds where none says anything.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether to sign.
    pub sign: Choice,
    /// Whether to encrypt.
    pub encrypt: Choice,
    /// What happens when encryption is a must and there is no certificate.
    pub otherwise: Otherwise,
    /// Which algorithms.
    pub profile: Profile,
    /// Whether header fields are protected, too.
    pub headers: HeaderProtection,
    /// The rules, top to bottom.
    pub rules: Vec<Rule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            sign: Choice::IfPossible,
            encrypt: Choice::IfPossible,
            otherwise: Otherwise::Hold,
            profile: Profile::Modern,
            headers: HeaderProtection::Off,
            rules: Vec::new(),
        }
    }
}

/// Must, may, must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Or the mail does not leave.
    Always,
    /// If there is what it takes.
    #[default]
    IfPossible,
    /// Not even then.
    Never,
}

/// What happens to mail that must be encrypted and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// It leaves in the clear. Only where a rule says so in these words.
    Clear,
    /// The mail server keeps it.
    #[default]
    Hold,
    /// It goes back to the sender.
    Refuse,
    /// The recipient reads it in the webmailer.
    Webmailer,
}

/// Whether the header fields of a protected mail are protected as well (RFC 9788).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderProtection {
    /// They stay outside.
    #[default]
    Off,
    /// Under the signature; of an encrypted mail only what is said here stays readable outside.
    On(HeaderConfidentiality),
}

/// Which way a mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From inside to somebody outside.
    #[default]
    Outward,
    /// From inside to somebody inside. Without a rule that says so in this word, such mail stays untouched.
    Within,
}

/// A rule: all its conditions must hold; what it does not decide, the defaults decide.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Its name, for explanations.
    pub name: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Senders: `user@domain`, `@domain`, `domain`, `*.domain`, or `*`; any when empty.
    pub from: Vec<String>,
    /// Recipients, in the same way.
    pub to: Vec<String>,
    /// Words in the subject, in any writing; they are taken out before the mail leaves.
    pub subject_words: Vec<String>,
    /// A header field, and what it must contain (anything when empty).
    pub header: Option<(String, String)>,
    /// Sensitivity labels: the value of `Sensitivity`, or the name of a label in `msip_labels`.
    pub labels: Vec<String>,
    /// Who has logged in.
    pub users: Vec<String>,
    /// Groups that the sender is in.
    pub groups: Vec<String>,
    /// Octets that the message has at least.
    pub larger_than: Option<u64>,
    /// Octets that the message has fewer than.
    pub smaller_than: Option<u64>,
    /// Whether to sign.
    pub sign: Option<Choice>,
    /// Whether to encrypt.
    pub encrypt: Option<Choice>,
    /// What happens when encryption is a must and there is no certificate.
    pub otherwise: Option<Otherwise>,
    /// Which algorithms.
    pub profile: Option<Profile>,
    /// Whether header fields are protected, too.
    pub headers: Option<HeaderProtection>,
    /// Whose certificates what is encrypted is encrypted to as well; without them nothing is sent.
    pub also_to: Vec<EmailAddress>,
    /// Whose certificate is good for everybody that the rule matches and who has none: a domain's, or a gateway's.
    pub certificate_of: Option<EmailAddress>,
    /// Text that is put below the message before it is signed.
    pub banner: Option<String>,
}

/// What the policy asks for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The rule's name, or `default`.
    pub rule: String,
    /// No rule matched, whatever rules are called.
    pub is_default: bool,
    /// Whether to sign.
    pub sign: Choice,
    /// Whether to encrypt.
    pub encrypt: Choice,
    /// When encryption is a must and there is no certificate.
    pub otherwise: Otherwise,
    /// Which algorithms.
    pub profile: Profile,
    /// Whether header fields are protected, too.
    pub headers: HeaderProtection,
    /// Whose certificates what is encrypted is encrypted to as well.
    pub also_to: Vec<EmailAddress>,
    /// Whose certificate is good for a recipient who has none.
    pub certificate_of: Option<EmailAddress>,
    /// Text that is put below the message.
    pub banner: Option<String>,
    /// Words to take out of the subject.
    pub words: Vec<String>,
    /// Why rules above it did not match.
    pub passed_over: Vec<String>,
}

impl Policy {
    /// What is asked for one recipient of a message.
    pub(crate) fn wanted(&self, read: &Reading<'_>, recipient: &EmailAddress, direction: Direction) -> Wanted {
        let mut passed_over = Vec::new();
        let found = self.rules.iter().enumerate().find(|(number, rule)| {
            let missed = rule.misses_recipient(read, recipient, direction);
            match missed.or_else(|| read.once(*number, || rule.misses_message(read))) {
                None => true,
                Some(why) => {
                    passed_over.push(format!("{}: {why}", rule.name));
                    false
                }
            }
        });
        let found = found.map(|(_, rule)| rule);
        // Within the house nothing is done that no rule asks for.
        let (sign, encrypt, headers) = match direction {
            Direction::Outward => (self.sign, self.encrypt, self.headers),
            Direction::Within => (Choice::Never, Choice::Never, HeaderProtection::Off),
        };
        Wanted {
            rule: found.map_or_else(|| "default".to_owned(), |rule| rule.name.clone()),
            is_default: found.is_none(),
            sign: found.and_then(|rule| rule.sign).unwrap_or(sign),
            encrypt: found.and_then(|rule| rule.encrypt).unwrap_or(encrypt),
            otherwise: found.and_then(|rule| rule.otherwise).unwrap_or(self.otherwise),
            profile: found.and_then(|rule| rule.profile).unwrap_or(self.profile),
            headers: found.and_then(|rule| rule.headers).unwrap_or(headers),
            also_to: found.map(|rule| rule.also_to.clone()).unwrap_or_default(),
            certificate_of: found.and_then(|rule| rule.certificate_of.clone()),
            banner: found.and_then(|rule| rule.banner.clone()),
            words: found.map(|rule| rule.subject_words.clone()).unwrap_or_default(),
            passed_over,
        }
    }

    /// Whether some rule asks which groups the sender is in.
    pub(crate) fn names_groups(&self) -> bool {
        self.rules.iter().any(|rule| !rule.groups.is_empty())
    }

    /// Whether some rule encrypts what stays in the house.
    pub(crate) fn encrypts_within(&self) -> bool {
        let encrypts = |rule: &Rule| rule.encrypt.is_some_and(|choice| choice != Choice::Never);
        self.rules.iter().any(|rule| rule.direction == Direction::Within && encrypts(rule))
    }

    /// Everybody to whom some rule wants mail encrypted as well, or instead.
    pub(crate) fn additional(&self) -> impl Iterator<Item = &EmailAddress> {
        self.rules.iter().flat_map(|rule| rule.also_to.iter().chain(&rule.certificate_of))
    }
}

impl Rule {
    /// The first condition about who writes to whom that does not hold.
    fn misses_recipient(&self, read: &Reading<'_>, recipient: &EmailAddress, direction: Direction) -> Option<String> {
        let any = |patterns: &[String], address: Option<&EmailAddress>| {
            patterns.is_empty() || address.is_some_and(|address| patterns.iter().any(|p| matches(p, address)))
        };
        if self.direction != direction {
            return Some("the mail goes another way".into());
        }
        if !any(&self.from, read.facts.sender()) {
            return Some("the sender is another".into());
        }
        if !any(&self.to, Some(recipient)) {
            return Some("the recipient is another".into());
        }
        None
    }

    /// The first condition about the message itself that does not hold: the same for all its recipients.
    fn misses_message(&self, read: &Reading<'_>) -> Option<String> {
        let facts = read.facts;
        if !self.subject_words.is_empty() && !self.subject_words.iter().any(|word| read.subject().contains(&fold(word)))
        {
            return Some("the subject has no such word".into());
        }
        if let Some((name, part)) = &self.header
            && !read.has_field(name, &fold(part))
        {
            return Some(format!("there is no such {name}"));
        }
        if !self.labels.is_empty() && !self.labels.iter().any(|label| read.labels().contains(&fold(label))) {
            return Some("it has no such label".into());
        }
        if !self.users.is_empty()
            && !facts.user.as_ref().is_some_and(|user| self.users.iter().any(|named| is_same(named, user)))
        {
            return Some("another user".into());
        }
        if !self.groups.is_empty() && !self.groups.iter().any(|group| facts.groups.contains(group)) {
            return Some("the sender is in none of the groups".into());
        }
        if self.larger_than.is_some_and(|least| facts.bytes < least) {
            return Some("the message is smaller".into());
        }
        if self.smaller_than.is_some_and(|most| facts.bytes >= most) {
            return Some("the message is larger".into());
        }
        None
    }
}

/// Mail programs send the name that somebody typed, and logging in does not mind its case: a rule does not either.
fn is_same(named: &str, user: &str) -> bool {
    match (EmailAddress::parse(named), EmailAddress::parse(user)) {
        (Ok(named), Ok(user)) => named.canonical() == user.canonical(),
        _ => named.to_lowercase() == user.to_lowercase(),
    }
}

/// `user@domain`, `@domain`, `domain`, `*.domain`, `*`.
fn matches(pattern: &str, address: &EmailAddress) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Some(parent) = pattern.strip_prefix("*.") {
        let parent = parent.to_ascii_lowercase();
        return address.domain().strip_suffix(&parent).is_some_and(|front| front.ends_with('.'));
    }
    match pattern.split_once('@') {
        Some(("" | "*", domain)) => address.domain().eq_ignore_ascii_case(domain),
        Some(_) => EmailAddress::parse(pattern).is_ok_and(|pattern| pattern.canonical() == address.canonical()),
        None => address.domain().eq_ignore_ascii_case(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;

    impl Rule {
        fn misses(&self, facts: &Facts, recipient: &EmailAddress, direction: Direction) -> Option<String> {
            let read = Reading::of(facts);
            self.misses_recipient(&read, recipient, direction).or_else(|| self.misses_message(&read))
        }
    }

    fn facts() -> Facts {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Facts {
            visible_from: EmailAddress::parse("alice@inside.example").ok(),
            subject: "Angebot [VERTRAULICH] für Bob".into(),
            user: Some("alice".into()),
            groups: vec!["sales".into()],
            bytes: 5_000,
            fields: vec![
                field("X-Class", "Internal Only"),
                field("Sensitivity", "Company-Confidential"),
                field("msip_labels", "MSIP_Label_1_Enabled=True; MSIP_Label_1_Name=Streng Geheim;"),
            ],
            ..Facts::default()
        }
    }

    #[test]
    fn every_condition_decides_alone() {
        let list = |text: &str| vec![text.to_owned()];
        let one = |change: fn(&mut Rule, Vec<String>), yes: &str, no: &str| {
            [(yes, true), (no, false)].map(|(value, hit)| {
                let mut rule = Rule { name: "r".into(), ..Rule::default() };
                change(&mut rule, list(value));
                (rule, hit)
            })
        };
        let size = |larger, smaller, hit| (Rule { larger_than: larger, smaller_than: smaller, ..Rule::default() }, hit);
        let cases = [
            one(|rule, list| rule.from = list, "alice@inside.example", "dora@inside.example"),
            one(|rule, list| rule.from = list, "inside.example", "*.inside.example"),
            one(|rule, list| rule.to = list, "@partner.example", "@other.example"),
            one(|rule, list| rule.to = list, "*.example", "BOB2@partner.example"),
            one(|rule, list| rule.subject_words = list, "[vertraulich]", "[geheim]"),
            one(|rule, list| rule.header = list.first().map(|p| ("x-class".into(), p.clone())), "internal", "public"),
            one(|rule, list| rule.labels = list, "company-confidential", "private"),
            one(|rule, list| rule.labels = list, "streng geheim", "geheim"),
            one(|rule, list| rule.users = list, "alice", "bob"),
            one(|rule, list| rule.groups = list, "sales", "board"),
        ]
        .into_iter()
        .flatten()
        .chain([size(Some(5_000), None, true), size(Some(5_001), None, false)])
        .chain([size(None, Some(5_001), true), size(None, Some(5_000), false)]);
        let bob = EmailAddress::parse("bob@partner.example").unwrap();
        for (rule, hit) in cases {
            assert_eq!(rule.misses(&facts(), &bob, Direction::Outward).is_none(), hit, "{rule:?}");
            assert!(rule.misses(&facts(), &bob, Direction::Within).is_some(), "the other way: {rule:?}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_the_others_say_why_not() {
        let rule = |name: &str, to: &str, encrypt| Rule {
            name: name.into(),
            to: vec![to.into()],
            encrypt: Some(encrypt),
            ..Rule::default()
        };
        let rules = vec![
            rule("other", "other.example", Choice::Never),
            rule("partner", "partner.example", Choice::Always),
            rule("everybody", "*", Choice::Never),
        ];
        let policy = Policy { rules, ..Policy::default() };
        let bob = EmailAddress::parse("bob@partner.example").unwrap();
        let facts = facts();
        let read = Reading::of(&facts);
        let wanted = policy.wanted(&read, &bob, Direction::Outward);
        assert_eq!((wanted.rule.as_str(), wanted.encrypt), ("partner", Choice::Always));
        assert_eq!(wanted.passed_over, ["other: the recipient is another"]);
        let within = policy.wanted(&read, &bob, Direction::Within);
        assert_eq!((within.rule.as_str(), within.sign, within.encrypt), ("default", Choice::Never, Choice::Never));
    }

    #[test]
    fn t_88_a_rule_about_a_user_holds_in_whatever_case_the_name_was_typed() {
        let bob = EmailAddress::parse("bob@partner.example").unwrap();
        for (named, typed, hit) in [
            ("alice@inside.example", "Alice@Inside.example", true),
            ("Alice@Inside.example", "alice@inside.example", true),
            ("alice", "ALICE", true),
            ("alice@inside.example", "alice@partner.example", false),
            ("alice@inside.example", "alice", false),
        ] {
            let rule = Rule { users: vec![named.into()], ..Rule::default() };
            let facts = Facts { user: Some(typed.into()), ..facts() };
            assert_eq!(rule.misses(&facts, &bob, Direction::Outward).is_none(), hit, "{named} {typed}");
        }
    }

    #[test]
    fn n_24_what_a_rule_says_to_a_message_is_asked_once_for_all_its_recipients() {
        let facts = facts();
        let (read, mut asked) = (Reading::of(&facts), 0);
        for _ in 0..1_000 {
            let answer = read.once(3, || {
                asked += 1;
                Some("why".into())
            });
            assert_eq!(answer.as_deref(), Some("why"));
        }
        assert_eq!((asked, read.once(4, || None)), (1, None));
    }
}

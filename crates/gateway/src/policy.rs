//! Who gets what kind of protection: rules read from top to bottom, the first that matches a recipient decides.

use pki::EmailAddress;
use smime::Profile;

use crate::confusable::fold;
use crate::facts::Facts;

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

/// A rule: all its conditions must hold; what it does not decide, the defaults decide.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Its name, for explanations.
    pub name: String,
    /// Senders: `user@domain`, `@domain`, `domain`, `*.domain`, or `*`; any when empty.
    pub from: Vec<String>,
    /// Recipients, in the same way.
    pub to: Vec<String>,
    /// Words in the subject, in any writing; they are taken out before the mail leaves.
    pub subject_words: Vec<String>,
    /// A header field, and what it must contain (anything when empty).
    pub header: Option<(String, String)>,
    /// Who has logged in.
    pub users: Vec<String>,
    /// Groups that the sender is in.
    pub groups: Vec<String>,
    /// Octets that the message has at least.
    pub larger_than: Option<u64>,
    /// Whether to sign.
    pub sign: Option<Choice>,
    /// Whether to encrypt.
    pub encrypt: Option<Choice>,
    /// What happens when encryption is a must and there is no certificate.
    pub otherwise: Option<Otherwise>,
    /// Which algorithms.
    pub profile: Option<Profile>,
}

/// What the policy asks for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The rule's name, or `default`.
    pub rule: String,
    /// Whether to sign.
    pub sign: Choice,
    /// Whether to encrypt.
    pub encrypt: Choice,
    /// When encryption is a must and there is no certificate.
    pub otherwise: Otherwise,
    /// Which algorithms.
    pub profile: Profile,
    /// Words to take out of the subject.
    pub words: Vec<String>,
    /// Why rules above it did not match.
    pub passed_over: Vec<String>,
}

impl Policy {
    /// What is asked for one recipient of a message.
    pub fn wanted(&self, facts: &Facts, recipient: &EmailAddress) -> Wanted {
        let mut passed_over = Vec::new();
        let found = self.rules.iter().find(|rule| match rule.misses(facts, recipient) {
            None => true,
            Some(why) => {
                passed_over.push(format!("{}: {why}", rule.name));
                false
            }
        });
        Wanted {
            rule: found.map_or_else(|| "default".to_owned(), |rule| rule.name.clone()),
            sign: found.and_then(|rule| rule.sign).unwrap_or(self.sign),
            encrypt: found.and_then(|rule| rule.encrypt).unwrap_or(self.encrypt),
            otherwise: found.and_then(|rule| rule.otherwise).unwrap_or(self.otherwise),
            profile: found.and_then(|rule| rule.profile).unwrap_or(self.profile),
            words: found.map(|rule| rule.subject_words.clone()).unwrap_or_default(),
            passed_over,
        }
    }
}

impl Rule {
    /// The first condition that does not hold.
    fn misses(&self, facts: &Facts, recipient: &EmailAddress) -> Option<String> {
        let any = |patterns: &[String], address: Option<&EmailAddress>| {
            patterns.is_empty() || address.is_some_and(|address| patterns.iter().any(|p| matches(p, address)))
        };
        if !any(&self.from, facts.sender()) {
            return Some("the sender is another".into());
        }
        if !any(&self.to, Some(recipient)) {
            return Some("the recipient is another".into());
        }
        let subject = fold(&facts.subject);
        if !self.subject_words.is_empty() && !self.subject_words.iter().any(|word| subject.contains(&fold(word))) {
            return Some("the subject has no such word".into());
        }
        if let Some((name, part)) = &self.header {
            let part = fold(part);
            let holds =
                |(field, value): &(String, String)| field.eq_ignore_ascii_case(name) && fold(value).contains(&part);
            if !facts.fields.iter().any(holds) {
                return Some(format!("there is no such {name}"));
            }
        }
        if !self.users.is_empty() && !self.users.iter().any(|user| facts.user.as_deref() == Some(user)) {
            return Some("another user".into());
        }
        if !self.groups.is_empty() && !self.groups.iter().any(|group| facts.groups.contains(group)) {
            return Some("the sender is in none of the groups".into());
        }
        if self.larger_than.is_some_and(|least| facts.bytes < least) {
            return Some("the message is smaller".into());
        }
        None
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

//! Why the gateway did what it did, which it has in English, in German.

use directory::Language;

use crate::texts::Texts;

/// A reason in the reader's language; one that nobody has translated stays as it is.
pub(crate) fn reason(t: Texts, english: &str) -> String {
    match t.0 {
        Language::English => english.to_owned(),
        Language::German => german(english).unwrap_or_else(|| english.to_owned()),
    }
}

/// In a pattern `{}` is what is taken over as it is, and `{why}` is itself a reason.
fn german(english: &str) -> Option<String> {
    GERMAN.iter().find_map(|(pattern, german)| {
        let found = captures(pattern, english)?;
        let mut pieces = german.split(['{', '}']);
        let mut out = pieces.next().unwrap_or_default().to_owned();
        let mut found = found.into_iter();
        // Every second piece stands between two braces.
        while let Some(placeholder) = pieces.next() {
            let found = found.next().unwrap_or_default();
            match placeholder {
                "why" => out.push_str(&reason(Texts(Language::German), found)),
                _ => out.push_str(found),
            }
            out.push_str(pieces.next().unwrap_or_default());
        }
        Some(out)
    })
}

/// What stands in the place of each placeholder; `None` where the text is another.
fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut literals = pattern.split(['{', '}']).step_by(2).peekable();
    let mut rest = text.strip_prefix(literals.next()?)?;
    let mut found = Vec::new();
    while let Some(literal) = literals.next() {
        // The last literal ends the text, one in between comes as soon as it can.
        let at = if literals.peek().is_some() { rest.find(literal) } else { rest.strip_suffix(literal).map(str::len) };
        let at = at.filter(|at| *at > 0)?;
        found.push(rest.get(..at)?);
        rest = rest.get(at + literal.len()..)?;
    }
    rest.is_empty().then_some(found)
}

const GERMAN: &[(&str, &str)] = &[
    // Rules that were not the one
    ("passed over {}: {why}", "Regel {} gilt nicht: {why}"),
    ("the mail goes another way", "die E-Mail geht in eine andere Richtung"),
    ("the sender is another", "der Absender ist ein anderer"),
    ("the recipient is another", "der Empfänger ist ein anderer"),
    ("the subject has no such word", "im Betreff steht keines der Wörter"),
    ("there is no such {}", "das Feld {} fehlt oder hat einen anderen Inhalt"),
    ("it has no such label", "die E-Mail ist nicht so eingestuft"),
    ("another user", "ein anderes Benutzerkonto"),
    ("the sender is in none of the groups", "der Absender ist in keiner der Gruppen"),
    ("the message is smaller", "die Nachricht ist kleiner"),
    ("the message is larger", "die Nachricht ist größer"),
    // What it is, and where it goes
    ("{} Received fields", "{} Stationen im Kopf der Nachricht"),
    ("the recipient is inside", "der Empfänger gehört zum Haus"),
    ("it is encrypted already, by the sender's own program", "sie ist schon verschlüsselt, vom Programm des Absenders"),
    (
        "it belongs to a conversation that came encrypted, so it must be encrypted",
        "sie gehört zu einem Gespräch, das verschlüsselt kam, und muss deshalb verschlüsselt werden",
    ),
    (
        "it returns a message that nobody can name and that may have come encrypted",
        "sie gibt eine Nachricht zurück, die niemand benennen kann und die verschlüsselt gekommen sein kann",
    ),
    (
        "another recipient's copy must be encrypted, so this one does not leave in the clear",
        "eine andere Ausfertigung muss verschlüsselt werden, deshalb geht auch diese nicht im Klartext hinaus",
    ),
    // The signature
    ("the rule says not to sign", "die Regel sagt: nicht unterschreiben"),
    ("it is signed already, by the sender's own program", "sie ist schon unterschrieben, vom Programm des Absenders"),
    ("signed with the sender's certificate {}", "unterschrieben mit dem Zertifikat des Absenders {}"),
    ("not signed: {why}", "nicht unterschrieben: {why}"),
    ("the envelope has no sender", "der Umschlag hat keinen Absender"),
    ("nobody can tell who it is from: {}", "es ist nicht zu erkennen, von wem sie ist: {}"),
    ("nobody can tell who it is from", "es ist nicht zu erkennen, von wem sie ist"),
    ("it was resent by somebody else", "jemand anderes hat sie weitergesendet"),
    ("it came in from outside and is only sent on", "sie kam von außen und wird nur weitergeleitet"),
    ("the sender is not known here", "der Absender ist hier nicht bekannt"),
    ("the visible From is not the one who sends it", "der sichtbare Absender ist nicht, wer sie sendet"),
    ("the visible From is not the one who has logged in", "der sichtbare Absender ist nicht, wer sich angemeldet hat"),
    ("the sender has no certificate with a key here", "für den Absender gibt es hier kein Zertifikat mit Schlüssel"),
    ("the sender's certificate is for another address", "das Zertifikat des Absenders gilt für eine andere Adresse"),
    // The encryption
    ("the rule says not to encrypt", "die Regel sagt: nicht verschlüsseln"),
    ("encrypted to {} as well, as the rule wants it", "auch für {} verschlüsselt, wie es die Regel will"),
    ("encrypted to {}", "verschlüsselt für {}"),
    ("a certificate was passed over: {}: {why}", "ein Zertifikat wurde übergangen: {}: {why}"),
    (
        "the rule would take the certificate of {}, who has none here now",
        "die Regel nimmt das Zertifikat von {}, und dort gibt es zurzeit keines",
    ),
    (
        "the rule takes the certificate of {} for this recipient, who has none",
        "die Regel nimmt für diesen Empfänger das Zertifikat von {}",
    ),
    (
        "the rule wants it encrypted to {} as well, who has no certificate",
        "die Regel will sie auch für {} verschlüsselt, und dort gibt es kein Zertifikat",
    ),
    (
        "there is no certificate, and the rule does not demand encryption",
        "es gibt kein Zertifikat, und die Regel verlangt keine Verschlüsselung",
    ),
    (
        "there is no certificate, and the rule demands encryption",
        "es gibt kein Zertifikat, und die Regel verlangt Verschlüsselung",
    ),
    ("there is no webmailer", "es gibt keinen Webmailer"),
    ("the recipient cannot log in to the webmailer yet", "der Empfänger kann sich noch nicht am Webmailer anmelden"),
    ("the rule allows it in the clear", "die Regel erlaubt sie im Klartext"),
    // Certificates that are not used
    ("{}: its owner has not confirmed it yet", "{}: der Inhaber hat es noch nicht bestätigt"),
    ("{}: no officer has approved it yet", "{}: es ist noch nicht freigegeben"),
    (
        "{}: its CA is not known here, and nobody has decided about it",
        "{}: seine Zertifizierungsstelle ist hier nicht bekannt, und niemand hat über sie entschieden",
    ),
    ("{}: its CA is not trusted any more", "{}: seiner Zertifizierungsstelle wird nicht mehr vertraut"),
    ("{}: it expired", "{}: es ist abgelaufen"),
    ("its owner has not confirmed it yet", "der Inhaber hat es noch nicht bestätigt"),
    ("no officer has approved it yet", "es ist noch nicht freigegeben"),
    (
        "its CA is not known here, and nobody has decided about it",
        "seine Zertifizierungsstelle ist hier nicht bekannt, und niemand hat über sie entschieden",
    ),
    ("its CA is not trusted any more", "seiner Zertifizierungsstelle wird nicht mehr vertraut"),
    ("it expired", "es ist abgelaufen"),
    // Mail that came in
    ("layer {} (signed): {why}", "Schicht {} (unterschrieben): {why}"),
    ("layer {} (encrypted): {why}", "Schicht {} (verschlüsselt): {why}"),
    ("layer {}: {why}", "Schicht {}: {why}"),
    ("the message is not signed", "die Nachricht ist nicht unterschrieben"),
    ("there is no signer", "niemand hat unterschrieben"),
    ("the certificate is for {}, not for {}", "das Zertifikat gilt für {}, nicht für {}"),
    ("the certificate is known to be revoked", "das Zertifikat ist gesperrt"),
    (
        "an encrypted layer cannot be opened with the keys at hand",
        "eine verschlüsselte Schicht lässt sich mit den vorhandenen Schlüsseln nicht öffnen",
    ),
    (
        "an encrypted layer cannot be opened with the recipient's keys",
        "eine verschlüsselte Schicht lässt sich mit den Schlüsseln des Empfängers nicht öffnen",
    ),
    (
        "nothing protects what was decrypted: it is not signed inside",
        "nichts schützt, was entschlüsselt wurde: es ist innen nicht unterschrieben",
    ),
    (
        "whether the signer's certificate was revoked is not known yet",
        "ob das Zertifikat des Unterzeichners gesperrt wurde, ist noch nicht bekannt",
    ),
    ("it is also signed by {}", "unterschrieben hat auch {}"),
    (
        "it was signed on {}, long before it arrived: it may have been sent before",
        "unterschrieben am {}, lange vor der Ankunft: sie kann schon einmal gesendet worden sein",
    ),
    (
        "it claims to be signed on {}, which is in the future",
        "angeblich unterschrieben am {}, das liegt in der Zukunft",
    ),
    ("it was signed on {}, and its Date says otherwise", "unterschrieben am {}, und ihr Datum sagt etwas anderes"),
    ("what was signed is addressed to {}", "was unterschrieben ist, ist an {} gerichtet"),
    (
        "{} was changed on its way: signed as {}, arrived as {}",
        "{} wurde unterwegs geändert: unterschrieben als {}, angekommen als {}",
    ),
    ("{} was changed on its way", "{} wurde unterwegs geändert"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_german_as_far_as_they_go() {
        for (english, expected) in [
            (
                "passed over vertraulich: the subject has no such word",
                "Regel vertraulich gilt nicht: im Betreff steht keines der Wörter",
            ),
            ("there is no such X-Class", "das Feld X-Class fehlt oder hat einen anderen Inhalt"),
            (
                "not signed: it was resent by somebody else",
                "nicht unterschrieben: jemand anderes hat sie weitergesendet",
            ),
            (
                "a certificate was passed over: AB CD: it expired",
                "ein Zertifikat wurde übergangen: AB CD: es ist abgelaufen",
            ),
            ("AB CD: it expired", "AB CD: es ist abgelaufen"),
            (
                "layer 1: the certificate is for a@b.example, not for c@d.example",
                "Schicht 1: das Zertifikat gilt für a@b.example, nicht für c@d.example",
            ),
            (
                "encrypted to a@b.example as well, as the rule wants it",
                "auch für a@b.example verschlüsselt, wie es die Regel will",
            ),
            ("layer 1: something new", "Schicht 1: something new"),
            ("something new", "something new"),
            ("there is no such ", "there is no such "),
            ("", ""),
        ] {
            assert_eq!(reason(Texts(Language::German), english), expected);
            assert_eq!(reason(Texts(Language::English), english), english);
        }
    }

    #[test]
    fn a_translation_has_the_places_of_its_pattern_in_their_order() {
        let places = |text: &str| text.split(['{', '}']).skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for (english, german) in GERMAN {
            assert_eq!(places(english), places(german), "{english}");
        }
    }
}

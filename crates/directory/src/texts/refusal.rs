use crate::{Language, Refusal};

/// Why a certificate is not used, for people.
pub(crate) fn refusal(language: Language, refusal: &Refusal) -> String {
    let detail = refusal.detail.as_str();
    match (language, refusal.code.as_str()) {
        (Language::German, code) => match german(code, detail) {
            Some(text) => text,
            None => format!("Das Zertifikat kann nicht verwendet werden: {detail}"),
        },
        (Language::English, "own-domain") => {
            "The address belongs to this house, whose certificates are not sent in.".into()
        }
        (Language::English, "not-confirmed") => "The certificate was not confirmed in time.".into(),
        (Language::English, "withdrawn") => "The certificate was withdrawn.".into(),
        (Language::English, "officer") => format!("The certificate was refused: {detail}"),
        (Language::English, _) => format!("The certificate cannot be used: it {detail}"),
    }
}

/// The codes of [`pki::Reason`] and our own; what varies is taken out of the exact reason.
fn german(code: &str, detail: &str) -> Option<String> {
    let text = match code {
        "address-malformed" => "Im Zertifikat steht eine fehlerhafte E-Mail-Adresse.",
        "address-mismatch" => "Das Zertifikat ist für eine andere Adresse ausgestellt.",
        "address-missing" => "Im Zertifikat steht keine E-Mail-Adresse.",
        "algorithm-mismatch" => "Das Zertifikat nennt zwei verschiedene Signaturverfahren.",
        "ca-as-leaf" => "Das Zertifikat gehört einer Zertifizierungsstelle und keiner Person.",
        "chain-too-complex" => "Die Kette des Zertifikats ist zu verzweigt, um sie zu prüfen.",
        "chain-too-long" => "Die Kette des Zertifikats hat zu viele Zwischenstellen.",
        "critical-extension-unknown" => {
            return Some(format!(
                "Das Zertifikat verlangt etwas, das wir nicht kennen (kritische Erweiterung{}).",
                value(detail, is_oid)
            ));
        }
        "distrusted-after" => {
            return Some(format!(
                "Das Zertifikat wurde ausgestellt, als seiner Stelle nicht mehr vertraut wurde{}.",
                on(detail, "nach dem")
            ));
        }
        "expired" => return Some(format!("Das Zertifikat ist abgelaufen{}.", on(detail, "am"))),
        "extended-key-usage" => "Das Zertifikat ist nach seinem erweiterten Verwendungszweck nicht für E-Mail.",
        "extension-duplicated" => {
            return Some(format!("Eine Erweiterung steht doppelt im Zertifikat{}.", value(detail, is_oid)));
        }
        "extension-malformed" => {
            return Some(format!("Eine Erweiterung im Zertifikat ist nicht lesbar{}.", value(detail, is_oid)));
        }
        "issuer-not-ca" => "Das Zertifikat wurde von einer Stelle ausgestellt, die keine ausstellen darf.",
        "issuer-unknown" => "Das Zertifikat der ausstellenden Stelle liegt nicht vor.",
        "key-is-public" => "Der Schlüssel ist ein Musterschlüssel, den jeder kennt.",
        "key-is-weak" => "Der Schlüssel ist schwach: Andere können ihn berechnen.",
        "key-too-short" => return Some(format!("Der Schlüssel ist zu kurz{}.", bits(detail))),
        "key-unsupported" => "Der Schlüssel ist von einer Art, die wir nicht unterstützen.",
        "key-usage" => "Das Zertifikat ist nach seinem Verwendungszweck dafür nicht bestimmt.",
        "name-constraint" => "Im Zertifikat steht ein Name, den eine Stelle darüber nicht bestätigen darf.",
        "nonconforming" => "Das Zertifikat ist so ausgestellt, wie es die Regeln nicht erlauben.",
        "not-confirmed" => "Das Zertifikat wurde nicht rechtzeitig bestätigt.",
        "not-for-encryption" => "Mit dem Zertifikat kann nicht verschlüsselt werden.",
        "not-yet-valid" => return Some(format!("Das Zertifikat ist noch nicht gültig{}.", on(detail, "erst ab"))),
        "odd" => "Das Zertifikat ist fehlerhaft aufgebaut.",
        "officer" => return Some(format!("Das Zertifikat wurde abgelehnt: {detail}")),
        "own-domain" => "Die Adresse gehört zu unserem Haus; ihre Zertifikate werden nicht eingesandt.",
        "path-length" => "Unter einer Stelle der Kette stehen mehr Zwischenstellen, als sie haben darf.",
        "policy-mapping" => "Eine Stelle der Kette setzt eine Richtlinie mit jeder beliebigen gleich.",
        "policy-required" => "Das Zertifikat wurde nicht nach einer Richtlinie ausgestellt, die wir verlangen.",
        "revocation-unknown" => "Ob das Zertifikat gesperrt ist, ließ sich nicht feststellen.",
        "revoked" => return Some(format!("Das Zertifikat ist gesperrt{}.", on(detail, "seit dem"))),
        "signature-invalid" => "Die Signatur des Zertifikats stammt nicht von der Stelle, die darin steht.",
        "signature-unacceptable" => "Das Zertifikat ist mit einem Verfahren signiert, das nicht mehr sicher genug ist.",
        "unknown-authority" => "Der Zertifizierungsstelle wird hier nicht vertraut.",
        "withdrawn" => "Das Zertifikat wurde zurückgezogen.",
        _ => return None,
    };
    Some(text.to_owned())
}

fn value(detail: &str, is: fn(&str) -> bool) -> String {
    let word = detail.split([' ', ',']).find(|word| is(word));
    word.map(|word| format!(" {word}")).unwrap_or_default()
}

fn is_oid(word: &str) -> bool {
    word.contains('.') && word.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()))
}

/// `, am 1.3.2026` out of `2026-03-01`.
fn on(detail: &str, preposition: &str) -> String {
    let date = detail.split([' ', ',']).find_map(|word| {
        let mut parts = word.splitn(3, '-').map(|part| part.parse::<u16>().ok());
        Some((parts.next()??, parts.next()??, parts.next()??))
    });
    date.map(|(year, month, day)| format!(", {preposition} {day}.{month}.{year}")).unwrap_or_default()
}

fn bits(detail: &str) -> String {
    let bits = detail.split(' ').find_map(|word| word.parse::<u32>().ok());
    bits.map(|bits| format!(" ({bits} Bit)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes as [`pki::Reason::code`] has them.
    const REASONS: &str = include_str!("../../../pki/src/reason.rs");

    #[test]
    fn every_reason_is_said_in_german() {
        let (_, codes) = REASONS.split_once("pub fn code(").unwrap();
        let (codes, _) = codes.split_once("\n    }\n").unwrap();
        let codes: Vec<&str> = codes.split('"').skip(1).step_by(2).collect();
        assert!(codes.len() > 25, "{codes:?}");
        for code in codes {
            assert!(german(code, "").is_some_and(|text| text.ends_with('.')), "{code}");
        }
    }

    #[test]
    fn what_varies_is_said_as_well() {
        let text =
            |code: &str, detail: &str| Refusal { code: code.into(), detail: detail.into() }.text(Language::German);
        assert_eq!(text("expired", "expired on 2026-03-01"), "Das Zertifikat ist abgelaufen, am 1.3.2026.");
        assert_eq!(text("revoked", "was revoked"), "Das Zertifikat ist gesperrt.");
        assert_eq!(text("key-too-short", "has a key of only 512 bits"), "Der Schlüssel ist zu kurz (512 Bit).");
        let unknown = text("critical-extension-unknown", "has the critical extension 1.2.3, which is not known");
        assert!(unknown.ends_with("Erweiterung 1.2.3)."), "{unknown}");
        assert_eq!(text("new", "is new"), "Das Zertifikat kann nicht verwendet werden: is new");
        let english =
            Refusal { code: "expired".into(), detail: "expired on 2026-03-01".into() }.text(Language::English);
        assert_eq!(english, "The certificate cannot be used: it expired on 2026-03-01");
    }
}

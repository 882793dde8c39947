//! The rules for certificates, which `pki` has in English, in German.

use directory::Language;

use crate::texts::Texts;

/// A rule in the reader's language, and in which one it then is.
pub(crate) fn rule(t: Texts, english: &'static str) -> (&'static str, &'static str) {
    match t.0 {
        Language::English => (english, "en"),
        Language::German => {
            let found = GERMAN.iter().find(|(known, _)| *known == english);
            found.map_or((english, "en"), |(_, german)| (*german, "de"))
        }
    }
}

const GERMAN: &[(&str, &str)] = &[
    // Those of the path
    (
        "the extended key usage allows signing OCSP responses",
        "der erweiterte Schlüsselzweck erlaubt, OCSP-Antworten zu unterschreiben",
    ),
    ("the key usage allows signing CRLs", "der Schlüsselzweck erlaubt, Sperrlisten zu unterschreiben"),
    ("the certificate is not a CA's", "das Zertifikat ist nicht das einer Zertifizierungsstelle"),
    (
        "the key usage allows key encipherment or key agreement",
        "der Schlüsselzweck erlaubt Schlüsselverschlüsselung oder Schlüsselvereinbarung",
    ),
    (
        "the key usage allows digital signature or non-repudiation",
        "der Schlüsselzweck erlaubt digitale Signatur oder Nichtabstreitbarkeit",
    ),
    ("the key usage allows signing or encrypting", "der Schlüsselzweck erlaubt Unterschreiben oder Verschlüsseln"),
    ("the extended key usage is absent or allows mail", "der erweiterte Schlüsselzweck fehlt oder erlaubt E-Mail"),
    ("the certificate speaks for the address", "das Zertifikat gilt für die Adresse"),
    ("the certificate conforms to the profile", "das Zertifikat entspricht dem Profil"),
    ("the certificate itself is a trust anchor", "dem Zertifikat selbst wird vertraut"),
    ("the path ends in a trust anchor", "die Kette endet bei einer Stelle, der vertraut wird"),
    ("the signature is the issuer's", "die Signatur ist die des Ausstellers"),
    (
        "every name is one that the CAs above may certify",
        "jeder Name ist einer, den die Stellen darüber bescheinigen dürfen",
    ),
    ("a policy is left where one is required", "wo eine Richtlinie verlangt wird, bleibt eine übrig"),
    ("no policy mapping names anyPolicy", "keine Zuordnung von Richtlinien nennt anyPolicy"),
    (
        "the path length that the CAs above allow is kept",
        "die Kette ist nicht länger, als die Stellen darüber erlauben",
    ),
    (
        "the basic constraints say that it is a CA's",
        "die Grundbeschränkungen weisen es als das einer Zertifizierungsstelle aus",
    ),
    ("the key usage allows signing certificates", "der Schlüsselzweck erlaubt, Zertifikate zu unterschreiben"),
    (
        "the CA's extended key usage is absent or allows mail",
        "der erweiterte Schlüsselzweck der Stelle fehlt oder erlaubt E-Mail",
    ),
    (
        "an accepted policy holds along the path, where one is required",
        "wo eine Richtlinie verlangt wird, gilt eine angenommene über die ganze Kette",
    ),
    ("the certificate is well-formed", "das Zertifikat ist richtig aufgebaut"),
    ("odd, but harmless", "ungewöhnlich, aber harmlos"),
    ("every critical extension is understood", "jede kritische Erweiterung ist bekannt"),
    ("the validity covers the time", "der Zeitpunkt liegt in der Gültigkeit"),
    ("the key is of a kind and size that is accepted", "Art und Länge des Schlüssels werden angenommen"),
    ("the certificate is not revoked", "das Zertifikat ist nicht gesperrt"),
    ("whether the certificate is revoked is unknown", "ob das Zertifikat gesperrt ist, ist nicht bekannt"),
    ("the work stays within its budget", "die Prüfung bleibt im Rahmen ihres Aufwands"),
    (
        "the anchor was trusted when the certificate was issued",
        "der Stelle wurde vertraut, als sie das Zertifikat ausstellte",
    ),
    ("the path is not too long", "die Kette ist nicht zu lang"),
    ("the issuer is at hand and trusted", "der Aussteller ist zur Hand, und ihm wird vertraut"),
    // Those of the CA/Browser Forum
    ("the Adobe extensions are not critical", "die Erweiterungen von Adobe sind nicht kritisch"),
    (
        "a strict certificate has no Adobe extensions",
        "ein Zertifikat der strengen Art hat keine Erweiterungen von Adobe",
    ),
    ("the extended key usage does not name any purpose", "der erweiterte Schlüsselzweck nennt nicht „jeden Zweck“"),
    (
        "the authority key identifier has the key's identifier and nothing else",
        "die Kennung des Ausstellerschlüssels nennt den Schlüssel und sonst nichts",
    ),
    (
        "the common name of a mailbox-validated certificate is an address out of it",
        "der Name in einem postfachgeprüften Zertifikat ist eine seiner Adressen",
    ),
    (
        "the key usage of an EC key is signing or key agreement",
        "der Zweck eines EC-Schlüssels ist Unterschreiben oder Schlüsselvereinbarung",
    ),
    (
        "the key usage of an EC key has no bits beside those for signing and key agreement",
        "der Zweck eines EC-Schlüssels ist nichts außer Unterschreiben und Schlüsselvereinbarung",
    ),
    (
        "the key usage of an Edwards key is digital signature, with non-repudiation at most",
        "der Zweck eines Edwards-Schlüssels ist digitale Signatur, höchstens mit Nichtabstreitbarkeit",
    ),
    ("the key usage is present", "der Schlüsselzweck ist angegeben"),
    ("the key usage is critical", "der Schlüsselzweck ist als kritisch gekennzeichnet"),
    (
        "the legacy generation is not issued after 2025-07-15",
        "die alte Art wird nach dem 15.07.2025 nicht mehr ausgestellt",
    ),
    (
        "an LEI stands only where the organisation was validated, a role only where it sponsors, neither critical",
        "eine LEI steht nur, wo die Organisation geprüft wurde, eine Rolle nur, wo sie bürgt, beides nicht kritisch",
    ),
    (
        "the subject of a mailbox-validated certificate has common name, serial number and email address only",
        "der Inhaber eines postfachgeprüften Zertifikats hat nur Name, Seriennummer und E-Mail-Adresse",
    ),
    (
        "the subject of a mailbox-validated certificate names no person, place or organisation",
        "der Inhaber eines postfachgeprüften Zertifikats nennt weder Person noch Ort noch Organisation",
    ),
    (
        "the country in the organisation's identifier is the subject's",
        "das Land in der Kennung der Organisation ist das des Inhabers",
    ),
    (
        "the key usage of an RSA key has no bits beside those for signing and encryption",
        "der Zweck eines RSA-Schlüssels ist nichts außer Unterschreiben und Verschlüsseln",
    ),
    (
        "the key usage of an RSA key has no bits beside those for signing and key encipherment",
        "der Zweck eines RSA-Schlüssels ist nichts außer Unterschreiben und Schlüsselverschlüsselung",
    ),
    (
        "the key usage of an RSA key is signing or key encipherment",
        "der Zweck eines RSA-Schlüssels ist Unterschreiben oder Schlüsselverschlüsselung",
    ),
    ("the subject alternative name is present", "der alternative Name des Inhabers ist angegeben"),
    (
        "the subject alternative name is critical only beside an empty subject",
        "der alternative Name ist nur neben einem leeren Inhaber kritisch",
    ),
    (
        "each address in the subject alternative name is one mailbox",
        "jede Adresse im alternativen Namen ist ein Postfach",
    ),
    ("the subject's email address is one mailbox", "die E-Mail-Adresse des Inhabers ist ein Postfach"),
    (
        "the authority information access names hosts that everybody can reach",
        "die Angaben zur Stelle nennen Rechner, die jeder erreicht",
    ),
    (
        "the authority information access has an HTTP address of each kind that it has",
        "die Angaben zur Stelle haben zu jeder Art eine HTTP-Adresse",
    ),
    (
        "the extended key usage has email protection, and no server authentication, code signing or time stamping",
        "der erweiterte Schlüsselzweck nennt E-Mail-Schutz und weder Server noch Programme noch Zeitstempel",
    ),
    ("the QC statements are not critical", "die QC-Angaben sind nicht kritisch"),
    ("the authority information access has HTTP addresses only", "die Angaben zur Stelle haben nur HTTP-Adressen"),
    ("the extended key usage is email protection alone", "der erweiterte Schlüsselzweck ist allein E-Mail-Schutz"),
    ("there are no subject directory attributes", "es gibt keine Verzeichnisangaben zum Inhaber"),
    ("the country is one of ISO 3166-1, or XX", "das Land steht in ISO 3166-1 oder ist XX"),
    (
        "the CRL distribution points are HTTP addresses, under legacy one of them at least",
        "die Orte der Sperrlisten sind HTTP-Adressen, bei der alten Art wenigstens einer davon",
    ),
    ("there are CRL distribution points", "Orte von Sperrlisten sind angegeben"),
    (
        "the validity is at most 825 days, under legacy 1185",
        "die Gültigkeit ist höchstens 825 Tage, bei der alten Art 1185",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_for_certificates_is_there_in_german() {
        let german = Texts(Language::German);
        for one in pki::lint::rules() {
            let (text, lang) = rule(german, one.text());
            assert!(lang == "de" && text != one.text(), "{}: {}", one.id(), one.text());
        }
        for (english, text) in GERMAN {
            assert_eq!(rule(Texts(Language::English), english), (*english, "en"));
            assert!(!text.is_empty() && ![" the ", " of ", " is "].iter().any(|word| text.contains(word)), "{text}");
            assert_eq!(GERMAN.iter().filter(|(other, _)| other == english).count(), 1, "{english}");
        }
        assert_eq!(rule(german, "a rule that nobody has translated"), ("a rule that nobody has translated", "en"));
    }
}

//! What became of a message, and what would.

crate::texts::messages! {
    nav_trace: "Nachverfolgung", "Message trace";
    views: "Ansichten", "Views";
    trace_tab: "Was geschehen ist", "What happened";
    explain_tab: "Was geschehen würde", "What would happen";
    trace_lead: "Was mit einer Nachricht geschehen ist und warum, ohne ihren Inhalt. Aufbewahrt werden die letzten 14 Tage.", "What became of a message and why, without its content. The last 14 days are kept.";
    trace_lead_own: "Was mit Ihren Nachrichten geschehen ist und warum. Aufbewahrt werden die letzten 14 Tage, ohne Inhalt.", "What became of your messages and why. The last 14 days are kept, without content.";
    trace_address: "Absender oder Empfänger", "Sender or recipient";
    trace_address_wrong: "Das ist keine E-Mail-Adresse.", "That is not an email address.";
    trace_tries(count, first, last): "{count} Versuche: {first} bis {last}", "{count} tries: {first} to {last}";
    trace_none: "Dazu ist nichts aufgezeichnet", "Nothing is recorded about that";
    trace_none_text: "Vielleicht ist die Nachricht älter als 14 Tage oder ging nicht über das Gateway.", "The message may be older than 14 days, or did not pass through the gateway.";
    trace_from_to: "Von und an", "From and to";
    trace_decision: "Entscheidung", "Decision";
    trace_rule: "Regel", "Rule";
    trace_details: "Warum?", "Why?";
    trace_signed_with: "Signiert mit", "Signed with";
    trace_encrypted_to: "Verschlüsselt für", "Encrypted to";
    trace_cipher: "Verfahren", "Cipher";
    trace_signer: "Unterschrieben von", "Signed by";
    decision_sign: "signiert", "signed";
    decision_encrypt: "verschlüsselt", "encrypted";
    decision_both: "signiert und verschlüsselt", "signed and encrypted";
    decision_webmailer: "in den Webmailer gelegt", "put into the webmailer";
    decision_clear: "ohne Schutz versendet", "sent without protection";
    decision_untouched: "unverändert weitergegeben", "passed on untouched";
    decision_hold: "zurückgehalten", "held";
    decision_refuse: "abgelehnt", "refused";
    verdict_signed: "Unterschrift gültig", "signature valid";
    verdict_both: "entschlüsselt, Unterschrift gültig", "decrypted, signature valid";
    verdict_decrypted: "entschlüsselt, nicht unterschrieben", "decrypted, not signed";
    verdict_failed: "Unterschrift ungültig", "signature not valid";
    verdict_unknown: "Unterschrift nicht geprüft: Sperrung unbekannt", "signature not verified: revocation unknown";
    verdict_unopened: "verschlüsselt, nicht geöffnet", "encrypted, not opened";
    verdict_unreadable: "nicht lesbar", "not readable";
    verdict_plain: "ohne Schutz eingegangen", "came without protection";
    explain_lead: "Die Regeln dieses Hauses, angewandt auf eine gedachte Nachricht. Es wird nichts versendet.", "The rules of this house, applied to an imagined message. Nothing is sent.";
    explain_hint: "Tragen Sie ein, wer an wen schreibt. Hier steht dann für jeden Empfänger, was geschähe und warum.", "Fill in who writes to whom. What would happen, and why, then stands here for each recipient.";
    explain_to_hint: "Mehrere durch Komma getrennt, höchstens 20.", "Several separated by commas, 20 at most.";
    explain_button: "Erklären", "Explain";
    explain_from_wrong: "Der Absender ist keine E-Mail-Adresse.", "The sender is not an email address.";
    explain_to_wrong: "Bitte geben Sie einen bis zwanzig Empfänger an.", "Please give one to twenty recipients.";
}

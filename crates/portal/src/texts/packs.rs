//! Lists of authorities that somebody signs.

crate::texts::messages! {
    packs_tab_one: "Einzelne Stellen", "Single authorities";
    packs_tab: "Listen", "Lists";
    packs_lead: "Eine Liste fasst Stellen zusammen, die jemand geprüft und unterschrieben hat, etwa ein Verband oder ein Staat. Sie gilt als Ganzes, sobald zwei Berechtigte zugestimmt haben.", "A list holds authorities that somebody has checked and signed, such as an association or a state. It counts as a whole once two officers have agreed.";
    packs_none: "Es gibt keine Liste.", "There is no list.";
    packs_roots(count): "Stellen: {count}", "Authorities: {count}";
    packs_signer: "Unterschrieben von", "Signed by";
    packs_signer_fingerprint: "Fingerabdruck des Unterschreibenden (SHA-256)", "Fingerprint of the signer (SHA-256)";
    packs_sha256: "Prüfsumme der Datei (SHA-256)", "Checksum of the file (SHA-256)";
    packs_content: "Was darin steht", "What is in it";
    packs_until(date): "nur bis {date} Ausgestelltes", "only what was issued until {date}";
    packs_propose: "Liste vorschlagen", "Propose a list";
    packs_file: "Signierte Datei, DER oder PEM", "Signed file, DER or PEM";
    packs_name: "Bezeichnung", "What to call it";
    packs_why: "Warum dieser Liste vertrauen, und wie haben Sie den Unterschreibenden geprüft?", "Why trust this list, and how did you check the signer?";
    packs_missing: "Bitte wählen Sie eine Datei und geben Sie Bezeichnung und Begründung an.", "Please choose a file and give a name and a reason.";
    packs_unreadable: "Das ist keine Liste von Stellen mit genau einer gültigen Unterschrift.", "This is no list of authorities with exactly one good signature.";
    packs_exists: "Für diese Liste gibt es schon einen Vorschlag.", "There is a proposal for this list already.";
    packs_proposed: "Vorgeschlagen. Jetzt muss jemand anderes den Inhalt ansehen und bestätigen.", "Proposed. Now somebody else has to look at the content and confirm.";
    packs_confirmed: "Bestätigt. Den Stellen darin wird vertraut, wartende Zertifikate wurden neu geprüft.", "Confirmed. The authorities in it are trusted, and waiting certificates were checked again.";
    packs_withdrawn: "Zurückgenommen. Was nur diese Liste begründet hat, gilt nicht mehr.", "Taken back. What this list alone vouched for does not count any more.";
    packs_withdraw: "Zurücknehmen", "Take back";
    packs_withdraw_text: "Eine Person genügt: Das Vertrauen wird nur kleiner. Die Stellen, die keine andere Liste nennt, gelten dann nicht mehr.", "One person is enough: trust only shrinks. Authorities that no other list names do not count any more.";
    packs_withdraw_why: "Grund", "Reason";
    packs_confirm: "Der ganzen Liste vertrauen", "Trust the whole list";
    packs_confirm_text: "Gilt genau für die Datei mit der Prüfsumme auf dieser Seite.", "Counts for exactly the file with the checksum on this page.";
    authorities_waiting_requests: "Wartende Anträge ansehen", "View the waiting requests";
}

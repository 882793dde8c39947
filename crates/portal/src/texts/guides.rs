//! The words in the drawings of the guides: what the programs call things.

crate::texts::messages! {
    getting_title: "So bekommen Sie eines", "How to get one";
    getting_1: "Bei einer Stelle bestellen, mit Ihrer E-Mail-Adresse.", "Order it from an authority, with your email address.";
    getting_2: "Dem Link folgen, den die Stelle Ihnen mailt: Damit ist das Postfach bewiesen.", "Follow the link that the authority mails to you: that proves the mailbox.";
    getting_3: "Die .p12-Datei und ihr Kennwort gut aufheben. Sie bleibt bei Ihnen.", "Keep the .p12 file and its password safe. It stays with you.";
    getting_order: "Zertifikat bestellen", "Order certificate";
    getting_prove: "Postfach bestätigen", "Confirm mailbox";
    getting_file: "zertifikat.p12", "certificate.p12";
    guides_print: "Zum Ausdrucken: Im Druck sind alle Anleitungen aufgeklappt.", "To print: on paper all guides are unfolded.";

    word_encrypt: "Verschlüsseln", "Encrypt";
    word_sign: "Signieren", "Sign";
    word_options: "Optionen", "Options";
    word_certificate: "Zertifikat wählen", "Choose certificate";
    word_import: "Importieren …", "Import …";
    word_kept: "gespeichert", "kept";

    classic_path: "Datei › Optionen › Trust Center", "File › Options › Trust Center";
    classic_row: "E-Mail-Sicherheit", "Email Security";
    classic_button: "Importieren/Exportieren …", "Import/Export …";
    classic_menu: "Zu Outlook-Kontakten hinzufügen", "Add to Outlook Contacts";
    new_path: "Einstellungen › E-Mail", "Settings › Mail";
    new_menu: "Zu Kontakten hinzufügen", "Add to contacts";
    new_encrypt: "Mit S/MIME verschlüsseln", "Encrypt with S/MIME";
    mobile_path: "Sicherheit", "Security";
    mobile_menu: "Zertifikat installieren", "Install certificate";
    mobile_send: "Signieren, verschlüsseln", "Sign and encrypt";
    bird_path: "Konten-Einstellungen", "Account Settings";
    bird_row: "Ende-zu-Ende", "End-To-End";
    bird_button: "Zertifikate verwalten …", "Manage Certificates …";
    bird_menu: "Sicherheit › S/MIME", "Security › S/MIME";
    bird_sign: "Digital signieren", "Digitally Sign";
    mac_path: "Schlüsselbundverwaltung", "Keychain Access";
    mac_row: "Anmeldung", "login";
    mac_file: ".p12 doppelklicken", "double-click .p12";
    ios_path: "Mail › Erweitert", "Mail › Advanced";
    ios_menu: "Installieren", "Install";
    linux_path: "Bearbeiten › Einstellungen", "Edit › Preferences";
    linux_row: "Zertifikate", "Certificates";
    linux_encrypt: "S/MIME verschlüsseln", "S/MIME Encrypt";
    gmail_path: "Einstellungen", "Settings";
    gmail_row: "Konten", "Accounts";
    gmail_button: "Zertifikat hochladen", "Upload certificate";
    gmail_lock: "Erweiterte Verschlüsselung", "Enhanced encryption";
}

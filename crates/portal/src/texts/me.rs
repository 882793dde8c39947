//! The second factor, and one's own data.

crate::texts::messages! {
    kind_second_factor: "Zweiter Faktor", "Second factor";
    code: "Code", "Code";
    code_title: "Code eingeben", "Enter the code";
    code_lead: "Öffnen Sie die Authenticator-App auf Ihrem Telefon und geben Sie den Code für dieses Haus ein.", "Open the authenticator app on your phone and enter the code for this house.";
    code_hint: "Telefon nicht da? Geben Sie einen Ihrer Wiederherstellungscodes ein.", "Phone not at hand? Enter one of your recovery codes.";
    code_wrong: "Dieser Code stimmt nicht oder wurde schon verwendet. Bitte warten Sie auf den nächsten.", "This code is not right or was used already. Please wait for the next one.";
    factor_text: "Zusätzlich zum Kennwort fragt der Webmailer dann nach einem Code von Ihrem Telefon. Wer Ihr Kennwort errät, kommt trotzdem nicht hinein.", "The Webmailer then asks for a code from your phone in addition to the password. Whoever guesses your password still does not get in.";
    factor_step_1: "Installieren Sie eine Authenticator-App, zum Beispiel Aegis, FreeOTP oder die Ihres Telefons.", "Install an authenticator app, for example Aegis, FreeOTP, or the one of your phone.";
    factor_step_2: "Fotografieren Sie dieses Bild mit der App.", "Take a picture of this with the app.";
    factor_step_3: "Geben Sie den Code ein, den die App anzeigt.", "Enter the code that the app shows.";
    factor_picture: "QR-Code mit dem Schlüssel für die App", "QR code with the key for the app";
    factor_by_hand: "Oder von Hand:", "Or by hand:";
    factor_set: "Einschalten", "Switch on";
    factor_on: "Der zweite Faktor ist eingeschaltet", "The second factor is on";
    factor_since(date, left): "Eingeschaltet seit {date}. Übrige Wiederherstellungscodes: {left}", "On since {date}. Recovery codes left: {left}";
    factor_remove: "Ausschalten", "Switch off";
    factor_removed: "Der zweite Faktor ist ausgeschaltet.", "The second factor is off.";
    recovery_text: "Bewahren Sie diese Codes gut auf, getrennt von Telefon und Rechner. Jeder ersetzt einmal den zweiten Faktor. Sie werden nur jetzt angezeigt.", "Keep these codes in a safe place, away from phone and computer. Each stands in for the second factor once. They are shown only now.";
    recovery_done: "Ich habe die Codes notiert", "I have noted the codes";
    action_second_factor: "Zweiter Faktor eingeschaltet", "Second factor switched on";
    action_second_factor_removed: "Zweiter Faktor ausgeschaltet", "Second factor switched off";

    nav_me: "Meine Daten", "My data";
    me_kept: "Was gespeichert ist", "What is stored";
    me_since: "Dabei seit", "Here since";
    me_contact: "Ansprechpartner", "Contact person";
    me_record: "Zeilen im Protokoll", "Rows in the audit log";
    me_export: "Alles herunterladen (JSON)", "Download everything (JSON)";
    me_language: "Sprache", "Language";
    me_language_text: "In dieser Sprache schreiben wir Ihnen", "The language in which we write to you";
    me_language_saved: "Gespeichert.", "Saved.";
    me_save: "Speichern", "Save";
    me_delete: "Zugang löschen", "Delete my account";
    me_delete_text: "Nachrichten, Zertifikate und Ihr Zugang werden gelöscht. Im Protokoll bleibt, dass etwas gelöscht wurde, ohne Angaben zu Ihnen. Das lässt sich nicht rückgängig machen.", "Messages, certificates and your access are deleted. The audit log keeps that something was deleted, without anything about you. This cannot be undone.";
    me_deleted: "Ihr Zugang ist gelöscht.", "Your account is deleted.";
    me_delete_open: "Löschen …", "Delete …";
    me_delete_button: "Endgültig löschen", "Delete for good";

    why_mail_sent: "Bestätigungsmail ist unterwegs", "the confirmation mail is on its way";
    why_mail_waits: "Bestätigungsmail wartet: heute wurden genug gesendet", "the confirmation mail waits: enough were sent today";
    why_link: "dem Link in der verschlüsselten Mail gefolgt", "the link in the encrypted mail was followed";
    why_authority: "Zertifizierungsstelle unbekannt", "its authority is not known";
    why_rule: "von einer vertrauten Stelle ausgestellt", "issued by a trusted authority";
    why_late: "nicht rechtzeitig bestätigt", "not confirmed in time";
    why_dropped: "im Webmailer eingesandt und verworfen", "sent in through the Webmailer and dropped";
}

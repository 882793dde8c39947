//! Log-in by other ways than a password, and when the password is forgotten.

crate::texts::messages! {
    openid_button(name): "Mit {name} anmelden", "Log in with {name}";
    openid_hint: "Für Mitarbeiter", "For employees";
    openid_away(name): "{name} ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Minuten noch einmal.", "{name} is not available at the moment. Please try again in a few minutes.";
    openid_foreign(name): "Diese Anmeldung gehört nicht zu Ihrem Browser oder hat zu lange gedauert. Bitte beginnen Sie noch einmal: „Mit {name} anmelden“.", "This log-in does not belong to your browser, or it took too long. Please begin again: “Log in with {name}”.";
    openid_refused(name): "{name} hat Sie nicht angemeldet, oder Sie haben abgebrochen. Sie können es noch einmal versuchen.", "{name} did not log you in, or you stopped. You can try again.";
    openid_disbelieved(name): "Die Antwort von {name} war nicht in Ordnung, darum sind Sie nicht angemeldet. Bitte versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie es Ihrer IT.", "The answer of {name} was not in order, so you are not logged in. Please try again; if it happens again, tell your IT.";
    openid_unverified(name): "{name} bestätigt Ihre E-Mail-Adresse nicht, darum sind Sie nicht angemeldet. Bitte wenden Sie sich an Ihre IT.", "{name} does not confirm your email address, so you are not logged in. Please turn to your IT.";
    openid_nobody(name): "Ihr Konto bei {name} gehört zu niemandem, der hier eingetragen ist. Bitte wenden Sie sich an Ihre IT.", "Your account at {name} belongs to nobody who is entered here. Please turn to your IT.";
    openid_no_role(name): "{name} gibt Ihnen hier keine Aufgabe. Bitte wenden Sie sich an Ihre IT.", "{name} gives you no role here. Please turn to your IT.";

    forgotten_link_text: "Wir schicken Ihnen einen Link, mit dem Sie ein neues Kennwort wählen.", "We mail you a link with which you choose a new password.";
    forgotten_link: "Link anfordern", "Ask for a link";
    forgotten_lead: "Geben Sie Ihre E-Mail-Adresse ein. Sie bekommen einen Link, mit dem Sie ein neues Kennwort wählen.", "Enter your email address. You get a link with which you choose a new password.";
    forgotten_send: "Link schicken", "Send the link";
    forgotten_asked: "Wenn diese Adresse bei uns ein Kennwort hat, ist der Link jetzt unterwegs.", "If this address has a password here, the link is on its way now.";
    forgotten_asked_more: "Er gilt 30 Minuten. Kommt nichts an, sehen Sie bitte im Spam-Ordner nach, oder rufen Sie Ihren Ansprechpartner an.", "It is good for 30 minutes. If nothing arrives, please look into your spam folder, or call your contact person.";
    reset_done_passkeys: "Ihr neues Kennwort gilt ab sofort. Ihre Passkeys gelten weiter: Sehen Sie nach der Anmeldung unter „Schlüssel und Kennwörter“ nach, ob alle Ihre sind.", "Your new password is in effect. Your passkeys are still good: once logged in, please see under \u{201c}Keys and passwords\u{201d} whether all of them are yours.";
    reset_done: "Ihr neues Kennwort gilt ab sofort. Bitte melden Sie sich an.", "Your new password is in effect. Please log in.";

    passkeys_title: "Passkeys", "Passkeys";
    passkeys_text: "Ein Passkey liegt auf Ihrem Gerät oder auf einem Sicherheitsschlüssel. Statt einen Code abzutippen, bestätigen Sie die Anmeldung mit Fingerabdruck, Gesicht oder PIN. Auf nachgemachten Seiten funktioniert er nicht.", "A passkey is kept on your device or on a security key. Instead of typing a code you confirm the log-in by finger, face or PIN. It does not work on forged pages.";
    passkeys_text_alone: "Damit melden Sie sich auch ganz ohne Kennwort an.", "With it you also log in without any password.";
    passkeys_kept: "Diese Passkeys gelten weiter", "These passkeys are still good";
    passkeys_kept_text: "Ein neues Kennwort ändert an ihnen nichts. Wenn einer nicht Ihrer ist, entfernen Sie ihn bitte.", "A new password changes nothing about them. If one is not yours, please remove it.";
    passkeys_kept_link: "Passkeys ansehen und entfernen", "See and remove passkeys";
    passkey_since(date): "Hinzugefügt am {date}", "Added on {date}";
    passkey_used(date): "zuletzt verwendet am {date}", "last used on {date}";
    passkey_name: "Name des Passkeys", "Name of the passkey";
    passkey_name_hint: "Damit Sie ihn wiedererkennen, zum Beispiel: Telefon, Rechner im Büro.", "So that you recognise it, for example: phone, office computer.";
    passkey_name_missing: "Bitte geben Sie dem Passkey einen Namen.", "Please give the passkey a name.";
    passkey_add: "Passkey hinzufügen", "Add a passkey";
    passkey_added: "Der Passkey ist hinzugefügt.", "The passkey has been added.";
    passkey_remove(name): "{name} entfernen …", "Remove {name} …";
    passkey_remove_yes: "Passkey entfernen", "Remove the passkey";
    passkey_removed: "Der Passkey ist entfernt.", "The passkey has been removed.";
    passkey_missing: "Passkeys brauchen JavaScript und einen Browser, der sie kennt. Codes vom Telefon gehen immer.", "Passkeys need JavaScript and a browser that knows them. Codes from your phone always work.";
    passkey_not_now: "Das hat nicht geklappt oder wurde abgebrochen. Sie können es noch einmal versuchen.", "That did not work or was stopped. You can try again.";
    passkey_refused: "Dieser Passkey wurde nicht angenommen, oder es hat zu lange gedauert. Bitte versuchen Sie es noch einmal.", "This passkey was not accepted, or it took too long. Please try again.";
    passkey_known: "Diesen Passkey gibt es hier schon.", "This passkey is known here already.";
    passkey_too_many: "Mehr Passkeys gehen nicht. Bitte entfernen Sie zuerst einen.", "There is no room for more passkeys. Please remove one first.";
    passkey_failed: "Mit diesem Passkey hat es nicht geklappt. Bitte versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.", "It did not work with this passkey. Please try again, or take another way.";
    passkey_log_in: "Mit Passkey anmelden", "Log in with a passkey";
    passkey_confirm: "Mit Passkey bestätigen", "Confirm with a passkey";
    passkey_confirm_title: "Anmeldung bestätigen", "Confirm the log-in";
    passkey_confirm_lead: "Bestätigen Sie mit einem Ihrer Passkeys, dass Sie es sind.", "Confirm with one of your passkeys that it is you.";
    recovery_code: "Wiederherstellungscode", "Recovery code";
    recovery_code_hint: "Passkey nicht da? Geben Sie einen Ihrer Wiederherstellungscodes ein.", "Passkey not at hand? Enter one of your recovery codes.";
    recovery_left(left): "Übrige Wiederherstellungscodes: {left}", "Recovery codes left: {left}";
    action_passkey: "Passkey hinzugefügt", "Passkey added";
    action_passkey_removed: "Passkey entfernt", "Passkey removed";
    action_passkey_copied: "Passkey abgelehnt: Sein Zähler ging nicht weiter, vielleicht gibt es eine Kopie", "Passkey refused: its counter did not go on, there may be a copy";

    factor_codes: "Codes vom Telefon", "Codes from your phone";
    factor_required: "Für Ihre Aufgabe ist ein zweiter Faktor vorgeschrieben. Richten Sie ihn jetzt ein; danach geht es weiter.", "A second factor is required for your role. Set it up now; then you can go on.";
    factor_stays: "Für Ihre Aufgabe ist er vorgeschrieben und kann nicht ausgeschaltet werden.", "It is required for your role and cannot be switched off.";
}

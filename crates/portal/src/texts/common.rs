//! The frame, logging in, passwords, what went wrong.

crate::texts::messages! {
    product: "Webmailer", "Webmailer";
    skip: "Zum Inhalt springen", "Skip to content";
    language: "Sprache", "Language";
    sections: "Bereiche", "Sections";
    footer: "Sealpost: vertrauliche E-Mail mit S/MIME", "Sealpost: confidential mail with S/MIME";
    log_in: "Anmelden", "Log in";
    log_out: "Abmelden", "Log out";
    logged_in_as: "Angemeldet", "Logged in";
    nav_how_to: "So funktioniert es", "How it works";
    nav_keys: "Schlüssel und Kennwörter", "Keys and passwords";
    nav_partners: "Meine Partner", "My partners";
    nav_board: "Zertifikate", "Certificates";
    nav_authorities: "Zertifizierungsstellen", "Authorities";
    nav_audit: "Protokoll", "Audit log";
    back_to_start: "Zur Startseite", "To the start page";
    back_to_page: "Zurück", "Back";
    new_window: "neues Fenster", "new window";
    cancel: "Abbrechen", "Cancel";

    field_address: "E-Mail-Adresse", "Email address";
    field_password: "Kennwort", "Password";
    field_your_password: "Ihr Kennwort", "Your password";
    field_current_password: "Bisheriges Kennwort", "Current password";
    field_new_password: "Neues Kennwort", "New password";
    field_repeat: "Neues Kennwort wiederholen", "Repeat the new password";
    field_name: "Name", "Name";
    field_company: "Firma", "Company";
    optional: "freiwillig", "optional";

    log_in_title: "Im Webmailer anmelden", "Log in to the Webmailer";
    log_in_lead(organisation): "Vertrauliche Nachrichten und Zertifikate bei {organisation}.", "Confidential messages and certificates at {organisation}.";
    log_in_hint: "Beim ersten Mal: das Kennwort, das Sie von Ihrem Ansprechpartner bekommen haben.", "The first time: the password that your contact person gave you.";
    log_in_failed: "E-Mail-Adresse und Kennwort passen nicht zusammen. Bitte prüfen Sie beides.", "Email address and password do not match. Please check both.";
    log_in_too_often(until): "Zu viele Versuche. Der nächste ist möglich ab: {until}.", "Too many attempts. The next one is possible from: {until}.";
    first_password_over: "Dieses erste Kennwort ist abgelaufen. Bitte lassen Sie sich von Ihrem Ansprechpartner ein neues geben.", "This first password has run out. Please ask your contact person for a new one.";
    forgotten_title: "Kennwort vergessen?", "Forgot your password?";
    forgotten_text: "Ihr Ansprechpartner kann Ihnen jederzeit ein neues erstes Kennwort geben. Am besten rufen Sie kurz an.", "Your contact person can give you a new first password at any time. The best way is a short call.";

    password_title: "Eigenes Kennwort wählen", "Choose your own password";
    password_first_lead: "Das erste Kennwort kennt auch Ihr Ansprechpartner. Wählen Sie jetzt eines, das nur Sie kennen.", "Your contact person knows the first password, too. Now choose one that only you know.";
    password_lead: "Danach sind Sie auf anderen Geräten abgemeldet.", "You are logged out on other devices afterwards.";
    password_hint(fewest): "Mindestens {fewest} Zeichen. Vier Wörter, die nichts miteinander zu tun haben, sind gut zu merken und schwer zu erraten.", "At least {fewest} characters. Four words that have nothing to do with each other are easy to remember and hard to guess.";
    password_save: "Kennwort speichern", "Save password";
    password_changed: "Ihr neues Kennwort gilt ab sofort.", "Your new password is in effect.";
    password_too_short(fewest): "Das Kennwort ist zu kurz: Es braucht mindestens {fewest} Zeichen.", "The password is too short: it needs at least {fewest} characters.";
    password_too_long: "Das Kennwort ist zu lang.", "The password is too long.";
    password_differs: "Die beiden Eingaben sind nicht gleich.", "The two entries differ.";
    password_obvious: "Dieses Kennwort ist leicht zu erraten. Bitte wählen Sie ein anderes, ohne Ihren Namen und ohne übliche Wörter.", "This password is easy to guess. Please choose another one, without your name or common words.";
    password_same: "Das neue Kennwort ist das bisherige. Bitte wählen Sie ein anderes.", "The new password is the current one. Please choose another.";
    password_wrong: "Das bisherige Kennwort stimmt nicht.", "The current password is not right.";

    problem_not_found: "Diese Seite gibt es nicht", "There is no such page";
    problem_not_found_text: "Vielleicht ist die Adresse unvollständig, oder die Seite ist nicht für Sie bestimmt.", "The address may be incomplete, or the page is not meant for you.";
    problem_forbidden: "Das ist Ihnen nicht erlaubt", "You may not do that";
    problem_forbidden_text: "Mit Ihrer Anmeldung können Sie diese Seite nicht verwenden.", "You cannot use this page with your log-in.";
    problem_form: "Das Formular ist abgelaufen", "The form has run out";
    problem_form_text: "Zu Ihrer Sicherheit wurde nichts geändert. Bitte laden Sie die Seite neu und senden Sie das Formular noch einmal ab.", "For your safety nothing was changed. Please load the page again and send the form once more.";
    problem_bad_form: "Das Formular ist unvollständig", "The form is incomplete";
    problem_bad_form_text: "Es wurde nichts geändert. Bitte versuchen Sie es noch einmal.", "Nothing was changed. Please try again.";
    problem_link: "Dieser Link gilt nicht mehr", "This link is not valid any more";
    problem_link_text: "Er wurde schon verwendet oder ist älter als 24 Stunden. Haben Sie ihn eben erst verwendet, ist alles in Ordnung. Einen neuen fordern Sie unter „Schlüssel und Kennwörter“ an; ohne Zugang senden Sie das Zertifikat bitte noch einmal ein.", "It was used already or is older than 24 hours. If you used it just now, all is well. You ask for a new one under “Keys and passwords”; without access, please send in the certificate once more.";
    problem_conflict: "Inzwischen hat sich etwas geändert", "Something has changed meanwhile";
    problem_conflict_text: "Es wurde nichts getan. Bitte sehen Sie sich den neuen Stand an, bevor Sie entscheiden.", "Nothing was done. Please look at the present state before you decide.";
    problem_too_large: "Das ist zu groß", "That is too large";
    problem_too_large_text(most): "Angenommen werden höchstens {most}.", "At most {most} is taken in.";
    problem_too_large_certificate(most): "Angenommen werden höchstens {most}. Ein Zertifikat hat nur wenige Kilobyte.", "At most {most} is taken in. A certificate has a few kilobytes only.";
    problem_too_large_letter(most): "Die Anhänge dürfen zusammen höchstens {most} haben. Ihre Nachricht ist noch nicht gesendet, Ihr Text ist noch da: Bitte wählen Sie kleinere Dateien.", "The attachments may have {most} at most in total. Your message has not been sent yet, and your text is still here: please choose smaller files.";
    problem_logged_out: "Ihre Sitzung ist abgelaufen", "Your session has ended";
    problem_logged_out_text: "Zu Ihrer Sicherheit wurde nichts geändert. Bitte melden Sie sich neu an, und versuchen Sie es noch einmal.", "For your safety nothing was changed. Please log in again, and try once more.";
    problem_logged_out_letter: "Ihre Nachricht ist noch nicht gesendet, Ihr Text ist noch da. Bitte melden Sie sich in einem neuen Fenster an, und senden Sie die Nachricht dann hier.", "Your message has not been sent yet, and your text is still here. Please log in in a new window, and then send the message here.";
    problem_form_letter: "Bitte senden Sie noch einmal", "Please send once more";
    problem_form_letter_text: "Sie haben sich inzwischen neu angemeldet. Ihre Nachricht ist noch nicht gesendet, Ihr Text ist noch da: Bitte prüfen Sie ihn, und senden Sie ihn noch einmal.", "You have logged in again meanwhile. Your message has not been sent yet, and your text is still here: please check it, and send it once more.";
    problem_too_many: "Zu viele Versuche", "Too many attempts";
    problem_unavailable: "Gerade nicht erreichbar", "Not available at the moment";
    problem_unavailable_text: "Es ging nichts verloren. Bitte versuchen Sie es in einigen Minuten noch einmal.", "Nothing was lost. Please try again in a few minutes.";
    problem_internal: "Das hat nicht geklappt", "That did not work";
    problem_internal_text: "Der Fehler liegt bei uns und wurde aufgezeichnet. Bitte versuchen Sie es später noch einmal.", "The fault is ours and has been recorded. Please try again later.";
}

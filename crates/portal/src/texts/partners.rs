//! Inviting partners.

crate::texts::messages! {
    partners_title: "Meine Partner", "My partners";
    partners_lead: "Wen Sie eingeladen haben, und wie weit es ist.", "Whom you invited, and how far it is.";
    partners_none: "Noch niemand eingeladen", "Nobody invited yet";
    partners_none_text: "Laden Sie die Menschen ein, denen Sie vertraulich schreiben. Es dauert eine Minute.", "Invite the people to whom you write in confidence. It takes a minute.";
    invite: "Partner einladen", "Invite a partner";
    partner: "Partner", "Partner";
    partner_log_in: "Anmeldung", "Log-in";
    partner_certificate: "Zertifikat", "Certificate";
    partner_waiting: "erstes Kennwort noch nicht geändert", "first password not changed yet";
    partner_ready: "hat ein eigenes Kennwort", "has an own password";
    partner_inactive: "gesperrt", "locked";
    partner_no_account: "kein Kennwort", "no password";
    partner_no_certificate: "keines: liest im Webmailer", "none: reads in the Webmailer";
    partner_until(date): "gültig bis {date}", "valid until {date}";
    partner_new_password: "Neues erstes Kennwort", "New first password";

    invite_lead: "Ihr Partner bekommt ein erstes Kennwort von Ihnen, auf einem anderen Weg als per E-Mail: am Telefon, im Gespräch oder als Brief.", "Your partner gets a first password from you, by another way than email: on the phone, in person, or as a letter.";
    invite_language: "Sprache des Partners", "The partner's language";
    invite_button: "Einladen", "Invite";
    invite_name_missing: "Bitte geben Sie den Namen an.", "Please give the name.";
    invite_address_wrong: "Das ist keine gültige E-Mail-Adresse.", "That is not a valid email address.";
    invite_inside: "Diese Adresse gehört zu unserem Haus. Einladen können Sie nur Partner von außen.", "This address belongs to our house. You can only invite partners from outside.";
    invite_own(name): "Sie haben {name} schon eingeladen. Haben Sie das erste Kennwort nicht gesehen? Dann vergeben Sie hier ein neues.", "You have invited {name} already. Did you not see the first password? Then give a new one here.";
    invite_known: "Zu dieser Adresse gibt es schon einen Partner.", "There is a partner with this address already.";

    invited_title(name): "{name} ist eingeladen", "{name} is invited";
    renewed_title(name): "Neues erstes Kennwort für {name}", "New first password for {name}";
    invited_once: "Dieses Kennwort wird nur jetzt angezeigt. Geben Sie es persönlich, am Telefon oder mit dem Brief weiter, niemals per E-Mail.", "This password is shown only now. Pass it on in person, on the phone, or with the letter, never by email.";
    invited_first_password: "Erstes Kennwort", "First password";
    invited_days(days): "Es gilt {days} Tage und muss bei der ersten Anmeldung geändert werden.", "It is good for {days} days and has to be changed at the first log-in.";
    invited_print_hint: "Mit der Druckfunktion Ihres Browsers (Strg+P) wird der Brief unten gedruckt.", "Your browser's print command (Ctrl+P) prints the letter below.";
    invited_back: "Zu meinen Partnern", "To my partners";
    invited_next: "Weiteren Partner einladen", "Invite another partner";
    letter: "Brief zum Ausdrucken", "Letter to print";

    letter_subject: "Ihr Zugang zum Webmailer für vertrauliche Nachrichten", "Your access to the Webmailer for confidential messages";
    letter_greeting(name): "Guten Tag, {name},", "Dear {name},";
    letter_text(organisation): "wir möchten Ihnen vertrauliche Nachrichten so schicken, dass nur Sie sie lesen können. Dafür hat {organisation} einen Webmailer eingerichtet.", "we would like to send you confidential messages in a way that only you can read them. {organisation} has set up a Webmailer for this.";
    letter_step_1: "Öffnen Sie diese Adresse in Ihrem Browser:", "Open this address in your browser:";
    letter_step_2: "Melden Sie sich mit Ihrer E-Mail-Adresse und diesem Kennwort an:", "Log in with your email address and this password:";
    letter_step_3: "Wählen Sie ein eigenes Kennwort. Das erste gilt dann nicht mehr.", "Choose a password of your own. The first one is not valid any more after that.";
    letter_certificate: "Wenn Sie ein E-Mail-Zertifikat (S/MIME) haben, hinterlegen Sie es dort unter „Schlüssel und Kennwörter“. Unsere Nachrichten kommen dann verschlüsselt in Ihr gewohntes E-Mail-Programm.", "If you have an email certificate (S/MIME), store it there under “Keys and passwords”. Our messages then come encrypted into the mail program that you are used to.";
    letter_closing: "Mit freundlichen Grüßen", "Kind regards";
}

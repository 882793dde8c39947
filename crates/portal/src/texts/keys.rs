//! Schlüssel und Kennwörter, and the way of a certificate.

crate::texts::messages! {
    kind_label: "Was möchten Sie verwalten?", "What would you like to manage?";
    kind_show: "Anzeigen", "Show";
    kind_smime: "S/MIME", "S/MIME";
    kind_password: "Kennwort für den Webmailer", "Webmailer password";

    state: "Stand", "State";
    state_received: "Eingegangen", "Received";
    state_checked: "Geprüft", "Checked";
    state_confirmed: "Bestätigt", "Confirmed";
    state_approved: "Freigegeben", "Approved";
    state_active: "Eingerichtet", "In use";
    state_refused: "Abgelehnt", "Refused";
    state_superseded: "Ersetzt", "Replaced";
    state_expired: "Abgelaufen", "Expired";
    state_revoked: "Zurückgezogen", "Withdrawn";

    clock(date, days): "Eingerichtet spätestens am {date}, noch {days} Tage", "Set up by {date} at the latest, {days} days left";
    clock_tomorrow(date): "Eingerichtet spätestens am {date}, noch 1 Tag", "Set up by {date} at the latest, 1 day left";
    clock_today(date): "Fällig heute, spätestens am {date}", "Due today, {date} at the latest";
    due_by(date): "bis {date}", "by {date}";
    left(days): "noch {days} Tage", "{days} days left";
    left_over: "Überfällig", "Overdue";
    left_today: "Fällig heute", "Due today";
    left_tomorrow: "noch 1 Tag", "1 day left";
    clock_over(date): "Überfällig: War spätestens am {date} zugesagt", "Overdue: was promised for {date} at the latest";

    next_received: "Wir kennen die Zertifizierungsstelle noch nicht und sehen sie uns an. Sie müssen nichts tun.", "We do not know the certification authority yet and are looking into it. There is nothing for you to do.";
    next_came_back: "Unsere Nachricht an diese Adresse kam zurück. Ist die Adresse richtig, und nimmt Ihr Mailserver verschlüsselte Nachrichten (smime.p7m) an? Lassen Sie sie sich dann noch einmal senden, oder fragen Sie Ihre Ansprechperson.", "Our message to this address came back. Is the address right, and does your mail server take encrypted messages (smime.p7m)? Then have it sent once more, or ask your contact person.";
    next_waits: "Heute haben wir an diese Adresse schon genug Nachrichten gesendet. Die für dieses Zertifikat geht morgen hinaus.", "We have sent enough messages to this address today. The one for this certificate goes out tomorrow.";
    next_checked: "Wir haben eine Nachricht an diese Adresse geschickt, die mit diesem Zertifikat verschlüsselt ist. Öffnen Sie sie in Ihrem E-Mail-Programm und folgen Sie dem Link darin. So wissen wir, dass Postfach und Schlüssel Ihnen gehören.", "We sent a message to this address that is encrypted with this certificate. Open it in your mail program and follow the link in it. That is how we know that mailbox and key are yours.";
    next_confirmed: "Vielen Dank, Postfach und Schlüssel sind bestätigt. Wir geben das Zertifikat jetzt frei, Sie müssen nichts mehr tun.", "Thank you, mailbox and key are confirmed. We are approving the certificate now, there is nothing more for you to do.";
    next_active: "Alles eingerichtet: Nachrichten an Sie werden mit diesem Zertifikat verschlüsselt.", "All set up: messages to you are encrypted with this certificate.";
    next_superseded: "An seine Stelle ist ein neueres Zertifikat getreten.", "A newer certificate has taken its place.";
    next_expired: "Dieses Zertifikat ist abgelaufen. Bitte senden Sie uns Ihr neues.", "This certificate has expired. Please send us your new one.";
    next_ended: "Dieses Zertifikat wird nicht verwendet.", "This certificate is not used.";

    origin_api: "Schnittstelle", "Interface";
    origin_intake: "per E-Mail", "by email";
    origin_learned: "aus einer signierten E-Mail", "from a signed email";
    origin_look_up: "aus einem Verzeichnis", "from a directory";
    origin_officer: "durch unser Haus", "by our house";
    origin_upload: "im Webmailer", "in the Webmailer";

    fact_issuer: "Ausgestellt von", "Issued by";
    fact_valid: "Gültig", "Valid";
    fact_fingerprint: "Fingerabdruck (SHA-256)", "Fingerprint (SHA-256)";

    keys_lead(organisation): "Mit Ihrem Zertifikat verschlüsselt {organisation} Nachrichten an Sie.", "{organisation} encrypts messages to you with your certificate.";
    certificates_open: "In Bearbeitung", "Being set up";
    certificates_active: "Ihr Zertifikat", "Your certificate";
    certificates_past: "Frühere Zertifikate", "Earlier certificates";
    certificates_none: "Noch kein Zertifikat", "No certificate yet";
    certificates_none_text: "Bis wir Ihr Zertifikat haben, lesen Sie vertrauliche Nachrichten hier im Webmailer. Mit Zertifikat kommen sie verschlüsselt in Ihr eigenes E-Mail-Programm.", "Until we have your certificate you read confidential messages here in the Webmailer. With a certificate they come encrypted into your own mail program.";
    certificates_none_link: "Wie komme ich zu einem Zertifikat?", "How do I get a certificate?";
    came_in: "Eingegangen", "Came in";
    certificate_download: "Herunterladen", "Download";
    certificate_resend: "Nachricht noch einmal senden", "Send the message again";
    certificate_resent: "Die Nachricht mit dem Link ist noch einmal unterwegs.", "The message with the link is on its way again.";
    certificate_resend_limit(until): "Heute wurden genug Nachrichten gesendet. Die nächste ist möglich ab: {until}.", "Enough messages were sent today. The next one is possible from: {until}.";
    certificate_withdraw: "Zurückziehen", "Withdraw";
    certificate_withdraw_question: "Dieses Zertifikat wirklich zurückziehen?", "Really withdraw this certificate?";
    certificate_withdraw_text: "Wir verschlüsseln dann nicht mehr damit. Das lässt sich nicht rückgängig machen; Sie können das Zertifikat aber neu einsenden.", "We will not encrypt with it any more. This cannot be undone, but you can send the certificate in again.";
    certificate_withdrawn: "Das Zertifikat ist zurückgezogen.", "The certificate is withdrawn.";

    upload_title: "Zertifikat einsenden", "Send in a certificate";
    upload_replace_title: "Neues Zertifikat einsenden", "Send in a new certificate";
    upload_label: "Datei mit dem Zertifikat", "File with the certificate";
    upload_hint: "Auswählen oder hierher ziehen, auch mehrere: .cer, .crt, .der, .pem, .p7b, .p7c, .p7s, .zip, .eml, .vcf", "Choose or drop here, several if you like: .cer, .crt, .der, .pem, .p7b, .p7c, .p7s, .zip, .eml, .vcf";
    upload_warning: "Niemals .p12 oder .pfx: Darin steckt Ihr privater Schlüssel, und der gehört nur Ihnen.", "Never .p12 or .pfx: those have your private key in them, and that is for you alone.";
    upload_button: "Einsenden", "Send in";
    upload_none: "Bitte wählen Sie zuerst eine Datei aus.", "Please choose a file first.";
    upload_too_many: "Das waren zu viele Dateien auf einmal. Bitte senden Sie höchstens 20.", "Those were too many files at once. Please send 20 at most.";
    found_title: "Das haben wir gefunden", "This is what we found";
    found_certificate(name): "Zertifikat für {name}", "Certificate for {name}";
    found_taken: "Angenommen. Wie es weitergeht, steht unten.", "Taken in. What comes next is shown below.";
    found_known: "Dieses Zertifikat verwenden wir bereits.", "We use this certificate already.";
    found_empty: "Die Datei ist leer.", "The file is empty.";
    found_request: "Das ist der Antrag, den eine Zertifizierungsstelle bekommt. Bitte senden Sie das Zertifikat, das sie Ihnen zurückgeschickt hat.", "This is the request that a certification authority gets. Please send the certificate that it sent back to you.";
    found_outlook: "Eine .msg-Datei können wir nicht lesen. Bitte speichern Sie die Nachricht als .eml, oder wählen Sie die Datei mit dem Zertifikat.", "We cannot read a .msg file. Please save the message as .eml, or choose the file with the certificate.";
    found_nothing: "Darin ist kein Zertifikat.", "There is no certificate in it.";
    found_authority: "Darin sind nur Zertifikate von Zertifizierungsstellen, keines von Ihnen.", "There are certificates of certification authorities in it only, none of yours.";
    found_archive: "Dieses Archiv können wir nicht öffnen. Bitte senden Sie die Dateien einzeln oder als .zip ohne Kennwort.", "We cannot open this archive. Please send the files one by one, or as a .zip without a password.";
    found_too_much: "Die Datei ist zu groß oder enthält zu viele Dateien.", "The file is too large or has too many files in it.";
    found_key: "Darin ist Ihr privater Schlüssel.", "Your private key is in it.";
    found_key_text: "Wir haben die Datei verworfen und nichts davon gespeichert. Der Schlüssel hat Ihren Rechner verlassen und ist damit nicht mehr geheim: Lassen Sie das Zertifikat bei Ihrer Zertifizierungsstelle sperren und beantragen Sie ein neues mit neuem Schlüssel. Senden Sie uns davon nur das Zertifikat (.cer).", "We dropped the file and stored nothing of it. The key has left your computer and is not secret any more: have your certification authority revoke the certificate and get a new one with a new key. Send us the certificate of that alone (.cer).";
    change_password_text: "Mit diesem Kennwort melden Sie sich im Webmailer an.", "You log in to the Webmailer with this password.";

    confirm_title: "Zertifikat bestätigen", "Confirm your certificate";
    confirm_lead(organisation): "Dieses Zertifikat ist bei {organisation} eingegangen. Ist es Ihres? Dann bestätigen Sie es bitte.", "{organisation} received this certificate. Is it yours? Then please confirm it.";
    confirm_button: "Ja, das ist mein Zertifikat", "Yes, this is my certificate";
    confirm_hint: "Wenn Sie nichts damit anfangen können, schließen Sie diese Seite einfach. Es wird dann nicht verwendet.", "If this means nothing to you, just close this page. It will not be used.";
    confirmed_title: "Vielen Dank, das ist bestätigt", "Thank you, that is confirmed";
}

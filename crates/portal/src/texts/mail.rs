//! Reading and writing in the webmailer, the contacts' certificates.

crate::texts::messages! {
    nav_inbox: "Nachrichten", "Messages";
    nav_contacts: "Ansprechpartner", "Contacts";
    folder_inbox: "Eingang", "Inbox";
    folder_sent: "Gesendet", "Sent";
    folders: "Ordner", "Folders";
    inbox_unread(count): "ungelesen: {count}", "unread: {count}";
    inbox_none: "Noch keine Nachrichten", "No messages yet";
    inbox_none_text(organisation): "Sobald {organisation} Ihnen vertraulich schreibt, finden Sie die Nachricht hier und bekommen einen Hinweis per E-Mail.", "As soon as {organisation} writes to you in confidence you find the message here and get a hint by email.";
    inbox_none_found: "Keine Nachricht passt dazu", "No message matches";
    inbox_search: "Nachrichten durchsuchen", "Search messages";
    search: "Suchen", "Search";
    unread: "ungelesen", "unread";
    write: "Schreiben", "Write";
    from: "Von", "From";
    to: "An", "To";
    subject: "Betreff", "Subject";
    no_subject: "(ohne Betreff)", "(no subject)";
    message_text: "Nachricht", "Message";
    attachments: "Anhänge", "Attachments";
    attachment_unnamed: "Anhang", "attachment";
    attachments_choose: "Dateien anhängen", "Attach files";
    attachments_hint(most): "Auswählen oder hierher ziehen, zusammen höchstens {most}.", "Choose or drop here, {most} at most in total.";
    message_frame: "Inhalt der Nachricht", "Content of the message";
    message_remote: "Bilder und andere Inhalte aus dem Internet werden nicht geladen.", "Pictures and other content from the internet are not loaded.";
    message_unreadable: "Diese Nachricht lässt sich nicht anzeigen. Sie können sie herunterladen.", "This message cannot be shown. You can download it.";
    message_plain_view: "Als reinen Text anzeigen", "Show as plain text";
    message_html_view: "Formatiert anzeigen", "Show formatted";
    reply: "Antworten", "Reply";
    download_eml: "Als .eml herunterladen", "Download as .eml";
    delete: "Löschen", "Delete";
    delete_question: "Diese Nachricht endgültig löschen?", "Delete this message for good?";
    deleted: "Die Nachricht ist gelöscht.", "The message is deleted.";
    message_back: "Alle Nachrichten", "All messages";
    reply_title(name): "Antwort an {name}", "Reply to {name}";
    reply_subject(subject): "Re: {subject}", "Re: {subject}";
    write_title: "Neue Nachricht", "New message";
    write_lead(organisation): "Ihre Nachricht geht geschützt an {organisation}. Sie verlässt das Haus nicht.", "Your message goes to {organisation}, protected. It does not leave the house.";
    write_nobody: "Noch niemand, dem Sie schreiben können", "Nobody to write to yet";
    write_nobody_text: "Hier erscheinen die Mitarbeiter, die Ihnen geschrieben oder Sie eingeladen haben.", "The employees who wrote to you or invited you appear here.";
    send: "Senden", "Send";
    sent: "Ihre Nachricht ist gesendet.", "Your message is sent.";
    write_to_missing: "Bitte wählen Sie, an wen die Nachricht geht.", "Please choose whom the message goes to.";
    write_text_missing: "Die Nachricht ist noch leer.", "The message is still empty.";
    written_on(date, name): "Am {date} schrieb {name}:", "On {date} {name} wrote:";

    contacts_title: "Ihre Ansprechpartner", "Your contacts";
    contacts_lead: "Mit diesen Zertifikaten schreiben Sie verschlüsselt aus Ihrem eigenen E-Mail-Programm. Öffnen Sie die Visitenkarte und speichern Sie den Kontakt.", "With these certificates you write encrypted from your own mail program. Open the card and save the contact.";
    contacts_none: "Noch keine Ansprechpartner", "No contacts yet";
    contacts_none_text: "Hier erscheinen die Mitarbeiter, die Ihnen schreiben, mit ihren Zertifikaten.", "The employees who write to you appear here, with their certificates.";
    contacts_all: "Alle auf einmal", "All at once";
    contact_card: "Visitenkarte (.vcf)", "Card (.vcf)";
    contact_certificate: "Zertifikat (.cer)", "Certificate (.cer)";
    contact_chain: "Zertifikat mit Kette (.p7c)", "Certificate with chain (.p7c)";
    contact_without: "Noch kein Zertifikat. Ihre Antwort im Webmailer ist trotzdem geschützt.", "No certificate yet. Your answer in the Webmailer is protected all the same.";
    contact_compare: "Vergleichen Sie den Fingerabdruck im Zweifel am Telefon.", "When in doubt, compare the fingerprint on the phone.";
}

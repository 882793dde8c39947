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
    reset_done: "Ihr neues Kennwort gilt ab sofort. Bitte melden Sie sich an.", "Your new password is in effect. Please log in.";

    factor_required: "Für Ihre Aufgabe ist ein zweiter Faktor vorgeschrieben. Richten Sie ihn jetzt ein; danach geht es weiter.", "A second factor is required for your role. Set it up now; then you can go on.";
    factor_stays: "Für Ihre Aufgabe ist er vorgeschrieben und kann nicht ausgeschaltet werden.", "It is required for your role and cannot be switched off.";
}

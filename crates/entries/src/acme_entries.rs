use egress::acme::{Authorization, Challenge, Directory, Order, Problem};
use gateway::answer_to_challenge;
use mime::Header;
use pki::EmailAddress;

/// What a server says.
pub(crate) fn objects(bytes: &[u8]) {
    if let Ok(directory) = Directory::parse(bytes) {
        assert!(directory.caa_identities.len() <= 20);
        directory.caa_identities.iter().for_each(|identity| is_one_line(identity));
        directory.terms_of_service.iter().for_each(|terms| is_one_line(terms));
    }
    if let Ok(order) = Order::parse(bytes) {
        assert!(order.identifiers.len() <= 20 && order.authorizations.len() <= 20);
        order.problem.iter().for_each(problem);
    }
    if let Ok(authorization) = Authorization::parse(bytes) {
        authorization.email_reply.iter().for_each(challenge);
    }
    if let Ok(found) = Challenge::parse(bytes) {
        challenge(&found);
    }
    Problem::parse(bytes).iter().for_each(problem);
}

fn challenge(challenge: &Challenge) {
    // Nothing else is digested with it (RFC 8555 §8.1).
    assert!(!challenge.token.is_empty() && challenge.token.len() <= 2_048);
    assert!(challenge.token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
    challenge.problem.iter().for_each(problem);
}

fn problem(problem: &Problem) {
    is_one_line(&problem.kind);
    is_one_line(&problem.detail);
}

fn is_one_line(text: &str) {
    assert!(text.chars().count() <= 300 && !text.chars().any(char::is_control), "{text:?}");
}

/// A mail that anybody may send, and that is answered by itself.
pub(crate) fn challenge_mail(bytes: &[u8]) {
    const DIGEST: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let limits = mime::Limits::default();
    let Ok((header, _)) = Header::parse(bytes, &limits) else { return };
    let to = EmailAddress::parse("alice@inside.example").unwrap();
    let Ok(answer) = answer_to_challenge(&header, &to, DIGEST, testkit::now()) else { return };
    // Whatever stood in the mail, the answer is one mail with the fields of an answer.
    let (answered, body) = Header::parse(&answer, &limits).unwrap();
    assert!(answered.ambiguity().is_none());
    for name in ["Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Content-Type"] {
        assert_eq!(answered.all(name).count(), 1, "{name}");
    }
    for name in ["Cc", "Bcc", "Sender", "Reply-To"] {
        assert_eq!(answered.all(name).count(), 0, "{name}");
    }
    assert_eq!(answered.value("From").as_deref(), Some("alice@inside.example"));
    assert_eq!(mime::parse_mailbox_list(&answered.value("To").unwrap()).unwrap().len(), 1);
    assert!(answered.get("Subject").unwrap().text().starts_with("Re: ACME: "));
    let frame = format!("-----BEGIN ACME RESPONSE-----\r\n{DIGEST}\r\n-----END ACME RESPONSE-----\r\n");
    assert_eq!(body, frame.as_bytes());
}

pub(crate) fn objects_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"newNonce":"https://ca.example/n","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o",
            "meta":{"termsOfService":"https://ca.example/t","caaIdentities":["ca.example"],"externalAccountRequired":true}}"#,
        r#"{"status":"pending","identifiers":[{"type":"email","value":"alice@inside.example"}],
            "authorizations":["https://ca.example/z/1"],"finalize":"https://ca.example/f/1",
            "certificate":"https://ca.example/c/1","error":{"type":"urn:ietf:params:acme:error:caa","detail":"no"}}"#,
        r#"{"status":"valid","identifier":{"type":"email","value":"alice@inside.example"},"challenges":[
            {"type":"email-reply-00","url":"https://ca.example/h/1","status":"pending","from":"acme@ca.example",
             "token":"DGyRejmCefe7v4NfDGDKfA"}]}"#,
        r#"{"url":"https://ca.example/h/1","status":"invalid","from":"acme@ca.example","token":"DGyRejmCefe7v4NfDGDKfA",
            "error":{"type":"urn:ietf:params:acme:error:incorrectResponse","detail":"a","subproblems":[{"detail":"b"}]}}"#,
    ]
    .map(|json| json.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn challenge_mail_seeds() -> Vec<Vec<u8>> {
    let plain = "From: \"CA\" <acme@ca.example>\r\nTo: alice@inside.example\r\nSubject: ACME: \
        LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME\r\nMessage-ID: <1@ca.example>\r\nAuto-Submitted: auto-generated; \
        type=acme\r\nReply-To: reply@ca.example\r\n\r\n";
    let folded = plain.replace("LgYemJLy3F1L", "LgYemJLy3F1L\r\n ");
    let encoded = plain.replace("ACME: LgYemJLy", "=?utf-8?Q?ACME:_LgYemJLy?=\r\n ");
    [plain.to_owned(), folded, encoded].map(String::into_bytes).to_vec()
}

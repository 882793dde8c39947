//! Mail in, policy, mail out: SMTP, LMTP, intake, learning, confirmation mails.

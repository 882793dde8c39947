//! Every statement. One text for SQLite and PostgreSQL where they agree, which is nearly everywhere; a test prepares
//! each on both.

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(pub(crate) const $name: &str = $sql;)*

        /// For the test that prepares them all.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql),)*];
    };
}

macro_rules! person {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.address, p.name, p.company, p.language, p.roles, p.contact, p.created, p.active,
                m.first_seen, m.last_seen
             FROM people p LEFT JOIN mailboxes m ON m.address_key = p.address_key ",
            $rest
        )
    };
}

macro_rules! request {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.address, c.der, r.chain, r.state, r.refusal_code, r.refusal_detail, r.origin,
                r.submitted_by, r.language, r.received, r.changed, r.due, r.confirmation_sent, r.confirmed,
                r.approved_by, r.reminders, r.escalated, r.unknown_authority, r.replaces
             FROM requests r JOIN certificates c ON c.fingerprint = r.fingerprint ",
            $rest
        )
    };
}

macro_rules! passkey {
    ($rest:literal) => {
        concat!("SELECT id, person, name, credential, spki, sign_count, created, used FROM passkeys ", $rest)
    };
}

macro_rules! audit {
    ($rest:literal) => {
        concat!(
            "SELECT a.sequence, a.at, a.action, a.detail_digest, a.hash, d.salt, d.actor, d.subject, d.address_key,
                d.fingerprint, d.why, e.erased_by
             FROM audit a LEFT JOIN audit_details d ON d.sequence = a.sequence
                LEFT JOIN audit_erasures e ON e.sequence = a.sequence ",
            $rest
        )
    };
}

macro_rules! credential {
    ($rest:literal) => {
        concat!(
            "SELECT id, fingerprint, certificate, chain, sealed, wrapped, master, token_key FROM credentials ",
            $rest
        )
    };
}

macro_rules! credential_info {
    ($rest:literal) => {
        concat!(
            "SELECT id, person, address_key, certificate, chain, key_use, state, created, retired, token_key
             FROM credentials ",
            $rest
        )
    };
}

macro_rules! house_certificate {
    ($rest:literal) => {
        concat!(
            "SELECT h.authority, h.address_key, h.certificate, h.issued, h.revoked, h.reason
             FROM house_certificates h ",
            $rest
        )
    };
}

macro_rules! key_request {
    ($rest:literal) => {
        concat!(
            "SELECT id, person, address_key, key_use, spki, request, created, credential, sealed, wrapped, master,
                token_key FROM key_requests ",
            $rest
        )
    };
}

macro_rules! acme_order {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, person, address_key, key_request, state, url, challenge, challenge_from, token, response,
                credential, note, problem, created, changed, next_step, ends, attempts FROM acme_orders ",
            $rest
        )
    };
}

macro_rules! message {
    ($rest:literal) => {
        concat!(
            "SELECT id, partner_key, folder, correspondent, subject, body, octets, at, read_at FROM messages ",
            $rest
        )
    };
}

statements! {
    // People
    ADD_PERSON = "INSERT INTO people (id, address_key, address, name, company, language, roles, contact, created, active)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    PERSON = person!("WHERE p.id = $1");
    PERSON_AT = person!("WHERE p.address_key = $1");
    PEOPLE = person!("WHERE (p.roles & $1) <> 0 AND p.address_key > $2 ORDER BY p.address_key LIMIT $3");
    COUNT_PEOPLE = "SELECT COUNT(*) FROM people WHERE (roles & $1) <> 0 AND active <> 0";
    COUNT_PARTNERS_WITH_CERTIFICATE = "SELECT COUNT(*) FROM people p WHERE (p.roles & $1) <> 0 AND p.active <> 0
        AND EXISTS (SELECT 1 FROM requests r WHERE r.address_key = p.address_key AND r.state = 'active')";
    PARTNERS_OF = person!("WHERE p.contact = $1 AND p.address_key > $2 ORDER BY p.address_key LIMIT $3");
    SHARE_ON = "SELECT day FROM partner_shares WHERE day = $1";
    ADD_SHARE = "INSERT INTO partner_shares (day, partners, with_certificate) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    SHARES = "SELECT day, partners, with_certificate FROM partner_shares WHERE day >= $1 ORDER BY day";
    SET_ROLES = "UPDATE people SET roles = $2 WHERE id = $1";
    SET_LANGUAGE = "UPDATE people SET language = $2 WHERE id = $1";
    SET_CONTACT = "UPDATE people SET contact = $2 WHERE id = $1";
    DEACTIVATE = "UPDATE people SET active = 0 WHERE id = $1";
    SEEN = "INSERT INTO mailboxes (address_key, first_seen, last_seen) VALUES ($1, $2, $2)
        ON CONFLICT (address_key) DO UPDATE SET last_seen = excluded.last_seen";
    RECORD_CONTACT = "INSERT INTO contacts (partner_key, employee_key, last_written) VALUES ($1, $2, $3)
        ON CONFLICT (partner_key, employee_key) DO UPDATE SET last_written = excluded.last_written";
    CONTACTS_OF = person!("WHERE p.active <> 0 AND
        (p.address_key IN (SELECT employee_key FROM contacts WHERE partner_key = $1)
         OR p.id IN (SELECT contact FROM people WHERE address_key = $1)) ORDER BY p.address_key");
    ADD_TO_GROUP = "INSERT INTO group_members (name, person) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    REMOVE_FROM_GROUP = "DELETE FROM group_members WHERE name = $1 AND person = $2";
    GROUPS_OF = "SELECT name FROM group_members WHERE person = $1 ORDER BY name";

    SECOND_FACTOR = "SELECT sealed, since, last_step,
            (SELECT COUNT(*) FROM recovery_codes r WHERE r.person = s.person AND r.used IS NULL)
        FROM second_factors s WHERE person = $1";
    ADD_SECOND_FACTOR = "INSERT INTO second_factors (person, sealed, since, last_step) VALUES ($1, $2, $3, $4)";
    REMOVE_SECOND_FACTOR = "DELETE FROM second_factors WHERE person = $1";
    USE_SECOND_FACTOR = "UPDATE second_factors SET last_step = $2 WHERE person = $1 AND last_step < $2";
    ADD_RECOVERY_CODE = "INSERT INTO recovery_codes (person, hash) VALUES ($1, $2)";
    REMOVE_RECOVERY_CODES = "DELETE FROM recovery_codes WHERE person = $1";
    COUNT_RECOVERY_CODES = "SELECT COUNT(*) FROM recovery_codes WHERE person = $1 AND used IS NULL";
    REMOVE_LONELY_RECOVERY_CODES = "DELETE FROM recovery_codes WHERE person = $1
        AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.person = $1)
        AND NOT EXISTS (SELECT 1 FROM second_factors s WHERE s.person = $1)";
    HAS_SECOND_FACTOR = "SELECT person FROM second_factors WHERE person = $1
        UNION ALL SELECT person FROM passkeys WHERE person = $1 LIMIT 1";
    PASSKEYS_OF = passkey!("WHERE person = $1 ORDER BY created, id");
    PASSKEY = passkey!("WHERE credential = $1");
    ADD_PASSKEY = "INSERT INTO passkeys (id, person, name, credential, spki, sign_count, created)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    USE_PASSKEY = "UPDATE passkeys SET sign_count = $2, used = $3
        WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))";
    REMOVE_PASSKEY = "DELETE FROM passkeys WHERE id = $1 AND person = $2 RETURNING name";
    REMOVE_PASSKEYS_OF = "DELETE FROM passkeys WHERE person = $1 RETURNING name";
    USE_CHALLENGE = "INSERT INTO used_challenges (hash, ends) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    FORGET_CHALLENGES = "DELETE FROM used_challenges WHERE ends <= $1";
    USE_RECOVERY_CODE = "UPDATE recovery_codes SET used = $3 WHERE person = $1 AND hash = $2 AND used IS NULL";
    // Log-in
    SET_PASSWORD = "INSERT INTO accounts (person, password_hash, must_change, changed) VALUES ($1, $2, $3, $4)
        ON CONFLICT (person) DO UPDATE SET password_hash = excluded.password_hash,
            must_change = excluded.must_change, changed = excluded.changed";
    ACCOUNT = "SELECT person, password_hash, must_change, changed FROM accounts WHERE person = $1";
    ADD_SESSION = "INSERT INTO sessions (hash, person, csrf, created, last_seen, idle_seconds, ends, way)
        VALUES ($1, $2, $3, $4, $4, $5, $6, $7)";
    HOLD_PASSWORD = "UPDATE accounts SET password_hash = password_hash WHERE person = $1 AND password_hash = $2";
    SESSION = "SELECT person, way, csrf, created, last_seen, ends FROM sessions
        WHERE hash = $1 AND ends > $2 AND last_seen + idle_seconds > $2";
    TOUCH_SESSION = "UPDATE sessions SET last_seen = $2 WHERE hash = $1";
    END_SESSION = "DELETE FROM sessions WHERE hash = $1";
    SESSIONS_OF = "SELECT created, last_seen, ends, way FROM sessions WHERE person = $1 ORDER BY created";
    END_SESSIONS_OF = "DELETE FROM sessions WHERE person = $1";
    FORGET_SESSIONS = "DELETE FROM sessions WHERE ends <= $1 OR last_seen + idle_seconds <= $1";
    ADD_TOKEN = "INSERT INTO tokens (hash, purpose, subject, address_key, created, expires)
        VALUES ($1, $2, $3, $4, $5, $6)";
    PEEK_TOKEN = "SELECT subject, address_key, expires FROM tokens
        WHERE hash = $1 AND purpose = $2 AND used IS NULL AND expires > $3";
    USE_TOKEN = "UPDATE tokens SET used = $3 WHERE hash = $1 AND purpose = $2 AND used IS NULL AND expires > $3
        RETURNING subject, address_key, expires";
    USE_TOKENS_OF = "UPDATE tokens SET used = $3 WHERE purpose = $1 AND subject = $2 AND used IS NULL";
    COUNT_TOKENS = "SELECT COUNT(*), MIN(created) FROM tokens WHERE address_key = $1 AND purpose = $2 AND created > $3";
    FORGET_TOKENS = "DELETE FROM tokens WHERE created < $1";
    LOCK_ATTEMPTS = "INSERT INTO leases (name, worker, ends) VALUES ('attempts', '', $1)
        ON CONFLICT (name) DO UPDATE SET ends = excluded.ends";
    COUNT_ATTEMPTS = "SELECT COUNT(*), MIN(at) FROM attempts WHERE kind = $1 AND key_hash = $2 AND at > $3";
    ADD_ATTEMPT = "INSERT INTO attempts (id, kind, key_hash, at) VALUES ($1, $2, $3, $4)";
    FORGET_ATTEMPTS = "DELETE FROM attempts WHERE kind = $1 AND key_hash = $2";
    FORGET_ATTEMPT = "DELETE FROM attempts WHERE id = $1";
    FORGET_OLD_ATTEMPTS = "DELETE FROM attempts WHERE at < $1";

    // Requests
    ADD_CERTIFICATE = "INSERT INTO certificates (fingerprint, der, not_after, stored) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    ADD_REQUEST = "INSERT INTO requests (id, address_key, address, fingerprint, chain, state, refusal_code,
            refusal_detail, origin, submitted_by, language, received, changed, due, not_after, confirmation_sent,
            reminders, escalated, unknown_authority, replaces)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, $17, $18)";
    SAVE_REQUEST = "UPDATE requests SET state = $2, refusal_code = $3, refusal_detail = $4, changed = $5,
            confirmation_sent = $6, confirmed = $7, approved_by = $8, reminders = $9, escalated = $10,
            unknown_authority = $11, replaces = $12
        WHERE id = $1";
    REQUEST = request!("WHERE r.id = $1");
    REQUESTS = request!("ORDER BY r.changed DESC, r.id LIMIT $1");
    REQUESTS_OF_ADDRESS = request!("WHERE r.address_key = $1 ORDER BY r.received DESC, r.id LIMIT $2");
    REQUESTS_IN_STATE = request!("WHERE r.state = $1 ORDER BY r.due, r.id LIMIT $2");
    REQUESTS_CHANGED_LAST = request!("WHERE r.state = $1 ORDER BY r.changed DESC, r.id LIMIT $2");
    REQUESTS_OPEN = request!("WHERE r.state IN ('received', 'checked', 'confirmed', 'approved')
        ORDER BY r.due, r.id LIMIT $1");
    SEARCH_REQUESTS = request!("WHERE ($1 = '' OR $1 LIKE '%,' || r.state || ',%') AND ($2 = '' OR r.origin = $2)
        AND (CAST($3 AS BIGINT) = 0 OR r.due <= CAST($3 AS BIGINT))
        AND ($4 = '' OR r.address_key LIKE $4 ESCAPE '!')
        AND (CAST($5 AS BIGINT) = 0 OR r.not_after <= CAST($5 AS BIGINT)) ORDER BY r.due, r.id LIMIT $6");
    // In pages: what is due after the last one of the page before.
    REQUESTS_PAGE = request!("WHERE (r.due, r.id) > ($1, $2) ORDER BY r.due, r.id LIMIT $3");
    REQUESTS_PAGE_OF_ADDRESS = request!("WHERE r.address_key = $4 AND (r.due, r.id) > ($1, $2)
        ORDER BY r.due, r.id LIMIT $3");
    REQUESTS_PAGE_IN_STATE = request!("WHERE r.state = $4 AND (r.due, r.id) > ($1, $2)
        ORDER BY r.due, r.id LIMIT $3");
    REQUESTS_PAGE_OPEN = request!("WHERE r.state IN ('received', 'checked', 'confirmed', 'approved')
        AND (r.due, r.id) > ($1, $2) ORDER BY r.due, r.id LIMIT $3");
    REQUESTS_OF_CERTIFICATE = request!("WHERE r.fingerprint = $1
        AND r.state IN ('received', 'checked', 'confirmed', 'approved', 'active')");
    REQUESTS_WITHOUT_AUTHORITY = request!("WHERE r.state = 'received' AND r.unknown_authority <> 0 ORDER BY r.due");
    REQUESTS_DUE_BEFORE = request!("WHERE r.state IN ('received', 'checked', 'confirmed') AND r.due <= $1
        AND r.escalated = 0 ORDER BY r.due LIMIT $2");
    REQUESTS_ENDED = request!("WHERE r.state IN ('received', 'checked', 'confirmed', 'active') AND r.not_after < $1
        ORDER BY r.not_after LIMIT $2");
    // All that taking a certificate in asks about its mailbox: $2 is the certificate, $3 and $4 are for COUNT_TOKENS.
    MAILBOX_BEFORE = "SELECT
        (SELECT r.id FROM requests r WHERE r.address_key = $1 AND r.fingerprint = $2
            AND r.state IN ('received', 'checked', 'confirmed', 'approved', 'active')),
        (SELECT p.language FROM people p WHERE p.address_key = $1),
        (SELECT r.fingerprint FROM requests r WHERE r.address_key = $1 AND r.state = 'active'),
        (SELECT COUNT(*) FROM tokens t WHERE t.address_key = $1 AND t.purpose = $3 AND t.created > $4),
        (SELECT MIN(t.created) FROM tokens t WHERE t.address_key = $1 AND t.purpose = $3 AND t.created > $4)";
    REFUSED_REQUEST = request!("WHERE r.address_key = $1 AND r.fingerprint = $2 AND r.state = 'refused'
        AND r.refusal_code = $3 ORDER BY r.changed DESC LIMIT 1");
    ACTIVE_REQUEST = request!("WHERE r.address_key = $1 AND r.state = 'active'");
    ACTIVE_CERTIFICATES = "SELECT r.id, r.address, c.der, r.chain, r.changed, r.capabilities
        FROM requests r JOIN certificates c ON c.fingerprint = r.fingerprint
        WHERE r.address_key = $1 AND r.state = 'active' AND r.not_after >= $2";
    // Unknown is not good: of what was not found out lately nothing is used (CASES T-14).
    ACTIVE_CERTIFICATES_KNOWN_GOOD = "SELECT r.id, r.address, c.der, r.chain, r.changed, r.capabilities
        FROM requests r JOIN certificates c ON c.fingerprint = r.fingerprint
        WHERE r.address_key = $1 AND r.state = 'active' AND r.not_after >= $2
            AND (r.revocation = 'unchecked' OR (r.revocation = 'good' AND r.revocation_until >= $2))";
    SET_CAPABILITIES = "UPDATE requests SET capabilities = $3, capabilities_at = $4
        WHERE address_key = $1 AND fingerprint = $2 AND state = 'active'
            AND (capabilities_at IS NULL OR capabilities_at < $4)";

    // Revocation
    REQUESTS_WATCHED = request!("WHERE r.state IN ('received', 'checked', 'confirmed', 'active')
        AND r.unknown_authority = 0 AND COALESCE(r.revocation_checked, 0) <= $1
        ORDER BY COALESCE(r.revocation_checked, 0), r.id LIMIT $2");
    SET_REVOCATION = "UPDATE requests SET revocation = $2, revocation_checked = COALESCE($3, revocation_checked),
            revocation_until = $4 WHERE id = $1";
    REVOCATION = "SELECT kind, der, next_update FROM revocation WHERE key = $1 AND next_update >= $2";
    IS_REVOKED = "SELECT id FROM requests WHERE fingerprint = $1 AND state = 'revoked' LIMIT 1";
    REVOCATION_AGE = "SELECT this_update, next_update, fetched, failed FROM revocation WHERE key = $1";
    KEEP_REVOCATION = "INSERT INTO revocation (key, kind, uri, der, this_update, next_update, fetched)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (key) DO UPDATE SET der = excluded.der, uri = excluded.uri, this_update = excluded.this_update,
            next_update = excluded.next_update, fetched = excluded.fetched, failed = NULL, failure = NULL
        WHERE revocation.this_update IS NULL OR revocation.this_update <= excluded.this_update
            OR revocation.next_update < excluded.fetched";
    REVOCATION_FAILED = "INSERT INTO revocation (key, kind, uri, failed, failure) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO UPDATE SET failed = excluded.failed, failure = excluded.failure";
    FORGET_REVOCATION = "DELETE FROM revocation WHERE COALESCE(next_update, failed) < $1";

    // Authorities
    ANCHORS = "SELECT der, distrusted_after FROM anchors WHERE confirmed_by IS NOT NULL";
    ANCHOR = "SELECT der, proposed_by, confirmed_by FROM anchors WHERE fingerprint = $1";
    PROPOSED_ANCHORS = "SELECT der, proposed_by, proposed, why, confirmed_by, confirmed FROM anchors
        WHERE pack IS NULL ORDER BY proposed DESC";
    PROPOSE_ANCHOR = "INSERT INTO anchors (fingerprint, der, proposed_by, proposed, why) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    CONFIRM_ANCHOR = "UPDATE anchors SET confirmed_by = $2, confirmed = $3
        WHERE fingerprint = $1 AND confirmed_by IS NULL AND proposed_by <> $2";
    PROPOSE_PACK = "INSERT INTO packs (sha256, name, der, signer, roots, proposed_by, proposed, why)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    PACK = "SELECT der, proposed_by FROM packs WHERE sha256 = $1";
    PACKS = "SELECT sha256, name, signer, roots, proposed_by, proposed, why, confirmed_by, confirmed FROM packs
        ORDER BY proposed DESC, sha256";
    CONFIRMED_PACKS = "SELECT der, proposed_by, confirmed_by FROM packs WHERE confirmed_by IS NOT NULL";
    CONFIRM_PACK = "UPDATE packs SET confirmed_by = $2, confirmed = $3
        WHERE sha256 = $1 AND confirmed_by IS NULL AND proposed_by <> $2";
    ADD_PACK_ANCHOR = "INSERT INTO anchors (fingerprint, der, proposed_by, proposed, why, confirmed_by, confirmed, pack,
            distrusted_after)
        VALUES ($1, $2, $3, $4, $5, $6, $4, $7, $8) ON CONFLICT DO NOTHING";
    FORGET_PACK = "DELETE FROM packs WHERE sha256 = $1";
    FORGET_PACK_ANCHORS = "DELETE FROM anchors WHERE pack = $1";
    SEE_AUTHORITY = "INSERT INTO unknown_authorities (name_hash, name, der, first_seen, last_seen, origin)
        VALUES ($1, $2, $3, $4, $4, $5)
        ON CONFLICT (name_hash) DO UPDATE SET last_seen = excluded.last_seen,
            der = COALESCE(unknown_authorities.der, excluded.der)";
    SEE_AUTHORITY_ADDRESS = "INSERT INTO unknown_authority_addresses (name_hash, address_key) VALUES ($1, $2)
        ON CONFLICT DO NOTHING";
    UNKNOWN_AUTHORITIES = "SELECT u.name, u.der, u.first_seen, u.last_seen, u.origin,
            (SELECT COUNT(*) FROM unknown_authority_addresses a WHERE a.name_hash = u.name_hash)
        FROM unknown_authorities u ORDER BY u.last_seen DESC LIMIT 200";

    // Keys of the people inside
    MASTER_KEYS = "SELECT id, check_value FROM master_keys WHERE retired IS NULL
        ORDER BY COALESCE(sequence, 0) DESC";
    MASTER_KEY = "SELECT retired FROM master_keys WHERE id = $1";
    ADD_MASTER_KEY = "INSERT INTO master_keys (id, check_value, created, sequence) VALUES ($1, $2, $3, $4)";
    RETIRE_OTHER_MASTER_KEYS = "UPDATE master_keys SET retired = $2 WHERE id <> $1 AND retired IS NULL";
    HOLD_MASTER_KEY = "INSERT INTO master_key_holders (worker, master, seen) VALUES ($1, $2, $3)
        ON CONFLICT (worker, master) DO UPDATE SET seen = excluded.seen";
    FORGET_HOLDER = "DELETE FROM master_key_holders WHERE worker = $1 OR seen < $2";
    HOLDER_WITHOUT = "SELECT h.worker FROM master_key_holders h WHERE h.seen > $2 AND NOT EXISTS
        (SELECT 1 FROM master_key_holders o WHERE o.worker = h.worker AND o.master = $1) ORDER BY h.worker LIMIT 1";
    ADD_CREDENTIAL = "INSERT INTO credentials (id, person, address_key, fingerprint, certificate, chain, key_use, state,
            issuer_serial, key_identifier, sealed, wrapped, master, created, not_after, key_hash, token_key, not_before,
            sequence)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    RETIRE_CREDENTIAL = "UPDATE credentials SET state = $3, retired = $2 WHERE id = $1 AND state = 'active'";
    OTHERS_WITH_KEY = "SELECT DISTINCT address_key FROM credentials WHERE key_hash = $1 AND address_key <> $2";
    ACTIVE_CREDENTIAL_USES = "SELECT id, key_use FROM credentials WHERE address_key = $1 AND state = 'active'
        AND COALESCE(not_before, 0) <= $2 ORDER BY COALESCE(sequence, 0) DESC, id";
    SIGNING_CREDENTIALS = credential!("WHERE address_key = $1 AND state = 'active' AND key_use <> 'encrypt'
        AND not_after >= $2 AND COALESCE(not_before, 0) <= $2
        AND person IN (SELECT p.id FROM people p WHERE p.active <> 0)
        ORDER BY COALESCE(sequence, 0) DESC, id LIMIT 1");
    DECRYPTION_CREDENTIALS = credential!("WHERE address_key = $1 AND key_use <> 'sign'
        ORDER BY state, COALESCE(sequence, 0) DESC, id");
    CREDENTIAL_OWNER = "SELECT address_key FROM credentials WHERE id = $1";
    CREDENTIAL = credential_info!("WHERE id = $1");
    CREDENTIALS_OF_ADDRESS = credential_info!("WHERE address_key = $1 ORDER BY COALESCE(sequence, 0) DESC, id LIMIT $2");
    CREDENTIALS_ENDING = credential_info!("WHERE state = 'active' AND not_after < $1
        AND person IN (SELECT p.id FROM people p WHERE p.active <> 0) ORDER BY not_after, id LIMIT $2");
    CREDENTIALS_IN_USE = credential_info!("WHERE state = 'active' AND id > $1
        AND person IN (SELECT p.id FROM people p WHERE p.active <> 0) ORDER BY id LIMIT $2");
    EMPLOYEE_CERTIFICATES = "SELECT certificate FROM credentials WHERE address_key = $1 AND state = 'active'
        AND not_after >= $2 AND COALESCE(not_before, 0) <= $2 ORDER BY COALESCE(sequence, 0) DESC, id";
    EMPLOYEE_CHAIN = "SELECT chain FROM credentials WHERE address_key = $1 AND fingerprint = $2";
    SEALED_CREDENTIALS = "SELECT id, wrapped, master FROM credentials WHERE token_key IS NULL AND master <> $1
        ORDER BY id LIMIT $2";
    REWRAP_CREDENTIAL = "UPDATE credentials SET wrapped = $2, master = $3 WHERE id = $1 AND master = $4";
    ADD_KEY_REQUEST = "INSERT INTO key_requests (id, person, address_key, key_use, key_hash, spki, request, sealed,
            wrapped, master, token_key, created)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    KEY_REQUEST = key_request!("WHERE id = $1");
    KEY_REQUESTS = key_request!("WHERE credential IS NULL ORDER BY created, id LIMIT $1");
    KEY_REQUESTS_FOR_KEY = key_request!("WHERE key_hash = $1 AND credential IS NULL");
    // The key is the credential's from now on.
    ANSWER_KEY_REQUEST = "UPDATE key_requests SET credential = $2, sealed = $3, wrapped = $3, token_key = ''
        WHERE id = $1 AND credential IS NULL";
    WITHDRAW_KEY_REQUEST = "DELETE FROM key_requests WHERE id = $1 AND credential IS NULL";
    SEALED_KEY_REQUESTS = "SELECT id, wrapped, master FROM key_requests WHERE token_key IS NULL AND master <> $1
        ORDER BY id LIMIT $2";
    REWRAP_KEY_REQUEST = "UPDATE key_requests SET wrapped = $2, master = $3 WHERE id = $1 AND master = $4";

    // ACME
    ADD_ACME_ACCOUNT = "INSERT INTO acme_accounts (id, server, key_hash, spki, sealed, wrapped, master, token_key, created)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    ACME_ACCOUNT_AT = "SELECT id, server, url FROM acme_accounts WHERE server = $1";
    ACME_ACCOUNT_KEY = "SELECT server, url, key_hash, spki, sealed, wrapped, master, token_key FROM acme_accounts
        WHERE id = $1";
    ACME_ACCOUNT_OF = "SELECT account FROM acme_orders WHERE credential = $1";
    SET_ACME_ACCOUNT_URL = "UPDATE acme_accounts SET url = $2 WHERE id = $1";
    SEALED_ACME_ACCOUNTS = "SELECT id, wrapped, master FROM acme_accounts WHERE token_key IS NULL AND master <> $1
        ORDER BY id LIMIT $2";
    REWRAP_ACME_ACCOUNT = "UPDATE acme_accounts SET wrapped = $2, master = $3 WHERE id = $1 AND master = $4";
    ADD_ACME_ORDER = "INSERT INTO acme_orders (id, account, person, address_key, key_request, state, note, problem,
            created, changed, next_step, ends, attempts)
        VALUES ($1, $2, $3, $4, $5, 'ordered', $6, '', $7, $7, $7, $8, 0)";
    ACME_ORDER = acme_order!("WHERE id = $1");
    ACME_ORDERS = acme_order!("ORDER BY created DESC, id LIMIT $1");
    ACME_ORDERS_OF = acme_order!("WHERE address_key = $1 ORDER BY created DESC, id LIMIT $2");
    OPEN_ACME_ORDER = acme_order!("WHERE address_key = $1 AND state IN ('ordered', 'waiting', 'answered', 'validating')");
    ACME_ORDERS_DUE = acme_order!("WHERE state IN ('ordered', 'waiting', 'answered', 'validating') AND next_step <= $1
        ORDER BY next_step, id LIMIT $2");
    ACME_PLACED = "UPDATE acme_orders SET url = $2, changed = $3, next_step = $3, attempts = 0, problem = ''
        WHERE id = $1 AND state = 'ordered' AND url IS NULL";
    ACME_CHALLENGED = "UPDATE acme_orders SET state = 'waiting', challenge = $2, challenge_from = $3, token = $4,
            changed = $5, attempts = 0, problem = ''
        WHERE id = $1 AND state IN ('ordered', 'waiting')";
    ACME_TOKEN = "SELECT acme_order FROM acme_tokens WHERE hash = $1";
    ADD_ACME_TOKEN = "INSERT INTO acme_tokens (hash, acme_order, at) VALUES ($1, $2, $3)";
    ACME_ANSWERED = "UPDATE acme_orders SET state = 'answered', response = $2, changed = $3, next_step = $3, attempts = 0,
            problem = ''
        WHERE id = $1 AND state IN ('waiting', 'answered', 'validating')";
    // Only for the answer that was seen delivered: another may have come in between.
    ACME_VALIDATING = "UPDATE acme_orders SET state = 'validating', changed = $3, attempts = 0, problem = ''
        WHERE id = $1 AND state = 'answered' AND response = $2";
    ACME_WAIT = "UPDATE acme_orders SET next_step = $2, problem = COALESCE($3, ''),
            attempts = CASE WHEN $3 IS NULL THEN 0 ELSE attempts + 1 END
        WHERE id = $1 AND state = $4";
    ACME_ISSUED = "UPDATE acme_orders SET state = 'issued', credential = $2, changed = $3, attempts = 0, problem = ''
        WHERE id = $1 AND state IN ('ordered', 'waiting', 'answered', 'validating')";
    ACME_FAILED = "UPDATE acme_orders SET state = 'failed', problem = $2, changed = $3
        WHERE id = $1 AND state IN ('ordered', 'waiting', 'answered', 'validating')";

    // The organisation's own CA
    ADD_AUTHORITY = "INSERT INTO house_authorities (id, role, certificate, chain, url, sealed, wrapped, master, token_key,
            created, sequence, crl_number)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)";
    AUTHORITIES = "SELECT id, role, certificate, chain, url, created, retired FROM house_authorities
        ORDER BY sequence DESC, role";
    AUTHORITY_KEY = "SELECT sealed, wrapped, master, token_key FROM house_authorities WHERE id = $1";
    RETIRE_AUTHORITY = "UPDATE house_authorities SET retired = $2 WHERE id = $1 AND retired IS NULL";
    SEALED_AUTHORITIES = "SELECT id, wrapped, master FROM house_authorities WHERE token_key IS NULL AND master <> $1
        ORDER BY id LIMIT $2";
    REWRAP_AUTHORITY = "UPDATE house_authorities SET wrapped = $2, master = $3 WHERE id = $1 AND master = $4";
    NEXT_CRL_NUMBER = "UPDATE house_authorities SET crl_number = crl_number + 1 WHERE id = $1 RETURNING crl_number";
    ADD_HOUSE_CERTIFICATE = "INSERT INTO house_certificates (authority, serial, address_key, certificate, issued,
            not_after)
        VALUES ($1, $2, $3, $4, $5, $6)";
    HOUSE_CERTIFICATE = house_certificate!("WHERE h.authority = $1 AND h.serial = $2");
    HOUSE_CERTIFICATES = house_certificate!("ORDER BY h.issued DESC, h.serial LIMIT $1");
    HOUSE_CERTIFICATES_OF = house_certificate!("WHERE h.address_key = $1 ORDER BY h.issued DESC, h.serial LIMIT $2");
    REVOKED_BY = house_certificate!("WHERE h.authority = $1 AND h.revoked IS NOT NULL ORDER BY h.revoked, h.serial");
    LATEST_REVOCATION = "SELECT MAX(revoked) FROM house_certificates WHERE authority = $1";
    REVOKE_HOUSE_CERTIFICATE = "UPDATE house_certificates SET revoked = $3, reason = $4
        WHERE authority = $1 AND serial = $2 AND revoked IS NULL";
    REVOKE_CREDENTIAL = "UPDATE credentials SET state = 'revoked', retired = COALESCE(retired, $2) WHERE fingerprint = $1";
    ANSWERS_DUE = house_certificate!("LEFT JOIN house_publications p
            ON p.authority = h.authority AND p.kind = 'ocsp' AND p.serial = h.serial
        WHERE h.authority = $1 AND h.not_after >= $2 AND (p.next_update IS NULL OR p.next_update < $3
            OR (h.revoked IS NOT NULL AND p.version = 0))
        ORDER BY h.serial LIMIT $4");
    PUBLISH = "INSERT INTO house_publications (authority, kind, serial, der, version, next_update)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (authority, kind, serial) DO UPDATE
            SET der = excluded.der, version = excluded.version, next_update = excluded.next_update
            WHERE excluded.version >= house_publications.version";
    PUBLICATION = "SELECT der, next_update FROM house_publications WHERE authority = $1 AND kind = $2 AND serial = $3";

    // Renewal and incidents
    ADD_RENEWAL_NOTICE = "INSERT INTO renewal_notices (credential, stage, at) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING";
    CREDENTIALS_TO_ANNOUNCE = credential_info!("WHERE announced IS NULL AND state = 'active' AND key_use <> 'sign'
        AND COALESCE(not_before, 0) <= $1 AND not_after >= $1 ORDER BY id LIMIT $2");
    HAS_EARLIER_CREDENTIAL = "SELECT o.id FROM credentials c JOIN credentials o ON o.address_key = c.address_key
        WHERE c.id = $1 AND o.id <> c.id AND o.key_use <> 'sign'
            AND COALESCE(o.sequence, 0) < COALESCE(c.sequence, 0) LIMIT 1";
    MARK_ANNOUNCED = "UPDATE credentials SET announced = $2 WHERE id = $1";
    PARTNERS_WRITTEN = "SELECT partner_key FROM contacts WHERE employee_key = $1 AND last_written > $2
        ORDER BY partner_key";
    RECORD_KEY_USE = "INSERT INTO key_uses (credential, partner_key, last_used)
        SELECT c.id, $3, $4 FROM credentials c WHERE c.address_key = $1 AND c.fingerprint = $2 AND EXISTS
            (SELECT 1 FROM contacts o WHERE o.employee_key = $1 AND o.partner_key = $3)
        ON CONFLICT (credential, partner_key) DO UPDATE SET last_used = excluded.last_used";
    KEY_USES_OF = "SELECT k.partner_key, c.id, c.state, k.last_used
        FROM key_uses k JOIN credentials c ON c.id = k.credential WHERE c.address_key = $1
        ORDER BY k.partner_key, k.last_used DESC, c.state";
    ADD_INCIDENT = "INSERT INTO incidents (id, name, selection, before, per_hour, opened, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ADD_INCIDENT_ITEM = "INSERT INTO incident_items (incident, credential, state, changed, detail)
        VALUES ($1, $2, 'waiting', $3, '')";
    INCIDENTS = "SELECT id, name, selection, before, per_hour, opened, closed, reason FROM incidents
        ORDER BY opened DESC, id LIMIT 100";
    INCIDENT_ITEMS = "SELECT i.state, i.request, i.replacement, i.detail, c.id, c.person, c.address_key, c.certificate,
            c.chain, c.key_use, c.state, c.created, c.retired, c.token_key
        FROM incident_items i JOIN credentials c ON c.id = i.credential WHERE i.incident = $1 ORDER BY c.not_after, c.id";
    INCIDENT_STARTED = "SELECT COUNT(*) FROM incident_items WHERE incident = $1 AND started > $2";
    SET_INCIDENT_ITEM = "UPDATE incident_items SET state = $3, changed = $4,
            started = CASE WHEN state = 'waiting' THEN $4 WHEN $3 = 'waiting' THEN NULL ELSE started END,
            request = $5, replacement = $6, detail = $7
        WHERE incident = $1 AND credential = $2";
    RETRY_INCIDENT = "UPDATE incident_items SET state = 'waiting', started = NULL, changed = $2, detail = ''
        WHERE incident = $1 AND state = 'failed'";
    CLOSE_INCIDENT = "UPDATE incidents SET closed = $2 WHERE id = $1 AND closed IS NULL";

    // Mail
    ADD_OUTBOX = "INSERT INTO outbox (id, idempotency_key, kind, sender, recipient, recipient_key, content, not_before,
            attempts, state, created)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 'waiting', $9) ON CONFLICT DO NOTHING";
    FREE_OUTBOX_KEY = "UPDATE outbox SET idempotency_key = NULL WHERE idempotency_key = $1 AND created < $2";
    OUTBOX_BY_KEY = "SELECT id FROM outbox WHERE idempotency_key = $1";
    OUTBOX_STATE = "SELECT state, lease FROM outbox WHERE id = $1";
    LEASE_OUTBOX_POSTGRES = "UPDATE outbox SET state = 'leased', lease = $2, lease_until = $3
        WHERE id IN (SELECT id FROM outbox
            WHERE (state = 'waiting' AND (not_before <= $1 OR (not_before > $5 AND (attempts > 0 OR created > $5))))
                OR (state = 'leased' AND (lease_until <= $1 OR lease_until > $5))
            ORDER BY not_before LIMIT $4 FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, sender, recipient, content, attempts, created, idempotency_key";
    LEASE_OUTBOX_SQLITE = "UPDATE outbox SET state = 'leased', lease = $2, lease_until = $3
        WHERE id IN (SELECT id FROM outbox
            WHERE (state = 'waiting' AND (not_before <= $1 OR (not_before > $5 AND (attempts > 0 OR created > $5))))
                OR (state = 'leased' AND (lease_until <= $1 OR lease_until > $5))
            ORDER BY not_before LIMIT $4)
        RETURNING id, kind, sender, recipient, content, attempts, created, idempotency_key";
    POSTPONE = "UPDATE outbox SET state = 'waiting', lease = NULL, lease_until = NULL, attempts = attempts + 1,
            not_before = $3, last_error = $4
        WHERE id = $1 AND state = 'leased' AND lease = $2";
    FINISH_OUTBOX = "UPDATE outbox SET state = $3, finished = $4, last_error = $5,
            content = CASE WHEN $3 = 'delivered' THEN NULL ELSE content END
        WHERE id = $1 AND state = 'leased' AND lease = $2";
    OUTBOX_COUNTS = "SELECT state, COUNT(*) FROM outbox GROUP BY state";
    FORGET_OUTBOX = "DELETE FROM outbox WHERE finished IS NOT NULL AND finished < $1";
    JOURNAL = "SELECT group_name, at FROM journal WHERE key = $1";
    ADD_JOURNAL = "INSERT INTO journal (key, group_name, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    FORGET_DELIVERY = "DELETE FROM journal WHERE key = $1";
    FORGET_JOURNAL = "DELETE FROM journal WHERE at < $1";
    ADD_MESSAGE = "INSERT INTO messages (id, partner_key, folder, correspondent, subject, body, octets, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    MESSAGES = message!("WHERE partner_key = $1 AND folder = $2 ORDER BY at DESC, id LIMIT $3");
    MESSAGE = message!("WHERE partner_key = $1 AND id = $2");
    MARK_READ = "UPDATE messages SET read_at = $3 WHERE partner_key = $1 AND id = $2 AND read_at IS NULL";
    MESSAGE_WITH_BODY = "SELECT id FROM messages WHERE body = $1";
    COUNT_UNREAD = "SELECT COUNT(*) FROM messages WHERE partner_key = $1 AND folder = 'inbox' AND read_at IS NULL";
    DELETE_MESSAGE = "DELETE FROM messages WHERE partner_key = $1 AND id = $2 RETURNING body";

    // Traces
    ADD_TRACE = "INSERT INTO traces
        (id, message, message_id, sender, sender_key, recipient, recipient_key, at, detail, queue_before, queue_after)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    TRACES = "SELECT message_id, sender, recipient, at, detail, queue_before, queue_after FROM traces
        WHERE message = $1 OR queue_before = $2 OR queue_after = $2 ORDER BY at, recipient_key, id LIMIT 1000";
    TRACES_OF = "SELECT message_id, sender, recipient, at, detail, queue_before, queue_after FROM traces
        WHERE recipient_key = $1 OR sender_key = $1 ORDER BY at DESC, id DESC LIMIT $2";
    // What is kept of a decision is compact JSON with keys of ours: what stands in it can be found as text.
    TRACE_COUNTS = "SELECT at - at % 86400,
            SUM(CASE WHEN detail LIKE '%\"action\":\"sign%' THEN 1 ELSE 0 END),
            SUM(CASE WHEN detail LIKE '%\"action\":\"encrypt\"%' OR detail LIKE '%\"action\":\"sign and encrypt\"%'
                OR detail LIKE '%\"action\":\"webmailer\"%' THEN 1 ELSE 0 END),
            COUNT(DISTINCT CASE WHEN detail LIKE '%\"action\":\"hold\"%' OR detail LIKE '%\"action\":\"refuse\"%'
                THEN message || ' ' || recipient_key || ' ' || COALESCE(queue_before, '') END),
            SUM(CASE WHEN detail LIKE '%\"action\":\"hold\"%' OR detail LIKE '%\"action\":\"refuse\"%' THEN 0 ELSE 1 END)
        FROM traces WHERE at >= $1 AND detail LIKE '%\"direction\":\"outward\"%' GROUP BY at - at % 86400 ORDER BY 1";
    FORGET_TRACES = "DELETE FROM traces WHERE at < $1";
    ERASE_TRACES = "DELETE FROM traces WHERE recipient_key = $1 OR sender_key = $1";
    MARK_CONFIDENTIAL = "INSERT INTO confidential_messages (message, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    CONFIDENTIAL = "SELECT at FROM confidential_messages WHERE message IN ($1, $2, $3, $4, $5, $6, $7, $8) LIMIT 1";
    FORGET_CONFIDENTIAL = "DELETE FROM confidential_messages WHERE at < $1";

    // The record
    LOCK_AUDIT_HEAD = "UPDATE audit_head SET sequence = sequence WHERE id = 1 RETURNING sequence, hash";
    SET_AUDIT_HEAD = "UPDATE audit_head SET sequence = $1, hash = $2 WHERE id = 1";
    ADD_AUDIT = "INSERT INTO audit (sequence, at, action, detail_digest, hash) VALUES ($1, $2, $3, $4, $5)";
    ADD_AUDIT_DETAIL = "INSERT INTO audit_details (sequence, salt, actor, subject, address_key, fingerprint, why)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    AUDIT_AFTER = audit!("WHERE a.sequence > $1 ORDER BY a.sequence LIMIT $2");
    AUDIT_LATEST = audit!("ORDER BY a.sequence DESC LIMIT $1");
    AUDIT_OF_ADDRESS = audit!("WHERE d.address_key = $1 ORDER BY a.sequence");
    AUDIT_OF_SUBJECT = audit!("WHERE d.subject = $1 ORDER BY a.sequence");
    AUDIT_BY_HASH = "SELECT sequence FROM audit WHERE hash = $1";

    // Erasure of a person
    ERASE_MESSAGES = "DELETE FROM messages WHERE partner_key = $1 RETURNING body";
    ERASE_REQUESTS = "DELETE FROM requests WHERE address_key = $1";
    ERASE_TOKENS = "DELETE FROM tokens WHERE address_key = $1";
    ERASE_OUTBOX = "DELETE FROM outbox WHERE recipient_key = $1";
    ERASE_CONTACTS = "DELETE FROM contacts WHERE partner_key = $1";
    ERASE_KEY_USES = "DELETE FROM key_uses WHERE partner_key = $1";
    ERASE_MAILBOX = "DELETE FROM mailboxes WHERE address_key = $1";
    ERASE_AUTHORITY_ADDRESSES = "DELETE FROM unknown_authority_addresses WHERE address_key = $1";
    ERASE_PERSON = "DELETE FROM people WHERE address_key = $1";
    ERASE_CERTIFICATES = "DELETE FROM certificates WHERE fingerprint NOT IN (SELECT fingerprint FROM requests)
        AND fingerprint IN (SELECT fingerprint FROM audit_details WHERE address_key = $1)";
    MARK_ERASED = "INSERT INTO audit_erasures (sequence, erased_by)
        SELECT sequence, $2 FROM audit_details WHERE address_key = $1";
    ERASE_AUDIT_DETAILS = "DELETE FROM audit_details WHERE address_key = $1";

    // Tokens for programs, and what was answered
    ADD_API_TOKEN = "INSERT INTO api_tokens (id, hash, person, name, scopes, created, expires)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    API_TOKEN = "SELECT id, person, name, scopes, created, expires, used, revoked FROM api_tokens
        WHERE hash = $1 AND revoked IS NULL AND expires > $2";
    API_TOKEN_BY_ID = "SELECT id, person, name, scopes, created, expires, used, revoked FROM api_tokens WHERE id = $1";
    API_TOKENS = "SELECT id, person, name, scopes, created, expires, used, revoked FROM api_tokens
        ORDER BY created DESC, id";
    API_TOKENS_OF = "SELECT id, person, name, scopes, created, expires, used, revoked FROM api_tokens
        WHERE person = $1 ORDER BY created DESC, id";
    TOUCH_API_TOKEN = "UPDATE api_tokens SET used = $2 WHERE id = $1";
    REVOKE_API_TOKENS_OF = "UPDATE api_tokens SET revoked = $2 WHERE person = $1 AND revoked IS NULL";
    REVOKE_API_TOKEN = "UPDATE api_tokens SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
    ADD_API_CALL = "INSERT INTO api_answers (token, key_hash, request, at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (token, key_hash) DO NOTHING";
    API_ANSWER = "SELECT request, answer FROM api_answers WHERE token = $1 AND key_hash = $2";
    SET_API_ANSWER = "UPDATE api_answers SET answer = $3 WHERE token = $1 AND key_hash = $2 AND answer IS NULL";
    FORGET_API_CALL = "DELETE FROM api_answers WHERE token = $1 AND key_hash = $2 AND answer IS NULL AND at <= $3";
    FORGET_API_ANSWERS = "DELETE FROM api_answers WHERE at <= $1";
    // Leases and readiness
    TAKE_LEASE = "INSERT INTO leases (name, worker, ends) VALUES ($1, $2, $4)
        ON CONFLICT (name) DO UPDATE SET worker = excluded.worker, ends = excluded.ends
        WHERE leases.ends <= $3 OR leases.ends > $4 + 86400 OR leases.worker = excluded.worker";
    RELEASE_LEASES = "DELETE FROM leases WHERE worker = $1";
    TOUCH_READINESS = "INSERT INTO leases (name, worker, ends) VALUES ('readiness', '', $1)
        ON CONFLICT (name) DO UPDATE SET ends = excluded.ends";
}

/// Where private keys are sealed: what is not sealed with a master key, and how to seal it with that.
pub(crate) const SEALED_ROWS: [(&str, &str); 4] = [
    (SEALED_ACME_ACCOUNTS, REWRAP_ACME_ACCOUNT),
    (SEALED_CREDENTIALS, REWRAP_CREDENTIAL),
    (SEALED_KEY_REQUESTS, REWRAP_KEY_REQUEST),
    (SEALED_AUTHORITIES, REWRAP_AUTHORITY),
];

/// What goes when a person is erased, in this order.
pub(crate) const ERASE: [&str; 10] = [
    ERASE_KEY_USES,
    ERASE_REQUESTS,
    ERASE_CERTIFICATES,
    ERASE_TOKENS,
    ERASE_OUTBOX,
    ERASE_CONTACTS,
    ERASE_MAILBOX,
    ERASE_AUTHORITY_ADDRESSES,
    ERASE_TRACES,
    ERASE_PERSON,
];

// The schema's own, which run before there is a schema.
pub(crate) const LOCK_SCHEMA: &str = "SELECT CAST(1 AS BIGINT) FROM pg_advisory_xact_lock(7325093141)";
pub(crate) const CREATE_SCHEMA_VERSION: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, at BIGINT NOT NULL)";
pub(crate) const SCHEMA_VERSION: &str = "SELECT MAX(version) FROM schema_version";
pub(crate) const ADD_SCHEMA_VERSION: &str = "INSERT INTO schema_version (version, at) VALUES ($1, $2)";

// What a PostgreSQL server is set to.
pub(crate) const FSYNC: &str = "SELECT current_setting('fsync')";
pub(crate) const FULL_PAGE_WRITES: &str = "SELECT current_setting('full_page_writes')";
pub(crate) const SYNCHRONOUS_COMMIT: &str = "SELECT current_setting('synchronous_commit')";

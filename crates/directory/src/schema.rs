use crate::database::{Database, values};
use crate::{Error, statements as sql};

/// Brings the database to the version of this program. Nothing is done to one that is newer (CASES R-12).
pub(crate) async fn migrate(database: &Database, now: asn1::Time) -> Result<(), Error> {
    migrate_to(database, MIGRATIONS, now).await
}

async fn migrate_to(database: &Database, migrations: &[&[&'static str]], now: asn1::Time) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    if database.is_postgres() {
        // Two processes may start at once.
        tx.fetch(sql::LOCK_SCHEMA, vec![]).await?;
    }
    tx.execute(sql::CREATE_SCHEMA_VERSION, vec![]).await?;
    let found = match tx.fetch_one(sql::SCHEMA_VERSION, vec![]).await? {
        Some(mut row) => row.optional_int()?.unwrap_or(0),
        None => 0,
    };
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Error::SchemaTooNew { found, known });
    }
    let done = usize::try_from(found).map_err(|_| Error::corrupt("the schema has a negative version"))?;
    for (index, statements) in migrations.iter().enumerate().skip(done) {
        for statement in *statements {
            tx.execute(statement, vec![]).await?;
        }
        let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
        tx.execute(sql::ADD_SCHEMA_VERSION, values![version, now]).await?;
    }
    tx.commit().await
}

/// Version n is the first n of these. What has been released is never changed, only added to.
///
/// The types are PostgreSQL's; SQLite keeps integers, texts and octets in such columns as they come.
pub(crate) const MIGRATIONS: &[&[&str]] = &[
    VERSION_1,
    KEYS,
    HOUSE_AUTHORITY,
    crate::traces::TABLES,
    crate::second_factor::TABLES,
    REVOCATION,
    crate::traces::INDEXES,
    PACKS,
    crate::api_tokens::TABLES,
    crate::acme::TABLES,
    crate::traces::QUEUE_IDS,
    crate::messages::INDEXES,
    crate::accounts::SESSION_WAYS,
    crate::passkeys::TABLES,
    crate::people::SHARES,
    DECIDED,
];

const VERSION_1: &[&str] = &[
    "CREATE TABLE people (
        id BIGINT PRIMARY KEY, address_key TEXT NOT NULL UNIQUE, address TEXT NOT NULL, name TEXT NOT NULL,
        company TEXT, language TEXT NOT NULL, roles BIGINT NOT NULL, contact BIGINT, created BIGINT NOT NULL,
        active BIGINT NOT NULL)",
    "CREATE INDEX people_of_contact ON people (contact)",
    "CREATE TABLE mailboxes (
        address_key TEXT PRIMARY KEY, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL)",
    "CREATE TABLE group_members (
        name TEXT NOT NULL, person BIGINT NOT NULL REFERENCES people (id) ON DELETE CASCADE, PRIMARY KEY (name, person))",
    "CREATE INDEX group_members_by_person ON group_members (person)",
    "CREATE TABLE contacts (
        partner_key TEXT NOT NULL, employee_key TEXT NOT NULL, last_written BIGINT NOT NULL,
        PRIMARY KEY (partner_key, employee_key))",
    // Log-in
    "CREATE TABLE accounts (
        person BIGINT PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE, password_hash TEXT NOT NULL,
        must_change BIGINT NOT NULL, changed BIGINT NOT NULL)",
    "CREATE TABLE sessions (
        hash TEXT PRIMARY KEY, person BIGINT NOT NULL REFERENCES people (id) ON DELETE CASCADE, csrf TEXT NOT NULL,
        created BIGINT NOT NULL, last_seen BIGINT NOT NULL, idle_seconds BIGINT NOT NULL, ends BIGINT NOT NULL)",
    "CREATE INDEX sessions_of_person ON sessions (person)",
    "CREATE TABLE tokens (
        hash TEXT PRIMARY KEY, purpose TEXT NOT NULL, subject BIGINT NOT NULL, address_key TEXT NOT NULL,
        created BIGINT NOT NULL, expires BIGINT NOT NULL, used BIGINT)",
    "CREATE INDEX tokens_of_address ON tokens (address_key, purpose, created)",
    "CREATE TABLE attempts (id BIGINT PRIMARY KEY, kind TEXT NOT NULL, key_hash TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX attempts_by_key ON attempts (kind, key_hash, at)",
    "CREATE INDEX attempts_by_time ON attempts (at)",
    // Certificates of the people outside
    "CREATE TABLE certificates (
        fingerprint TEXT PRIMARY KEY, der BYTEA NOT NULL, not_after BIGINT NOT NULL, stored BIGINT NOT NULL)",
    "CREATE TABLE requests (
        id BIGINT PRIMARY KEY, address_key TEXT NOT NULL, address TEXT NOT NULL,
        fingerprint TEXT NOT NULL REFERENCES certificates (fingerprint), chain BYTEA NOT NULL, state TEXT NOT NULL,
        refusal_code TEXT, refusal_detail TEXT, origin TEXT NOT NULL, submitted_by TEXT NOT NULL,
        language TEXT NOT NULL, received BIGINT NOT NULL, changed BIGINT NOT NULL, due BIGINT NOT NULL,
        not_after BIGINT NOT NULL, confirmation_sent BIGINT, confirmed BIGINT, approved_by TEXT,
        reminders BIGINT NOT NULL, escalated BIGINT NOT NULL, unknown_authority BIGINT NOT NULL, replaces TEXT,
        capabilities BYTEA, capabilities_at BIGINT)",
    "CREATE INDEX requests_of_address ON requests (address_key, state)",
    "CREATE INDEX requests_due ON requests (state, due)",
    "CREATE INDEX requests_ending ON requests (state, not_after)",
    "CREATE INDEX requests_of_certificate ON requests (fingerprint, state)",
    // CASES T-60, T-66: whatever goes wrong above, an address has one certificate in use, and a certificate is asked
    // for once at a time.
    "CREATE UNIQUE INDEX one_active_certificate ON requests (address_key) WHERE state = 'active'",
    "CREATE UNIQUE INDEX one_open_request ON requests (address_key, fingerprint)
        WHERE state IN ('received', 'checked', 'confirmed', 'approved', 'active')",
    "CREATE TABLE anchors (
        fingerprint TEXT PRIMARY KEY, der BYTEA NOT NULL, proposed_by BIGINT NOT NULL, proposed BIGINT NOT NULL,
        why TEXT NOT NULL, confirmed_by BIGINT, confirmed BIGINT)",
    "CREATE TABLE unknown_authorities (
        name_hash TEXT PRIMARY KEY, name TEXT NOT NULL, der BYTEA, first_seen BIGINT NOT NULL,
        last_seen BIGINT NOT NULL, origin TEXT NOT NULL)",
    "CREATE TABLE unknown_authority_addresses (
        name_hash TEXT NOT NULL, address_key TEXT NOT NULL, PRIMARY KEY (name_hash, address_key))",
    // Certificates and keys of the people inside
    "CREATE TABLE master_keys (
        id TEXT PRIMARY KEY, check_value BYTEA NOT NULL, created BIGINT NOT NULL, retired BIGINT)",
    "CREATE TABLE credentials (
        id BIGINT PRIMARY KEY, person BIGINT NOT NULL, address_key TEXT NOT NULL, fingerprint TEXT NOT NULL,
        certificate BYTEA NOT NULL, chain BYTEA NOT NULL, key_use TEXT NOT NULL, state TEXT NOT NULL,
        issuer_serial TEXT NOT NULL, key_identifier TEXT, sealed BYTEA NOT NULL, wrapped BYTEA NOT NULL,
        master TEXT NOT NULL, created BIGINT NOT NULL, retired BIGINT, not_after BIGINT NOT NULL)",
    "CREATE INDEX credentials_of_address ON credentials (address_key, state)",
    "CREATE UNIQUE INDEX credentials_by_certificate ON credentials (address_key, fingerprint)",
    "CREATE INDEX credentials_by_serial ON credentials (issuer_serial)",
    "CREATE INDEX credentials_by_key ON credentials (key_identifier)",
    // Mail
    "CREATE TABLE outbox (
        id BIGINT PRIMARY KEY, idempotency_key TEXT UNIQUE, kind TEXT NOT NULL, sender TEXT, recipient TEXT NOT NULL,
        recipient_key TEXT NOT NULL, content BYTEA, not_before BIGINT NOT NULL, attempts BIGINT NOT NULL,
        state TEXT NOT NULL, lease TEXT, lease_until BIGINT, created BIGINT NOT NULL, finished BIGINT, last_error TEXT)",
    "CREATE INDEX outbox_due ON outbox (state, not_before)",
    "CREATE INDEX outbox_of_recipient ON outbox (recipient_key)",
    "CREATE TABLE journal (
        key TEXT NOT NULL, group_name TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (key, group_name))",
    "CREATE INDEX journal_by_time ON journal (at)",
    "CREATE TABLE messages (
        id BIGINT PRIMARY KEY, partner_key TEXT NOT NULL, folder TEXT NOT NULL, correspondent TEXT NOT NULL,
        subject BYTEA NOT NULL, body TEXT NOT NULL, octets BIGINT NOT NULL, at BIGINT NOT NULL, read_at BIGINT)",
    "CREATE INDEX messages_of_partner ON messages (partner_key, folder, at)",
    // The record
    "CREATE TABLE audit (
        sequence BIGINT PRIMARY KEY, at BIGINT NOT NULL, action TEXT NOT NULL, detail_digest TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE)",
    "CREATE TABLE audit_details (
        sequence BIGINT PRIMARY KEY, salt TEXT NOT NULL, actor TEXT NOT NULL, subject TEXT NOT NULL,
        address_key TEXT, fingerprint TEXT, why TEXT NOT NULL)",
    "CREATE INDEX audit_details_of_address ON audit_details (address_key)",
    "CREATE INDEX audit_details_of_subject ON audit_details (subject)",
    "CREATE TABLE audit_erasures (sequence BIGINT PRIMARY KEY, erased_by BIGINT NOT NULL)",
    "CREATE TABLE audit_head (id BIGINT PRIMARY KEY, sequence BIGINT NOT NULL, hash TEXT NOT NULL)",
    "INSERT INTO audit_head (id, sequence, hash) VALUES
        (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')",
    "CREATE TABLE leases (name TEXT PRIMARY KEY, worker TEXT NOT NULL, ends BIGINT NOT NULL)",
];

/// Keys in tokens, keys that wait for their certificate, rotation of the master key.
const KEYS: &[&str] = &[
    "ALTER TABLE credentials ADD COLUMN key_hash TEXT",
    "ALTER TABLE credentials ADD COLUMN token_key TEXT",
    "ALTER TABLE credentials ADD COLUMN not_before BIGINT",
    "ALTER TABLE credentials ADD COLUMN sequence BIGINT",
    "CREATE INDEX credentials_by_public_key ON credentials (key_hash)",
    "CREATE INDEX credentials_ending ON credentials (state, not_after)",
    "ALTER TABLE master_keys ADD COLUMN sequence BIGINT",
    "CREATE TABLE master_key_holders (
        worker TEXT NOT NULL, master TEXT NOT NULL, seen BIGINT NOT NULL, PRIMARY KEY (worker, master))",
    "CREATE TABLE key_requests (
        id BIGINT PRIMARY KEY, person BIGINT NOT NULL, address_key TEXT NOT NULL, key_use TEXT NOT NULL,
        key_hash TEXT NOT NULL UNIQUE, spki BYTEA NOT NULL, request BYTEA, sealed BYTEA NOT NULL, wrapped BYTEA NOT NULL,
        master TEXT NOT NULL, token_key TEXT, created BIGINT NOT NULL, credential BIGINT)",
];

/// The organisation's own CA, renewal, incidents.
const HOUSE_AUTHORITY: &[&str] = &[
    "CREATE TABLE house_authorities (
        id BIGINT PRIMARY KEY, role TEXT NOT NULL, certificate BYTEA NOT NULL, chain BYTEA NOT NULL, url TEXT NOT NULL,
        sealed BYTEA NOT NULL, wrapped BYTEA NOT NULL, master TEXT NOT NULL, token_key TEXT, created BIGINT NOT NULL,
        retired BIGINT, sequence BIGINT NOT NULL, crl_number BIGINT NOT NULL)",
    "CREATE TABLE house_certificates (
        authority BIGINT NOT NULL, serial TEXT NOT NULL, address_key TEXT, certificate BYTEA NOT NULL,
        issued BIGINT NOT NULL, not_after BIGINT NOT NULL, revoked BIGINT, reason BIGINT,
        PRIMARY KEY (authority, serial))",
    "CREATE INDEX house_certificates_of_address ON house_certificates (address_key, issued)",
    "CREATE TABLE house_publications (
        authority BIGINT NOT NULL, kind TEXT NOT NULL, serial TEXT NOT NULL, der BYTEA NOT NULL, version BIGINT NOT NULL,
        next_update BIGINT NOT NULL, PRIMARY KEY (authority, kind, serial))",
    "CREATE TABLE renewal_notices (
        credential BIGINT NOT NULL, stage BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (credential, stage))",
    "ALTER TABLE credentials ADD COLUMN announced BIGINT",
    "CREATE TABLE key_uses (
        credential BIGINT NOT NULL, partner_key TEXT NOT NULL, last_used BIGINT NOT NULL,
        PRIMARY KEY (credential, partner_key))",
    "CREATE INDEX key_uses_of_partner ON key_uses (partner_key)",
    "CREATE TABLE incidents (
        id BIGINT PRIMARY KEY, name TEXT NOT NULL, selection TEXT NOT NULL, before BIGINT NOT NULL,
        per_hour BIGINT NOT NULL, opened BIGINT NOT NULL, closed BIGINT, reason BIGINT)",
    "CREATE TABLE incident_items (
        incident BIGINT NOT NULL, credential BIGINT NOT NULL, state TEXT NOT NULL, started BIGINT, changed BIGINT NOT NULL,
        request BIGINT, replacement BIGINT, detail TEXT NOT NULL, PRIMARY KEY (incident, credential))",
    "CREATE INDEX incident_items_by_start ON incident_items (incident, started)",
];

/// The latest decisions, without a look at all the others.
const DECIDED: &[&str] = &["CREATE INDEX requests_changed ON requests (state, changed)"];

/// What was fetched about revocation, and what it says about each request.
const REVOCATION: &[&str] = &[
    "CREATE TABLE revocation (
        key TEXT PRIMARY KEY, kind TEXT NOT NULL, uri TEXT NOT NULL, der BYTEA, this_update BIGINT, next_update BIGINT,
        fetched BIGINT, failed BIGINT, failure TEXT)",
    "CREATE INDEX revocation_ending ON revocation (next_update)",
    "ALTER TABLE requests ADD COLUMN revocation TEXT",
    "ALTER TABLE requests ADD COLUMN revocation_checked BIGINT",
    "ALTER TABLE requests ADD COLUMN revocation_until BIGINT",
    "CREATE INDEX requests_watched ON requests (state, revocation_checked)",
];

/// Signed lists of roots, trusted or not as a whole.
const PACKS: &[&str] = &[
    "CREATE TABLE packs (
        sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, der BYTEA NOT NULL, signer BYTEA NOT NULL, roots BIGINT NOT NULL,
        proposed_by BIGINT NOT NULL, proposed BIGINT NOT NULL, why TEXT NOT NULL, confirmed_by BIGINT, confirmed BIGINT)",
    "ALTER TABLE anchors ADD COLUMN pack TEXT",
    "ALTER TABLE anchors ADD COLUMN distrusted_after BIGINT",
];

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&str] = &["CREATE TABLE from_the_future (id BIGINT PRIMARY KEY)"];
    const BROKEN: &[&str] = &["CREATE TABLE half_done (id BIGINT PRIMARY KEY)", "CREATE TABLE half_done (broken"];
    const LOOK_FOR: [&str; 2] = ["SELECT id FROM from_the_future", "SELECT id FROM half_done"];

    async fn databases<F: Future<Output = ()>>(test: impl Fn(String) -> F) {
        let folder = tempfile::tempdir().unwrap();
        test(format!("sqlite:{}", folder.path().join("old.db").display())).await;
        let server = testkit::Postgres::start();
        test(server.url()).await;
    }

    async fn exists(database: &Database, sql: &'static str) -> bool {
        database.fetch(sql, vec![]).await.is_ok()
    }

    async fn version(database: &Database) -> i64 {
        database.fetch_one(sql::SCHEMA_VERSION, vec![]).await.unwrap().unwrap().int().unwrap()
    }

    #[tokio::test]
    async fn r_12_an_upgrade_that_breaks_off_changes_nothing_and_is_done_later() {
        databases(|url| async move {
            let database = Database::connect(&url).await.unwrap();
            let now = testkit::now();
            // As long as what was kept before is looked at, each version is an upgrade of its own.
            migrate_to(&database, &MIGRATIONS[..1], now).await.unwrap();
            let mail = "INSERT INTO outbox (id, kind, recipient, recipient_key, not_before, attempts, state, created)
                VALUES (7, 'reply', 'a@b.example', 'a@b.example', 0, 0, 'waiting', 0)";
            database.execute(mail, vec![]).await.unwrap();
            for known in 1..MIGRATIONS.len() {
                let broken = [&MIGRATIONS[..known], &[BROKEN]].concat();
                migrate_to(&database, &broken, now).await.unwrap_err();
                assert_eq!(version(&database).await, i64::try_from(known).unwrap());
                assert!(!exists(&database, LOOK_FOR[1]).await, "half of version {} is there", known + 1);
                migrate_to(&database, &MIGRATIONS[..=known], now).await.unwrap();
            }
            let waiting = "SELECT id FROM outbox WHERE state = 'waiting'";
            assert_eq!(database.fetch_one(waiting, vec![]).await.unwrap().unwrap().int().unwrap(), 7);
            database.close().await;
        })
        .await;
    }

    #[tokio::test]
    async fn r_12_what_a_newer_program_has_made_is_refused_and_left_as_it_is() {
        databases(|url| async move {
            let database = Database::connect(&url).await.unwrap();
            let newer = [MIGRATIONS, &[TABLE]].concat();
            migrate_to(&database, &newer, testkit::now()).await.unwrap();
            let refused = migrate(&database, testkit::now()).await.unwrap_err();
            let known = i64::try_from(MIGRATIONS.len()).unwrap();
            assert!(matches!(refused, Error::SchemaTooNew { found, known: k } if found == known + 1 && k == known));
            assert_eq!(version(&database).await, known + 1);
            assert!(exists(&database, LOOK_FOR[0]).await);
            migrate_to(&database, &newer, testkit::now()).await.unwrap();
            database.close().await;
        })
        .await;
    }

    #[tokio::test]
    async fn r_12_of_two_that_start_at_once_one_upgrades() {
        databases(|url| async move {
            let (one, two) = (Database::connect(&url).await.unwrap(), Database::connect(&url).await.unwrap());
            let (first, second) = tokio::join!(migrate(&one, testkit::now()), migrate(&two, testkit::now()));
            first.unwrap();
            second.unwrap();
            assert_eq!(version(&one).await, i64::try_from(MIGRATIONS.len()).unwrap());
            one.close().await;
            two.close().await;
        })
        .await;
    }
}

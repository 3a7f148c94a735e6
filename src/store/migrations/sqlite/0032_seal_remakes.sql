-- Orders to re-make many seals. An order says which seals are revoked and made anew, so each row carries an integrity value.
-- `looked_at` is the last seal that was looked at while seals are revoked.
CREATE TABLE seal_remakes (
    id TEXT PRIMARY KEY,
    nonce BLOB NOT NULL UNIQUE,
    division TEXT NOT NULL,
    old_maker BLOB,
    old_authority TEXT,
    old_algorithm TEXT,
    new_authority TEXT NOT NULL REFERENCES authorities (id),
    profile TEXT NOT NULL,
    new_algorithm TEXT NOT NULL,
    days INTEGER NOT NULL,
    reason TEXT NOT NULL,
    compromised_at INTEGER,
    applicant TEXT NOT NULL REFERENCES callers (id),
    applicant_key_sm3 BLOB NOT NULL,
    submitted_at INTEGER NOT NULL,
    submission_signature BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'revoking', 'making', 'finished', 'cancelled')),
    looked_at TEXT,
    begun_at INTEGER,
    revoked_at INTEGER,
    ended_at INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

-- Officers' signatures over orders. Neither an officer nor a key stands twice in one order.
CREATE TABLE seal_remake_approvals (
    remake TEXT NOT NULL REFERENCES seal_remakes (id),
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 2),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BLOB NOT NULL,
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    PRIMARY KEY (remake, number),
    UNIQUE (remake, officer),
    UNIQUE (remake, key_sm3)
) STRICT;

-- The seals of an order: how far each is, and what was taken for its successor. They say which code, key and certificate
-- belong to which seal, so each carries an integrity value. A code that was taken is not given again. No seal is in two orders.
CREATE TABLE seal_remake_seals (
    seal TEXT PRIMARY KEY REFERENCES seals (id),
    remake TEXT NOT NULL REFERENCES seal_remakes (id),
    step TEXT NOT NULL CHECK (step IN ('revoked', 'begun', 'certified', 'made', 'refused')),
    successor TEXT UNIQUE,
    code TEXT UNIQUE,
    signer_key TEXT UNIQUE,
    certificate_sm3 BLOB UNIQUE,
    refusal TEXT,
    since INTEGER NOT NULL,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((step = 'refused') = (refusal IS NOT NULL)),
    CHECK (step NOT IN ('begun', 'certified', 'made') OR code IS NOT NULL),
    CHECK (step NOT IN ('certified', 'made') OR certificate_sm3 IS NOT NULL)
) STRICT;
CREATE INDEX seal_remake_seals_by_step ON seal_remake_seals (remake, step, seal);

-- Encryption keys that are kept for their owners: which key belongs to which pair of certificates, and the envelope in which
-- it went to its owner. The private key is a row of `keys`, purpose `escrow`. Certificates are forgotten by a rule of their
-- own, so none is referred to. Each row carries an integrity value.
CREATE TABLE escrowed_keys (
    key_id TEXT PRIMARY KEY REFERENCES keys (id),
    certificate BYTEA NOT NULL UNIQUE,
    signing_certificate BYTEA NOT NULL,
    -- SM3 of the signing key as SubjectPublicKeyInfo.
    owner_key_sm3 BYTEA NOT NULL,
    recipient_sm3 BYTEA NOT NULL,
    -- Empty when the key was destroyed.
    envelope BYTEA NOT NULL,
    ends_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    destroyed_at BIGINT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);
CREATE INDEX escrowed_keys_by_end ON escrowed_keys (ends_at) WHERE destroyed_at IS NULL;
CREATE INDEX escrowed_keys_by_signing_certificate ON escrowed_keys (signing_certificate);

-- Orders to recover such a key. They give authority, so each row carries an integrity value.
CREATE TABLE key_recoveries (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES escrowed_keys (key_id),
    certificate BYTEA NOT NULL,
    owner_key_sm3 BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    reason TEXT NOT NULL,
    evidence_sm3 BYTEA NOT NULL,
    ordered_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    outcome TEXT CHECK (outcome IN ('recovered', 'refused', 'lapsed')),
    ended_at BIGINT,
    refused_by TEXT,
    refused_by_key BYTEA,
    refusal TEXT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK ((outcome IS NOT NULL AND outcome = 'refused') = (refusal IS NOT NULL))
);
CREATE INDEX key_recoveries_open ON key_recoveries (expires_at) WHERE outcome IS NULL;
CREATE INDEX key_recoveries_by_key ON key_recoveries (key_id);

-- Officers' signatures over those orders.
CREATE TABLE recovery_approvals (
    recovery TEXT NOT NULL REFERENCES key_recoveries (id),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (recovery, officer)
);

-- Which key was certified when: how long one key has been in use. Rows end with their certificates' records.
CREATE TABLE certified_keys (
    key_sm3 BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    PRIMARY KEY (key_sm3, certificate)
);
CREATE INDEX certified_keys_by_end ON certified_keys (not_after);

-- Which certificate took the place of which, and when the old one is to be revoked as superseded.
CREATE TABLE renewals (
    certificate BYTEA PRIMARY KEY,
    renewed BYTEA NOT NULL,
    renewed_at BIGINT NOT NULL,
    supersede_at BIGINT,
    settled_at BIGINT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);
CREATE INDEX renewals_by_renewed ON renewals (renewed);
CREATE INDEX renewals_due ON renewals (supersede_at) WHERE settled_at IS NULL AND supersede_at IS NOT NULL;

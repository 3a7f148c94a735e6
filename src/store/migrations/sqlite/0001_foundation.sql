-- Times are seconds since 1970, ids are text, hashes and documents are blobs.

CREATE TABLE installation (
    single INTEGER PRIMARY KEY CHECK (single = 1),
    salt BLOB NOT NULL,
    key_check BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The next event's number. Whoever writes holds this row, so numbers have no gaps.
CREATE TABLE audit_head (
    single INTEGER PRIMARY KEY CHECK (single = 1),
    next INTEGER NOT NULL CHECK (next >= 0)
) STRICT;
INSERT INTO audit_head (single, next) VALUES (1, 0);

CREATE TABLE audit_events (
    number INTEGER PRIMARY KEY,
    class INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_events_never_change BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events never change'); END;
CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events stay'); END;

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public_key BLOB NOT NULL UNIQUE,
    sealed_private BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE certificates (
    sm3 BLOB PRIMARY KEY,
    serial BLOB NOT NULL,
    subject BLOB NOT NULL,
    issuer BLOB NOT NULL,
    key_id TEXT REFERENCES keys (id),
    der BLOB NOT NULL,
    role TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    UNIQUE (issuer, serial)
) STRICT;
CREATE INDEX certificates_by_key ON certificates (key_id);
CREATE INDEX certificates_by_role ON certificates (role, issued_at);

CREATE TABLE seals (
    id TEXT PRIMARY KEY,
    es_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    seal_der BLOB NOT NULL,
    signer_key TEXT REFERENCES keys (id),
    active_since INTEGER,
    suspended_since INTEGER,
    suspension_reason TEXT,
    revoked_at INTEGER,
    revocation_reason TEXT,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

CREATE TABLE signatures (
    id TEXT PRIMARY KEY,
    seal TEXT NOT NULL REFERENCES seals (id),
    state TEXT NOT NULL CHECK (state IN ('signing', 'signed', 'abandoned')),
    document_sm3 BLOB NOT NULL,
    result_sm3 BLOB,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((state = 'signing') = (finished_at IS NULL)),
    CHECK ((state = 'signed') = (result_sm3 IS NOT NULL))
) STRICT;
CREATE INDEX signatures_open ON signatures (id) WHERE state = 'signing';

CREATE TABLE callers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key_fingerprint BLOB NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    algorithm TEXT NOT NULL,
    roles TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

CREATE TABLE nonces (
    caller TEXT NOT NULL REFERENCES callers (id),
    nonce TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (caller, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_end ON nonces (expires_at);

CREATE TABLE idempotency (
    caller TEXT NOT NULL REFERENCES callers (id),
    key TEXT NOT NULL,
    request_sm3 BLOB NOT NULL,
    status INTEGER,
    response BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key),
    CHECK ((status IS NULL) = (response IS NULL))
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
CREATE INDEX outbox_unsent ON outbox (created_at, id) WHERE sent_at IS NULL;

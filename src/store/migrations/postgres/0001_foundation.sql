-- Times are seconds since 1970, ids are text, hashes and documents are blobs.

CREATE TABLE installation (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    salt BYTEA NOT NULL,
    key_check BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- The next event's number. Whoever writes holds this row, so numbers have no gaps.
CREATE TABLE audit_head (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    next BIGINT NOT NULL CHECK (next >= 0)
);
INSERT INTO audit_head (single, next) VALUES (1, 0);

CREATE TABLE audit_events (
    number BIGINT PRIMARY KEY,
    class BIGINT NOT NULL,
    at BIGINT NOT NULL,
    event BYTEA NOT NULL
);

CREATE FUNCTION audit_events_never_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'audit events never change'; END $$;
CREATE TRIGGER audit_events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_never_change();

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public_key BYTEA NOT NULL UNIQUE,
    sealed_private BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE certificates (
    sm3 BYTEA PRIMARY KEY,
    serial BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    issuer BYTEA NOT NULL,
    key_id TEXT REFERENCES keys (id),
    der BYTEA NOT NULL,
    role TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    UNIQUE (issuer, serial)
);
CREATE INDEX certificates_by_key ON certificates (key_id);
CREATE INDEX certificates_by_role ON certificates (role, issued_at);

CREATE TABLE seals (
    id TEXT PRIMARY KEY,
    es_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    seal_der BYTEA NOT NULL,
    signer_key TEXT REFERENCES keys (id),
    active_since BIGINT,
    suspended_since BIGINT,
    suspension_reason TEXT,
    revoked_at BIGINT,
    revocation_reason TEXT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);

CREATE TABLE signatures (
    id TEXT PRIMARY KEY,
    seal TEXT NOT NULL REFERENCES seals (id),
    state TEXT NOT NULL CHECK (state IN ('signing', 'signed', 'abandoned')),
    document_sm3 BYTEA NOT NULL,
    result_sm3 BYTEA,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    CHECK ((state = 'signing') = (finished_at IS NULL)),
    CHECK ((state = 'signed') = (result_sm3 IS NOT NULL))
);
CREATE INDEX signatures_open ON signatures (id) WHERE state = 'signing';

CREATE TABLE callers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key_fingerprint BYTEA NOT NULL UNIQUE,
    public_key BYTEA NOT NULL,
    algorithm TEXT NOT NULL,
    roles TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);

CREATE TABLE nonces (
    caller TEXT NOT NULL REFERENCES callers (id),
    nonce TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (caller, nonce)
);
CREATE INDEX nonces_by_end ON nonces (expires_at);

CREATE TABLE idempotency (
    caller TEXT NOT NULL REFERENCES callers (id),
    key TEXT NOT NULL,
    request_sm3 BYTEA NOT NULL,
    status BIGINT,
    response BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, key),
    CHECK ((status IS NULL) = (response IS NULL))
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    payload BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX outbox_unsent ON outbox (created_at, id) WHERE sent_at IS NULL;

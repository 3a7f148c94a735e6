-- Certification authorities of ours. They give authority, so each row carries an integrity value.
CREATE TABLE authorities (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    certificate BLOB NOT NULL REFERENCES certificates (sm3),
    key_id TEXT NOT NULL REFERENCES keys (id),
    parent TEXT REFERENCES authorities (id),
    -- Where CRLs, certificates and OCSP answers of this authority are found: written into what it issues.
    base_url TEXT NOT NULL,
    crl_shards INTEGER NOT NULL CHECK (crl_shards BETWEEN 1 AND 65536),
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

-- What our authorities issued, with its status. `status_event` is the audit event that changed the status last: whoever
-- has seen all up to a number asks for those above it. `shard` was fixed when the certificate was issued.
CREATE TABLE issued_certificates (
    number INTEGER PRIMARY KEY,
    authority TEXT NOT NULL REFERENCES authorities (id),
    serial BLOB NOT NULL,
    sm3 BLOB NOT NULL UNIQUE,
    shard INTEGER NOT NULL,
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    der BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'revoked')),
    status_since INTEGER NOT NULL,
    status_event INTEGER,
    reason INTEGER,
    invalidity_date INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    UNIQUE (authority, serial),
    CHECK ((status = 'active') = (reason IS NULL))
) STRICT;
CREATE INDEX issued_certificates_by_end ON issued_certificates (not_after);
CREATE INDEX issued_certificates_by_subject ON issued_certificates (subject);
CREATE INDEX issued_certificates_by_status_event ON issued_certificates (status_event) WHERE status_event IS NOT NULL;
CREATE INDEX issued_certificates_by_shard ON issued_certificates (authority, shard, serial) WHERE status <> 'active';

-- Intents: what is about to be signed. `items` are serial (16 octets) and SM3 of the signed part (32), one after the other.
CREATE TABLE issuance_batches (
    id TEXT PRIMARY KEY,
    authority TEXT NOT NULL REFERENCES authorities (id),
    items BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('issuing', 'issued', 'abandoned')),
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((state = 'issuing') = (finished_at IS NULL))
) STRICT;
CREATE INDEX issuance_batches_open ON issuance_batches (id) WHERE state = 'issuing';

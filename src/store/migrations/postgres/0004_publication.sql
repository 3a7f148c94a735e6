-- Revocation lists of our authorities. A row is an intent until it has its list: full lists and deltas of one shard share
-- a series of numbers, and no number is given twice. `last_event` is the audit event up to which changes are in the list.
CREATE TABLE crls (
    authority TEXT NOT NULL REFERENCES authorities (id),
    shard BIGINT NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    number BIGINT NOT NULL CHECK (number >= 1),
    state TEXT NOT NULL CHECK (state IN ('issuing', 'issued', 'abandoned')),
    begun_at BIGINT NOT NULL,
    -- The number of the full list that a delta changes; 0 for full lists.
    base BIGINT,
    last_event BIGINT,
    entries BIGINT,
    this_update BIGINT,
    next_update BIGINT,
    sm3 BYTEA,
    der BYTEA,
    integrity BYTEA,
    PRIMARY KEY (authority, shard, number),
    CHECK ((state = 'issued') = (der IS NOT NULL))
);
CREATE INDEX crls_open ON crls (authority, shard) WHERE state = 'issuing';

-- Who signs an authority's OCSP answers. They give authority, so each row carries an integrity value.
CREATE TABLE responders (
    certificate BYTEA PRIMARY KEY REFERENCES certificates (sm3),
    authority TEXT NOT NULL REFERENCES authorities (id),
    key_id TEXT NOT NULL REFERENCES keys (id),
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);
CREATE INDEX responders_by_authority ON responders (authority, created_at);

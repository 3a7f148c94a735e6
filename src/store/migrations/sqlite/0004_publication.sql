-- Revocation lists of our authorities. A row is an intent until it has its list: full lists and deltas of one shard share
-- a series of numbers, and no number is given twice. `last_event` is the audit event up to which changes are in the list.
CREATE TABLE crls (
    authority TEXT NOT NULL REFERENCES authorities (id),
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    number INTEGER NOT NULL CHECK (number >= 1),
    state TEXT NOT NULL CHECK (state IN ('issuing', 'issued', 'abandoned')),
    begun_at INTEGER NOT NULL,
    -- The number of the full list that a delta changes; 0 for full lists.
    base INTEGER,
    last_event INTEGER,
    entries INTEGER,
    this_update INTEGER,
    next_update INTEGER,
    sm3 BLOB,
    der BLOB,
    integrity BLOB,
    PRIMARY KEY (authority, shard, number),
    CHECK ((state = 'issued') = (der IS NOT NULL))
) STRICT;
CREATE INDEX crls_open ON crls (authority, shard) WHERE state = 'issuing';

-- Who signs an authority's OCSP answers. They give authority, so each row carries an integrity value.
CREATE TABLE responders (
    certificate BLOB PRIMARY KEY REFERENCES certificates (sm3),
    authority TEXT NOT NULL REFERENCES authorities (id),
    key_id TEXT NOT NULL REFERENCES keys (id),
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;
CREATE INDEX responders_by_authority ON responders (authority, created_at);

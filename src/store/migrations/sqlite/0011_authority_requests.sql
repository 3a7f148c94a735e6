-- Authorities of ours that wait for a certificate from outside. They will give authority, so each row carries an integrity
-- value. A row is there while its authority waits, and goes when the certificate is taken in or nobody waits any more.
CREATE TABLE authority_requests (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    profile TEXT NOT NULL,
    key_id TEXT NOT NULL UNIQUE REFERENCES keys (id),
    csr BLOB NOT NULL,
    base_url TEXT NOT NULL,
    crl_shards INTEGER NOT NULL CHECK (crl_shards BETWEEN 1 AND 65536),
    created_at INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

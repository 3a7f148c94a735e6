-- Signatures of persons: each by a key and a certificate of one act. Who signs stands in the certificate, and not here.
CREATE TABLE person_signings (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('signing', 'signed', 'abandoned')),
    document_sm3 BLOB NOT NULL,
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 5),
    certificate_sm3 BLOB,
    result_sm3 BLOB,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((state = 'signing') = (finished_at IS NULL)),
    CHECK ((state = 'signed') = (result_sm3 IS NOT NULL)),
    CHECK ((state = 'signed') = (certificate_sm3 IS NOT NULL))
) STRICT;
CREATE INDEX person_signings_open ON person_signings (id) WHERE state = 'signing';

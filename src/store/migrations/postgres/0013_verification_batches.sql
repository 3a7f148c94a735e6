-- Files that a caller has verified together, in the background. Their content lies in the folder of the service; a batch is
-- forgotten with everything that belongs to it, when its owner says so or its time is over.
CREATE TABLE verification_batches (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES callers (id),
    idempotency_key TEXT NOT NULL,
    policy TEXT NOT NULL,
    judged_as_of BIGINT,
    state TEXT NOT NULL CHECK (state IN ('open', 'running', 'finished')),
    created_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    UNIQUE (owner, idempotency_key)
);

CREATE TABLE verification_batch_files (
    batch TEXT NOT NULL REFERENCES verification_batches (id),
    position BIGINT NOT NULL CHECK (position > 0),
    name TEXT NOT NULL,
    file_sm3 BYTEA NOT NULL,
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    -- What a detached signature signs: its SM3 where it lies beside the file, or the digest that was told.
    original_sm3 BYTEA,
    original_digest TEXT,
    indication TEXT,
    report BYTEA,
    PRIMARY KEY (batch, position),
    UNIQUE (batch, name),
    CHECK (original_sm3 IS NULL OR original_digest IS NULL),
    CHECK (report IS NULL OR indication IS NOT NULL)
);

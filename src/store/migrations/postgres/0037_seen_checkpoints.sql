-- Cosigned checkpoints that stay: one of each tree in ten minutes at most, with all cosignatures of its size. What they hold
-- existed at the times that their witnesses wrote there.
CREATE TABLE log_seen (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 2),
    size BIGINT NOT NULL CHECK (size >= 0),
    witness TEXT NOT NULL,
    at BIGINT NOT NULL,
    note BYTEA NOT NULL,
    PRIMARY KEY (kind, size, witness)
);
CREATE INDEX log_seen_at ON log_seen (kind, at);

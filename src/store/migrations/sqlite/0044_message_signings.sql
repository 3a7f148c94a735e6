-- Messages that were signed for callers by keys of theirs that lie here. Who and what stands in the audit log.
CREATE TABLE message_signings (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('signing', 'signed', 'abandoned')),
    key_id TEXT NOT NULL,
    form TEXT NOT NULL,
    result_sm3 BLOB,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((state = 'signing') = (finished_at IS NULL)),
    CHECK ((state = 'signed') = (result_sm3 IS NOT NULL))
) STRICT;
CREATE INDEX message_signings_open ON message_signings (id) WHERE state = 'signing';

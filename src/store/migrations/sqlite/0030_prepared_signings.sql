-- Signings whose key lies with the client: what was prepared waits here for the client's value. The row says what a value
-- releases, so it carries an integrity value. `document` is what came, until the end; `result` what left, so that the same
-- answer can be given again. The place is kept by the bits of its numbers.
CREATE TABLE prepared_signings (
    signature TEXT PRIMARY KEY REFERENCES signatures (id),
    seal TEXT NOT NULL REFERENCES seals (id),
    caller TEXT,
    document BLOB,
    document_sm3 BLOB NOT NULL,
    page INTEGER NOT NULL,
    x_bits INTEGER NOT NULL,
    y_bits INTEGER NOT NULL,
    locks INTEGER NOT NULL CHECK (locks IN (0, 1)),
    to_sign_sm3 BLOB NOT NULL,
    prepared_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    value_sm3 BLOB,
    result BLOB,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((ended_at IS NULL) = (document IS NOT NULL))
) STRICT;
CREATE INDEX prepared_signings_open ON prepared_signings (expires_at) WHERE ended_at IS NULL;
CREATE INDEX prepared_signings_kept ON prepared_signings (ended_at) WHERE result IS NOT NULL;

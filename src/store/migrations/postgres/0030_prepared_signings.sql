-- Signings whose key lies with the client: what was prepared waits here for the client's value. The row says what a value
-- releases, so it carries an integrity value. `document` is what came, until the end; `result` what left, so that the same
-- answer can be given again. The place is kept by the bits of its numbers.
CREATE TABLE prepared_signings (
    signature TEXT PRIMARY KEY REFERENCES signatures (id),
    seal TEXT NOT NULL REFERENCES seals (id),
    caller TEXT,
    document BYTEA,
    document_sm3 BYTEA NOT NULL,
    page BIGINT NOT NULL,
    x_bits BIGINT NOT NULL,
    y_bits BIGINT NOT NULL,
    locks BIGINT NOT NULL CHECK (locks IN (0, 1)),
    to_sign_sm3 BYTEA NOT NULL,
    prepared_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    value_sm3 BYTEA,
    result BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((ended_at IS NULL) = (document IS NOT NULL))
);
CREATE INDEX prepared_signings_open ON prepared_signings (expires_at) WHERE ended_at IS NULL;
CREATE INDEX prepared_signings_kept ON prepared_signings (ended_at) WHERE result IS NOT NULL;

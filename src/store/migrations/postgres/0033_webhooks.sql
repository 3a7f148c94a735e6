-- Receivers of notices of state changes: where each stands in the log, and how far the notice of its next event is. They give no
-- authority: what a notice says is read from its event and from rows that carry integrity values.
CREATE TABLE webhook_places (
    receiver TEXT PRIMARY KEY,
    next BIGINT NOT NULL CHECK (next >= 0),
    attempts BIGINT NOT NULL,
    since BIGINT,
    next_at BIGINT,
    alarmed_at BIGINT,
    version BIGINT NOT NULL,
    CHECK ((attempts > 0) = (since IS NOT NULL) AND (attempts > 0) = (next_at IS NOT NULL))
);

-- Notices that were given up, until one of them is delivered after all. `body` is what was sent, where it could be written;
-- `resending` says that somebody wants it sent again, and from `attempts` on how far that is.
CREATE TABLE dead_notices (
    receiver TEXT NOT NULL,
    event BIGINT NOT NULL,
    type TEXT NOT NULL,
    body TEXT,
    refusal TEXT NOT NULL,
    sent BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    given_up_at BIGINT NOT NULL,
    resending BIGINT NOT NULL CHECK (resending IN (0, 1)),
    attempts BIGINT NOT NULL,
    since BIGINT,
    next_at BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (receiver, event),
    CHECK ((attempts > 0) = (since IS NOT NULL) AND (attempts > 0) = (next_at IS NOT NULL)),
    CHECK (resending = 1 OR attempts = 0)
);
CREATE INDEX dead_notices_resending ON dead_notices (receiver, event) WHERE resending = 1;

-- Receivers of notices of state changes: where each stands in the log, and how far the notice of its next event is. They give no
-- authority: what a notice says is read from its event and from rows that carry integrity values.
CREATE TABLE webhook_places (
    receiver TEXT PRIMARY KEY,
    next INTEGER NOT NULL CHECK (next >= 0),
    attempts INTEGER NOT NULL,
    since INTEGER,
    next_at INTEGER,
    alarmed_at INTEGER,
    version INTEGER NOT NULL,
    CHECK ((attempts > 0) = (since IS NOT NULL) AND (attempts > 0) = (next_at IS NOT NULL))
) STRICT;

-- Notices that were given up, until one of them is delivered after all. `body` is what was sent, where it could be written;
-- `resending` says that somebody wants it sent again, and from `attempts` on how far that is.
CREATE TABLE dead_notices (
    receiver TEXT NOT NULL,
    event INTEGER NOT NULL,
    type TEXT NOT NULL,
    body TEXT,
    refusal TEXT NOT NULL,
    sent INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    given_up_at INTEGER NOT NULL,
    resending INTEGER NOT NULL CHECK (resending IN (0, 1)),
    attempts INTEGER NOT NULL,
    since INTEGER,
    next_at INTEGER,
    version INTEGER NOT NULL,
    PRIMARY KEY (receiver, event),
    CHECK ((attempts > 0) = (since IS NOT NULL) AND (attempts > 0) = (next_at IS NOT NULL)),
    CHECK (resending = 1 OR attempts = 0)
) STRICT;
CREATE INDEX dead_notices_resending ON dead_notices (receiver, event) WHERE resending = 1;

-- Trust lists as they came, with what officers approved. They say whom we trust, so each row carries an integrity value,
-- over its approvals too. One version of a list is in force.
CREATE TABLE trust_lists (
    list_sm3 BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    replaces BLOB,
    by_paper INTEGER NOT NULL CHECK (by_paper IN (0, 1)),
    -- The list above that introduced it.
    above TEXT,
    file BLOB NOT NULL,
    -- Certificates and revocation lists that came with it.
    evidence BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('imported', 'active', 'superseded', 'refused')),
    imported_at INTEGER NOT NULL,
    since INTEGER,
    ended_at INTEGER,
    ended_by TEXT REFERENCES callers (id),
    end_signature BLOB,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((state IN ('active', 'superseded')) = (since IS NOT NULL)),
    CHECK ((state IN ('superseded', 'refused')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'refused') = (ended_by IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX trust_lists_active ON trust_lists (name) WHERE state = 'active';
CREATE INDEX trust_lists_by_name ON trust_lists (name, number);

-- Officers' signatures over lists. Neither an officer nor a key stands twice at one list.
CREATE TABLE trust_list_approvals (
    list_sm3 BLOB NOT NULL REFERENCES trust_lists (list_sm3),
    position INTEGER NOT NULL,
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BLOB NOT NULL,
    compared INTEGER NOT NULL CHECK (compared IN (0, 1)),
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (list_sm3, position),
    UNIQUE (list_sm3, officer),
    UNIQUE (list_sm3, key_sm3)
) STRICT;

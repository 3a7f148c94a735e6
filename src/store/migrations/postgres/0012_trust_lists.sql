-- Trust lists as they came, with what officers approved. They say whom we trust, so each row carries an integrity value,
-- over its approvals too. One version of a list is in force.
CREATE TABLE trust_lists (
    list_sm3 BYTEA PRIMARY KEY,
    name TEXT NOT NULL,
    number BIGINT NOT NULL CHECK (number > 0),
    replaces BYTEA,
    by_paper BIGINT NOT NULL CHECK (by_paper IN (0, 1)),
    -- The list above that introduced it.
    above TEXT,
    file BYTEA NOT NULL,
    -- Certificates and revocation lists that came with it.
    evidence BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('imported', 'active', 'superseded', 'refused')),
    imported_at BIGINT NOT NULL,
    since BIGINT,
    ended_at BIGINT,
    ended_by TEXT REFERENCES callers (id),
    end_signature BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((state IN ('active', 'superseded')) = (since IS NOT NULL)),
    CHECK ((state IN ('superseded', 'refused')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'refused') = (ended_by IS NOT NULL))
);
CREATE UNIQUE INDEX trust_lists_active ON trust_lists (name) WHERE state = 'active';
CREATE INDEX trust_lists_by_name ON trust_lists (name, number);

-- Officers' signatures over lists. Neither an officer nor a key stands twice at one list.
CREATE TABLE trust_list_approvals (
    list_sm3 BYTEA NOT NULL REFERENCES trust_lists (list_sm3),
    position BIGINT NOT NULL,
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BYTEA NOT NULL,
    compared BIGINT NOT NULL CHECK (compared IN (0, 1)),
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (list_sm3, position),
    UNIQUE (list_sm3, officer),
    UNIQUE (list_sm3, key_sm3)
);

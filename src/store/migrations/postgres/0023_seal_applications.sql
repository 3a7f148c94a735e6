-- Officers of seals: callers who enter, check and approve applications for seals, each for a division and all that lie in
-- it. They give authority, so each row carries an integrity value. One row for one caller; a dismissed officer's row stays.
CREATE TABLE seal_officers (
    caller TEXT PRIMARY KEY REFERENCES callers (id),
    role TEXT NOT NULL CHECK (role IN ('applicant', 'checker', 'approver')),
    division TEXT NOT NULL,
    since BIGINT NOT NULL,
    ended_at BIGINT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);

-- Codes of seals that were assigned to a division, and the number that is given next: it goes on, never back.
CREATE TABLE seal_code_ranges (
    division TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    next BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (division, first),
    CHECK (first >= 1 AND first <= last AND last <= 99999999 AND next >= first AND next <= last + 1)
);

-- Applications for seals, and for what changes them, on their way. An application says who may have a seal, so each row
-- carries an integrity value, over its approvals too. `since` is when it moved last. `documents` is the SM3 of each document,
-- one behind another; the columns from `kind` to `filing` are there where something is to be made.
CREATE TABLE seal_applications (
    id TEXT PRIMARY KEY,
    nonce BYTEA NOT NULL UNIQUE,
    purpose TEXT NOT NULL CHECK (purpose IN ('make', 'replace', 'resume', 'revoke')),
    seal TEXT REFERENCES seals (id),
    seal_reason TEXT,
    kind BIGINT,
    name TEXT,
    credit_code TEXT,
    holder TEXT,
    holder_division TEXT,
    keeper TEXT REFERENCES callers (id),
    picture_sm3 BYTEA,
    width BIGINT,
    height BIGINT,
    form TEXT,
    list TEXT,
    signer_key TEXT REFERENCES keys (id),
    csr BYTEA,
    authority TEXT REFERENCES authorities (id),
    profile TEXT,
    days BIGINT,
    filing TEXT,
    division TEXT NOT NULL,
    documents BYTEA NOT NULL,
    applicant TEXT NOT NULL REFERENCES callers (id),
    applicant_key_sm3 BYTEA NOT NULL,
    submitted_at BIGINT NOT NULL,
    submission_signature BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'checked', 'approved', 'fulfilled', 'refused', 'withdrawn')),
    since BIGINT NOT NULL,
    checked_by TEXT REFERENCES callers (id),
    checked_key_sm3 BYTEA,
    checked_at BIGINT,
    check_signature BYTEA,
    ended_by TEXT REFERENCES callers (id),
    ended_key_sm3 BYTEA,
    end_signature BYTEA,
    reason TEXT,
    explanation TEXT,
    result_sm3 BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((purpose = 'make') = (seal IS NULL)),
    CHECK ((purpose = 'revoke') = (seal_reason IS NOT NULL)),
    CHECK ((purpose IN ('make', 'replace')) = (credit_code IS NOT NULL)),
    CHECK ((state = 'fulfilled') = (result_sm3 IS NOT NULL)),
    CHECK ((state IN ('refused', 'withdrawn')) = (reason IS NOT NULL)),
    CHECK (state NOT IN ('checked', 'approved', 'fulfilled') OR checked_by IS NOT NULL)
);
CREATE INDEX seal_applications_by_state ON seal_applications (state, id);
CREATE INDEX seal_applications_by_holder ON seal_applications (credit_code, id);
CREATE INDEX seal_applications_open ON seal_applications (since) WHERE state IN ('submitted', 'checked', 'approved');

-- Officers' signatures over applications. Neither an officer nor a key stands twice in one application.
CREATE TABLE seal_application_approvals (
    application TEXT NOT NULL REFERENCES seal_applications (id),
    number BIGINT NOT NULL CHECK (number BETWEEN 1 AND 16),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (application, number),
    UNIQUE (application, officer),
    UNIQUE (application, key_sm3)
);

-- What came with an application: its picture (number 0) and its documents (from 1). No integrity value of their own: the
-- application's covers the SM3 of each.
CREATE TABLE seal_application_files (
    application TEXT NOT NULL REFERENCES seal_applications (id),
    number BIGINT NOT NULL CHECK (number BETWEEN 0 AND 32),
    octets BYTEA NOT NULL,
    PRIMARY KEY (application, number)
);

-- Seals that are about to be made: the code that was taken for an application, and the signer's certificate once it is
-- there. Whatever becomes of the application, the row stays: its code is not given again.
CREATE TABLE seal_makings (
    application TEXT PRIMARY KEY REFERENCES seal_applications (id),
    seal TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL UNIQUE,
    certificate_sm3 BYTEA UNIQUE,
    begun_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);

-- What is known of each seal that was made for an application, beside the seal itself.
CREATE TABLE seal_records (
    seal TEXT PRIMARY KEY REFERENCES seals (id),
    code TEXT NOT NULL UNIQUE,
    filing TEXT,
    kind BIGINT NOT NULL,
    name TEXT NOT NULL,
    credit_code TEXT NOT NULL,
    holder TEXT NOT NULL,
    holder_division TEXT NOT NULL,
    keeper TEXT NOT NULL REFERENCES callers (id),
    application TEXT NOT NULL UNIQUE REFERENCES seal_applications (id),
    predecessor TEXT UNIQUE REFERENCES seals (id),
    certificate_sm3 BYTEA NOT NULL UNIQUE,
    valid_to BIGINT NOT NULL,
    delivered_at BIGINT,
    delivery_signature BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);
CREATE INDEX seal_records_by_holder ON seal_records (credit_code, seal);
CREATE INDEX seal_records_by_division ON seal_records (holder_division, seal);

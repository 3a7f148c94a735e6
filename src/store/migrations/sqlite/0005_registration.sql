-- Officers of certificates: callers who enter, check and approve requests. They give authority, so each row carries an
-- integrity value. One row for one caller; a dismissed officer's row stays.
CREATE TABLE officers (
    caller TEXT PRIMARY KEY REFERENCES callers (id),
    role TEXT NOT NULL CHECK (role IN ('applicant', 'checker', 'approver')),
    since INTEGER NOT NULL,
    ended_at INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

-- Requests for certificates on their way. A request says who may have a certificate, so each row carries an integrity
-- value, over its approvals too. `since` is when it moved last; what an officer signed stands beside each step.
CREATE TABLE certificate_requests (
    id TEXT PRIMARY KEY,
    nonce BLOB NOT NULL UNIQUE,
    authority TEXT NOT NULL REFERENCES authorities (id),
    profile TEXT NOT NULL,
    subject BLOB NOT NULL,
    alternative_names BLOB NOT NULL,
    public_key BLOB NOT NULL,
    not_after INTEGER,
    evidence_sm3 BLOB NOT NULL,
    applicant TEXT NOT NULL REFERENCES callers (id),
    applicant_key_sm3 BLOB NOT NULL,
    submitted_at INTEGER NOT NULL,
    csr BLOB NOT NULL,
    submission_signature BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'checked', 'approved', 'issued', 'refused', 'withdrawn')),
    since INTEGER NOT NULL,
    checked_by TEXT REFERENCES callers (id),
    checked_key_sm3 BLOB,
    checked_at INTEGER,
    check_signature BLOB,
    ended_by TEXT REFERENCES callers (id),
    ended_key_sm3 BLOB,
    end_signature BLOB,
    reason TEXT,
    explanation TEXT,
    -- The certificate's own row may be forgotten before.
    certificate_sm3 BLOB UNIQUE,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((state = 'issued') = (certificate_sm3 IS NOT NULL)),
    CHECK ((state IN ('refused', 'withdrawn')) = (reason IS NOT NULL)),
    CHECK (state NOT IN ('checked', 'approved', 'issued') OR checked_by IS NOT NULL)
) STRICT;
CREATE INDEX certificate_requests_by_state ON certificate_requests (state, id);
CREATE INDEX certificate_requests_open ON certificate_requests (since) WHERE state IN ('submitted', 'checked', 'approved');
CREATE INDEX certificate_requests_ended ON certificate_requests (since) WHERE state IN ('issued', 'refused', 'withdrawn');

-- Officers' signatures over requests. Neither an officer nor a key stands twice in one request.
CREATE TABLE request_approvals (
    request TEXT NOT NULL REFERENCES certificate_requests (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 16),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BLOB NOT NULL,
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    PRIMARY KEY (request, number),
    UNIQUE (request, officer),
    UNIQUE (request, key_sm3)
) STRICT;

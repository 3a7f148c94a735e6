-- Officers of certificates: callers who enter, check and approve requests. They give authority, so each row carries an
-- integrity value. One row for one caller; a dismissed officer's row stays.
CREATE TABLE officers (
    caller TEXT PRIMARY KEY REFERENCES callers (id),
    role TEXT NOT NULL CHECK (role IN ('applicant', 'checker', 'approver')),
    since BIGINT NOT NULL,
    ended_at BIGINT,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);

-- Requests for certificates on their way. A request says who may have a certificate, so each row carries an integrity
-- value, over its approvals too. `since` is when it moved last; what an officer signed stands beside each step.
CREATE TABLE certificate_requests (
    id TEXT PRIMARY KEY,
    nonce BYTEA NOT NULL UNIQUE,
    authority TEXT NOT NULL REFERENCES authorities (id),
    profile TEXT NOT NULL,
    subject BYTEA NOT NULL,
    alternative_names BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    not_after BIGINT,
    evidence_sm3 BYTEA NOT NULL,
    applicant TEXT NOT NULL REFERENCES callers (id),
    applicant_key_sm3 BYTEA NOT NULL,
    submitted_at BIGINT NOT NULL,
    csr BYTEA NOT NULL,
    submission_signature BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'checked', 'approved', 'issued', 'refused', 'withdrawn')),
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
    -- The certificate's own row may be forgotten before.
    certificate_sm3 BYTEA UNIQUE,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((state = 'issued') = (certificate_sm3 IS NOT NULL)),
    CHECK ((state IN ('refused', 'withdrawn')) = (reason IS NOT NULL)),
    CHECK (state NOT IN ('checked', 'approved', 'issued') OR checked_by IS NOT NULL)
);
CREATE INDEX certificate_requests_by_state ON certificate_requests (state, id);
CREATE INDEX certificate_requests_open ON certificate_requests (since) WHERE state IN ('submitted', 'checked', 'approved');
CREATE INDEX certificate_requests_ended ON certificate_requests (since) WHERE state IN ('issued', 'refused', 'withdrawn');

-- Officers' signatures over requests. Neither an officer nor a key stands twice in one request.
CREATE TABLE request_approvals (
    request TEXT NOT NULL REFERENCES certificate_requests (id) ON DELETE CASCADE,
    number BIGINT NOT NULL CHECK (number BETWEEN 1 AND 16),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (request, number),
    UNIQUE (request, officer),
    UNIQUE (request, key_sm3)
);

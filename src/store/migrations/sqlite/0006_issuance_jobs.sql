-- Jobs that issue many certificates. A job is an order to issue, so each row carries an integrity value. `lease` grows
-- with every change of hands: who holds an older one keeps nothing more.
CREATE TABLE issuance_jobs (
    id TEXT PRIMARY KEY,
    authority TEXT NOT NULL REFERENCES authorities (id),
    profile TEXT NOT NULL,
    -- SM3 of the file as it came.
    rows_sm3 BLOB NOT NULL,
    row_count INTEGER NOT NULL CHECK (row_count >= 1),
    -- Nothing where somebody at the machine submitted it; else a caller, in the roles of that moment.
    created_by TEXT,
    created_roles TEXT,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'cancelled')),
    state_since INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    lease_until INTEGER,
    pause_reason TEXT,
    issued INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((created_by IS NULL) = (created_roles IS NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CHECK (issued >= 0 AND refused >= 0 AND issued + refused <= row_count)
) STRICT;
CREATE INDEX issuance_jobs_open ON issuance_jobs (id) WHERE state IN ('waiting', 'running', 'paused');

-- What is ordered, one row a certificate. They never change, and each carries an integrity value.
CREATE TABLE issuance_job_rows (
    job TEXT NOT NULL REFERENCES issuance_jobs (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    integrity BLOB NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- What came of a row: there is none, or one, written in the transaction that keeps the certificate. Records of certificates
-- are forgotten by a rule of their own, so none is referred to.
CREATE TABLE issuance_job_results (
    job TEXT NOT NULL,
    number INTEGER NOT NULL,
    certificate BLOB,
    refusal TEXT,
    reason TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (job, number),
    FOREIGN KEY (job, number) REFERENCES issuance_job_rows (job, number),
    CHECK ((certificate IS NULL) = (refusal IS NOT NULL)),
    CHECK ((refusal IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;

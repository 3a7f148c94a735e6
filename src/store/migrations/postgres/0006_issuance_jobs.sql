-- Jobs that issue many certificates. A job is an order to issue, so each row carries an integrity value. `lease` grows
-- with every change of hands: who holds an older one keeps nothing more.
CREATE TABLE issuance_jobs (
    id TEXT PRIMARY KEY,
    authority TEXT NOT NULL REFERENCES authorities (id),
    profile TEXT NOT NULL,
    -- SM3 of the file as it came.
    rows_sm3 BYTEA NOT NULL,
    row_count BIGINT NOT NULL CHECK (row_count >= 1),
    -- Nothing where somebody at the machine submitted it; else a caller, in the roles of that moment.
    created_by TEXT,
    created_roles TEXT,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'cancelled')),
    state_since BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    lease_until BIGINT,
    pause_reason TEXT,
    issued BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((created_by IS NULL) = (created_roles IS NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CHECK (issued >= 0 AND refused >= 0 AND issued + refused <= row_count)
);
CREATE INDEX issuance_jobs_open ON issuance_jobs (id) WHERE state IN ('waiting', 'running', 'paused');

-- What is ordered, one row a certificate. They never change, and each carries an integrity value.
CREATE TABLE issuance_job_rows (
    job TEXT NOT NULL REFERENCES issuance_jobs (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    name TEXT NOT NULL,
    content BYTEA NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (job, number)
);

-- What came of a row: there is none, or one, written in the transaction that keeps the certificate. Records of certificates
-- are forgotten by a rule of their own, so none is referred to.
CREATE TABLE issuance_job_results (
    job TEXT NOT NULL,
    number BIGINT NOT NULL,
    certificate BYTEA,
    refusal TEXT,
    reason TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (job, number),
    FOREIGN KEY (job, number) REFERENCES issuance_job_rows (job, number),
    CHECK ((certificate IS NULL) = (refusal IS NOT NULL)),
    CHECK ((refusal IS NULL) = (reason IS NULL))
);

-- A request may be for a pair of certificates: this names the profile of its encryption certificate. The integrity value of
-- the row covers it where it is there.
ALTER TABLE certificate_requests ADD COLUMN encryption_profile TEXT;

-- Officers' signatures over jobs: the check has number 0, approvals follow. They let a job begin, so each row carries an
-- integrity value. Neither an officer nor a key stands twice at one job.
CREATE TABLE issuance_job_approvals (
    job TEXT NOT NULL REFERENCES issuance_jobs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL CHECK (number BETWEEN 0 AND 16),
    officer TEXT NOT NULL REFERENCES callers (id),
    key_sm3 BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (job, number),
    UNIQUE (job, officer),
    UNIQUE (job, key_sm3)
);

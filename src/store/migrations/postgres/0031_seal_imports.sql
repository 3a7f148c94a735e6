-- What is known of each seal that has no application: taken in with others from elsewhere (origin 'import'), or made in the
-- place of another by a job that re-makes many ('remake'). Beside that as in seal_records; it says who answers for a seal, so
-- each row carries an integrity value. Seals from elsewhere may share one signer's certificate.
CREATE TABLE further_seal_records (
    seal TEXT PRIMARY KEY REFERENCES seals (id),
    code TEXT NOT NULL UNIQUE,
    filing TEXT,
    kind BIGINT NOT NULL,
    name TEXT NOT NULL,
    credit_code TEXT NOT NULL,
    holder TEXT NOT NULL,
    holder_division TEXT NOT NULL,
    keeper TEXT NOT NULL REFERENCES callers (id),
    origin TEXT NOT NULL CHECK (origin IN ('import', 'remake')),
    job TEXT NOT NULL,
    predecessor TEXT UNIQUE REFERENCES seals (id),
    certificate_sm3 BYTEA NOT NULL,
    valid_to BIGINT NOT NULL,
    delivered_at BIGINT,
    delivery_signature BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL
);
CREATE INDEX further_seal_records_by_holder ON further_seal_records (credit_code, seal);
CREATE INDEX further_seal_records_by_division ON further_seal_records (holder_division, seal);

-- Tables of seals that are taken in: which one, and what came of each record. They tell what happened and give nothing, so
-- they carry no integrity value: the audit log has an event of each seal that was taken in.
CREATE TABLE seal_imports (
    id TEXT PRIMARY KEY,
    table_sm3 BYTEA NOT NULL,
    records BIGINT NOT NULL CHECK (records >= 1),
    begun_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE UNIQUE INDEX seal_imports_open ON seal_imports (table_sm3) WHERE finished_at IS NULL;
CREATE TABLE seal_import_records (
    import TEXT NOT NULL REFERENCES seal_imports (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    outcome TEXT NOT NULL CHECK (outcome IN ('imported', 'conflict', 'rejected')),
    code TEXT,
    es_id TEXT,
    seal TEXT REFERENCES seals (id),
    PRIMARY KEY (import, number),
    CHECK ((outcome = 'imported') = (code IS NULL)),
    CHECK (outcome <> 'imported' OR seal IS NOT NULL)
);

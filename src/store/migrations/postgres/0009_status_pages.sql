-- What revocation lists name, packed: 49 octets for each certificate that is on hold or revoked, 64 of them to a page. A list
-- of a million entries is read from some 16 000 rows. Each page and the head of each shard carry an integrity value; the head
-- counts entries and versions of all its pages, so that a page taken away or put back is noticed.
CREATE TABLE revocation_pages (
    authority TEXT NOT NULL REFERENCES authorities (id),
    shard BIGINT NOT NULL,
    page BIGINT NOT NULL,
    entries BYTEA NOT NULL,
    -- Of all its entries: the latest end of validity, and the last audit event.
    last_end BIGINT NOT NULL,
    last_event BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (authority, shard, page)
);
CREATE INDEX revocation_pages_by_end ON revocation_pages (authority, shard, last_end);

CREATE TABLE revocation_heads (
    authority TEXT NOT NULL REFERENCES authorities (id),
    shard BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    versions BIGINT NOT NULL,
    next_page BIGINT NOT NULL,
    last_event BIGINT NOT NULL,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    PRIMARY KEY (authority, shard)
);

-- Where a certificate stands in the pages; nothing where it does not. Only a hint: what is found there names itself.
ALTER TABLE issued_certificates ADD COLUMN revocation_page BIGINT;
CREATE INDEX issued_certificates_by_shard_event ON issued_certificates (authority, shard, status_event);

-- Told once for each certificate and each of its days: it ends within so many days. Gone a while after its end.
CREATE TABLE expiry_alerts (
    certificate BYTEA NOT NULL,
    days BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('authority', 'certificate')),
    authority TEXT NOT NULL REFERENCES authorities (id),
    not_after BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    PRIMARY KEY (certificate, days)
);
CREATE INDEX expiry_alerts_by_end ON expiry_alerts (not_after);

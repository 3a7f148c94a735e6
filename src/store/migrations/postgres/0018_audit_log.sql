-- The salt of each event's commitment (docs/formats/audit-leaf.md). An event that an older program wrote has none until the
-- sequencer gives it one; from then on it never changes.
ALTER TABLE audit_events ADD COLUMN salt BYTEA CHECK (salt IS NULL OR length(salt) = 32);

-- Which events went with their salts, and when: their leaves stay. An event goes only after this says so.
CREATE TABLE audit_erasures (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL
);

DROP TRIGGER audit_events_never_change ON audit_events;
CREATE FUNCTION audit_salts_never_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'audit salts never change'; END $$;
CREATE FUNCTION audit_events_stay() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_erasures WHERE number = OLD.number) THEN
        RAISE EXCEPTION 'audit events stay';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER audit_events_never_change BEFORE UPDATE OF number, class, at, event ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_never_change();
CREATE TRIGGER audit_events_never_vanish BEFORE TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_never_change();
CREATE TRIGGER audit_salts_never_change BEFORE UPDATE OF salt ON audit_events
FOR EACH ROW WHEN (OLD.salt IS NOT NULL) EXECUTE FUNCTION audit_salts_never_change();
CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
FOR EACH ROW EXECUTE FUNCTION audit_events_stay();

-- The tree that was signed last. Whoever signs the next one changes this row from the size that it knows.
CREATE TABLE log_head (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    origin TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    signed_at BIGINT NOT NULL,
    sm3_note BYTEA NOT NULL,
    sha256_note BYTEA
);
CREATE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'the log only grows'; END $$;
CREATE TRIGGER log_head_grows BEFORE UPDATE ON log_head
FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.origin <> OLD.origin) EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER log_head_stays BEFORE DELETE OR TRUNCATE ON log_head
FOR EACH STATEMENT EXECUTE FUNCTION log_only_grows();

-- Tiles: 0 the entries, 1 the tree of SM3, 2 that of SHA-256. A row holds the widest form of its tile; narrower ones are its
-- beginning.
CREATE TABLE log_tiles (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 2),
    level BIGINT NOT NULL CHECK (level BETWEEN 0 AND 7),
    number BIGINT NOT NULL CHECK (number >= 0),
    width BIGINT NOT NULL CHECK (width BETWEEN 1 AND 256),
    octets BYTEA NOT NULL,
    PRIMARY KEY (kind, level, number)
);
CREATE TRIGGER log_tiles_grow BEFORE UPDATE ON log_tiles
FOR EACH ROW WHEN (NEW.width < OLD.width OR OLD.width = 256) EXECUTE FUNCTION log_only_grows();

-- Where to find the event of a thing that somebody holds: a certificate, a seal, a signature, a document. By its SM3.
CREATE TABLE log_things (
    thing BYTEA NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (thing, number)
);

-- Of each tree and witness the newest checkpoint that it cosigned, with the log's signature and its own.
CREATE TABLE log_cosignatures (
    kind BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 2),
    witness TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    at BIGINT NOT NULL,
    note BYTEA NOT NULL,
    PRIMARY KEY (kind, witness)
);

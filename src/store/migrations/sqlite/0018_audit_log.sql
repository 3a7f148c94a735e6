-- The salt of each event's commitment (docs/formats/audit-leaf.md). An event that an older program wrote has none until the
-- sequencer gives it one; from then on it never changes.
ALTER TABLE audit_events ADD COLUMN salt BLOB CHECK (salt IS NULL OR length(salt) = 32);
DROP TRIGGER audit_events_never_change;
CREATE TRIGGER audit_events_never_change BEFORE UPDATE OF number, class, at, event ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events never change'); END;
CREATE TRIGGER audit_salts_never_change BEFORE UPDATE OF salt ON audit_events WHEN OLD.salt IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'audit salts never change'); END;

-- Which events went with their salts, and when: their leaves stay. An event goes only after this says so.
CREATE TABLE audit_erasures (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
DROP TRIGGER audit_events_stay;
CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
WHEN NOT EXISTS (SELECT 1 FROM audit_erasures WHERE number = OLD.number)
BEGIN SELECT RAISE(ABORT, 'audit events stay'); END;

-- The tree that was signed last. Whoever signs the next one changes this row from the size that it knows.
CREATE TABLE log_head (
    single INTEGER PRIMARY KEY CHECK (single = 1),
    origin TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    signed_at INTEGER NOT NULL,
    sm3_note BLOB NOT NULL,
    sha256_note BLOB
) STRICT;
CREATE TRIGGER log_head_grows BEFORE UPDATE ON log_head WHEN NEW.size < OLD.size OR NEW.origin <> OLD.origin
BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TRIGGER log_head_stays BEFORE DELETE ON log_head
BEGIN SELECT RAISE(ABORT, 'the log stays'); END;

-- Tiles: 0 the entries, 1 the tree of SM3, 2 that of SHA-256. A row holds the widest form of its tile; narrower ones are its
-- beginning.
CREATE TABLE log_tiles (
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
    number INTEGER NOT NULL CHECK (number >= 0),
    width INTEGER NOT NULL CHECK (width BETWEEN 1 AND 256),
    octets BLOB NOT NULL,
    PRIMARY KEY (kind, level, number)
) STRICT;
CREATE TRIGGER log_tiles_grow BEFORE UPDATE ON log_tiles WHEN NEW.width < OLD.width OR OLD.width = 256
BEGIN SELECT RAISE(ABORT, 'tiles only grow'); END;

-- Where to find the event of a thing that somebody holds: a certificate, a seal, a signature, a document. By its SM3.
CREATE TABLE log_things (
    thing BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (thing, number)
) STRICT, WITHOUT ROWID;

-- Of each tree and witness the newest checkpoint that it cosigned, with the log's signature and its own.
CREATE TABLE log_cosignatures (
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
    witness TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    at INTEGER NOT NULL,
    note BLOB NOT NULL,
    PRIMARY KEY (kind, witness)
) STRICT;

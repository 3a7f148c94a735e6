-- Key-encryption keys: wrapped by a key that the database does not hold, and the key that seals rows beside each.
-- A destroyed one keeps its row, without its wrapped form.
CREATE TABLE key_encryption_keys (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    sealing TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    sealings INTEGER NOT NULL CHECK (sealings >= 0),
    state TEXT NOT NULL CHECK (state IN ('active', 'destroyed')),
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((state = 'destroyed') = (destroyed_at IS NOT NULL)),
    CHECK ((state = 'destroyed') = (length(wrapped) = 0))
) STRICT;
CREATE UNIQUE INDEX key_encryption_keys_active ON key_encryption_keys (state) WHERE state = 'active';

-- Rows of version 0 are those of migration 1: the next start seals them anew and gives them their integrity value.
ALTER TABLE keys ADD COLUMN owner TEXT NOT NULL DEFAULT '(not recorded)';
ALTER TABLE keys ADD COLUMN uses TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN not_before INTEGER;
ALTER TABLE keys ADD COLUMN not_after INTEGER;
ALTER TABLE keys ADD COLUMN exportability TEXT NOT NULL DEFAULT 'not-exportable';
ALTER TABLE keys ADD COLUMN location TEXT NOT NULL DEFAULT 'software';
ALTER TABLE keys ADD COLUMN handle BLOB;
ALTER TABLE keys ADD COLUMN sealing TEXT;
ALTER TABLE keys ADD COLUMN wrapped_under TEXT REFERENCES key_encryption_keys (id);
ALTER TABLE keys ADD COLUMN state_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN suspension_reason TEXT;
ALTER TABLE keys ADD COLUMN destruction_proof BLOB;
ALTER TABLE keys ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN integrity BLOB NOT NULL DEFAULT x'';
UPDATE keys SET state_since = created_at;
-- What was retired is a key that rests and can be destroyed.
UPDATE keys SET state = 'suspended', suspension_reason = 'retired' WHERE state = 'retired';
CREATE INDEX keys_by_purpose ON keys (purpose, created_at, id);

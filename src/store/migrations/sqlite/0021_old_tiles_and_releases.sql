-- Full tiles and bundles of the log that lie below a folder, and here no more: of levels 0 and 1, below so many leaves.
CREATE TABLE log_moved (
    single INTEGER PRIMARY KEY CHECK (single = 1),
    below INTEGER NOT NULL CHECK (below > 0 AND below % 256 = 0),
    place TEXT NOT NULL
) STRICT;
CREATE TRIGGER log_moved_grows BEFORE UPDATE ON log_moved WHEN NEW.below < OLD.below
BEGIN SELECT RAISE(ABORT, 'moved tiles stay where they are'); END;

-- When two officers released what the alarm holds: a seal that rests, a caller that is barred.
ALTER TABLE alarms ADD COLUMN released_at INTEGER;
-- Alarms decide who may let a seal or a caller go, so their rows carry integrity values. A row of an older program has none
-- until it is written anew from the events of the log.
ALTER TABLE alarms ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN integrity BLOB;

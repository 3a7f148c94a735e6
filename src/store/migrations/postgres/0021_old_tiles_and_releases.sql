-- Full tiles and bundles of the log that lie below a folder, and here no more: of levels 0 and 1, below so many leaves.
CREATE TABLE log_moved (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    below BIGINT NOT NULL CHECK (below > 0 AND below % 256 = 0),
    place TEXT NOT NULL
);
CREATE TRIGGER log_moved_grows BEFORE UPDATE ON log_moved
FOR EACH ROW WHEN (NEW.below < OLD.below) EXECUTE FUNCTION log_only_grows();

-- When two officers released what the alarm holds: a seal that rests, a caller that is barred.
ALTER TABLE alarms ADD COLUMN released_at BIGINT;
-- Alarms decide who may let a seal or a caller go, so their rows carry integrity values. A row of an older program has none
-- until it is written anew from the events of the log.
ALTER TABLE alarms ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN integrity BYTEA;

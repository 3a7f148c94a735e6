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

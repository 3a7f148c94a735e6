-- Erasures are ranges: from `number` to `last`, both gone; without `last` the number alone, as an older program wrote it.
-- `event` is the event of the log that names the erasure, and the row carries an integrity value: whoever deletes events by
-- hand cannot write that they were erased. Ranges neither touch nor overlap.
ALTER TABLE audit_erasures ADD COLUMN last INTEGER;
ALTER TABLE audit_erasures ADD COLUMN event INTEGER;
ALTER TABLE audit_erasures ADD COLUMN integrity BLOB;
DROP TRIGGER audit_events_stay;
CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
WHEN COALESCE((SELECT COALESCE(last, number) FROM audit_erasures WHERE number <= OLD.number
               ORDER BY number DESC LIMIT 1), -1) < OLD.number
BEGIN SELECT RAISE(ABORT, 'audit events stay'); END;

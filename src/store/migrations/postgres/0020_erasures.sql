-- Erasures are ranges: from `number` to `last`, both gone; without `last` the number alone, as an older program wrote it.
-- `event` is the event of the log that names the erasure, and the row carries an integrity value: whoever deletes events by
-- hand cannot write that they were erased. Ranges neither touch nor overlap.
ALTER TABLE audit_erasures ADD COLUMN last BIGINT;
ALTER TABLE audit_erasures ADD COLUMN event BIGINT;
ALTER TABLE audit_erasures ADD COLUMN integrity BYTEA;
CREATE OR REPLACE FUNCTION audit_events_stay() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
    IF COALESCE((SELECT COALESCE(last, number) FROM audit_erasures WHERE number <= OLD.number
                 ORDER BY number DESC LIMIT 1), -1) < OLD.number THEN
        RAISE EXCEPTION 'audit events stay';
    END IF;
    RETURN OLD;
END $$;

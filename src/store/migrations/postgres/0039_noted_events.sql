-- The number of the event of what may be repeated: an answer that is given again carries its receipt again. Nothing for what was
-- before, and no part of an integrity value: the event itself says what it is of.
ALTER TABLE certificate_requests ADD COLUMN submission_event BIGINT;
ALTER TABLE seal_applications ADD COLUMN submission_event BIGINT;
ALTER TABLE verification_batches ADD COLUMN start_event BIGINT;

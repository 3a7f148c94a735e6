-- Numbers of the events that the first request wrote, with commas between, so that a repeated answer carries their receipts
-- again. Nothing where there were none, and in answers of before.
ALTER TABLE idempotency ADD COLUMN events TEXT;

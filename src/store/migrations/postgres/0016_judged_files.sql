-- The report on a file of a batch is told to its owner as ours, so its row carries an integrity value from its judging on.
-- What was judged before has none: it is judged again.
ALTER TABLE verification_batch_files ADD COLUMN integrity BYTEA;

UPDATE verification_batches SET state = 'running' WHERE id IN (
    SELECT batch FROM verification_batch_files WHERE indication IS NOT NULL
);
UPDATE verification_batch_files SET indication = NULL, report = NULL;

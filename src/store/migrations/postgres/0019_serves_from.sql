-- After each migration, the oldest version whose program may still work on the database; without one, that version itself.
-- So a program that does not know a newer migration can ask it (CONTRIBUTING.md, Migration).
ALTER TABLE schema_migrations ADD COLUMN serves_from BIGINT;

-- Leaves whose events the sequencer did not know, since a newer program wrote them: what they speak of is not noted yet in
-- `log_things`. The newer program notes it, and forgets the row.
CREATE TABLE log_unread (
    number BIGINT PRIMARY KEY
);

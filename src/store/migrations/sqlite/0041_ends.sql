-- Messages to offices that ended are deleted after their time: found by when they ended; and all of one subject by their
-- names, ended ones too, which the older index left out.
CREATE INDEX office_messages_ended ON office_messages (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX office_messages_subjects ON office_messages (office, subject, id);

-- A seal expires: `stage` is 'expired' then, since the end of its validity. Due ones are found by `ends_at`, which the service
-- notes from the seal itself, and by which nothing is decided; nothing where it has not been noted.
ALTER TABLE seals ADD COLUMN ends_at INTEGER;
CREATE INDEX seals_ending ON seals (ends_at, id);

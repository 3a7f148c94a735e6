-- Messages to offices that ended are deleted after their time: found by when they ended; and all of one subject by their
-- names, ended ones too, which the older index left out.
CREATE INDEX office_messages_ended ON office_messages (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX office_messages_subjects ON office_messages (office, subject, id);

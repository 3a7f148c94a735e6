-- States of seals beyond active, suspended and revoked: 'made', 'superseded' (detail: the seal in its place), 'archived'
-- (detail: how it ended). Nothing in rows that are in one of the three older states.
ALTER TABLE seals ADD COLUMN stage TEXT;
ALTER TABLE seals ADD COLUMN stage_at INTEGER;
ALTER TABLE seals ADD COLUMN stage_detail TEXT;

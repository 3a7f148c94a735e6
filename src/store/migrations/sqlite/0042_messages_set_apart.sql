-- A message to an office that cannot be sent as its row is: set apart since then, and looked at again. Nothing where it is not.
ALTER TABLE office_messages ADD COLUMN set_apart_at INTEGER;

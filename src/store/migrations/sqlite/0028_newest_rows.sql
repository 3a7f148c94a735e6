-- The newest version of rows that give authority over seals, by table and name: an older row that is put back does not fit it.
-- No line for rows that were not changed since.
CREATE TABLE newest_rows (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

-- A prepared signing may have more stamps than one at a point: their places as text, one a line; nothing where the older columns say it.
ALTER TABLE prepared_signings ADD COLUMN places TEXT;

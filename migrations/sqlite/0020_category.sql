-- What detection judges a record by that was not kept: the category of a threat, and the client that a proxy named. Empty where the log does
-- not say, and in the records of earlier versions.
ALTER TABLE records ADD COLUMN category TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN client TEXT NOT NULL DEFAULT '';

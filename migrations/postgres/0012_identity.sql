-- What tells this database from every other one, so that two programs can find out whether they use the same.
CREATE TABLE identity (id text NOT NULL PRIMARY KEY);
INSERT INTO identity (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

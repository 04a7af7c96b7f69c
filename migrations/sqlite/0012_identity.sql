-- What tells this database from every other one, so that two programs can find out whether they use the same.
CREATE TABLE identity (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(16))));

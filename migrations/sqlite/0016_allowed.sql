-- What persons say is never to be blocked, beside never_block: addresses, networks and names.
CREATE TABLE allowed (
    id          INTEGER NOT NULL PRIMARY KEY,
    entry       TEXT    NOT NULL,              -- as it is written: an address, a network, or a name in lower case
    reason      TEXT    NOT NULL,
    added_by    TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    ends_at     INTEGER,                       -- NULL: when somebody says so
    resolved_at INTEGER,                       -- of a name: when its addresses were found last; NULL: it is no name
    due_at      INTEGER,                       -- and when it is to be resolved again
    trouble     TEXT    NOT NULL DEFAULT '',   -- and what was wrong with the last answer
    ended_at    INTEGER                        -- NULL: in force
);
CREATE UNIQUE INDEX allowed_entry ON allowed (entry) WHERE ended_at IS NULL;
-- The addresses of each. What ended says up to which record what it did is no evidence.
CREATE TABLE allowed_addresses (
    allowed    INTEGER NOT NULL REFERENCES allowed (id),
    address    TEXT    NOT NULL,
    ended_at   INTEGER,
    end_record INTEGER
);
CREATE UNIQUE INDEX allowed_address ON allowed_addresses (allowed, address) WHERE ended_at IS NULL;
CREATE INDEX allowed_ended ON allowed_addresses (ended_at) WHERE ended_at IS NOT NULL;
-- While there is a row, nothing is enforced, whatever agent of this database.
CREATE TABLE paused (
    only_one  INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (only_one = 1),
    since     INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL,
    paused_by TEXT    NOT NULL,
    reason    TEXT    NOT NULL
);
-- What a change is about that is no address: a name, or everything. Its address is 0.0.0.0/0 then.
ALTER TABLE audit ADD COLUMN subject TEXT NOT NULL DEFAULT '';

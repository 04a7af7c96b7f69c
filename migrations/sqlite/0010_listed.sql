-- Label files that have addresses blocked, of each agent, and what each lists: an address that several list stays blocked until
-- the last of them lets go.
CREATE TABLE label_files (
    id    INTEGER PRIMARY KEY,
    agent INTEGER NOT NULL REFERENCES agents (id),
    path  TEXT    NOT NULL,
    label TEXT    NOT NULL,
    UNIQUE (agent, path, label)
);
CREATE TABLE listed (
    file    INTEGER NOT NULL REFERENCES label_files (id),
    address TEXT    NOT NULL,
    PRIMARY KEY (file, address)
) WITHOUT ROWID;
CREATE INDEX listed_address ON listed (address);
-- What label files block is not released for being quiet, and is not to be looked through for it.
DROP INDEX blacklist_quiet;
CREATE INDEX blacklist_quiet ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL AND blocked_by <> 'label-file';

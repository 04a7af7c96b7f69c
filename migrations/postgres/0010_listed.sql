-- Label files that have addresses blocked, of each agent, and what each lists: an address that several list stays blocked until
-- the last of them lets go.
CREATE TABLE label_files (
    id    integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent smallint NOT NULL REFERENCES agents (id),
    path  text     NOT NULL,
    label text     NOT NULL,
    UNIQUE (agent, path, label)
);
CREATE TABLE listed (
    file    integer NOT NULL REFERENCES label_files (id),
    address cidr    NOT NULL,
    PRIMARY KEY (file, address)
);
CREATE INDEX listed_address ON listed (address);
-- What label files block is not released for being quiet, and is not to be looked through for it.
DROP INDEX blacklist_quiet;
CREATE INDEX blacklist_quiet ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL AND blocked_by <> 'label-file';

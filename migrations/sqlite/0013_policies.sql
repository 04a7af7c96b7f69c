-- What the last look at a firewall's policy found: why no rule in force stops what it holds; '': one does.
CREATE TABLE policies (
    firewall  TEXT    NOT NULL PRIMARY KEY,
    looked_at INTEGER NOT NULL,
    fault     TEXT    NOT NULL
) WITHOUT ROWID;

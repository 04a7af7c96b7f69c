-- What the last look at a firewall's policy found: why no rule in force stops what it holds; '': one does.
CREATE TABLE policies (
    firewall  text        NOT NULL PRIMARY KEY,
    looked_at timestamptz NOT NULL,
    fault     text        NOT NULL
);

-- What each agent says of itself, and what it never blocks: no other blocks that either.
CREATE TABLE agent_signs (
    agent      INTEGER NOT NULL PRIMARY KEY REFERENCES agents (id),
    name       TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    firewalls  TEXT    NOT NULL,   -- their names, one a line
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,   -- its last sign of life
    behind     TEXT    NOT NULL    -- what it has not read yet; '': nothing
);
CREATE TABLE agent_guards (
    agent   INTEGER NOT NULL REFERENCES agent_signs (agent),
    address TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    PRIMARY KEY (agent, address)
) WITHOUT ROWID;
-- guards: goes up with every change of what is never blocked, by whomever.
INSERT INTO counters (name, value) VALUES ('guards', 0);

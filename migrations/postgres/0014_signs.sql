-- What each agent says of itself, and what it never blocks: no other blocks that either. All times are this server's.
CREATE TABLE agent_signs (
    agent      smallint    NOT NULL PRIMARY KEY REFERENCES agents (id),
    name       text        NOT NULL,
    host       text        NOT NULL,
    version    text        NOT NULL,
    firewalls  text        NOT NULL,   -- their names, one a line
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,   -- its last sign of life
    behind     text        NOT NULL    -- what it has not read yet; '': nothing
);
CREATE TABLE agent_guards (
    agent   smallint NOT NULL REFERENCES agent_signs (agent),
    address cidr     NOT NULL,
    what    text     NOT NULL,
    PRIMARY KEY (agent, address)
);
-- guards: goes up with every change of what is never blocked, by whomever.
INSERT INTO counters (name, value) VALUES ('guards', 0);

-- What people and other programs are to be told, written with what it tells. An agent delivers what it wrote itself.
CREATE TABLE notices (
    id         INTEGER NOT NULL PRIMARY KEY,   -- from counters, in the order of the commits
    agent      INTEGER NOT NULL,
    key        TEXT    NOT NULL,               -- what receivers know it by, the same each time it is sent
    event      TEXT    NOT NULL,
    time       INTEGER NOT NULL,
    stands_for INTEGER NOT NULL DEFAULT 1,     -- how many notices, of one that stands for those that are not kept singly
    content    TEXT    NOT NULL                -- JSON
);
CREATE INDEX notices_of ON notices (agent, id);
-- How far each receiver of an agent has got: it has all notices up to this one.
CREATE TABLE notice_receivers (
    agent    INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    position INTEGER NOT NULL,
    state    TEXT    NOT NULL DEFAULT '',      -- what else it has to remember
    PRIMARY KEY (agent, name)
) WITHOUT ROWID;
-- Troubles of which it was told that they have begun, and not yet that they are over.
CREATE TABLE notice_troubles (
    agent   INTEGER NOT NULL,
    key     TEXT    NOT NULL,
    content TEXT    NOT NULL,                  -- JSON
    PRIMARY KEY (agent, key)
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('notices', 0);

-- What people and other programs are to be told, written with what it tells. An agent delivers what it wrote itself.
CREATE TABLE notices (
    id         bigint      NOT NULL PRIMARY KEY,   -- from counters, in the order of the commits
    agent      smallint    NOT NULL REFERENCES agents (id),
    key        text        NOT NULL,               -- what receivers know it by, the same each time it is sent
    event      text        NOT NULL,
    time       timestamptz NOT NULL,
    stands_for bigint      NOT NULL DEFAULT 1,     -- how many notices, of one that stands for those that are not kept singly
    content    text        NOT NULL                -- JSON
);
CREATE INDEX notices_of ON notices (agent, id);
-- How far each receiver of an agent has got: it has all notices up to this one.
CREATE TABLE notice_receivers (
    agent    smallint NOT NULL REFERENCES agents (id),
    name     text     NOT NULL,
    position bigint   NOT NULL,
    state    text     NOT NULL DEFAULT '',         -- what else it has to remember
    PRIMARY KEY (agent, name)
);
-- Troubles of which it was told that they have begun, and not yet that they are over.
CREATE TABLE notice_troubles (
    agent   smallint NOT NULL REFERENCES agents (id),
    key     text     NOT NULL,
    content text     NOT NULL,                     -- JSON
    PRIMARY KEY (agent, key)
);
INSERT INTO counters (name, value) VALUES ('notices', 0);

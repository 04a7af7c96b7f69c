-- What detection remembers for a day, written compactly: parts, each whole as of the batch seq, and for each batch since what was
-- told. The bytes are detection's.
CREATE TABLE memory_parts (
    agent INTEGER NOT NULL REFERENCES agents (id),
    part  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    data  BLOB    NOT NULL,
    PRIMARY KEY (agent, part)
);
CREATE TABLE memory_journal (
    agent INTEGER NOT NULL REFERENCES agents (id),
    seq   INTEGER NOT NULL,
    data  BLOB    NOT NULL,
    PRIMARY KEY (agent, seq)
);

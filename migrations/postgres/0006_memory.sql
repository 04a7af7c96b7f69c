-- What detection remembers for a day, written compactly: parts, each whole as of the batch seq, and for each batch since what was
-- told. The bytes are detection's.
CREATE TABLE memory_parts (
    agent smallint NOT NULL REFERENCES agents (id),
    part  smallint NOT NULL,
    seq   bigint   NOT NULL,
    data  bytea    NOT NULL,
    PRIMARY KEY (agent, part)
);
CREATE TABLE memory_journal (
    agent smallint NOT NULL REFERENCES agents (id),
    seq   bigint   NOT NULL,
    data  bytea    NOT NULL,
    PRIMARY KEY (agent, seq)
);

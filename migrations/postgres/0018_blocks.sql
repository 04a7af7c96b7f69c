-- The same tables as for SQLite, where records are kept as blocks; else they are rows of "records", and nothing is in here. The data are
-- compressed already: kept beside the row as they are.
CREATE TABLE blocks (
    first_id bigint      PRIMARY KEY,
    oldest   timestamptz NOT NULL,
    newest   timestamptz NOT NULL,
    records  integer     NOT NULL,
    agent    smallint    NOT NULL,
    data     bytea       NOT NULL
);
ALTER TABLE blocks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE record_files (
    id       bigint      PRIMARY KEY,
    day      timestamptz NOT NULL,
    oldest   timestamptz NOT NULL,
    newest   timestamptz NOT NULL,
    records  bigint      NOT NULL,
    first_id bigint      NOT NULL,
    last_id  bigint      NOT NULL,
    bytes    bigint      NOT NULL,
    path     text        NOT NULL UNIQUE,
    sums     bytea       NOT NULL
);
ALTER TABLE record_files ALTER COLUMN sums SET STORAGE EXTERNAL;
INSERT INTO counters (name, value) VALUES ('record_files', 0);

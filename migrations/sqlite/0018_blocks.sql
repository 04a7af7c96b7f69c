-- Records as columns, beside the rows of earlier versions in "records": each record stands in one of the three, as a row, in a block, or in
-- a file. A block is the records of one batch, numbered from first_id on. oldest and newest are the times of its records, which
-- are not in the order of their ids. data come last, so that what is known of a block is read without them. How many records there are
-- is the sum of what blocks and files say of themselves, and nobody has to look into them for it.
CREATE TABLE blocks (
    first_id INTEGER PRIMARY KEY,
    records  INTEGER NOT NULL,
    agent    INTEGER NOT NULL,
    oldest   INTEGER NOT NULL,
    newest   INTEGER NOT NULL,
    data     BLOB    NOT NULL
);

-- A file of one day (UTC) in the folder "records", of blocks that are no longer there, or merged of such files. path is its name in the
-- folder. sums are checksums of its bytes, against which every read is held. The ids come from the counter, and are never given again.
CREATE TABLE record_files (
    id       INTEGER PRIMARY KEY,
    path     TEXT    NOT NULL UNIQUE,
    day      INTEGER NOT NULL,      -- when it began
    records  INTEGER NOT NULL,
    oldest   INTEGER NOT NULL,
    newest   INTEGER NOT NULL,
    first_id INTEGER NOT NULL,      -- the lowest and the highest id of its records, between which others may have some
    last_id  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    sums     BLOB    NOT NULL
);
INSERT INTO counters (name, value) VALUES ('record_files', 0);

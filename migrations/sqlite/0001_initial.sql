-- Times are microseconds since 1970 in UTC. Addresses of the small tables are canonical text with a
-- prefix length ("192.0.2.1/32"); those of records are 4 or 16 bytes, which sort, so that a network is
-- one range of an index, and which take a third of the room.

CREATE TABLE agents (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE,
    seq  INTEGER NOT NULL DEFAULT 0     -- highest Batch.Seq committed
);

-- blacklist: the version that Changes follows. records: the highest record id ever given, kept here and
-- not taken from the table, because ids must not be given again after the newest records were pruned.
CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('blacklist', 0), ('records', 0);

CREATE TABLE records (
    id          INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    device      TEXT    NOT NULL,
    src         BLOB,
    dst         BLOB,
    src_port    INTEGER NOT NULL,
    dst_port    INTEGER NOT NULL,
    src_user    TEXT    NOT NULL,
    src_country TEXT    NOT NULL,
    dst_country TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    rule        TEXT    NOT NULL,
    rule_id     TEXT    NOT NULL,
    threat_name TEXT    NOT NULL,
    threat_id   TEXT    NOT NULL,
    severity    TEXT    NOT NULL,
    subtype     TEXT    NOT NULL,
    direction   TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    repeat      INTEGER NOT NULL,
    file        INTEGER NOT NULL,
    file_offset INTEGER NOT NULL
);
CREATE INDEX records_time ON records (time);
CREATE INDEX records_src ON records (src);

CREATE TABLE positions (
    agent           INTEGER NOT NULL REFERENCES agents (id),
    id              INTEGER NOT NULL,
    path            BLOB    NOT NULL,   -- bytes: a file name need not be UTF-8
    device          INTEGER NOT NULL,
    inode           INTEGER NOT NULL,
    fingerprint     BLOB    NOT NULL,
    fingerprint_len INTEGER NOT NULL,
    file_offset     INTEGER NOT NULL,
    done            INTEGER NOT NULL,
    updated         INTEGER,
    last_time       INTEGER,
    PRIMARY KEY (agent, id)
) WITHOUT ROWID;

CREATE TABLE blacklist (
    id             INTEGER PRIMARY KEY,
    address        TEXT    NOT NULL,
    rule           TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    blocked_by     TEXT    NOT NULL,
    device         TEXT    NOT NULL,
    target         TEXT    NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    blocked_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    hits           INTEGER NOT NULL,
    seen_count     INTEGER NOT NULL,
    released_at    INTEGER,
    released_by    TEXT    NOT NULL DEFAULT '',
    release_reason TEXT    NOT NULL DEFAULT '',
    release_record INTEGER,             -- highest record id at the release: older evidence no longer counts
    version        INTEGER NOT NULL
);
CREATE UNIQUE INDEX blacklist_active ON blacklist (address) WHERE released_at IS NULL;
CREATE INDEX blacklist_address ON blacklist (address);
CREATE INDEX blacklist_version ON blacklist (version);
CREATE INDEX blacklist_quiet ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL;
CREATE INDEX blacklist_expiry ON blacklist (expires_at) WHERE released_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX blacklist_cutoff ON blacklist (release_record) WHERE release_record IS NOT NULL;

CREATE TABLE evidence (
    entry  INTEGER NOT NULL REFERENCES blacklist (id),
    n      INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    device TEXT    NOT NULL,
    line   TEXT    NOT NULL,
    PRIMARY KEY (entry, n)
) WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    action  TEXT    NOT NULL,
    address TEXT    NOT NULL,
    done_by TEXT    NOT NULL,
    reason  TEXT    NOT NULL
);
CREATE INDEX audit_address ON audit (address);

CREATE TABLE enforced (
    firewall   TEXT NOT NULL,
    address    TEXT NOT NULL,
    since      INTEGER NOT NULL,
    held_until INTEGER,
    PRIMARY KEY (firewall, address)
) WITHOUT ROWID;
CREATE INDEX enforced_address ON enforced (address);

-- The same tables as for SQLite, with PostgreSQL's own types.

CREATE TABLE agents (
    id   smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text     NOT NULL UNIQUE,
    seq  bigint   NOT NULL DEFAULT 0    -- highest Batch.Seq committed
);

-- blacklist: the version that Changes follows. The row is the lock that puts all changes of the
-- blacklist in one order.
CREATE TABLE counters (
    name  text   PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO counters (name, value) VALUES ('blacklist', 0);

-- One partition a day, made by package store when the day comes near; what belongs to no such day is
-- kept in the default partition, so that forged times cannot make partitions. Columns are ordered by
-- alignment, widest first, to save padding.
CREATE SEQUENCE records_id;
CREATE TABLE records (
    id          bigint      NOT NULL DEFAULT nextval('records_id'),
    time        timestamptz NOT NULL,
    file        bigint      NOT NULL,
    file_offset bigint      NOT NULL,
    repeat      bigint      NOT NULL,
    src_port    integer     NOT NULL,
    dst_port    integer     NOT NULL,
    agent       smallint    NOT NULL,
    src         inet,
    dst         inet,
    device      text        NOT NULL,
    src_user    text        NOT NULL,
    src_country text        NOT NULL,
    dst_country text        NOT NULL,
    action      text        NOT NULL,
    rule        text        NOT NULL,
    rule_id     text        NOT NULL,
    threat_name text        NOT NULL,
    threat_id   text        NOT NULL,
    severity    text        NOT NULL,
    subtype     text        NOT NULL,
    direction   text        NOT NULL,
    type        text        NOT NULL
) PARTITION BY RANGE (time);
ALTER SEQUENCE records_id OWNED BY records.id;
CREATE TABLE records_default PARTITION OF records DEFAULT;
CREATE INDEX records_time ON records USING brin (time) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX records_src ON records (src);

CREATE TABLE positions (
    agent           smallint NOT NULL REFERENCES agents (id),
    id              bigint   NOT NULL,
    path            bytea    NOT NULL,  -- bytes: a file name need not be UTF-8
    device          bigint   NOT NULL,
    inode           bigint   NOT NULL,
    fingerprint     bytea    NOT NULL,
    fingerprint_len integer  NOT NULL,
    file_offset     bigint   NOT NULL,
    done            boolean  NOT NULL,
    updated         timestamptz,
    last_time       timestamptz,
    PRIMARY KEY (agent, id)
);

CREATE TABLE blacklist (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address        cidr        NOT NULL,
    rule           text        NOT NULL,
    reason         text        NOT NULL,
    blocked_by     text        NOT NULL,
    device         text        NOT NULL,
    target         text        NOT NULL,
    first_seen     timestamptz NOT NULL,
    last_seen      timestamptz NOT NULL,
    blocked_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    hits           bigint      NOT NULL,
    seen_count     bigint      NOT NULL,
    released_at    timestamptz,
    released_by    text        NOT NULL DEFAULT '',
    release_reason text        NOT NULL DEFAULT '',
    release_record bigint,              -- highest record id at the release: older evidence no longer counts
    version        bigint      NOT NULL
);
CREATE UNIQUE INDEX blacklist_active ON blacklist (address) WHERE released_at IS NULL;
CREATE INDEX blacklist_address ON blacklist (address);
CREATE INDEX blacklist_version ON blacklist (version);
CREATE INDEX blacklist_quiet ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL;
CREATE INDEX blacklist_expiry ON blacklist (expires_at) WHERE released_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX blacklist_cutoff ON blacklist (release_record) WHERE release_record IS NOT NULL;

CREATE TABLE evidence (
    entry  bigint      NOT NULL REFERENCES blacklist (id),
    n      integer     NOT NULL,
    time   timestamptz NOT NULL,
    device text        NOT NULL,
    line   text        NOT NULL,
    PRIMARY KEY (entry, n)
);

CREATE TABLE audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time    timestamptz NOT NULL,
    action  text        NOT NULL,
    address cidr        NOT NULL,
    done_by text        NOT NULL,
    reason  text        NOT NULL
);
CREATE INDEX audit_address ON audit (address);

CREATE TABLE enforced (
    firewall   text        NOT NULL,
    address    cidr        NOT NULL,
    since      timestamptz NOT NULL,
    held_until timestamptz,
    PRIMARY KEY (firewall, address)
);
CREATE INDEX enforced_address ON enforced (address);

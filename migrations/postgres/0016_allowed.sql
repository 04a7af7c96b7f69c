-- What persons say is never to be blocked, beside never_block: addresses, networks and names.
CREATE TABLE allowed (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry       text NOT NULL,              -- as it is written: an address, a network, or a name in lower case
    reason      text NOT NULL,
    added_by    text NOT NULL,
    since       timestamptz NOT NULL,
    ends_at     timestamptz,                       -- NULL: when somebody says so
    resolved_at timestamptz,                       -- of a name: when its addresses were found last; NULL: it is no name
    due_at      timestamptz,                       -- and when it is to be resolved again
    trouble     text    NOT NULL DEFAULT '',   -- and what was wrong with the last answer
    ended_at    timestamptz                        -- NULL: in force
);
CREATE UNIQUE INDEX allowed_entry ON allowed (entry) WHERE ended_at IS NULL;
-- The addresses of each. What ended says up to which record what it did is no evidence.
CREATE TABLE allowed_addresses (
    allowed    integer NOT NULL REFERENCES allowed (id),
    address    cidr    NOT NULL,
    ended_at   timestamptz,
    end_record bigint
);
CREATE UNIQUE INDEX allowed_address ON allowed_addresses (allowed, address) WHERE ended_at IS NULL;
CREATE INDEX allowed_ended ON allowed_addresses (ended_at) WHERE ended_at IS NOT NULL;
-- While there is a row, nothing is enforced, whatever agent of this database.
CREATE TABLE paused (
    only_one  smallint NOT NULL PRIMARY KEY DEFAULT 1 CHECK (only_one = 1),
    since     timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    paused_by text NOT NULL,
    reason    text    NOT NULL
);
-- What a change is about that is no address: a name, or everything. Its address is 0.0.0.0/0 then.
ALTER TABLE audit ADD COLUMN subject text NOT NULL DEFAULT '';

-- When a firewall was last seen to hold a block. NULL: it was written, and not read back since. Of one that was, every later reading
-- of all that the firewall holds counts too: what it then did not hold has no row.
ALTER TABLE enforced ADD COLUMN seen_at timestamptz;
CREATE TABLE enforced_reads (
    firewall text        NOT NULL PRIMARY KEY,
    read_at  timestamptz NOT NULL
);

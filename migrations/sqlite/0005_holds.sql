-- Of an entry that a person has to decide about, why; kept when it has been decided.
ALTER TABLE blacklist ADD COLUMN hold TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_accepted ON audit (time) WHERE action = 'accept';
-- The addresses of a network on the blacklist that were seen to attack, the newest few of each.
CREATE TABLE members (
    entry   INTEGER NOT NULL REFERENCES blacklist (id),
    address TEXT    NOT NULL,
    seen    INTEGER NOT NULL,
    PRIMARY KEY (entry, address)
) WITHOUT ROWID;
-- 1: the firewall has no room for the address, and does not hold it.
ALTER TABLE enforced ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;

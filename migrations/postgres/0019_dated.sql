-- Of sources that are blocked, when they were last seen by what their lines say, where that is later than the clock of the agent's host, which
-- no line has agreed with: one of the two is wrong. Their last_seen is the host's; once the time has come, the lines were right.
CREATE TABLE dated (
    address cidr        NOT NULL PRIMARY KEY,
    seen    timestamptz NOT NULL
);
CREATE INDEX dated_seen ON dated (seen);

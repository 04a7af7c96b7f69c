-- What the firewall took a session for, between which zones, why it ended, and what detection made of it. Texts are empty
-- where the log does not say, and in the records of earlier versions. The numbers are few and small, because each record
-- has them: protocol 1 TCP, 2 UDP, 3 ICMP, 4 another; outcome 1 refused, 2 answered; grade 1 forgeable, 2 proven; 0 not known.
ALTER TABLE records ADD COLUMN protocol INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN outcome INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN grade INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN application TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN from_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN to_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN session_end_reason TEXT NOT NULL DEFAULT '';
-- Of an entry the same grade, and its state: 0 blocked, 1 held, 2 observed. What earlier versions blocked stays blocked,
-- and its grade is not known.
ALTER TABLE blacklist ADD COLUMN grade INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blacklist ADD COLUMN state INTEGER NOT NULL DEFAULT 0;

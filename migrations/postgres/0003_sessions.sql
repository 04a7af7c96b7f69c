-- What the firewall took a session for, between which zones, why it ended, and what detection made of it. Texts are empty
-- where the log does not say, and in the records of earlier versions. The numbers are few and small, because each record
-- has them: protocol 1 TCP, 2 UDP, 3 ICMP, 4 another; outcome 1 refused, 2 answered; grade 1 forgeable, 2 proven; 0 not known.
ALTER TABLE records
    ADD COLUMN protocol           smallint NOT NULL DEFAULT 0,
    ADD COLUMN outcome            smallint NOT NULL DEFAULT 0,
    ADD COLUMN grade              smallint NOT NULL DEFAULT 0,
    ADD COLUMN application        text     NOT NULL DEFAULT '',
    ADD COLUMN from_zone          text     NOT NULL DEFAULT '',
    ADD COLUMN to_zone            text     NOT NULL DEFAULT '',
    ADD COLUMN session_end_reason text     NOT NULL DEFAULT '';
-- Of an entry the same grade, and its state: 0 blocked, 1 held, 2 observed. What earlier versions blocked stays blocked,
-- and its grade is not known.
ALTER TABLE blacklist
    ADD COLUMN grade smallint NOT NULL DEFAULT 0,
    ADD COLUMN state smallint NOT NULL DEFAULT 0;

-- How long a block of a source that returned lasts: the microseconds without activity after which it is released, in place of
-- what the configuration says, 0 where that holds; and why, empty where it lasts as long as any other.
ALTER TABLE blacklist ADD COLUMN quiet_for bigint NOT NULL DEFAULT 0;
ALTER TABLE blacklist ADD COLUMN escalation text NOT NULL DEFAULT '';
-- 1: it ended by itself, as its time was over or its source had been quiet. When such a source is blocked anew it has returned.
ALTER TABLE blacklist ADD COLUMN served smallint NOT NULL DEFAULT 0;
UPDATE blacklist SET served = 1 WHERE released_by = 'detector'
    AND (release_reason = 'the time it was blocked for is over' OR release_reason LIKE 'no activity for %');
DROP INDEX blacklist_quiet;
CREATE INDEX blacklist_quiet ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL AND quiet_for = 0;
CREATE INDEX blacklist_lengthened ON blacklist (last_seen) WHERE released_at IS NULL AND expires_at IS NULL AND quiet_for > 0;

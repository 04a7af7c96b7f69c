-- The evidence of blocks that were released long ago is removed in the order of their release; evidence, in
-- microseconds since 1970, says up to which release that is done.
CREATE INDEX blacklist_released ON blacklist (released_at) WHERE released_at IS NOT NULL;
INSERT INTO counters (name, value) VALUES ('evidence', 0);

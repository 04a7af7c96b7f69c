-- Of sources that are blocked for a time, when that may have begun by another clock than begun_host, by which expires_at is counted: once that time
-- has come, it did.
ALTER TABLE dated ADD COLUMN begun INTEGER;
ALTER TABLE dated ADD COLUMN begun_host INTEGER;
CREATE INDEX dated_begun ON dated (begun);

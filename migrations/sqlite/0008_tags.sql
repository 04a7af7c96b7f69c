-- A tag of its rule that the entry bears on the firewalls beside the one of all; empty: none.
ALTER TABLE blacklist ADD COLUMN tag TEXT NOT NULL DEFAULT '';

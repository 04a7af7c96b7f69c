-- What a report counts blocks by, beside what entries have: the country of the source, as the log or geo.file has it, and the port of
-- ours that all of the evidence is about; -1: there are several, 0: there is none, or it is not known, as of earlier blocks.
ALTER TABLE blacklist ADD COLUMN country TEXT NOT NULL DEFAULT '';
ALTER TABLE blacklist ADD COLUMN port INTEGER NOT NULL DEFAULT 0;
-- In which state each firewall was seen, from when until when. What lies between is not known: nobody looked.
CREATE TABLE firewall_states (
    agent    INTEGER NOT NULL,
    firewall TEXT    NOT NULL,
    began    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    PRIMARY KEY (agent, firewall, began)
) WITHOUT ROWID;

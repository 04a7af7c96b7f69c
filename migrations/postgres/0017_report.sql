-- What a report counts blocks by, beside what entries have: the country of the source, as the log or geo.file has it, and the port of
-- ours that all of the evidence is about; -1: there are several, 0: there is none, or it is not known, as of earlier blocks.
ALTER TABLE blacklist ADD COLUMN country text NOT NULL DEFAULT '';
ALTER TABLE blacklist ADD COLUMN port integer NOT NULL DEFAULT 0;
-- In which state each firewall was seen, from when until when. What lies between is not known: nobody looked.
CREATE TABLE firewall_states (
    agent    smallint    NOT NULL,
    firewall text        NOT NULL,
    began    timestamptz NOT NULL,
    until    timestamptz NOT NULL,
    state    text        NOT NULL,
    PRIMARY KEY (agent, firewall, began)
);

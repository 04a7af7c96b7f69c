-- What each firewall named as ours, or as something it talks to, when it was last asked: kind is network, management or peer,
-- what says what it is there, since when it is known. A start without the firewall knows it from here.
CREATE TABLE protected (
    firewall TEXT NOT NULL,
    kind     TEXT NOT NULL,
    what     TEXT NOT NULL,
    address  TEXT NOT NULL,
    since    INTEGER NOT NULL,
    PRIMARY KEY (firewall, kind, what, address)
) WITHOUT ROWID;
-- When each firewall last answered; an answer that names nothing is one. NULL: it was waited for once, and never answered.
CREATE TABLE protected_asked (
    firewall TEXT NOT NULL PRIMARY KEY,
    asked_at INTEGER
) WITHOUT ROWID;

-- What each firewall named as ours, or as something it talks to, when it was last asked: kind is network, management or peer,
-- what says what it is there, since when it is known. A start without the firewall knows it from here.
CREATE TABLE protected (
    firewall text        NOT NULL,
    kind     text        NOT NULL,
    what     text        NOT NULL,
    address  cidr        NOT NULL,
    since    timestamptz NOT NULL,
    PRIMARY KEY (firewall, kind, what, address)
);
-- When each firewall last answered; an answer that names nothing is one. NULL: it was waited for once, and never answered.
CREATE TABLE protected_asked (
    firewall text NOT NULL PRIMARY KEY,
    asked_at timestamptz
);

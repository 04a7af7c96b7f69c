-- Of a source with proven evidence against it, the network of its neighbourhood: /24 or, of IPv6, /48. NULL: it counts for none, as
-- what earlier versions blocked.
ALTER TABLE blacklist ADD COLUMN neighbourhood TEXT;
CREATE INDEX blacklist_neighbours ON blacklist (neighbourhood) WHERE released_at IS NULL AND neighbourhood IS NOT NULL;
CREATE INDEX blacklist_neighbourhoods ON blacklist (address) WHERE rule = 'neighbourhood';

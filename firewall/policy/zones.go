package policy

import (
	"slices"

	"activedefense/firewall"
)

// zoneChoice is which zones of a virtual system face the internet.
type zoneChoice struct {
	zones   []string // of the firewall's, in its order
	unknown []string // given, but no zones of the firewall's
	guessed bool     // taken by name, for none were given
}

// chooseZones takes the given zones as far as the firewall has them; if none are given, every zone that is named
// like one that faces the internet.
func chooseZones(given, known []string) zoneChoice {
	c := zoneChoice{guessed: len(given) == 0}
	for _, zone := range known {
		if slices.Contains(given, zone) || c.guessed && firewall.NamedLikeInternet(zone) {
			c.zones = append(c.zones, zone)
		}
	}
	for _, zone := range given {
		if !slices.Contains(known, zone) {
			c.unknown = append(c.unknown, zone)
		}
	}
	return c
}

// String tells which zones were taken, and how.
func (c zoneChoice) String() string {
	switch {
	case len(c.zones) == 0:
		return "no internet zone"
	case c.guessed:
		return "internet zones " + quoteAll(c.zones) + ", assumed from their names"
	}
	return "internet zones " + quoteAll(c.zones)
}

// orAny names the zones for a rule.
func (c zoneChoice) orAny() string { return words(c.zones) }

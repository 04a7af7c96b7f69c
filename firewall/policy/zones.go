package policy

import (
	"slices"
	"strings"

	"activedefense/firewall/ours"
)

// zoneChoice is which zones of a virtual system face the internet.
type zoneChoice struct {
	zones   []string            // of the firewall's, in its order
	unknown []string            // given, but no zones of the firewall's
	perhaps []ours.InternetZone // others, of which only a person can tell
	how     []string            // by which default route each zone is one; none: the zones were given
	why     string              // there is none, although none was given
}

// chooseZones takes the given zones as far as the firewall has them; if none are given, those that the default routes leave by.
// What zones are called is no evidence. lines nil: the network is not known.
func chooseZones(given, known []string, lines *ours.Facts) (c zoneChoice) {
	for _, zone := range given {
		if !slices.Contains(known, zone) {
			c.unknown = append(c.unknown, zone)
		}
	}
	var faces ours.Internet
	switch {
	case len(given) > 0:
	case lines == nil:
		faces.Why = "the network configuration was not read"
	default:
		faces = lines.Internet()
	}
	c.why, c.perhaps = faces.Why, faces.Perhaps
	for _, zone := range known {
		i := slices.IndexFunc(faces.Zones, func(z ours.InternetZone) bool { return z.Name == zone })
		if i >= 0 {
			c.how = append(c.how, faces.Zones[i].Why)
		}
		if i >= 0 || slices.Contains(given, zone) {
			c.zones = append(c.zones, zone)
		}
	}
	return c
}

// String tells which zones were taken, and how.
func (c zoneChoice) String() string {
	switch {
	case len(c.zones) == 0 && c.why != "":
		return "no internet zone can be told: " + c.why
	case len(c.zones) == 0:
		return "no internet zone"
	case len(c.how) > 0:
		return "internet zones " + quoteAll(c.zones) + " (" + strings.Join(c.how, "; ") + ")"
	}
	return "internet zones " + quoteAll(c.zones)
}

// orAny names the zones for a rule.
func (c zoneChoice) orAny() string { return words(c.zones) }

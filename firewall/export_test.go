package firewall

import "activedefense/firewall/panosim"

// EveryDialect gives the combinations of switches that a test runs under.
func EveryDialect() []panosim.Dialect {
	all := panosim.Dialects()
	var out []panosim.Dialect
	for i := 0; i < len(all); i += dialectStep {
		out = append(out, all[i])
	}
	return out
}

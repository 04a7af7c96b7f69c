package firewall

import "activedefense/firewall/panosim/dialect"

// EveryDialect gives the combinations of switches that a test runs under.
func EveryDialect() []dialect.Dialect {
	all := dialect.All()
	var out []dialect.Dialect
	for i := 0; i < len(all); i += dialectStep {
		out = append(out, all[i])
	}
	return out
}

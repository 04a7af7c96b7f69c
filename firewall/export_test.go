package firewall

import (
	"time"

	"activedefense/firewall/panosim/dialect"
)

// SetRetryWait shortens the waits between repetitions, for tests that make many of them happen.
func SetRetryWait(dev *Device, d time.Duration) {
	dev.transport.retry.RetryWaitMin, dev.transport.retry.RetryWaitMax = d, d
}

// EveryDialect gives the combinations of switches that a test runs under.
func EveryDialect() []dialect.Dialect {
	all := dialect.All()
	var out []dialect.Dialect
	for i := 0; i < len(all); i += dialectStep {
		out = append(out, all[i])
	}
	return out
}

package policy

import (
	"sync"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

const tag = "active-defense"

// clock is a clock that stands still unless it is moved; we and the firewall share it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// everyDialect gives the combinations of switches that a test runs under.
func everyDialect() []dialect.Dialect {
	all := dialect.All()
	var out []dialect.Dialect
	for i := 0; i < len(all); i += dialectStep {
		out = append(out, all[i])
	}
	return out
}

// everyFirewall gives a firewall of each dialect, and one of each line of versions.
func everyFirewall() []panosim.Options {
	var out []panosim.Options
	for _, d := range everyDialect() {
		out = append(out, panosim.Options{Version: "10.2.9-h1", Dialect: d})
	}
	for _, version := range []string{"9.0.16", "9.1.16", "10.0.12", "10.1.4", "11.1.4", "11.2.3"} {
		out = append(out, panosim.Options{Version: version})
	}
	return out
}

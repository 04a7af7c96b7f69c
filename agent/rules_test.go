package agent

import (
	"testing"
	"time"

	"activedefense/config"
	"activedefense/store"
)

func TestReturnsLengthenABlockAsConfigured(t *testing.T) {
	cfg := &config.Config{Blacklist: config.Blacklist{Escalate: config.Escalate{Factor: 2, Max: time.Hour}}}
	if got, want := escalation(cfg), (store.Escalation{Factor: 2, Max: time.Hour}); got != want {
		t.Errorf("%+v instead of %+v", got, want)
	}
}

package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/providers/rawbytes"
)

// sound is the beginning of a configuration of which nothing is to be warned.
const sound = "never_block: [192.0.2.1]\nnetworks: {own: [203.0.113.0/24]}\n"

// listed is where firewalls reach the list.
const listed = "edl: {url: 'https://192.0.2.10/files/blacklist.txt'}\n"

// loadBytes is Load of a file with this content.
func loadBytes(content []byte, environ ...string) (*Config, []Warning, error) {
	l := newLoader("test.yaml")
	l.now = loadedAt()
	return l.load(rawbytes.Provider(content), environ)
}

// faultsOf gives the faults of an error of Load.
func faultsOf(t *testing.T, err error) Faults {
	t.Helper()
	var fs Faults
	if err != nil && !errors.As(err, &fs) {
		t.Fatalf("error is %T, not Faults: %v", err, err)
	}
	return fs
}

// keysOf gives the keys of warnings, in their order.
func keysOf(warnings []Warning) string {
	keys := make([]string, len(warnings))
	for i, w := range warnings {
		keys[i] = w.Key
	}
	return strings.Join(keys, " ")
}

// loadedAt is when loadBytes reads.
func loadedAt() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

package config

import (
	"errors"
	"testing"

	"github.com/knadh/koanf/providers/rawbytes"
)

// loadBytes is Load of a file with this content.
func loadBytes(content []byte, environ ...string) (*Config, []Warning, error) {
	return newLoader("test.yaml").load(rawbytes.Provider(content), environ)
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

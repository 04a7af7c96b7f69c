package agent

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"activedefense/config"
)

// What there is none of is an empty list for those who read the status, and never null.
func TestWhatThereIsNoneOfIsAnEmptyList(t *testing.T) {
	a, err := New(t.Context(), &config.Config{StateDir: t.TempDir()}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s, err := json.Marshal(a.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"troubles", "inputs", "firewalls", "policies", "heard", "members"} {
		if !strings.Contains(string(s), `"`+name+`":[]`) {
			t.Errorf("%s is no empty list: %s", name, s)
		}
	}
}

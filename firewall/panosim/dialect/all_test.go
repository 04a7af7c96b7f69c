package dialect

import (
	"fmt"
	"testing"
)

func TestDialectsAreDistinctAndCoverEveryValue(t *testing.T) {
	names := map[string]bool{}
	seen := map[string]bool{}
	for i, d := range All() {
		name := d.String()
		if names[name] {
			t.Errorf("%s is listed twice", name)
		}
		if (i == 0) != (name == "plain") {
			t.Errorf("dialect %d is %s", i, name)
		}
		names[name] = true
		for _, c := range d.choices() {
			seen[fmt.Sprint(c.field, c.value)] = true
		}
	}
	for _, c := range (Dialect{}).choices() {
		for value, name := range c.values {
			if !seen[fmt.Sprint(c.field, value)] {
				t.Errorf("no dialect has %s=%s", c.field, name)
			}
		}
	}
	if got := (Dialect{HostForm: 99}).String(); got != "host-form=?" {
		t.Errorf("an unknown value is named %q", got)
	}
}

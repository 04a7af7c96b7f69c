package compare

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"activedefense/detect"
)

// blockedBy is a verdict that blocks, holds or observes.
func blockedBy(source string, mode detect.Mode, hold string) *detect.Verdict {
	return &detect.Verdict{Source: netip.MustParsePrefix(source), Rule: "probe", Mode: mode, Hold: hold}
}

func TestDifferencesAreOfWhatIsBlocked(t *testing.T) {
	block, observe := detect.Block, detect.Observe
	for _, c := range []struct {
		name       string
		this, that []*detect.Verdict
		want       string // what only this blocks, and what the other does with it
	}{
		{"the same", []*detect.Verdict{blockedBy("203.0.113.7/32", block, "")}, []*detect.Verdict{blockedBy("203.0.113.7/32", block, "")}, ""},
		{"nobody else", []*detect.Verdict{blockedBy("203.0.113.7/32", block, "")}, nil, "203.0.113.7/32 "},
		{"held there", []*detect.Verdict{blockedBy("203.0.113.7/32", block, "")}, []*detect.Verdict{blockedBy("203.0.113.7/32", block, "a partner")}, "203.0.113.7/32 held"},
		{"observed there", []*detect.Verdict{blockedBy("203.0.113.7/32", block, "")}, []*detect.Verdict{blockedBy("203.0.113.7/32", observe, "")}, "203.0.113.7/32 observed"},
		{"observed here", []*detect.Verdict{blockedBy("203.0.113.7/32", observe, "")}, nil, ""},
		{"held, then blocked", []*detect.Verdict{blockedBy("203.0.113.7/32", block, "x"), blockedBy("203.0.113.7/32", block, "")}, nil, "203.0.113.7/32 "},
		{"its network is blocked there", []*detect.Verdict{blockedBy("2001:db8::7/128", block, "")}, []*detect.Verdict{blockedBy("2001:db8::/64", block, "")}, ""},
		{"an address of it is blocked there", []*detect.Verdict{blockedBy("2001:db8::/64", block, "")}, []*detect.Verdict{blockedBy("2001:db8::7/128", block, "")}, "2001:db8::/64 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, d := range Differences(c.this, c.that, This) {
				got += fmt.Sprint(d.Source, " ", d.Also)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A source that was held and then blocked is one blocked source.
func TestASummaryTakesWhatBecameOfASource(t *testing.T) {
	found := Final([]*detect.Verdict{
		blockedBy("203.0.113.7/32", detect.Block, "x"), blockedBy("203.0.113.8/32", detect.Observe, ""), blockedBy("203.0.113.9/32", detect.Block, "x"),
		blockedBy("203.0.113.7/32", detect.Block, ""),
	})
	encoded, err := json.Marshal(Groups(found)[0])
	if want := `{"by":"rule","name":"probe","blocked":1,"held":1,"observed":1,"hits":0}`; err != nil || string(encoded) != want {
		t.Errorf("%s instead of %s: %v", encoded, want, err)
	}
}

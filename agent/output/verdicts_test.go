package output

import (
	"fmt"
	"strings"
	"testing"

	"activedefense/agent/compare"
	"activedefense/detect"
)

func TestWhatBecameOfSourcesIsSaidInWords(t *testing.T) {
	found := []*detect.Verdict{{Rule: "probe", Hold: "x"}, {Rule: "probe", Mode: detect.Observe}, {Rule: "probe"}}
	if text := Outcome(found); text != "1 source would have been blocked, 1 held, 1 observed" {
		t.Error(text)
	}
	if text := Outcome(nil); text != "0 sources would have been blocked" {
		t.Error(text)
	}
}

// Of countries the largest are written, and how many are left out is given.
func TestASummaryLeavesOutSmallCountries(t *testing.T) {
	all := []compare.Group{{By: "rule", Name: "probe"}}
	for i := range mostCountries + 3 {
		all = append(all, compare.Group{By: "country", Name: fmt.Sprint("C", i)})
	}
	all = append(all, compare.Group{By: "hour", Name: "2026-11-29T12:00:00Z"}, compare.Group{By: "hour"})
	var out strings.Builder
	leftOut, err := Groups(&out, all)
	if err != nil || leftOut != 3 || strings.Count(out.String(), "\nC") != mostCountries+1 || !strings.Contains(out.String(), "\nHOUR ") || !strings.Contains(out.String(), "\nunknown ") { // COUNTRY is one
		t.Errorf("%d left out, %v:\n%s", leftOut, err, out.String())
	}
}

package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"activedefense/store"
)

// Whatever a receiver refuses of what it is told, for its text, in any form or for its size, and when it begins and ends to refuse everything: each notice is delivered
// once, in order, but those that it refuses in any form, which are given up; as much of the others as there can be with its text; and in a bounded number of calls.
func TestOnlyWhatIsRefusedInAnyFormIsGivenUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"fine", "fine", "fine", "fine", "fine", "fine", "text", "whole"}), 1, 60).Draw(rt, "notices")
		var list []store.Notice
		var want, got []string
		for i, kind := range kinds {
			list = append(list, store.Notice{ID: fmt.Sprint(i, kind), Event: store.EventBlock, Address: "203.0.113.1", Reason: kind})
			if kind != "whole" {
				want = append(want, list[i].ID)
			}
		}
		each := rapid.IntRange(1, 60).Draw(rt, "each")
		most := rapid.IntRange(1, 60).Draw(rt, "size that it takes")
		from := rapid.IntRange(0, 40).Draw(rt, "refuses everything from")
		upto := from + rapid.IntRange(0, 40).Draw(rt, "for")
		var c care
		for call := 0; len(list) > 0; call++ {
			if call > 100+80*len(kinds) {
				rt.Fatalf("no end: %d are left, %+v", len(list), c)
			}
			a := c.attempt(list, each)
			var err error
			switch shut := call >= from && call < upto; {
			case len(a.notices) > most:
				err = &contentError{errors.New("too large"), rapid.Bool().Draw(rt, "says so")}
			case shut || slices.ContainsFunc(a.notices, func(n store.Notice) bool {
				return strings.HasSuffix(n.ID, "whole") || n.Reason == "text"
			}):
				err = &contentError{error: errors.New("no")}
			}
			done := 0
			if err == nil && !a.proof {
				done = len(a.notices)
			}
			for i, n := range a.notices[:done] {
				if got = append(got, n.ID); a.bare(i) != (n.Reason != list[i].Reason) {
					rt.Fatalf("%s: without its text: %v", n.ID, a.bare(i))
				}
			}
			_, lost := c.came(&a, done, each, err)
			if lost {
				if done = 1; !strings.HasSuffix(list[0].ID, "whole") {
					rt.Fatalf("%s is given up", list[0].ID)
				}
			}
			list = list[done:]
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("it got %v, not %v", got, want)
		}
	})
}

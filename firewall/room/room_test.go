package room

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var at = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestWhatIsLeftOutFirst(t *testing.T) {
	// In the order in which it is left out.
	order := []struct {
		name  string
		claim Claim
	}{
		{"forgeable, never seen", Claim{Forgeable, time.Time{}}},
		{"forgeable, long quiet", Claim{Forgeable, at}},
		{"forgeable, seen just now", Claim{Forgeable, at.Add(24 * time.Hour)}},
		{"of a label file", Claim{Listed, at}},
		{"proven, long quiet", Claim{Proven, at.Add(-24 * time.Hour)}},
		{"of a grade that is not known", Claim{LastSeen: at}},
		{"proven, seen just now", Claim{Proven, at.Add(time.Microsecond)}},
		{"by hand, long quiet", Claim{Manual, at.Add(-time.Hour)}},
		{"by hand", Claim{Manual, at}},
	}
	for most := 1; most <= len(order); most++ {
		stays := Keep(len(order), most, func(i int) Claim { return order[i].claim })
		for i, s := range stays {
			if want := i >= len(order)-most; s != want {
				t.Errorf("with room for %d, %s stays: %t", most, order[i].name, s)
			}
		}
	}
	for _, most := range []int{0, -1} {
		if slices.Contains(Keep(len(order), most, func(i int) Claim { return order[i].claim }), false) {
			t.Errorf("with room for all (%d) something is left out", most)
		}
	}
}

// Keep leaves out what sorting by Compare would, and of equal claims the last.
func TestKeepAgreesWithSorting(t *testing.T) {
	claims := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Claim {
		return Claim{rapid.SampledFrom([]Rank{Forgeable, Listed, Proven, Manual}).Draw(r, "rank"),
			at.Add(time.Duration(rapid.IntRange(-5, 5).Draw(r, "seen")) * time.Second)}
	}), 0, 40)
	rapid.Check(t, func(r *rapid.T) {
		list, most := claims.Draw(r, "claims"), rapid.IntRange(1, 45).Draw(r, "most")
		order := make([]int, len(list))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(list[b].Compare(list[a]), cmp.Compare(a, b)) })
		want := make([]bool, len(list))
		for _, i := range order[:min(most, len(order))] {
			want[i] = true
		}
		if got := Keep(len(list), most, func(i int) Claim { return list[i] }); !slices.Equal(got, want) {
			r.Fatalf("room for %d of %v: %v stays instead of %v", most, list, got, want)
		}
	})
}

// Sixty thousand forged sources, all fresher than anything, push no proven one out.
func TestAFloodPushesNothingProvenOut(t *testing.T) {
	const flood, proven = 60_000, 5_000
	stays := Keep(flood+proven, proven, func(i int) Claim {
		if i < flood {
			return Claim{Forgeable, at}
		}
		return Claim{Proven, at.Add(-30 * 24 * time.Hour)}
	})
	if slices.Contains(stays[:flood], true) || slices.Contains(stays[flood:], false) {
		t.Error("a forged source has the place of a proven one")
	}
}

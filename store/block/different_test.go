package block

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is asked for, the texts of a column are those that a look at every record gives.
func TestDifferent(t *testing.T) {
	all := odd(1000, 7)
	from := spread(t, all)
	found := 0
	rapid.Check(t, func(rt *rapid.T) {
		f, column := drawFilter(rt), rapid.SampledFrom([]int{0, 3, 7, 12, 17}).Draw(rt, "column")
		without := rapid.SliceOfN(rapid.SampledFrom([]string{"", "deny", "DROP", "TRAFFIC"}), 0, 2).Draw(rt, "without")
		want, got := make(map[string]bool), make(map[string]bool)
		for i := range all {
			if text := *all[i].Texts()[column]; text != "" && matches(&f, &all[i]) && !slices.Contains(without, all[i].Type) {
				want[Clean(text)] = true
			}
		}
		must(t, Different(t.Context(), from, f, textNames[columnOf(column)], without, func(text string) { got[text] = true }))
		if found += len(got); !maps.Equal(got, want) {
			rt.Fatalf("%d texts of %s, want %d", len(got), textNames[columnOf(column)], len(want))
		}
	})
	if found == 0 {
		t.Error("no text was found")
	}
	if err := Different(t.Context(), from, Filter{}, "src_port", nil, func(string) {}); err == nil {
		t.Error("a column of numbers has texts")
	}
}

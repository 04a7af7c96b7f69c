package xmlapi

import (
	"runtime"
	"strings"
	"testing"
)

// A text that comes in many pieces is put together, at a cost that grows as its length does.
func TestTextInPieces(t *testing.T) {
	n, err := Parse([]byte("<a> one <!-- - --><![CDATA[<two>]]> &amp; <b/>three </a>"))
	if err != nil || n.Text != "one <two> & three" {
		t.Errorf("the text is %q (%v)", n.Text, err)
	}
	allocated := func(pieces int) uint64 {
		body := []byte("<a>" + strings.Repeat("<![CDATA[0123456789]]>", pieces) + "</a>")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if n, err := Parse(body); err != nil || len(n.Text) != 10*pieces {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(500), allocated(50*500); many > 100*few {
		t.Errorf("fifty times the pieces allocate %d times the memory", many/few)
	}
}

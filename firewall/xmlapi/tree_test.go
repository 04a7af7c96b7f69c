package xmlapi

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Node {
	t.Helper()
	n, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReadingATree(t *testing.T) {
	n := parsed(t, `<?xml version="1.0"?><rules xmlns:x="u" loc="branches"><!-- no --><entry name="a"><x:from><member>one</member><other/><member> two </member></x:from>
		<disabled>yes</disabled><action>drop</action></entry><entry name="b"/><member>m</member></rules>`)
	a := n.Entry("a")
	for what, got := range map[string]string{
		"attribute":   n.Attr("loc") + "|" + n.Attr("none"),
		"entries":     fmt.Sprint(len(n.Entries()), n.FirstEntry().Attr("name"), n.Entry("b").Attr("name")),
		"members":     strings.Join(a.Child("from").Members(), ","),
		"values":      a.Value("action") + "|" + a.Value("none") + "|" + n.Value("entry", "action"),
		"yes":         fmt.Sprint(a.Yes("disabled"), a.Yes("action"), a.Yes("none")),
		"texts":       strings.Join(a.Texts(), ","),
		"path":        a.At("from", "member").Text,
		"none of all": fmt.Sprint(n.Child("none") == nil, n.Entry("none") == nil, a.FirstEntry() == nil, n.At("entry", "none", "deeper") == nil),
	} {
		want := map[string]string{"attribute": "branches|", "entries": "2ab", "members": "one,two", "values": "drop||drop", "yes": "truefalsefalse",
			"texts": "one,two,yes,drop", "path": "one", "none of all": "true true true true"}[what]
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
}

// An element that is not there can be read like any other.
func TestReadingNothing(t *testing.T) {
	var n *Node
	if n.Attr("a") != "" || n.At("a", "b") != nil || n.Child("a") != nil || n.Entries() != nil || n.FirstEntry() != nil || n.Entry("a") != nil ||
		n.Members() != nil || n.Value("a") != "" || n.Texts() != nil || n.Yes("a") || n.Clean() != nil {
		t.Error("nothing holds something")
	}
}

// What is written is read back as it was.
func TestWritingATree(t *testing.T) {
	n := Element("rules", NamedEntry(`a "b" <c>`, Leaf("text", "x & <y>"), MemberList("from", "one", "two"), Element("empty")))
	const want = `<rules><entry name="a &#34;b&#34; &lt;c&gt;"><text>x &amp; &lt;y&gt;</text><from><member>one</member><member>two</member></from><empty/></entry></rules>`
	if got := n.XML(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := parsed(t, n.XML()).XML(); got != want {
		t.Errorf("read back and written again: %s", got)
	}
	marked := parsed(t, `<entry name="a" admin="x" dirtyId="3" time="t"><b loc="c">d</b></entry>`)
	if got := marked.Clean().XML(); got != `<entry name="a"><b>d</b></entry>` {
		t.Errorf("without marks: %s", got)
	}
	if marked.Attr("admin") != "x" {
		t.Error("the marks are gone from the tree itself")
	}
}

func TestWhatIsNoTree(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "two": "<a/><b/>", "open": "<a>", "deep": strings.Repeat("<a>", maxDepth+2) + strings.Repeat("</a>", maxDepth+2),
	} {
		if n, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: read as %s", name, n.XML())
		}
	}
}

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

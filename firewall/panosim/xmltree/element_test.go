package xmltree

import (
	"strings"
	"testing"
	"time"
)

func TestReading(t *testing.T) {
	for text, want := range map[string]string{
		"<a> x </a>":                               "<a>x</a>",
		"<a>\n <b/>\n</a>":                         "<a><b/></a>",
		`<a y="2" name="n" x="1"/>`:                `<a name="n" x="1" y="2"/>`,
		`<a n="&lt;&amp;&quot;">&lt;&gt;&amp;</a>`: `<a n="&lt;&amp;&quot;">&lt;&gt;&amp;</a>`,
		"<a><![CDATA[<b>]]></a>":                   "<a>&lt;b&gt;</a>",
		"<?xml version='1.0'?><a><!-- no --></a>":  "<a/>",
	} {
		if e, err := Parse(text); err != nil || e.String() != want {
			t.Errorf("%s is read as %s, %v", text, e, err)
		}
	}
	for _, text := range []string{
		"", "x", "<a>", "<a/><b/>", "<a/>x", "<a></b>", "<a b>", strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1),
	} {
		if e, err := Parse(text); err == nil {
			t.Errorf("%.40s is read as %s", text, e)
		}
	}
}

// White space matters in formats and certificates, not between elements.
func TestConfigurationsKeepTheirWhiteSpace(t *testing.T) {
	if got := parsed(t, "<a>\n <b> x\ty </b>\n <c>\n</c></a>").String(); got != "<a><b> x\ty </b><c/></a>" {
		t.Errorf("read as %q", got)
	}
}

// Text in very many pieces, as in a long list that is written one entry a line, takes no more than its length.
func TestTextInPieces(t *testing.T) {
	const pieces = 300_000
	began := time.Now()
	e, err := ParseConfig("<a>" + strings.Repeat("x<!---->", pieces) + "</a>")
	if err != nil || len(e.Text) != pieces {
		t.Errorf("error %v", err)
	}
	// Where each piece is added to all before it, it is many times that.
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d pieces took %v", pieces, took)
	}
}

func TestFindingsOnNil(t *testing.T) {
	var e *Element
	if e.Child("a") != nil || e.Entry("a") != nil || e.Down("a", "entry=b") != nil || e.All() != nil || e.Entries() != nil ||
		e.Members() != nil || e.Value("a") != "" || e.Attribute("a") != "" || e.ID() != "" {
		t.Error("something was found in nothing")
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b         string
		equal, alike bool
	}{
		{"<a><b/><c/></a>", "<a><b/><c/></a>", true, true},
		{"<a><b/><c/></a>", "<a><c/><b/></a>", false, true},
		{"<a><member>x</member><member>y</member></a>", "<a><member>y</member><member>x</member></a>", false, true},
		{"<a><member>x</member></a>", "<a><member>y</member></a>", false, false},
		{"<a><member>x</member><member>x</member></a>", "<a><member>x</member><member>y</member></a>", false, false},
		{"<a><member>x</member><member>y</member></a>", "<a><member>x</member><member>x</member></a>", false, false},
		{`<a><entry name="x"><b/></entry><entry name="y"/></a>`, `<a><entry name="y"/><entry name="x"><b/></entry></a>`, false, true},
		{`<a><entry name="x"/><entry name="y"/></a>`, `<a><entry name="y"/><entry name="x"><b/></entry></a>`, false, false},
		{`<a x="1"/>`, `<a x="2"/>`, false, false},
		{"<a/>", "<a><b/></a>", false, false},
		{"<a>x</a>", "<a>y</a>", false, false},
	} {
		a, b := parsed(t, c.a), parsed(t, c.b)
		if a.Equal(b) != c.equal || a.Alike(b) != c.alike {
			t.Errorf("%s and %s: equal %v, alike %v", c.a, c.b, a.Equal(b), a.Alike(b))
		}
	}
}

func TestMarks(t *testing.T) {
	e := parsed(t, `<a name="n"><b/></a>`)
	m := NewMark([]string{"admin", "time"}, []string{`"ann"`, "now"})
	e.Mark, e.Children[0].Mark = m, m
	write := func(shows func(*Element) bool) string {
		var b strings.Builder
		e.Write(&b, shows)
		return b.String()
	}
	const mark = ` admin="&quot;ann&quot;" time="now"`
	if got, want := write(func(*Element) bool { return true }), `<a name="n"`+mark+`><b`+mark+`/></a>`; got != want {
		t.Errorf("all marked: %s, want %s", got, want)
	}
	if got, want := write(func(e *Element) bool { return e.Name == "b" }), `<a name="n"><b`+mark+`/></a>`; got != want {
		t.Errorf("one marked: %s, want %s", got, want)
	}
	if got := write(nil); got != e.String() || got != e.Clone().String() {
		t.Errorf("none marked: %s", got)
	}
	m.Lift()
	if got := write(func(*Element) bool { return true }); got != e.String() {
		t.Errorf("after the mark was lifted: %s", got)
	}
}

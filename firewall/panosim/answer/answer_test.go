package answer

import (
	"strings"
	"testing"

	"activedefense/firewall/panosim/xmltree"
)

// The shapes are those that clients have recorded from devices, to the letter.
func TestShapes(t *testing.T) {
	command, err := xmltree.Parse("<show><nonsense><x/></nonsense></show>")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got    Answer
		status int
		want   string
	}{
		{Success("<result/>"), 200, `<response status="success"><result/></response>`},
		{Failure(7, "a < b"), 200, `<response status="error" code="7"><msg><line>a &lt; b</line></msg></response>`},
		{Failure(0, "no code"), 200, `<response status="error"><msg><line>no code</line></msg></response>`},
		{Forbidden("Invalid Credential"), 403, `<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>`},
		{BadRequest(`Missing value for parameter "type".`), 400,
			`<response status = 'error' code = '400'><result><msg>Missing value for parameter &#34;type&#34;.</msg></result></response>`},
		{Unauthorized(), 200, `<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`},
		{Unexpected(command), 200, `<response status="error" code="17"><msg><line>show -&gt; nonsense -&gt; x is unexpected</line></msg></response>`},
		{InvalidVSys("vsys9"), 200, `<response status="error" code="17"><msg><line>vsys9 is invalid vsys</line></msg></response>`},
	} {
		if string(c.got.Body) != c.want || c.got.Status != c.status || c.got.ContentType != ContentType {
			t.Errorf("got %d %s %s\nwant %d %s", c.got.Status, c.got.ContentType, c.got.Body, c.status, c.want)
		}
	}
	if p := Page(503); p.Status != 503 || p.ContentType != "text/html" || !strings.Contains(string(p.Body), "503 Service Unavailable") {
		t.Errorf("page: %+v", p)
	}
}

func TestElements(t *testing.T) {
	var b strings.Builder
	WriteFields(&b, []Field{{"a", "<"}, {"b", ""}})
	WriteMembers(&b, "empty", nil)
	WriteMembers(&b, "list", []string{"x", "&"})
	if got, want := b.String(), "<a>&lt;</a><b></b><list><member>x</member><member>&amp;</member></list>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

package firewall

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/xmlapi"
)

func TestParseEntries(t *testing.T) {
	tests := []struct {
		name, body string
		want       []named
		ok         bool
	}{
		{"success", `<response status="success"><result><uid-response><version>2.0</version><payload><register></register></payload></uid-response></result></response>`, nil, true},
		{"success with echoes", `<response status="success"><result><uid-response><payload><register><entry ip="192.0.2.1"/></register></payload></uid-response></result></response>`, nil, true},
		{"partial failure", `<response status="error"><msg><line><uid-response><version>2.0</version><payload><unregister> </unregister><register>
			<entry ip="192.0.2.1" message="tag foo already exists, ignore"/><entry message="Failed to register" ip="192.0.2.2/32"></entry></register></payload></uid-response></line></msg></response>`,
			[]named{{netip.MustParsePrefix("192.0.2.1/32"), "tag foo already exists, ignore"}, {netip.MustParsePrefix("192.0.2.2/32"), "Failed to register"}}, false},
		{"failure without a message", `<response status="error"><msg><line><uid-response><payload><register><entry ip="2001:0db8:0::0001"/></register></payload></uid-response></line></msg></response>`,
			[]named{{netip.MustParsePrefix("2001:db8::1/128"), ""}}, false},
		{"what names no address", `<response status="error"><msg><line><uid-response><payload><register><entry ip="nonsense" message="x"/><entry message="x"/></register></payload></uid-response></line></msg></response>`, nil, false},
		{"entries elsewhere", `<response status="success"><result><entry ip="192.0.2.1" message="x"/></result></response>`, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok, err := parseEntries([]byte(test.body))
			if err != nil || ok != test.ok || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, %v; want %v, %v", got, ok, err, test.want, test.ok)
			}
		})
	}
}

// What a row shows of the end of our tag, in the forms that are known or likely.
func TestShownEnds(t *testing.T) {
	for member, want := range map[string]time.Duration{
		`<member>mine</member>`: 0, `<member> mine
		</member>`: 0, `<member>mine (expire in 2980 seconds)</member>`: 2980 * time.Second, `<member expires-in="60">mine</member>`: time.Minute,
		`<member remaining="0">mine</member>`: forEver, `<member expire="never">mine</member>`: forEver, `<member timeout="0">mine</member>`: forEver,
		`<member timeout="3600">mine</member>`: 0, `<member expires="soon">mine</member>`: 0, `<member origin="0">mine</member>`: 0,
	} {
		pg, err := parsePage([]byte(`<response status="success"><result><entry ip="192.0.2.1"><tag><member timeout="0">other</member>`+member+`</tag></entry></result></response>`), "mine")
		if r, ours := pg.ours[netip.MustParsePrefix("192.0.2.1/32")]; err != nil || !ours || r.left != want {
			t.Errorf("%s: %v left, ours %v, %v; want %v", member, r.left, ours, err, want)
		}
	}
	for _, other := range []string{`<member>mine too</member>`, `<member>yours (expire in 5 seconds)</member>`, `<member>mine (expire in 5 minutes)</member>`} {
		if pg, err := parsePage([]byte(`<response status="success"><result><entry ip="192.0.2.1"><tag>`+other+`</tag></entry></result></response>`), "mine"); err != nil || len(pg.ours) != 0 {
			t.Errorf("%s is taken for ours, %v", other, err)
		}
	}
}

// parsePage reads a whole document as a call would give it.
func parsePage(body []byte, tag string) (page, error) {
	root, err := xmlapi.Parse(body)
	if result := root.Child("result"); result != nil {
		root = result
	}
	return readPage(root, tag), err
}

func TestParsePage(t *testing.T) {
	body := `<response status="success"><result>
		<entry ip="192.0.2.1" from_agent="0" persistent="1"><tag><member>mine</member></tag></entry>
		<entry ip="192.0.2.2/32" persistent="0" epoch="7"><tag><member>other</member><member origin="api"> mine </member></tag><groups><entry ip="192.0.2.99"><tag><member>mine</member></tag></entry></groups></entry>
		<entry ip="192.0.2.3" persistent="1"><tag><member>mine too</member></tag></entry>
		<entry ip="198.51.100.0/24" persistent="1"><tag><member>mine</member></tag></entry>
		<entry ip="192.0.2.10-192.0.2.20" persistent="1"><tag><member>mine</member></tag></entry>
		<entry ip="2001:0db8:0000:0000:0000:0000:0000:0001" persistent="1"><tag><member>mine</member></tag></entry>
		<count>6</count></result></response>`
	pg, err := parsePage([]byte(body), "mine")
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for p := range pg.ours {
		ours = append(ours, p.String())
	}
	slices.Sort(ours)
	if want := []string{"192.0.2.1/32", "192.0.2.2/32", "198.51.100.0/24", "2001:db8::1/128"}; !slices.Equal(ours, want) || pg.rows != 6 || len(pg.keys) != 6 {
		t.Errorf("ours %v of %d rows; want %v of 6", ours, pg.rows, want)
	}
	if pg.ours[netip.MustParsePrefix("192.0.2.2/32")].Persistent || !pg.ours[netip.MustParsePrefix("192.0.2.1/32")].Persistent {
		t.Error("persistence is read wrongly")
	}
	for _, empty := range []string{`<response status="success"><result/></response>`, `<response status="success"><result><count>0</count></result></response>`, `<response status="success"/>`} {
		if pg, err := parsePage([]byte(empty), "mine"); err != nil || pg.rows != 0 || pg.outfile {
			t.Errorf("%s: %+v, %v", empty, pg, err)
		}
	}
	if pg, err := parsePage([]byte(`<response status="success"><result><msg><line><outfile>/var/log/x</outfile></line></msg></result></response>`), "mine"); err != nil || !pg.outfile {
		t.Errorf("a list in a file is not noticed: %+v, %v", pg, err)
	}
}

func TestGoldenRequests(t *testing.T) {
	changes := []change{
		{netip.MustParsePrefix("192.0.2.7/32"), 24 * time.Hour},
		{netip.MustParsePrefix("198.51.100.0/24"), 45 * 24 * time.Hour},
		{netip.MustParsePrefix("2001:db8::7/128"), time.Second},
	}
	requests := map[string]string{
		"register.xml":   uidMessage(true, "active-defense", changes),
		"unregister.xml": uidMessage(false, "active-defense", changes),
		"escaped.xml":    uidMessage(true, `R&D <block>`, changes[:1]),
		"page.xml":       pageRequest(`R&D <block>`, 501),
	}
	for name, got := range requests {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
			continue
		}
		// The files are broken into lines to be read; the wire carries none.
		if flat := strings.Join(strings.FieldsFunc(string(want), func(r rune) bool { return r == '\n' || r == '\t' }), ""); got != flat {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, flat)
		}
	}
}

// FuzzRegistered reads anything as an answer about registered addresses: nothing may panic, and every document must be
// readable.
func FuzzRegistered(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range seeds {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`<response status="success"><result><entry ip="192.0.2.1" persistent="1"><tag><member>active-defense</member></tag></entry><count>1</count></result></response>`))
	f.Add([]byte(`<response status="error"><msg><line><uid-response><payload><register><entry ip="192.0.2.1" message="tag x already exists, ignore"/></register></payload></uid-response></line></msg></response>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, _, err := parseEntries(body)
		for _, n := range entries {
			if p, ok := Normalize(n.prefix); !ok || p != n.prefix {
				t.Fatalf("%v is not in normal form", n.prefix)
			}
		}
		pg, pageErr := parsePage(body, "active-defense")
		if len(pg.ours) > pg.rows || len(pg.keys) != pg.rows {
			t.Fatalf("%d ours and %d keys of %d rows", len(pg.ours), len(pg.keys), pg.rows)
		}
		if _, wellFormed := xmlapi.Parse(body); wellFormed == nil && (err != nil || pageErr != nil) {
			t.Fatalf("a document that is a tree cannot be read: %v, %v", err, pageErr)
		}
	})
}

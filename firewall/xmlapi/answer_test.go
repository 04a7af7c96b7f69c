package xmlapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	tests := []struct {
		name, body string
		want       head
		bad        bool
	}{
		{"success", `<response status="success"><result/></response>`, head{Status: "success"}, false},
		{"single quotes, spaces", `<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>`, head{Status: "error", Code: 403, Reason: "Invalid Credential"}, false},
		{"lines", `<response status="error" code="13"><msg><line>Another commit</line><line><![CDATA[is <in> progress]]></line></msg></response>`, head{Status: "error", Code: 13, Reason: "Another commit | is <in> progress"}, false},
		{"message of its own", `<response status="error"><msg>No such node</msg></response>`, head{Status: "error", Reason: "No such node"}, false},
		{"per-address", `<response status="error"><msg><line><uid-response><payload/></uid-response></line></msg></response>`, head{Status: "error", UID: true}, false},
		{"text elsewhere is no reason", `<response status="success"><result><system><msg>hello</msg></system></result></response>`, head{Status: "success"}, false},
		{"code that is no number", `<response status="error" code="x"/>`, head{Status: "error"}, false},
		{"prolog, comment, line ends", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- hello -->\n<response status=\"success\"></response>\n\n", head{Status: "success"}, false},
		{"empty", "", head{}, true},
		{"blank", " \n", head{}, true},
		{"HTML", "<html><body>503</body></html>", head{}, true},
		{"HTML with a doctype", "<!DOCTYPE html><html></html>", head{}, true},
		{"doctype in XML", `<!DOCTYPE response [<!ENTITY a "b">]><response status="success"/>`, head{}, true},
		{"another root", `<config version="10.2.0"/>`, head{}, true},
		{"truncated between elements", `<response status="success"><result>`, head{}, true},
		{"truncated in a tag", `<response status="success"><result><entry ip="192.0.2.`, head{}, true},
		{"crossed", `<response><result></response></result>`, head{}, true},
		{"two documents", `<response/><response/>`, head{}, true},
		{"text behind", `<response/>x`, head{}, true},
		{"text in front", `x<response/>`, head{}, true},
		{"not XML", "not XML & no end \x00", head{}, true},
		{"deep", strings.Repeat("<response>", 300) + strings.Repeat("</response>", 300), head{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := inspect([]byte(test.body))
			if test.bad {
				if !errors.Is(err, errNotPANOS) {
					t.Fatalf("taken for an answer of PAN-OS: %+v, %v", got, err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestReasonIsBounded(t *testing.T) {
	body := `<response status="error"><msg>` + strings.Repeat("<line>too long </line>", 10_000) + `</msg></response>`
	h, err := inspect([]byte(body))
	if err != nil || len(h.Reason) < maxText || len(h.Reason) > 2*maxReason {
		t.Fatalf("a reason of %d bytes, %v", len(h.Reason), err)
	}
	if text := tidy(h.Reason, nil); len(text) > maxText+3 {
		t.Fatalf("%d bytes after tidy", len(text))
	}
}

func TestCheckAndKinds(t *testing.T) {
	tests := []struct {
		name      string
		status    int
		body      string
		kind      string
		code      int
		transient bool
	}{
		{"bad key", 403, `<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>`, KindAuth, 403, false},
		{"bad key with status 200", 200, `<response status='error' code='403'><result><msg>Invalid Credential</msg></result></response>`, KindAuth, 403, false},
		{"older text without a code", 200, `<response status="error"><msg><line>Invalid credentials.</line></msg></response>`, KindAuth, 0, false},
		{"role", 403, `<response status='error' code='403'><result><msg>Type [user-id] not authorized for user role.</msg></result></response>`, KindRole, 403, false},
		{"unauth", 200, `<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`, KindRole, 16, false},
		{"403 of a proxy", 403, `<html/>`, KindAuth, 403, false},
		{"401", 401, `<response status="error" code="401"><msg>who are you</msg></response>`, KindAuth, 401, false},
		{"bad gateway", 502, `<html/>`, KindHTTP, 502, true},
		{"unavailable with XML", 503, `<response status="error"><msg>starting</msg></response>`, KindHTTP, 503, true},
		{"too many requests", 429, ``, KindHTTP, 429, true},
		{"redirect", 302, ``, KindHTTP, 302, false},
		{"not found", 404, `<html/>`, KindHTTP, 404, false},
		{"bad request", 400, `<response status="error" code="400"><msg>missing parameter</msg></response>`, KindAPI, 400, false},
		{"session timed out", 200, `<response status="error" code="22"><msg>Session timed out</msg></response>`, KindAPI, 22, true},
		{"internal error", 200, `<response status="error" code="11"/>`, KindAPI, 11, true},
		{"session timed out without a code", 200, refused("Session timed out"), KindBusy, 0, true},
		{"waits for a lock", 400, `<response status="error" code="400"><msg><line>Timed out while getting config lock. Please try again.</line></msg></response>`, KindBusy, 400, true},
		{"an installation", 200, `<response status="error" code="13"><msg><line>You cannot commit while an install is in progress. Please try again later.</line></msg></response>`, KindBusy, 13, true},
		{"tells to try again", 200, refused("Commit is not allowed now. Please try again later"), KindBusy, 0, true},
		{"the pair", 200, refused("Failed to synchronize running configuration with HA peer"), KindBusy, 0, true},
		{"a daemon", 200, refused("Server error : op command for client dagger timed out as client is not available"), KindBusy, 0, true},
		{"configd", 200, refused("job failed because of configd restart"), KindBusy, 0, true},
		{"unknown vsys", 200, `<response status="error" code="17"><msg><line>vsys99 is invalid vsys</line></msg></response>`, KindAPI, 17, false},
		{"full", 200, `<response status="error"><msg><line>max registered-ip for the platform reached (1000)</line></msg></response>`, KindCapacity, 0, false},
		{"page of another server", 200, `<html/>`, KindMalformed, 0, true},
		{"success with status 500", 500, `<response status="success"/>`, KindHTTP, 500, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, e := check(test.status, []byte(test.body))
			if e == nil {
				e = h.err()
			}
			if e == nil {
				t.Fatal("taken for a success")
			}
			if e.Kind != test.kind || e.Code != test.code || Transient(e) != test.transient || e.Text == "" {
				t.Errorf("kind %q, code %d, transient %v, text %q; want %q, %d, %v", e.Kind, e.Code, Transient(e), e.Text, test.kind, test.code, test.transient)
			}
		})
	}
	for _, body := range []string{`<response status="success"/>`, `<response status="success" code="19"/>`, `<response status="success" code="7"><result/></response>`} {
		if h, e := check(200, []byte(body)); e != nil || h.err() != nil {
			t.Errorf("%s: %v, %v", body, e, h.err())
		}
	}
}

// Every kind of call has a bound of its own, which the error names, and what is too long is not asked for again.
func TestAnswerIsBounded(t *testing.T) {
	for _, c := range []struct {
		call func(*script) error
		says string
	}{
		{func(s *script) error {
			_, err := s.Op(t.Context(), "read", "read registered addresses from 1", "<show><object><registered-ip><all></all></registered-ip></object></show>")
			return err
		}, "read registered addresses from 1: the response is longer than 8 MiB, the bound for a page of registered addresses"},
		{func(s *script) error {
			_, err := s.Show(t.Context(), "read the configuration", "/config")
			return err
		}, "longer than 64 MiB, the bound for a configuration"},
		{func(s *script) error {
			_, err := s.Op(t.Context(), "list", "read the list", "<request><system><external-list><show></show></external-list></system></request>")
			return err
		}, "longer than 64 MiB, the bound for the entries of an external dynamic list"},
		{func(s *script) error {
			_, err := s.Op(t.Context(), "members", "read the members", "<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>")
			return err
		}, "longer than 64 MiB, the bound for the members of dynamic address groups"},
		{func(s *script) error { _, err := DefaultRoutes(t.Context(), s.Device); return err }, "longer than 64 MiB, the bound for the routing table"},
		{func(s *script) error { _, err := s.Jobs(t.Context()); return err }, "longer than 16 MiB, the bound for an answer of this kind"},
	} {
		s := newScript(t, always(success))
		asked := 0
		s.transport.try.base = roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			endless := io.MultiReader(strings.NewReader(`<response status="success"><result>`), repeat{})
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(endless), Request: r}, nil
		})
		if err := c.call(s); Kind(err) != KindOversize || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "firewall "+s.Name()+": ") || asked != 1 {
			t.Errorf("asked %d times: %v instead of %s", asked, err, c.says)
		}
	}
	var s streamed
	early := &counted{from: io.MultiReader(strings.NewReader(`<response status="success"><result></wrong>`), repeat{})}
	if err := s.fill(early); Kind(err) != KindMalformed || early.bytes > 1<<20 {
		t.Errorf("what is wrong early is read on for %d bytes: %v", early.bytes, err)
	}
}

// An answer as long as its bound is read to its end, and one that is a byte longer is not, of whichever kind.
func TestBoundsAreExact(t *testing.T) {
	for _, b := range bounds {
		for over, kind := range []string{"", KindOversize} {
			n, err := io.Copy(io.Discard, b.reader(io.LimitReader(repeat{}, b.bytes+int64(over))))
			if Kind(err) != kind || kind == "" && n != b.bytes || kind != "" && !strings.Contains(err.Error(), fmt.Sprintf("%d MiB, the bound for %s,", b.bytes>>20, b.what)) {
				t.Errorf("%d bytes over that of %s: read %d, %v", over, b.what, n, err)
			}
		}
	}
}

// What is read as a tree is not held as text beside it, and the tree is a few times as long as its text: 64 MiB of configuration, or a
// list of 500,000 entries, is a firewall's share of memory for a moment, and not the machine's.
func TestATreeTakesAFewTimesItsText(t *testing.T) {
	const item = `<entry name="host-000001"><ip-netmask>203.0.113.100/32</ip-netmask><tag><member>blue</member></tag></entry>`
	text := `<response status="success"><result>` + strings.Repeat(item, 40_000) + `</result></response>` // 4 MiB
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	var s streamed
	if err := s.fill(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if took := live() - before; took > 6*uint64(len(text)) {
		t.Errorf("%d bytes of text take %d", len(text), took)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(text)
}

// counted counts what is read.
type counted struct {
	from  io.Reader
	bytes int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += n
	return n, err
}

// An answer that becomes a tree while it is read says of itself what it would as a whole, and is refused for the same.
func TestAStreamedAnswerIsJudgedAlike(t *testing.T) {
	for _, body := range []string{
		success, "", "<html/>", "x", `<response status="success">`, `<response status="success"/>x`, `<!DOCTYPE x><response status="success"/>`,
		`<response status="success"/><response/>`, `<response status="success"></result></response>`, `<response><a b=c/></response>`,
		`<?xml version="1.0"?><response status="success" code="19"><result total-count="1"><entry name="x"/></result></response>`,
		`<response status="error" code="403"><result><msg>Type [config] not authorized for user role.</msg></result></response>`,
		`<response status="error" code="17"><msg><line>one</line><line><![CDATA[two <2>]]></line></msg><result><x/><msg>three</msg></result></response>`,
		`<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`,
		`<response status="success" code="7"><result/></response>`, `<response status="error"><msg>` + strings.Repeat("long ", maxReason) + `</msg></response>`,
		`<response>` + strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1) + `</response>`,
	} {
		want, wrong := inspect([]byte(body))
		var s streamed
		err := s.fill(strings.NewReader(body))
		if (err != nil) != (wrong != nil) || err != nil && (Kind(err) != KindMalformed || !errors.Is(err, errNotPANOS)) || err == nil && s.head != want {
			t.Errorf("%.80s: %+v, %v instead of %+v, %v", body, s.head, err, want, wrong)
		}
	}
	lost := errors.New("lost")
	var s streamed
	if err := s.fill(io.MultiReader(strings.NewReader("<response>"), failing{lost})); !errors.Is(err, lost) || Kind(err) != "" {
		t.Errorf("a connection that is lost: %v", err)
	}
}

// failing cannot be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// repeat is endless white space.
type repeat struct{}

func (repeat) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"10.2.9-h1": {10, 2, 9}, "11.1.4": {11, 1, 4}, "9.0.0-b12": {9, 0, 0}, "10.2": {10, 2, 0}, "12.1.3.4": {12, 1, 3}, " 11.1.13-h3\n": {11, 1, 13}, "11.2.0-c55.dev": {11, 2, 0},
	} {
		if v, ok := ParseVersion(text); !ok || v != want {
			t.Errorf("%q: %v, %v; want %v", text, v, ok, want)
		}
	}
	for _, text := range []string{"", "10", "a.b.c", "10.x.1", "-1.2.3", "0.0.0", "99999999.1.1"} {
		if v, ok := ParseVersion(text); ok {
			t.Errorf("%q is taken for %v", text, v)
		}
	}
}

func TestSecretsAreBlottedOut(t *testing.T) {
	var s secrets
	s.add("LUFRPT1/+a&b=")
	s.add("")
	for _, text := range []string{"key LUFRPT1/+a&b= is bad", "key=LUFRPT1%2F%2Ba%26b%3D&type=op", "<key>LUFRPT1/+a&amp;b=</key>"} {
		if got := tidy(text, &s); strings.Contains(got, "LUFRPT1") || !strings.Contains(got, "[redacted]") {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := tidy("two\nlines\x1b[31m", &s); strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("control characters stay: %q", got)
	}
}

// FuzzAnswer reads anything as an answer: nothing may panic, and what inspect takes must be readable as a tree.
func FuzzAnswer(f *testing.F) {
	f.Add(http.StatusForbidden, []byte(`<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>`))
	f.Add(http.StatusOK, []byte(`<response status="success"><result><entry ip="192.0.2.1" persistent="1"><tag><member>active-defense</member></tag></entry><count>1</count></result></response>`))
	f.Add(http.StatusOK, []byte(`<response status="error"><msg><line><uid-response><payload><register><entry ip="192.0.2.1" message="tag x already exists, ignore"/></register></payload></uid-response></line></msg></response>`))
	f.Add(http.StatusOK, []byte(`<response status="success"><result><system><model>PA-VM</model><serial>1</serial><sw-version>10.2.9-h1</sw-version></system></result></response>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		h, e := check(status, body)
		if e == nil {
			e = h.err()
		}
		if e != nil && (e.Kind == "" || tidy(e.Text, nil) == "") {
			t.Fatalf("an error that says nothing: %+v", e)
		}
		if _, wellFormed := inspect(body); wellFormed == nil {
			if _, err := Parse(body); err != nil {
				t.Fatalf("a checked document cannot be read: %v", err)
			}
		}
		if id, e := parseSystemInfo(body); e == nil && (id.Model == "" || !id.version.timeouts()) {
			t.Fatalf("a firewall without a model or timeouts is taken: %+v", id)
		}
	})
}

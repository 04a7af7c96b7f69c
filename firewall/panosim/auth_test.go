package panosim

import (
	"bytes"
	"crypto/x509"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
)

const (
	invalidCredential = `<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>`
	showInfo          = `<show><system><info/></system></show>`
)

// send sends a request that the test made itself.
func (p *peer) send(method, path string, header http.Header, body string) reply {
	p.Helper()
	request, err := http.NewRequest(method, p.sim.URL()+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := p.http.Do(request)
	if err != nil {
		p.Fatal(err)
	}
	r, err := read(response)
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// Every way in which clients send parameters.
func TestWaysToAsk(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	keyed := http.Header{"X-Pan-Key": {s.Key()}}
	query := url.Values{"type": {"op"}, "cmd": {showInfo}}
	withKey := url.Values{"type": {"op"}, "cmd": {showInfo}, "key": {s.Key()}}
	for name, got := range map[string]reply{
		"get":                        p.send("GET", "/api/?"+withKey.Encode(), nil, ""),
		"get, no slash, key in head": p.send("GET", "/api?"+query.Encode(), keyed, ""),
		"post":                       p.send("POST", "/api", form, withKey.Encode()),
		"post, type and key in url":  p.send("POST", "/api/?type=op&key="+url.QueryEscape(s.Key()), form, "cmd="+url.QueryEscape(showInfo)),
	} {
		if got.status != 200 || got.kind != "application/xml; charset=UTF-8" || !strings.Contains(got.body, "<model>PA-VM</model>") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := s.Stats().Exposed; n != 3 {
		t.Errorf("the key was exposed %d times, all but once it was", n)
	}
}

// The vendor's example uploads the message as a file.
func TestMultipart(t *testing.T) {
	s := start(t, Options{})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("key", s.Key()); err != nil {
		t.Fatal(err)
	}
	file, err := form.CreateFormFile("file", "message.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(uidMessage(`<register>` + tags("192.0.2.1", "a") + `</register>`))); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	got := newPeer(t, s).send("POST", "/api/?type=user-id", http.Header{"Content-Type": {form.FormDataContentType()}}, body.String())
	expect(t, "answer", got.body, emptyRegister)
	expect(t, "registered", standing(s, "192.0.2.1"), "192.0.2.1:a")
}

func TestRefusals(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	ask := func(pairs ...string) reply {
		form := url.Values{"key": {s.Key()}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return p.post(form)
	}
	missing := func(name string) string {
		return `<response status = 'error' code = '400'><result><msg>Missing value for parameter &#34;` + name + `&#34;.</msg></result></response>`
	}
	for _, c := range []struct {
		what   string
		got    reply
		status int
		body   string
	}{
		{"no type", ask(), 400, missing("type")},
		{"no command", ask("type", "op"), 400, missing("cmd")},
		{"no message", ask("type", "user-id"), 400, missing("cmd")},
		{"unknown type", ask("type", "dance"), 400, `Illegal value for parameter &#34;type&#34;.`},
		{"no log type", ask("type", "log"), 400, missing("log-type")},
		{"version", ask("type", "version"), 200, "<sw-version>10.2.9-h1</sw-version><multi-vsys>off</multi-vsys><model>PA-VM</model>"},
		{"broken command", ask("type", "op", "cmd", "<show><"), 200, `<response status="error" code="18"><msg><line>Malformed command</line></msg></response>`},
		{"two commands", ask("type", "op", "cmd", "<show/><show/>"), 200, `code="18"`},
		{"deep command", ask("type", "op", "cmd", strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200)), 200, `code="18"`},
		{"unknown command", ask("type", "op", "cmd", "<show><weather><today/></weather></show>"), 200, `<response status="error" code="17"><msg><line>show -&gt; weather -&gt; today is unexpected</line></msg></response>`},
		{"wrong key", ask("type", "op", "cmd", showInfo, "key", "wrong"), 403, invalidCredential},
		{"wrong key, not simulated", ask("type", "config", "key", "wrong"), 403, invalidCredential},
		{"no key", ask("type", "op", "cmd", showInfo, "key", ""), 403, invalidCredential},
		{"keygen without users", ask("type", "keygen", "user", "admin", "password", ""), 403, invalidCredential},
		{"other path", p.send("GET", "/", nil, ""), 404, "<html>"},
		{"other method", p.send("PUT", "/api/", nil, ""), 405, "<html>"},
		{"long query", p.send("GET", "/api/?cmd="+strings.Repeat("x", 2048), nil, ""), 414, "<html>"},
		{"broken form", p.send("GET", "/api/?type=op;cmd=x", nil, ""), 400, "Malformed request"},
	} {
		if c.got.status != c.status || !strings.Contains(c.got.body, c.body) {
			t.Errorf("%s: %d %s", c.what, c.got.status, c.got.body)
		}
	}
	if got := s.Stats().Refused; got != 3 {
		t.Errorf("Refused = %d, want 3", got)
	}
}

func TestLargeRequests(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	filler := func(n int) url.Values {
		return url.Values{"type": {"op"}, "key": {s.Key()}, "cmd": {showInfo}, "filler": {strings.Repeat("x", n)}}
	}
	if got := p.post(filler(4 << 20)); got.status != 200 {
		t.Errorf("4 MB: %d %s", got.status, got.body)
	}
	if got := p.post(filler(5 << 20)); got.status != 413 {
		t.Errorf("5 MB and a little: %d %s", got.status, got.body)
	}
	if got, want := s.Stats().Largest, int64(len(filler(5<<20).Encode())); got != want {
		t.Errorf("Largest = %d, want %d", got, want)
	}
}

func TestRevokedKey(t *testing.T) {
	s := start(t, Options{APIKey: "first", Users: map[string]string{"admin": "pass"}})
	p := newPeer(t, s)
	old := s.Key()
	expect(t, "key", old, "first")
	s.RevokeKey()
	got := p.post(url.Values{"type": {"op"}, "cmd": {showInfo}, "key": {old}})
	if got.status != 403 || got.body != invalidCredential {
		t.Errorf("revoked key: %+v", got)
	}
	if got := p.op(showInfo); !strings.Contains(got, "success") {
		t.Errorf("new key: %s", got)
	}
	got = p.post(url.Values{"type": {"keygen"}, "user": {"admin"}, "password": {"pass"}})
	expect(t, "keygen", got.body, `<response status = 'success'><result><key>`+s.Key()+`</key></result></response>`)
	s.SetPassword("admin", "changed")
	if got := p.post(url.Values{"type": {"keygen"}, "user": {"admin"}, "password": {"pass"}}); got.status != 403 {
		t.Errorf("old password: %+v", got)
	}
}

func TestKeyLifetime(t *testing.T) {
	c := newClock()
	s := start(t, Options{Now: c.Now, KeyLifetime: time.Hour, Users: map[string]string{"svc": "pass"}})
	p := newPeer(t, s)
	keygen := func() string {
		body := p.post(url.Values{"type": {"keygen"}, "user": {"svc"}, "password": {"pass"}}).body
		_, rest, _ := strings.Cut(body, "<key>")
		key, _, _ := strings.Cut(rest, "</key>")
		return key
	}
	first := keygen()
	if second := keygen(); first == "" || first == second {
		t.Errorf("keys %q and %q are not unique", first, second)
	}
	ask := url.Values{"type": {"op"}, "cmd": {showInfo}, "key": {first}}
	c.advance(time.Hour - 1)
	if got := p.post(ask); got.status != 200 {
		t.Errorf("before the end of its life: %+v", got)
	}
	c.advance(1)
	if got := p.post(ask); got.status != 403 {
		t.Errorf("after the end of its life: %+v", got)
	}
	keygen()
	if n := len(s.keys.valid); n != 1 {
		t.Errorf("%d keys are kept, of which one is valid", n)
	}
}

func TestRole(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	s.Deny("user-id")
	ask := url.Values{"type": {"user-id"}, "key": {s.Key()}, "cmd": {uidMessage(`<register>` + tags("192.0.2.1", "a") + `</register>`)}}
	got := p.post(ask)
	if got.status != 200 || got.body != `<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>` {
		t.Errorf("unauth: %+v", got)
	}
	s.SetDialect(dialect.Dialect{Denied: dialect.DeniedForbidden})
	got = p.post(ask)
	if got.status != 403 || got.body != `<response status = 'error' code = '403'><result><msg>Type [user-id] not authorized for user role.</msg></result></response>` {
		t.Errorf("forbidden: %+v", got)
	}
	if body := p.op(showInfo); !strings.Contains(body, "success") {
		t.Errorf("what is allowed: %s", body)
	}
	expect(t, "registered", standing(s), "")
	s.Deny()
	expect(t, "allowed again", p.post(ask).body, emptyRegister)
}

func TestCertificate(t *testing.T) {
	s := start(t, Options{})
	stranger := &http.Transport{}
	t.Cleanup(stranger.CloseIdleConnections)
	_, err := (&http.Client{Transport: stranger}).Get(s.URL())
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("CA is no PEM")
	}
	own := s.Transport()
	own.TLSClientConfig.RootCAs = pool
	t.Cleanup(own.CloseIdleConnections)
	response, err := (&http.Client{Transport: own}).Get(strings.Replace(s.URL(), "127.0.0.1", "localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	for _, text := range []string{"10.2", "10.2.x", "", "10.2.3.4"} {
		if _, err := dialect.ParseVersion(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if _, err := Start(Options{Version: "ten"}); err == nil {
		t.Error("Start accepts a version that is none")
	}
	old := start(t, Options{Version: "8.1.0"})
	if body := newPeer(t, old).op("<show><plugins><packages/></plugins></show>"); !strings.Contains(body, `code="17"`) {
		t.Errorf("plugins before 9.0: %s", body)
	}
}

// Keys begin as real ones do, and stand in an address as they are.
func TestNewKey(t *testing.T) {
	for range 1000 {
		if key := NewKey(); !strings.HasPrefix(key, "LUFRPT1") || strings.ContainsAny(key, "+/") {
			t.Fatalf("made up %s", key)
		}
	}
}

package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"activedefense/agent/api"
	"activedefense/store"
)

// filled is a request to a route that finds what it asks for.
func filled(r *route) (path string, fields []string) {
	path = strings.NewReplacer("{$}", "", "{address}", "203.0.113.1").Replace(r.path)
	return path, []string{"address", "203.0.113.1", "entry", "203.0.113.9", "reason", "a test", "token", "token of anna"}
}

// A guest is somebody who asks for pages, with these headers.
type guest struct {
	who    string
	role   api.Role
	v      *visitor
	header []string
}

// guests are all kinds of them.
func guests(s, open *stage) []guest {
	in := func(name, csrf string) *visitor {
		v := s.signedIn(name)
		v.csrf = csrf
		return v
	}
	anna, reader, wrong := s.signedIn("anna"), s.signedIn("reader"), s.visitor()
	if status, _ := wrong.post("/ui/signin", "token", "token of berta"); status != http.StatusUnauthorized {
		s.t.Errorf("a wrong token: %d", status)
	}
	all := []guest{
		{"nobody", api.Nobody, s.visitor(), nil},
		{"a wrong token", api.Nobody, wrong, nil},
		{"a made-up cookie", api.Nobody, s.visitor(), []string{"Cookie", api.CookieName + "=x"}},
		{"an operator, from another site", api.Nobody, anna, []string{"Origin", "https://evil.example"}},
		{"an operator, from another site, fetched", api.Nobody, anna, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}},
		{"an operator, without the form's token", api.Operator, in("anna", ""), nil},
		{"an operator, with a viewer's form", api.Operator, in("anna", reader.csrf), nil},
		{"a viewer, with an operator's form", api.Viewer, in("reader", anna.csrf), nil},
		{"an operator's token without a cookie", api.Operator, s.visitor(), []string{"Authorization", "Bearer token of anna"}},
		{"somebody on this host, without tokens", api.Viewer, open.visitor(), nil},
		{"a viewer", api.Viewer, reader, nil},
		{"an operator", api.Operator, anna, nil},
	}
	for _, g := range all {
		g.v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return all
}

// Each page is closed to everybody below its role, and each form to who does not send it from a page of his session.
func TestEveryPageHasItsRole(t *testing.T) {
	s, open := newStage(t, true), newStage(t, false)
	s.put("203.0.113.1/32", store.Blocked)
	open.put("203.0.113.1/32", store.Blocked)
	all := guests(s, open)
	for i := range routes {
		r := &routes[i]
		if r.path == "/ui/signin" {
			continue // everybody's
		}
		path, fields := filled(r)
		for _, g := range all {
			csrf, form := g.v.csrf, url.Values(nil)
			if r.method == "POST" {
				form = url.Values{"csrf": {csrf}}
				for i := 0; i < len(fields); i += 2 {
					form.Set(fields[i], fields[i+1])
				}
			}
			got, _ := g.v.ask(r.method, path, form, g.header...)
			g.v.csrf = csrf
			allowed := got != http.StatusUnauthorized && got != http.StatusForbidden && (got != http.StatusSeeOther || form != nil)
			want := g.role >= r.role
			if form != nil && (strings.Contains(g.who, "form") || strings.Contains(g.who, "without")) {
				want = false
			}
			if allowed != want {
				t.Errorf("%s %s: %s: %d", r.method, r.path, g.who, got)
			}
		}
	}
}

// A link on another site may be followed, and does not sign anybody out.
func TestALinkMayBeFollowed(t *testing.T) {
	s := newStage(t, true)
	v := s.signedIn("reader")
	if status, _ := v.get("/ui/blocked", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); status != http.StatusOK {
		t.Errorf("a link is answered %d", status)
	}
	if status, text := v.ask("HEAD", "/", nil); status != http.StatusOK || text != "" {
		t.Errorf("HEAD is answered %d %s", status, text)
	}
	if status, _ := v.get("/ui/blocked", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"); status != http.StatusForbidden {
		t.Errorf("a frame is answered %d", status)
	}
	if status, _ := s.visitor().ask("POST", "/ui/signin", url.Values{"token": {"token of anna"}}, "Origin", "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("another site signs somebody in: %d", status)
	}
	status, text := s.visitor().get("/ui/blocked?q=203.0.113.0%2F24")
	if status != http.StatusOK || !strings.Contains(text, `name="to" value="/ui/blocked?q=203.0.113.0%2F24"`) {
		t.Errorf("who has to sign in is not brought where he wanted to go: %d %s", status, text)
	}
	const hint = "A link on another site brought you here"
	_, linked := s.visitor().get("/ui/signin?to=/ui/blocked", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if strings.Contains(text, hint) || !strings.Contains(linked, hint) {
		t.Errorf("that a link led here is said without one: %v, and with one: %v", strings.Contains(text, hint), strings.Contains(linked, hint))
	}
	for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/\t/evil.example", ""} {
		if got := onSite(to); got != "/" {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

// Without tokens the page is for this host alone: not for a name that leads here.
func TestWithoutTokensThePageIsForThisHost(t *testing.T) {
	s := newStage(t, false)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"rebound.example": http.StatusForbidden, "localhost": http.StatusOK} {
		r.Host = host
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s is answered %d", host, response.StatusCode)
		}
	}
	if _, text := s.visitor().get("/"); !strings.Contains(text, "Read only") || strings.Contains(text, "Sign out") {
		t.Errorf("the page does not say that it is read only: %s", text)
	}
}

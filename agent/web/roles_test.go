package web

import (
	"net/http"
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

// Each page is closed to everybody below its role, and each form to who does not send it from a page of his session.
func TestEveryPageHasItsRole(t *testing.T) {
	s, open := newStage(t, true), newStage(t, false)
	s.put("203.0.113.1/32", store.Blocked)
	open.put("203.0.113.1/32", store.Blocked)
	for i := range routes {
		r := &routes[i]
		if r.path == "/ui/signin" {
			continue
		}
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			path, fields := filled(r)
			ask := func(v *visitor, header ...string) int {
				v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				if r.method == "GET" {
					status, _ := v.get(path, header...)
					return status
				}
				form := map[string][]string{"csrf": {v.csrf}}
				for i := 0; i < len(fields); i += 2 {
					form[fields[i]] = fields[i+1 : i+2]
				}
				status, _ := v.ask("POST", path, form, header...)
				return status
			}
			without := func(v *visitor) *visitor { v.csrf = ""; return v }
			other := func(v *visitor, of *visitor) *visitor { v.csrf = of.csrf; return v }
			wrong := s.visitor()
			if status, _ := wrong.post("/ui/signin", "token", "token of berta"); status != http.StatusUnauthorized {
				t.Errorf("a wrong token: %d", status)
			}
			form := r.method == "POST"
			for _, c := range []struct {
				who  string
				role api.Role
				got  int
			}{
				{"nobody", api.Nobody, ask(s.visitor())},
				{"a wrong token", api.Nobody, ask(wrong)},
				{"a made-up cookie", api.Nobody, ask(s.visitor(), "Cookie", api.CookieName+"=x")},
				{"a viewer", api.Viewer, ask(s.signedIn("reader"))},
				{"an operator", api.Operator, ask(s.signedIn("anna"))},
				{"somebody on this host, without tokens", api.Viewer, ask(open.visitor())},
				{"an operator, from another site", api.Nobody, ask(s.signedIn("anna"), "Origin", "https://evil.example")},
				{"an operator, from another site, fetched", api.Nobody, ask(s.signedIn("anna"), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors")},
				{"an operator, without the form's token", api.Operator, ask(without(s.signedIn("anna")))},
				{"an operator, with a viewer's form", api.Operator, ask(other(s.signedIn("anna"), s.signedIn("reader")))},
				{"a viewer, with an operator's form", api.Viewer, ask(other(s.signedIn("reader"), s.signedIn("anna")))},
				{"an operator's token without a cookie", api.Operator, ask(s.visitor(), "Authorization", "Bearer token of anna")},
			} {
				allowed := c.got != http.StatusUnauthorized && c.got != http.StatusForbidden && (c.got != http.StatusSeeOther || form)
				want := c.role >= r.role
				if form && (strings.Contains(c.who, "form") || strings.Contains(c.who, "without")) {
					want = false
				}
				if allowed != want {
					t.Errorf("%s: %d", c.who, c.got)
				}
			}
		})
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
	status, text := s.visitor().get("/ui/blocked?q=203.0.113.0%2F24")
	if status != http.StatusOK || !strings.Contains(text, `name="to" value="/ui/blocked?q=203.0.113.0%2F24"`) {
		t.Errorf("who has to sign in is not brought where he wanted to go: %d %s", status, text)
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

package api

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"activedefense/agent/pace"
	"activedefense/config"
	"activedefense/store"
)

// signIn signs in with a token, and gives the cookie.
func (s *stage) signIn(token string) *http.Cookie {
	s.t.Helper()
	w := httptest.NewRecorder()
	if err := s.api.Sessions.SignIn(w, httptest.NewRequest("POST", "/ui/signin", nil), token); err != nil {
		s.t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

// withTokens serves an API that has the tokens of a viewer and of an operator.
func withTokens(t *testing.T, change func(*Options)) (s *stage, file string) {
	s = newStage(t, func(o *Options) {
		file = o.Config.StateDir + "/tokens"
		writeTokens(t, file, "reader "+config.RoleViewer, "anna "+config.RoleOperator)
		o.Config.Admin.TokensFile, o.Pace = file, func() []pace.Hour { return nil }
		if change != nil {
			change(o)
		}
	})
	return s, file
}

func writeTokens(t *testing.T, file string, roles ...string) {
	t.Helper()
	var lines []string
	for _, role := range roles {
		name, role, _ := strings.Cut(role, " ")
		lines = append(lines, tokenOf(name, role).Line()+"\n")
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A cookie reads what its token may read, and changes nothing, whoever's it is.
func TestACookieReadsAndChangesNothing(t *testing.T) {
	s, _ := withTokens(t, nil)
	s.block("203.0.113.1/32", store.Blocked)
	cookie := s.signIn("token of anna")
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure {
		t.Errorf("the cookie is %v", cookie)
	}
	for i := range routes {
		r := &routes[i]
		path, body := asked(r)
		got := s.over(r.method, path, body, "Cookie", cookie.String())
		if refused := got.status == http.StatusUnauthorized; refused != (r.method != "GET") {
			t.Errorf("%s %s: %d: %s", r.method, r.path, got.status, got.body)
		}
	}
	if got := s.over("GET", Prefix+"blacklist", "", "Cookie", CookieName+"=guessed"); got.status != http.StatusUnauthorized {
		t.Errorf("a guess is answered %d", got.status)
	}
	if got := s.over("GET", Prefix+"blacklist", "", "Cookie", cookie.String(), "Authorization", "Bearer wrong"); got.status != http.StatusUnauthorized {
		t.Errorf("a wrong token beside a cookie is answered %d", got.status)
	}
}

// A session ends when its user signs out, with its token, and when nobody has used it; and lasts over a reload.
func TestASessionEnds(t *testing.T) {
	now := time.Now()
	s, file := withTokens(t, func(o *Options) { o.Now = func() time.Time { return now } })
	in := func(a *API, c *http.Cookie) bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(c)
		_, is := a.Sessions.Of(r)
		return is
	}
	out, unused, gone := s.signIn("token of anna"), s.signIn("token of anna"), s.signIn("token of reader")
	r := httptest.NewRequest("POST", "/ui/signout", nil)
	r.AddCookie(out)
	w := httptest.NewRecorder()
	s.api.Sessions.SignOut(w, r)
	if c := w.Result().Cookies()[0]; in(s.api, out) || !in(s.api, unused) || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("signed out: %v", c)
	}
	again := httptest.NewRequest("POST", "https://lab.example/ui/signin", nil)
	again.AddCookie(gone)
	w = httptest.NewRecorder()
	if err := s.api.Sessions.SignIn(w, again, "token of reader"); err != nil || in(s.api, gone) || !w.Result().Cookies()[0].Secure {
		t.Errorf("signed in again over HTTPS: %v, %v", err, w.Result().Cookies())
	}
	gone = w.Result().Cookies()[0]
	after := New(Options{Config: s.cfg, After: s.server, Now: func() time.Time { return now }})
	if !in(after, gone) || in(after, out) {
		t.Error("a reload signs somebody out, or in")
	}
	writeTokens(t, file, "anna "+config.RoleOperator)
	if in(s.api, gone) {
		t.Error("a token that is gone leaves its session")
	}
	now = now.Add(sessionFor + time.Second)
	if in(s.api, unused) {
		t.Error("a session lasts that nobody used for 12 hours")
	}
	open, begun := s.signIn("token of anna"), now
	for now.Sub(begun) <= sessionMost {
		if !in(s.api, open) {
			t.Fatalf("a session that is used ends after %v", now.Sub(begun))
		}
		now = now.Add(sessionFor)
	}
	if in(s.api, open) {
		t.Error("a page that is left open is signed in for ever")
	}
}

// A token has so many sessions, beyond which the one of them ends that was used longest ago. Nobody is signed out by another's token.
func TestSessionsAreBoundedByToken(t *testing.T) {
	now := time.Now()
	s, file := withTokens(t, func(o *Options) { o.Now = func() time.Time { now = now.Add(time.Second); return now } })
	is := func(c *http.Cookie) bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(c)
		_, is := s.api.Sessions.Of(r)
		return is
	}
	operator := s.signIn("token of anna")
	first, second := s.signIn("token of reader"), s.signIn("token of reader")
	if !is(first) {
		t.Fatal("it is no session")
	}
	for range mostSessions - 1 {
		s.signIn("token of reader")
	}
	if !is(operator) {
		t.Error("the sessions of a viewer's token sign an operator out")
	}
	if !is(first) || is(second) {
		t.Error("of a token's sessions another ends than the one that was used longest ago")
	}
	if n := len(s.api.Sessions.kept.all); n != mostSessions+1 {
		t.Errorf("%d sessions are kept", n)
	}
	writeTokens(t, file, "anna "+config.RoleOperator)
	s.signIn("token of anna")
	if n := len(s.api.Sessions.kept.all); n != 2 {
		t.Errorf("%d sessions are kept, of which 2 are of a token that there is", n)
	}
}

package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// CookieName is the cookie of who signed in with a token.
const CookieName = "activedefense_session"

const (
	// sessionFor is how long a session lasts that nobody uses, and mostSessions how many there are: beyond that, the one ends that was used
	// longest ago.
	sessionFor   = 12 * time.Hour
	mostSessions = 1000
)

// A Session is that of a browser whose user signed in with a token. It ends when its token does.
type Session struct {
	Caller
	CSRF string // what a form carries that changes something
}

// sessions are those that there are. What a cookie holds is not kept, but its hash.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

type session struct {
	token [sha256.Size]byte // the sum of the token
	csrf  string
	used  time.Time
}

// SignIn begins a session for who has a token, and gives its cookie to the browser.
func (a *API) SignIn(w http.ResponseWriter, r *http.Request, token string) error {
	sum, _, err := a.tokens.known(r, token)
	if err != nil {
		return err
	}
	id, now := rand.Text(), a.opts.Now()
	s := a.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= mostSessions {
		s.dropOldest()
	}
	s.all[sha256.Sum256([]byte(id))] = &session{token: sum, csrf: rand.Text(), used: now}
	http.SetCookie(w, cookie(r, id, 0))
	return nil
}

// dropOldest ends the session that was used longest ago.
func (s *sessions) dropOldest() {
	var oldest [sha256.Size]byte
	var used time.Time
	for key, one := range s.all {
		if used.IsZero() || one.used.Before(used) {
			oldest, used = key, one.used
		}
	}
	delete(s.all, oldest)
}

// cookie is one that no script sees, and no other site sends.
func cookie(r *http.Request, id string, age int) *http.Cookie {
	return &http.Cookie{Name: CookieName, Value: id, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// SignOut ends the session of a request, if it has one.
func (a *API) SignOut(w http.ResponseWriter, r *http.Request) {
	if key, ok := sessionKey(r); ok {
		a.sessions.mu.Lock()
		delete(a.sessions.all, key)
		a.sessions.mu.Unlock()
	}
	http.SetCookie(w, cookie(r, "", -1))
}

func sessionKey(r *http.Request) (key [sha256.Size]byte, ok bool) {
	c, err := r.Cookie(CookieName)
	if err != nil {
		return key, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}

// Session gives the session of a request; false: it has none, or none any more.
func (a *API) Session(r *http.Request) (Session, bool) {
	key, ok := sessionKey(r)
	if !ok || a.opts.Config.Admin.TokensFile == "" {
		return Session{}, false
	}
	s, now := a.sessions, a.opts.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[key]
	if one == nil {
		return Session{}, false
	}
	who := a.tokens.who(one.token)
	if who.Role == Nobody || now.Sub(one.used) > sessionFor {
		delete(s.all, key)
		return Session{}, false
	}
	one.used = now
	return Session{Caller: who, CSRF: one.csrf}, true
}

// Carries tells whether a form that was sent carries what the session's forms do.
func (s Session) Carries(csrf string) bool {
	return s.CSRF != "" && subtle.ConstantTimeCompare([]byte(s.CSRF), []byte(csrf)) == 1
}

// Visitor tells who asks for a page: by a session; where there are no tokens whoever asks on loopback may read. The error is a [Fault],
// with status 401 for who has to sign in.
func (a *API) Visitor(r *http.Request) (Session, error) {
	if s, ok := a.Session(r); ok {
		return s, nil
	}
	caller, err := a.tokens.caller(r, false)
	return Session{Caller: caller}, err
}

// SameSite refuses what a page of another site has a browser ask; a link on one may be followed.
func (a *API) SameSite(r *http.Request) error {
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil
	}
	return a.sameSite(r)
}

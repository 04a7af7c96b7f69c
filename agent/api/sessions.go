package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"activedefense/config"
)

// CookieName is the cookie of who signed in with a token.
const CookieName = "activedefense_session"

const (
	// sessionFor is how long a session lasts that nobody uses, and sessionMost how long one does that a page left open uses. mostSessions is
	// how many a token has: beyond that, the one of these ends that was used longest ago. Whoever has a token signs out nobody else's.
	sessionFor   = 12 * time.Hour
	sessionMost  = 7 * 24 * time.Hour
	mostSessions = 100
)

// A Session is that of a browser whose user signed in with a token. It ends when its token does.
type Session struct {
	Caller
	CSRF string // what a form carries that changes something
}

// Sessions are those that there are: who asks with a browser. They are safe for concurrent use.
type Sessions struct {
	api  *API
	kept *kept
}

// kept is what is known of them, by the hash of what their cookies hold. It lasts over a reload.
type kept struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

// newSessions goes on with those of the API whose place this one's takes, if any.
func newSessions(a *API, after *Server) *Sessions {
	if after != nil {
		return &Sessions{a, after.api.Sessions.kept}
	}
	return &Sessions{a, &kept{all: make(map[[sha256.Size]byte]*session)}}
}

type session struct {
	token       [sha256.Size]byte // the sum of the token
	csrf        string
	begun, used time.Time
}

// SignIn begins a session for who has a token, and gives its cookie to the browser.
func (s *Sessions) SignIn(w http.ResponseWriter, r *http.Request, token string) error {
	sum, _, err := s.api.tokens.known(r, token)
	if err != nil {
		return err
	}
	id, now, k := rand.Text(), s.api.opts.Now(), s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if former, ok := sessionKey(r); ok {
		delete(k.all, former)
	}
	k.makeRoom(sum, s.api.tokens.current(), now)
	k.all[sha256.Sum256([]byte(id))] = &session{token: sum, csrf: rand.Text(), begun: now, used: now}
	http.SetCookie(w, cookie(r, id, 0))
	return nil
}

// makeRoom ends the sessions that are over, so that there are none of tokens that are gone, and where a token has as many as it may have,
// the one of these that was used longest ago.
func (k *kept) makeRoom(token [sha256.Size]byte, tokens []config.Token, now time.Time) {
	known := make(map[[sha256.Size]byte]bool, len(tokens))
	for _, t := range tokens {
		known[t.Sum] = true
	}
	var oldest [sha256.Size]byte
	n := 0
	for key, one := range k.all {
		if !known[one.token] || one.over(now) {
			delete(k.all, key)
			continue
		}
		if one.token != token {
			continue
		}
		if n++; n == 1 || one.used.Before(k.all[oldest].used) {
			oldest = key
		}
	}
	if n >= mostSessions {
		delete(k.all, oldest)
	}
}

// over tells whether a session has ended by itself.
func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) > sessionFor || now.Sub(s.begun) > sessionMost
}

// cookie is one that no script sees, and no other site sends.
func cookie(r *http.Request, id string, age int) *http.Cookie {
	return &http.Cookie{Name: CookieName, Value: id, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// SignOut ends the session of a request, if it has one.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request) {
	if key, ok := sessionKey(r); ok {
		s.kept.mu.Lock()
		delete(s.kept.all, key)
		s.kept.mu.Unlock()
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

// Of gives the session of a request; false: it has none, or none any more.
func (s *Sessions) Of(r *http.Request) (Session, bool) {
	key, ok := sessionKey(r)
	if !ok || s.api.opts.Config.Admin.TokensFile == "" {
		return Session{}, false
	}
	k, now := s.kept, s.api.opts.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	one := k.all[key]
	if one == nil {
		return Session{}, false
	}
	who := s.api.tokens.who(one.token)
	if who.Role == Nobody || one.over(now) {
		delete(k.all, key)
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
func (s *Sessions) Visitor(r *http.Request) (Session, error) {
	if one, ok := s.Of(r); ok {
		return one, nil
	}
	caller, err := s.api.tokens.caller(r, false)
	return Session{Caller: caller}, err
}

// SameSite refuses what a page of another site has a browser ask; a link on one may be followed.
func (s *Sessions) SameSite(r *http.Request) error {
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil
	}
	return sameSite(s.api, r)
}

// Client asks the API in the name of who asks.
func (s Session) Client(a *API) *Client {
	caller := s.Caller
	caller.page = true
	return &Client{http: &http.Client{Transport: &here{a, caller}}}
}

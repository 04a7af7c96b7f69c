package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"activedefense/agent/loop"
	"activedefense/config"
)

const (
	// slowed is how long a wrong token waits for its answer, and mostSlowed how many do at a time: beyond that it is refused at once.
	slowed     = time.Second
	mostSlowed = 8
)

// tokens tell who asks over admin.listen. The file is read again when it changes: a token that is taken out of it is one no longer.
type tokens struct {
	api    *API
	slowed chan struct{}

	mu    sync.Mutex
	seen  fs.FileInfo // of the file when it was last read; nil: it was not
	list  []config.Token
	fault atomic.Pointer[tokenFault] // nil: there is none
}

// A tokenFault is why the file does not say whose tokens there are, or not all of it does.
type tokenFault struct {
	since time.Time
	what  string
}

func newTokens(a *API) *tokens { return &tokens{api: a, slowed: make(chan struct{}, mostSlowed)} }

// current are the tokens that there are now: those of the sound lines of the file. One that is gone has none; one that cannot be read, or that
// anybody could have written, has those that it had.
func (t *tokens) current() []config.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	path := t.api.opts.Config.Admin.TokensFile
	info, err := os.Stat(path)
	if err == nil && t.seen != nil && os.SameFile(info, t.seen) && info.ModTime().Equal(t.seen.ModTime()) && info.Size() == t.seen.Size() {
		return t.list
	}
	var list []config.Token
	if err == nil {
		list, err = config.ReadTokens(path)
	}
	t.seen = nil // a file that could not be read is tried again: what is mended may be its mode alone
	_, partly := errors.AsType[*config.FaultyTokens](err)
	switch {
	case err == nil:
		t.seen, t.list = info, list
		t.fault.Store(nil)
		return t.list
	case partly:
		t.seen, t.list = info, list
		t.faulty(fmt.Sprintf("%s: %v; what its other lines have counts", path, err))
	case errors.Is(err, fs.ErrNotExist):
		t.list = nil
		t.faulty(path + " is gone, and with it every token")
	default:
		t.faulty(fmt.Sprintf("%s cannot be used, and who had a token before has it still: %v", path, err))
	}
	return t.list
}

// faulty notes what is wrong with the file, and logs it once.
func (t *tokens) faulty(what string) {
	now := t.api.opts.Now()
	if former := t.fault.Load(); former != nil {
		if former.what == what {
			return
		}
		now = former.since
	}
	t.fault.Store(&tokenFault{now, what})
	t.api.opts.Log.Error().Str("key", "admin.tokens_file").Int("tokens", len(t.list)).Msg("the tokens: " + what)
}

// followEach is how often the file is looked at while nobody asks.
const followEach = 10 * time.Second

// follow looks at the file now and then until ctx ends, so that a fault in it is told before somebody comes with a token.
func (t *tokens) follow(ctx context.Context) error {
	for ok := true; ok; ok = loop.Pause(ctx, followEach) {
		t.current()
	}
	return nil
}

// Trouble is what a person should see to about the tokens; an empty what: nothing. It looks at no file.
func (s *Server) Trouble() (since time.Time, what, remedy string) {
	f := s.api.tokens.fault.Load()
	if f == nil {
		return since, "", ""
	}
	return f.since, "tokens: " + f.what, "Mend the file, which is taken over by itself; activedefense check says whether it is sound, token add and token remove keep it so"
}

// caller tells who asks: by the socket or the process, else by a token, and a request that only reads by a session too; without
// admin.tokens_file whoever asks on loopback may read.
func (t *tokens) caller(r *http.Request, reads bool) (Caller, error) {
	if c, ok := r.Context().Value(callerKey{}).(Caller); ok {
		return c, nil
	}
	if reads && r.Header.Get("Authorization") == "" {
		if s, ok := t.api.Sessions.Of(r); ok {
			return s.Caller, nil
		}
	}
	if t.api.opts.Config.Admin.TokensFile == "" {
		if !onLoopback(r) {
			t.api.refused.WithLabelValues(whyRole).Inc()
			return Caller{}, faultf(http.StatusForbidden, "without admin.tokens_file the API is served on a loopback address and to a loopback name alone (http://127.0.0.1...), and this came for %q", r.Host)
		}
		return Caller{Name: "somebody on this host", Role: Viewer}, nil
	}
	return t.bearer(r)
}

// bearer tells whose token a request carries.
func (t *tokens) bearer(r *http.Request) (Caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		t.api.refused.WithLabelValues(whyToken).Inc()
		return Caller{}, faultf(http.StatusUnauthorized, "this takes a token, sent as Authorization: Bearer TOKEN; activedefense token add makes one")
	}
	_, who, err := t.known(r, token)
	return who, err
}

// known tells whose a token is. One that is nobody's is slowed.
func (t *tokens) known(r *http.Request, token string) (sum [sha256.Size]byte, who Caller, err error) {
	sum = sha256.Sum256([]byte(strings.TrimSpace(token)))
	if who = t.who(sum); who.Role != Nobody {
		return sum, who, nil
	}
	t.api.refused.WithLabelValues(whyToken).Inc()
	select {
	case t.slowed <- struct{}{}:
		defer func() { <-t.slowed }()
		t.api.opts.Pause(r.Context(), slowed)
	default:
		return sum, Caller{}, faultf(http.StatusTooManyRequests, "too many wrong tokens come at a time")
	}
	return sum, Caller{}, faultf(http.StatusUnauthorized, "there is no such token")
}

// who tells whose token has a sum; Nobody: none has. All are compared, each in the same time whatever it is.
func (t *tokens) who(sum [sha256.Size]byte) (found Caller) {
	for _, known := range t.current() {
		if subtle.ConstantTimeCompare(sum[:], known.Sum[:]) == 1 {
			found = Caller{Name: known.Name, Role: Viewer}
			if known.Role == config.RoleOperator {
				found.Role = Operator
			}
		}
	}
	return found
}

// onLoopback tells whether a request came to a loopback address and for a loopback name, so that no page of another site that had its
// name lead here is answered.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	host, _, err := net.SplitHostPort(local.String())
	ip, err2 := netip.ParseAddr(host)
	if err != nil || err2 != nil || !ip.Unmap().IsLoopback() {
		return false
	}
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	named, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return strings.EqualFold(name, "localhost") || err == nil && named.Unmap().IsLoopback()
}

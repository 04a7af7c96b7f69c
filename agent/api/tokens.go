package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

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

	mu     sync.Mutex
	seen   fs.FileInfo // of the file when it was last read; nil: it was not
	list   []config.Token
	failed string // why it could not be read, as was logged; "": it could
}

func newTokens(a *API) *tokens { return &tokens{api: a, slowed: make(chan struct{}, mostSlowed)} }

// current are the tokens that there are now. A file that is gone has none; one that has become faulty has those that it had.
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
	switch {
	case err == nil:
		t.seen, t.list, t.failed = info, list, ""
	case errors.Is(err, fs.ErrNotExist):
		t.list = nil
		fallthrough
	default:
		if text := err.Error(); text != t.failed {
			t.failed = text
			t.api.opts.Log.Error().Str("key", "admin.tokens_file").Int("tokens", len(t.list)).Msg("the tokens cannot be read; those that were there are kept, unless the file is gone: " + text)
		}
	}
	return t.list
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

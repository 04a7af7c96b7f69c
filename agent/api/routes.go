package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// A route is one thing that can be asked for or done. One more is one more line of the table, and one more path of
// config/openapi.yaml, which a test holds against it.
type route struct {
	method, path string
	role         Role   // the least that it takes
	params       string // the query's, with spaces between them
	handle       func(*API, *call) error
	local        bool // over the socket alone
	live         bool // it lasts: it takes a place among those that follow events
	reads        bool // it is written while the store is read: it takes a place among those that hold one of the store's connections
}

var routes = []route{
	{method: "GET", path: "blacklist", role: Viewer, params: "q rule state device since limit offset", handle: (*API).listBlacklist, reads: true},
	{method: "POST", path: "blacklist", role: Operator, handle: (*API).addBlock},
	{method: "DELETE", path: "blacklist", role: Operator, handle: (*API).removeBlocks},
	{method: "POST", path: "blacklist/import", role: Operator, handle: (*API).importBlocks},
	{method: "GET", path: "blacklist/{address}", role: Viewer, handle: (*API).showAddress},
	{method: "DELETE", path: "blacklist/{address}", role: Operator, params: "reason", handle: (*API).removeBlock},
	{method: "POST", path: "blacklist/accept", role: Operator, handle: (*API).accept},
	{method: "POST", path: "blacklist/pause", role: Operator, handle: (*API).pause},
	{method: "POST", path: "blacklist/resume", role: Operator, handle: (*API).resume},
	{method: "GET", path: "allow", role: Viewer, handle: (*API).listAllowed, reads: true},
	{method: "POST", path: "allow", role: Operator, handle: (*API).allow},
	{method: "DELETE", path: "allow/{entry}", role: Operator, params: "reason", handle: (*API).disallow},
	{method: "GET", path: "records", role: Viewer, params: recordParams, handle: (*API).searchRecords, reads: true},
	{method: "GET", path: "history", role: Viewer, params: "address since limit offset", handle: listHistory, reads: true},
	{method: "GET", path: "report", role: Viewer, params: "since format", handle: makeReport, reads: true},
	{method: "GET", path: "explain", role: Viewer, params: "input line", handle: explainLine},
	{method: "GET", path: "status", role: Viewer, handle: (*API).status},
	{method: "GET", path: "activity", role: Viewer, handle: activity},
	{method: "GET", path: "settings", role: Viewer, handle: settings},
	{method: "GET", path: "members", role: Viewer, handle: (*API).listMembers},
	{method: "DELETE", path: "members/{name}", role: Operator, handle: (*API).forgetMember},
	{method: "GET", path: "events", role: Viewer, live: true, handle: (*API).events},
	{method: "GET", path: "backup", role: Operator, handle: (*API).backup},
	{method: "GET", path: "backup/{name}", role: Operator, handle: backupFile},
	{method: "POST", path: "reload", role: Operator, handle: (*API).reload},
	{method: "POST", path: "store/accept", role: Operator, handle: acceptStore},
	{method: "POST", path: "notify/test", role: Operator, handle: testNotify},
	{method: "POST", path: "provision", role: Operator, local: true, handle: provision},
	{method: "POST", path: "verify", role: Operator, handle: verify},
}

// maxBody bounds the body of a request: some ten thousand addresses.
const maxBody = 1 << 20

// A call is one request that is being answered.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	caller  Caller
	query   url.Values
	body    []byte
	ended   []func()     // what is done when it is answered, the last first
	leaving func() error // why the agent does nothing any more, because it stops; nil: it does not
}

// ServeHTTP answers what is below Prefix. Who asks is in the request's context, or is asked for a token.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, pattern := a.mux.Handler(r); pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	var methods []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := *r
		other.Method = method
		if _, pattern := a.mux.Handler(&other); pattern != "" {
			methods = append(methods, method)
		}
	}
	if len(methods) > 0 {
		f := faultf(http.StatusMethodNotAllowed, "%s does not go with %s; it takes %s", r.Method, r.URL.Path, strings.Join(methods, " and "))
		f.allow = strings.Join(methods, ", ")
		refuse(w, f)
		return
	}
	refuse(w, faultf(http.StatusNotFound, "there is no %s", r.URL.Path))
}

// serve answers one request to a route, if it may be made.
func (a *API) serve(route *route, w http.ResponseWriter, r *http.Request) {
	c := &call{w: &patient{ResponseWriter: w, control: http.NewResponseController(w)}, r: r, leaving: func() error { return leaving(a) }}
	err := a.admit(route, c)
	if err == nil {
		err = leaving(a)
	}
	if err == nil {
		if leave := a.seats[c.caller.seat()].take(route, c); leave != nil {
			defer leave()
			err = inTurn(a, route, c)
		} else {
			err = crowded(a, "%d requests are being answered", mostBusy)
		}
	}
	if _, said := errors.AsType[*Fault](err); err != nil && !said && r.Method == http.MethodGet {
		err = cmp.Or(leaving(a), err) // what was read may have been closed meanwhile
	}
	if err != nil {
		refuse(w, err)
	}
}

// changeGrace is how long a change that has begun may go on when the agent stops; it is below the patience of its server.
const changeGrace = 800 * time.Millisecond

// settleFor is how long a stop waits for a change that has begun: a busy disk takes seconds to keep one.
const settleFor = 3 * time.Second

// Settle waits, settleFor at most, until changes that have begun are made; Ending has been true before. Only then may what they need be closed.
func (s *Server) Settle() {
	done := make(chan struct{})
	go func() {
		s.api.changes.Lock()
		defer s.api.changes.Unlock()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(settleFor):
	}
}

// changes tells whether a route asks for what Settle waits for: all that changes something, but a reload, for which Settle is called itself.
func (r *route) changes() bool { return r.method != http.MethodGet && r.path != "reload" }

// beginChange has Settle wait for a change until end is called, unless the agent stops. Its body has come: nobody waits for a client who sends it slowly.
func beginChange(a *API, c *call) (end func(), err error) {
	a.changes.RLock()
	if err := leaving(a); err != nil {
		a.changes.RUnlock()
		return nil, err
	}
	ctx, cancel := toItsEnd(c.r.Context())
	c.r = c.r.WithContext(ctx)
	return func() { cancel(); a.changes.RUnlock() }, nil
}

// toItsEnd is the context of a change: when the agent stops, or who asked for it goes away, it ends a little later, so that nobody is told of an error and
// does not know whether it was made.
func toItsEnd(ctx context.Context) (lasting context.Context, end func()) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(changeGrace, cancel) })
	return lasting, func() { stop(); cancel() }
}

// leaving refuses what is asked of an agent that stops; nil: it does not.
func leaving(a *API) error {
	if a.opts.Ending == nil || !a.opts.Ending() {
		return nil
	}
	f := faultf(http.StatusServiceUnavailable, "nothing was done: the daemon stops, or takes up a new configuration; try again in a moment")
	f.passing = true
	return f
}

// inTurn answers, where the store is read meanwhile, in turn with others who do so: a client that reads slowly keeps one of the store's
// connections, of which batches need some.
func inTurn(a *API, route *route, c *call) error {
	if !route.reads {
		return a.answer(route, c)
	}
	reading := a.seats[c.caller.seat()].reading
	ctx, cancel := context.WithTimeout(c.r.Context(), readPatience)
	defer cancel()
	select {
	case reading <- struct{}{}:
		defer func() { <-reading }()
		return a.answer(route, c)
	case <-ctx.Done():
		return crowded(a, "%d searches and lists are being read", cap(reading))
	}
}

// crowded refuses one more of what there are so many of.
func crowded(a *API, format string, n int) error {
	a.refused.WithLabelValues(whyCrowded).Inc()
	return faultf(http.StatusServiceUnavailable, format+", and no more are taken; try again in a moment", n)
}

// admit tells why a request may not be made; nil: it may.
func (a *API) admit(route *route, c *call) error {
	r := c.r
	if err := sameSite(a, r); err != nil {
		return err
	}
	if kind := r.Header.Get("Content-Type"); r.Method != http.MethodGet && (kind != "" || r.ContentLength != 0) {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return faultf(http.StatusUnsupportedMediaType, "the body is to be application/json, and not %q", kind)
		}
	}
	var err error
	if c.caller, err = a.tokens.caller(r, route.method == http.MethodGet); err != nil {
		return err
	}
	if c.caller.Role < route.role || route.local && !c.caller.Local {
		a.refused.WithLabelValues(whyRole).Inc()
		return a.lacks(route, c.caller)
	}
	return nil
}

// lacks says what somebody is not who may not do something.
func (a *API) lacks(route *route, who Caller) error {
	admin := &a.opts.Config.Admin
	groups := admin.Operators
	if route.role == Viewer {
		groups = slices.Concat(admin.Viewers, admin.Operators)
	}
	switch {
	case who.Local:
		return faultf(http.StatusForbidden, "%s may not do this: it takes a member of the group %s, or root, on this host (admin.operators, admin.viewers): usermod -aG %s %[1]s, and log in again",
			who.Name, strings.Join(groups, " or "), append(groups, "GROUP")[0])
	case route.local:
		return faultf(http.StatusForbidden, "this is done on the daemon's host alone, over its socket")
	case admin.TokensFile == "":
		return faultf(http.StatusForbidden, "without admin.tokens_file nothing is changed here; use the command line on the daemon's host, or tokens (activedefense token add)")
	}
	return faultf(http.StatusForbidden, "the token %s is a %s's, and this takes an %s's: activedefense token add NAME %[3]s", who.Name, who.Role, route.role)
}

// sameSite refuses what a page of another site has a browser ask, and counts it.
func sameSite(a *API, r *http.Request) error {
	err := ofThisSite(r)
	if err != nil {
		a.refused.WithLabelValues(whySite).Inc()
	}
	return err
}

// ofThisSite tells what shows that a page of another site has a browser ask. Other programs send neither header.
func ofThisSite(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return faultf(http.StatusForbidden, "the request comes from a page of another site")
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Host != r.Host {
		return faultf(http.StatusForbidden, "the request comes from a page of another site, %q", origin)
	}
	return nil
}

// answer reads what was sent, and does it.
func (a *API) answer(route *route, c *call) (err error) {
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return Usagef("the query cannot be read: %w", err)
	}
	known := strings.Fields(route.params)
	for name := range c.query {
		if !slices.Contains(known, name) {
			return Usagef("%q is no parameter of %s %s; it has %s", name, route.method, c.r.URL.Path, orNone(known))
		}
	}
	if c.r.Method != http.MethodGet {
		c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return faultf(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxBody)
		}
		if err != nil {
			return faultf(http.StatusRequestTimeout, "the body did not come: %w", err)
		}
	}
	// What follows may last: the bounds for reading are over, and each write has its own.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	if route.changes() {
		end, err := beginChange(a, c)
		if err != nil {
			return err
		}
		defer end()
	}
	defer func() {
		for _, end := range slices.Backward(c.ended) {
			end()
		}
	}()
	return route.handle(a, c)
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// read reads the body into v, which must have every field that is in it.
func (c *call) read(v any) error {
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value stands in it")
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	return Usagef("the body cannot be read as JSON: %w", err)
}

// ask reads a body that may be left out.
func (c *call) ask(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	return c.read(v)
}

// address is that of the path.
func (c *call) address() (netip.Prefix, error) { return ParsePrefix(c.r.PathValue("address")) }

// WarningHeader names what is wrong with what an answer is made of, where something is.
const WarningHeader = "Activedefense-Warning"

// reading is the store, for what changes nothing. Where the agent refuses its database it is the one that is there now, as it is, and the
// answer says so.
func (a *API) reading(c *call) (*store.Store, error) {
	why := refusal(a)
	if why == nil {
		return a.using()
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), readPatience)
	c.ended = append(c.ended, cancel)
	st, err := a.opts.Open(ctx)
	switch {
	case err != nil:
	case st == nil:
		err = errors.New("there is none")
	default:
		c.ended = append(c.ended, func() { st.Close() })
		err = store.Older(st)
	}
	if err != nil {
		return nil, faultf(http.StatusServiceUnavailable, "%w; and what is there now cannot be read: %w", why, err)
	}
	c.w.Header().Set(WarningHeader, harmless(why.Error()))
	return st, nil
}

// refusal is why the agent refuses its database, and what to do; nil: it does not.
func refusal(a *API) error {
	if a.opts.Refused == nil {
		return nil
	}
	why := a.opts.Refused()
	if why == nil {
		return nil
	}
	return fmt.Errorf("the daemon refuses this database, and what it blocks, serves and enforces is what it knew before: %w; put the database back as it was, or go on with this one: activedefense store accept", why)
}

// ErrBeginning is why there is no store while the agent has only just begun.
var ErrBeginning = errors.New("the daemon has just begun, and not reached its database yet")

// using is the store that the agent uses.
func (a *API) using() (*store.Store, error) {
	st, err := a.opts.Store()
	if err != nil {
		f := faultf(http.StatusServiceUnavailable, "%w", err)
		f.passing = errors.Is(err, ErrBeginning)
		return nil, f
	}
	return st, nil
}

// changing is the store, for what changes what it holds.
func (a *API) changing() (*store.Store, error) {
	if why := refusal(a); why != nil {
		return nil, faultf(http.StatusConflict, "nothing was changed: %w", why)
	}
	return a.using()
}

// blocking is the store, and what may never be blocked, as the database has it at this moment, for what blocks.
func (a *API) blocking(ctx context.Context) (*store.Store, *detect.Guard, error) {
	st, err := a.changing()
	if err == nil && a.opts.Guarded != nil {
		err = a.opts.Guarded(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	known, err := a.opts.Known(ctx)
	if err != nil {
		return nil, nil, err
	}
	return st, known.Guard, nil
}

// changed says that the blacklist was changed.
func (a *API) changed() {
	if a.opts.Changed != nil {
		a.opts.Changed()
	}
}

// by is who does it, as the history has it.
func (c *call) by() string { return personName(c.caller.Name) }

// noAgent is what asks for a running agent where none runs.
func noAgent() error { return faultf(http.StatusServiceUnavailable, "no daemon runs here") }

// Package api is what people and programs ask of a running agent, and have it do: one HTTP API of JSON, on a local socket and on
// admin.listen, of which the command line is a client too. Where no agent runs, a command serves itself in its own process, with the
// same handlers over the store that it opened.
//
// Who asks over the socket is known by the kernel (SO_PEERCRED, SO_PEERGROUPS), over admin.listen by a token. Each route of the table has
// the least role that it takes. Handlers are thin: what they do is done by the store and the packages that an agent is made of.
//
// The package knows neither the agent nor its command line, keeps nothing, and never opens a file that a request names.
package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"activedefense/agent/enforce"
	"activedefense/agent/labels"
	"activedefense/agent/loop"
	"activedefense/agent/members"
	"activedefense/agent/own"
	"activedefense/agent/pace"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// Prefix is what all paths of the API begin with.
const Prefix = "/api/v1/"

// Options are what the API serves. Config, Version, Store, Known, Labels and Settings must be set; the others are of a running agent.
type Options struct {
	Config   *config.Config
	Version  string
	Expected enforce.Expected
	Settings detect.Settings
	// Store is the database; an error says why there is none.
	Store func() (*store.Store, error)
	// Known is what may never be blocked, Labels what the label files hold; it is not asked for where the configuration names none.
	Known  func(context.Context) (*own.Known, error)
	Labels func(context.Context) (*labels.Set, error)

	// Countries gives where an address is, by the file of countries; nil: there is none.
	Countries func() func(netip.Addr) string

	Status   func() any              // nil: no agent runs, and what asks for one answers 503
	Members  func() []members.Status // as the agent sees them; nil: as the database says
	Refused  func() error            // why the database is not taken for what it was, so that nothing in it is changed; nil: it is
	Ending   func() bool             // the agent stops, perhaps for one with another configuration, and does nothing any more; nil: it does not
	Changed  func()                  // the blacklist was changed; nil: nobody waits for that
	Enforced func() int64            // the version of the blacklist that is in force
	Rate     func() float64          // lines a second
	Pace     func() []pace.Hour      // lines by the hour
	// Guarded takes over what is never blocked from the database now; nil: nobody keeps it.
	Guarded func(context.Context) error
	// Lookup resolves names on the allow-list; nil: as this host does.
	Lookup own.Lookup
	// Reload reads the configuration again: its faults, or when the one in use was loaded, whose place the new one takes.
	Reload func(context.Context) (faults []string, loaded time.Time, err error)
	// Open opens the database that is there now, beside the one in use; nil and no error: there is none. Sound tells whether the agent finds
	// nothing wrong with the one that it uses, and which that is.
	Open  func(context.Context) (*store.Store, error)
	Sound func() (identity string, sound bool)
	// Registering are the firewalls on which the agent registers addresses.
	Registering func() []string
	// After is the server of an agent whose place this one's takes: who signed in there stays so. nil: there was none.
	After *Server

	Log zerolog.Logger
	Now func() time.Time // nil: time.Now
	// Pause is how a failed attempt is slowed; nil: [loop.Pause].
	Pause func(context.Context, time.Duration) bool
}

// Role is what somebody may do. Each may what the one before it may.
type Role uint8

// The zero value is nobody.
const (
	Nobody Role = iota
	Viewer
	Operator
)

// String gives the word of the configuration.
func (r Role) String() string {
	return [...]string{"nobody", config.RoleViewer, config.RoleOperator}[min(r, Operator)]
}

// A Caller is who asks.
type Caller struct {
	Name  string // as the history has it
	Role  Role
	Local bool // over the socket, or in this process
	page  bool // by the page, which takes what it asks for at once
}

// seat is where he finds a place.
func (c Caller) seat() seat { return seat{c.Local, c.Role == Operator, c.page} }

type callerKey struct{}

// withCaller notes who asks.
func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// personName is a name as the history has it: nobody can be taken for the detector.
func personName(name string) string {
	if name == "" || !store.ByPerson(name) {
		return store.ByOperator
	}
	return name
}

// An API answers. It is safe for concurrent use.
type API struct {
	changes sync.RWMutex // read-held by each change while it is made, but for a reload; see Settle
	// Sessions are those of browsers, for the page.
	Sessions *Sessions

	opts   Options
	mux    *http.ServeMux
	tokens *tokens
	// A place for each request that is being answered, and for each that follows events, of those who ask in one way and may do as much: who
	// only looks takes none of those who act, and who comes over admin.listen, as anybody on this host can, none of those at the socket; nor do
	// downloads take one of the page.
	seats   map[seat]*places
	refused *prometheus.CounterVec
}

// New makes the API. Nothing is served before it is asked.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupNetIP
	}
	if o.Pause == nil {
		o.Pause = loop.Pause
	}
	a := &API{opts: o, mux: http.NewServeMux(),
		seats: make(map[seat]*places),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "activedefense_api_refused_total",
			Help: "Requests to the API that were refused, by reason: token, role, site, crowded."}, []string{"why"})}
	for _, operator := range []bool{false, true} {
		for _, s := range []seat{{true, operator, false}, {false, operator, false}, {false, operator, true}} {
			a.seats[s] = newPlaces()
		}
	}
	for _, why := range []string{whyToken, whyRole, whySite, whyCrowded} {
		a.refused.WithLabelValues(why)
	}
	a.tokens, a.Sessions = newTokens(a), newSessions(a, o.After)
	for i := range routes {
		r := &routes[i]
		a.mux.HandleFunc(r.method+" "+Prefix+r.path, func(w http.ResponseWriter, q *http.Request) { a.serve(r, w, q) })
	}
	return a
}

// Collectors are the metrics of the API.
func (a *API) Collectors() []prometheus.Collector { return []prometheus.Collector{a.refused} }

// The reasons for which requests are refused.
const (
	whyToken   = "token"
	whyRole    = "role"
	whySite    = "site"
	whyCrowded = "crowded"
)

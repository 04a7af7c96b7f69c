package agent

import (
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/firewall/policy"
)

// Status is the state of a running agent: GET /status and the command `status`.
type Status struct {
	Version       string              `json:"version"`
	Started       time.Time           `json:"started"`
	Now           time.Time           `json:"now"`
	Configuration ConfigurationStatus `json:"configuration"`
	Troubles      []Trouble           `json:"troubles"` // what a person should see to, beside what the parts below say; empty when all is well
	Ready         bool                `json:"ready"`
	NotReady      []string            `json:"not_ready,omitempty"` // why, in words
	Store         StoreStatus         `json:"store"`
	Inputs        []line.InputStatus  `json:"inputs"`              // at most 1000, those in trouble and those behind before others
	NotShown      int                 `json:"inputs_not_shown"`    // files beyond that
	BadLines      []line.BadLine      `json:"bad_lines,omitempty"` // the first 20 lines that could not be parsed
	Stored        uint64              `json:"stored"`              // records committed since the start
	Rate          float64             `json:"lines_per_second"`
	Detect        line.DetectStatus   `json:"detect"`
	Blacklist     int                 `json:"blacklist"`               // addresses and networks blocked now
	Held          int                 `json:"held"`                    // that wait for a person: blacklist accept, or remove
	Observed      int                 `json:"observed"`                // that a rule in mode observe found
	Waiting       string              `json:"releases_wait,omitempty"` // why quiet sources are not released: what cannot be read
	List          *edl.Status         `json:"list,omitempty"`
	Ours          OursStatus          `json:"ours"`
	Firewalls     []enforce.Status    `json:"firewalls"`
	Policies      []PolicyStatus      `json:"policies"`
}

// Trouble is something that a person should see to.
type Trouble struct {
	Since  time.Time `json:"since"`
	What   string    `json:"what"` // one plain sentence without a full stop
	Remedy string    `json:"remedy"`
}

// ConfigurationStatus is the state of the configuration in use.
type ConfigurationStatus struct {
	Path      string     `json:"path"` // empty: the built-in defaults
	LoadedAt  time.Time  `json:"loaded_at"`
	RefusedAt *time.Time `json:"refused_at,omitempty"` // when the last reload was refused; nil: it was not
	Faults    []string   `json:"faults,omitempty"`     // why
}

// PolicyStatus is what the last look at a firewall's policies found.
type PolicyStatus struct {
	Firewall string         `json:"firewall"`
	At       *time.Time     `json:"at,omitempty"` // nil: not looked at yet
	Checks   []policy.Check `json:"checks,omitempty"`
}

// StoreStatus is the state of the database.
type StoreStatus struct {
	Kind     string `json:"kind"`               // sqlite or postgresql; empty until it was reached once, as are the next three
	Host     string `json:"host,omitempty"`     // of PostgreSQL, with its port
	Database string `json:"database,omitempty"` // its name, or SQLite's file
	Identity string `json:"identity,omitempty"` // what tells it from every other one
	HealthStatus
	LastCommit *time.Time `json:"last_commit,omitempty"`
}

// Status gives the state now. It may be called from any goroutine, before and after Run too.
func (a *Agent) Status() Status {
	now := a.now()
	s := Status{Version: a.version, Configuration: a.configuration(), Started: a.started, Now: now, Troubles: []Trouble{}, Firewalls: []enforce.Status{}, Inputs: []line.InputStatus{}, Policies: []PolicyStatus{}}
	if t, is := refusedTrouble(&s.Configuration); is {
		s.Troubles = append(s.Troubles, t)
	}
	for _, t := range a.labelTroubles() {
		s.Troubles = append(s.Troubles, Trouble{t.Since, t.What, t.Remedy})
	}
	s.Store.HealthStatus = a.health.status()
	if st := a.store.Load(); st != nil {
		at := st.Place()
		s.Store.Kind, s.Store.Host, s.Store.Database, s.Store.Identity = st.Kind(), at.Host, at.Database, at.Identity
	}
	read := a.stats.Status(now)
	s.Inputs, s.NotShown, s.BadLines = append(s.Inputs, read.Inputs...), read.NotShown, read.BadLines
	s.Stored, s.Rate, s.Detect, s.Store.LastCommit = read.Stored, read.Rate, read.Detect, read.LastCommit
	if f := a.feed.Load(); f != nil {
		s.Blacklist = len(f.current.Load().Entries)
		s.Held, s.Observed = f.undecided()
	}
	s.Waiting = a.lookout.Last()
	if a.list != nil {
		list := a.list.Status()
		s.List = &list
		s.Troubles = append(s.Troubles, listTroubles(&list, a.cfg, now.Sub(a.started), a.started)...)
	}
	s.Ours = a.oursStatus()
	for _, e := range a.fleet.Enforcers {
		s.Firewalls = append(s.Firewalls, e.Status())
	}
	for _, trouble := range []func() (Trouble, bool){a.clockTrouble, a.brake.trouble, a.health.trouble, func() (Trouble, bool) { return boundTrouble(a.bound.Load()) }} {
		if t, is := trouble(); is {
			s.Troubles = append(s.Troubles, t)
		}
	}
	s.Troubles = append(s.Troubles, roomTroubles(s.Firewalls)...)
	for _, p := range a.fleet.Watchers {
		checks, at := p.Status()
		s.Policies = append(s.Policies, PolicyStatus{Firewall: p.Name(), At: at, Checks: checks})
	}
	s.NotReady = a.notReady()
	s.Ready = len(s.NotReady) == 0
	return s
}

// notReady says in words what keeps the agent from doing its work.
func (a *Agent) notReady() []string {
	var why []string
	if a.list != nil && !a.list.Status().Loaded {
		why = append(why, "the list is not loaded yet")
	}
	if a.list != nil && a.list.Status().CertError != "" {
		why = append(why, "the list's certificate: "+a.list.Status().CertError)
	}
	if !a.reading.Load() {
		why = append(why, "the inputs are not open yet")
	}
	if h := a.health.status(); !h.OK {
		why = append(why, "reading has stopped: "+h.Error)
	}
	return why
}

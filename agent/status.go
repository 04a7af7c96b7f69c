package agent

import (
	"cmp"
	"slices"
	"time"

	"activedefense/agent/edl"
	"activedefense/firewall/policy"
)

// Status is the state of a running agent: GET /status and the command `status`.
type Status struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Now       time.Time        `json:"now"`
	Ready     bool             `json:"ready"`
	NotReady  []string         `json:"not_ready,omitempty"` // why, in words
	Store     StoreStatus      `json:"store"`
	Inputs    []InputStatus    `json:"inputs"`              // at most 1000, those in trouble and those behind before others
	NotShown  int              `json:"inputs_not_shown"`    // files beyond that
	BadLines  []BadLine        `json:"bad_lines,omitempty"` // the first 20 lines that could not be parsed
	Stored    uint64           `json:"stored"`              // records committed since the start
	Rate      float64          `json:"lines_per_second"`
	Detect    DetectStatus     `json:"detect"`
	Blacklist int              `json:"blacklist"`               // addresses and networks blocked now
	Waiting   string           `json:"releases_wait,omitempty"` // why quiet sources are not released: what cannot be read
	List      *edl.Status      `json:"list,omitempty"`
	Firewalls []FirewallStatus `json:"firewalls"`
	Policies  []PolicyStatus   `json:"policies"`
}

// PolicyStatus is what the last look at a firewall's policies found.
type PolicyStatus struct {
	Firewall string         `json:"firewall"`
	At       *time.Time     `json:"at,omitempty"` // nil: not looked at yet
	Checks   []policy.Check `json:"checks,omitempty"`
}

// StoreStatus is the state of the database.
type StoreStatus struct {
	Kind string `json:"kind"` // sqlite or postgresql; empty until it was reached once
	HealthStatus
	LastCommit *time.Time `json:"last_commit,omitempty"`
}

// InputStatus is the state of one log file.
type InputStatus struct {
	Path       string     `json:"path"`
	Lines      uint64     `json:"lines"`
	Records    uint64     `json:"records"`
	Ignored    uint64     `json:"ignored"` // other log types, empty lines
	Bad        uint64     `json:"bad"`     // could not be parsed
	Cut        uint64     `json:"cut"`     // longer than 64 KiB
	Behind     int64      `json:"behind_bytes"`
	LagSeconds float64    `json:"lag_seconds"` // how old the last line read is, while there are more to read
	LastEvent  *time.Time `json:"last_event,omitempty"`
	LastRead   *time.Time `json:"last_read,omitempty"`
	Error      string     `json:"error,omitempty"`
	Clock      string     `json:"clock,omitempty"` // what is wrong with the times of the file
}

// DetectStatus is the state of the engine.
type DetectStatus struct {
	Sources   int    `json:"sources"`
	Sightings int    `json:"sightings"`
	Evicted   uint64 `json:"evicted"`
}

// Status gives the state now. It may be called from any goroutine, before and after Run too.
func (a *Agent) Status() Status {
	now := a.now()
	s := Status{Version: a.version, Started: a.started, Now: now, Firewalls: []FirewallStatus{}, Inputs: []InputStatus{}, Policies: []PolicyStatus{}}
	s.Store.HealthStatus = a.stats.store.status()
	if st := a.store.Load(); st != nil {
		s.Store.Kind = st.Kind()
	}
	for _, in := range a.stats.allInputs() {
		s.Inputs = append(s.Inputs, in.status(now))
	}
	s.Inputs, s.NotShown = foremost(s.Inputs)
	a.stats.mu.Lock()
	s.BadLines = append(s.BadLines, a.stats.bad...)
	s.Stored = a.stats.stored
	s.Rate = a.stats.rate.perSecond(now)
	s.Detect = DetectStatus{Sources: a.stats.engine.Sources, Sightings: a.stats.engine.Sightings, Evicted: a.stats.engine.Evicted}
	if !a.stats.lastSave.IsZero() {
		last := a.stats.lastSave
		s.Store.LastCommit = &last
	}
	a.stats.mu.Unlock()
	if f := a.feed.Load(); f != nil {
		s.Blacklist = len(f.current.Load().entries)
	}
	s.Waiting = a.lookout.last()
	if a.list != nil {
		list := a.list.Status()
		s.List = &list
	}
	for _, e := range a.enforcers {
		s.Firewalls = append(s.Firewalls, e.status())
	}
	for _, p := range a.policies {
		checks, at := p.status()
		s.Policies = append(s.Policies, PolicyStatus{Firewall: p.name, At: at, Checks: checks})
	}
	s.NotReady = a.notReady()
	s.Ready = len(s.NotReady) == 0
	return s
}

// foremost leaves out of many files those that are read without trouble and to their ends.
func foremost(inputs []InputStatus) (shown []InputStatus, left int) {
	if len(inputs) <= mostInputs {
		return inputs, 0
	}
	rank := func(in *InputStatus) int {
		switch {
		case in.Error != "" || in.Clock != "":
			return 0
		case in.Behind > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(inputs, func(a, b InputStatus) int { return cmp.Compare(rank(&a), rank(&b)) })
	return inputs[:mostInputs], len(inputs) - mostInputs
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
	if h := a.stats.store.status(); !h.OK {
		why = append(why, "reading has stopped: "+h.Error)
	}
	return why
}

func (in *inputStats) status(now time.Time) InputStatus {
	t, clock := in.snapshot()
	s := InputStatus{
		Path: in.path, Lines: in.lines.Load(), Records: in.records.Load(), Ignored: in.ignored.Load(),
		Bad: in.bad.Load(), Cut: in.cut.Load(), Behind: t.Behind, Clock: clock,
		LagSeconds: in.lag(t.Behind, now).Seconds(),
	}
	if t.Err != nil {
		s.Error = t.Err.Error()
	}
	s.LastEvent, s.LastRead = unixNano(in.lastEvent.Load()), unixNano(in.lastRead.Load())
	return s
}

// unixNano gives nil for zero.
func unixNano(n int64) *time.Time {
	if n == 0 {
		return nil
	}
	t := time.Unix(0, n)
	return &t
}

package agent

import (
	"cmp"
	"slices"
	"time"

	"activedefense/agent/allow"
	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/health"
	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/agent/members"
	"activedefense/agent/notify"
	"activedefense/agent/silence"
	"activedefense/agent/trouble"
)

// Status is the state of a running agent: GET /status and the command `status`.
type Status struct {
	Version       string                 `json:"version"`
	Started       time.Time              `json:"started"` // of the program: a reload is no start
	Now           time.Time              `json:"now"`
	Configuration ConfigurationStatus    `json:"configuration"`
	Troubles      []trouble.Trouble      `json:"troubles"` // what a person should see to, beside what the parts below say; empty when all is well
	Ready         bool                   `json:"ready"`
	NotReady      []string               `json:"not_ready,omitempty"` // why, in words
	Store         StoreStatus            `json:"store"`
	Unwritten     float64                `json:"state_dir_no_answer_seconds,omitempty"` // how long the disk has not answered a write in state_dir, from 5 s on
	Inputs        []line.InputStatus     `json:"inputs"`                                // at most 1000, those in trouble and those behind before others
	NotShown      int                    `json:"inputs_not_shown"`                      // files beyond that
	Files         line.FileSums          `json:"files"`                                 // sums over all files, shown or not
	Unstored      int64                  `json:"lines_not_stored"`                      // lines that were read and are not stored yet: they are read again if this ends
	Resting       int                    `json:"inputs_resting"`                        // files beyond inputs[].max_files that have not changed since they were read to their ends
	Queued        int                    `json:"inputs_waiting"`                        // files beyond inputs[].max_files that have something to read, and wait for their turn
	FilesLost     uint64                 `json:"files_lost"`                            // since the start: files of which lines may be lost that were not read
	Heard         []silence.Status       `json:"heard"`                                 // of each input, when it last had a line, and what is silent
	Listeners     []listen.Status        `json:"listeners"`                             // of each input that listens
	BadLines      []line.BadLine         `json:"bad_lines,omitempty"`                   // the first 20 lines that could not be parsed
	Stored        uint64                 `json:"stored"`                                // records committed since the start
	Rate          float64                `json:"lines_per_second"`
	Detect        line.DetectStatus      `json:"detect"`
	Blacklist     *int                   `json:"blacklist"`               // addresses and networks blocked now; as the next two nil: it is not known, for the blacklist was not loaded yet
	Paused        *allow.Pause           `json:"paused"`                  // nothing is enforced, because a person said so; null: it is
	Held          *int                   `json:"held"`                    // that wait for a person: blacklist accept, or remove
	Observed      *int                   `json:"observed"`                // that a rule in mode observe found
	Braked        int                    `json:"releases_braked"`         // quiet sources that the list's brake does not release
	Waiting       string                 `json:"releases_wait,omitempty"` // why quiet sources are not released: what cannot be read, or another agent has not read
	List          *edl.Status            `json:"list,omitempty"`
	Members       []members.Status       `json:"members"` // the agents on this database; empty until it was reached
	Ours          OursStatus             `json:"ours"`
	Firewalls     []enforce.Status       `json:"firewalls"`
	Policies      []enforce.PolicyStatus `json:"policies"`
	Notices       []notify.Status        `json:"notices"` // of each receiver; empty: nobody is told
}

// ConfigurationStatus is the state of the configuration in use.
type ConfigurationStatus struct {
	Path      string     `json:"path"` // empty: the built-in defaults
	LoadedAt  time.Time  `json:"loaded_at"`
	RefusedAt *time.Time `json:"refused_at,omitempty"` // when the last reload was refused; nil: it was not
	Faults    []string   `json:"faults,omitempty"`     // why
}

// StoreStatus is the state of the database.
type StoreStatus struct {
	Kind     string `json:"kind"`               // sqlite or postgresql; empty until it was reached once, as are the next three
	Host     string `json:"host,omitempty"`     // of PostgreSQL, with its port
	Database string `json:"database,omitempty"` // its name, or SQLite's file
	Identity string `json:"identity,omitempty"` // what tells it from every other one
	health.Status
	Refused    string     `json:"refused,omitempty"` // why it is not taken for what it was; a person decides (store accept); empty: it is
	LastCommit *time.Time `json:"last_commit,omitempty"`
	Size       *int64     `json:"size_bytes,omitempty"` // of the database a minute ago at most; nil: not known yet
}

// A refusal is a reload that was refused.
type refusal struct {
	at     time.Time
	faults []string
	here   bool
}

// Refused notes that a new configuration was refused, and why; this one stays in use. here: there is no fault in it, but it cannot work on
// this host as it is now.
func (a *Agent) Refused(faults []string, here bool) { a.refused.Store(&refusal{a.now(), faults, here}) }

func (a *Agent) configuration() ConfigurationStatus {
	c := a.loaded
	if r := a.refused.Load(); r != nil {
		c.RefusedAt, c.Faults = &r.at, r.faults
	}
	return c
}

// Status gives the state now. It may be called from any goroutine, before and after Run too.
func (a *Agent) Status() Status {
	now := a.now()
	s := Status{Version: a.version, Configuration: a.configuration(), Started: a.begun, Now: now, Inputs: []line.InputStatus{}}
	s.Store.Status = a.health.Status(now)
	if lost := a.health.LostError(); lost != nil {
		s.Store.Refused = lost.Error()
	}
	if st := a.store.Load(); st != nil {
		at := st.Place()
		s.Store.Kind, s.Store.Host, s.Store.Database, s.Store.Identity = st.Kind(), at.Host, at.Database, at.Identity
	}
	read := a.stats.Status(now)
	silence.Spare(read.Heard, a.cfg.LeftAlone)
	s.Files, s.Unstored = read.Files, read.Unstored
	s.Inputs, s.NotShown, s.BadLines, s.Heard = append(s.Inputs, read.Inputs...), read.NotShown, read.BadLines, append([]silence.Status{}, read.Heard...)
	s.Listeners = a.listeners.Status()
	s.Stored, s.Rate, s.Detect, s.Store.LastCommit = read.Stored, read.Rate, read.Detect, read.LastCommit
	if f := a.feed.Load(); f != nil {
		held, observed := f.undecided()
		s.Paused = f.pauseStatus()
		s.Blacklist, s.Held, s.Observed = new(f.standing()), &held, &observed
	}
	s.Braked = a.brake.Held()
	s.Members = a.members.Load().Status()
	if s.Waiting, _ = a.lookout.Last(); s.Waiting == "" {
		s.Waiting = members.Waiting(s.Members)
	}
	if a.list != nil {
		list := a.list.Status()
		s.List = &list
	}
	s.Ours = a.oursStatus()
	s.Firewalls, s.Policies = a.fleet.Status()
	s.Notices = a.notices.Status()
	_, _, s.Unwritten = health.Unanswered(a.cfg.StateDir, now)
	s.Troubles = a.troubles(&s, &read)
	for _, c := range read.Crowds {
		s.Resting, s.Queued = s.Resting+c.Resting, s.Queued+c.Waiting
	}
	s.FilesLost = read.Lost
	if b := a.bound.Load(); b != nil {
		s.Store.Size = b.Size()
	}
	s.NotReady = a.notReady()
	s.Ready = len(s.NotReady) == 0
	return s
}

// look is what a person should see to now, and what was seen since the start.
func look(a *Agent) ([]trouble.Trouble, trouble.Seen) {
	s := a.Status()
	return s.Troubles, trouble.Seen{Started: a.started, Now: s.Now, Reading: a.reading.Load(), Detect: s.Detect, Firewalls: s.Firewalls, Policies: s.Policies, List: s.List, Heard: s.Heard, LeftAlone: a.cfg.LeftAlone}
}

// troubles is what a person should see to, the worst first.
func (a *Agent) troubles(s *Status, read *line.Status) []trouble.Trouble {
	why, since := a.lookout.Last()
	refused := a.refused.Load()
	away := trouble.Store(s.Store.Since, s.Store.Error, s.Store.NoAnswer > 0)
	if t, lost := a.health.Trouble(); lost {
		away = []trouble.Trouble{t}
	}
	path, unwritten, _ := health.Unanswered(a.cfg.StateDir, s.Now)
	all := slices.Concat(away, trouble.StateDir(path, unwritten, s.Now), trouble.Inputs(read), listenTroubles(a, s.Now), trouble.Crowds(read.Crowds), trouble.Releases(why, since, s.Now), trouble.Members(s.Members, s.Now),
		trouble.Networks(&s.Detect, s.Ours.Known, s.Ours.Asked, a.started, s.Now), trouble.Firewalls(s.Firewalls, s.Now), trouble.Policies(s.Policies), trouble.Notices(s.Notices, s.Now),
		trouble.Reload(s.Configuration.RefusedAt, s.Configuration.LoadedAt, s.Configuration.Faults, refused != nil && refused.here))
	if p := s.Paused; p != nil {
		all = append(all, trouble.Paused(p.Since, p.Until, p.By, p.Reason))
	}
	if s.List != nil {
		all = append(all, trouble.List(s.List, a.cfg, a.started, s.Now)...)
	}
	for _, t := range a.labelTroubles() {
		all = append(all, trouble.Trouble{Since: t.Since, What: t.What, Remedy: t.Remedy})
	}
	by, at := a.clock.Ahead()
	all = append(all, trouble.Clock(by, at, a.clock.Later())...)
	if t, is := a.brake.Trouble(); is {
		all = append(all, t)
	}
	speakers := []interface {
		Trouble() (time.Time, string, string)
	}{a.geo, a.admin}
	if b := a.bound.Load(); b != nil {
		speakers = append(speakers, b)
	}
	if seal := a.seal.Load(); seal != nil {
		speakers = append(speakers, seal)
	}
	for _, s := range speakers {
		if since, what, remedy := s.Trouble(); what != "" {
			all = append(all, trouble.Trouble{Since: since, What: what, Remedy: remedy})
		}
	}
	if all == nil {
		all = []trouble.Trouble{} // in JSON, none is an empty list
	}
	a.noticed.Date(all, s.Now)
	trouble.Sort(all)
	return all
}

// notReady says in words what keeps the agent from doing its work.
func (a *Agent) notReady() []string {
	var why []string
	if a.list != nil {
		s := a.list.Status()
		if !s.Loaded {
			why = append(why, "the list is not loaded yet")
		}
		if fault := cmp.Or(s.CertError, s.CertInvalid); fault != "" {
			why = append(why, "the list's certificate: "+fault)
		}
	}
	if !a.reading.Load() {
		why = append(why, "the inputs are not open yet")
	}
	switch h := a.health.Status(a.now()); {
	case h.OK:
	case h.NoAnswer > 0:
		why = append(why, "the store gives "+h.Error)
	default:
		why = append(why, "reading has stopped: "+h.Error)
	}
	return why
}

package line

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"activedefense/agent/silence"
	"activedefense/agent/tail"
	"activedefense/detect/memory"
)

// Status is how far the line is.
type Status struct {
	Inputs     []InputStatus    // at most 1000, those in trouble and those behind before others, then the newest
	NotShown   int              // files beyond that
	Files      FileSums         // of all of them
	Unstored   int64            // lines that were read and are not stored yet
	Crowds     []Crowd          // inputs with more files than are followed at once
	Lost       uint64           // files, since the start, of which lines may be lost that were not read
	Heard      []silence.Status // of each input, in the order of the configuration; empty before they are opened
	BadLines   []BadLine        // the first 20 lines that could not be parsed
	Stored     uint64           // records committed since the start
	Rate       float64          // lines a second
	Detect     DetectStatus
	LastCommit *time.Time // nil: none yet
}

// InputStatus is the state of one log file.
type InputStatus struct {
	Path       string     `json:"path"`
	Lines      uint64     `json:"lines"`
	Records    uint64     `json:"records"`
	Ignored    uint64     `json:"ignored"` // other log types, empty lines, what no pattern takes
	Bad        uint64     `json:"bad"`     // could not be parsed
	Cut        uint64     `json:"cut"`     // longer than 64 KiB, or logins without a client because the firewall cut their text off
	Behind     int64      `json:"behind_bytes"`
	LagSeconds float64    `json:"lag_seconds"` // how old the last line read is, while there are more to read
	LastEvent  *time.Time `json:"last_event,omitempty"`
	LastRead   *time.Time `json:"last_read,omitempty"`
	LastLine   *time.Time `json:"last_line,omitempty"`    // when it was last written to; nil: not known yet, or there was no line ever
	Silent     *time.Time `json:"silent_since,omitempty"` // the same, when there has been no line for inputs[].silent_after; nil: there has, or it is not known
	ErrorSince *time.Time `json:"error_since,omitempty"`
	Error      string     `json:"error,omitempty"`
	// Of those cut, logins without a certain client since a time: at least HiddenOften of them, none an hour behind the one before, and the last less than an hour ago; else 0.
	Hidden       uint64     `json:"hidden_logins,omitempty"`
	HiddenSince  *time.Time `json:"hidden_since,omitempty"`
	HiddenReason string     `json:"hidden_reason,omitempty"` // of the last one
	Clock        string     `json:"clock,omitempty"`         // what is wrong with the times of the file
}

// Rank orders files, the first first: those in trouble, those that are silent, those that are behind, and the others.
func (in *InputStatus) Rank() int {
	switch {
	case in.Error != "" || in.Clock != "" || in.Hidden > 0:
		return 0
	case in.Silent != nil:
		return 1
	case in.Behind > 0:
		return 2
	}
	return 3
}

// FileSums are sums over all files that are followed, or were lately, shown or not.
type FileSums struct {
	Files     int    `json:"files"`
	Lines     uint64 `json:"lines"` // this and the next four as in InputStatus
	Records   uint64 `json:"records"`
	Ignored   uint64 `json:"ignored"`
	Bad       uint64 `json:"bad"`
	Cut       uint64 `json:"cut"`
	Behind    int64  `json:"behind_bytes"`
	InTrouble int    `json:"in_trouble"` // files that cannot be read, or only in part, or whose times are wrong
	Silent    int    `json:"silent"`
}

// add counts a file, or an input without one.
func (s *FileSums) add(r *row) {
	s.Files++
	s.Lines, s.Records, s.Ignored = s.Lines+r.in.lines.Load(), s.Records+r.in.records.Load(), s.Ignored+r.in.ignored.Load()
	s.Bad, s.Cut, s.Behind = s.Bad+r.in.bad.Load(), s.Cut+r.in.cut.Load(), s.Behind+r.behind
	if r.err != nil || r.clock != "" {
		s.InTrouble++
	}
	if !r.silent.IsZero() {
		s.Silent++
	}
}

// DetectStatus is the state of the engine.
type DetectStatus struct {
	Sources   int    `json:"sources"`
	Sightings int    `json:"sightings"`
	Evicted   uint64 `json:"evicted"`
	// NearThreshold are sources that had at least half of what fires a rule when they were seen last, however long ago. After a start, those are
	// among them whose evidence can still count.
	NearThreshold int `json:"near_threshold"`
	// Refused are records in which a source that is not ours got nothing, since the start: FromBlocked those of sources on the
	// blacklist, Elsewhere those whose destination is not ours either.
	Refused     uint64 `json:"refused"`
	FromBlocked uint64 `json:"refused_from_blocked"`
	Elsewhere   uint64 `json:"refused_elsewhere"`
	// Sessions, Partners and Probes are what is remembered beside the evidence.
	Sessions int `json:"sessions"`
	Partners int `json:"partners"`
	Probes   int `json:"probes"`
	// PartnersSince is since when it is known whom ours spoke to, in event time, while that is less than a day; nil: for a day, or
	// partners play no part.
	PartnersSince *time.Time `json:"partners_since,omitempty"`
}

// Shares gives what part of the refused records came from blocked sources, and what part was to addresses that are not ours, from
// 0 to 1; not ok as long as there are too few to tell.
func (d *DetectStatus) Shares() (blocked, elsewhere float64, ok bool) {
	if d.Refused < leastForShares {
		return 0, 0, false
	}
	return float64(d.FromBlocked) / float64(d.Refused), float64(d.Elsewhere) / float64(d.Refused), true
}

// leastForShares is how many refused records there must be before a share of them says something.
const leastForShares = 1000

// Status gives the state now.
func (s *Stats) Status(now time.Time) Status {
	var out Status
	all := s.allInputs()
	rows, byInput := make([]row, 0, len(all)), make(map[int][]silence.File)
	for _, in := range all {
		r := in.row()
		rows = append(rows, r)
		byInput[in.input] = append(byInput[in.input], r.file())
	}
	out.Heard, rows = s.silences(byInput, now, rows)
	for i := range rows {
		out.Files.add(&rows[i])
	}
	rows, out.NotShown = foremost(rows)
	for i := range rows {
		out.Inputs = append(out.Inputs, rows[i].status(now))
	}
	out.Unstored = s.unstored.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.BadLines = slices.Clone(s.bad)
	out.Crowds, out.Lost = slices.Clone(s.crowds), s.lost
	out.Stored, out.Rate = s.stored, s.rate.perSecond(now)
	e := &s.engine
	out.Detect = DetectStatus{Sources: e.Sources, Sightings: e.Sightings, Evicted: e.Evicted, NearThreshold: e.Near,
		Refused: e.Refused, FromBlocked: e.RefusedBlocked, Elsewhere: e.RefusedElsewhere,
		Sessions: e.Remembered.Sessions, Partners: e.Remembered.Partners, Probes: e.Remembered.Probes}
	if since := time.Unix(0, s.since).UTC(); s.since != 0 && now.Sub(since) < memory.Day {
		out.Detect.PartnersSince = &since
	}
	if !s.lastSave.IsZero() {
		last := s.lastSave
		out.LastCommit = &last
	}
	return out
}

// Rate is how many lines a second are read.
func (s *Stats) Rate(now time.Time) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rate.perSecond(now)
}

// A Crowd is an input with more files than are followed at once.
type Crowd struct {
	tail.Crowd
	Since time.Time
}

// trouble is a path that cannot be read, or only in part.
type trouble struct {
	path  string
	since time.Time
	err   error
}

// troubles gives all there are.
func (s *Stats) troubles() []trouble {
	var all []trouble
	for _, in := range s.allInputs() {
		if since, err := in.trouble(); err != nil {
			all = append(all, trouble{in.path, since, err})
		}
	}
	return all
}

// A row is what decides which files are shown, and what is shown of each that has no counter for it. There may be tens of thousands.
type row struct {
	in       *inputStats
	behind   int64
	read     int64 // lastRead
	err      error // why it cannot be read, or only in part; nil: it can
	troubled time.Time
	clock    string
	silent   time.Time // zero: it is not, or not known to be
}

func (in *inputStats) row() row {
	in.mu.Lock()
	defer in.mu.Unlock()
	return row{in: in, behind: in.tail.Behind, read: in.lastRead.Load(), err: in.tail.Err, troubled: in.troubled, clock: in.clock}
}

// rank orders rows: trouble, then what is behind, then the rest.
func (r *row) rank() int {
	switch {
	case r.err != nil || r.clock != "" || !r.silent.IsZero():
		return 0
	case r.behind > 0:
		return 1
	}
	return 2
}

// file is what silence is judged by.
func (r *row) file() silence.File {
	f := silence.File{Path: r.in.path, Series: r.in.series, Missing: errors.Is(r.err, fs.ErrNotExist)}
	f.Blind = r.behind > 0 || r.err != nil && !f.Missing
	if last := r.in.lastLine.Load(); last != 0 {
		f.Last = time.Unix(0, last)
	}
	return f
}

func (r *row) status(now time.Time) InputStatus {
	in := r.in
	s := InputStatus{
		Path: in.path, Lines: in.lines.Load(), Records: in.records.Load(), Ignored: in.ignored.Load(),
		Bad: in.bad.Load(), Cut: in.cut.Load(), Behind: r.behind, Clock: r.clock,
		LagSeconds: in.lag(r.behind, now).Seconds(), Silent: timeOrNil(r.silent),
		LastEvent: unixNano(in.lastEvent.Load()), LastRead: unixNano(r.read), LastLine: unixNano(in.lastLine.Load()),
	}
	if h := in.hide(0, "", now); h.count >= HiddenOften && now.Sub(h.last) <= hiddenQuiet {
		s.Hidden, s.HiddenSince, s.HiddenReason = h.count, &h.since, h.reason
	}
	if r.err != nil {
		s.Error, s.ErrorSince = r.err.Error(), timeOrNil(r.troubled)
	}
	return s
}

// foremost leaves out of many files those that are read without trouble and to their ends, those first that had a line longest ago.
func foremost(rows []row) (shown []row, left int) {
	if len(rows) <= mostInputs {
		return rows, 0
	}
	type place struct {
		rank, at int
		read     int64
	}
	places := make([]place, len(rows))
	for i := range rows {
		places[i] = place{rows[i].rank(), i, rows[i].read}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.read, a.read), cmp.Compare(a.at, b.at))
	})
	for _, p := range places[:mostInputs] {
		shown = append(shown, rows[p.at])
	}
	return shown, len(rows) - mostInputs
}

var errNoFile = errors.New("no file matches it")

// silences says how each input does, marks the files that are silent, and adds a row for each input without a file.
func (s *Stats) silences(files map[int][]silence.File, now time.Time, rows []row) (all []silence.Status, more []row) {
	s.mu.Lock()
	expected := s.expected
	s.mu.Unlock()
	silent := make(map[string]time.Time)
	for i, in := range expected {
		st := silence.Of(in, files[i], now)
		all = append(all, st)
		for _, q := range st.Silent {
			silent[q.Path] = q.Since
		}
		if !st.Since.IsZero() && st.Last.IsZero() {
			silent[st.Pattern] = st.Since
		}
		if len(files[i]) == 0 {
			none := &inputStats{path: st.Pattern}
			none.heard(st.Last, now)
			missing := errNoFile
			if in.Name != "" { // it listens, and who sends has nothing to say yet
				missing = nil
			}
			rows = append(rows, row{in: none, err: missing, silent: st.Since})
		}
	}
	if len(silent) > 0 {
		for i := range rows {
			if since, is := silent[rows[i].in.path]; is {
				rows[i].silent = since
			}
		}
	}
	return all, rows
}

// timeOrNil gives nil for the zero time.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// unixNano gives nil for zero.
func unixNano(n int64) *time.Time {
	if n == 0 {
		return nil
	}
	t := time.Unix(0, n)
	return &t
}

package line

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"activedefense/agent/silence"
	"activedefense/agent/tail"
	"activedefense/detect"
)

// Stats is what is counted on the way, for status and for the metrics, which read it when asked. Any goroutine may ask.
type Stats struct {
	mu       sync.Mutex
	inputs   map[string]*inputStats
	order    []*inputStats // as they were found
	series   int           // that had a record, when LastEvents was last asked
	expected []silence.Input
	bad      []BadLine
	engine   detect.Stats
	since    int64 // of knownSince
	rate     rate
	lastSave time.Time
	stored   uint64       // records committed
	lines    uint64       // of batches that were committed
	unstored atomic.Int64 // lines read and not committed
	crowds   []Crowd
	lost     uint64
	former   map[string]*inputStats // of the stats that these go on with, until their files are found again
	before   uint64                 // files lost until then

	ends     ends
	verdicts *prometheus.CounterVec
	commits  prometheus.Histogram
	blocked  prometheus.Counter
}

// NewStats makes counters that stand at zero.
func NewStats() *Stats {
	return &Stats{
		inputs: make(map[string]*inputStats),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "activedefense_verdicts_total",
			Help: "Verdicts of the rules by what came of them: blocked, held, observed, refused (the guard), too-old, late (its block is over, and counts when it returns), told, untold (by a rule that only tells).",
		}, []string{"rule", "outcome"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "activedefense_commit_seconds", Help: "Time of a transaction that stores records, positions and verdicts.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		blocked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "activedefense_blocked_total", Help: "Addresses put on the blacklist by this agent's rules.",
		}),
	}
}

// Continue goes on with what another one counted, which is counted no further. It is for the beginning, before anything is counted here.
// What detection counts begins anew: it is by the settings.
func (s *Stats) Continue(former *Stats) {
	former.mu.Lock()
	defer former.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.former = former.inputs
	s.bad, s.rate, s.lastSave, s.stored, s.lines = former.bad, former.rate, former.lastSave, former.stored, former.lines
	s.lost, s.before = former.lost, former.lost
	s.verdicts, s.commits, s.blocked = former.verdicts, former.commits, former.blocked
}

// Collectors are the metrics that only time can fill.
func (s *Stats) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.verdicts, s.commits, s.blocked}
}

func (s *Stats) verdict(rule, outcome string) { s.verdicts.WithLabelValues(rule, outcome).Inc() }

func (s *Stats) newlyBlocked(n int) { s.blocked.Add(float64(n)) }

func (s *Stats) committed(b *batch, took time.Duration) {
	s.commits.Observe(took.Seconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.lastSave = now
	s.stored += uint64(len(b.Records))
	s.unstored.Add(-int64(b.lines))
	s.lines += uint64(b.lines)
	s.rate.add(b.lines, now)
}

// Lines is how many lines were read and committed since the start.
func (s *Stats) Lines() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

// publishEngine shows the state of the engine, and since when it is known whom ours spoke to; 0: nobody has to know.
func (s *Stats) publishEngine(e detect.Stats, since int64) {
	s.mu.Lock()
	s.engine, s.since = e, since
	s.mu.Unlock()
}

// publishFiles shows which inputs have more files than are followed, and how many files were lost.
func (s *Stats) publishFiles(crowds []tail.Crowd, lost uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.crowds
	s.crowds, s.lost = nil, s.before+lost
	for _, c := range crowds {
		since := now
		for _, b := range before {
			if b.Tag == c.Tag {
				since = b.Since
			}
		}
		s.crowds = append(s.crowds, Crowd{c, since})
	}
}

// rate is lines a second over the last full ten seconds.
type rate struct {
	from     time.Time
	lines    int
	previous float64
}

func (r *rate) add(n int, now time.Time) {
	r.roll(now)
	r.lines += n
}

func (r *rate) roll(now time.Time) {
	if r.from.IsZero() {
		r.from = now
	}
	if passed := now.Sub(r.from); passed >= 10*time.Second {
		r.previous = float64(r.lines) / passed.Seconds()
		r.from, r.lines = now, 0
	}
}

// perSecond is the finished ten seconds, or what there is of the first.
func (r *rate) perSecond(now time.Time) float64 {
	r.roll(now)
	if r.previous > 0 || r.from.IsZero() {
		return r.previous
	}
	if passed := now.Sub(r.from).Seconds(); passed >= 1 {
		return float64(r.lines) / passed
	}
	return 0
}

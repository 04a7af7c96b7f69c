package line

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/detect"
	"activedefense/store"
)

func TestTwoRunsAfterTheSameBatchNumberTheirsDifferently(t *testing.T) {
	one, other := firstSeq(7), firstSeq(7)
	if one <= 7 || other <= 7 || one == other {
		t.Errorf("after batch 7 come %d and %d", one, other)
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// inputs[].device is what records, blocks and evidence call the device, whatever the lines and the file are called.
func TestAnInputNamesItsDevice(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	o := testOptions(t, st, filepath.Join(dir, "*.log"))
	o.Inputs[0].Device = "Branch 7"
	lines := strings.SplitAfter(scan("203.0.113.7", noon, 11), "\n")
	write(t, filepath.Join(dir, "fw1.log"), "Nov 21 12:00:00 other-fw "+strings.Join(lines[:11], "Nov 21 12:00:00 other-fw "))
	start(t, o)
	until(t, "the source is blocked", func() bool { return entries(t, st) != "" })
	e := only(t, st, "203.0.113.7")
	evidence, err := st.EvidenceOf(t.Context(), e.ID)
	if err != nil || e.Device != "Branch 7" || len(evidence) != 11 || evidence[0].Device != "Branch 7" || !strings.Contains(evidence[0].Line, "other-fw") {
		t.Errorf("blocked by %q with the evidence %+v: %v", e.Device, evidence, err)
	}
	sum := ""
	_, err = Replay(t.Context(), ReplayOptions{Input: func(string) Input { return o.Inputs[0] }, Settings: testSettings, Guard: o.Guard(), Files: []string{filepath.Join(dir, "fw1.log")},
		Verdict: func(v *detect.Verdict) { sum += v.Device }})
	if err != nil || sum != "Branch 7" {
		t.Errorf("a replay says %q: %v", sum, err)
	}
}

func TestALineBecomesABlock(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	woken := make(chan struct{}, 100)
	o := testOptions(t, st, filepath.Join(dir, "*.log"))
	o.Wake = func() { woken <- struct{}{} }
	write(t, filepath.Join(dir, "fw1.log"), "\n"+"nonsense\n"+scan("203.0.113.7", noon, 10))
	r := start(t, o)
	until(t, "the records are stored", func() bool { return o.Stats.Status(time.Now()).Stored == 10 })
	if got := entries(t, st); got != "" {
		t.Fatalf("ten ports block %s", got)
	}
	write(t, filepath.Join(dir, "fw1.log"), record{at: noon.Add(time.Minute), src: "203.0.113.7", dst: "198.51.100.1", port: 9}.String()+"\n")
	<-woken
	e := only(t, st, "203.0.113.7")
	if e.Rule != detect.RulePortScan || e.Device != "fw1" || e.By != store.ByDetector || !e.FirstSeen.Equal(noon) || !e.LastSeen.Equal(noon.Add(time.Minute)) {
		t.Errorf("the entry is %+v", e)
	}
	lines, err := st.EvidenceOf(t.Context(), e.ID)
	if err != nil || len(lines) != 11 || !strings.Contains(lines[10].Line, "DstPort=9;") || lines[10].Device != "fw1" || !lines[0].Time.Equal(noon) {
		t.Errorf("the evidence is %+v: %v", lines, err)
	}
	// Further records of it are activity.
	write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", noon.Add(time.Hour), 2))
	<-woken
	if e := only(t, st, "203.0.113.7"); e.Hits != 13 || !e.LastSeen.Equal(noon.Add(time.Hour+time.Second)) {
		t.Errorf("after activity it is %+v", e)
	}
	until(t, "status knows", func() bool {
		s := o.Stats.Status(time.Now())
		in := s.Inputs[0]
		return in.Lines == 15 && in.Records == 13 && in.Ignored == 1 && in.Bad == 1 && in.Behind == 0 && s.Stored == 13 && s.LastCommit != nil
	})
	if bad := o.Stats.Status(time.Now()).BadLines; len(bad) != 1 || bad[0].Line != "nonsense" || bad[0].Error == "" {
		t.Errorf("the bad lines are %+v", bad)
	}
	if n := r.Files(); n != 1 {
		t.Errorf("%d files are followed", n)
	}
}

func TestARestartForgetsNoAttack(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	lines := strings.SplitAfter(scan("203.0.113.7", noon, 11), "\n")
	write(t, path, strings.Join(lines[:8], ""))
	first := testOptions(t, st, path)
	r := start(t, first)
	until(t, "eight are stored", func() bool { return first.Stats.Status(time.Now()).Stored == 8 })
	r.end()
	if err := os.Remove(path); err != nil { // the evidence is in the store now
		t.Fatal(err)
	}
	write(t, path, strings.Join(lines[8:], ""))
	again := testOptions(t, st, path)
	again.Attach = attach(t, st)
	r = start(t, again)
	until(t, "it is blocked", func() bool { return entries(t, st) == "203.0.113.7 port-scan" })
	if known := fmt.Sprint(r.Known()); known != "["+path+"]" {
		t.Errorf("known are %s", known)
	}
	evidence, err := st.EvidenceOf(t.Context(), only(t, st, "203.0.113.7").ID)
	if err != nil || len(evidence) != 11 {
		t.Fatalf("%d lines of evidence: %v", len(evidence), err)
	}
	// Of lines whose file is gone, the records are written out.
	for i, e := range evidence {
		want := fmt.Sprintf("SrcIP=203.0.113.7; SrcPort=1; SrcUser=; DstLocation=; DstIP=198.51.100.1; DstPort=%d;", 100+i)
		if !strings.Contains(e.Line, want) || !e.Time.Equal(noon.Add(time.Duration(i)*time.Second)) {
			t.Errorf("line %d is %s of %s", i, e.Line, e.Time)
		}
	}
	if n := len(records(t, st)); n != 11 {
		t.Errorf("%d records", n)
	}
}

// What may never be blocked is said once an hour; what would be released at once is not blocked at all.
func TestNotEveryVerdictIsABlock(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	var log lockedBuffer
	clock := newTestClock()
	o := testOptions(t, st, filepath.Join(dir, "fw1.log"))
	o.Now, o.Logger, o.ReleaseAfter = clock.now, zerolog.New(&log), 24*time.Hour
	o.Guard = func() *detect.Guard { return detect.NewGuard([]netip.Prefix{prefix("203.0.113.8/32")}, nil) }
	ahead := time.Duration(0)
	o.Ahead = func() time.Duration { return ahead }
	l := openTestLive(t, o)
	verdict := func(source string, at time.Time) *detect.Verdict {
		return &detect.Verdict{Source: prefix(source), Rule: detect.RulePortScan, Time: at, FirstSeen: at, LastSeen: at}
	}
	now := clock.now()
	l.judge(verdict("203.0.113.8/32", now), nil, now)
	l.judge(verdict("203.0.113.8/32", now), nil, now.Add(59*time.Minute))
	l.judge(verdict("203.0.113.8/32", now), nil, now.Add(61*time.Minute))
	l.judge(verdict("203.0.113.9/32", now.Add(-25*time.Hour)), nil, now)
	if n := strings.Count(log.String(), "the address is protected"); n != 2 || len(l.batch.Blocks) != 0 {
		t.Errorf("said %d times, %d blocks: %s", n, len(l.batch.Blocks), log.String())
	}
	l.judge(verdict("203.0.113.9/32", now.Add(-23*time.Hour)), nil, now)
	if len(l.batch.Blocks) != 1 || !l.batch.urgent {
		t.Errorf("the blocks are %+v", l.batch.Blocks)
	}
	for outcome, want := range map[string]float64{"refused": 3, "too-old": 1, "blocked": 1} {
		if n := verdicts(t, o.Stats, outcome); n != want {
			t.Errorf("%v verdicts are %s", n, outcome)
		}
	}
	ahead = 35 * 24 * time.Hour // what happens now looks as old as that
	l.judge(verdict("203.0.113.10/32", now.Add(-ahead)), nil, now)
	if len(l.batch.Blocks) != 2 {
		t.Errorf("the blocks are %+v where this host's clock is ahead", l.batch.Blocks)
	}
	// Among very many, some may be said twice, but memory is bounded.
	for i := range 10_002 {
		l.refused[netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 32)] = now
	}
	l.spare(verdict("203.0.113.8/32", now), errors.New("why"), now.Add(3*time.Hour))
	if len(l.refused) != 1 {
		t.Errorf("%d refusals are remembered", len(l.refused))
	}
}

// A file that was compressed an hour ago is not forgotten because this host's clock has jumped ahead: its copy would be read again.
func TestAClockAheadForgetsNoFile(t *testing.T) {
	st := newTestStore(t)
	o := testOptions(t, st, filepath.Join(t.TempDir(), "fw1.log"))
	old := store.Position{ID: 7, Path: o.Inputs[0].Pattern, Device: 1, Inode: 2, Fingerprint: []byte{3}, FingerprintLen: 1, Offset: 100, Done: true, Updated: noon.Add(-time.Hour)}
	if _, err := st.Commit(t.Context(), &store.Batch{Positions: []store.Position{old}}); err != nil {
		t.Fatal(err)
	}
	ahead := 400 * 24 * time.Hour
	o.Ahead = func() time.Duration { return ahead }
	l := openTestLive(t, o)
	l.look(noon.Add(ahead))
	if len(l.batch.Forget) != 0 {
		t.Errorf("forgotten are %v", l.batch.Forget)
	}
	l.look(noon.Add(ahead + 8*24*time.Hour))
	if fmt.Sprint(l.batch.Forget) != "[7]" {
		t.Errorf("after a week, forgotten are %v", l.batch.Forget)
	}
}

// The engine is told between two lines of what came on the blacklist and went.
func TestChangesOfTheBlacklistReachTheEngine(t *testing.T) {
	l := newTestLive(t, t.TempDir(), "fw1.log")
	ev := detect.Event{Time: noon, Src: netip.MustParseAddr("203.0.113.7"), Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 1, Type: detect.TypeTraffic}
	for i, c := range []Change{{Address: prefix("203.0.113.0/24"), Blocked: true}, {Address: prefix("203.0.113.0/24"), Blocked: false}} {
		l.notice([]Change{c})
		l.apply()
		if got := l.engine.Observe(&ev).Outcome == detect.Blocked; got != c.Blocked {
			t.Errorf("after change %d it is blocked: %t", i, got)
		}
	}
}

// A store that is away stops the reading; what was read is committed when it is back, or read again.
func TestReadingWaitsForTheStore(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	var log lockedBuffer
	o := testOptions(t, st, path)
	o.Logger = zerolog.New(&log)
	failed := make(chan error, 100)
	o.Health.Failed = func(err error) { failed <- err }
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	if err := <-failed; err == nil {
		t.Error("no error")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	l.Close()
	if !strings.Contains(log.String(), `"lines":11`) || !strings.Contains(log.String(), "read again at the next start") {
		t.Errorf("it says %s", log.String())
	}
}

func TestInputsThatCannotBeFollowedAreNamed(t *testing.T) {
	o := testOptions(t, newTestStore(t), filepath.Join(t.TempDir(), "[a"))
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "open the inputs") {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Health.Insist = func(ctx context.Context, do func() error) bool { return do() == nil && ctx.Err() == nil }
	if _, err := Open(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("when it is stopped: %v", err)
	}
}

// verdicts is how many verdicts the metrics have of an outcome.
func verdicts(t *testing.T, s *Stats, outcome string) (n float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if f.GetName() == "activedefense_verdicts_total" && label.GetName() == "outcome" && label.GetValue() == outcome {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// Rules that have become stricter since find what an earlier run saw and let pass.
func TestStricterRulesFindWhatWasSeenBefore(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	lenient := testOptions(t, st, path)
	lenient.Settings.PortScan.Ports = 20
	readAll(t, openTestLive(t, lenient))
	if got := entries(t, st); got != "" {
		t.Fatalf("blocked are %s", got)
	}
	readAll(t, openTestLive(t, testOptions(t, st, path)))
	if got := entries(t, st); got != "203.0.113.7 port-scan" {
		t.Fatalf("blocked are %q", got)
	}
	evidence, err := st.EvidenceOf(t.Context(), only(t, st, "203.0.113.7").ID)
	if err != nil || len(evidence) != 11 || !strings.Contains(evidence[0].Line, "DstPort=100;") {
		t.Errorf("the evidence is %+v: %v", evidence, err)
	}
}

// What did not count because its destination is not ours does not count when a restart reads it once more.
func TestARestartKnowsWhoIsOurs(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	o := testOptions(t, st, path)
	elsewhere := detect.NewOurs([]netip.Prefix{prefix("192.0.2.0/24")})
	o.Ours = func() *detect.Ours { return elsewhere }
	for run := range 2 {
		readAll(t, openTestLive(t, o))
		if got := entries(t, st); got != "" {
			t.Errorf("run %d: blocked are %s", run+1, got)
		}
	}
	if n := len(records(t, st)); n != 11 {
		t.Errorf("%d records", n)
	}
}

// What is held for want of room stays held over a restart, and counts no hit again.
func TestARestartBlocksNothingThatIsHeld(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11)+scan("203.0.113.8", noon.Add(time.Minute), 11))
	o := testOptions(t, st, path)
	o.Surge = detect.Surge{Additions: 1, Window: time.Hour}
	o.Settings.PortScan.RefusedOnly = true
	for run := range 3 {
		readAll(t, openTestLive(t, o))
		if e := only(t, st, "203.0.113.8"); e.State != store.Held || e.Hits != 11 {
			t.Errorf("run %d: it is %+v", run+1, e)
		}
		o.Attach = func(notice func([]Change)) {
			notice([]Change{{Address: prefix("203.0.113.7/32"), Blocked: true}, {Address: prefix("203.0.113.8/32"), Waiting: store.Held}})
		}
	}
}

// What was found before counts no hit again when a restart finds it once more, because under a flood it was forgotten that its
// evidence was used up.
func TestARestartCountsNoHitAgain(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	o := testOptions(t, st, path)
	o.Settings.PortScan.Mode = detect.Observe
	readAll(t, openTestLive(t, o))
	seq, err := st.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Commit(t.Context(), &store.Batch{Seq: seq + 1, After: seq, JournalFrom: seq + 1}); err != nil {
		t.Fatal(err)
	}
	o.Attach = func(notice func([]Change)) {
		notice([]Change{{Address: prefix("203.0.113.7/32"), Waiting: store.Observed}})
	}
	l := openTestLive(t, o)
	if fired := l.engine.Stats().Fired[detect.RulePortScan]; fired != 1 {
		t.Errorf("the restart finds %d verdicts", fired)
	}
	readAll(t, l)
	if e := only(t, st, "203.0.113.7"); e.State != store.Observed || e.Hits != 11 {
		t.Errorf("it is %+v", e)
	}
}

// While a backlog is read, new files and changes of the blacklist are seen, and status shows how far it is.
func TestABacklogHidesNothing(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	clock := newTestClock()
	o := testOptions(t, st, filepath.Join(dir, "*.log"))
	var ticks atomic.Int64 // each look at the clock finds it later by more than refreshEvery
	o.Now = func() time.Time { return clock.now().Add(time.Duration(ticks.Add(1)) * refreshEvery) }
	const lines = 20 * checkEvery
	var text strings.Builder
	for i := range lines {
		text.WriteString(record{at: noon.Add(time.Duration(i) * time.Millisecond), src: "203.0.113.7", dst: "198.51.100.1", port: 1}.String() + "\n")
	}
	write(t, filepath.Join(dir, "fw1.log"), text.String())
	l := openTestLive(t, o)
	l.notice([]Change{{Address: prefix("203.0.113.7/32"), Blocked: true}})
	write(t, filepath.Join(dir, "fw2.log"), scan("203.0.113.9", noon.Add(time.Second), 11))
	behind := false // in the midst of it
	l.flow.end = &onRecord{l.flow.end, func() {
		if s := o.Stats.Status(time.Now()); len(s.Inputs) > 0 && s.Inputs[0].Behind > 0 {
			behind = true
		}
	}}
	readAll(t, l)
	if got := entries(t, st); got != "203.0.113.9 port-scan" {
		t.Errorf("blocked are %q", got)
	}
	s := o.Stats.Status(time.Now())
	if len(s.Inputs) != 2 || s.Stored != lines+11 || !behind {
		t.Errorf("status is %+v, and showed how far it was: %v", s, behind)
	}
	if n := len(records(t, st)); n != lines+11 {
		t.Errorf("%d records", n)
	}
}

// onRecord is an end that does something at every record.
type onRecord struct {
	end
	do func()
}

func (o *onRecord) record(l *lane, p *parsed, r detect.Result, now time.Time) {
	o.end.record(l, p, r, now)
	o.do()
}

// A wait that a change of a file or the time of a batch ends ends at once with the context.
func TestAWaitEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	l := newTestLive(t, dir, "*.log")
	write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", noon, 1))
	l.refresh(context.Background())
	if err := l.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.batch.empty() {
		t.Fatal("the record does not wait for others")
	}
	for err := l.wait(t.Context()); l.opts.Now().Sub(l.batch.begun) < flushAfter; err = l.wait(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := l.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ends with %v", err)
	}
	if err := l.flushIfDue(t.Context()); err != nil || !l.batch.empty() {
		t.Errorf("what was due is not handed over: %v", err)
	}
}

// While it runs, what came on the blacklist elsewhere is not counted any more.
func TestARunTakesOverChangesOfTheBlacklist(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	r := start(t, testOptions(t, st, path))
	r.notice([]Change{{Address: prefix("203.0.113.7/32"), Blocked: true}})
	write(t, path, scan("203.0.113.7", noon, 11)+scan("203.0.113.9", noon, 11))
	until(t, "the other one is blocked", func() bool { return strings.Contains(entries(t, st), "203.0.113.9") })
	if got := entries(t, st); got != "203.0.113.9 port-scan" {
		t.Errorf("blocked are %s", got)
	}
}

// A start at the end of a file does not become a later one by a restart: what was written meanwhile is read.
func TestWhereReadingBeganIsKept(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	for _, want := range []int{0, 10} {
		o := testOptions(t, st, path)
		o.Inputs[0].FromEnd = true
		readAll(t, openTestLive(t, o))
		if n := len(records(t, st)); n != want {
			t.Errorf("%d records instead of %d", n, want)
		}
		write(t, path, scan("203.0.113.9", noon, 10))
	}
}

// A block whose time was over when its verdict came is none, unless returns are counted: then it is one of them.
func TestABlockWhoseTimeIsOverIsNone(t *testing.T) {
	for _, c := range []struct {
		factor int
		own    *detect.Escalate
		ago    time.Duration
		mode   detect.Mode
		want   int
	}{
		{1, nil, time.Hour, detect.Block, 0},
		{1, nil, time.Hour, detect.Observe, 0},
		{1, nil, 59 * time.Minute, detect.Block, 1},
		{2, nil, time.Hour, detect.Block, 1},
		{2, &detect.Escalate{Factor: 1}, time.Hour, detect.Block, 0},
		{1, &detect.Escalate{Factor: 2}, time.Hour, detect.Block, 1},
	} {
		clock := newTestClock()
		o := testOptions(t, newTestStore(t), filepath.Join(t.TempDir(), "fw1.log"))
		o.Now, o.ReleaseAfter, o.Escalation.Factor = clock.now, 24*time.Hour, c.factor
		l := openTestLive(t, o)
		at := clock.now().Add(-c.ago)
		l.judge(&detect.Verdict{Source: prefix("203.0.113.9/32"), Rule: "mine", Mode: c.mode, Time: at, FirstSeen: at, LastSeen: at, BlockFor: time.Hour, Escalate: c.own}, nil, clock.now())
		if n := len(l.batch.Blocks); n != c.want || verdicts(t, o.Stats, "too-old") != float64(1-c.want) {
			t.Errorf("%+v: %d blocks", c, n)
		}
	}
}

// A live attack is blocked for the rule's time from now on, whatever its firewall's clock says; of a backlog what would be over by now blocks nobody.
func TestALiveAttackIsBlockedFromNowOn(t *testing.T) {
	for _, behind := range []time.Duration{time.Minute, 6 * time.Minute} {
		dir, st := t.TempDir(), newTestStore(t)
		o := testOptions(t, st, filepath.Join(dir, "*.log"))
		o.Settings.PortScan.BlockFor = 5 * time.Minute
		started := time.Now()
		o.Now = func() time.Time { return noon.Add(time.Since(started)) }
		path := filepath.Join(dir, "fw1.log")
		write(t, path, scan("203.0.113.7", noon.Add(-behind), 11))
		start(t, o)
		until(t, "the backlog is read", func() bool { return len(records(t, st)) == 11 && o.Stats.ends.last.Load() != 0 })
		write(t, path, scan("203.0.113.8", noon.Add(-behind), 11))
		until(t, "the live attack is blocked", func() bool { return strings.Contains(entries(t, st), "203.0.113.8") })
		if ends := only(t, st, "203.0.113.8").ExpiresAt; ends.Before(noon.Add(5*time.Minute)) || ends.After(o.Now().Add(5*time.Minute)) {
			t.Errorf("%s behind, it is blocked until %s", behind, ends)
		}
		if now, want := entries(t, st), map[bool]int{true: 2, false: 1}[behind < 5*time.Minute]; strings.Count(now, "port-scan") != want {
			t.Errorf("%s behind, blocked are %s", behind, now)
		}
	}
}

// A line that is dated in the future counts, and its source was seen now: it is not blocked until that time has come. Where nobody has said that this
// host's clock is right, what the line says is kept, for when it comes there.
func TestALineOfTheFutureIsSeenNow(t *testing.T) {
	for _, agreed := range []bool{true, false} {
		dir, st := t.TempDir(), newTestStore(t)
		o := testOptions(t, st, filepath.Join(dir, "*.log"))
		o.ReleaseAfter, o.Settings.PortScan.BlockFor = 30*24*time.Hour, time.Hour
		started := time.Now()
		begun := noon.Add(3 * 365 * 24 * time.Hour)
		o.Now, o.Agreed = func() time.Time { return noon.Add(time.Since(started)) }, func() bool { return agreed }
		if !agreed {
			o.Later = func(bool) time.Duration { return begun.Add(2 * time.Hour).Sub(noon) }
		}
		now := func(at time.Time) bool { return !at.Before(noon) && at.Before(noon.Add(time.Hour)) }
		write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", begun, 11))
		start(t, o)
		until(t, "it is blocked", func() bool { return entries(t, st) != "" })
		if e := only(t, st, "203.0.113.7"); !now(e.FirstSeen) || !now(e.LastSeen) || !now(e.ExpiresAt.Add(-time.Hour)) {
			t.Errorf("the entry is %+v", e)
		}
		write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", begun.Add(time.Hour), 2))
		until(t, "activity is stored", func() bool { return only(t, st, "203.0.113.7").Hits == 13 })
		if e := only(t, st, "203.0.113.7"); !now(e.LastSeen) {
			t.Errorf("after activity it is %+v", e)
		}
		n, err := st.Redate(t.Context(), begun.Add(2*time.Hour))
		if e := only(t, st, "203.0.113.7"); err != nil || agreed != now(e.LastSeen) || !agreed && !e.LastSeen.Equal(begun.Add(time.Hour+time.Second)) {
			t.Errorf("agreed: %v; %d entries were dated anew, %v: %+v", agreed, n, err, e)
		} else if want := begun.Add(time.Hour); !agreed && (e.ExpiresAt.Before(want) || e.ExpiresAt.After(want.Add(time.Minute))) {
			t.Errorf("it is blocked until %s", e.ExpiresAt)
		}
	}
}

// What is read of a host whose clock is behind, and whose own log has the same time, was seen as much later; what is dated further ahead than firewalls say was not.
func TestWhatWasWrittenByAClockThatIsBehind(t *testing.T) {
	const behind = 35 * 24 * time.Hour
	var asked []bool
	m := &moment{now: noon, later: func(anew bool) time.Duration { asked = append(asked, anew); return behind }}
	for _, c := range []struct{ says, want time.Duration }{
		{-2 * time.Hour, 0}, {-time.Minute, behind - time.Minute}, {time.Minute, behind + time.Minute}, {2 * time.Hour, 2 * time.Hour}, {behind, behind}, {90 * behind, behind},
	} {
		if at := m.other(noon.Add(c.says)); c.want == 0 != at.IsZero() || c.want != 0 && at.Sub(noon) != c.want {
			t.Errorf("%s ahead: %s", c.says, at.Sub(noon))
		}
	}
	if at := (&moment{now: noon, later: func(bool) time.Duration { return 0 }}).other(noon.Add(behind)); fmt.Sprint(asked) != "[false true]" || !at.IsZero() {
		t.Errorf("asked %v; without a doubt it is %s", asked, at)
	}
}

// The first lines of a firewall say that this host's clock is behind, though the host's own log agreed with it: whom they block is blocked from when they say, once that is known.
func TestTheFirstLinesThatSayAnotherTime(t *testing.T) {
	const behind = 35 * 24 * time.Hour
	dir, st := t.TempDir(), newTestStore(t)
	o := testOptions(t, st, filepath.Join(dir, "fw*.log"))
	o.Inputs[0].Firewall = true
	o.Inputs = append(o.Inputs, testInput(filepath.Join(dir, "own.log")))
	o.ReleaseAfter, o.Settings.PortScan.BlockFor = 30*24*time.Hour, time.Hour
	started := time.Now()
	o.Now = func() time.Time { return noon.Add(time.Since(started)) }
	c := clock.New(func() (time.Time, time.Duration) { return o.Now().Round(0), time.Since(started) })
	o.Later = func(anew bool) time.Duration { return o.Stats.Later(c, anew) }
	write(t, filepath.Join(dir, "own.log"), scan("203.0.113.9", noon, 1))
	start(t, o)
	until(t, "the host's own log is read", func() bool { return len(records(t, st)) == 1 })
	if o.Later(true) != 0 || !c.Agreed() {
		t.Error("the host's own log does not agree with its clock")
	}
	write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", noon.Add(behind), 11))
	until(t, "it is blocked", func() bool { return strings.Contains(entries(t, st), "203.0.113.7") })
	if _, err := st.Redate(t.Context(), noon.Add(behind+time.Hour)); err != nil {
		t.Fatal(err)
	}
	if e := only(t, st, "203.0.113.7"); e.LastSeen.Sub(noon) < behind || e.ExpiresAt.Sub(noon) < behind+time.Hour {
		t.Errorf("the entry is %+v", e)
	}
}

// After a stop this host's clock is not believed yet. A live attack is blocked from when its lines say: now, or where that clock is wrong, the time that can be believed; and where
// they say an earlier time than both, by this host's clock once that is believed.
func TestALiveAttackWhileTheClockIsNotBelieved(t *testing.T) {
	const ahead, length = 72 * time.Hour, 5 * time.Minute
	for name, c := range map[string]struct{ says, first, then time.Duration }{
		"the clock is right":                       {0, 0, 0},
		"it is wrong":                              {-ahead, -ahead, 0},
		"the firewall's is behind by half a day":   {-12 * time.Hour, -12 * time.Hour, 0},
		"the firewall's is behind by half a month": {-360 * time.Hour, -ahead, 0},
	} {
		dir, st := t.TempDir(), newTestStore(t)
		o := testOptions(t, st, filepath.Join(dir, "*.log"))
		o.Settings.PortScan.BlockFor = length
		started := time.Now()
		o.Now, o.Ahead = func() time.Time { return noon.Add(time.Since(started)) }, func() time.Duration { return ahead }
		path := filepath.Join(dir, "fw1.log")
		write(t, path, scan("203.0.113.9", noon.Add(c.says), 1))
		start(t, o)
		until(t, "what is there is read", func() bool { return len(records(t, st)) == 1 && o.Stats.ends.last.Load() != 0 })
		write(t, path, scan("203.0.113.8", noon.Add(c.says), 11))
		until(t, "the live attack is blocked", func() bool { return strings.Contains(entries(t, st), "203.0.113.8") })
		ends := func(when string, from time.Duration) {
			if off := only(t, st, "203.0.113.8").ExpiresAt.Sub(noon.Add(from + length)); off < -time.Second || off > time.Minute {
				t.Errorf("%s: %s it is blocked for %s more or less", name, when, off)
			}
		}
		ends("at first", c.first)
		if _, err := st.Redate(t.Context(), noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		ends("when the clock is believed", c.then)
	}
}

// The first burst in a file that appears is blocked like any, whatever its clock says; of what was written elsewhere, over more time than the file has been there, only what
// is not over.
func TestTheFirstBurstOfANewFile(t *testing.T) {
	const behind = 2 * time.Hour
	dir, st := t.TempDir(), newTestStore(t)
	o := testOptions(t, st, filepath.Join(dir, "*.log"))
	o.Settings.PortScan.BlockFor = 5 * time.Minute
	started := time.Now()
	o.Now = func() time.Time { return noon.Add(time.Since(started)) }
	write(t, filepath.Join(dir, "fw0.log"), scan("203.0.113.1", noon.Add(-behind), 11)) // it was there
	start(t, o)
	until(t, "what is there is read", func() bool { return o.Stats.ends.last.Load() != 0 && len(records(t, st)) == 11 })
	for i := range 5 {
		write(t, filepath.Join(dir, fmt.Sprintf("new%d.log", i)), scan(fmt.Sprintf("203.0.113.%d", 10+i), noon.Add(-behind), 11))
	}
	write(t, filepath.Join(dir, "copy.log"), scan("203.0.113.2", noon.Add(-2*behind), 1)+scan("203.0.113.3", noon.Add(-behind), 11))
	write(t, filepath.Join(dir, "ahead.log"), scan("203.0.113.4", noon.Add(behind), 1)+scan("203.0.113.3", noon.Add(-behind), 11))
	week := filepath.Join(dir, "week.log")
	write(t, week, "")
	until(t, "it is seen while it is empty", func() bool {
		positions, err := st.Positions(t.Context())
		return err == nil && slices.ContainsFunc(positions, func(p store.Position) bool { return p.Path == week })
	})
	write(t, week, scan("203.0.113.3", noon.Add(-7*24*time.Hour), 11))
	until(t, "all is read", func() bool { return len(records(t, st)) == 11+55+12+12+11 })
	write(t, week, scan("203.0.113.3", noon.Add(-6*24*time.Hour), 11)) // and goes on being copied
	until(t, "all of it is read", func() bool { return len(records(t, st)) == 11+55+12+12+11+11 })
	list := entries(t, st)
	for i := range 5 {
		if !strings.Contains(list, fmt.Sprintf("203.0.113.%d ", 10+i)) {
			t.Errorf("the burst in the new file %d blocks nobody", i)
		}
	}
	if strings.Contains(list, "203.0.113.1 ") || strings.Contains(list, "203.0.113.3 ") {
		t.Errorf("blocked are %s", list)
	}
}

// Eight ports while this host's clock is weeks behind, and three when another run finds it right, are eleven.
func TestARestartKnowsWhatWasReadWhileTheClockWasBehind(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	o := testOptions(t, st, filepath.Join(dir, "*.log"))
	clock := func(at time.Time) func() time.Time {
		started := time.Now()
		return func() time.Time { return at.Add(time.Since(started)) }
	}
	o.Now, o.Agreed = clock(noon.Add(-35*24*time.Hour)), func() bool { return false }
	write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", noon, 8))
	behind := start(t, o)
	until(t, "eight are recorded", func() bool { return len(records(t, st)) == 8 })
	behind.end()
	o.Now = clock(noon.Add(time.Minute))
	start(t, o)
	write(t, filepath.Join(dir, "fw1.log"), scan("203.0.113.7", noon, 11)[len(scan("203.0.113.7", noon, 8)):])
	until(t, "it is blocked", func() bool { return entries(t, st) != "" })
	if e := only(t, st, "203.0.113.7"); e.Count != 11 {
		t.Errorf("the entry is %+v", e)
	}
}

// Of more files than are followed at once every line is recorded, those beyond in their turn, and status says that there are.
func TestFilesBeyondTheBoundAreReadInTheirTurnAndTold(t *testing.T) {
	const files = 6
	dir := t.TempDir()
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprintf("fw%d.log", i)), record{at: noon, src: "203.0.113.7", dst: "198.51.100.1", port: i}.String()+"\n")
	}
	o := testOptions(t, newTestStore(t), filepath.Join(dir, "*.log"))
	o.Inputs[0].MaxFiles = files / 2
	l := openTestLive(t, o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	told := false
	until(t, "all are read and it was told", func() bool {
		s := o.Stats.Status(time.Now())
		told = told || len(s.Crowds) == 1 && s.Crowds[0].Waiting == files-files/2
		return told && s.Stored == files
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

func TestRefsKeepFileAndOffset(t *testing.T) {
	for _, c := range [][2]int64{{0, 0}, {1, 0}, {1, 1}, {16_777_215, 1<<40 - 1}, {42, 123_456_789_012}} {
		if file, offset := splitRef(makeRef(c[0], c[1])); file != c[0] || offset != c[1] {
			t.Errorf("file %d offset %d came back as %d, %d", c[0], c[1], file, offset)
		}
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	last := time.Duration(0)
	for try := range 100 {
		d := backoff(try)
		if d < last || d < minBackoff || d > maxBackoff {
			t.Fatalf("try %d waits %s after %s", try, d, last)
		}
		last = d
	}
	if last != maxBackoff {
		t.Errorf("it ends at %s", last)
	}
}

func TestClockWarningNamesTheZoneThatFits(t *testing.T) {
	utc := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	kolkata := time.FixedZone("", 5*3600+1800)
	for _, c := range []struct {
		off  time.Duration
		at   time.Time
		want string
	}{
		{10 * time.Hour, utc, "10h0m0s ahead of this host's clock; a timezone with UTC+10:00 would fit"},
		{-5*time.Hour - 20*time.Second, utc, "5h0m20s behind this host's clock; a timezone with UTC-05:00 would fit"},
		{-3*time.Hour - 30*time.Minute, utc.In(kolkata), "a timezone with UTC+02:00 would fit"},
		{22 * time.Minute, utc, "22m0s ahead of this host's clock; check the firewall's clock"},
		{72 * time.Hour, utc, "check the firewall's clock"},
	} {
		if got := clockText(c.off, c.at); !strings.Contains(got, c.want) {
			t.Errorf("%s off in %s: %q does not say %q", c.off, c.at.Location(), got, c.want)
		}
	}
}

func TestClockWarnerIgnoresBacklogAndSingleLines(t *testing.T) {
	var log bytes.Buffer
	clock, end := newTestClock(), &ends{}
	now := clock.now()
	end.reached(now)
	w := newClockWarner(zerolog.New(&log), clock.now, end)
	s := &source{path: "fw.log", location: time.UTC, stats: &inputStats{}}
	off := &detect.Event{Time: now.Add(2 * time.Hour)}
	for range 100 {
		w.look(s, off, now)
	}
	s.stats.live = true
	for range clockStreak - 1 {
		w.look(s, off, now)
	}
	w.look(s, &detect.Event{Time: now}, now)
	for range clockStreak - 1 {
		w.look(s, off, now)
	}
	if log.Len() > 0 {
		t.Fatalf("warned too early: %s", log.String())
	}
	for range 100 {
		w.look(s, off, now)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "fw.log") {
		t.Errorf("warned %d times: %s", n, log.String())
	}
	if _, clock := s.stats.snapshot(); clock == "" {
		t.Error("status does not show it")
	}
	w.look(s, &detect.Event{Time: now}, now)
	if _, clock := s.stats.snapshot(); clock != "" {
		t.Error("status shows it after the clock was mended")
	}
}

// Lines that had to wait for us, while the store was away or this host asleep, are old without any clock being wrong.
func TestClockWarnerIgnoresWhatIsReadLate(t *testing.T) {
	var log bytes.Buffer
	clock, end := newTestClock(), &ends{}
	w := newClockWarner(zerolog.New(&log), clock.now, end)
	s := &source{path: "fw.log", location: time.UTC, stats: &inputStats{live: true}}
	before := clock.now()
	end.reached(before)
	clock.add(2 * time.Hour)
	for line := before; line.Before(clock.now()); line = line.Add(time.Minute) {
		w.look(s, &detect.Event{Time: line}, before) // the pipeline's own time is that of before the wait
		w.look(s, &detect.Event{Time: line}, clock.now())
	}
	if log.Len() > 0 {
		t.Errorf("warned of lines that were read late: %s", log.String())
	}
	end.reached(clock.now())
	for range clockStreak {
		w.look(s, &detect.Event{Time: before}, clock.now())
	}
	if !strings.Contains(log.String(), "UTC-02:00 would fit") {
		t.Errorf("no warning of what is wrong when all is read: %s", log.String())
	}
}

func TestHealthSaysItOnceAndCounts(t *testing.T) {
	var buffer bytes.Buffer
	log := zerolog.New(&buffer)
	h := &health{}
	now := time.Now()
	for range 5 {
		h.failed(log, userWriter, errors.New("refused"), now)
	}
	h.failed(log, userFeed, errors.New("refused"), now)
	if n := strings.Count(buffer.String(), "\n"); n != 1 {
		t.Errorf("logged %d times: %s", n, buffer.String())
	}
	if s := h.status(); s.OK || s.Failures != 6 || s.Error != "refused" || !s.Since.Equal(now) {
		t.Errorf("status %+v", s)
	}
	h.recovered(log, userWriter, now.Add(time.Minute))
	if strings.Contains(buffer.String(), "store is back") || h.status().OK {
		t.Error("it is said to be back while the feed cannot use it")
	}
	h.recovered(log, userFeed, now.Add(time.Minute))
	h.recovered(log, userFeed, now.Add(time.Minute))
	if n := strings.Count(buffer.String(), "store is back"); n != 1 || !h.status().OK {
		t.Errorf("its return was logged %d times", n)
	}
}

func TestQuietSourcesAreReleasedOnlyWhenEverythingWasRead(t *testing.T) {
	var e ends
	now := time.Now()
	if e.settled(now) {
		t.Error("settled before any end was reached")
	}
	e.reached(now)
	if e.settled(now.Add(settledAfter - time.Second)) {
		t.Error("settled at once: what was read last may not be stored yet")
	}
	e.reached(now.Add(settledAfter))
	if !e.settled(now.Add(settledAfter)) {
		t.Error("never settled")
	}
	if late := now.Add(settledAfter + 2*endsMissed); e.settled(late) {
		t.Error("settled although no end was reached for long: the store may be away")
	} else if e.reached(late); e.settled(late) {
		t.Error("settled at once after a long time away")
	}
}

func TestAFarFutureTimeDoesNotMoveTheRestart(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for last, want := range map[time.Time]time.Time{
		now.Add(-time.Hour):     now.Add(-time.Hour),
		now.Add(23 * time.Hour): now.Add(23 * time.Hour),
		now.AddDate(10, 0, 0):   now,
		now.Add(25 * time.Hour): now,
		time.Time{}:             {},
	} {
		if got := storePosition(tailPositions([]store.Position{{ID: 1}})[0], last, now).LastTime; !got.Equal(want) {
			t.Errorf("a last line of %s is kept as %s", last, got)
		}
	}
}

func TestLineReaderGivesWhatSplitGives(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var data []byte
		for range random.IntN(20) {
			line := bytes.Repeat([]byte{byte('a' + random.IntN(26))}, random.IntN(200_000)>>random.IntN(17))
			data = append(append(data, line...), "\r\n"[random.IntN(2):]...)
		}
		if random.IntN(2) == 0 {
			data = append(data, "no newline"...)
		}
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		r, total := newLineReader(bytes.NewReader(data)), int64(0)
		for i, w := range want {
			w = bytes.TrimSuffix(w, []byte("\r"))
			line, size, cut, err := r.next()
			if err != nil || cut != (len(w) > maxLine) || !bytes.Equal(line, w[:min(len(w), maxLine)]) {
				t.Fatalf("line %d of %d: %d bytes (cut %t, error %v) instead of %d", i, len(want), len(line), cut, err, len(w))
			}
			total += size
		}
		if _, _, _, err := r.next(); err != io.EOF || total != int64(len(data)) {
			t.Fatalf("end: %v after %d of %d bytes", err, total, len(data))
		}
	}
}

func TestReplayReadsGzipAndSparesTheProtected(t *testing.T) {
	dir := t.TempDir()
	var plain bytes.Buffer
	begin := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, src := range []string{"203.0.113.7", "203.0.113.8", "192.168.1.1"} {
		for k := range 11 {
			fmt.Fprintf(&plain, "SrcLocation=; SrcIP=%s; SrcPort=1; SrcUser=; DstLocation=; DstIP=198.51.100.1; DstPort=%d; Action=deny; RuleName=r; RuleID=; "+
				"TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;\n", src, 100+k, begin.Add(time.Duration(k)*time.Second).Format("2006/01/02 15:04:05"))
		}
	}
	plain.WriteString("nonsense\n")
	path := filepath.Join(dir, "FW.log.1.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(plain.Bytes())
	z.Close()
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(config.Options{Environ: []string{"ACTIVEDEFENSE_NEVER_BLOCK=203.0.113.8"}})
	if err != nil {
		t.Fatal(err)
	}
	var blocked, refused []netip.Prefix
	sum, err := Replay(context.Background(), cfg, ReplayOptions{Files: []string{path},
		Verdict: func(v *detect.Verdict) { blocked = append(blocked, v.Source) },
		Refused: func(v *detect.Verdict, _ error) { refused = append(refused, v.Source) }})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(blocked) != "[203.0.113.7/32]" || fmt.Sprint(refused) != "[203.0.113.8/32]" {
		t.Errorf("blocked %v, refused %v", blocked, refused)
	}
	if sum.Lines != 34 || sum.Records != 33 || sum.Bad != 1 || !strings.Contains(sum.FirstBad, "line 34") || sum.Bytes != int64(plain.Len()) {
		t.Errorf("summary %+v", sum)
	}
	if _, err := Replay(context.Background(), cfg, ReplayOptions{Files: []string{filepath.Join(dir, "nowhere")}}); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestOneStateFolderOneAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	lock, name, err := openState(t.Context(), dir, zerolog.Nop())
	if err != nil || name == "" {
		t.Fatal(name, err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := openState(impatient, dir, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent: %v", err)
	}
	// A start waits for the one before to be gone, and says so.
	said := make(chan string, 1)
	log := zerolog.New(writerFunc(func(line []byte) { said <- string(line); lock.Close() }))
	next, again, err := openState(t.Context(), dir, log)
	if err != nil || again != name {
		t.Fatalf("the same agent is called %q and then %q: %v", name, again, err)
	}
	next.Close()
	if line := <-said; !strings.Contains(line, "another agent is running") || !strings.Contains(line, dir) {
		t.Errorf("it says %s", line)
	}
}

// A writerFunc is called with each line of a log.
type writerFunc func([]byte)

func (f writerFunc) Write(line []byte) (int, error) { f(line); return len(line), nil }

func TestAnAgentThatCannotStartSaysWhyAndGivesEverythingBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	load := func(admin string) *config.Config {
		cfg, _, err := config.Load(config.Options{Environ: []string{
			"ACTIVEDEFENSE_STATE_DIR=" + dir, "ACTIVEDEFENSE_ADMIN__LISTEN=" + admin, "ACTIVEDEFENSE_EDL__LISTEN=127.0.0.1:0"}})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if _, err := New(context.Background(), load(taken.Addr().String()), Options{}); err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("a port in use: %v", err)
	}
	cfg := load("127.0.0.1:0")
	cfg.EDL.Listen = taken.Addr().String()
	if _, err := New(context.Background(), cfg, Options{}); err == nil || !strings.Contains(err.Error(), "edl.listen") {
		t.Errorf("a port of the list in use: %v", err)
	}
	a, err := New(context.Background(), load("127.0.0.1:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
}

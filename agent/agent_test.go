package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/state"
	"activedefense/config"
	"activedefense/store"
)

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
	if s := h.status(now); s.OK || s.Failures != 6 || s.Error != "refused" || !s.Since.Equal(now) {
		t.Errorf("status %+v", s)
	}
	h.recovered(log, userWriter, now.Add(time.Minute))
	if strings.Contains(buffer.String(), "store is available again") || h.status(now).OK {
		t.Error("it is said to be back while the feed cannot use it")
	}
	h.recovered(log, userFeed, now.Add(time.Minute))
	h.recovered(log, userFeed, now.Add(time.Minute))
	if n := strings.Count(buffer.String(), "store is available again"); n != 1 || !h.status(now).OK {
		t.Errorf("its return was logged %d times", n)
	}
}

// A database that fails over is away before it is there again without its last commits: the log says that, too, and what to do.
func TestADatabaseThatWasAwayAndLostSomethingIsSaidToHave(t *testing.T) {
	for _, lost := range []error{store.ErrLost, store.ErrReplaced, state.ErrBehind, state.ErrUnknown} {
		var buffer bytes.Buffer
		log, h, now := zerolog.New(&buffer), &health{}, time.Now()
		h.failed(log, userWriter, errors.New("connection refused"), now)
		if _, is := h.trouble(); is {
			t.Error("a database that is away may come back by itself")
		}
		for range 2 {
			h.failed(log, userFeed, fmt.Errorf("commit: %w", lost), now.Add(time.Second))
			h.failed(log, userWriter, errors.New("connection refused"), now.Add(time.Second))
		}
		if n := strings.Count(buffer.String(), "activedefense store accept"); n != 1 || !strings.Contains(buffer.String(), lost.Error()) {
			t.Errorf("%v: logged %d times: %s", lost, n, buffer.String())
		}
		if s := h.status(now); s.OK || !strings.Contains(s.Error, lost.Error()) || !strings.Contains(s.Error, "activedefense store accept") {
			t.Errorf("%v: %+v", lost, s)
		}
		trouble, is := h.trouble()
		if !is || !strings.Contains(trouble.What, lost.Error()) || !strings.Contains(trouble.Remedy, "activedefense store accept") || !trouble.Since.Equal(now) {
			t.Errorf("%v: %+v", lost, trouble)
		}
		h.recovered(log, userFeed, now.Add(time.Minute))
		if _, is := h.trouble(); is {
			t.Error("still a trouble")
		}
	}
}

// A database that is refused at a start is left as it is: not made, not upgraded, and this agent is not entered in it.
func TestARefusedDatabaseIsNotWrittenTo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, state.MarkFile), []byte(`{"version":5,"agent":"0123456789abcdef","batch":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), &config.Config{StateDir: dir}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	for ctx.Err() == nil && a.Status().Store.Refused == "" {
		runtime.Gosched()
	}
	if s := a.Status().Store; !strings.Contains(s.Refused, "was at version 5") || s.Kind != "sqlite" {
		t.Errorf("it is %+v", s)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, DatabaseFile)); err != nil || info.Size() > 4096 { // SQLite's own header
		t.Errorf("it has %v: %v", info, err)
	}
}

func TestOneStateFolderOneAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	lock, name, err := state.Open(t.Context(), dir, zerolog.Nop())
	if err != nil || name == "" {
		t.Fatal(name, err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := state.Open(impatient, dir, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent: %v", err)
	}
	// A start waits for the one before to be gone, and says so.
	said := make(chan string, 1)
	log := zerolog.New(writerFunc(func(line []byte) { said <- string(line); lock.Close() }))
	next, again, err := state.Open(t.Context(), dir, log)
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

// A part that fails ends the agent with its error; one that ends by itself does not.
func TestAPartThatFailsStopsTheAgent(t *testing.T) {
	broken := errors.New("broken")
	ctx, fail := context.WithCancelCause(t.Context())
	a := &Agent{failed: fail}
	stopped := make(chan string, 3)
	a.begin("the one that goes on", func(ctx context.Context) error { <-ctx.Done(); stopped <- "goes on"; return nil })
	a.begin("the one that is done", func(context.Context) error { return nil })
	if ctx.Err() != nil {
		t.Error("a part that is done ends the agent")
	}
	a.begin("the one that fails", func(context.Context) error { return broken })
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, broken) {
		t.Errorf("it ends with %v", err)
	}
	if err := a.Close(); err != nil || len(stopped) != 1 {
		t.Errorf("the stop: %v, %d parts ended", err, len(stopped))
	}
}

// A store that hangs says nothing, and its calls end by limits of their own, long after: that they have not ended is told while they wait.
func TestAStoreThatGivesNoAnswerIsToldWhileItIsWaitedFor(t *testing.T) {
	h, begun := &health{}, time.Now()
	at := func(after time.Duration) HealthStatus { return h.status(begun.Add(after)) }
	h.began(userWriter, begun.Add(time.Second))
	h.began(userFeed, begun)
	if s := at(4 * time.Second); !s.OK || s.Error != "" || s.Since != nil || s.NoAnswer != 0 {
		t.Errorf("while a call may still be answered: %+v", s)
	}
	if s := at(7 * time.Second); !s.OK || s.Error != "no answer for 7s to the question what is blocked" || s.Since == nil || !s.Since.Equal(begun) || s.NoAnswer != 7 {
		t.Errorf("after seven seconds: %+v", s)
	}
	h.recovered(zerolog.Nop(), userFeed, begun.Add(8*time.Second))
	if s := at(12 * time.Second); s.OK || s.Error != "no answer for 11s to the commit of what was read" || s.NoAnswer != 11 {
		t.Errorf("one of two is answered: %+v", s)
	}
	h.failed(zerolog.Nop(), userWriter, errors.New("timed out"), begun.Add(30*time.Second))
	if s := at(31 * time.Second); s.OK || s.Error != "timed out" || !s.Since.Equal(begun.Add(time.Second)) || s.NoAnswer != 0 {
		t.Errorf("when it has timed out: %+v", s)
	}
	h.recovered(zerolog.Nop(), userWriter, begun.Add(40*time.Second))
	if s := at(60 * time.Second); !s.OK || s.Error != "" {
		t.Errorf("when it is back: %+v", s)
	}
}

// What status, /readyz and the troubles say of a store that hangs.
func TestAStoreThatHangsIsATroubleAndNotReady(t *testing.T) {
	a, err := New(t.Context(), &config.Config{StateDir: t.TempDir()}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.reading.Store(true)
	begun := time.Now()
	a.health.began(userFeed, begun)
	for _, after := range []time.Duration{0, 7 * time.Second, 12 * time.Second} {
		a.now = func() time.Time { return begun.Add(after) }
		s := a.Status()
		if told := len(s.Troubles) == 1 && strings.HasPrefix(s.Troubles[0].What, "store: it gives no answer for ") && s.Troubles[0].Since.Equal(begun); told != (after > 0) {
			t.Errorf("after %s: troubles %+v", after, s.Troubles)
		}
		if s.Ready != (after < 10*time.Second) || s.Store.OK != s.Ready {
			t.Errorf("after %s: ready %v, %q, store %+v", after, s.Ready, s.NotReady, s.Store)
		}
	}
}

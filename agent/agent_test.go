package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/health"
	"activedefense/agent/state"
	"activedefense/config"
)

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

// What status, /readyz and the troubles say of a store that hangs.
func TestAStoreThatHangsIsATroubleAndNotReady(t *testing.T) {
	a, err := New(t.Context(), &config.Config{StateDir: t.TempDir()}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.reading.Store(true)
	begun := time.Now()
	a.health.Began(health.Feed, begun)
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

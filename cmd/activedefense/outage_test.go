package main

import (
	"database/sql"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"activedefense/agent"
)

// A line between the agent and the database that can be cut, and that carries nothing while its gate is locked: to the agent this is a server
// that hangs, whose host still takes connections and what is sent.
type cable struct {
	address, target string
	gate            sync.RWMutex

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newCable(t testing.TB, target string) *cable {
	c := &cable{address: freePort(t), target: target}
	c.connect(t)
	t.Cleanup(c.cut)
	return c
}

func (c *cable) connect(t testing.TB) {
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.listener = l
	c.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
}

func (c *cable) carry(conn net.Conn) {
	far, err := net.Dial("tcp", c.target)
	if err != nil {
		conn.Close()
		return
	}
	c.mu.Lock()
	c.open = append(c.open, conn, far)
	c.mu.Unlock()
	go func() {
		io.Copy(gated{far, &c.gate}, conn)
		far.Close()
	}()
	io.Copy(gated{conn, &c.gate}, far)
	conn.Close()
}

// gated passes on what is written when the gate is open.
type gated struct {
	to   io.Writer
	gate *sync.RWMutex
}

func (g gated) Write(p []byte) (int, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.to.Write(p)
}

// cut ends every connection and refuses new ones.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener.Close()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

func TestPostgreSQLAwayStopsReadingAndLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "postgresql", "")
	line := w.wire()
	samples := generate(scaled(30_000), time.Now().UTC(), rand.New(rand.NewPCG(21, 22)))
	third := len(samples) / 3
	w.append(text(samples[:third]))
	d := w.start()
	w.expect(samples[:third])
	line.cut()
	w.append(text(samples[third : 2*third]))
	w.until("/readyz says why", func() bool {
		code, body := w.get("/readyz")
		return code == 503 && strings.Contains(body, "reading has stopped")
	})
	want := judge(samples[:third])
	if code, list := w.list(); code != 200 || len(list) != len(want) {
		t.Errorf("while the database is away the list answers %d with %d entries instead of %d", code, len(list), len(want))
	}
	w.until("it was tried several times", func() bool { s := w.status(); return s != nil && s.Store.Failures >= 3 })
	if n := strings.Count(d.log(), "the store is unavailable"); n != 1 {
		t.Errorf("the trouble was logged %d times", n)
	}
	line.connect(t)
	w.append(text(samples[2*third:]))
	w.expect(samples)
	w.expectRecords(samples)
}

// Whatever the database does, a stop and a reload take at most ten seconds, and firewalls get the list until the last moment. PostgreSQL
// hangs, and SQLite is locked by somebody who does not end.
func TestADatabaseThatHangsHoldsUpNoStopAndNoReload(t *testing.T) {
	t.Parallel() // it waits for time to pass
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, database, "")
			samples := generate(4000, time.Now().UTC(), rand.New(rand.NewPCG(23, 24)))
			half := len(samples) / 2
			w.append(text(samples[:half]))
			hang, release := w.hanging(database)
			d := w.start()
			w.expect(samples[:half])
			_, want := w.list()

			hang()
			defer release()
			w.append(text(samples[half:]))
			served := w.fetching(len(want))
			before, begun := w.status().Configuration.LoadedAt, time.Now()
			d.hangup()
			w.until("the new configuration is in use", func() bool { s := w.status(); return s != nil && s.Configuration.LoadedAt.After(before) })
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the reload took %s", took)
			}
			w.until("the list is served again", func() bool { code, list := w.list(); return code == 200 && len(list) == len(want) })
			code, took := d.stop()
			ended := time.Now()
			if code != 0 || took > 10*time.Second {
				t.Errorf("SIGTERM: exit status %d after %s", code, took)
			}
			last, gap := served()
			if missing := ended.Sub(last); missing > 5*time.Second || gap > 10*time.Second {
				t.Errorf("the list was last served %s before the end, and not for %s at the reload", missing, gap)
			}
			t.Logf("stop %s, list served until %s before the end, not for %s at the reload", took, ended.Sub(last), gap)
		})
	}
}

// hanging gives what makes the database hang, and what ends that.
func (w *world) hanging(database string) (hang, release func()) {
	w.t.Helper()
	if database == "postgresql" {
		line := w.wire()
		return line.gate.Lock, line.gate.Unlock
	}
	var db *sql.DB
	return func() {
		var err error
		if db, err = sql.Open("sqlite", "file:"+filepath.Join(w.dir, "state", agent.DatabaseFile)+"?_txlock=immediate&_pragma=busy_timeout(10000)"); err != nil {
			w.t.Fatal(err)
		}
		if _, err := db.Begin(); err != nil {
			w.t.Fatal(err)
		}
	}, func() { db.Close() }
}

// wire puts a cable between the agent and its PostgreSQL.
func (w *world) wire() *cable {
	w.t.Helper()
	url := w.storeURL()
	host, _, _ := strings.Cut(url[strings.Index(url, "@")+1:], "/")
	line := newCable(w.t, host)
	data, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(w.config, []byte(strings.Replace(string(data), host, line.address, 1)))
	return line
}

// fetching fetches the list without end, and gives when it was last served whole, and for how long it was not before that.
func (w *world) fetching(entries int) (served func() (last time.Time, gap time.Duration)) {
	stop, done := make(chan struct{}), make(chan struct{})
	last, gap := time.Now(), time.Duration(0)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if code, list := w.list(); code == 200 && len(list) == entries {
				gap = max(gap, time.Since(last))
				last = time.Now()
			}
		}
	}()
	return func() (time.Time, time.Duration) {
		close(stop)
		<-done
		return last, gap
	}
}

// A database that opens and whose blacklist cannot be read: locked by a maintenance job, or half restored.
func TestABlacklistThatCannotBeReadAtStartLeavesTheSavedListServed(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	samples := generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(61, 62)))
	w.append(text(samples))
	d := w.start()
	w.expect(samples)
	d.stop()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "state", agent.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	alter := func(statement string) {
		t.Helper()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	alter("ALTER TABLE counters RENAME TO elsewhere")
	d = w.start()
	w.until("the saved list is served", func() bool {
		code, list := w.list()
		slices.Sort(list)
		return code == 200 && slices.Equal(list, judge(samples))
	})
	if code, body := w.get("/readyz"); code != 503 {
		t.Errorf("/readyz answers %d %s", code, body)
	}
	alter("ALTER TABLE elsewhere RENAME TO counters")
	w.until("it is ready when the blacklist can be read", func() bool { s := w.status(); return s != nil && s.Ready })
	w.expect(samples)
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestSIGTERMUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			random := rand.New(rand.NewPCG(31, 32))
			w := newWorld(t, database, "")
			samples := generate(scaled(120_000), time.Now().UTC(), random)
			data := text(samples)
			d := w.start()
			var stopped bool
			w.addInPieces(data, random, func(piece int) {
				if piece != 60 || stopped {
					return
				}
				stopped = true
				w.until("it is at work", func() bool { s := w.status(); return s != nil && s.Store.LastCommit != nil })
				if code, took := d.stop(); code != 0 || took > 10*time.Second {
					t.Errorf("SIGTERM: exit status %d after %s", code, took)
				}
				d = w.start()
			})
			if !stopped {
				t.Fatal("the load ended before the stop")
			}
			w.expect(samples)
			w.expectRecords(samples)
		})
	}
}

// A full disk is a small file system where the test may mount one, and a limit of the size of files
// where it may not. Both are widened while the daemon runs.
func TestAFullDiskStopsReadingAndHeals(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	state := filepath.Join(w.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	mounted := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=3m,mode=0700") == nil
	if mounted {
		t.Cleanup(func() { syscall.Unmount(state, syscall.MNT_DETACH) })
	}
	samples := generate(scaled(40_000), time.Now().UTC(), rand.New(rand.NewPCG(41, 42)))
	w.append(text(samples[:1000]))
	d := w.start()
	w.until("it blocks", func() bool { _, list := w.list(); return len(list) > 0 })
	if mounted { // something else takes what is left, as far as it goes
		_ = os.WriteFile(filepath.Join(state, "else"), make([]byte, 3<<20), 0o600)
	} else {
		info, err := os.Stat(filepath.Join(state, agent.DatabaseFile+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		limit := unix.Rlimit{Cur: uint64(info.Size()), Max: unix.RLIM_INFINITY}
		if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.append(text(samples[1000:]))
	w.until("/readyz says why", func() bool {
		code, body := w.get("/readyz")
		return code == 503 && strings.Contains(body, "reading has stopped")
	})
	if mounted { // what it logs comes by another way than its answers
		w.until("a full disk is shouted in the log", func() bool { return strings.Contains(d.log(), "THE DISK IS FULL") })
	}
	if code, list := w.list(); code != 200 || len(list) == 0 {
		t.Errorf("with a full disk the list answers %d with %d entries", code, len(list))
	}
	if mounted {
		if err := syscall.Mount("tmpfs", state, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
			t.Fatal(err)
		}
	} else {
		limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(samples)
	w.expectRecords(samples)
}

func TestAFirewallThatIsDownIsBroughtLevel(t *testing.T) {
	t.Parallel() // it waits for time to pass
	w := newWorld(t, "sqlite", "")
	w.sim.Down()
	samples := generate(5000, time.Now().UTC(), rand.New(rand.NewPCG(51, 52)))
	want := judge(samples)
	w.append(text(samples))
	w.start()
	w.until("the list has them", func() bool { _, l := w.list(); slices.Sort(l); return slices.Equal(l, want) })
	w.until("the firewall is said to be down", func() bool {
		s := w.status()
		return !s.Firewalls[0].Up && s.Firewalls[0].ErrorKind == "unreachable" && s.Ready
	})
	if err := w.sim.Up(); err != nil {
		t.Fatal(err)
	}
	w.until("it is brought level", func() bool { return slices.Equal(w.tagged(), want) })
}

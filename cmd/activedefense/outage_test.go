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

// A line between the agent and the database that can be cut.
type cable struct {
	address, target string

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
		io.Copy(far, conn)
		far.Close()
	}()
	io.Copy(conn, far)
	conn.Close()
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
	w := newWorld(t, "postgresql", "")
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "postgres://")
	host, _, _ := strings.Cut(rest[strings.Index(rest, "@")+1:], "/")
	line := newCable(t, host)
	w.write(w.config, []byte(strings.Replace(string(data), host, line.address, 1)))

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
	if !mounted {
		limit := unix.Rlimit{Cur: 2 << 20, Max: unix.RLIM_INFINITY}
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

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/firewall/panosim"
)

// Everything goes wrong at random, for TEST_CHAOS (10m; a few seconds when it is not set), and what is promised is asked all the time:
// nobody is blocked but attackers, the list loses nobody, and what status says is true. In the end every line is one record, and all
// attackers are blocked. TEST_CHAOS_SEED repeats what a run draws, though not its timing. It says all that it does when it fails.
func TestChaos(t *testing.T) {
	length, seed := 6*time.Second, uint64(time.Now().UnixNano())
	if text := os.Getenv("TEST_CHAOS"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("TEST_CHAOS: %v", err)
		}
	}
	if text := os.Getenv("TEST_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TEST_CHAOS_SEED: %v", err)
		}
	}
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			newChaos(t, database, length, seed).run()
		})
	}
}

// A chaos is a world in which everything goes wrong, and what must be true of it.
type chaos struct {
	*world
	random *rand.Rand
	length time.Duration
	clock  hostClock
	small  bool            // the state folder is a file system of its own, which can be filled
	server *postgresServer // nil: SQLite
	daemon *daemon

	daemons   []*daemon // all there were
	mu        sync.Mutex
	begun     time.Time
	history   []string
	broken    bool
	faults    map[string]*fault // by what they are of: the database, the firewall, the disk, the clock
	steady    time.Time         // since when the daemon runs and nobody has told it to stop or reload; zero: it does not
	ever      map[string]bool   // what has been wrong at some time
	righted   time.Time         // when the clock was right again
	emptied   time.Time         // when the disk had room again
	mended    time.Time         // when the database was again what it was; while it is being brought back, when that began
	stalled   time.Time         // when this process last stood still for a second, on a machine that is too busy to measure times
	attackers map[string]bool   // those that have begun
	listed    map[string]bool   // those that the list had
	lines     int
	added     int // files that appeared in crowds
	log       logs
}

// A fault is something that is wrong for a while.
type fault struct {
	what  string
	begun time.Time
	ends  time.Time
	end   func() error
}

func newChaos(t *testing.T, database string, length time.Duration, seed uint64) *chaos {
	c := &chaos{world: newWorld(t, "sqlite", ""), random: rand.New(rand.NewPCG(seed, uint64(len(database)))), length: length, begun: time.Now(),
		faults: make(map[string]*fault), ever: make(map[string]bool), attackers: make(map[string]bool), listed: make(map[string]bool)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("TEST_CHAOS=%s TEST_CHAOS_SEED=%d\n%s", length, seed, strings.Join(c.history, "\n"))
			logs, err := os.MkdirTemp("", "chaos-logs")
			for i, d := range c.daemons {
				err = errors.Join(err, os.WriteFile(filepath.Join(logs, fmt.Sprintf("%03d-%d", i, d.cmd.Process.Pid)), []byte(d.log()), 0o600))
			}
			t.Log("the daemons' logs are in ", logs, err)
		}
	})
	if database == "postgresql" {
		c.server = newPostgresServer(t)
		data, err := os.ReadFile(c.config)
		c.must(err)
		c.write(c.config, bytes.Replace(data, []byte(`url: ""`), fmt.Appendf(nil, "url: %q", c.server.url), 1))
	}
	c.terse = true
	c.log = logs{chaos: c, random: rand.New(rand.NewPCG(seed, 99))}
	state := filepath.Join(c.dir, "state")
	c.must(os.Mkdir(state, 0o700))
	c.small = mount(t, state, "256m")
	file := filepath.Join(c.dir, "clock")
	var err error
	if c.clock, err = newHostClock(file); err == nil {
		c.environ = []string{hostClockFile + "=" + file}
	} else if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	return c
}

// mount makes a folder a small file system, and tells whether this process may do that.
func mount(t *testing.T, folder, size string) bool {
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		return false
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
	return true
}

func (c *chaos) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// say notes what happens.
func (c *chaos) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, fmt.Sprintf("%7.2f ", time.Since(c.begun).Seconds())+fmt.Sprintf(format, args...))
}

// wrong notes that something is not as it must be; the run ends.
func (c *chaos) wrong(format string, args ...any) {
	c.say("WRONG: "+format, args...)
	c.t.Errorf(format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
}

func (c *chaos) isBroken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// run breaks everything for a while, mends it, and looks at what has come of it.
func (c *chaos) run() {
	ctx, stop := context.WithCancel(context.Background())
	var watching, writing sync.WaitGroup
	const first = 50
	c.log.some(first)
	for _, f := range c.log.files {
		c.log.flush(f)
	}
	c.up()
	// Of a path of which nothing was read yet, nobody knows what was rotated away and compressed.
	c.until("what was there at the start is recorded", func() bool { s := c.status(); return s != nil && s.Stored >= first })
	last := time.Now()
	watching.Go(func() { every(ctx, 50*time.Millisecond, func() { last = c.lookAtMachine(last) }) })
	for _, look := range []func(){c.lookAtList, c.lookAtFirewall, c.lookAtStatus} {
		watching.Go(func() { every(ctx, 300*time.Millisecond, look) })
	}
	enough, end := context.WithCancel(ctx)
	writing.Go(func() { every(enough, 50*time.Millisecond, c.log.tick) })
	for began := time.Now(); time.Since(began) < c.length && !c.isBroken(); {
		<-time.After(c.span(100*time.Millisecond, 2*time.Second))
		c.endFaults(time.Now())
		c.mischief(time.Since(began))
	}
	end()
	writing.Wait()
	c.endFaults(time.Now().Add(time.Hour))
	if !c.alive() {
		c.up()
	}
	c.log.finish()
	if !c.isBroken() {
		c.settle()
	}
	stop()
	watching.Wait()
	if !c.isBroken() {
		c.down(syscall.SIGTERM)
	}
}

// every does something again and again until ctx ends.
func every(ctx context.Context, pause time.Duration, do func()) {
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// span draws one, which in a short run is short.
func (c *chaos) span(from, to time.Duration) time.Duration {
	to = max(from+1, min(to, c.length/4))
	return from + time.Duration(c.random.Int64N(int64(to-from)))
}

// up starts the daemon.
func (c *chaos) up() {
	c.daemon = c.start()
	c.daemons = append(c.daemons, c.daemon)
	c.say("started, process %d", c.daemon.cmd.Process.Pid)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steady = time.Now()
}

// alive tells whether the daemon runs. What ended by itself must have been unable to go on.
func (c *chaos) alive() bool {
	select {
	case <-c.daemon.done:
		c.mu.Lock()
		c.steady = time.Time{}
		full := c.ever["disk"]
		c.mu.Unlock()
		if code := c.daemon.cmd.ProcessState.ExitCode(); code >= 0 && (code != 1 || !full) {
			c.wrong("the daemon ended by itself with exit status %d: %s", code, tailOf(c.daemon.log(), 2000))
		}
		return false
	default:
		return true
	}
}

// down stops it by a signal.
func (c *chaos) down(s syscall.Signal) {
	c.mu.Lock()
	c.steady = time.Time{}
	quiet := len(c.faults) == 0
	c.mu.Unlock()
	c.say("%s", s)
	if s == syscall.SIGKILL {
		c.daemon.kill()
		return
	}
	if !c.alive() {
		return
	}
	code, took := c.daemon.stop()
	c.say("stopped in %s, exit status %d", took.Round(time.Millisecond), code)
	if took > 10*time.Second && c.fair() || code > 1 || code == 1 && quiet {
		c.wrong("SIGTERM: exit status %d after %s: %s", code, took, tailOf(c.daemon.log(), 1000))
	}
}

// mischief does one thing more. Minutes in which the daemon is restarted again and again take turns with those in which it has to live
// with what lasts.
func (c *chaos) mischief(passed time.Duration) {
	long := int(passed/(90*time.Second))%2 == 1
	if !c.alive() {
		c.up()
		return
	}
	switch pick := c.random.IntN(20); {
	case pick < 3 && !long:
		c.down(syscall.SIGKILL)
		c.restart()
	case pick < 5 && !long:
		c.down(syscall.SIGTERM)
		c.restart()
	case pick < 7 && !long:
		c.reload()
	case pick < 11:
		c.breakDatabase(long)
	case pick < 14:
		c.breakFirewall(long)
	case pick < 15:
		c.fillDisk()
	case pick < 17:
		c.setClock(long)
	case pick < 18:
		c.log.add(min(300, 30*int(c.length/time.Second)))
	}
}

// restart starts the daemon again, at once or later.
func (c *chaos) restart() {
	if c.random.IntN(2) == 0 {
		<-time.After(c.span(0, 3*time.Second))
	}
	c.up()
}

// reload is a SIGHUP, now and then with a configuration that has a fault, which is then mended.
func (c *chaos) reload() {
	good, err := os.ReadFile(c.config)
	c.must(err)
	c.mu.Lock()
	c.steady = time.Now()
	c.mu.Unlock()
	if c.random.IntN(3) == 0 {
		c.write(c.config, append(bytes.Clone(good), "nonsense: 1\n"...))
		defer c.write(c.config, good)
		c.say("SIGHUP with a faulty configuration")
		c.daemon.hangup()
		<-time.After(300 * time.Millisecond)
		return
	}
	c.say("SIGHUP")
	c.daemon.hangup()
}

// hurt begins a fault, if that which it is of is well.
func (c *chaos) hurt(of, what string, lasts time.Duration, begin, end func() error) {
	c.mu.Lock()
	is := c.faults[of]
	c.mu.Unlock()
	if is != nil {
		return
	}
	c.say("%s: %s, for %s", of, what, lasts.Round(time.Millisecond))
	if err := begin(); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ever[of] = true
	c.faults[of] = &fault{what, now, now.Add(lasts), end}
}

// endFaults ends those whose time has come.
func (c *chaos) endFaults(now time.Time) {
	c.mu.Lock()
	over := maps.Clone(c.faults)
	c.mu.Unlock()
	for of, f := range over {
		if now.Before(f.ends) {
			continue
		}
		c.mu.Lock()
		delete(c.faults, of)
		switch of {
		case "clock":
			c.righted = time.Now()
		case "disk":
			c.emptied = time.Now()
		case "database":
			c.mended = time.Now()
		}
		c.mu.Unlock()
		if err := f.end(); err != nil {
			c.t.Fatalf("end of %s: %v", f.what, err)
		}
		if of == "database" {
			c.mu.Lock()
			c.mended = time.Now()
			c.mu.Unlock()
		}
		c.say("%s: %s is over", of, f.what)
	}
}

func (c *chaos) lasting(long bool) time.Duration {
	if long {
		return c.span(20*time.Second, 70*time.Second)
	}
	return c.span(200*time.Millisecond, 10*time.Second)
}

func (c *chaos) breakDatabase(long bool) {
	lasts := c.lasting(long)
	if c.server == nil {
		var db *sql.DB
		var tx *sql.Tx
		c.hurt("database", "locked", lasts, func() (err error) {
			db, err = sql.Open("sqlite", "file:"+filepath.Join(c.dir, "state", agent.DatabaseFile)+"?_txlock=immediate&_pragma=busy_timeout(2000)")
			if err == nil {
				tx, _ = db.Begin() // which a full disk can refuse
			}
			return err
		}, func() error {
			if tx != nil {
				_ = tx.Rollback()
			}
			return db.Close()
		})
		return
	}
	s := c.server
	kinds := 3
	if s.small {
		kinds++
	}
	switch c.random.IntN(kinds) {
	case 0:
		c.hurt("database", "stopped", lasts, func() error { return s.stop("fast") }, s.start)
	case 1:
		c.hurt("database", "crashed", lasts, func() error { return s.stop("immediate") }, s.start)
	case 2:
		c.hurt("database", "hangs", lasts, func() error { return s.signal(syscall.SIGSTOP) }, func() error { return s.signal(syscall.SIGCONT) })
	case 3:
		filler := filepath.Join(s.dir, "filler")
		c.hurt("database", "its disk is full", lasts, func() error { return fill(filler) }, func() error { return errors.Join(os.Remove(filler), s.start()) })
	}
}

func (c *chaos) breakFirewall(long bool) {
	lasts := c.lasting(long)
	nothing := func() error { return nil }
	switch c.random.IntN(5) {
	case 0, 1:
		c.hurt("firewall", "down", lasts, func() error { c.sim.Down(); return nil }, c.sim.Up)
	case 2:
		c.hurt("firewall", "hangs", lasts, func() error { c.sim.SetFault(panosim.Fault{Effect: panosim.Hang}); return nil }, func() error { c.sim.ClearFaults(); return nil })
	case 3:
		c.hurt("tags", "lost", 0, func() error { c.sim.Addresses().Clear("vsys1"); return nil }, nothing)
	case 4:
		seed := c.random.Uint64()
		c.hurt("firewall", "storm", lasts, func() error { c.sim.Storm(seed, panosim.StormOptions{Restarts: -1}); return nil }, func() error { c.sim.ClearFaults(); return nil })
	}
}

func (c *chaos) fillDisk() {
	if !c.small {
		return
	}
	filler := filepath.Join(c.dir, "state", "filler")
	c.hurt("disk", "full", c.lasting(false), func() error { return fill(filler) }, func() error { return os.Remove(filler) })
}

// fill makes a file as large as it can be.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; size /= 4 {
		for block := make([]byte, size); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		err = nil
	}
	return nil
}

func (c *chaos) setClock(long bool) {
	by := []int64{90, -90, 2 * 3600, -2 * 3600, 35 * 86400, -35 * 86400, 400 * 86400, -400 * 86400}[c.random.IntN(8)]
	c.hurt("clock", fmt.Sprintf("set by %s", time.Duration(by)*time.Second), c.lasting(long),
		func() error { c.clock.set(by); return nil }, func() error { c.clock.set(0); return nil })
}

// now gives what is wrong, and since when the daemon has been left alone.
func (c *chaos) now() (faults map[string]*fault, steady time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.faults), c.steady
}

// left tells whether the daemon was left alone from a time on that long before, by a machine that lets it work.
func (c *chaos) left(since time.Time, long time.Duration) bool {
	_, steady := c.now()
	return !steady.IsZero() && since.Sub(steady) > long && c.fair()
}

// fair tells whether times mean something.
func (c *chaos) fair() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.stalled) > settling
}

func (c *chaos) lookAtMachine(last time.Time) time.Time {
	now := time.Now()
	if gap := now.Sub(last); gap > time.Second {
		c.say("the machine stood still for %s", gap)
		c.mu.Lock()
		c.stalled = now
		c.mu.Unlock()
	}
	return now
}

// settling is how long a start or a reload may take on a busy machine until all is served.
const settling = 25 * time.Second

func (c *chaos) lookAtList() {
	before, asked := maps.Clone(c.listedNow()), time.Now()
	code, list := c.list()
	faults, _ := c.now()
	if code == 0 || code == 503 {
		c.mu.Lock()
		righted := c.righted
		c.mu.Unlock()
		// By a wrong clock its certificate is not valid, and it is not served.
		if faults["clock"] == nil && asked.Sub(righted) > settling && len(before) > 0 && c.left(asked, settling) {
			c.wrong("the list answers %d", code)
		}
		return
	}
	if code != 200 {
		c.wrong("the list answers %d", code)
		return
	}
	c.onlyAttackers("list", list)
	c.mu.Lock()
	for _, a := range list {
		c.listed[a] = !strings.HasPrefix(a, emptyEntry)
		delete(before, a)
	}
	c.mu.Unlock()
	maps.DeleteFunc(before, func(_ string, blocked bool) bool { return !blocked })
	c.mu.Lock()
	// What was blocked while the disk was full could not be saved, so a start without the database does not know it, as the daemon says.
	unsaved := (faults["database"] != nil || time.Since(c.mended) < settling) && (faults["disk"] != nil || c.ever["disk"] && time.Since(c.emptied) < time.Minute)
	c.mu.Unlock()
	if len(before) > 0 && !unsaved {
		c.wrong("the list lost %d of %d: %v", len(before), len(before)+len(list), slices.Collect(maps.Keys(before)))
	}
}

// emptyEntry is what stands on a list of nobody.
const emptyEntry = "192.0.2.255"

func (c *chaos) listedNow() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.listed)
}

// wasWrong tells whether something has been wrong at some time.
func (c *chaos) wasWrong(of string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ever[of]
}

func (c *chaos) onlyAttackers(where string, addresses []string) {
	c.mu.Lock()
	var strangers []string
	for _, a := range addresses {
		if !c.attackers[a] && a != "" && !strings.HasPrefix(a, emptyEntry) {
			strangers = append(strangers, a)
		}
	}
	c.mu.Unlock()
	if len(strangers) > 0 {
		c.wrong("the %s has %v, who attacked nobody", where, strangers)
	}
}

func (c *chaos) lookAtFirewall() { c.onlyAttackers("firewall", c.tagged()) }

// lookAtStatus asks as an operator does, and compares the answer with what is wrong.
func (c *chaos) lookAtStatus() {
	before, _ := c.now()
	asked := time.Now()
	out := c.askStatus()
	after, _ := c.now()
	if out == nil {
		return
	}
	var s agent.Status
	if err := json.Unmarshal(out, &s); err != nil {
		c.wrong("status is no JSON: %v in %s", err, out)
		return
	}
	lasted := func(of string, long time.Duration, kinds ...string) bool { // since long before it was asked, until after it answered
		b := before[of]
		return b != nil && b == after[of] && asked.Sub(b.begun) > long && slices.Contains(kinds, b.what) && !b.ends.Before(time.Now())
	}
	switch {
	case lasted("database", 10*time.Second, "stopped", "crashed") && (s.Store.OK || s.Ready) && c.left(asked, 10*time.Second),
		lasted("database", 14*time.Second, "hangs") && (s.Store.OK || s.Ready) && c.left(asked, 14*time.Second):
		c.wrong("the database %s since %s, and status says ready %v, store %+v", before["database"].what, asked.Sub(before["database"].begun), s.Ready, s.Store)
	case lasted("firewall", 16*time.Second, "down", "hangs") && c.fair() && (s.Firewalls[0].Up || s.Firewalls[0].State == "up"):
		c.wrong("the firewall is %s since %s, and status says %+v", before["firewall"].what, asked.Sub(before["firewall"].begun), s.Firewalls[0])
	case s.Ready && (!s.Store.OK || !s.List.Loaded):
		c.wrong("ready, and store %+v, list %+v", s.Store, s.List)
	}
	if s.Blacklist != nil && (*s.Blacklist > 0 || s.Ready) {
		c.mu.Lock()
		attackers := len(c.attackers)
		c.mu.Unlock()
		if *s.Blacklist > attackers || *s.Held+*s.Observed > 0 {
			c.wrong("%d blocked of %d attackers, %d held, %d observed", *s.Blacklist, attackers, *s.Held, *s.Observed)
		}
	}
}

// askStatus gives what status says; nil: nothing, as it may where the daemon was just started. On a busy machine it is asked again.
func (c *chaos) askStatus() []byte {
	for try := 1; ; try++ {
		asked := time.Now()
		cmd := c.command("status", "--json")
		var out, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaint
		err := cmd.Run()
		if took := time.Since(asked); took > 10*time.Second && c.fair() {
			c.wrong("status took %s", took)
		}
		switch {
		case out.Len() > 0:
			return out.Bytes()
		case !c.left(asked, settling):
			return nil
		case try == 3:
			c.wrong("status says nothing: %v, %s", err, complaint.String())
			_ = c.daemon.cmd.Process.Signal(syscall.SIGQUIT) // its log says what it waits for
			return nil
		}
	}
}

// settle waits until nothing is wrong any more, and compares what there is with what was written.
func (c *chaos) settle() {
	c.say("all is mended, %d lines, %d attackers", c.lines, len(c.attackers))
	want := slices.Sorted(maps.Keys(c.attackers))
	var list, tags []string
	deadline := time.Now().Add(2 * patience)
	if c.wasWrong("tags") { // which is noticed by the next full pass, of which a new configuration begins with one
		c.say("SIGHUP")
		c.daemon.hangup()
	}
	for {
		if !c.alive() {
			c.up()
		}
		_, list = c.list()
		slices.Sort(list)
		tags = c.tagged()
		s := c.status()
		if s != nil && s.Ready && slices.Equal(list, want) && slices.Equal(tags, want) && s.Firewalls[0].Up {
			break
		}
		if c.isBroken() {
			return
		}
		if time.Now().After(deadline) {
			c.wrong("%d attackers, and on the list %d: %s\nfirewall %d: %s\nstatus: %+v", len(want), len(list), diff(list, want), len(tags), diff(tags, want), s)
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	c.say("all attackers are blocked")
	var seen map[int]int
	for {
		seen = make(map[int]int)
		stdout, stderr, code := c.world.run("records", "--json", "--since", "30d", "--limit", "0")
		if code != 0 {
			c.wrong("records: exit status %d: %s", code, stderr)
			return
		}
		for line := range strings.Lines(stdout) {
			var r api.Record
			c.must(json.Unmarshal([]byte(line), &r))
			id, err := strconv.Atoi(strings.TrimPrefix(r.RuleID, "line-"))
			if err != nil || r.Dst != "198.51.100.7" {
				c.wrong("a record of no line: %s", line)
				return
			}
			seen[id]++
		}
		if len(seen) >= c.lines || time.Now().After(deadline) {
			break
		}
	}
	var missing, twice []int
	for id := range c.lines {
		switch n := seen[id]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1:
			twice = append(twice, id)
		}
	}
	if len(missing)+len(twice) > 0 {
		c.wrong("of %d lines %d are no record: %v; %d are more than one: %v", c.lines, len(missing), some(missing), len(twice), some(twice))
		for _, id := range some(slices.Concat(missing, twice)) {
			c.say("line %d: %s", id, c.log.where(id))
		}
	}
	c.say("%d records", len(seen))
}

func some(ids []int) []int { return ids[:min(len(ids), 40)] }

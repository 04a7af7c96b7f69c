package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/userid"
)

// BenchmarkManyFiles has 20,000 files followed, of which 200 are fed, by the daemon as it is configured without a word about them, and
// fails where a block comes more than a second after its line, a start or a stop takes ten seconds, or it needs more than 300 MiB or,
// while nothing is written, 2 % of a core. Run it with -benchtime 1x.
func BenchmarkManyFiles(b *testing.B) {
	for b.Loop() {
		manyFiles(b)
	}
}

const (
	filesThere = 20_000
	filesFed   = 200
)

// A crowd is a world with many log files.
type crowd struct {
	*world
	b      *testing.B
	random *rand.Rand
	tagged chan userid.Change
	n      int // lines written
}

func manyFiles(b *testing.B) {
	tagged := make(chan userid.Change, 1000)
	c := &crowd{newWorldWith(b, "sqlite", "", func(x userid.Change) { tagged <- x }), b, rand.New(rand.NewPCG(1, 2)), tagged, 0}
	c.terse = true
	for i := range filesThere {
		c.line(i, "198.18.0.1", 22)
	}
	d := c.reading("first")
	c.slowly("all is read", func() bool { s := c.status(); return s != nil && s.Stored == filesThere })
	b.ReportMetric(c.blocks(d), "max-block-ms")
	c.idle(d)
	c.stopped(d)
	d = c.reading("again")
	c.idle(d)
	c.stopped(d)
	worst := time.Duration(0)
	for range 12 { // at any moment of a start, most before it reads
		d := c.start()
		<-time.After(time.Duration(c.random.Int64N(int64(4 * time.Second))))
		worst = max(worst, c.stopped(d))
	}
	b.ReportMetric(worst.Seconds(), "max-stop-s")
}

// line writes one to a file. The files are named as rsyslog names them.
func (c *crowd) line(file int, src string, port int) {
	f, err := os.OpenFile(filepath.Join(c.dir, "logs", fmt.Sprintf("10.1.%d.%d.log", file/250, file%250)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.b.Fatal(err)
	}
	defer f.Close()
	c.n++
	if _, err := f.Write(sample{at: time.Now().UTC(), src: src, dst: "198.51.100.7", port: port, typ: "TRAFFIC", subtype: "drop", id: c.n}.line()); err != nil {
		c.b.Fatal(err)
	}
}

// reading starts the daemon and waits until it reads.
func (c *crowd) reading(which string) *daemon {
	begun := time.Now()
	d := c.start()
	c.until("it reads", func() bool { return strings.Contains(d.log(), "reading the firewalls' logs") })
	took := time.Since(begun)
	c.b.ReportMetric(took.Seconds(), which+"-start-s")
	if took > 10*time.Second {
		c.b.Errorf("the %s start took %s", which, took)
	}
	c.slowly("the firewall is in sync", func() bool { s := c.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
	return d
}

// slowly is until for what costs something to ask.
func (c *crowd) slowly(what string, is func() bool) {
	c.until(what, func() bool { <-time.After(time.Second); return is() })
}

func (c *crowd) stopped(d *daemon) time.Duration {
	code, took := d.stop()
	if code != 0 && code != -1 || took > 10*time.Second { // -1: before it had begun to listen to signals
		c.b.Errorf("stop: exit status %d after %s", code, took)
	}
	return took
}

// blocks feeds some of the files, a few lines a second each, and has scans among them. It gives the longest that a block took.
func (c *crowd) blocks(d *daemon) float64 {
	var took []time.Duration
	from, begun := processorTime(c.b, d), time.Now()
	for i := range 60 {
		for file := range filesFed {
			c.line(file*filesThere/filesFed, "198.18.0.2", 443)
		}
		src, file := fmt.Sprintf("203.0.113.%d", i+1), i*filesThere/filesFed
		if i%3 == 2 {
			file = c.random.IntN(filesThere) // most likely one that has not been fed
		}
		for k := range testPorts {
			c.line(file, src, 1000+k)
		}
		wrote := time.Now()
		c.line(file, src, 5000)
		for {
			select {
			case x := <-c.tagged:
				if x.Address.Addr().String() != src {
					continue
				}
			case <-time.After(patience):
				c.b.Fatalf("%s is not blocked; %s", src, tailOf(d.log(), 2000))
			}
			break
		}
		took = append(took, time.Since(wrote))
		<-time.After(time.Second - min(time.Since(wrote), time.Second))
	}
	c.b.ReportMetric(100*(processorTime(c.b, d)-from).Seconds()/time.Since(begun).Seconds(), "fed-cpu-%")
	slices.Sort(took)
	if worst := took[len(took)-1]; worst > time.Second {
		c.b.Errorf("blocks took %v", took)
	}
	c.b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "median-block-ms")
	return float64(took[len(took)-1].Milliseconds())
}

// idle measures what it takes while nothing is written.
func (c *crowd) idle(d *daemon) {
	<-time.After(5 * time.Second)
	from, begun := processorTime(c.b, d), time.Now()
	<-time.After(time.Minute)
	percent := 100 * (processorTime(c.b, d) - from).Seconds() / time.Since(begun).Seconds()
	peak, now := memoryOf(c.b, d, "VmHWM"), memoryOf(c.b, d, "VmRSS")
	c.b.ReportMetric(percent, "idle-cpu-%")
	c.b.ReportMetric(float64(peak), "peak-MiB")
	c.b.Logf("idle %.2f %% of a core, resident %d MiB, at most %d MiB", percent, now, peak)
	if percent > 2 || peak > 300 {
		c.b.Errorf("idle %.2f %% of a core, resident at most %d MiB", percent, peak)
	}
}

// processorTime is what the daemon has used.
func processorTime(t testing.TB, d *daemon) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // utime and stime are the 14th and 15th, in hundredths (proc_pid_stat(5))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryOf is a value of proc_pid_status(5) in MiB.
func memoryOf(t testing.TB, d *daemon, key string) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), key+":")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

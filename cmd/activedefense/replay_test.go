package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"activedefense/agent/compare"
)

// replayInput gives a command lines on standard input, and its answer.
func (w *world) replayInput(lines []byte, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	cmd := w.command(append([]string{"replay"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(lines), &out, &errOut
	if err := cmd.Run(); cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestReplayOfStandardInputIsThatOfTheFile(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	lines := text(generate(20_000, time.Now().UTC(), rand.New(rand.NewPCG(21, 22))))
	log := filepath.Join(w.dir, "a.log")
	w.write(log, lines)
	want, _, _ := w.run("replay", "--json", log)
	got, stderr, code := w.replayInput(lines, "--json", "-")
	if code != 0 || got != want || strings.Count(got, "\n") < 50 {
		t.Errorf("exit status %d, %s; %d bytes instead of %d", code, stderr, len(got), len(want))
	}
	if _, stderr, code = w.replayInput(lines, "-", log, "-"); code != 2 || !strings.Contains(stderr, "only once") {
		t.Errorf("twice: exit status %d, %s", code, stderr)
	}
	if _, stderr, code = w.replayInput([]byte("nonsense\n"), "-"); code != 1 || !strings.Contains(stderr, "standard input line 1") {
		t.Errorf("nonsense: exit status %d, %s", code, stderr)
	}
}

// Lines of other logs are no fault: what there is instead of what was looked for is said.
func TestAReplayOfOtherLogsIsNoFault(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	lines := "301 <14>1 2026-11-28T15:41:37+01:00 pano01.example - - - - 1,2026/11/28 15:41:37,000700000001,CONFIG,0,0,2026/11/28 15:41:37,192.0.2.89,,commit,admin,Web,Succeeded,,75,0x0,0,0,0,0,,pano01\n" +
		"Nov 28 15:41:38 pano01 1,2026/11/28 15:41:38,000700000001,SYSTEM,general,0,2026/11/28 15:41:38,,general,,0,0,general,informational,\"text\",75,0x0\n"
	for _, args := range [][]string{{"-"}, {"--summary", "-"}, {"--json", "-"}} {
		stdout, stderr, code := w.replayInput([]byte(lines), args...)
		if code != 0 || stdout != "" || !strings.Contains(stderr, "no TRAFFIC or THREAT record was found, no login, and nothing that a pattern takes (--input PATH reads it as that input); there are other records, the first is standard input line 1: 301 <14>1 ") ||
			!strings.Contains(stderr, ",CONFIG") || strings.Contains(stderr, "first error") {
			t.Errorf("%v: exit status %d, %s%s", args, code, stdout, stderr)
		}
	}
}

// One that waits for lines which never come ends when it is told to.
func TestAReplayThatWaitsForStandardInputCanBeInterrupted(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for _, args := range [][]string{{"replay", "-"}, {"replay", "--compare", w.config, "-"}} {
		cmd := w.command(args...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// More than a pipe holds: it reads by now.
		if _, err := io.WriteString(in, strings.Repeat("nonsense\n", 100_000)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-done:
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("%v: exit status %d", args, code)
			}
		case <-time.After(patience):
			cmd.Process.Kill()
			t.Fatalf("%v: it waits on", args)
		}
	}
}

// What only one configuration would block is what two replays, one with each, do not have in common.
func TestReplayComparesTwoConfigurations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "detect: {port_scan: {ports: 10}, host_sweep: {hosts: 11}}")
	lines := text(generate(20_000, time.Now().UTC(), rand.New(rand.NewPCG(23, 24))))
	log, other := filepath.Join(w.dir, "a.log"), filepath.Join(w.dir, "other.yaml")
	w.write(log, lines)
	mine, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(other, bytes.Replace(mine, []byte("ports: 10}, host_sweep: {hosts: 11"), []byte("ports: 11}, host_sweep: {hosts: 9"), 1))

	want := map[string]string{}
	for _, v := range jsonLines[replayJSON](w, "replay", log) {
		want[v.Address] = compare.This
	}
	this := w.config
	w.config = other
	for _, v := range jsonLines[replayJSON](w, "replay", log) {
		if want[v.Address] == compare.This {
			delete(want, v.Address)
		} else {
			want[v.Address] = compare.Other
		}
	}
	w.config = this

	found := jsonLines[replayJSON](w, "replay", "--compare", other, log)
	got := map[string]string{}
	for _, v := range found {
		got[v.Address] = v.Only
		if v.State != "blocked" || v.Reason == "" || (v.Only == compare.This) != (v.Rule == "port-scan") {
			t.Errorf("%+v", v)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != len(found) || len(got) < 20 {
		t.Errorf("%d sources instead of %d:\n%v\n%v", len(found), len(want), got, want)
	}
	if !slices.IsSortedFunc(found, func(a, b replayJSON) int { return a.Time.Compare(b.Time) }) {
		t.Error("they are not in the order of event time")
	}

	fromFile, _, _ := w.run("replay", "--json", "--compare", other, log)
	if fromInput, stderr, code := w.replayInput(lines, "--json", "--compare", other, "-"); code != 0 || fromInput != fromFile {
		t.Errorf("from standard input: exit status %d, %s; %d bytes instead of %d", code, stderr, len(fromInput), len(fromFile))
	}
	stdout, stderr, code := w.run("replay", "--compare", other, log)
	if code != 0 || !strings.HasPrefix(stdout, "ONLY ") || strings.Count(stdout, "\n") != len(found)+1 || !strings.Contains(stderr, "other, with "+other+": ") || !strings.Contains(stderr, "this, with "+this+": ") {
		t.Errorf("exit status %d:\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code = w.run("replay", "--compare", w.config, log); code != 0 || stdout != "" || !strings.Contains(stderr, "the same sources") {
		t.Errorf("with itself: exit status %d:\n%s%s", code, stdout, stderr)
	}
}

func TestReplayRefusesWhatItCannotCompare(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	pipe, faulty := filepath.Join(w.dir, "pipe"), filepath.Join(w.dir, "faulty.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w.write(faulty, []byte("detekt: {}\n"))
	for _, c := range []struct{ other, file, says string }{
		{w.config, pipe, "cannot be read twice"},
		{faulty, w.log, "detekt: unknown key"},
		{filepath.Join(w.dir, "missing.yaml"), w.log, "no such file"},
	} {
		if _, stderr, code := w.run("replay", "--compare", c.other, c.file); code != 2 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit status %d, %s", c.says, code, stderr)
		}
	}
}

// Each way of counting counts every source once.
func TestReplaySummaryCountsEachSourceOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	log := filepath.Join(w.dir, "a.log")
	w.write(log, text(generate(20_000, time.Now().UTC(), rand.New(rand.NewPCG(25, 26)))))
	list := jsonLines[replayJSON](w, "replay", log)
	rules, hours := map[string]int{}, map[string]int{}
	for _, v := range list {
		rules[v.Rule]++
		hours[v.Time.UTC().Format("2006-01-02T15:00:00Z")]++
	}
	total, last := map[string]int{}, ""
	for _, g := range jsonLines[compare.Group](w, "replay", "--summary", log) {
		total[g.By] += g.Blocked
		if g.By == "rule" && g.Blocked != rules[g.Name] || g.By == "hour" && (g.Blocked != hours[g.Name] || g.Name <= last) || g.Held+g.Observed > 0 || g.Hits == 0 {
			t.Errorf("%+v", g)
		}
		if g.By == "hour" {
			last = g.Name
		}
		if g.By == "country" && g.Name != "Netherlands" {
			t.Errorf("country %q", g.Name)
		}
	}
	for _, by := range []string{"rule", "grade", "country", "hour"} {
		if total[by] != len(list) || len(list) == 0 {
			t.Errorf("by %s there are %d sources of %d", by, total[by], len(list))
		}
	}
	stdout, stderr, code := w.run("replay", "--summary", log)
	for _, want := range []string{"RULE", "port-scan", "GRADE", "COUNTRY", "Netherlands", "HOUR"} {
		if !strings.Contains(stdout, want) || code != 0 {
			t.Errorf("exit status %d, no %s:\n%s%s", code, want, stdout, stderr)
		}
	}
	both := jsonLines[compare.Group](w, "replay", "--summary", "--compare", w.config, log)
	if len(both) != 0 {
		t.Errorf("of the same configuration twice: %v", both)
	}
}

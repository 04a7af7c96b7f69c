package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
)

// addInPieces appends data with writes that end anywhere, also inside lines.
func (w *world) addInPieces(data []byte, random *rand.Rand, between func(piece int)) {
	for piece := 0; len(data) > 0; piece++ {
		n := min(1+random.IntN(200_000), len(data))
		w.append(data[:n])
		data = data[n:]
		between(piece)
	}
}

// expect waits until list and firewall hold exactly what the brute force says, and checks the records.
func (w *world) expect(samples []sample) {
	w.t.Helper()
	want := judge(samples)
	if len(want) < 10 {
		w.t.Fatalf("the traffic is too tame: %d sources to block", len(want))
	}
	w.until("all lines are read", func() bool {
		s := w.status()
		return s != nil && s.Ready && len(s.Inputs) > 0 && s.Inputs[0].Behind == 0 && s.Blacklist != nil && *s.Blacklist >= len(want)
	})
	var list, tags []string
	ok := func() bool {
		_, list = w.list()
		slices.Sort(list)
		tags = w.tagged()
		return slices.Equal(list, want) && slices.Equal(tags, want)
	}
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("blocked instead of %d:\nlist %d: %s\nfirewall %d: %s", len(want), len(list), diff(list, want), len(tags), diff(tags, want))
		}
	}
}

// diff names what is missing and what is too much.
func diff(got, want []string) string {
	var b strings.Builder
	for _, s := range want {
		if !slices.Contains(got, s) {
			fmt.Fprintf(&b, " -%s", s)
		}
	}
	for _, s := range got {
		if !slices.Contains(want, s) {
			fmt.Fprintf(&b, " +%s", s)
		}
	}
	return b.String()
}

// expectRecords checks that the records are exactly the lines.
func (w *world) expectRecords(samples []sample) {
	w.t.Helper()
	var got []api.Record
	deadline := time.Now().Add(patience)
	for len(got) < len(samples) && time.Now().Before(deadline) {
		got = jsonLines[api.Record](w, "records", "--since", "30d", "--limit", "0")
	}
	seen := make(map[string]int)
	for _, r := range got {
		seen[r.RuleID]++
		var id int
		if _, err := fmt.Sscanf(r.RuleID, "line-%d", &id); err != nil || id >= len(samples) {
			w.t.Fatalf("a record of no line: %+v", r)
		}
		if s := samples[id]; r.Src != s.src || r.Dst != s.dst || int(r.DstPort) != s.port || !r.Time.Equal(s.at) || r.Type != s.typ {
			w.t.Fatalf("line %s became %+v", s.line(), r)
		}
	}
	for id := range samples {
		if n := seen[fmt.Sprintf("line-%d", id)]; n != 1 {
			w.t.Fatalf("line %d was recorded %d times", id, n)
		}
	}
}

func TestListAndFirewallHoldWhatABruteForceBlocks(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			w := newWorld(t, database, "")
			samples := generate(scaled(40_000), time.Now().UTC(), random)
			half := len(samples) / 2
			w.append(text(samples[:half]))
			d := w.start()
			w.addInPieces(text(samples[half:]), random, func(int) {
				w.until("the daemon answers", func() bool { return w.status() != nil })
			})
			w.expect(samples)
			w.expectRecords(samples)
			if code, took := d.stop(); code != 0 || took > 10*time.Second {
				t.Errorf("stop: exit status %d after %s", code, took)
			}
		})
	}
}

func TestKillNineAtAnyMomentChangesNothing(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
			w := newWorld(t, database, "")
			samples := generate(scaled(40_000), time.Now().UTC(), random)
			data := text(samples)
			half := len(data) / 2
			w.append(data[:half])
			rest := data[half:]
			const kills = 6
			for i := range kills {
				d := w.start()
				if i == 0 { // before that there was no agent that could have read anything
					w.until("the agent has a name", func() bool { _, err := os.Stat(filepath.Join(w.dir, "state", "instance")); return err == nil })
				}
				moment := time.NewTimer(time.Duration(random.Int64N(int64(700 * time.Millisecond))))
				rotate := i%2 == 1
				piece := len(rest) / (kills - i + 1)
				if rotate { // nobody renames a log in the middle of a line
					piece += bytes.IndexByte(rest[piece:], '\n') + 1
				}
				w.append(rest[:piece])
				rest = rest[piece:]
				<-moment.C
				d.kill()
				if rotate {
					// Rotated while the agent is down; more comes into the new file.
					if err := os.Rename(w.log, fmt.Sprintf("%s.%d", w.log, i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.append(rest)
			w.start()
			w.expect(samples)
			w.expectRecords(samples)
		})
	}
}

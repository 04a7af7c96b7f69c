package day

import (
	"bufio"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"activedefense/agent"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// kinds are all of a day, each with its sort.
func kinds() (all []kind) {
	for s, list := range [][]kind{legitimate: legitimateKinds(), near: nearKinds(), attack: attackKinds()} {
		for _, k := range list {
			k.sort = sort(s)
			all = append(all, k)
		}
	}
	return all
}

// write puts a day into a file of each firewall, in the order in which the records were received.
func (d *day) write(t *testing.T, format func(*entry) string) (paths []string) {
	t.Helper()
	slices.SortStableFunc(d.entries, func(a, b entry) int { return a.received.Compare(b.received) })
	dir := t.TempDir()
	for n := range 2 {
		path := filepath.Join(dir, firewallName(n)+".log")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(f)
		for i := range d.entries {
			if e := &d.entries[i]; e.firewall == n {
				fmt.Fprintln(w, format(e))
			}
		}
		if err := cmp.Or(w.Flush(), f.Close()); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func list(addresses []netip.Addr) string {
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.String())
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// configuration is that of an operator who names what is theirs and leaves all else as it is; more is put behind.
func (d *day) configuration(t *testing.T, more string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "activedefense.yaml")
	text := fmt.Sprintf(`
inputs: [{path: %s/*.log, timezone: Europe/Berlin}]
networks: {own: ["%s", "%s"], ask_firewalls: false, proxies: %s}
never_block: %s
`, t.TempDir(), ownIPv4, ownIPv6, list(d.of[proxyKind]), list(d.of[allowedOne]))
	if more == "" {
		more = fmt.Sprintf("detect: {ignore: [{src: %s, reason: our own scanner}]}\n", list(d.of[ownScanner]))
	}
	if err := os.WriteFile(path, []byte(text+more), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// found is what became of a source.
type found struct {
	state   store.State
	verdict *detect.Verdict
}

// replay runs detection as the daemon has it over a day, and gives what became of each source, and who was spared because nobody
// may block it.
func (d *day) replay(t *testing.T, cfg *config.Config, paths []string) (verdicts map[netip.Prefix]found, spared map[netip.Prefix]bool) {
	t.Helper()
	known, err := agent.Known(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, spared = map[netip.Prefix]found{}, map[netip.Prefix]bool{}
	sum, err := agent.Replay(t.Context(), cfg, line.ReplayOptions{
		Files: paths, Guard: known.Guard, Ours: known.Ours,
		Verdict: func(v *detect.Verdict) { verdicts[v.Source] = found{line.StateOf(v), v} },
		Refused: func(v *detect.Verdict, _ error) { spared[v.Source] = true },
	})
	switch {
	case err != nil:
		t.Fatal(err)
	case sum.Records != uint64(len(d.entries)) || sum.Lines != sum.Records:
		t.Fatalf("%d of %d lines are read as records: %s %s", sum.Records, len(d.entries), sum.FirstBad, sum.FirstIgnored)
	}
	return verdicts, spared
}

// TestALabelledDay has a day of some thousand sources detected with the default settings, from the logs of two firewalls. Who
// does what he should has nothing to fear, and nearly everybody who attacks is blocked, by the rule that fits.
func TestALabelledDay(t *testing.T) {
	d := newDay(1, kinds())
	for name, format := range map[string]func(*entry) string{"csv": (*entry).csv, "kv": (*entry).kv} {
		t.Run(name, func(t *testing.T) {
			verdicts, spared := d.replay(t, d.configuration(t, ""), d.write(t, format))
			d.judge(t, verdicts, spared)
		})
	}
}

// judge holds what was found to the labels.
func (d *day) judge(t *testing.T, verdicts map[netip.Prefix]found, spared map[netip.Prefix]bool) {
	t.Helper()
	for source, f := range verdicts {
		v := f.verdict
		switch k := d.labels[source]; {
		case k == nil:
			t.Errorf("%s is none of the sources, and %s by %s: %s", source, f.state, v.Rule, v.Reason)
		case k.sort != attack:
			t.Errorf("%s: %s (%s) is %s by %s (%s): %s; %s", k.sort, k.name, source, f.state, v.Rule, v.Grade, v.Reason, v.Hold)
		}
	}
	all, blocked := map[*kind]int{}, map[*kind]int{}
	attackers, caught := 0, 0
	for source, k := range d.labels {
		if k.sort != attack {
			continue
		}
		all[k]++
		attackers++
		f, ok := verdicts[source]
		want := store.Blocked
		if k.observed {
			want = store.Observed
		}
		if ok && f.state == want && slices.Contains(strings.Fields(k.rules), f.verdict.Rule) && f.verdict.Grade.String() == k.grade {
			blocked[k]++
			caught++
			continue
		}
		if !ok {
			t.Logf("missed: %s (%s)", k.name, source)
		} else {
			t.Logf("not as it should be: %s (%s): %s by %s (%s): %s", k.name, source, f.state, f.verdict.Rule, f.verdict.Grade, f.verdict.Reason)
		}
	}
	if caught*1000 < attackers*995 {
		t.Errorf("%d of %d attackers are blocked as they should be", caught, attackers)
	}
	for k, n := range all {
		if blocked[k] < n*9/10 {
			t.Errorf("%s: %d of %d are blocked", k.name, blocked[k], n)
		}
	}
	for _, a := range d.of[allowedOne] {
		if !spared[netip.PrefixFrom(a, 32)] {
			t.Errorf("%s, which may never be blocked, would not have been", a)
		}
	}
	t.Logf("%d sources, %d lines, %d of %d attackers", len(d.labels), len(d.entries), caught, attackers)
}

// TestTheDayIsHard runs the same day by the rules of the application that this replaces, with nothing known to be ours: they wrong
// many who are wronged no more. If they did not, the day above would prove nothing.
func TestTheDayIsHard(t *testing.T) {
	d := newDay(1, kinds())
	cfg := d.configuration(t, "detect: {outcome: all, probe: {mode: off}, login: {mode: off}}\nblacklist: {surge: {additions: 0}}\n")
	cfg.Networks.Own, cfg.Networks.Proxies = nil, nil
	verdicts, _ := d.replay(t, cfg, d.write(t, (*entry).csv))
	wronged := map[string]int{}
	for source, f := range verdicts {
		switch k := d.labels[source]; {
		case k == nil && ownIPv4.Contains(source.Addr()):
			wronged["our own mail server"]++
		case k != nil && k.sort == legitimate && f.state == store.Blocked:
			wronged[k.name]++
		}
	}
	for _, name := range []string{
		"our own mail server", "FTP servers with passive transfers", "search engine's crawlers", "partner's office with eleven services",
		"resolvers that answer late", "content networks that answer after the end", "time servers", "monitoring services that ping every host",
		proxyKind, ownScanner, "telephony providers", "IPv6 visitors that share a /64",
	} {
		if wronged[name] == 0 {
			t.Errorf("%s: nobody is blocked", name)
		}
	}
}

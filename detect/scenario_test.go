package detect

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the verdicts of the scenario files anew")

// The scenario files in testdata say in plain text what detection does; their
// notation is described in testdata/README.md.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections, err := splitScenario(string(data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := runScenario(sections["settings"], sections["events"])
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSpace(sections["verdicts"]); got != want && !*update {
				t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
			}
			if *update {
				head, _, _ := strings.Cut(string(data), "-- verdicts --\n")
				if err := os.WriteFile(file, []byte(strings.TrimSuffix(head+"-- verdicts --\n"+got, "\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// splitScenario reads the sections "-- name --" of a file.
func splitScenario(data string) (map[string]string, error) {
	sections := make(map[string]string)
	name := ""
	for line := range strings.Lines(data) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			name = strings.TrimSuffix(title, " --")
			sections[name] = ""
			continue
		}
		if name != "" {
			sections[name] += line
		}
	}
	for _, name := range []string{"settings", "events", "verdicts"} {
		if _, ok := sections[name]; !ok {
			return nil, fmt.Errorf("section %q is missing", name)
		}
	}
	return sections, nil
}

// scenario is one run of the engine over a file's events, with what its caller does: who fires is blocked, unless the guard
// refuses, the verdict is held, or the rule only observes.
type scenario struct {
	engine  *Engine
	guard   *Guard
	surge   Surge
	refuse  bool // the caller does not block what fired
	ref     uint64
	printed []string
}

// scenarioStart is the time 0s of every scenario.
var scenarioStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func runScenario(settings, events string) (string, error) {
	s, err := newScenario(settings)
	if err != nil {
		return "", err
	}
	for _, words := range scenarioLines(events) {
		if err := s.line(words); err != nil {
			return "", fmt.Errorf("event %q: %w", words, err)
		}
	}
	return strings.Join(s.printed, "\n"), nil
}

func newScenario(settings string) (*scenario, error) {
	var n notation
	for _, words := range scenarioLines(settings) {
		if err := n.setting(words); err != nil {
			return nil, fmt.Errorf("setting %q: %w", words, err)
		}
	}
	s := &scenario{engine: New(n.settings), guard: NewGuard(n.never, nil), surge: n.surge, refuse: n.refuse}
	s.engine.Limit(&s.surge)
	s.engine.Know(NewOurs(n.ours), s.guard)
	return s, nil
}

func (s *scenario) line(words []string) error {
	switch words[0] {
	case "block", "release", "accept":
		p, err := netip.ParsePrefix(words[1])
		if err != nil {
			return err
		}
		switch words[0] {
		case "block":
			s.engine.Block(p)
		case "release":
			s.engine.Release(p)
		default:
			s.engine.Accept(p, scenarioStart.AddDate(1, 0, 0))
		}
		return nil
	}
	events, err := scenarioEvents(words)
	if err != nil {
		return err
	}
	s.observe(words, events)
	return nil
}

// observe feeds the events of one line and prints what is worth telling: verdicts;
// or else, if that is so for all events of the line, that they were blocked, ignored or late answers.
func (s *scenario) observe(words []string, events []Event) {
	seen := make(map[string]int)
	fired := false
	for i := range events {
		ev := &events[i]
		s.ref++
		ev.Ref = s.ref
		res := s.engine.Observe(ev)
		switch {
		case res.Outcome == Fired:
			fired = true
			s.printed = append(s.printed, s.decide(res.Verdict))
		case res.Outcome == Blocked:
			seen["blocked by "+AddressText(res.Entry)]++
		case res.Outcome == Ignored && res.Session == SessionLate:
			seen["late answer"]++
		case res.Outcome == Ignored:
			seen["ignored"]++
		}
	}
	for what, n := range seen {
		if n == len(events) && !fired {
			s.printed = append(s.printed, fmt.Sprintf("%s %s %s", words[0], words[1], what))
		}
	}
}

// decide does with a verdict what the caller of an engine does, and says it.
func (s *scenario) decide(v *Verdict) string {
	if why := s.surge.Admit(v); why != "" {
		v.Hold = why
	}
	state, why := "", ""
	switch err := s.guard.Check(v.Source); {
	case v.Mode == Observe:
		state = " observed"
	case err != nil:
		state, why = " refused", "; "+err.Error()
	case v.Hold != "":
		state, why = " held", "; "+v.Hold
	case !s.refuse:
		s.engine.Block(v.Source)
	}
	return fmt.Sprintf("%s %s %s%s: %s [%s, %s, since %s, hits %d, records %s]%s",
		v.Time.Sub(scenarioStart), AddressText(v.Source), v.Rule, state, v.Reason, v.Grade, v.Device,
		v.FirstSeen.Sub(scenarioStart), v.Hits, refs(v.Evidence), why)
}

// refs writes ascending numbers with their ranges folded: "1-10 12".
func refs(list []uint64) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d", list[i])
		if j > i {
			fmt.Fprintf(&b, "-%d", list[j])
		}
		i = j + 1
	}
	return b.String()
}

package detect

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
			if want := strings.TrimSpace(sections["verdicts"]); got != want {
				t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
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

// scenario is one run of the engine over a file's events.
type scenario struct {
	engine  *Engine
	refuse  bool // the caller does not block what fired
	ref     uint64
	printed []string
}

// scenarioStart is the time 0s of every scenario.
var scenarioStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func runScenario(settings, events string) (string, error) {
	s := &scenario{}
	var conf Settings
	for _, words := range scenarioLines(settings) {
		if err := s.setting(&conf, words); err != nil {
			return "", fmt.Errorf("setting %q: %w", words, err)
		}
	}
	s.engine = New(conf)
	for _, words := range scenarioLines(events) {
		if err := s.line(words); err != nil {
			return "", fmt.Errorf("event %q: %w", words, err)
		}
	}
	return strings.Join(s.printed, "\n"), nil
}

func scenarioLines(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, words)
		}
	}
	return lines
}

func (s *scenario) setting(conf *Settings, words []string) (err error) {
	switch words[0] {
	case "port-scan":
		conf.PortScan.Ports, conf.PortScan.Window, err = threshold(words)
	case "host-sweep":
		conf.HostSweep.Hosts, conf.HostSweep.Window, err = threshold(words)
	case "vulnerability":
		conf.Vulnerability.Severity = map[string]Threshold{"critical": VulnerabilityCritical, "high": VulnerabilityHigh}[words[1]]
	case "max-sources":
		conf.MaxSources, err = strconv.Atoi(words[1])
	case "refused-only":
		conf.PortScan.RefusedOnly, conf.HostSweep.RefusedOnly = true, true
	case "guard-refuses":
		s.refuse = true
	default:
		err = fmt.Errorf("unknown")
	}
	return err
}

// threshold reads "port-scan 10 in 10m".
func threshold(words []string) (n int, window time.Duration, err error) {
	if len(words) != 4 || words[2] != "in" {
		return 0, 0, fmt.Errorf("want RULE NUMBER in DURATION")
	}
	if n, err = strconv.Atoi(words[1]); err == nil {
		window, err = time.ParseDuration(words[3])
	}
	return n, window, err
}

func (s *scenario) line(words []string) error {
	if words[0] == "block" || words[0] == "release" {
		p, err := netip.ParsePrefix(words[1])
		if err != nil {
			return err
		}
		if words[0] == "block" {
			s.engine.Block(p)
		} else {
			s.engine.Release(p)
		}
		return nil
	}
	if len(words) < 4 || words[2] != ">" {
		return fmt.Errorf("want TIME SOURCE > TARGET [WORD...]")
	}
	template := Event{Type: TypeTraffic, Subtype: "end", Action: "allow", Device: "fw1"}
	offset, err := time.ParseDuration(words[0])
	if err != nil {
		return err
	}
	template.Time = scenarioStart.Add(offset)
	if template.Src, err = netip.ParseAddr(words[1]); err != nil {
		return err
	}
	if err := describe(&template, words[4:]); err != nil {
		return err
	}
	events, err := expand(template, words[3])
	if err != nil {
		return err
	}
	s.observe(words, events)
	return nil
}

// describe reads the words after the target.
func describe(ev *Event, words []string) error {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "threat":
			ev.Type = TypeThreat
			ev.Subtype, ev.Severity, _ = strings.Cut(value, "/")
		case "name":
			ev.ThreatName = strings.ReplaceAll(value, "_", " ")
		case "id":
			ev.ThreatID = value
		case "s2c":
			ev.Direction = ServerToClient
		case "c2s":
			ev.Direction = ClientToServer
		case "deny":
			ev.Action = "deny"
		case "app":
			ev.Application = value
		case "subtype":
			ev.Subtype = value
		case "end":
			ev.EndReason = value
		case "back":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return err
			}
			ev.Traffic = Traffic{Counted: true, BytesReceived: n}
		case "device":
			ev.Device = value
		case "repeat":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return err
			}
			ev.Repeat = uint32(n)
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	return nil
}

// expand reads a target: "ADDR:PORT", "[ADDR]:PORT" or "-"; the last number of an
// IPv4 address and the port may be ranges such as 1-10.
func expand(template Event, target string) ([]Event, error) {
	if target == "-" {
		return []Event{template}, nil
	}
	colon := strings.LastIndex(target, ":")
	if colon < 0 {
		return nil, fmt.Errorf("target %q has no port", target)
	}
	hosts, ports := strings.Trim(target[:colon], "[]"), target[colon+1:]
	stem, last := "", hosts
	if dot := strings.LastIndex(hosts, "."); dot >= 0 && !strings.Contains(hosts, ":") {
		stem, last = hosts[:dot+1], hosts[dot+1:]
	}
	var events []Event
	for _, host := range span(last) {
		for _, port := range span(ports) {
			ev := template
			var err error
			if ev.Dst, err = netip.ParseAddr(stem + host); err != nil {
				return nil, err
			}
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			ev.DstPort = uint16(n)
			events = append(events, ev)
		}
	}
	return events, nil
}

// span writes out a range of numbers; anything else stands for itself.
func span(s string) []string {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return []string{s}
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil {
		return []string{s}
	}
	var list []string
	for ; a <= b; a++ {
		list = append(list, strconv.Itoa(a))
	}
	return list
}

// observe feeds the events of one line and prints what is worth telling: verdicts;
// or else, if that is so for all events of the line, that they were blocked or ignored.
func (s *scenario) observe(words []string, events []Event) {
	seen := make(map[string]int)
	fired := false
	for i := range events {
		ev := &events[i]
		s.ref++
		ev.Ref = s.ref
		res := s.engine.Observe(ev)
		switch res.Outcome {
		case Fired:
			fired = true
			v := res.Verdict
			s.printed = append(s.printed, fmt.Sprintf("%s %s %s: %s [%s, since %s, hits %d, records %s]",
				v.Time.Sub(scenarioStart), AddressText(v.Source), v.Rule, v.Reason, v.Device,
				v.FirstSeen.Sub(scenarioStart), v.Hits, refs(v.Evidence)))
			if !s.refuse {
				s.engine.Block(v.Source)
			}
		case Blocked:
			seen["blocked by "+AddressText(res.Entry)]++
		case Ignored:
			seen["ignored"]++
		}
	}
	for what, n := range seen {
		if n == len(events) && !fired {
			s.printed = append(s.printed, fmt.Sprintf("%s %s %s", words[0], words[1], what))
		}
	}
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

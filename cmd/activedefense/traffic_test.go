package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Generated traffic for the end-to-end tests, and a brute-force judge that shares no code with the
// product: it keeps every line and tries every window.

// A sample is one log line with what the judge needs of it. Lines are told apart by their RuleID.
type sample struct {
	at                     time.Time
	src, dst               string
	port                   int
	typ, subtype, severity string
	id                     int
}

func (s sample) line() []byte {
	threat := ""
	if s.typ == "THREAT" {
		threat = "Some; DstIP=192.0.2.1; DstPort=1; Threat" // a value that tries to forge fields
	}
	return fmt.Appendf(nil, "%s LAB-FW-01 SrcLocation=Netherlands; SrcIP=%s; SrcPort=%d; SrcUser=; DstLocation=Australia; DstIP=%s; DstPort=%d; "+
		"Action=drop; RuleName=Active Defense sensor; RuleID=line-%d; TimeReceived=%s; ThreatName=%s; ThreatID=%d; Severity=%s; Subtype=%s; Type=%s;\n",
		s.at.Format(time.RFC3339), s.src, 1024+s.id%60000, s.dst, s.port, s.id,
		s.at.Format("2006/01/02 15:04:05"), threat, 95187, s.severity, s.subtype, s.typ)
}

// The rules as the tests configure them: the defaults.
const (
	testPorts  = 10
	testHosts  = 10
	testWindow = 10 * time.Minute
)

// generate makes n lines, or some more, in order of time that end at end: scanners and sweepers on both sides of the
// thresholds, attackers of every severity, sources that may never be blocked, and much background.
func generate(n int, end time.Time, random *rand.Rand) []sample {
	const span = 2 * time.Hour // many windows
	begin := end.Add(-span).Truncate(time.Second)
	var all []sample
	add := func(offset time.Duration, s sample) {
		s.at = begin.Add(offset).Truncate(time.Second)
		if s.typ == "" {
			s.typ, s.subtype = "TRAFFIC", "drop"
		}
		all = append(all, s)
	}
	source := func(kind, i int) string { return fmt.Sprintf("203.0.%d.%d", 113+kind, i%250+1) }
	for i := range 60 {
		at := time.Duration(random.Int64N(int64(span - 2*testWindow)))
		step := time.Duration(random.Int64N(int64(70 * time.Second))) // 10 steps: some stay inside the window, some do not
		for k := range testPorts + 1 - i%2 {
			add(at+time.Duration(k)*step, sample{src: source(0, i), dst: "198.51.100.7", port: 1000 + k})
		}
		for k := range testHosts - i%2 {
			add(at+time.Duration(k)*step, sample{src: source(1, i), dst: fmt.Sprintf("198.51.100.%d", 20+k), port: 3389})
		}
		severity := []string{"critical", "Critical", "high", "medium", "informational"}[i%5]
		add(at, sample{src: source(2, i), dst: "198.51.100.9", port: 443, typ: "THREAT", subtype: "vulnerability", severity: severity})
		add(at, sample{src: source(3, i), dst: "198.51.100.9", port: 0, typ: "THREAT", subtype: "flood", severity: "critical"})
		for k := range testPorts + 5 {
			add(at+time.Duration(k)*time.Second, sample{src: fmt.Sprintf("10.0.0.%d", i+1), dst: "198.51.100.7", port: 1000 + k})
			add(at+time.Duration(k)*time.Second, sample{src: source(4, i), dst: "198.51.100.7", port: 443}) // busy, one port
		}
	}
	for len(all) < n {
		add(time.Duration(random.Int64N(int64(span))), sample{
			src: fmt.Sprintf("198.18.%d.%d", random.IntN(250), random.IntN(250)), dst: fmt.Sprintf("198.51.100.%d", random.IntN(250)), port: random.IntN(65536),
		})
	}
	slices.SortStableFunc(all, func(a, b sample) int { return a.at.Compare(b.at) })
	for i := range all {
		all[i].id = i
	}
	return all
}

// text is the lines as they stand in a file.
func text(samples []sample) []byte {
	var b bytes.Buffer
	for _, s := range samples {
		b.Write(s.line())
	}
	return b.Bytes()
}

// judge says by brute force which sources the rules block.
func judge(samples []sample) []string {
	type key struct {
		src, what string
		port      int
	}
	scans, sweeps := map[key][]sample{}, map[key][]sample{}
	blocked := map[string]bool{}
	for _, s := range samples {
		if len(s.src) > 3 && s.src[:3] == "10." {
			continue
		}
		if s.typ == "THREAT" {
			if s.subtype == "vulnerability" && (s.severity == "critical" || s.severity == "Critical") {
				blocked[s.src] = true
			}
			if s.subtype == "flood" {
				continue
			}
		}
		if s.port != 0 {
			k := key{src: s.src, what: s.dst}
			scans[k] = append(scans[k], s)
		}
		k := key{src: s.src, port: s.port}
		sweeps[k] = append(sweeps[k], s)
	}
	for k, list := range scans {
		if most(list, func(s sample) string { return fmt.Sprint(s.port) }) > testPorts {
			blocked[k.src] = true
		}
	}
	for k, list := range sweeps {
		if most(list, func(s sample) string { return s.dst }) >= testHosts {
			blocked[k.src] = true
		}
	}
	out := make([]string, 0, len(blocked))
	for src := range blocked {
		out = append(out, src)
	}
	slices.Sort(out)
	return out
}

// most is the largest number of distinct values in any window.
func most(list []sample, value func(sample) string) int {
	best := 0
	for _, first := range list {
		seen := map[string]bool{}
		for _, s := range list {
			if d := s.at.Sub(first.at); d >= 0 && d < testWindow {
				seen[value(s)] = true
			}
		}
		best = max(best, len(seen))
	}
	return best
}

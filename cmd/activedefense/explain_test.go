package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// Of several lines on standard input the first is explained, and it is said that there were others.
func TestExplainReadsTheFirstLineAndSaysSo(t *testing.T) {
	line := kvLine("203.0.113.1", "deny", "drop", "TRAFFIC")
	for stdin, others := range map[string]bool{line: false, "\x00\x00" + line: false, "\n" + line + "\r\n\n": false, line + "\n" + kvLine("203.0.113.2", "deny", "drop", "TRAFFIC") + "\n": true} {
		var said strings.Builder
		got, err := (&explainCommand{app: &app{stdin: strings.NewReader(stdin), stderr: &said}}).oneLine(nil)
		if err != nil || got != line || strings.Contains(said.String(), "this is the first") != others {
			t.Errorf("%q: %q, %v, says %q", stdin, got, err, said.String())
		}
	}
}

// What came while its source was blocked counted for nothing, whatever the rules say of the line.
func TestExplainSaysThatTheSourceWasBlocked(t *testing.T) {
	a := faulted(t, "")
	at := func(when time.Time, src string) string {
		return string(sample{at: when.UTC(), src: src, dst: "198.51.100.7", port: 443, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	const says = "As it came, it counted for no rule: 203.0.113.1 was blocked from "
	for line, blocked := range map[string]bool{at(time.Now(), "203.0.113.1"): true, at(time.Now().Add(-48*time.Hour), "203.0.113.1"): false, at(time.Now(), "203.0.113.2"): false, at(time.Now(), "192.0.2.8"): false} {
		if out, said, status := a.whole(t, "explain", line); status != 0 || strings.Contains(out, says) != blocked || !strings.Contains(out, "yes") {
			t.Errorf("%s: exit status %d, %s%s", line, status, out, said)
		}
		if out, _, _ := a.whole(t, "--json", "explain", line); strings.Contains(out, `"blocked":"203.0.113.1 was`) != blocked {
			t.Errorf("%s: %s", line, out)
		}
	}
	a.blacklist(t, false, "remove", "203.0.113.1")
	if out, _, _ := a.whole(t, "explain", at(time.Now().Add(-time.Minute), "203.0.113.1")); !strings.Contains(out, says) {
		t.Errorf("released meanwhile: %s", out)
	}
}

// The lines that detect/README.md gives as samples are read, each in its format.
func TestTheSampleLinesOfTheReadmeAreRead(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "detect", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(readme)) {
		if !strings.Contains(line, "TRAFFIC") || !strings.HasPrefix(line, "Nov ") {
			continue
		}
		var ev detect.Event
		if err := panos.New(panos.Options{Format: panos.Auto, Location: time.UTC}).Parse([]byte(line), whyNotTime, &ev); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		ev.Judge()
		got = append(got, strings.Join([]string{ev.Device, ev.Src.String(), ev.Session.String(), ev.Application, ev.EndReason}, " "))
	}
	want := append([]string{"lab-fw-01 203.0.113.66 refused  "}, slices.Repeat([]string{"lab-fw-01 203.0.113.66 refused not-applicable policy-deny"}, 4)...)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

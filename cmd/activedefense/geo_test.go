package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// countryLine is a refused connection, of whose ends the log says that they are in these countries.
func countryLine(source, country string) string {
	return fmt.Sprintf("%s lab-fw-01 SrcLocation=%s; SrcIP=%s; SrcPort=40000; SrcUser=; DstLocation=Australia; DstIP=198.51.100.7; DstPort=22; Action=deny; RuleName=last; RuleID=; "+
		"TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;\n", time.Now().UTC().Format(time.Stamp), country, source, time.Now().UTC().Format("2006/01/02 15:04:05"))
}

// The country of a source is the log's, and else that of geo.file: in the records, in explain, and in a replay. A broken file is a trouble and a
// warning of check, and nothing else.
func TestCountriesThatTheLogDoesNotGive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "country.mmdb")
	w := newWorld(t, "sqlite", "geo: {file: "+file+"}")
	sample, err := os.ReadFile("../../agent/geo/testdata/country.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	w.write(file, sample)
	w.append([]byte(countryLine("203.0.113.66", "") + countryLine("203.0.113.67", "Unknown") + countryLine("203.0.113.68", "Germany") + countryLine("8.8.8.8", "Unknown")))
	d := w.start()
	w.until("the lines are stored", func() bool { s := w.status(); return s != nil && s.Stored == 4 })
	want := map[string]string{"203.0.113.66": "Netherlands", "203.0.113.67": "Netherlands", "203.0.113.68": "Germany", "8.8.8.8": "Unknown"}
	for _, r := range jsonLines[struct {
		Src     string
		Country string `json:"src_country"`
	}](w, "records") {
		if r.Country != want[r.Src] {
			t.Errorf("%s is in %q", r.Src, r.Country)
		}
		delete(want, r.Src)
	}
	if len(want) > 0 {
		t.Errorf("no record of %v", want)
	}
	if text, stderr, code := w.run("explain", strings.TrimSpace(countryLine("203.0.113.66", ""))); code != 0 || !strings.Contains(text, "Netherlands") {
		t.Errorf("explain: %s%s", text, stderr)
	}
	var scan strings.Builder
	for port := range 20 {
		scan.WriteString(strings.Replace(countryLine("203.0.113.66", ""), "DstPort=22", fmt.Sprint("DstPort=", 100+port), 1))
	}
	w.write(filepath.Join(w.dir, "old.log"), []byte(scan.String()))
	if text, stderr, code := w.run("replay", "--summary", filepath.Join(w.dir, "old.log")); code != 0 || !strings.Contains(text, "Netherlands") {
		t.Errorf("replay: %s%s", text, stderr)
	}
	if _, stderr, code := w.run("check"); code != 0 || strings.Contains(stderr, "geo") {
		t.Errorf("check: %s", stderr)
	}
	d.stop()

	w.write(file, sample[:100])
	if stdout, stderr, code := w.run("check"); code != 0 || !strings.Contains(stdout+stderr, "geo.file: warning: "+file+" cannot be used") {
		t.Errorf("check: exit status %d, %s%s", code, stdout, stderr)
	}
	w.start()
	w.append([]byte(countryLine("203.0.113.69", "")))
	w.until("it is read on, and told", func() bool {
		s := w.status()
		return s != nil && s.Stored == 1 && len(s.Troubles) > 0 && strings.HasPrefix(s.Troubles[len(s.Troubles)-1].What, "geo.file: ")
	})
}

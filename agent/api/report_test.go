package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"activedefense/agent/report"
	"activedefense/store"
)

// The report is made of what the store has, in each format, and what is asked for wrongly is said.
func TestReport(t *testing.T) {
	s := newStage(t, nil)
	s.block("203.0.113.1/32", store.Blocked)
	s.block("203.0.113.2/32", store.Held)
	if err := s.store.NoteStates(t.Context(), time.Now().Add(-time.Minute), time.Hour, []store.FirewallState{{Firewall: "LAB-FW-01", State: "up"}}); err != nil {
		t.Fatal(err)
	}
	r := s.over("GET", Prefix+"report", "")
	var got report.Report
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Blocks != 1 || got.Held != 1 || len(got.Days) < 30 || len(got.Rules) != 1 || got.Rules[0] != (report.Count{Name: "port-scan", Blocks: 1}) ||
		len(got.Availability) != 1 || got.Availability[0].Unknown < 29*24*3600 || time.Since(got.From).Round(time.Hour) != 30*24*time.Hour {
		t.Errorf("%v: %s", err, r.body)
	}
	for format, want := range map[string]string{"text": "port-scan", "csv": "rule,port-scan,blocks,1", "html": "<td>port-scan</td>"} {
		r := s.over("GET", Prefix+"report?since=7d&format="+format, "")
		if r.status != http.StatusOK || !strings.Contains(r.body, want) || r.header.Get("Content-Type") != reportTypes[format] || !strings.Contains(r.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v %s", format, r.status, r.header, r.body)
		}
		if _, err := html.Parse(strings.NewReader(r.body)); err != nil {
			t.Error(err)
		}
	}
	for query, want := range map[string]string{"format=pdf": "the formats are json, text, csv, html", "since=x": `since \"x\": use a duration`, "since=2999-01-01": "of the past", "since=1990-01-01": "ten years", "until=1h": "no parameter"} {
		if r := s.over("GET", Prefix+"report?"+query, ""); r.status != http.StatusBadRequest || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}

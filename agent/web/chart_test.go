package web

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
)

var update = flag.Bool("update", false, "write the pictures that the tests compare with")

// activeMonth is a month of which the first ten days are unknown, with a storm.
func activeMonth() *api.Activity {
	first := time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)
	a := &api.Activity{}
	for i := range 720 {
		h := api.ActiveHour{From: first.Add(time.Duration(i) * time.Hour), Blocks: i * 7 % 13}
		if i > 240 && i != 700 {
			h.Lines, h.Seconds = uint64(i%24)*3600*50, 3600
		}
		if i == 710 {
			h.Blocks = 1234
		}
		a.Hours = append(a.Hours, h)
	}
	return a
}

// The pictures are as they were looked at; with -update they are written anew.
func TestTheChartsAreAsDrawn(t *testing.T) {
	for _, c := range append(charts(activeMonth(), time.FixedZone("CET", 3600)), &chart{ID: "chart-none", Title: `<none> & "nothing"`, What: "blocks"}) {
		got := string(c.SVG())
		path := filepath.Join("testdata", c.ID+".svg")
		if *update {
			if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got+"\n" != string(want) {
			t.Errorf("%s is not as in %s, %v:\n%s", c.ID, path, err, got)
		}
		decoder := xml.NewDecoder(strings.NewReader(got))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", c.ID, err)
			}
		}
	}
}

// A day is one of the zone, whatever its length; what is not known stays so, and an hour that was half looked at counts by its half.
func TestChartsAddUp(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(2026, 10, 23, 22, 0, 0, 0, time.UTC) // midnight; the clock goes back on the 25th
	a := &api.Activity{}
	for i := range 24 + 25 + 2 {
		a.Hours = append(a.Hours, api.ActiveHour{From: first.Add(time.Duration(i) * time.Hour), Blocks: 1})
	}
	a.Hours[30].Lines, a.Hours[30].Seconds = 3600, 1800
	month := charts(a, berlin)[2:]
	var blocks, lines []float64
	for i := range month[0].Points {
		blocks = append(blocks, month[0].Points[i].Value)
		if p := month[1].Points[i]; p.Known {
			lines = append(lines, p.Value)
		}
	}
	if !reflect.DeepEqual(blocks, []float64{24, 25, 2}) || !reflect.DeepEqual(lines, []float64{2}) {
		t.Errorf("blocks %v, lines %v", blocks, lines)
	}
	if got, want := month[1].Describe(), "At most 2 lines a second, in the day from 2026-10-25; 2 on average; nothing is known of 2 days."; got != want {
		t.Errorf("it is described as %q, want %q", got, want)
	}
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 3: 5, 7: 10, 10: 10, 1234: 2000, 99999: 100000} {
		if got := nice(v); got != want {
			t.Errorf("nice(%v) = %v, want %v", v, got, want)
		}
	}
}

// A month has 30 days in its table too, whenever the first of its hours was.
func TestAMonthHas30Days(t *testing.T) {
	for _, c := range charts(activeMonth(), time.UTC)[2:] {
		if len(c.Points) != 30 || c.Points[29].From.Day() != 1 {
			t.Errorf("%s has %d days, the last from %v", c.Title, len(c.Points), c.Points[len(c.Points)-1].From)
		}
	}
}

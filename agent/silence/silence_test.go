package silence

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func ago(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }

// Which files of an input are silent, and whether it is as a whole, and since when.
func TestSilence(t *testing.T) {
	in := Input{Pattern: "/l/*.log", After: 15 * time.Minute, Since: ago(600)}
	with := func(change func(*Input)) Input {
		other := in
		change(&other)
		return other
	}
	for _, c := range []struct {
		name  string
		in    Input
		files []File
		want  string
	}{
		{"all is well", in, []File{{Path: "/l/a.log", Last: ago(0)}, {Path: "/l/b.log", Last: ago(14)}}, "last 0 of 2"},
		{"one of two", in, []File{{Path: "/l/a.log", Last: ago(0)}, {Path: "/l/b.log", Last: ago(15)}}, "last 0 of 2; /l/b.log 15"},
		{"all, the longest first", in, []File{{Path: "/l/a.log", Last: ago(20)}, {Path: "/l/b.log", Last: ago(30)}}, "last 20 of 2; /l/b.log 30; /l/a.log 20; whole 20"},
		{"one cannot be read", in, []File{{Path: "/l/a.log", Last: ago(20)}, {Path: "/l/b.log", Last: ago(30), Blind: true}}, "last 20 of 2; /l/a.log 20"},
		{"not known yet", in, []File{{Path: "/l/a.log"}}, "last never of 1"},
		{"never there", in, []File{{Path: "/l/a.log", Missing: true}}, "last never of 1; whole 600"},
		{"gone", in, []File{{Path: "/l/a.log", Missing: true, Last: ago(20)}}, "last 20 of 1; /l/a.log 20; whole 20"},
		{"never", with(func(in *Input) { in.After = 0 }), []File{{Path: "/l/a.log", Last: ago(20)}}, "last 20 of 1"},
		{"no file ever", in, nil, "last never of 0; whole 600"},
		{"no file yet", with(func(in *Input) { in.Since = ago(14) }), nil, "last never of 0"},
		{"no file any more", with(func(in *Input) { in.Heard = ago(60) }), nil, "last 60 of 0; whole 60"},
		{"heard by an earlier run", with(func(in *Input) { in.Heard = ago(5) }), nil, "last 5 of 0"},
		{"a new name each day", in, []File{{Path: "/l/a-2026-11-28.log", Last: ago(720)}, {Path: "/l/a-2026-11-29.log", Last: ago(1)}}, "last 1 of 1"},
		{"a new name each day, silent", in, []File{{Path: "/l/a-2026-11-28.log", Last: ago(720)}, {Path: "/l/a-2026-11-29.log", Last: ago(16)}}, "last 16 of 1; /l/a-2026-11-29.log 16; whole 16"},
	} {
		for i := range c.files {
			c.files[i].Series = Series(c.files[i].Path)
		}
		s := Of(c.in, c.files, noon)
		at := func(when time.Time) string {
			if when.IsZero() {
				return "never"
			}
			return fmt.Sprint(int(noon.Sub(when).Minutes()))
		}
		got := fmt.Sprintf("last %s of %d", at(s.Last), s.Files)
		for _, q := range s.Silent {
			got += fmt.Sprintf("; %s %s", q.Path, at(q.Since))
		}
		if !s.Since.IsZero() {
			got += "; whole " + at(s.Since)
		}
		if got != c.want || s.Pattern != in.Pattern {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Files that a rotation makes are one series; those of different firewalls never are.
func TestSeries(t *testing.T) {
	for path, want := range map[string]string{
		"/l/fw1.log": "/l/fw1.log", "/l/fw2.log": "/l/fw2.log", "/l/192.0.2.10.log": "/l/192.0.2.10.log", "/l/192.0.2.10": "/l/192.0.2.10", "/l/198.51.100.20": "/l/198.51.100.20",
		"/l/10.20.26.11": "/l/10.20.26.11", "/l/fw1-20261129.log": "/l/fw1.log", "/l/fw1.log-20261129.gz": "/l/fw1.log", "/l/fw1.log.1": "/l/fw1.log", "/l/fw1.log.12.xz": "/l/fw1.log",
		"/l/fw1_2026-11-29_13.log": "/l/fw1.log", "/l/fw1.2026.11.29.log": "/l/fw1.log", "/l/2026-11-29/fw1.log": "/l//fw1.log", "/l/0120261129.log": "/l/0120261129.log", "/l/fw-2026.log": "/l/fw-2026.log",
	} {
		if got := Series(path); got != want {
			t.Errorf("%s is of %s, want %s", path, got, want)
		}
	}
}

// A firewall in maintenance does not log, and that is expected of its file alone.
func TestSilenceThatIsExpectedIsSpared(t *testing.T) {
	expected := func(name string) bool { return name == "192.0.2.1" }
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"/l/192.0.2.1.log"}, "0 silent, 1 spared, whole false"},
		{[]string{"/l/192.0.2.1-2026-11-29.log", "/l/192.0.2.2.log"}, "1 silent, 1 spared, whole true"},
		{[]string{"/l/192.0.2.10.log"}, "1 silent, 0 spared, whole true"},
		{nil, "0 silent, 0 spared, whole true"},
	} {
		all := []Status{{Since: ago(20)}}
		for _, path := range c.files {
			all[0].Silent = append(all[0].Silent, Quiet{path, ago(20)})
		}
		Spare(all, expected)
		if got := fmt.Sprintf("%d silent, %d spared, whole %v", len(all[0].Silent), all[0].Spared, !all[0].Since.IsZero()); got != c.want {
			t.Errorf("%v: %s, want %s", c.files, got, c.want)
		}
	}
}

package main

import (
	"cmp"
	"fmt"
	"math"
)

// from is a limit that is for so many lines or more.
func (b *bench) from(lines int, l limit) limit {
	if b.lines < lines {
		l.lines = lines
	}
	return l
}

// rows holds what was measured against the limits of the project's plan (issue 14).
func (b *bench) rows() []row {
	m := func(name string) float64 { return median(b.samples[name]) }
	of := func(a, b []float64) float64 { return median(ratios(a, b)) }
	n := number(float64(b.lines))
	slowest, by := b.slowest("by ", rareFields)
	counting, countedBy := b.slowest("count by ", commonFields)
	s, loaded := b.samples, "loaded"
	if b.reasons[loaded] == "" {
		loaded = "tag" // whatever ended it before
	}
	room := b.from(10_000_000, atMost(15))
	room.falls = true
	rows := []row{
		{"replay", []figure{{m("replay"), "lines/s", atLeast(3e6)}}, "the goal; all lines, start of the program included"},
		{"parsing alone, all cores", []figure{{m("parse"), "lines/s", limit{}}}, "the same file, nothing else done with a line"},
		{"replay, of that", []figure{{of(s["replay"], s["parse"]), "times", limit{}}}, ""},
		{"run catching up, all kept", []figure{{m("run"), "lines/s", atLeast(800_000)}, {of(s["run"], s["replay"]), "of replay", atLeast(0.35)}}, "from the file being there to the last commit"},
		{"run, beside the bare SQLite driver", []figure{{of(s["run"], s["bare SQLite"]), "times", atLeast(8)}}, fmt.Sprintf("a prepared INSERT of a tenth of the lines: %s rows/s", number(m("bare SQLite")))},
		{"a record's processor time, of all lines", []figure{{of(s["run cpu"], s["few cpu"]), "times that of a tenth of them", b.from(10_000_000, atMost(1.1))}}, fmt.Sprintf("%s and %s µs", number(1e6*m("run cpu")), number(1e6*m("few cpu")))},
		{"room on the disk", []figure{{m("bytes"), "bytes a record", room}}, b.because("kept", fmt.Sprintf("all of state_dir %s after a start", b.idle))},
		{"search by source, warm", []figure{{m("by src"), "ms", b.from(50_000_000, atMost(50))}}, b.because("kept", "over HTTP, of "+n+" records")},
		{"search by another field, rare value, warm", []figure{{slowest, "ms", b.from(50_000_000, atMost(500))}}, b.because("kept", fmt.Sprintf("the slowest of %d: %s", len(rareFields), by))},
		{"count of a common value", []figure{{counting, "s", b.from(50_000_000, atMost(1))}}, b.because("kept", fmt.Sprintf("the slowest of %d: %s", len(commonFields), countedBy))},
		{"memory, catching up and searching at once", []figure{{m("memory"), "MiB", b.from(50_000_000, atMost(256))}}, b.because("both", "peak, of "+n+" lines")},
		{"start: list served", []figure{{m("list"), "s", b.from(1_000_000, atMost(0.3))}}, b.because("kept", b.inWindow()+" records in the window")},
		{"start: reading", []figure{{m("reading"), "s", b.from(1_000_000, atMost(0.5))}}, b.because("kept", "as readyz says")},
		{"line to tag, nothing else, median", []figure{{m("idle"), "ms", limit{}}}, b.because("tag", fmt.Sprintf("95 %% %s, 99 %% %s ms; a simulated firewall", number(share(s["idle"], 0.95)), number(share(s["idle"], 0.99))))},
		{"line to tag, loaded, median", []figure{{m("loaded"), "ms", atMost(10)}}, b.because(loaded, number(m("load"))+" other lines/s")},
		{"line to tag, loaded, 99 %", []figure{{share(s["loaded"], 0.99), "ms", atMost(30)}}, b.because(loaded, "95 % "+number(share(s["loaded"], 0.95))+" ms")},
		{"line to tag, loaded, of nothing else", []figure{{m("loaded") / m("idle"), "times", atMost(2)}}, b.because(loaded, "medians")},
		{"PostgreSQL, rows, beside bare COPY", []figure{{of(s["postgres"], s["bare COPY"]), "times", atLeast(0.9)}}, b.because("postgres", number(m("postgres"))+" lines/s; COPY of the same rows: "+number(m("bare COPY"))+" rows/s")},
		{"PostgreSQL, blocks, beside rows", []figure{{of(s["postgres blocks"], s["postgres"]), "times", limit{}}}, b.because("postgres", number(m("postgres blocks"))+" lines/s")},
		{"replay, beside mawk counting ports", []figure{{m("times mawk"), "times", limit{}}}, b.because("mawk", "the same file")},
		{"patterns, beside fail2ban-regex", []figure{{m("times fail2ban"), "times", limit{}}}, b.because("fail2ban-regex", "replay of a log of sshd with our patterns; it: "+number(m("fail2ban"))+" lines/s")},
		{"run, beside VictoriaLogs", []figure{{of(s["beside victoria"], s["victoria"]), "times", atLeast(3)}}, b.because("victoria-logs", "it, of records as JSON and without parsing: "+number(m("victoria"))+" lines/s")},
		{"room on the disk, of VictoriaLogs'", []figure{{m("bytes") / m("victoria bytes"), "times", atMost(1.2)}}, b.because("victoria-logs", "it: "+number(m("victoria bytes"))+" bytes, when it has ended")},
		{"search by a rare value, of VictoriaLogs'", []figure{{slowest / m("victoria search"), "times", atMost(1)}}, b.because("victoria-logs", "of either the slowest field; it: "+number(m("victoria search"))+" ms")},
	}
	for _, other := range []string{"syslog-ng", "crowdsec", "DuckDB"} {
		rows = append(rows, row{what: "beside " + other, note: "this program does not know how"})
	}
	return rows
}

// slowest gives the median of what took longest by one of the fields, and which; not a number where none was measured.
func (b *bench) slowest(what string, fields []field) (took float64, by string) {
	took = math.NaN()
	for _, f := range fields {
		if m := median(b.samples[what+f.name]); !math.IsNaN(m) && !(m <= took) {
			took, by = m, f.name
		}
	}
	return took, by
}

// because gives why something was not measured, or how it was.
func (b *bench) because(what, how string) string { return cmp.Or(b.reasons[what], how) }

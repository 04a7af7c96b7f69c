package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/filter"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/logs"
)

// Options says what an archive needs of its firewall.
type Options struct {
	Now    func() time.Time
	Device logs.Device
	System *logs.System // the system log, which is written elsewhere
}

// entry is one entry of a log; its fields are written when somebody reads them.
type entry struct {
	at     time.Time
	fields func() []answer.Field
}

// Archive holds the last entries of each log.
type Archive struct {
	o       Options
	kept    map[string][]entry // by log-type; oldest first
	written int                // configuration entries so far
	jobs    map[int]string     // what a job found, by its number
	last    int                // number of the newest job
}

// Bounds: of entries kept of each log, and of jobs whose answers are kept. The oldest go first.
const (
	maxKept = 1000
	maxJobs = 100
)

// New makes an empty one.
func New(o Options) *Archive {
	return &Archive{o: o, kept: map[string][]entry{}, jobs: map[int]string{}}
}

func (a *Archive) keep(log string, e entry) {
	list := a.kept[log]
	if len(list) == maxKept {
		list = slices.Delete(list, 0, 1)
	}
	a.kept[log] = append(list, e)
}

// Keep takes in an entry of a session or of a login.
func (a *Archive) Keep(r *logs.Record) {
	if r.Log != logs.SystemLog { // that log is kept by Options.System
		a.keep(strings.ToLower(r.Log), entry{r.Time, func() []answer.Field { return common(r.Fields()) }})
	}
}

// Edited notes what an administrator did to the configuration: cmd is set, edit, delete, commit and the like; path is that of
// the command line, and full an xpath, both empty for a commit. The fields and their order are recorded (PAN-OS 10.0).
func (a *Archive) Edited(admin, cmd, path, full string) {
	a.written++
	now, seq := a.o.Now(), a.written
	a.keep("config", entry{now, func() []answer.Field {
		stamp := now.Format(dialect.LocalTime)
		return common([]answer.Field{
			{Name: "receive_time", Value: stamp}, {Name: "serial", Value: a.o.Device.Serial}, {Name: "seqno", Value: strconv.Itoa(seq)},
			{Name: "actionflags", Value: "0x0"}, {Name: "is-logging-service", Value: "no"}, {Name: "type", Value: "CONFIG"},
			{Name: "subtype", Value: "0"}, {Name: "config_ver", Value: "0"}, {Name: "time_generated", Value: stamp},
			{Name: "dg_hier_level_1", Value: "0"}, {Name: "dg_hier_level_2", Value: "0"}, {Name: "dg_hier_level_3", Value: "0"},
			{Name: "dg_hier_level_4", Value: "0"}, {Name: "device_name", Value: a.o.Device.Hostname}, {Name: "vsys_id", Value: "0"},
			{Name: "host", Value: "192.0.2.10"}, {Name: "cmd", Value: cmd}, {Name: "admin", Value: admin}, {Name: "client", Value: "Web"},
			{Name: "result", Value: "Succeeded"}, {Name: "path", Value: path}, {Name: "dg_id", Value: "0"}, {Name: "full-path", Value: full},
		})
	}})
}

// common puts in front what every entry begins with.
func common(fields []answer.Field) []answer.Field {
	return append([]answer.Field{{Name: "domain", Value: "1"}}, fields...)
}

// entries gives those of a log, oldest first; false: the simulator keeps no such log.
func (a *Archive) entries(log string) ([]entry, bool) {
	switch log {
	case "config", "traffic", "threat", "globalprotect":
		return a.kept[log], true
	case "system":
		var out []entry
		for i, line := range a.o.System.Lines() {
			out = append(out, entry{line.Time, func() []answer.Field {
				stamp := line.Time.Format(dialect.LocalTime)
				return common([]answer.Field{
					{Name: "receive_time", Value: stamp}, {Name: "serial", Value: a.o.Device.Serial}, {Name: "seqno", Value: strconv.Itoa(i + 1)},
					{Name: "actionflags", Value: "0x0"}, {Name: "type", Value: "SYSTEM"}, {Name: "subtype", Value: line.Subtype},
					{Name: "config_ver", Value: "0"}, {Name: "time_generated", Value: stamp}, {Name: "device_name", Value: a.o.Device.Hostname},
					{Name: "eventid", Value: line.Subtype}, {Name: "module", Value: "general"}, {Name: "severity", Value: line.Severity},
					{Name: "opaque", Value: line.Text},
				})
			}})
		}
		return out, true
	}
	return nil, false
}

// other names of fields in queries.
var aliases = map[string]string{
	"addr.src": "src", "addr.dst": "dst", "port.src": "sport", "port.dst": "dport", "zone.src": "from", "zone.dst": "to", "user.src": "srcuser",
}

// parseQuery reads a query: conditions as "(cmd eq delete)" joined by and, or and not. "" lets everything through. Operators are
// eq, neq, contains, geq and leq (of times and severities), in and notin (of addresses).
func parseQuery(text string) (filter.Filter[entry], error) {
	if strings.TrimSpace(text) == "" {
		return func(entry) bool { return true }, nil
	}
	return filter.Parse(text, func(tokens []filter.Token) (filter.Filter[entry], int, error) {
		if len(tokens) < 3 {
			return nil, 0, fmt.Errorf("ends where a condition is expected")
		}
		name, operator, want := tokens[0].Text, tokens[1].Text, tokens[2].Text
		holds, known := operators[operator]
		if !known {
			return nil, 3, fmt.Errorf("operator %q is not known", operator)
		}
		if alias := aliases[name]; alias != "" {
			name = alias
		}
		return func(e entry) bool { return holds(e.value(name), want) }, 3, nil
	}, "not", "!")
}

var operators = map[string]func(value, want string) bool{
	"eq":       func(value, want string) bool { return value == want },
	"neq":      func(value, want string) bool { return value != want },
	"contains": strings.Contains,
	"geq":      func(value, want string) bool { return rank(value) >= rank(want) },
	"leq":      func(value, want string) bool { return rank(value) <= rank(want) },
	"in":       within,
	"notin":    func(value, want string) bool { return !within(value, want) },
}

// rank makes severities comparable; times are, as they are written.
func rank(text string) string {
	if i := slices.Index([]string{"informational", "low", "medium", "high", "critical"}, text); i >= 0 {
		return strconv.Itoa(i)
	}
	return text
}

func within(value, want string) bool {
	network, ok := iprange.Parse(want)
	address, err := iprange.ParseHost(value)
	return ok && err == nil && network.Contains(iprange.Single(address))
}

func (e entry) value(name string) string {
	for _, f := range e.fields() {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

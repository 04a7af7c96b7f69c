package archive

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

//go:embed reports.txt
var reportsText string

// report is what is summed up: a line of reports.txt, or an element of a custom report.
type report struct {
	kind, name, title, database string
	by                          []string // columns
	start, end                  time.Time
	top                         int
	query                       string
}

// named holds the reports of reports.txt, by kind and name.
var named = parseReports(reportsText)

func parseReports(text string) map[[2]string]report {
	out := map[[2]string]report{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Split(lines.Text(), "|")
		if len(fields) != 5 {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		r := report{kind: fields[0], name: fields[1], title: fields[2], database: fields[3], by: fields[4:]}
		out[[2]string{r.kind, r.name}] = r
	}
	return out
}

// custom is the name under which a report is asked for whose description comes with the call.
const custom = "custom-dynamic-report"

// defaultTop is how many rows a report has that does not say.
const defaultTop = 10

// periods are the spans of time that have a name; the end is part of them.
var periods = map[string]time.Duration{
	"last-60-seconds": time.Minute, "last-15-minutes": 15 * time.Minute, "last-hour": time.Hour, "last-6-hrs": 6 * time.Hour,
	"last-12-hrs": 12 * time.Hour, "last-24-hrs": 24 * time.Hour, "last-7-days": 7 * 24 * time.Hour, "last-30-days": 30 * 24 * time.Hour,
}

// Report answers type=report. reports are the custom ones of the configuration, for the reporttype of that name. A predefined report
// is an answer at once, another one a job (PAN-OS 7.1 and later).
func (a *Archive) Report(form url.Values, reports *xmltree.Element) answer.Answer {
	if action := form.Get("action"); action != "" {
		return a.job(action, form.Get("job-id"))
	}
	kind, name := form.Get("reporttype"), form.Get("reportname")
	if kind == "" || name == "" {
		return answer.BadRequest(`Missing value for parameter "reporttype" or "reportname".`)
	}
	r, known := named[[2]string{kind, name}]
	fault := ""
	switch {
	case known:
		fault = r.window(form.Get("period"), form.Get("start-time"), form.Get("end-time"), a.o.Now())
		r.query = form.Get("query")
		if text := form.Get("topn"); text != "" && fault == "" {
			r.top, fault = top(text)
		}
	case kind == "dynamic" && name == custom:
		spec, err := xmltree.Parse("<report>" + form.Get("cmd") + "</report>")
		if err != nil {
			return answer.Failure(18, "Malformed command")
		}
		r, fault = parseCustom(spec, a.o.Now())
	case kind == "custom" && reports.Entry(name) != nil:
		r, fault = parseCustom(reports.Entry(name), a.o.Now())
		r.title = name
	case kind != "dynamic" && kind != "predefined" && kind != "custom":
		return answer.BadRequest(`Illegal value for parameter "reporttype".`)
	default:
		fault = "No such report " + name
	}
	if fault != "" {
		return answer.Failure(17, fault)
	}
	r.kind, r.name = kind, name
	rows, err := a.rows(r)
	if err != nil {
		return answer.Failure(17, "query is invalid: "+err.Error())
	}
	if kind == "predefined" {
		return answer.XML(http.StatusOK, fmt.Sprintf(`<report reportname="%s" logtype="%s"><result %s>%s</result></report>`,
			answer.Escape(name), r.database, r.attributes(a.o.Now()), rows))
	}
	return a.enqueue("Report job", fmt.Sprintf(`<report reportname="%s" logtype="%s" %s>%s</report>`, answer.Escape(name), r.database, r.attributes(a.o.Now()), rows))
}

// top reads how many rows are wanted.
func top(text string) (n int, fault string) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 500 {
		return 0, "topn '" + text + "' is invalid"
	}
	return n, ""
}

// window sets the time that the report is about, and says what is wrong with it. Without any the last hour is meant.
func (r *report) window(period, start, end string, now time.Time) (fault string) {
	now = now.Truncate(time.Second)
	if r.kind == "predefined" {
		r.end = time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).Add(-time.Second)
		r.start = r.end.Add(time.Second).AddDate(0, 0, -1)
		return ""
	}
	if start != "" || end != "" {
		var err, also error
		r.start, err = time.ParseInLocation(dialect.LocalTime, start, now.Location())
		r.end, also = time.ParseInLocation(dialect.LocalTime, end, now.Location())
		if err != nil || also != nil {
			return "start-time or end-time is invalid"
		}
		return ""
	}
	span, known := periods[cmp.Or(period, "last-hour")]
	if !known {
		return "period '" + period + "' is not an allowed keyword"
	}
	r.end, r.start = now, now.Add(time.Second-span)
	return ""
}

// parseCustom reads the description of a report. One without a time is of 1970 and empty, whatever else the call says (measured).
func parseCustom(spec *xmltree.Element, now time.Time) (r report, fault string) {
	kind := spec.Child("type")
	if kind == nil || len(kind.Children) != 1 {
		return r, "type is invalid"
	}
	r = report{title: "Custom Dynamic Report", database: kind.Children[0].Name, by: kind.Children[0].Child("aggregate-by").Members(), query: spec.Value("query")}
	if measures[r.database] == nil {
		return r, "type -> " + r.database + " is not known to the simulator"
	}
	if r.start, r.end = time.Unix(0, 0).In(now.Location()), time.Unix(0, 0).In(now.Location()); spec.Value("period")+spec.Value("start-time")+spec.Value("end-time") != "" {
		fault = r.window(spec.Value("period"), spec.Value("start-time"), spec.Value("end-time"), now)
	}
	if text := spec.Value("topn"); text != "" && fault == "" {
		r.top, fault = top(text)
	}
	return r, fault
}

// attributes are those that say what a report is of.
func (r *report) attributes(now time.Time) string {
	return fmt.Sprintf(`name="%s" start="%s" start-epoch="%d" end="%s" end-epoch="%d" generated-at="%s" generated-at-epoch="%d" range="%s"`,
		answer.Escape(r.title), r.start.Format(dialect.LocalTime), r.start.Unix(), r.end.Format(dialect.LocalTime), r.end.Unix(),
		now.Format(dialect.LocalTime), now.Unix(), r.start.Format("Monday, January 2, 2006"))
}

// measures are the columns of values, by database, the first being the one that rows are sorted by.
var measures = map[string][]string{"appstat": {"nbytes", "nsess"}, "trsum": {"bytes", "sessions"}, "thsum": {"count"}}

// rows sums up: one row for each combination of the columns, the largest first.
func (a *Archive) rows(r report) (string, error) {
	through, err := parseQuery(r.query)
	if err != nil {
		return "", err
	}
	log := "traffic"
	if r.database == "thsum" {
		log = "threat"
	}
	type row struct {
		key    []string
		values [2]int // in the order of measures
	}
	rows := map[string]*row{}
	for _, e := range a.kept[log] {
		if at := e.at.Truncate(time.Second); at.Before(r.start) || at.After(r.end) || e.value("subtype") == "start" || !through(e) {
			continue
		}
		key := make([]string, len(r.by))
		for i, column := range r.by {
			if column == "name" {
				column = "app"
			}
			key[i] = e.value(column)
		}
		text := strings.Join(key, "\x00")
		if rows[text] == nil {
			rows[text] = &row{key: key}
		}
		bytes, _ := strconv.Atoi(e.value("bytes")) // a threat has none
		values := &rows[text].values
		if r.database == "thsum" {
			bytes = 1 // of threats it is the number
		}
		values[0], values[1] = values[0]+bytes, values[1]+1
	}
	sorted := make([]*row, 0, len(rows))
	for _, one := range rows {
		sorted = append(sorted, one)
	}
	slices.SortFunc(sorted, func(x, y *row) int { return cmp.Or(y.values[0]-x.values[0], slices.Compare(x.key, y.key)) })
	var b strings.Builder
	for _, one := range sorted[:min(len(sorted), cmp.Or(r.top, defaultTop))] {
		b.WriteString("<entry>")
		for i, column := range r.by {
			answer.WriteFields(&b, []answer.Field{{Name: column, Value: one.key[i]}})
		}
		for i, column := range measures[r.database] {
			answer.WriteFields(&b, []answer.Field{{Name: column, Value: strconv.Itoa(one.values[i])}})
		}
		b.WriteString("</entry>")
	}
	return b.String(), nil
}

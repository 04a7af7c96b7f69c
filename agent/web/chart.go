package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// A point is one hour or one day of a chart.
type point struct {
	From  time.Time
	Value float64
	Known bool
}

// A chart is drawn as one picture, with a table for who reads none.
type chart struct {
	ID     string // of the element; the picture's title and description have IDs after it
	Title  string // such as "Blocks an hour, 24 hours"
	What   string // what is counted, such as "blocks"
	Days   bool   // a point is a day; else an hour
	Curve  bool   // a line; else bars
	Points []point
}

// The picture's measures, in its own units.
const (
	chartWidth  = 480
	chartHeight = 150
	plotLeft    = 44
	plotRight   = chartWidth - 6
	plotTop     = 10
	plotBottom  = chartHeight - 20
)

// Describe says in words what the chart shows.
func (c *chart) Describe() string {
	known, unknown := 0, 0
	most, sum := -1.0, 0.0
	var at time.Time
	for _, p := range c.Points {
		if !p.Known {
			unknown++
			continue
		}
		known++
		sum += p.Value
		if p.Value > most {
			most, at = p.Value, p.From
		}
	}
	if known == 0 {
		return "Nothing is known of that time."
	}
	text := fmt.Sprintf("At most %s %s, in the %s from %s", number(most), c.What, c.unit(), c.label(at))
	if c.Curve {
		text += fmt.Sprintf("; %s on average", number(sum/float64(known)))
	} else {
		text += fmt.Sprintf("; %s in all", number(sum))
	}
	if unknown > 0 {
		text += "; nothing is known of " + display.Plural(unknown, c.unit())
	}
	return text + "."
}

func (c *chart) unit() string {
	if c.Days {
		return "day"
	}
	return "hour"
}

// label is a point's time, in the zone that it has.
func (c *chart) label(t time.Time) string {
	if c.Days {
		return t.Format(time.DateOnly)
	}
	return t.Format("15:04 MST")
}

// Label is the time of a point in the table.
func (c *chart) Label(p point) string {
	if c.Days {
		return p.From.Format(time.DateOnly)
	}
	return p.From.Format("2006-01-02 15:04 MST")
}

// Text is the value of a point in the table.
func (c *chart) Text(p point) string {
	if !p.Known {
		return "unknown"
	}
	return number(p.Value)
}

// number writes a value as short as it can be read: one below ten with a digit behind the point, if it has any.
func number(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return display.Grouped(int64(math.Round(v)))
}

// nice is a round number that is not below v: 1, 2 or 5 times a power of ten, at least 1.
func nice(v float64) float64 {
	if v <= 1 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5, 10} {
		if v <= step*power {
			return step * power
		}
	}
	return v // unreachable: the last step is a whole power above
}

// short writes a number of an axis: 1500 as 1.5k.
func short(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.of {
			return strconv.FormatFloat(v/unit.of, 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// SVG draws the chart. It is pure: the same chart gives the same picture, in the zone of its times.
func (c *chart) SVG() template.HTML {
	top := 2.0 // so that half of it is a number that can be counted
	for _, p := range c.Points {
		if p.Known {
			top = max(top, p.Value)
		}
	}
	top = nice(top)
	var b strings.Builder
	escape := template.HTMLEscapeString
	fmt.Fprintf(&b, `<svg class="chart" id="%s" viewBox="0 0 %d %d" role="img" aria-labelledby="%[1]s-title %[1]s-desc">`, escape(c.ID), chartWidth, chartHeight)
	fmt.Fprintf(&b, `<title id="%s-title">%s</title><desc id="%[1]s-desc">%[3]s</desc>`, escape(c.ID), escape(c.Title), escape(c.Describe()))
	step := float64(plotRight-plotLeft) / float64(max(len(c.Points), 1))
	y := func(v float64) float64 { return plotBottom - v/top*(plotBottom-plotTop) }
	for i := 0; i < len(c.Points); i++ {
		from := i
		for i < len(c.Points) && !c.Points[i].Known {
			i++
		}
		if i > from {
			fmt.Fprintf(&b, `<rect class="unknown" x="%.1f" y="%d" width="%.1f" height="%d"/>`, plotLeft+float64(from)*step, plotTop, float64(i-from)*step, plotBottom-plotTop)
		}
	}
	for _, v := range []float64{0, top / 2, top} {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, plotLeft, y(v), plotRight, plotLeft-5, y(v)+4, short(v))
	}
	c.axis(&b, step)
	if c.Curve {
		c.curve(&b, step, y)
	} else {
		c.bars(&b, step, y)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// axis writes when what was.
func (c *chart) axis(b *strings.Builder, step float64) {
	for i, p := range c.Points {
		text, shown := p.From.Format("15:04"), p.From.Hour()%6 == 0 && p.From.Minute() < 30
		if c.Days {
			text, shown = p.From.Format("01-02"), p.From.Weekday() == time.Monday
		}
		if x := plotLeft + float64(i)*step; shown && x < plotRight-20 {
			fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`, x, chartHeight-6, text)
		}
	}
}

func (c *chart) bars(b *strings.Builder, step float64, y func(float64) float64) {
	for i, p := range c.Points {
		if p.Known && p.Value > 0 {
			h := max(plotBottom-y(p.Value), 1) // one is seen beside ten thousand
			fmt.Fprintf(b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, plotLeft+float64(i)*step+.5, plotBottom-h, max(step-1, .5), h)
		}
	}
}

// curve joins what is known; what is unknown breaks it.
func (c *chart) curve(b *strings.Builder, step float64, y func(float64) float64) {
	var d strings.Builder
	for i, p := range c.Points {
		if !p.Known {
			continue
		}
		move := "L"
		if i == 0 || !c.Points[i-1].Known {
			move = "M"
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", move, plotLeft+(float64(i)+.5)*step, y(p.Value))
		if move == "M" && (i+1 == len(c.Points) || !c.Points[i+1].Known) {
			d.WriteString("h.1") // one alone is a dot
		}
	}
	if d.Len() > 0 {
		fmt.Fprintf(b, `<path class="curve" d="%s"/>`, d.String())
	}
}

// charts are those of an activity, in a zone.
func charts(a *api.Activity, in *time.Location) []*chart {
	hours := a.Hours[max(len(a.Hours)-24, 0):]
	blocks := func(hours []api.ActiveHour) (v float64, known bool) {
		for _, h := range hours {
			v += float64(h.Blocks)
		}
		return v, true
	}
	lines := func(hours []api.ActiveHour) (v float64, known bool) {
		seconds := 0.0
		for _, h := range hours {
			v, seconds = v+float64(h.Lines), seconds+h.Seconds
		}
		return v / max(seconds, 1), seconds > 0
	}
	return []*chart{
		{ID: "chart-blocks-day", Title: "Blocks an hour, 24 hours", What: "blocks", Points: points(perHour(hours), in, blocks)},
		{ID: "chart-lines-day", Title: "Lines a second by the hour, 24 hours", What: "lines a second", Curve: true, Points: points(perHour(hours), in, lines)},
		{ID: "chart-blocks-month", Title: "Blocks a day, 30 days", What: "blocks", Days: true, Points: points(perDay(a.Hours, in), in, blocks)},
		{ID: "chart-lines-month", Title: "Lines a second by the day, 30 days", What: "lines a second", Days: true, Curve: true, Points: points(perDay(a.Hours, in), in, lines)},
	}
}

func points(spans [][]api.ActiveHour, in *time.Location, value func([]api.ActiveHour) (float64, bool)) (all []point) {
	for _, hours := range spans {
		v, known := value(hours)
		all = append(all, point{hours[0].From.In(in), v, known})
	}
	return all
}

func perHour(hours []api.ActiveHour) (spans [][]api.ActiveHour) {
	for i := range hours {
		spans = append(spans, hours[i:i+1])
	}
	return spans
}

// perDay puts the hours of each day of a zone together, the newest 30: 720 hours begin in the midst of one more.
func perDay(hours []api.ActiveHour, in *time.Location) (spans [][]api.ActiveHour) {
	from := 0
	day := func(i int) string { return hours[i].From.In(in).Format(time.DateOnly) }
	for i := range hours {
		if i+1 == len(hours) || day(i+1) != day(i) {
			spans = append(spans, hours[from:i+1])
			from = i + 1
		}
	}
	return spans[max(len(spans)-30, 0):]
}

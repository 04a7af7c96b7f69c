package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A limit is what a figure may be at most or must be at least; the zero value: anything.
type limit struct {
	at    float64
	least bool
	lines int  // it is for so many or more, and there were fewer; 0: it is for as many as there were
	falls bool // the figure falls as lines become more: that it keeps the limit with fewer says that it does with more; else that it misses it says so
}

func atMost(n float64) limit  { return limit{at: n} }
func atLeast(n float64) limit { return limit{at: n, least: true} }

// keeps tells whether a figure is within the limit.
func (l limit) keeps(n float64) bool {
	switch {
	case l == limit{}:
		return true
	case l.least:
		return n >= l.at
	}
	return n <= l.at
}

// elsewhere tells whether what a figure is says nothing of the limit, for that is for more lines.
func (l limit) elsewhere(n float64) bool { return l.lines > 0 && l.keeps(n) != l.falls }

func (l limit) String() string {
	if l == (limit{}) {
		return ""
	}
	text := "<= " + number(l.at)
	if l.least {
		text = ">= " + number(l.at)
	}
	if l.lines > 0 {
		text += " from " + number(float64(l.lines)) + " lines on"
	}
	return text
}

// A figure is what one row of the table says in a number: a median, or NaN where it could not be measured.
type figure struct {
	value float64
	unit  string
	limit limit
}

// A row is one of the table. It is kept where one of its figures that have a limit keeps it, and missed where all do.
type row struct {
	what    string
	figures []figure
	note    string // how it was measured, or why it was not
}

// measured tells whether there is a figure.
func (r row) measured() bool {
	return slices.ContainsFunc(r.figures, func(f figure) bool { return !math.IsNaN(f.value) })
}

// verdict is "kept", "MISSED", "not measured", "not comparable at this size" or, without a limit, "".
func (r row) verdict() string {
	if !r.measured() {
		return "not measured"
	}
	verdict := ""
	for _, f := range r.figures {
		switch {
		case f.limit == limit{} || math.IsNaN(f.value):
		case f.limit.elsewhere(f.value):
			verdict = "not comparable at this size"
		case f.limit.keeps(f.value):
			return "kept"
		case verdict == "":
			verdict = "MISSED"
		}
	}
	return verdict
}

// write prints the table, and tells how many limits were missed. That nothing was measured is an error.
func write(out io.Writer, rows []row) (missed int, err error) {
	any := false
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tfigure\tlimit\t\thow")
	for _, r := range rows {
		var values, limits []string
		for _, f := range r.figures {
			if !math.IsNaN(f.value) {
				values = append(values, number(f.value)+" "+f.unit)
				if f.limit != (limit{}) {
					limits = append(limits, f.limit.String())
				}
			}
		}
		verdict := r.verdict()
		any = any || r.measured()
		if verdict == "MISSED" {
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.what, strings.Join(values, "; "), strings.Join(limits, " or "), verdict, r.note)
	}
	if err := w.Flush(); err != nil {
		return missed, err
	}
	if !any {
		return missed, fmt.Errorf("nothing could be measured")
	}
	return missed, nil
}

// number writes three digits that say something: 0.0123, 4.57, 182, 65,400, 2.21 million.
func number(n float64) string {
	switch size := math.Abs(n); {
	case size >= 1e6:
		return strconv.FormatFloat(n/1e6, 'g', 3, 64) + " million"
	case size >= 1000:
		whole := strconv.Itoa(int(math.Round(n)))
		return whole[:len(whole)-3] + "," + whole[len(whole)-3:]
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

// median is the one in the middle, of an even number the mean of two; NaN of none.
func median(list []float64) float64 {
	return share(list, 0.5)
}

// share is the value below which such a part of a list lies, between two of them in proportion; NaN of none.
func share(list []float64, part float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(list))
	at := part * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
}

// ratios divides pair by pair; what was measured in turn is compared with what was measured beside it.
func ratios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		out = append(out, a[i]/b[i])
	}
	return out
}

package block

import (
	"fmt"
	"testing"
)

// However many records had one text in a column before others come, or others go before, each keeps its own.
func TestRecordsKeepTheirTextsWhereMostColumnsHaveOne(t *testing.T) {
	from := func(rule string, countries ...string) *Columns {
		var c Columns
		for _, country := range countries {
			c.Append(&Record{Rule: rule, SrcCountry: country})
		}
		return &c
	}
	var c Columns
	var want []string
	for _, some := range []*Columns{from("a", "X", "X"), from("a", "X", "Y"), from("b", "Y", "Y"), from("a", "X")} {
		var rows []int
		for i := range some.Len() {
			var r Record
			some.Record(i, &r)
			rows, want = append(rows, i), append(want, r.Rule+" "+r.SrcCountry)
		}
		c.appendFrom(some, rows)
	}
	var again Columns // as when a group is put into order
	var rows []int
	for i := range c.Len() {
		rows = append(rows, c.Len()-1-i)
	}
	again.appendFrom(&c, rows)
	for i := range want {
		var r, last Record
		c.Record(i, &r)
		again.Record(len(want)-1-i, &last)
		if got := fmt.Sprint(r.Rule, " ", r.SrcCountry); got != want[i] || last != r {
			t.Errorf("record %d has %q, and %q in another order, want %q", i, got, last.Rule+" "+last.SrcCountry, want[i])
		}
	}
	if n := len(c.texts[firstWord].codes); n != 0 {
		t.Errorf("of a column with one text there are %d numbers", n)
	}
}

package dialect

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Parse reads what Dialect.String writes: "plain", or fields with their values as in
// "duplicates=others-applied,limit=per-entry-error". A field may be given once; "" is plain. The error names the
// fields, or the values of the field, that there are.
func Parse(text string) (Dialect, error) {
	var d Dialect
	if text == "" || text == "plain" {
		return d, nil
	}
	known := d.choices()
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		field, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		at := slices.IndexFunc(known, func(c choice) bool { return c.field == field })
		if at < 0 {
			return Dialect{}, fmt.Errorf("dialect %q: no field %q; there are %s", text, field, fieldNames(known))
		}
		n := slices.Index(known[at].values, value)
		switch {
		case n < 0:
			return Dialect{}, fmt.Errorf("dialect %q: %s cannot be %q, but one of %s", text, field, value, strings.Join(known[at].values, ", "))
		case seen[field]:
			return Dialect{}, fmt.Errorf("dialect %q: %s is given twice", text, field)
		}
		seen[field] = true
		d.choose(field, n)
	}
	return d, nil
}

func fieldNames(known []choice) string {
	names := make([]string, len(known))
	for i, c := range known {
		names[i] = c.field
	}
	return strings.Join(names, ", ")
}

// choose sets the field of that name to its nth value.
func (d *Dialect) choose(field string, n int) {
	if n == 0 {
		return
	}
	for i := range reflect.TypeFor[Dialect]().NumField() {
		// The field is the one that makes its name's choice differ from the zero value.
		var probe Dialect
		setField(&probe, i, n)
		for _, c := range probe.choices() {
			if c.field == field && c.value != 0 {
				setField(d, i, n)
				return
			}
		}
	}
}

func setField(d *Dialect, i, n int) {
	reflect.ValueOf(d).Elem().Field(i).SetUint(uint64(n))
}

package logs

import "strings"

// escaping is what a server profile says about characters of values in custom formats.
type escaping struct {
	characters string // each is preceded by with; "": none
	with       string
}

func (e escaping) apply(value string) string {
	if e.characters == "" || e.with == "" || !strings.ContainsAny(value, e.characters) {
		return value
	}
	var b strings.Builder
	for _, c := range value {
		if strings.ContainsRune(e.characters, c) {
			b.WriteString(e.with)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// render fills in a custom log format. A variable that PAN-OS does not know stays as it is written.
func (r *Record) render(format string, e escaping) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(format, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name := rest[:nameLength(rest)]
		if value, ok := r.variable(name); ok {
			b.WriteString(e.apply(value))
		} else {
			b.WriteString("$" + name)
		}
		format = rest[len(name):]
	}
}

// nameLength says how many bytes at the beginning of text can belong to the name of a variable.
func nameLength(text string) int {
	for i := range len(text) {
		c := text[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return i
		}
	}
	return len(text)
}

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that keeps a configuration from being used.
type Fault struct {
	// Key is the path of the key, such as firewalls[1].api_key_file; for an unknown variable its
	// name; for a file that cannot be read or is no YAML the file, with its line where there is one.
	Key string
	// Text says what is wrong and what would be right. It never holds a secret.
	Text string
	// Denied is the file that this user may not read, or the key that names it, where nothing else is wrong as far
	// as he may see.
	Denied string
}

// Error gives key and text.
func (f Fault) Error() string { return f.Key + ": " + f.Text }

// Faults is the error of Load: all that is wrong, at least one.
type Faults []Fault

// Error gives all faults, one a line when there are several.
func (fs Faults) Error() string {
	if len(fs) == 1 {
		return fs[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults in the configuration:", len(fs))
	for _, f := range fs {
		b.WriteString("\n  " + f.Error())
	}
	return b.String()
}

// Denied gives the files that this user may not read, if an error of Load says nothing else; none: it says something else.
func Denied(err error) (files []string) {
	var faults Faults
	errors.As(err, &faults)
	for _, f := range faults {
		if f.Denied == "" {
			return nil
		}
		if !slices.Contains(files, f.Denied) {
			files = append(files, f.Denied)
		}
	}
	return files
}

// Unwrap gives the single faults to errors.As and errors.Is.
func (fs Faults) Unwrap() []error {
	all := make([]error, len(fs))
	for i, f := range fs {
		all[i] = f
	}
	return all
}

// Warning is something that works but deserves a look.
type Warning struct{ Key, Text string }

// String gives key and text.
func (w Warning) String() string { return w.Key + ": " + w.Text }

// clip shortens what a fault quotes, so that one runaway value does not bury the others.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

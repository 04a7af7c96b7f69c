package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
)

// errYAML says that the file is no YAML and its faults are already in the list.
var errYAML = errors.New("not valid YAML")

const severalErrors = "yaml: unmarshal errors:\n" // how the library begins errors of valid syntax

var (
	yamlLine  = regexp.MustCompile(`^(?:yaml: )?line ([0-9]+): (.*)$`)
	yamlTwice = regexp.MustCompile(`^mapping key (".*") already defined at line ([0-9]+)$`)
)

// yamlFaults reports a YAML error with file and line.
func (l *loader) yamlFaults(b []byte, err error) {
	if several, ok := strings.CutPrefix(err.Error(), severalErrors); ok {
		for _, m := range strings.Split(several, "\n") {
			line, what := splitLine(strings.TrimSpace(m))
			l.fault(fmt.Sprintf("%s:%d", l.path, line), "%s", plainYAML(what))
		}
		return
	}
	_, what := splitLine(err.Error())
	l.fault(fmt.Sprintf("%s:%d", l.path, brokenLine(b, what)), "%s", plainYAML(strings.TrimPrefix(what, "yaml: ")))
}

// splitLine takes the line number, 1 if there is none, off a text of the library.
func splitLine(message string) (line int, what string) {
	if parts := yamlLine.FindStringSubmatch(message); parts != nil {
		line, _ = strconv.Atoi(parts[1])
		return line, parts[2]
	}
	return 1, message
}

// plainYAML puts a text of the YAML library into words. The library quotes values here and there, and
// a value may be a secret: only texts known to be free of values are passed on.
func plainYAML(what string) string {
	if parts := yamlTwice.FindStringSubmatch(what); parts != nil {
		return fmt.Sprintf("duplicate key %s; the first is on line %s", clip(parts[1]), parts[2])
	}
	switch {
	case strings.HasPrefix(what, "unknown anchor"):
		return "a value that begins with * must be in quotes"
	case strings.HasPrefix(what, "cannot unmarshal"):
		return "must contain keys with values, such as \"state_dir: /var/lib/activedefense\""
	case strings.HasPrefix(what, "control characters"), strings.Contains(what, "UTF-8"), strings.Contains(what, "UTF-16"):
		return "is not plain UTF-8 text: " + what
	case strings.HasPrefix(what, "found character that cannot start any token"):
		return what + "; indent with spaces, not tabs, and put values that begin with @, % or ` in quotes"
	case strings.HasPrefix(what, "found unknown escape character"):
		return what + ": in double quotes a backslash begins an escape; put a regular expression in single quotes, in which a backslash is one (and a single quote is written twice)"
	case strings.HasPrefix(what, "did not find"), strings.HasPrefix(what, "could not find"), strings.HasPrefix(what, "found "),
		strings.HasPrefix(what, "mapping values are not allowed"), strings.HasPrefix(what, "block "):
		return what + "; check the indentation, and for an unclosed quote or bracket"
	case strings.Contains(what, "excessive aliasing"):
		return what
	}
	return "a value or key cannot be parsed; put it in quotes"
}

// brokenLine finds the line that breaks the syntax, of a text whose error is known. The library names the
// line on which the surrounding block begins, or none. Every run of lines from the beginning that holds
// the fault has the same error, so the shortest one is found by halving; a bracket that is not closed was
// opened after the longest run before it that is valid by itself.
func brokenLine(b []byte, fault string) int {
	const nearby = 50 // lines: each costs another parse
	ends := []int{0}
	for line := range bytes.Lines(b) {
		ends = append(ends, ends[len(ends)-1]+len(line))
	}
	first := sort.Search(len(ends)-1, func(n int) bool { return syntaxError(b[:ends[n]]) == fault })
	for n := first - 1; n >= max(0, first-nearby); n-- {
		if syntaxError(b[:ends[n]]) == "" {
			return n + 1
		}
	}
	return first
}

// syntaxError gives the library's text, without the line, if b is not valid YAML.
func syntaxError(b []byte) string {
	_, err := yaml.Parser().Unmarshal(b)
	if err == nil || strings.HasPrefix(err.Error(), severalErrors) {
		return ""
	}
	_, what := splitLine(err.Error())
	return what
}

// secondDocument gives the line on which a second YAML document begins, 0 if there is none. The
// library reads the first and passes over the rest, and half a configuration must not look whole.
func secondDocument(b []byte) int {
	begun, ended, n := false, false, 0
	for line := range bytes.Lines(b) {
		n++
		s := strings.TrimRight(string(line), " \t\r\n")
		marker := s == "---" || strings.HasPrefix(s, "--- ") || strings.HasPrefix(s, "---\t")
		content := s != "" && s[0] != '%' && !strings.HasPrefix(strings.TrimLeft(s, " \t\ufeff"), "#")
		switch {
		case s == "...":
			begun, ended = true, true
		case content && ended, marker && begun:
			return n
		case content:
			begun = true
		}
	}
	return 0
}

package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"activedefense/detect/pattern"
)

func TestFaultsOfPatternsNameTheirKeys(t *testing.T) {
	for patterns, want := range map[string]string{
		"":                                  "inputs[0].patterns: is missing",
		"patterns: ssh":                     `inputs[0].patterns[0].set: "ssh" is not a set of patterns; use one of `,
		"patterns: [7]":                     "inputs[0].patterns[0]: must be the name of a set",
		"patterns: 7":                       "inputs[0].patterns: must be the name of a set",
		"patterns: {event: a}":              "inputs[0].patterns: must be a list",
		"patterns: [{set: sshd, event: a}]": "inputs[0].patterns[0].set: is the name of a set, and cannot be combined",
		"patterns: [{event: a, regex: x}]":  "inputs[0].patterns[0].regex: unknown key; known keys: set, event, regexp, proven, time_format",
		"patterns: [sshd, {event: 7, regexp: '(?P<src>x)'}]":                              "inputs[0].patterns[1].event: must be a text",
		"patterns: [{event: a, regexp: '(?P<src>x)', proven: yes please}]":                "inputs[0].patterns[0].proven: must be true or false",
		"patterns: [sshd, {event: a, regexp: 'from \\S+'}]":                               "inputs[0].patterns[1].regexp: has no group (?P<src>...)",
		"patterns: [{event: a, regexp: '(?P<user>x)(?P<src>x)'}]":                         `inputs[0].patterns[0].regexp: has a group "user", which is no field of a record`,
		"patterns: [{event: a, regexp: '(?P<src>(a{1000}){1000})'}]":                      "inputs[0].patterns[0].regexp: is too large",
		"patterns: [{event: a, regexp: '(?P<src>x)', time_format: '%d'}]":                 `inputs[0].patterns[0].time_format: "%d" does not tell`,
		"patterns: [{regexp: '(?P<src>x)'}]":                                              "inputs[0].patterns[0].event: is missing",
		"patterns: [" + strings.Repeat("{event: a, regexp: 'x(?P<src>x)'}, ", 1001) + "]": "inputs[0].patterns: are 1001 patterns; use at most 1000",
	} {
		_, _, err := loadBytes([]byte("inputs: [{path: /a.log, format: pattern, " + patterns + "}]"))
		if fs := faultsOf(t, err); !strings.HasPrefix(fs[0].Error(), want) {
			t.Errorf("%.80s: %v, want %s", patterns, err, want)
		}
	}
	_, _, err := loadBytes([]byte("inputs: [{path: /a.log, patterns: sshd}]"))
	if fs := faultsOf(t, err); len(fs) != 1 || fs[0].Key != "inputs[0].patterns" || !strings.Contains(fs[0].Text, "format: pattern") {
		t.Errorf("without the format: %v", err)
	}
	_, _, err = loadBytes([]byte("inputs: [{path: /a.log, format: pattern, patterns: [none, {event: A, regexp: x, proven: 1}]}]"))
	if fs := faultsOf(t, err); len(fs) != 4 {
		t.Errorf("all at once: %v", err)
	}
}

func TestPatternsOfAnInput(t *testing.T) {
	c, _, err := loadBytes([]byte(`inputs:
  - {path: /a.log}
  - {path: /b.log, format: pattern, patterns: sshd}
  - path: /c.log
    format: pattern
    patterns:
      - sshd
      - {event: app-refused, regexp: 'refused (?P<src>\S+) at (?P<time>\S+)$', proven: true, time_format: "2006-01-02T15:04"}
`))
	if err != nil {
		t.Fatal(err)
	}
	one, both := c.Inputs[1].Patterns, c.Inputs[2].Patterns
	if c.Inputs[0].Patterns != nil || both.Len() != one.Len()+1 || !both.At(one.Len()).Proven || both.At(one.Len()).TimeFormat == "" {
		t.Errorf("%+v", c.Inputs)
	}
	if events := fmt.Sprint(c.Events()); !strings.HasPrefix(events, "[app-refused ssh-") || fmt.Sprint(c.EventFields("app-refused"), c.EventFields("none")) != "[src time] []" {
		t.Errorf("%s, %v", events, c.EventFields("app-refused"))
	}
	shown := map[string]any{}
	for _, s := range c.Settings() {
		shown[s.Key] = s.Value
	}
	if got := fmt.Sprint(shown["inputs[0].patterns"], shown["inputs[1].patterns"], shown["inputs[2].patterns"]); got != `[] [sshd] [sshd app-refused: refused (?P<src>\S+) at (?P<time>\S+)$]` {
		t.Errorf("shown as %s", got)
	}
	for path, want := range map[string]string{"/b.log": "/b.log", "/d.log": "", "/b.log.1": "/b.log", "/b.log.12.gz": "/b.log", "/b.log-20261130.gz": "/b.log", "/b.log.old": "", "/c/b.log.1": ""} {
		if in, ok := c.InputOf(path); ok != (want != "") || ok && in.Path != want {
			t.Errorf("%s belongs to %q", path, in.Path)
		}
	}
	if first := c.FirstInput(); first.Path != "/a.log" {
		t.Errorf("the first is %s", first.Path)
	}
	c.Inputs[0], c.Inputs[1] = c.Inputs[1], c.Inputs[0]
	if first := c.FirstInput(); first.Path != "/a.log" {
		t.Errorf("with patterns first it is %s", first.Path)
	}
	c, _, err = loadBytes([]byte("inputs: [{path: /a.log, format: pattern}]"), "ACTIVEDEFENSE_INPUTS__0__PATTERNS=sshd, sshd")
	if err != nil || c.Inputs[0].Patterns.Len() != 2*one.Len() {
		t.Errorf("by a variable: %v", err)
	}
}

// What is legal and unwise about a pattern is told, of a ready-made set nothing.
func TestPatternsAreWarnedOf(t *testing.T) {
	for regexps, want := range map[string]string{
		`{event: a, regexp: 'from (?P<src>\S+)'}`:                                        "inputs[0].patterns[0].regexp: lets a stranger's text",
		`{event: a, regexp: '^(?P<src>\S+)'}`:                                            "inputs[0].patterns[0].regexp: has no fixed text",
		`sshd, {event: a, regexp: '(?:^a|b) from (?P<src>\S+)'}`:                         "inputs[0].patterns[1].regexp: lets a stranger's text",
		`{event: a, regexp: '^.*login failed user="(?P<src_user>.*)" ip=(?P<src>\S+) '}`: "inputs[0].patterns[0].regexp: lets a stranger's text",
		`sshd, {event: a, regexp: '(?:^a|^b) from (?P<src>\S+)'}`:                        "",
		strings.Join(pattern.Sets(), ", "):                                               "",
	} {
		_, warnings, err := loadBytes([]byte("never_block: [192.0.2.1]\nnetworks: {own: [198.51.100.0/24]}\ninputs: [{path: /a.log, format: pattern, patterns: [" + regexps + "]}]"))
		if got := fmt.Sprint(warnings); err != nil || want == "" && len(warnings) > 0 || want != "" && (len(warnings) != 1 || !strings.HasPrefix(got, "["+want)) {
			t.Errorf("%s: %s, %v", regexps, got, err)
		}
	}
}

// The example names all sets that there are.
func TestTheExampleNamesTheSets(t *testing.T) {
	sets := pattern.Sets()
	last := len(sets) - 1
	if want := "# a set: " + strings.Join(sets[:last], ", ") + " or " + sets[last] + "\n"; !strings.Contains(string(Example), want) {
		t.Errorf("the example lacks %q", want)
	}
}

func TestThePatternsOfTheExampleAreRight(t *testing.T) {
	head, below, found := strings.Cut(string(Example), "\n#  - path: /var/log/auth.log\n")
	block, _, end := strings.Cut(below, "\n# An input that listens")
	if !found || !end {
		t.Fatal("the example has no input with patterns")
	}
	inputs := head[strings.Index(head, "\ninputs:"):] + "\n  - path: /var/log/auth.log\n" + regexp.MustCompile(`(?m)^#`).ReplaceAllString(block, "") + "\n"
	c, _, err := loadBytes([]byte(inputs))
	if err != nil || len(c.Inputs) != 2 || c.Inputs[1].Patterns.Len() < 2 {
		t.Fatalf("%v, %s", err, inputs)
	}
}

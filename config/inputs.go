package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known in a container or on a host without a zone database

	"activedefense/detect/pattern"
)

// inputs reads the log files to follow. At least one, and no file by two of them: its lines would
// count twice.
func (s section) inputs(key string) []Input {
	sections := s.elements(key)
	if all, _ := s.k.Get(key).([]any); len(all) == 0 {
		s.fault(key, "is empty; set at least one, or omit the key for the default")
	}
	var inputs []Input
	seen := globs{glob: s.l.glob}
	for _, e := range sections {
		zone, location := e.zone("timezone")
		in := Input{
			Format:   e.oneOf("format", formats),
			Timezone: zone,
			Location: location,
			MaxFiles: e.integer("max_files", 1, 1_000_000),
			FromEnd:  e.oneOf("start", starts) == "end",
			Device:   e.printable("device", 63),

			SilentAfter: e.orZero("silent_after", time.Second, maxSilent),
		}
		in.Patterns = patternReader{e}.patterns(in.Format)
		source(e, &in)
		if _, err := filepath.Match(in.Path, ""); err != nil {
			e.fault("path", "%q is not a valid glob; every [ needs a ], and it must not end in a backslash", clip(in.Path))
		} else if in.Path != "" {
			in.Path = filepath.Clean(in.Path)
			if other, file := seen.add(e.at+"path", in.Path); other != "" {
				e.fault("path", "matches a file that %s matches too (%s); a file can belong to only one input", other, clip(file))
			}
		}
		inputs = append(inputs, in)
	}
	return inputs
}

// Name is how people know an input: by its path, or the URL at which it listens.
func (in *Input) Name() string { return cmp.Or(in.Path, in.Listen.URL) }

// rotated is what rotation puts behind the name of a log file: auth.log.1, auth.log.2.gz, access.log-20261130.gz.
var rotated = regexp.MustCompile(`(?:\.\d{1,4}|-\d{8}(?:-?\d{2,6})?)?(?:\.gz)?$`)

// InputOf gives the input to which a file belongs, whose path is absolute, or that has this name. A file that rotation renamed belongs to that of its former name.
func (c *Config) InputOf(path string) (in Input, ok bool) {
	for _, name := range []string{path, rotated.ReplaceAllString(path, "")} {
		for _, in := range c.Inputs {
			if matches(in.Path, name) || in.Name() == name {
				return in, true
			}
		}
	}
	return in, false
}

// FirstInput is as which lines are read that belong to none: the first input of the firewalls' logs, else the first.
func (c *Config) FirstInput() Input {
	for _, in := range c.Inputs {
		if in.Patterns == nil {
			return in
		}
	}
	if len(c.Inputs) > 0 {
		return c.Inputs[0]
	}
	return Input{Format: "auto", Location: time.Local}
}

// zone reads a time zone. Names that step out of the zone database are refused by the time package.
func (s section) zone(key string) (string, *time.Location) {
	v := s.text(key)
	location, err := time.LoadLocation(v)
	if err != nil || v == "" {
		s.fault(key, "%q is not a time zone; use Local or an IANA name such as Europe/Amsterdam or UTC", clip(v))
		return v, time.Local
	}
	return v, location
}

// globs finds patterns that read the same file.
type globs struct {
	glob     func(string) ([]string, error)
	patterns []named
	files    map[string]string // resolved path of a file: key of the pattern that reads it
}

type named struct{ key, pattern string }

// add remembers a clean, valid pattern, and gives the key of an earlier one that could read the same
// path, with that path. Whether two globs can match a common path at all is not decided in general:
// files that are there, and the patterns themselves taken as paths, settle what occurs in practice.
func (g *globs) add(key, pattern string) (other, path string) {
	for _, p := range g.patterns {
		for _, candidate := range []string{pattern, p.pattern} {
			if pattern == p.pattern || matches(pattern, candidate) && matches(p.pattern, candidate) {
				return p.key, candidate
			}
		}
	}
	g.patterns = append(g.patterns, named{key, pattern})
	if g.files == nil {
		g.files = map[string]string{}
	}
	found, _ := g.glob(pattern) // its only error is a bad pattern, which this is not
	for _, file := range found {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			real = file
		}
		if first, taken := g.files[real]; taken && first != key {
			return first, file
		}
		g.files[real] = key
	}
	return "", ""
}

// matches tells whether a path matches a pattern, which a path does also by being the pattern.
func matches(pattern, path string) bool {
	ok, err := filepath.Match(pattern, path)
	return err == nil && ok || pattern == path && !strings.ContainsAny(pattern, `[\`)
}

// patternKeys are the keys of one pattern, or of the name of a set: the first alone, or the others.
var patternKeys = []string{"set", "event", "regexp", "proven", "time_format"}

// shapePatterns makes a list of sections of the name of a set, or of a list in which there are names and patterns. Of a faulty one nil stays, to
// keep the others' numbers.
func (l *loader) shapePatterns(at string, value any) (any, bool) {
	all, several := value.([]any)
	if !several {
		all = []any{value}
	}
	sections := make([]any, len(all))
	for i, element := range all {
		key := at
		if several {
			key = fmt.Sprintf("%s[%d]", at, i)
		}
		switch e := element.(type) {
		case string:
			sections[i] = map[string]any{"set": e}
		case map[string]any:
			if !several {
				l.fault(key, "must be a list: each pattern begins with a dash")
				continue
			}
			l.shapePattern(key+".", e)
			sections[i] = e
		default:
			l.fault(key, "must be the name of a set of patterns, such as sshd, or a pattern such as {event: ..., regexp: ...}")
		}
	}
	return sections, true
}

// shapePattern takes out what is no key of a pattern, or has the wrong shape.
func (l *loader) shapePattern(at string, section map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		_, isText := section[key].(string)
		_, isBoolean := section[key].(bool)
		switch {
		case !slices.Contains(patternKeys, key):
			l.fault(at+plainKey(key), "unknown key; known keys: %s", strings.Join(patternKeys, ", "))
		case key == "proven" && !isBoolean:
			l.fault(at+key, "must be true or false")
		case key != "proven" && !isText:
			l.fault(at+key, "must be a text; put it in quotes")
		default:
			continue
		}
		delete(section, key)
	}
}

// patternReader reads the patterns of an input.
type patternReader struct{ section }

// patterns gives them, sets by their names among them; nil where there are none, or faulty ones.
func (s patternReader) patterns(format string) *pattern.Set {
	const key = "patterns"
	elements, _ := s.k.Get(key).([]any)
	switch {
	case len(elements) == 0 && format == "pattern":
		s.fault(key, "is missing; set it to the name of a set, one of %s, or to a list of patterns", strings.Join(pattern.Sets(), ", "))
		return nil
	case len(elements) == 0:
		return nil
	case format != "pattern":
		s.fault(key, "is for format: pattern; set that, or leave the patterns out")
		return nil
	}
	var all []pattern.Pattern
	var keys []string // of each
	var own []bool    // it is of no ready-made set, each place of which is tested
	sound := true
	for i, element := range elements {
		e, ok := element.(map[string]any)
		if !ok {
			sound = false
			continue
		}
		at := fmt.Sprintf("%s[%d].", key, i)
		if _, isSet := e["set"]; isSet {
			set, ok := s.namedSet(at, e)
			sound = sound && ok
			for _, p := range set {
				all, keys, own = append(all, p), append(keys, at), append(own, false)
			}
			continue
		}
		text := func(key string) string { t, _ := e[key].(string); return t }
		proven, _ := e["proven"].(bool)
		all = append(all, pattern.Pattern{Event: text("event"), Regexp: text("regexp"), Proven: proven, TimeFormat: text("time_format")})
		keys, own = append(keys, at), append(own, true)
	}
	compiled, faults := pattern.Compile(all)
	for _, f := range faults {
		if f.Pattern < 0 {
			s.fault(key, "%s", f.Text)
			continue
		}
		s.fault(keys[f.Pattern]+f.Key, "%s", f.Text)
	}
	if !sound || compiled == nil {
		return nil
	}
	for i := range compiled.Len() {
		if own[i] && compiled.Loose(i) {
			s.l.warn(s.at+keys[i]+"regexp", "lets a stranger's text (a user name, a URL, a user agent) that holds a whole faked message name another source: it is open both ahead of src (no ^, or .* and the like) and behind it; let it end in $ right behind the last thing that a stranger writes, or begin with ^ and have ahead of src only what cannot hold what follows it, such as [^\"]* ahead of a quote")
		}
		if compiled.Slow(i) {
			s.l.warn(s.at+keys[i]+"regexp", "has no fixed text of two letters or more that is in every line that it takes, so that it is tried on every line; activedefense patterns test FILE says what that costs")
		}
	}
	return compiled
}

// namedSet gives the patterns of a set.
func (s patternReader) namedSet(at string, e map[string]any) ([]pattern.Pattern, bool) {
	name, _ := e["set"].(string)
	set, known := pattern.Named(name)
	switch {
	case len(e) > 1:
		s.fault(at+"set", "is the name of a set, and cannot be combined with other keys; make a pattern of its own of them")
		return nil, false
	case !known:
		s.fault(at+"set", "%q is not a set of patterns; use one of %s", clip(name), strings.Join(pattern.Sets(), ", "))
		return nil, false
	}
	return set, true
}

// Events gives the names of the events that the patterns of the inputs make, sorted, each once.
func (c *Config) Events() (names []string) {
	for _, in := range c.Inputs {
		if in.Patterns != nil {
			names = append(names, in.Patterns.Events()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// EventFields gives what the patterns of an event may tell of it, of [pattern.Groups] and in their order; none: there is no such event.
func (c *Config) EventFields(event string) (fields []string) {
	for _, name := range pattern.Groups {
		if slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Patterns != nil && slices.Contains(in.Patterns.Fields(event), name) }) {
			fields = append(fields, name)
		}
	}
	return fields
}

// patternTexts shows patterns as settings.
func patternTexts(value any) []string {
	all, _ := value.([]any)
	texts := []string{}
	for _, element := range all {
		e, _ := element.(map[string]any)
		if set, ok := e["set"]; ok {
			texts = append(texts, fmt.Sprint(set))
			continue
		}
		texts = append(texts, fmt.Sprintf("%v: %v", e["event"], e["regexp"]))
	}
	return texts
}

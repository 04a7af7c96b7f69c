package config

import (
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // zones are known in a container or on a host without a zone database
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

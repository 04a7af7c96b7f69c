package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/knadh/koanf/maps"
)

// Options says where the configuration comes from.
type Options struct {
	// Path of the YAML file. Empty: there is none, and the built-in defaults stand. A file that does
	// not exist is a fault.
	Path string
	// Environ is what os.Environ gives; variables that begin with ACTIVEDEFENSE_ override the file.
	// Nil: no environment.
	Environ []string
}

// Load reads and checks a configuration, and reads the files it names (keys, passwords, CA
// certificates). The error is nil or Faults; the warnings hold in either case.
func Load(o Options) (*Config, []Warning, error) {
	l := newLoader(o.Path)
	var provider koanf.Provider
	if o.Path != "" {
		provider = file.Provider(o.Path)
		if info, err := os.Stat(o.Path); err == nil {
			l.mode = info.Mode()
		}
	}
	return l.load(provider, o.Environ)
}

// loader is one run of Load: what it found wrong and where values came from.
type loader struct {
	path     string      // of the file, for faults
	mode     fs.FileMode // of the file
	faults   Faults
	faulted  map[string]bool   // keys that have a fault: one is enough
	origin   map[string]string // the variable that set a key
	warnings []Warning
	glob     func(pattern string) ([]string, error) // filepath.Glob
}

func newLoader(path string) *loader {
	return &loader{path: path, faulted: map[string]bool{}, origin: map[string]string{}, glob: filepath.Glob}
}

// fault reports what is wrong with a key, once: what follows from a first fault helps nobody.
func (l *loader) fault(key, format string, args ...any) {
	if l.faulted[key] {
		return
	}
	l.faulted[key] = true
	message := fmt.Sprintf(format, args...)
	whole, _, _ := strings.Cut(key, "[") // of a list from one variable
	for _, k := range []string{key, whole} {
		if variable, ok := l.origin[k]; ok {
			message += " (set by " + variable + ")"
			break
		}
	}
	l.faults = append(l.faults, Fault{Key: key, Text: message})
}

func (l *loader) warn(key, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Key: key, Text: fmt.Sprintf(format, args...)})
}

// load merges defaults, the file if there is one, and the environment, and builds the configuration.
func (l *loader) load(from koanf.Provider, environ []string) (*Config, []Warning, error) {
	k := merged(presets(""), nil)
	if from != nil {
		if err := k.Load(from, parser{l}); err != nil {
			l.unreadable(err)
			return nil, l.warnings, l.faults
		}
	}
	variables := env.Provider(".", env.Opt{
		Prefix:        prefix,
		TransformFunc: l.variable,
		EnvironFunc:   func() []string { return environ },
	})
	if err := k.Load(variables, nil, koanf.WithMergeFunc(l.override)); err != nil {
		l.fault("environment", "cannot be merged: %v", err)
	}
	c := l.build(section{l: l, k: k})
	if len(l.faults) > 0 {
		return nil, l.warnings, l.faults
	}
	return c, l.warnings, nil
}

// unreadable reports why the file could not be read; what is wrong inside it, parser has reported.
func (l *loader) unreadable(err error) {
	var path *fs.PathError
	switch {
	case errors.Is(err, errYAML):
	case errors.As(err, &path):
		l.fault(l.path, "cannot be read: %v", path.Err)
	default:
		l.fault(l.path, "cannot be read: %v", err)
	}
}

// merged gives values over flat defaults. Neither confmap nor koanf's plain merge has a way to fail.
func merged(defaults, values map[string]any) *koanf.Koanf {
	k := koanf.New(".")
	_ = k.Load(confmap.Provider(defaults, "."), nil)
	_ = k.Load(confmap.Provider(values, ""), nil)
	return k
}

// parser is the YAML parser with the schema behind it.
type parser struct{ l *loader }

// Unmarshal reads YAML and leaves of it what fits the schema.
func (p parser) Unmarshal(b []byte) (map[string]any, error) {
	tree, err := yaml.Parser().Unmarshal(b)
	if err != nil {
		p.l.yamlFaults(b, err)
		return nil, errYAML
	}
	if line := secondDocument(b); line > 0 {
		p.l.fault(fmt.Sprintf("%s:%d", p.l.path, line), "a second YAML document begins here; the configuration is one document")
		return nil, errYAML
	}
	maps.IntfaceKeysToStrings(tree)
	p.l.shape(tree, "", "")
	return tree, nil
}

// Marshal is what koanf asks of a parser; nothing here writes YAML.
func (parser) Marshal(map[string]any) ([]byte, error) { return nil, errors.ErrUnsupported }

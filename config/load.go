package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/knadh/koanf/maps"

	"activedefense/detect/pattern"
)

// Options says where the configuration comes from.
type Options struct {
	// Path of the YAML file. Empty: there is none, and the built-in defaults stand. A file that does
	// not exist is a fault.
	Path string
	// Environ is what os.Environ gives; variables that begin with ACTIVEDEFENSE_ override the file.
	// Nil: no environment.
	Environ []string
	// WithoutFiles leaves the files unread that the configuration names: keys, passwords and certificates, which stay empty. It is
	// for what calls no firewall and serves nothing: such a command needs no secret, and a file that is missing does not stop it.
	WithoutFiles bool
}

// Load reads and checks a configuration, and reads the files it names (keys, passwords, CA
// certificates), unless it is to go without. The error is nil or Faults; the warnings hold in either case.
func Load(o Options) (*Config, []Warning, error) {
	l := newLoader(o.Path)
	return l.whole(l.open(o))
}

// open reads the file, and what can be of the configuration; nil: nothing can.
func (l *loader) open(o Options) *Config {
	l.withoutFiles = o.WithoutFiles
	if o.Path == "" {
		return l.read(nil, o.Environ)
	}
	content, mode, err := readConfig(o.Path)
	if err != nil {
		l.fault(o.Path, "cannot be read: %v", cause(err))
		return nil
	}
	l.mode = mode
	return l.read(rawbytes.Provider(content), o.Environ)
}

// mostConfig holds over a thousand firewalls. The YAML library compares every key of a section with every
// other one, so that ten times as much could keep a reload busy for minutes.
const mostConfig = 512 << 10

// readConfig reads the file, of any kind: a pipe serves, and a device without an end does no harm.
func readConfig(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	content, err := io.ReadAll(io.LimitReader(f, mostConfig+1))
	if err == nil && len(content) > mostConfig {
		err = tooLarge(content)
	}
	return content, info.Mode(), err
}

// tooLarge says of the beginning of a file what takes most of it.
func tooLarge(content []byte) error {
	sizes, key, most := map[string]int{}, "", ""
	for line := range bytes.Lines(content) {
		if name := firstLevel.FindSubmatch(line); name != nil {
			key = string(name[1])
		}
		if sizes[key] += len(line); key != "" && sizes[key] > sizes[most] {
			most = key
		}
	}
	if most == "" {
		return fmt.Errorf("larger than %d KiB; not a configuration file", mostConfig>>10)
	}
	return fmt.Errorf("larger than %d KiB, the most that is read, of which %s takes %d KiB; shorten that (an input takes at most %d patterns)", mostConfig>>10, most, sizes[most]>>10, pattern.MaxPatterns)
}

// firstLevel begins a line with a key of the first level.
var firstLevel = regexp.MustCompile(`^([a-z_]{1,40}):`)

// loader is one run of Load: what it found wrong and where values came from.
type loader struct {
	withoutFiles bool // those that it names are not read

	path     string      // of the file, for faults
	mode     fs.FileMode // of the file
	faults   Faults
	unlisted int             // faults beyond mostFaults
	faulted  map[string]bool // keys that have a fault: one is enough
	damaged  map[string]bool // elements of lists that have a fault, such as "detect.ignore[3]."
	unknown  []unknownKey
	origin   map[string]string // the variable that set a key
	warnings []Warning
	glob     func(pattern string) ([]string, error) // filepath.Glob
	now      time.Time                              // what lies before it has ended
	custom   []string                               // the names of the rules below rules
}

func newLoader(path string) *loader {
	return &loader{path: path, faulted: map[string]bool{}, damaged: map[string]bool{}, origin: map[string]string{}, glob: filepath.Glob, now: time.Now()}
}

// mostFaults are listed, far more than a person reads; of the others the number is told. A file that was
// named by mistake could have a hundred thousand.
const mostFaults = 1000

// fault reports what is wrong with a key, once: what follows from a first fault helps nobody.
func (l *loader) fault(key, format string, args ...any) {
	if l.faulted[key] {
		return
	}
	l.faulted[key] = true
	if element, _, found := strings.Cut(key, "]."); found {
		l.damaged[element+"]."] = true
	}
	if len(l.faults) >= mostFaults {
		l.unlisted++
		return
	}
	message := fmt.Sprintf(format, args...)
	whole, _, _ := strings.Cut(key, "[") // of a list from one variable
	for _, k := range []string{key, whole} {
		if variable, ok := l.origin[k]; ok {
			message += " (set by " + variable + ")"
			break
		}
	}
	denied := ""
	for _, x := range args {
		if err, is := x.(error); is && errors.Is(err, fs.ErrPermission) {
			denied = key
			if file, is := errors.AsType[*unread](err); is && shownPath(file.path) != "" {
				denied = file.path
			}
		}
	}
	l.faults = append(l.faults, Fault{Key: key, Text: message, Denied: denied})
}

// faultedBelow tells whether a key, or anything below it, has a fault: then what is missing there was perhaps meant.
func (l *loader) faultedBelow(key string) bool {
	for faulted := range l.faulted {
		if isBelow(faulted, key) {
			return true
		}
	}
	return false
}

// allFaults gives the faults, and how many more there are.
func (l *loader) allFaults() Faults {
	if l.unlisted > 0 {
		return append(l.faults, Fault{Key: l.path, Text: fmt.Sprintf("has %d more faults; fix these first", l.unlisted)})
	}
	return l.faults
}

func (l *loader) warn(key, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Key: key, Text: fmt.Sprintf(format, args...)})
}

// load is Load of what was read already.
func (l *loader) load(from koanf.Provider, environ []string) (*Config, []Warning, error) {
	return l.whole(l.read(from, environ))
}

// whole gives a configuration in which there is no fault.
func (l *loader) whole(c *Config) (*Config, []Warning, error) {
	if len(l.faults) > 0 {
		return nil, l.warnings, l.allFaults()
	}
	return c, l.warnings, nil
}

// read merges defaults, the file if there is one, and the environment, and builds the configuration: where there are faults, of what is
// left. nil: the file is no YAML.
func (l *loader) read(from koanf.Provider, environ []string) *Config {
	k := merged(presets(""), nil)
	if from != nil {
		if err := k.Load(from, parser{l}); err != nil {
			if !errors.Is(err, errYAML) { // its faults are in the list
				l.fault(l.path, "cannot be read: %v", err)
			}
			return nil
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
	return l.build(section{l: l, k: k})
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
		p.l.fault(fmt.Sprintf("%s:%d", p.l.path, line), "a second YAML document begins here; the configuration must be one document")
		return nil, errYAML
	}
	maps.IntfaceKeysToStrings(tree)
	p.l.shape(tree, "", "")
	return tree, nil
}

// Marshal is what koanf asks of a parser; nothing here writes YAML.
func (parser) Marshal(map[string]any) ([]byte, error) { return nil, errors.ErrUnsupported }

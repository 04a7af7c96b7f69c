package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/detect/pattern"
)

// patternsCommand is `patterns`.
type patternsCommand struct {
	*app
	input string // the path of an input, or of a file of one; "": as the file belongs
	set   string // a set by its name, instead of an input's patterns
}

func newPatternsCommand(a *app) *cobra.Command {
	p := &patternsCommand{app: a}
	c := &cobra.Command{
		Use:   "patterns",
		Short: "Try patterns on a log, and show the ready-made sets",
		Args:  ofSubcommands,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	test := &cobra.Command{
		Use:   "test FILE",
		Short: "Say which pattern takes how many lines of a log, with samples, and which lines none takes",
		Long: `Reads a log file as an input with patterns does, and says which pattern takes how many of its lines, with samples and the fields that each gave, how long it takes to try each on a line,
and which lines no pattern takes. Gzip is read too; - is standard input. Nothing is written. An event over several lines cannot be read: patterns see one line at a time.`,
		Args: exactlyOne("the FILE, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return p.test(c.Context(), args[0]) },
	}
	test.Flags().StringVar(&p.input, "input", "", "the patterns of the input with this `PATH` or URL, or of the file there (default: the input that FILE belongs to, else the only one with patterns)")
	test.Flags().StringVar(&p.set, "set", "", "a ready-made `SET`, instead of the patterns of an input")
	c.AddCommand(test, &cobra.Command{
		Use:   "show [SET]",
		Short: "List the ready-made sets with their events, or write one out as it would stand in the configuration",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return p.show(args) },
	})
	return c
}

// show lists the sets, or writes the patterns of one.
func (p *patternsCommand) show(args []string) error {
	if len(args) == 0 {
		t := display.NewTable(p.stdout, "SET", "EVENT", "TELLS OF")
		for _, name := range pattern.Sets() {
			set, err := setNamed(name)
			if err != nil {
				return err
			}
			for _, event := range set.Events() {
				t.Row(name, event, pattern.Meaning(event))
			}
		}
		return t.Flush()
	}
	set, err := setNamed(args[0])
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "patterns:")
	for i := range set.Len() {
		one := set.At(i)
		fmt.Fprintf(p.stdout, "  - event: %s\n    regexp: '%s'\n    proven: %t\n", one.Event, strings.ReplaceAll(one.Regexp, "'", "''"), one.Proven)
	}
	return nil
}

// setNamed gives a ready-made set.
func setNamed(name string) (*pattern.Set, error) {
	patterns, ok := pattern.Named(name)
	if !ok {
		return nil, usageErrorf("%q is not a set of patterns; there are %s", name, strings.Join(pattern.Sets(), ", "))
	}
	set, faults := pattern.Compile(patterns)
	if len(faults) > 0 {
		return nil, fmt.Errorf("the set %s: %s", name, faults[0].Text) // a test makes sure that there is none
	}
	return set, nil
}

// patterns finds what to try on a file.
func (p *patternsCommand) patterns(file string) (config.Input, error) {
	if p.set != "" {
		set, err := setNamed(p.set)
		return config.Input{Path: "the set " + p.set, Patterns: set, Location: time.Local}, err
	}
	cfg, err := p.loadPart(config.PartInputs)
	if err != nil {
		return config.Input{}, err
	}
	with := slices.DeleteFunc(slices.Clone(cfg.Inputs), func(in config.Input) bool { return in.Patterns == nil })
	path, named := p.input, p.input != ""
	if !named {
		path = file
	}
	if path, err = inputName(path); err != nil {
		return config.Input{}, err
	}
	in, ok := cfg.InputOf(path)
	switch {
	case ok && in.Patterns != nil:
		return in, nil
	case !named && len(with) == 1:
		return with[0], nil
	case len(with) == 0:
		return in, usageErrorf("no input of the configuration has patterns (format: pattern); name a ready-made set with --set, one of %s", strings.Join(pattern.Sets(), ", "))
	}
	var paths []string
	for _, in := range with {
		paths = append(paths, in.Name())
	}
	return in, usageErrorf("%s belongs to no input with patterns; those are %s: name one with --input, or a ready-made set with --set", path, strings.Join(paths, ", "))
}

// What is shown of a log, and what is timed of it.
const (
	shownOfPattern = 3
	shownOfNone    = 10
	shownOfLine    = 300
	timedBytes     = 4 << 20 // of a few patterns; of a thousand a tenth
)

// tried is what a pattern took of a file; with Pattern 0, what none did.
type tried struct {
	Pattern     int      `json:"pattern"` // its place, from 1 on; 0: no pattern
	Event       string   `json:"event"`
	Regexp      string   `json:"regexp"`
	Lines       int      `json:"lines"`       // that it took
	NoAddress   int      `json:"no_address"`  // of them, those whose src is no address: counted as bad
	Faulty      int      `json:"faulty"`      // and those whose time cannot be read: counted as bad
	Fault       string   `json:"fault"`       // of the first of these
	Nanoseconds int64    `json:"nanoseconds"` // that it takes to try it on a line
	Always      bool     `json:"always"`      // it is tried on every line, for no fixed text must be in those that it takes
	Samples     []string `json:"samples"`     // the first lines
	// Fields are what became of each of Samples: the fields that it gave, in the order of pattern.Groups, or why it gave none.
	Fields []string `json:"fields"`
}

// take counts a line, of which Parse gave the event or the error.
func (t *tried) take(line []byte, ev *detect.Event, err error, most int) {
	t.Lines++
	switch {
	case err == nil || errors.Is(err, pattern.ErrNoMatch):
	case errors.Is(err, pattern.ErrNoAddress):
		t.NoAddress++
	default:
		if t.Faulty++; t.Fault == "" {
			t.Fault = err.Error()
		}
	}
	if len(t.Samples) == most {
		return
	}
	t.Samples = append(t.Samples, string(line[:min(len(line), shownOfLine)]))
	switch {
	case errors.Is(err, pattern.ErrNoMatch):
	case err != nil:
		t.Fields = append(t.Fields, "bad: "+err.Error())
	default:
		t.Fields = append(t.Fields, fieldsOf(ev))
	}
}

// fieldsOf writes what of a line a pattern made fields of, and its time, which every event has.
func fieldsOf(ev *detect.Event) string {
	var fields []string
	add := func(name, value string) {
		if value != "" && value != "0" {
			fields = append(fields, name+" "+value)
		}
	}
	add("src", ev.Src.String())
	add("dst", api.AddrText(ev.Dst))
	add("src_port", strconv.Itoa(int(ev.SrcPort)))
	add("dst_port", strconv.Itoa(int(ev.DstPort)))
	add("src_user", ev.SrcUser)
	add("action", ev.Action)
	add("severity", ev.Severity)
	add("threat_name", ev.ThreatName)
	add("time", ev.Time.Format(time.RFC3339Nano))
	add("device", ev.Device)
	if ev.Repeat > 1 {
		add("repeat", strconv.FormatUint(uint64(ev.Repeat), 10))
	}
	return strings.Join(fields, ", ")
}

func (p *patternsCommand) test(ctx context.Context, file string) error {
	in, err := p.patterns(file)
	if err != nil {
		return err
	}
	from, name := p.stdin, "standard input"
	if file != line.Stdin {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("open the log: %w", err)
		}
		defer f.Close()
		from, name = f, file
	}
	parser := pattern.New(in.Patterns, pattern.Options{Location: in.Location})
	all, lines, err := p.try(ctx, &in, parser, from)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if p.json {
		for i := range all {
			if err := p.printJSON(all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return writeTried(p.stdout, all, lines, in.Name())
}

// try reads a log, and gives what each pattern took, and last what none did.
func (p *patternsCommand) try(ctx context.Context, in *config.Input, parser *pattern.Parser, from io.Reader) (all []tried, lines int, err error) {
	all = make([]tried, in.Patterns.Len()+1)
	none := &all[in.Patterns.Len()]
	none.Samples, none.Fields = []string{}, []string{}
	for i := range in.Patterns.Len() {
		one := in.Patterns.At(i)
		all[i] = tried{Pattern: i + 1, Event: one.Event, Regexp: one.Regexp, Always: in.Patterns.Slow(i), Samples: []string{}, Fields: []string{}}
	}
	var timed [][]byte
	size := 0
	err = line.EachLine(from, func(text []byte) error {
		var ev detect.Event
		err := parser.Parse(text, time.Now(), &ev)
		if n := parser.Took(); n >= 0 {
			all[n].take(text, &ev, err, shownOfPattern)
		} else {
			none.take(text, &ev, err, shownOfNone)
		}
		if lines++; size < timedBytes/(1+in.Patterns.Len()/100) {
			timed, size = append(timed, slices.Clone(text)), size+len(text)
		}
		return ctx.Err()
	})
	for i := range in.Patterns.Len() {
		begun := time.Now()
		for _, text := range timed {
			parser.Tries(i, text)
		}
		all[i].Nanoseconds = time.Since(begun).Nanoseconds() / int64(max(len(timed), 1))
		if ctx.Err() != nil {
			return all, lines, ctx.Err()
		}
	}
	return all, lines, err
}

// lastOf gives the end of a regular expression, which is what tells it from others of its program.
func lastOf(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return "..." + string(r[len(r)-most+3:])
	}
	return text
}

// writeTried writes what was found for people.
func writeTried(to io.Writer, all []tried, lines int, by string) error {
	none := &all[len(all)-1]
	fmt.Fprintf(to, "%s, of which the patterns of %s take %s\n\n", display.Plural(lines, "line"), by, display.Grouped(lines-none.Lines))
	t := display.NewTable(to, "#", "EVENT", "LINES", "NO ADDRESS", "BAD TIME", "TO TRY", "REGEXP")
	for i := range all[:len(all)-1] {
		one := &all[i]
		try := strconv.FormatFloat(float64(one.Nanoseconds)/1000, 'f', 2, 64) + " µs"
		if one.Always {
			try += ", always" // it has no fixed text
		}
		t.Row(one.Pattern, one.Event, display.Grouped(one.Lines), display.Grouped(one.NoAddress), display.Grouped(one.Faulty), try, lastOf(one.Regexp))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range all {
		one := &all[i]
		switch {
		case len(one.Samples) == 0:
			continue
		case one.Pattern == 0:
			fmt.Fprintf(to, "\nno pattern takes %s, the first of them:\n", display.Plural(one.Lines, "line"))
		default:
			fmt.Fprintf(to, "\n%d, %s:\n", one.Pattern, one.Event)
		}
		for i, text := range one.Samples {
			fmt.Fprintln(to, "  "+display.Harmless(text))
			if i < len(one.Fields) {
				fmt.Fprintln(to, "      "+display.Harmless(one.Fields[i]))
			}
		}
		if one.Fault != "" {
			fmt.Fprintln(to, "  bad: "+display.Harmless(one.Fault))
		}
	}
	return nil
}

package schema

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed schema.txt
var written string

// Firewall is that of <config>, as schema.txt has it.
var Firewall = must(read(written))

func must(s *Schema, err error) *Schema {
	if err != nil {
		panic("schema.txt: " + err.Error()) // a compiled table: no test would pass
	}
	return s
}

// line is one element as it is written.
type line struct {
	number     int
	depth      int
	name, form string
	conditions []string
	below      []*line
}

// read reads a whole schema. The error names the line.
func read(text string) (*Schema, error) {
	types, top, err := parse(text)
	if err != nil {
		return nil, err
	}
	b := builder{types}
	root := &Schema{children: fields{}}
	for _, l := range top {
		if err := b.add(root, l); err != nil {
			return nil, err
		}
	}
	return root.finish(), nil
}

// parse puts lines below those that they are indented under.
func parse(text string) (types map[string][]*line, top []*line, err error) {
	types = map[string][]*line{}
	var open []*line // the lines around the next one, and the type or the top as the first
	var put func(*line)
	for i, text := range strings.Split(text, "\n") {
		number := i + 1
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(text, "type "); ok {
			put = func(l *line) { types[name] = append(types[name], l) }
			open = []*line{{depth: 0}}
			continue
		}
		l, err := parseLine(text, number)
		if err != nil {
			return nil, nil, err
		}
		if l.depth == 0 {
			put = func(l *line) { top = append(top, l) }
			open = nil
		}
		if l.depth > len(open) {
			return nil, nil, fmt.Errorf("line %d: %s is indented too deep", number, l.name)
		}
		open = open[:l.depth]
		switch {
		case l.depth == 0 || l.depth == 1 && open[0].name == "":
			put(l)
		default:
			around := open[l.depth-1]
			around.below = append(around.below, l)
		}
		open = append(open, l)
	}
	return types, top, nil
}

// parseLine reads "name form conditions | source".
func parseLine(text string, number int) (*line, error) {
	what, source, _ := strings.Cut(text, "|")
	words := strings.Fields(what)
	indent := len(text) - len(strings.TrimLeft(text, " "))
	switch {
	case len(words) < 2 || indent%2 != 0:
		return nil, fmt.Errorf("line %d: expected name, form and conditions, indented by two spaces a level", number)
	case !sourced(strings.TrimSpace(source)):
		return nil, fmt.Errorf("line %d: %s says not where it is from: expected | and one of CG, SCM, PHP, GO, DOC, REC, INF", number, words[0])
	}
	return &line{number: number, depth: indent / 2, name: words[0], form: words[1], conditions: words[2:]}, nil
}

func sourced(source string) bool {
	name, _, _ := strings.Cut(source, " ")
	switch strings.TrimSuffix(name, ";") {
	case "CG", "SCM", "PHP", "GO", "DOC", "REC", "INF":
		return true
	}
	return false
}

// builder makes schemas of lines.
type builder struct{ types map[string][]*line }

// add makes what the line says a child of the schema, which may be nothing but that. A child that stands there stays.
func (b builder) add(to *Schema, l *line) error {
	if _, taken := to.children[l.name]; taken {
		return nil
	}
	s := &Schema{}
	holder := s // of what is indented
	switch l.form {
	case "bool":
		s.Leaf, s.value = true, yesOrNo
	case "text":
		s.Leaf = true
	case "list":
		s.List = true
	case "table":
		holder = &Schema{children: fields{}}
		s.Entry = holder
	case "group":
		s.children = fields{}
	case "open":
		s.children, s.Open = fields{}, true
	case "any":
		s.Open = true
	default:
		return fmt.Errorf("line %d: %q is no form", l.number, l.form)
	}
	for _, c := range l.conditions {
		if err := b.condition(to, s, holder, l.name, c); err != nil {
			return fmt.Errorf("line %d: %s: %w", l.number, l.name, err)
		}
	}
	if len(l.below) > 0 && holder.children == nil {
		return fmt.Errorf("line %d: a %s holds no elements", l.number, l.form)
	}
	to.children[l.name] = s
	for _, below := range l.below {
		if err := b.add(holder, below); err != nil {
			return err
		}
	}
	for _, c := range l.conditions {
		if names, ok := strings.CutPrefix(c, "uses="); ok {
			if err := b.use(holder, names); err != nil {
				return fmt.Errorf("line %d: %w", l.number, err)
			}
		}
	}
	holder.complete()
	return nil
}

// use adds what stands below types.
func (b builder) use(to *Schema, names string) error {
	for _, name := range strings.Split(names, ",") {
		lines, ok := b.types[name]
		if !ok || to.children == nil {
			return fmt.Errorf("there is no type %s, or nothing can stand here", name)
		}
		for _, l := range lines {
			if err := b.add(to, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete makes of the choice among the children one that must be made, if it is.
func (s *Schema) complete() {
	if s.choose {
		s.oneOf = s.Exclusive
	}
}

// condition adds a condition to a child of the schema around; holder is what its own children are put into.
func (b builder) condition(around, s, holder *Schema, name, condition string) error {
	key, value, _ := strings.Cut(condition, "=")
	words := strings.Split(value, ",")
	switch key {
	case "uses":
	case "choice":
		around.Exclusive = append(around.Exclusive, name)
	case "choose":
		holder.choose = true
	case "required":
		around.required = append(around.required, name)
	case "filled":
		s.full = "Static Address Groups cannot be empty" // the text of a recorded refusal
	case "open":
		holder.Open = true
	case "rule":
		holder.Rule = true
	case "kind":
		s.kind = value
	case "ref":
		s.refers = words
	case "free":
		s.free = meansElse(words)
	case "enum":
		if s.names = words; s.Entry == nil {
			s.and(keyword(words...))
		}
	case "check":
		check, ok := checks[value]
		if !ok {
			return fmt.Errorf("no check is called %q", value)
		}
		s.and(check)
	case "range":
		low, high, ok := strings.Cut(value, "..")
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if !ok || err != nil || err2 != nil || from > to {
			return fmt.Errorf("%q is no range", value)
		}
		s.and(within(from, to))
	case "max", "min", "most":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number", value)
		}
		s.bound(key, n)
	default:
		return fmt.Errorf("%q is no condition", condition)
	}
	return nil
}

// bound bounds a length, or the number of members.
func (s *Schema) bound(key string, n int) {
	switch {
	case key == "most":
		s.most = n
	case key == "min":
		s.and(atLeast(n))
	case s.Entry != nil:
		s.longest = n
	default:
		s.and(atMost(n))
	}
}

// and adds a check of the value.
func (s *Schema) and(check func(string) string) {
	before := s.value
	s.value = func(v string) string {
		if before != nil {
			if wrong := before(v); wrong != "" {
				return wrong
			}
		}
		return check(v)
	}
}

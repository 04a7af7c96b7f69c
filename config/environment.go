package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/knadh/koanf/maps"
)

// prefix begins the name of every variable that is ours.
const prefix = "ACTIVEDEFENSE_"

// variable turns a variable into a key and a value of the shape the schema asks for. An empty key
// tells koanf to pass it over.
func (l *loader) variable(name, value string) (key string, typed any) {
	parts := strings.Split(strings.TrimPrefix(name, prefix), "__")
	in, shown := "", ""
	for _, part := range parts {
		lower := strings.ToLower(part)
		_, err := strconv.ParseUint(part, 10, 16)
		switch {
		case err == nil && (part == "0" || part[0] != '0'):
			in, shown = in+"[]", shown+"["+part+"]"
		case in == "":
			in, shown = lower, lower
		default:
			in, shown = in+"."+lower, shown+"."+lower
		}
	}
	f, known := lookup(in)
	if !known || f.kind == elements || strings.ToUpper(name) != name {
		l.unknownKey(func() unknownKey {
			best, _ := nearestVariable(name)
			return unknownKey{fault: name, sibling: best}
		})
		l.fault(name, "unknown variable; %s", suggestVariable(name))
		return "", nil
	}
	l.origin[shown] = name
	if !utf8.ValidString(value) {
		l.fault(shown, "is not valid UTF-8")
		return "", nil
	}
	if typed = l.fromText(shown, f, value); typed == nil {
		return "", nil
	}
	return strings.ToLower(strings.Join(parts, ".")), typed
}

// fromText reads the text of a variable; nil after a fault.
func (l *loader) fromText(shown string, f field, value string) any {
	switch f.kind {
	case integer:
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err == nil {
			return n
		}
		l.fault(shown, "must be a whole number")
		return nil
	case boolean:
		switch strings.TrimSpace(value) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
		l.fault(shown, "must be true or false")
		return nil
	case headers: // one a line
		return strings.Split(value, "\n")
	case patterns: // sets by their names
		var names []any
		for name := range strings.SplitSeq(value, ",") {
			names = append(names, strings.TrimSpace(name))
		}
		sets, _ := l.shapePatterns(shown, names)
		return sets
	case list, values:
		if strings.TrimSpace(value) == "" {
			return []string{}
		}
		texts := strings.Split(value, ",")
		for i := range texts {
			texts[i] = strings.TrimSpace(texts[i])
		}
		return texts
	}
	return value
}

// override merges what the variables say into what the file says. koanf knows lists only as a whole;
// a variable names one element of one, or the one after the last, which it adds.
func (l *loader) override(variables, into map[string]any) error {
	for _, f := range schema {
		if f.kind != elements {
			continue
		}
		from, key := within(variables, f.path)
		changes, ok := from[key].(map[string]any)
		if !ok {
			continue
		}
		delete(from, key)
		to, _ := within(into, f.path) // the defaults have every list
		all, _ := to[key].([]any)
		to[key] = l.overrideElements(f.path, changes, all)
	}
	maps.Merge(variables, into)
	return nil
}

// within finds the section in which a key stands, and the key's name there; the section is nil if it is not in the tree.
func within(tree map[string]any, path string) (section map[string]any, key string) {
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		tree, _ = tree[part].(map[string]any)
	}
	return tree, parts[len(parts)-1]
}

func (l *loader) overrideElements(path string, changes map[string]any, all []any) []any {
	numbers := make([]int, 0, len(changes))
	for number := range changes {
		n, _ := strconv.Atoi(number) // variable has let nothing but numbers through
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if n > len(all) {
			l.fault(fmt.Sprintf("%s[%d]", path, n), "the list ends before it: a variable can set element 0 to %d", len(all))
			continue
		}
		if n == len(all) {
			all = append(all, map[string]any{})
		}
		values, _ := changes[strconv.Itoa(n)].(map[string]any)
		if element, ok := all[n].(map[string]any); ok {
			maps.Merge(values, element)
		}
	}
	return all
}

// variableOf is the name of the variable that sets a key of the schema, of a list its first element.
func variableOf(path string) string {
	return prefix + strings.ToUpper(strings.NewReplacer("[].", "__0__", ".", "__").Replace(path))
}

// nearestVariable finds the key whose variable is spelt alike.
func nearestVariable(name string) (path string, found bool) {
	var paths []string
	for _, f := range schema {
		if f.kind != elements {
			paths = append(paths, f.path)
		}
	}
	// What all names share says nothing about which one is near.
	own := func(n string) string { return strings.TrimPrefix(n, prefix) }
	return nearest(own(strings.ToUpper(name)), paths, func(path string) string { return own(variableOf(path)) }, 1+len(own(name))/4)
}

// suggestVariable says what an unknown variable was perhaps meant to be.
func suggestVariable(name string) string {
	if path, ok := nearestVariable(name); ok {
		return "did you mean " + variableOf(path) + "?"
	}
	return "a name is " + prefix + " and the key's path in capitals with __ for each dot, such as " + prefix + "STORE__URL"
}

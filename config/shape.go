package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape checks a tree read from YAML against the schema: keys must be known and values of the right
// shape. What is not is reported and taken out, so that what remains can be merged and read without
// a further look at types. at is the path so far for people, in the schema ("" or ending in a dot).
func (l *loader) shape(tree map[string]any, at, in string) {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		value := tree[key]
		f, known := lookup(in + key)
		switch {
		case strings.Contains(key, "."):
			l.unknownKey(func() unknownKey {
				return unknownKey{fault: at + fmt.Sprintf("%q", clip(key)), in: in, others: []string{in + strings.ToLower(key)}}
			})
			l.fault(at+fmt.Sprintf("%q", clip(key)), "unknown key: a key cannot contain a dot; nest the parts instead")
			delete(tree, key)
		case known && f.kind == elements:
			l.shapeElements(tree, key, at+key, f.path)
		case known:
			if fixed, ok := l.shapeValue(at+key, f, value); ok {
				tree[key] = fixed
			} else {
				delete(tree, key)
			}
		case isSection(in + key):
			section, ok := value.(map[string]any)
			if ok {
				l.shape(section, at+key+".", in+key+".")
				continue
			}
			if value != nil {
				l.fault(at+key, "must be a section: indent its keys below it")
			}
			delete(tree, key)
		default:
			l.unknownKey(func() unknownKey { return suggestion{key, at, in}.unknown(at + plainKey(key)) })
			l.fault(at+plainKey(key), "unknown key; %s", suggestion{key, at, in})
			delete(tree, key)
		}
	}
}

// shapeElements checks a list of sections. A faulty element stays as nil, to keep the others' numbers.
func (l *loader) shapeElements(tree map[string]any, key, at, in string) {
	if tree[key] == nil { // all elements commented out
		delete(tree, key)
		return
	}
	all, ok := tree[key].([]any)
	if !ok {
		l.fault(at, "must be a list: each element begins with a dash")
		delete(tree, key)
		return
	}
	for i := range all {
		element := fmt.Sprintf("%s[%d]", at, i)
		section, ok := all[i].(map[string]any)
		if !ok {
			l.fault(element, "must be a section such as {%s: ...}", firstKey(in))
			all[i] = nil
			continue
		}
		l.shape(section, element+".", in+"[].")
	}
}

// shapeValue brings one value into the form the rest of the package expects: string, int, bool or
// []string. No fault quotes the value: it may be a secret under the wrong key.
func (l *loader) shapeValue(at string, f field, value any) (any, bool) {
	if value == nil {
		if f.preset != nil && !empty(f.preset) {
			l.fault(at, "has no value; set one, or omit the key for the default (%v)", f.preset)
		}
		return nil, false
	}
	switch f.kind {
	case text, secret:
		if s, ok := value.(string); ok {
			return s, true
		}
		l.fault(at, "must be a text; put it in quotes")
	case integer:
		if n, ok := value.(int); ok {
			return n, true
		}
		l.fault(at, "must be a whole number")
	case boolean:
		if b, ok := value.(bool); ok {
			return b, true
		}
		l.fault(at, "must be true or false")
	case duration, size:
		if v, ok := value.(string); ok {
			return v, true
		}
		if value == 0 {
			return "0", true
		}
		if f.kind == size {
			l.fault(at, "must be a size with a unit, such as 200GB or 500MiB, or 0 for none")
			break
		}
		l.fault(at, "must be a duration with a unit, such as 90d, 12h, 10m or 30s")
	case list:
		return l.shapeList(at, value)
	case values:
		return l.shapeValues(at, value)
	case headers:
		return l.shapeHeaders(at, value)
	case conditions:
		return l.shapeConditions(at, value, false)
	case patterns:
		return l.shapePatterns(at, value)
	case date:
		switch d := value.(type) {
		case string:
			return d, true
		case time.Time: // what YAML makes of a day without quotes
			return d.Format(time.DateOnly), true
		}
		l.fault(at, "must be a day such as 2027-01-31")
	}
	return nil, false
}

// shapeValues makes a list of texts of one value or of several, each a text or a whole number. A faulty one becomes an
// empty text, as in shapeList.
func (l *loader) shapeValues(at string, value any) (any, bool) {
	all, several := value.([]any)
	if !several {
		all = []any{value}
	}
	texts := make([]string, len(all))
	for i, entry := range all {
		switch v := entry.(type) {
		case string:
			texts[i] = v
		case int:
			texts[i] = strconv.Itoa(v)
		default:
			if !several {
				l.fault(at, "must be a value or a list of values; put texts in quotes")
				return nil, false
			}
			l.fault(fmt.Sprintf("%s[%d]", at, i), "must be a text or a whole number; put texts in quotes")
		}
	}
	return texts, true
}

// shapeHeaders makes a list of "Name: value" of a section of texts.
func (l *loader) shapeHeaders(at string, value any) (any, bool) {
	section, ok := value.(map[string]any)
	if !ok {
		l.fault(at, "must be a section of names and values, such as {Authorization: Bearer ...}")
		return nil, false
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(section)) {
		text, ok := section[name].(string)
		if !ok {
			l.fault(at, "the value of %s must be a text; put it in quotes", plainKey(name))
			return nil, false
		}
		lines = append(lines, name+": "+text)
	}
	return lines, true
}

// shapeList checks a list of texts. A faulty one becomes an empty text, to keep the others' numbers;
// only one fault is kept for a key, so it is not reported a second time.
func (l *loader) shapeList(at string, value any) (any, bool) {
	all, ok := value.([]any)
	if !ok {
		such := "[192.0.2.7, 198.51.100.0/24]"
		if strings.HasSuffix(at, ".internet_zones") {
			such = "[untrust]"
		}
		switch {
		case strings.HasSuffix(at, ".events"):
			such = "[firewall-down, firewall-up]"
		case strings.HasSuffix(at, ".to"):
			such = "[soc@example.com]"
		}
		l.fault(at, "must be a list, such as %s", such)
		return nil, false
	}
	texts := make([]string, len(all))
	for i, entry := range all {
		if texts[i], ok = entry.(string); !ok {
			l.fault(fmt.Sprintf("%s[%d]", at, i), "must be a text; put it in quotes")
		}
	}
	return texts, true
}

// empty tells whether a default says nothing: then a key without a value says the same.
func empty(preset any) bool {
	v := reflect.ValueOf(preset)
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

// firstKey names the first key of an element of the list.
func firstKey(list string) string {
	for _, f := range schema {
		if key, ok := strings.CutPrefix(f.path, list+"[]."); ok {
			return key
		}
	}
	return ""
}

// plainKey quotes a key that does not look like one.
func plainKey(key string) string {
	odd := strings.ContainsFunc(key, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if key == "" || odd || len(key) > 40 {
		return fmt.Sprintf("%q", clip(key))
	}
	return key
}

package config

import (
	"fmt"
	"strings"
)

// A Setting is one key of a configuration as it is in use.
type Setting struct {
	Key string `json:"key"`
	// Value is as the file would have it: a text, a number, a list; null: nothing is set, and that means something. Of a secret it says
	// that there is one.
	Value  any  `json:"value"`
	Preset bool `json:"preset"` // it is the built-in default
}

// Settings gives every key with its value, in the order of the example, and no secret; empty: the configuration was not loaded.
func (c *Config) Settings() []Setting { return c.settings }

// settingsOf reads what was merged; c is what was made of it.
func settingsOf(s section, c *Config) (all []Setting) {
	for _, f := range schema {
		list, rest, inList := strings.Cut(f.path, "[].")
		switch {
		case f.kind == elements:
			elements := s.elements(f.path)
			if len(elements) == 0 {
				all = append(all, Setting{f.path, []string{}, true})
			}
			for _, e := range elements {
				all = append(all, elementSettings(e, f.path)...)
			}
		case inList && list != "" && rest != "":
		case f.path == "store.url":
			storeURL := c.Store.Redacted()
			all = append(all, Setting{f.path, storeURL, storeURL == ""})
		default:
			one := settingOf(s, f.path, &f)
			if ids := c.Detect.Vulnerability.ThreatIDs; f.path == "detect.vulnerability.threat_ids" && one.Value == nil && len(ids) > 0 {
				one.Value = ids // left out, it has a default that another key takes away
			}
			all = append(all, one)
		}
	}
	return all
}

// elementSettings are those of one element of a list that are set.
func elementSettings(e section, list string) (all []Setting) {
	for _, f := range schema {
		if key, is := strings.CutPrefix(f.path, list+"[]."); is && (e.k.Exists(key) || f.preset != nil) {
			all = append(all, settingOf(e, key, &f))
		}
	}
	return all
}

func settingOf(s section, key string, f *field) Setting {
	value := s.k.Get(key)
	out := Setting{s.at + key, value, fmt.Sprint(value) == fmt.Sprint(f.preset)}
	switch f.kind {
	case secret:
		if out.Value = ""; fmt.Sprint(value) != "" && value != nil {
			out.Value = redacted
		}
	case conditions:
		out.Value = conditionTexts("", value)
	case patterns:
		out.Value = patternTexts(value)
	case headers:
		names := []string{}
		for _, header := range s.k.Strings(key) {
			name, _, _ := strings.Cut(header, ":")
			names = append(names, name+": "+redacted)
		}
		out.Value = names
	}
	return out
}

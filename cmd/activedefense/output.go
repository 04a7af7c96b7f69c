package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// parsePrefix reads an address or a network.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := api.ParsePrefix(s)
	return p, asked(err)
}

// parsePrefixes reads several.
func parsePrefixes(args []string) ([]netip.Prefix, error) {
	prefixes, err := api.ParsePrefixes(args)
	return prefixes, asked(err)
}

// plural, grouped and span are how display writes these.
func plural[T int | int64 | uint64](n T, what string) string { return display.Plural(n, what) }
func grouped[T int | int64 | uint64](n T) string             { return display.Grouped(n) }
func span(d time.Duration) string                            { return display.Span(d) }

// eachOf does something with each; what fails keeps no other from it.
func eachOf(args []string, do func(string) error) error {
	var faults []error
	for _, arg := range args {
		if err := do(arg); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// parseTime reads the time of a flag; see [api.ParseTime].
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	t, err := api.ParseTime(flag, text, now)
	return t, asked(err)
}

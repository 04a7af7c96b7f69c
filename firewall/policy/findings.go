package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"activedefense/firewall/xmlapi"
)

// findings are what one check finds.
type findings struct {
	fails, warns, notes []string
	remedies            []string
	unknown             []string // what could not be told, and is no fault: said whatever the result is
}

func (f *findings) fail(remedy, format string, args ...any) {
	f.fails = append(f.fails, fmt.Sprintf(format, args...))
	f.remedy(remedy)
}

func (f *findings) warn(remedy, format string, args ...any) {
	f.warns = append(f.warns, fmt.Sprintf(format, args...))
	f.remedy(remedy)
}

// note says what was found to be right.
func (f *findings) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *findings) remedy(text string) {
	if text != "" && !slices.Contains(f.remedies, text) {
		f.remedies = append(f.remedies, text)
	}
}

// unasked warns of what could not be asked; false: there is nothing to warn of.
func (f *findings) unasked(err error) bool {
	if err == nil {
		return false
	}
	f.warn(askRemedy(err), unaskedText+": %s", cause(err))
	return true
}

// nothing warns that there was nothing to look at, before another check is mended.
func (f *findings) nothing(what, first string) {
	f.warn(`Fix "`+first+`" first.`, unaskedText+": there is no %s to look at", what)
}

// unaskedText is how a finding of what could not be asked begins.
const unaskedText = "could not be checked"

// askRemedy is what lets a refused question be asked.
func askRemedy(err error) string {
	switch xmlapi.Kind(err) {
	case xmlapi.KindRole:
		return "Device > Admin Roles > the role of this administrator > XML API: enable Operational Requests and Configuration."
	case xmlapi.KindAPI, xmlapi.KindMalformed:
		return "" // this version answers otherwise than any that is known
	}
	return `Fix "` + CheckAPI + `" first.`
}

// cause tells why something could not be done, without the name of the firewall, which stands beside it.
func cause(err error) string {
	var e *xmlapi.Error
	switch {
	case err == nil:
		return "it was refused"
	case errors.As(err, &e):
		short := *e
		short.Firewall = ""
		return xmlapi.Tidy(short.Error())
	}
	return xmlapi.Tidy(err.Error())
}

const maxNamed = 20 // how many findings a detail names

func (f *findings) check(firewall, name string) Check {
	c := Check{Firewall: firewall, Check: name, Result: ResultPass}
	found := f.notes
	switch {
	case len(f.fails) > 0:
		c.Result, found = ResultFail, slices.Concat(f.fails, f.warns)
	case len(f.warns) > 0:
		c.Result, found = ResultWarn, f.warns
	}
	if more := len(found) - maxNamed; more > 0 {
		found = append(slices.Clone(found[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	c.Detail = oneLine(strings.Join(append(slices.Clone(found), f.unknown...), "; "))
	c.Remedy = oneLine(strings.Join(f.remedies[:min(len(f.remedies), maxNamed)], " Also: "))
	return c
}

// oneLine makes names and texts of a firewall fit to print.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, " "), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}

// cli writes remedies that can be typed, as a virtual system's administrator would type them.
type cli struct {
	vsys, firewall   string
	multi, provision bool
}

const cliPrefix = "CLI, configure mode: "

// set is a command of the configuration mode.
func (c cli) set(format string, args ...any) string { return c.command("set ", format, args...) }

func (c cli) move(format string, args ...any) string { return c.command("move ", format, args...) }

func (c cli) command(verb, format string, args ...any) string {
	if c.multi {
		verb += "vsys " + c.vsys + " "
	}
	return cliPrefix + verb + fmt.Sprintf(format, args...)
}

// or offers our own way first where we may write.
func (c cli) or(byHand string) string {
	if !c.provision {
		return byHand
	}
	return "activedefense provision --firewall " + word(c.firewall) + " shows the changes needed, and makes them with --apply --commit. Or: " + byHand
}

// word quotes a name for a command line if it must be.
func word(name string) string {
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}) {
		return name
	}
	return `"` + xmlapi.Tidy(name) + `"`
}

func words(names []string) string {
	switch len(names) {
	case 0:
		return anything
	case 1:
		return word(names[0])
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = word(n)
	}
	return "[ " + strings.Join(quoted, " ") + " ]"
}

// plural writes a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, cmp.Or(many, one+"s"))
}

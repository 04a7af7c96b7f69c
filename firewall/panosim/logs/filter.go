package logs

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/filter"
	"activedefense/firewall/panosim/iprange"
)

// parseLogFilter reads the filter of a match list: "All Logs", or conditions as "(severity geq high)" joined by and,
// or and not, with parentheses. Only the common fields and operators are known.
func parseLogFilter(text string) (filter.Filter[*Record], error) {
	if text = strings.TrimSpace(text); text == "" || strings.EqualFold(text, "All Logs") {
		return func(*Record) bool { return true }, nil
	}
	return filter.Parse(text, conditionOperand, "not", "!")
}

// conditionOperand reads a field, an operator and a value.
func conditionOperand(tokens []filter.Token) (filter.Filter[*Record], int, error) {
	if len(tokens) < 3 {
		return nil, 0, errors.New("ends where a condition is expected")
	}
	f, err := condition(tokens[0].Text, tokens[1].Text, tokens[2].Text)
	return f, 3, err
}

// condition reads one comparison.
func condition(field, operator, value string) (filter.Filter[*Record], error) {
	unknown := fmt.Errorf("the simulator does not know (%s %s %s)", field, operator, value)
	switch field {
	case "severity":
		return severityCondition(operator, value, unknown)
	case "addr.src", "addr.dst", "addr":
		return addressCondition(field, operator, value, unknown)
	}
	get, known := map[string]func(*Record) string{
		"eventid":  func(r *Record) string { return r.event },
		"status":   func(r *Record) string { return r.Action },
		"action":   func(r *Record) string { return r.Action },
		"subtype":  func(r *Record) string { return r.Subtype },
		"rule":     func(r *Record) string { return r.Rule },
		"app":      func(r *Record) string { return r.App },
		"zone.src": func(r *Record) string { return r.Packet.From },
		"from":     func(r *Record) string { return r.Packet.From },
		"zone.dst": func(r *Record) string { return r.Packet.To },
		"to":       func(r *Record) string { return r.Packet.To },
		"port.dst": func(r *Record) string { return strconv.Itoa(int(r.Packet.DestinationPort)) },
		"port.src": func(r *Record) string { return strconv.Itoa(int(r.Packet.SourcePort)) },
	}[field]
	switch {
	case known && operator == "eq":
		return func(r *Record) bool { return get(r) == value }, nil
	case known && operator == "neq":
		return func(r *Record) bool { return get(r) != value }, nil
	}
	return nil, unknown
}

// severityCondition compares in the order of severities.
func severityCondition(operator, value string, unknown error) (filter.Filter[*Record], error) {
	want := severityNumber(value)
	hold, ok := map[string]func(int) bool{
		"eq":  func(n int) bool { return n == want },
		"neq": func(n int) bool { return n != want },
		"geq": func(n int) bool { return n >= want },
		"leq": func(n int) bool { return n <= want },
	}[operator]
	if !ok || want == 0 {
		return nil, unknown
	}
	return func(r *Record) bool { return hold(r.severityNumber()) }, nil
}

func addressCondition(field, operator, value string, unknown error) (filter.Filter[*Record], error) {
	want, ok := iprange.Parse(value)
	if !ok || !slices.Contains([]string{"in", "notin", "eq", "neq"}, operator) {
		return nil, unknown
	}
	negate := operator == "notin" || operator == "neq"
	has := func(a netip.Addr) bool { return a.IsValid() && want.Contains(iprange.Single(a)) }
	return func(r *Record) bool {
		in := field != "addr.dst" && has(r.Packet.Source) || field != "addr.src" && has(r.Packet.Destination)
		return in != negate
	}, nil
}

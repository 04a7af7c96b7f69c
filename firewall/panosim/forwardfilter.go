package panosim

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
func parseLogFilter(text string) (filter.Filter[*record], error) {
	if text = strings.TrimSpace(text); text == "" || strings.EqualFold(text, "All Logs") {
		return func(*record) bool { return true }, nil
	}
	return filter.Parse(text, conditionOperand, "not", "!")
}

// conditionOperand reads a field, an operator and a value.
func conditionOperand(tokens []filter.Token) (filter.Filter[*record], int, error) {
	if len(tokens) < 3 {
		return nil, 0, errors.New("ends where a condition is expected")
	}
	f, err := condition(tokens[0].Text, tokens[1].Text, tokens[2].Text)
	return f, 3, err
}

// condition reads one comparison.
func condition(field, operator, value string) (filter.Filter[*record], error) {
	unknown := fmt.Errorf("the simulator does not know (%s %s %s)", field, operator, value)
	switch field {
	case "severity":
		return severityCondition(operator, value, unknown)
	case "addr.src", "addr.dst", "addr":
		return addressCondition(field, operator, value, unknown)
	}
	get, known := map[string]func(*record) string{
		"action":   func(r *record) string { return r.action },
		"subtype":  func(r *record) string { return r.subtype },
		"rule":     func(r *record) string { return r.rule },
		"app":      func(r *record) string { return r.app },
		"zone.src": func(r *record) string { return r.packet.From },
		"from":     func(r *record) string { return r.packet.From },
		"zone.dst": func(r *record) string { return r.packet.To },
		"to":       func(r *record) string { return r.packet.To },
		"port.dst": func(r *record) string { return strconv.Itoa(int(r.packet.DestinationPort)) },
		"port.src": func(r *record) string { return strconv.Itoa(int(r.packet.SourcePort)) },
	}[field]
	switch {
	case known && operator == "eq":
		return func(r *record) bool { return get(r) == value }, nil
	case known && operator == "neq":
		return func(r *record) bool { return get(r) != value }, nil
	}
	return nil, unknown
}

// severityCondition compares in the order of severities. TRAFFIC logs are informational.
func severityCondition(operator, value string, unknown error) (filter.Filter[*record], error) {
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
	return func(r *record) bool {
		if r.log == traffic {
			return hold(1)
		}
		return hold(severityNumber(r.packet.Threat.Severity))
	}, nil
}

func addressCondition(field, operator, value string, unknown error) (filter.Filter[*record], error) {
	want, ok := iprange.Parse(value)
	if !ok || !slices.Contains([]string{"in", "notin", "eq", "neq"}, operator) {
		return nil, unknown
	}
	negate := operator == "notin" || operator == "neq"
	has := func(a netip.Addr) bool { return want.Contains(iprange.Single(a)) }
	return func(r *record) bool {
		in := field != "addr.dst" && has(r.packet.Source) || field != "addr.src" && has(r.packet.Destination)
		return in != negate
	}, nil
}

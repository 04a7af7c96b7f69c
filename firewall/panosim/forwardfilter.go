package panosim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// logFilter says whether a log entry passes.
type logFilter func(*record) bool

// parseLogFilter reads the filter of a match list: "All Logs", or conditions as "(severity geq high)" joined by and,
// or and not, with parentheses. Only the common fields and operators are known.
func parseLogFilter(text string) (logFilter, error) {
	if text = strings.TrimSpace(text); text == "" || strings.EqualFold(text, "All Logs") {
		return func(*record) bool { return true }, nil
	}
	if len(text) > maxFilter {
		return nil, fmt.Errorf("filter of %d characters: at most %d", len(text), maxFilter)
	}
	tokens, err := filterTokens(text)
	if err != nil {
		return nil, err
	}
	p := &logFilterParser{filterParser{tokens: tokens}}
	f, err := p.either()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("filter %q: unexpected %q", text, p.tokens[p.at].text)
	}
	return f, nil
}

// logFilterParser reads conditions where groupFilter has tags.
type logFilterParser struct{ filterParser }

func (p *logFilterParser) either() (logFilter, error) {
	left, err := p.both()
	for err == nil && p.keyword("or") {
		a := left
		var b logFilter
		b, err = p.both()
		left = func(r *record) bool { return a(r) || b(r) }
	}
	return left, err
}

func (p *logFilterParser) both() (logFilter, error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		a := left
		var b logFilter
		b, err = p.term()
		left = func(r *record) bool { return a(r) && b(r) }
	}
	return left, err
}

func (p *logFilterParser) term() (logFilter, error) {
	if p.depth++; p.depth > maxTerms {
		return nil, fmt.Errorf("nested deeper than %d", maxTerms)
	}
	defer func() { p.depth-- }()
	switch {
	case p.keyword("not"), p.keyword("!"):
		f, err := p.term()
		return func(r *record) bool { return !f(r) }, err
	case p.keyword("("):
		f, err := p.either()
		if err == nil && !p.keyword(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return f, err
	case len(p.tokens)-p.at < 3:
		return nil, fmt.Errorf("ends where a condition is expected")
	}
	field, operator, value := p.tokens[p.at].text, p.tokens[p.at+1].text, p.tokens[p.at+2].text
	p.at += 3
	return condition(field, operator, value)
}

// condition reads one comparison.
func condition(field, operator, value string) (logFilter, error) {
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
func severityCondition(operator, value string, unknown error) (logFilter, error) {
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

func addressCondition(field, operator, value string, unknown error) (logFilter, error) {
	want, ok := parseSpan(value)
	if !ok || !slices.Contains([]string{"in", "notin", "eq", "neq"}, operator) {
		return nil, unknown
	}
	negate := operator == "notin" || operator == "neq"
	has := func(a netip.Addr) bool { return want.contains(single(a)) }
	return func(r *record) bool {
		in := field != "addr.dst" && has(r.packet.Source) || field != "addr.src" && has(r.packet.Destination)
		return in != negate
	}, nil
}

package policy

import (
	"errors"
	"fmt"
	"strings"

	"activedefense/firewall/xmlapi"
)

// tagFilter is the match expression of a dynamic address group, as a function of the tags that an address bears.
type tagFilter func(tags map[string]bool) bool

// maxFilterDepth bounds the nesting of an expression.
const maxFilterDepth = 64

// parseTagFilter reads tags joined by and, or, not and parentheses. A tag may stand between quotes of either kind;
// the words are keywords in any case ("Use Dynamic Address Groups in Policy"; the vendor's tutorial writes AND), and
// "and" binds closer than "or".
func parseTagFilter(text string) (tagFilter, error) {
	p := &filterReader{rest: text}
	p.next()
	f, err := p.or(0)
	if err == nil && p.token != "" {
		err = fmt.Errorf("unexpected %q", p.token)
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", xmlapi.Tidy(text), err)
	}
	return f, nil
}

type filterReader struct {
	rest   string
	token  string // the one that is looked at; "": the end
	quoted bool
	broken bool // a quote is not closed
}

// next goes on to the next token.
func (p *filterReader) next() {
	p.token, p.quoted = "", false
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return
	}
	switch c := p.rest[0]; c {
	case '(', ')':
		p.token, p.rest = p.rest[:1], p.rest[1:]
	case '\'', '"':
		var closed bool
		p.token, p.rest, closed = strings.Cut(p.rest[1:], string(c))
		p.quoted, p.broken = true, p.broken || !closed || p.token == ""
	default:
		end := strings.IndexAny(p.rest, " \t\r\n()'\"")
		if end < 0 {
			end = len(p.rest)
		}
		p.token, p.rest = p.rest[:end], p.rest[end:]
	}
}

// take goes on if the token is that word or parenthesis.
func (p *filterReader) take(word string) bool {
	if p.quoted || !strings.EqualFold(p.token, word) {
		return false
	}
	p.next()
	return true
}

func (p *filterReader) or(depth int) (tagFilter, error) {
	left, err := p.and(depth)
	for err == nil && p.take("or") {
		var right tagFilter
		right, err = p.and(depth)
		a := left
		left = func(tags map[string]bool) bool { return a(tags) || right(tags) }
	}
	return left, err
}

func (p *filterReader) and(depth int) (tagFilter, error) {
	left, err := p.term(depth)
	for err == nil && p.take("and") {
		var right tagFilter
		right, err = p.term(depth)
		a := left
		left = func(tags map[string]bool) bool { return a(tags) && right(tags) }
	}
	return left, err
}

func (p *filterReader) term(depth int) (tagFilter, error) {
	if depth > maxFilterDepth {
		return nil, errors.New("nested too deeply")
	}
	switch {
	case p.broken:
		return nil, errors.New("unclosed or empty quotes")
	case p.take("not"):
		f, err := p.term(depth + 1)
		return func(tags map[string]bool) bool { return !f(tags) }, err
	case p.take("("):
		f, err := p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = errors.New("unclosed parenthesis")
		}
		return f, err
	case p.token == "":
		return nil, errors.New("a tag is expected at the end")
	case !p.quoted && (p.token == ")" || strings.EqualFold(p.token, "and") || strings.EqualFold(p.token, "or")):
		return nil, fmt.Errorf("unexpected %q", p.token)
	}
	tag := p.token
	p.next()
	return func(tags map[string]bool) bool { return tags[tag] }, nil
}

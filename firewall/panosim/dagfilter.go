package panosim

import (
	"errors"
	"fmt"
	"strings"
)

// groupFilter is the match expression of a dynamic address group, as a function of an object's tags.
type groupFilter func(tags map[string]bool) bool

// maxFilter bounds an expression, in bytes: that of the field in the web interface.
const maxFilter = 2047

// maxTerms bounds how deep an expression may nest.
const maxTerms = 100

// parseGroupFilter reads tags, with or without quotes, joined by and, or and not, with parentheses. "and" binds
// closer than "or"; words are keywords in any case ("tag1 AND tag2" is in the vendor's tutorial).
func parseGroupFilter(text string) (groupFilter, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("filter of %d characters: at most %d", len(text), maxFilter)
	}
	tokens, err := filterTokens(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens}
	f, err := p.either()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("filter %q: unexpected %q", text, p.tokens[p.at].text)
	}
	return f, nil
}

// filterToken is a word, a parenthesis or something quoted.
type filterToken struct {
	text   string
	quoted bool
}

// filterTokens splits an expression.
func filterTokens(text string) ([]filterToken, error) {
	var tokens []filterToken
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return tokens, nil
		}
		switch c := text[0]; c {
		case '(', ')':
			tokens = append(tokens, filterToken{text: text[:1]})
			text = text[1:]
		case '\'', '"':
			content, rest, closed := strings.Cut(text[1:], string(c))
			if !closed {
				return nil, fmt.Errorf("filter: %q has no closing quote", text)
			}
			tokens = append(tokens, filterToken{content, true})
			text = rest
		default:
			end := strings.IndexAny(text, " \t\r\n()'\"")
			if end < 0 {
				end = len(text)
			}
			tokens = append(tokens, filterToken{text: text[:end]})
			text = text[end:]
		}
	}
}

// filterParser reads an expression by recursive descent.
type filterParser struct {
	tokens []filterToken
	at     int
	depth  int
}

var errFilterEnd = errors.New("ends where a tag is expected")

// keyword takes the next token if it is this word or parenthesis.
func (p *filterParser) keyword(word string) bool {
	if p.at == len(p.tokens) || p.tokens[p.at].quoted || !strings.EqualFold(p.tokens[p.at].text, word) {
		return false
	}
	p.at++
	return true
}

func (p *filterParser) either() (groupFilter, error) {
	left, err := p.both()
	for err == nil && p.keyword("or") {
		a := left
		var b groupFilter
		b, err = p.both()
		left = func(tags map[string]bool) bool { return a(tags) || b(tags) }
	}
	return left, err
}

func (p *filterParser) both() (groupFilter, error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		a := left
		var b groupFilter
		b, err = p.term()
		left = func(tags map[string]bool) bool { return a(tags) && b(tags) }
	}
	return left, err
}

// term reads a tag, a negated term, or an expression in parentheses.
func (p *filterParser) term() (groupFilter, error) {
	if p.depth++; p.depth > maxTerms {
		return nil, fmt.Errorf("nested deeper than %d", maxTerms)
	}
	defer func() { p.depth-- }()
	switch {
	case p.keyword("not"):
		f, err := p.term()
		return func(tags map[string]bool) bool { return !f(tags) }, err
	case p.keyword("("):
		f, err := p.either()
		if err == nil && !p.keyword(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return f, err
	case p.at == len(p.tokens):
		return nil, errFilterEnd
	}
	t := p.tokens[p.at]
	if !t.quoted && (t.text == ")" || strings.EqualFold(t.text, "and") || strings.EqualFold(t.text, "or")) {
		return nil, fmt.Errorf("unexpected %q", t.text)
	}
	p.at++
	return func(tags map[string]bool) bool { return tags[t.text] }, nil
}

// Package filter reads the match expressions of PAN-OS: operands joined by and, or and not, with parentheses. The same
// grammar stands in dynamic address groups, where an operand is a tag, and in log forwarding, where it is a condition.
//
// It does not know any operand: whoever reads an expression says how.
package filter

import (
	"errors"
	"fmt"
	"strings"
)

// Filter says whether something passes.
type Filter[T any] func(T) bool

// MaxLength bounds an expression, in bytes: that of the field in the web interface.
const MaxLength = 2047

// maxDepth bounds how deep an expression may nest.
const maxDepth = 100

// Operand reads one operand from the tokens that are left, of which there may be none, and says how many it took.
type Operand[T any] func(tokens []Token) (f Filter[T], taken int, err error)

// Parse reads an expression. "and" binds closer than "or"; words are keywords in any case ("tag1 AND tag2" is in the
// vendor's tutorial). not lists the keywords that negate what follows them.
func Parse[T any](text string, operand Operand[T], not ...string) (Filter[T], error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("filter of %d characters: at most %d", len(text), MaxLength)
	}
	tokens, err := split(text)
	if err != nil {
		return nil, err
	}
	p := &parser[T]{tokens: tokens, operand: operand, not: not}
	f, err := p.either()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("filter %q: unexpected %q", text, p.tokens[p.at].Text)
	}
	return f, nil
}

// Token is a word, a parenthesis or something quoted.
type Token struct {
	Text   string // without its quotes
	Quoted bool
}

// split cuts an expression into tokens.
func split(text string) ([]Token, error) {
	var tokens []Token
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return tokens, nil
		}
		switch c := text[0]; c {
		case '(', ')':
			tokens = append(tokens, Token{Text: text[:1]})
			text = text[1:]
		case '\'', '"':
			content, rest, closed := strings.Cut(text[1:], string(c))
			if !closed {
				return nil, fmt.Errorf("filter: %q has no closing quote", text)
			}
			tokens = append(tokens, Token{content, true})
			text = rest
		default:
			end := strings.IndexAny(text, " \t\r\n()'\"")
			if end < 0 {
				end = len(text)
			}
			tokens = append(tokens, Token{Text: text[:end]})
			text = text[end:]
		}
	}
}

// parser reads an expression by recursive descent.
type parser[T any] struct {
	tokens  []Token
	operand Operand[T]
	not     []string
	at      int
	depth   int
}

// keyword takes the next token if it is this word or parenthesis.
func (p *parser[T]) keyword(word string) bool {
	if p.at == len(p.tokens) || p.tokens[p.at].Quoted || !strings.EqualFold(p.tokens[p.at].Text, word) {
		return false
	}
	p.at++
	return true
}

func (p *parser[T]) either() (Filter[T], error) {
	left, err := p.both()
	for err == nil && p.keyword("or") {
		a := left
		var b Filter[T]
		b, err = p.both()
		left = func(x T) bool { return a(x) || b(x) }
	}
	return left, err
}

func (p *parser[T]) both() (Filter[T], error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		a := left
		var b Filter[T]
		b, err = p.term()
		left = func(x T) bool { return a(x) && b(x) }
	}
	return left, err
}

// term reads an operand, a negated term, or an expression in parentheses.
func (p *parser[T]) term() (Filter[T], error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	for _, word := range p.not {
		if p.keyword(word) {
			f, err := p.term()
			return func(x T) bool { return !f(x) }, err
		}
	}
	if p.keyword("(") {
		f, err := p.either()
		if err == nil && !p.keyword(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return f, err
	}
	f, taken, err := p.operand(p.tokens[p.at:])
	p.at += taken
	return f, err
}

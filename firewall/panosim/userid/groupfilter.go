package userid

import (
	"errors"
	"fmt"
	"strings"

	"activedefense/firewall/panosim/filter"
)

var errFilterEnd = errors.New("ends where a tag is expected")

// parseGroupFilter reads the match expression of a dynamic address group, a function of an object's tags: tags, with or
// without quotes, joined by and, or and not, with parentheses.
func parseGroupFilter(text string) (filter.Filter[map[string]bool], error) {
	return filter.Parse(text, tagOperand, "not")
}

// tagOperand reads a tag.
func tagOperand(tokens []filter.Token) (filter.Filter[map[string]bool], int, error) {
	if len(tokens) == 0 {
		return nil, 0, errFilterEnd
	}
	t := tokens[0]
	if !t.Quoted && (t.Text == ")" || strings.EqualFold(t.Text, "and") || strings.EqualFold(t.Text, "or")) {
		return nil, 0, fmt.Errorf("unexpected %q", t.Text)
	}
	return func(tags map[string]bool) bool { return tags[t.Text] }, 1, nil
}

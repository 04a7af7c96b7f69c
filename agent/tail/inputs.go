package tail

import (
	"errors"
	"fmt"
	"path/filepath"
)

// input is an Input taken apart.
type input struct {
	Input
	dir, base string
	dirMeta   bool // the folder's path has wildcards
	literal   bool // nothing has wildcards
	known     bool // positions of it were given to Open, so it is not opened for the first time
}

func newInput(in Input) (input, error) {
	if in.Pattern == "" {
		return input{}, errors.New("input without a path")
	}
	if _, err := filepath.Match(in.Pattern, ""); err != nil {
		return input{}, fmt.Errorf("path %q: %w", in.Pattern, err)
	}
	in.Pattern = filepath.Clean(in.Pattern)
	p := input{Input: in, dir: filepath.Dir(in.Pattern), base: filepath.Base(in.Pattern)}
	p.dirMeta = hasMeta(p.dir)
	p.literal = !hasMeta(in.Pattern)
	return p, nil
}

// inputOf gives the index of the first input that matches the path, -1 if none does.
func (s *Set) inputOf(path string) int {
	for i := range s.inputs {
		if s.inputs[i].matches(path) {
			return i
		}
	}
	return -1
}

func (in *input) matches(path string) bool {
	if in.literal {
		return path == in.Pattern
	}
	ok, err := filepath.Match(in.Pattern, path)
	return ok && err == nil
}

func (s *Set) isLiteral(path string) bool {
	i := s.inputOf(path)
	return i >= 0 && s.inputs[i].literal
}

// startsAtEnd tells whether a file never seen, found now at the path, starts at its end.
func (s *Set) startsAtEnd(path string) bool {
	i := s.inputOf(path)
	return s.first && i >= 0 && s.inputs[i].FromEnd && !s.inputs[i].known
}

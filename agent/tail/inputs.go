package tail

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// input is an Input taken apart.
type input struct {
	Input
	dir, base string
	dirMeta   bool // the folder's path has wildcards
	literal   bool // nothing has wildcards
	followed  int  // paths of which a file is open
	waiting   int  // paths with something to read that are not followed for want of room
	resting   int  // paths that are not, and have not changed
	told      bool // that there are some was logged
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
	if p.MaxFiles <= 0 {
		p.MaxFiles = defaultMaxFiles
	}
	p.dirMeta = hasMeta(p.dir)
	p.literal = !hasMeta(in.Pattern)
	return p, nil
}

func (in *input) matches(path string) bool {
	if in.literal {
		return path == in.Pattern
	}
	ok, err := filepath.Match(in.Pattern, path)
	return ok && err == nil
}

// inputs is what is configured. Which positions were given and whether Open is under way is all that changes of it; who
// asks for or changes that holds Set.mu.
type inputs struct {
	list    []input // where several match one path, the first counts
	opening bool    // the scan of Open is under way
}

func newInputs(configured []Input) (inputs, error) {
	ins := inputs{opening: true}
	for _, in := range configured {
		p, err := newInput(in)
		if err != nil {
			return inputs{}, err
		}
		ins.list = append(ins.list, p)
	}
	return ins, nil
}

// of gives the first input that matches the path, nil if none does.
func (ins *inputs) of(path string) *input {
	for i := range ins.list {
		if ins.list[i].matches(path) {
			return &ins.list[i]
		}
	}
	return nil
}

// literal tells whether a path is configured as it is.
func (ins *inputs) literal(path string) bool {
	in := ins.of(path)
	return in != nil && in.literal
}

// startsAtEnd tells whether a file never seen, found now at the path, starts at its end.
func (ins *inputs) startsAtEnd(path string) bool {
	in := ins.of(path)
	return ins.opening && in != nil && in.FromEnd && !in.known
}

// anyFolder tells whether files may appear in folders that are not known yet.
func (ins *inputs) anyFolder() bool {
	return slices.ContainsFunc(ins.list, func(in input) bool { return in.dirMeta })
}

// folders gives the folders in which files may lie, each with the last parts of the patterns.
func (ins *inputs) folders() map[string][]string {
	wanted := map[string][]string{}
	for i := range ins.list {
		in := &ins.list[i]
		dirs := []string{in.dir}
		if in.dirMeta {
			dirs, _ = filepath.Glob(in.dir) // the pattern was checked, and it reports nothing else
		}
		for _, dir := range dirs {
			wanted[dir] = append(wanted[dir], in.base)
		}
	}
	return wanted
}

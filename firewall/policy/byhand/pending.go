package byhand

import (
	"context"
	"fmt"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Pending is what waits for a commit of one administrator.
type Pending struct {
	Running, Candidate *xmlapi.Node // from Everything down; nil: nothing of his waits
	// Above says, for a reader and sorted, who else edited what, where that stands above an edit of his, or bears a name that he may have given to what
	// he made: all that is edited there may be his.
	Above        []string
	ours, theirs []string     // xpaths
	all          *xmlapi.Node // the candidate as it was read
}

// Read reads from d the whole configurations between which an administrator's edits lie, where any does; edits are all that wait. Where admin is
// "", or it is not told whose each edit is, everything may be his; so may be what the edits do not tell, as of an entry that was given another name, and
// what is Above: then the candidate is given without what others alone edited. An answer that is refused, or over the bound of a configuration, is an error.
func Read(ctx context.Context, d *xmlapi.Device, edits []xmlapi.PendingEdit, admin string) (p Pending, err error) {
	var theirs []xmlapi.PendingEdit
	deleted := map[string]bool{} // by xpath
	isUnknown := func(e xmlapi.PendingEdit) bool { return e.Admin == "" }
	if admin == "" || len(edits) == 0 || slices.ContainsFunc(edits, isUnknown) {
		p.ours = []string{Everything}
	} else {
		for _, e := range edits {
			if e.Admin == admin {
				p.ours = append(p.ours, e.XPath)
				deleted[e.XPath] = e.Deleted
			} else {
				theirs, p.theirs = append(theirs, e), append(p.theirs, e.XPath)
			}
		}
	}
	if len(p.ours) == 0 {
		return p, nil
	}
	p.Running, p.Candidate, err = whole(ctx, d)
	p.all = p.Candidate
	if err != nil {
		return p, err
	}
	alone := p.apart(theirs, deleted)
	if len(p.Above) > 0 || differ(xmlapi.Carried(Everything, p.Running, p.all, slices.Concat(p.ours, p.theirs)), p.all) {
		p.Candidate, p.ours = xmlapi.Carried(Everything, p.all, p.Running, alone), []string{Everything}
	}
	return p, nil
}

// apart notes which edits of others are Above, and gives the xpaths of those that his have nothing to do with. deleted are those of his that took
// something away, so that it has no other name.
func (p *Pending) apart(theirs []xmlapi.PendingEdit, deleted map[string]bool) (alone []string) {
	his, above, lost := map[string]bool{}, map[string]bool{}, map[string]bool{} // by key: paths, those that lead there, lists without an entry that he made
	running, candidate := lists{p.Running, map[string]map[step]*xmlapi.Node{}}, lists{p.all, map[string]map[step]*xmlapi.Node{}}
	for _, xpath := range p.ours {
		path := pathOf(xpath)
		his[key(path)] = true
		for i := range path {
			above[key(path[:i])] = true
		}
		if isEntry(path) && !deleted[xpath] && !running.have(path) && !candidate.have(path) { // it may have been given another name
			lost[key(path[:len(path)-1])] = true
		}
	}
	for _, e := range theirs {
		path := pathOf(e.XPath)
		isHis := false
		for i := range len(path) + 1 {
			isHis = isHis || his[key(path[:i])]
		}
		switch {
		case len(path) == 0, above[key(path)], isEntry(path) && lost[key(path[:len(path)-1])] && !running.have(path):
			p.Above = append(p.Above, xmlapi.Tidy(e.Admin)+" edited "+placeName(path))
		case !isHis:
			alone = append(alone, e.XPath)
		}
	}
	slices.Sort(p.Above)
	p.Above = slices.Compact(p.Above)
	return alone
}

// pathOf is an xpath; nil: it cannot be read, and may mean anything.
func pathOf(xpath string) (path []step) {
	nodes, err := xmlapi.ParseXPath(xpath)
	if err != nil {
		return nil
	}
	for _, n := range nodes {
		path = append(path, stepOf(n))
	}
	return path
}

func isEntry(path []step) bool { return len(path) > 1 && path[len(path)-1].element == "entry" }

func key(path []step) string { return fmt.Sprintf("%q", path) }

// lists are what the lists of a configuration hold, by their key: there may be thousands of edits in one.
type lists struct {
	config *xmlapi.Node
	known  map[string]map[step]*xmlapi.Node
}

// have tells whether an entry is there.
func (l lists) have(path []step) bool {
	list := path[:len(path)-1]
	holds, ok := l.known[key(list)]
	if !ok {
		n := l.config
		for _, s := range list[1:] {
			n = children(n)[s]
		}
		holds = children(n)
		l.known[key(list)] = holds
	}
	return holds[path[len(path)-1]] != nil
}

// Readable gives an error where Read could not read, as it stands now, what an edit would have it read.
func Readable(ctx context.Context, d *xmlapi.Device) error {
	_, _, err := whole(ctx, d)
	return err
}

// whole reads the whole running and candidate configuration.
func whole(ctx context.Context, d *xmlapi.Device) (running, candidate *xmlapi.Node, err error) {
	const what = "read what a commit takes along"
	if running, err = d.Show(ctx, what, Everything); err == nil {
		candidate, err = d.Get(ctx, what, Everything)
	}
	if err == nil && (running == nil || candidate == nil) {
		err = d.Fail(what, &xmlapi.Error{Kind: xmlapi.KindMalformed, Text: "the response contains no configuration"})
	}
	return running, candidate, err
}

// Others is the running configuration with the edits of all others, as far as it is told whose they are.
func (p Pending) Others() *xmlapi.Node {
	return xmlapi.Carried(Everything, p.Running, p.all, p.theirs)
}

// Commit is his, once a plan has made changes.
func (p Pending) Commit(changes []Change) Commit {
	return Commit{Running: p.Running, Candidate: p.Candidate, XPaths: p.ours, Changes: changes}
}

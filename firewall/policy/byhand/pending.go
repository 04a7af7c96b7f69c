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
	Above []string
	// Gone says, for a reader, who else deleted what that is not in force: who made it is not told any more, and a commit of his may put it in force.
	Gone         []string
	ours, theirs []string     // xpaths
	all          *xmlapi.Node // the candidate as it was read
}

// Read reads from d the whole configurations between which an administrator's edits lie, where any does; edits are all that wait. Where admin is
// "", or it is not told whose each edit is, everything may be his; so may be what the edits do not tell, as of an entry that was given another name, and
// what is Above: then the candidate is given without what others alone edited. An answer that is refused, or over the bound of a configuration, is an error.
func Read(ctx context.Context, d *xmlapi.Device, edits []xmlapi.PendingEdit, admin string) (p Pending, err error) {
	var ours, theirs []xmlapi.PendingEdit
	isUnknown := func(e xmlapi.PendingEdit) bool { return e.Admin == "" }
	if admin == "" || len(edits) == 0 || slices.ContainsFunc(edits, isUnknown) {
		p.ours = []string{Everything}
	} else {
		for _, e := range edits {
			if e.Admin == admin {
				ours, p.ours = append(ours, e), append(p.ours, e.XPath)
			} else {
				theirs, p.theirs = append(theirs, e), append(p.theirs, e.XPath)
			}
		}
	}
	if len(p.ours) == 0 && !slices.ContainsFunc(theirs, func(e xmlapi.PendingEdit) bool { return e.Action == xmlapi.ActionDelete && isEntry(pathOf(e.XPath)) }) {
		return p, nil
	}
	p.Running, p.Candidate, err = whole(ctx, d)
	p.all = p.Candidate
	if err != nil {
		return p, err
	}
	alone := p.apart(ours, theirs)
	if len(p.Above) > 0 || differ(xmlapi.Carried(Everything, p.Running, p.all, slices.Concat(p.ours, p.theirs)), p.all) {
		p.Candidate, p.ours = xmlapi.Carried(Everything, p.all, p.Running, alone), []string{Everything}
	}
	return p, nil
}

// apart notes which edits of others are Above, and gives the xpaths of those that his have nothing to do with.
func (p *Pending) apart(ours, theirs []xmlapi.PendingEdit) (alone []string) {
	his, above := map[string]bool{}, map[string]bool{} // by key: paths, and those that lead there
	names := renames{lists{p.Running, map[string]map[step]*xmlapi.Node{}}, lists{p.all, map[string]map[step]*xmlapi.Node{}}, his, map[string]bool{}, map[string]bool{}}
	for _, e := range ours {
		path := pathOf(e.XPath)
		his[key(path)] = true
		for i := range path {
			above[key(path[:i])] = true
		}
		names.add(path, e.Action)
	}
	for _, e := range theirs {
		path := pathOf(e.XPath)
		isHis := false
		for i := range len(path) + 1 {
			isHis = isHis || his[key(path[:i])]
		}
		switch {
		case names.gone(path, e.Action):
			p.Gone = append(p.Gone, xmlapi.Tidy(e.Admin)+" deleted "+placeName(path))
		case len(path) == 0, above[key(path)], names.mayBeHis(path, e.Action):
			p.Above = append(p.Above, xmlapi.Tidy(e.Admin)+" edited "+placeName(path))
		case !isHis:
			alone = append(alone, e.XPath)
		}
	}
	slices.Sort(p.Above)
	p.Above = slices.Compact(p.Above)
	return alone
}

// renames tell what may be a name that he gave to something, which the device does not list.
type renames struct {
	running, candidate lists
	his                map[string]bool // paths that he edited, by key
	edited, lost       map[string]bool // lists of which he edited an entry, and of which one that he edited is gone
}

// add notes an edit of his. That an entry of his was made and taken away does not tell that it has no other name: it may have been made anew in between.
func (r renames) add(path []step, action string) {
	if !isEntry(path) {
		return
	}
	list, isGone := key(path[:len(path)-1]), r.candidate.entry(path) == nil
	r.edited[list] = true
	if action == xmlapi.ActionRename || isGone && (action != xmlapi.ActionDelete || r.running.entry(path) == nil) {
		r.lost[list] = true
	}
}

// mayBeHis tells whether what others edited last by an action may be, or stand in, what he gave another name: an entry that is not in force, in a list
// of which one of his is gone, or which others did not make themselves, or which is one that he edited, for it has the identifier of that.
func (r renames) mayBeHis(path []step, action string) bool {
	for i := range path {
		if at := path[:i+1]; isEntry(at) && r.lost[key(path[:i])] && r.running.entry(at) == nil {
			return true
		}
	}
	if !isEntry(path) || r.his[key(path)] || r.running.entry(path) != nil {
		return false
	}
	list, now := path[:len(path)-1], r.candidate.entry(path)
	if now == nil || !r.edited[key(list)] {
		return false
	}
	before := r.running.entry(append(slices.Clip(list), identifier(now)))
	return action != xmlapi.ActionCreate || before != nil && r.his[key(append(slices.Clip(list), stepOf(before)))]
}

// gone tells whether what others deleted last is in neither configuration: he may have made it.
func (r renames) gone(path []step, action string) bool {
	return action == xmlapi.ActionDelete && isEntry(path) && r.running.entry(path) == nil && r.candidate.entry(path) == nil
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

// Meet tells whether edits at two xpaths are of the same: at one of them, or of an object and of what is in it. What stands above objects, as a list does,
// meets nothing in it.
func Meet(a, b string) bool {
	one, other := pathOf(a), pathOf(b)
	if len(one) > len(other) {
		one, other = other, one
	}
	return len(one) > 0 && slices.Equal(one, other[:len(one)]) && (len(one) == len(other) || isEntry(one) && !isStructural(one))
}

// Name names for a reader what is edited at an xpath.
func Name(xpath string) string { return placeName(pathOf(xpath)) }

func isEntry(path []step) bool { return len(path) > 1 && path[len(path)-1].element == "entry" }

func key(path []step) string { return fmt.Sprintf("%q", path) }

// lists are what the lists of a configuration hold, by their key: there may be thousands of edits in one.
type lists struct {
	config *xmlapi.Node
	known  map[string]map[step]*xmlapi.Node
}

// entry is the entry at a path; nil: it is not there. It is found by its identifier, too.
func (l lists) entry(path []step) *xmlapi.Node {
	list := path[:len(path)-1]
	holds, ok := l.known[key(list)]
	if !ok {
		n := l.config
		for _, s := range list[1:] {
			n = children(n)[s]
		}
		holds = map[step]*xmlapi.Node{}
		if n != nil {
			for _, c := range n.Children {
				if holds[stepOf(c)] = c; c.Attr("uuid") != "" {
					holds[identifier(c)] = c
				}
			}
		}
		l.known[key(list)] = holds
	}
	return holds[path[len(path)-1]]
}

// identifier stands for an entry whatever its name is: a rule keeps its uuid for life (PAN-OS 9.0 and later).
func identifier(n *xmlapi.Node) step { return step{"uuid", n.Attr("uuid")} }

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

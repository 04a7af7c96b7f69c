package byhand

import (
	"context"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Pending is what waits for a commit of one administrator.
type Pending struct {
	Running, Candidate *xmlapi.Node // from Everything down; nil: nothing of his waits
	ours, theirs       []string     // xpaths
	all                *xmlapi.Node // the candidate as it was read
}

// Read reads from d the whole configurations between which an administrator's edits lie, where any does; edits are all that wait. Where admin is
// "", or it is not told whose each edit is, everything may be his; so may be what the edits do not tell, as of an entry that was given another name:
// then the candidate is given without what others alone edited. An answer that is refused, or over the bound of a configuration, is an error.
func Read(ctx context.Context, d *xmlapi.Device, edits []xmlapi.PendingEdit, admin string) (p Pending, err error) {
	isUnknown := func(e xmlapi.PendingEdit) bool { return e.Admin == "" }
	if admin == "" || len(edits) == 0 || slices.ContainsFunc(edits, isUnknown) {
		p.ours = []string{Everything}
	} else {
		for _, e := range edits {
			if e.Admin == admin {
				p.ours = append(p.ours, e.XPath)
			} else {
				p.theirs = append(p.theirs, e.XPath)
			}
		}
	}
	if len(p.ours) == 0 {
		return p, nil
	}
	p.Running, p.Candidate, err = whole(ctx, d)
	p.all = p.Candidate
	if err == nil && differ(xmlapi.Carried(Everything, p.Running, p.all, slices.Concat(p.ours, p.theirs)), p.all) {
		alone := slices.DeleteFunc(slices.Clone(p.theirs), func(xpath string) bool { return slices.Contains(p.ours, xpath) })
		p.Candidate, p.ours = xmlapi.Carried(Everything, p.all, p.Running, alone), []string{Everything}
	}
	return p, err
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

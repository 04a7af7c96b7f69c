package candidate

import (
	"slices"

	"activedefense/firewall/panosim/xmltree"
)

// journal is the running configuration with what has been edited since: a list of edits, each with its administrator, and
// the candidate, which is the running configuration with the edits carried out. An edit that is committed or reverted
// leaves the list, and the candidate is made anew from what stays; so the edits of one administrator can be published or
// dropped and those of the others stay as they are.
type journal struct {
	running   *xmltree.Element
	candidate xmltree.Tree
	edits     []*edit
	made      int // so many were made so far
}

func newJournal(running *xmltree.Element) journal {
	return journal{running: running, candidate: xmltree.NewTree(running)}
}

// add carries an edit out on the candidate, and notes it unless it is refused or, with lazy, changes nothing.
func (j *journal) add(e *edit, lazy bool) *refusal {
	e.base = base(e.path, j.candidate.Root)
	changed, refused := e.apply(&j.candidate)
	if refused != nil || !changed && lazy {
		return refused
	}
	j.made++
	j.edits = append(j.edits, e)
	return nil
}

// setRunning replaces the running configuration, and makes the candidate anew. An edit that can no longer be carried out
// (it built on another that is gone) leaves the list: there is nothing left that it would do.
func (j *journal) setRunning(root *xmltree.Element) {
	j.running, j.candidate = root, xmltree.NewTree(root)
	j.edits = slices.DeleteFunc(slices.Clone(j.edits), func(e *edit) bool { return !e.replay(&j.candidate) })
}

// drop takes edits out of the list, whose marks nobody shows any more. The candidate is left as it is.
func (j *journal) drop(goes func(*edit) bool) {
	j.edits = slices.DeleteFunc(slices.Clone(j.edits), func(e *edit) bool {
		if goes(e) {
			e.mark.Lift()
			return true
		}
		return false
	})
}

// choose gives some of the edits, in their order.
func (j *journal) choose(wanted func(*edit) bool) []*edit {
	var out []*edit
	for _, e := range j.edits {
		if wanted(e) {
			out = append(out, e)
		}
	}
	return out
}

// pending counts the edits of an administrator; of "" those of all.
func (j *journal) pending(admin string) int {
	return len(j.choose(func(e *edit) bool { return admin == "" || e.admin == admin }))
}

// admins lists who has edits in the list, in the order in which they came.
func (j *journal) admins() []string {
	var out []string
	for _, e := range j.edits {
		if !slices.Contains(out, e.admin) {
			out = append(out, e.admin)
		}
	}
	return out
}

// revert drops edits that are not committed, and keeps the others as they are. False: one that stays builds
// on one that was to go; nothing is dropped then.
func (j *journal) revert(goes func(*edit) bool) bool {
	t := xmltree.NewTree(j.running)
	var kept []*edit
	for _, e := range j.edits {
		if goes(e) {
			continue
		}
		if !e.replay(&t) {
			return false
		}
		kept = append(kept, e)
	}
	j.edits, j.candidate = kept, t
	return true
}

// with gives the running configuration with these edits of the journal carried out. The lines say why that cannot
// be: an edit builds on one that is not among them, or one that stays pending would not be the same any more. How
// PAN-OS decides that, and how it words it, no source shows; that a commit of one administrator can fail for what
// another has not committed is background knowledge.
func (j *journal) with(wanted map[*edit]bool) (*xmltree.Element, []string) {
	t := xmltree.NewTree(j.running)
	var rest []*edit
	for _, e := range j.edits {
		if !wanted[e] {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return j.candidate.State(), nil
	}
	lines := []string{"Partial commit failed"}
	for _, e := range j.edits {
		if wanted[e] && !e.replay(&t) {
			lines = append(lines, e.describe()+" depends on changes of other administrators that are not committed")
		}
	}
	root := t.State()
	for _, e := range rest {
		if !e.replay(&t) {
			lines = append(lines, e.describe()+", which is not committed, depends on this commit")
		}
	}
	if len(lines) == 1 && !t.Root.Alike(j.candidate.Root) {
		lines = append(lines, "Administrators have changed the same part of the configuration")
	}
	if len(lines) > 1 {
		return nil, lines
	}
	return root, nil
}

func (e *edit) describe() string { return "Change of " + e.admin + " at " + e.path.String() }

// replay carries the edit out on another tree than the one it was made for; false: what it builds on is not there.
func (e *edit) replay(t *xmltree.Tree) bool {
	if len((xmltree.Path{Steps: e.path.Steps[:e.base]}).Find(t.Root)) == 0 {
		return false
	}
	_, refused := e.apply(t)
	return refused == nil || refused.code == 14 // moved to where it stands
}

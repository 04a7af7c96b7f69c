package byhand

import "activedefense/firewall/xmlapi"

// Everything is the xpath of the whole configuration.
const Everything = "/config"

// Change is a step of a plan: edits in their order, and then one entry that goes to an end of its list. The zero value changes nothing.
type Change struct {
	Edits []xmlapi.Edit
	Move  string // xpath of the entry; "": none is moved
	Where string // xmlapi.MoveTop or xmlapi.MoveBottom
}

// Made gives a configuration, from Everything down, with changes made in it. What one takes away or moves that is not there changes nothing. config
// stays as it is. The error is an xpath that cannot be read.
func Made(config *xmlapi.Node, changes []Change) (after *xmlapi.Node, err error) {
	after = config
	for _, c := range changes {
		for _, e := range c.Edits {
			if after, err = e.Apply(Everything, after); err != nil {
				return nil, err
			}
		}
		if c.Move == "" {
			continue
		}
		if after, err = xmlapi.Moved(Everything, after, c.Move, c.Where); err != nil {
			return nil, err
		}
	}
	return after, nil
}

// Commit is a commit of one administrator's edits that a plan has made.
type Commit struct {
	Running, Candidate *xmlapi.Node // from Everything down
	// XPaths are those of the edits that it takes along; Everything: whose edits there are, or which, is not known.
	XPaths  []string
	Changes []Change // what the plan writes before it
}

// After gives the configuration that the commit puts in force. The error is as of Made.
func (c Commit) After() (*xmlapi.Node, error) {
	return Made(xmlapi.Carried(Everything, c.Running, c.Candidate, c.XPaths), c.Changes)
}

// Edited names, for a reader and sorted, what the commit makes neither as it is in force, nor as one of some plans has it that began there, in the
// end or after any of its changes: objects, settings that are in none, and rules of which the order is another. An object is wholly as one has it, so
// that what an earlier run wrote, which may have been interrupted, is not named. None: the commit takes along no edit by hand. The error is as of Made.
func (c Commit) Edited(plans ...[]Change) ([]string, error) {
	after, err := c.After()
	if err != nil {
		return nil, err
	}
	versions := []*xmlapi.Node{c.Running}
	for _, plan := range plans {
		made := c.Running
		for _, c := range plan {
			for _, part := range []Change{{Edits: c.Edits}, {Move: c.Move, Where: c.Where}} { // between the two it may have been interrupted, too
				next, err := Made(made, []Change{part})
				if err != nil {
					return nil, err
				}
				if next != made {
					versions, made = append(versions, next), next
				}
			}
		}
	}
	return unlike(after, versions), nil
}

package candidate

import (
	"slices"

	"activedefense/firewall/panosim/xmltree"
)

// commitPlan is what a commit is asked to publish.
type commitPlan struct {
	description string
	force       bool     // even if there is nothing to publish
	partial     bool     // only the edits chosen by what follows
	admins      []string // whose; nil: everybody's
	excluded    map[component]bool
	validate    bool // publish nothing, only find out whether it could be
}

// component is a part of the configuration that a partial commit can leave out.
type component string

// The components, by the names they have in the command.
const (
	deviceAndNetwork component = "device-and-network"
	sharedObject     component = "shared-object"
	policyAndObjects component = "policy-and-objects"
)

// componentOf says to which part an edit belongs. Zones and what interfaces a virtual system has count as network.
func componentOf(x xmltree.Path) component {
	var names []string
	for _, s := range x.Steps {
		if s.Name != "entry" {
			names = append(names, s.Name)
		}
	}
	switch {
	case len(names) < 2:
	case names[1] == "shared":
		return sharedObject
	case len(names) > 2 && (names[2] == "vsys" || names[2] == "device-group"):
		if len(names) > 3 && (names[3] == "zone" || names[3] == "import") {
			return deviceAndNetwork
		}
		return policyAndObjects
	}
	return deviceAndNetwork
}

// parseCommit reads <commit> and <validate>.
func parseCommit(cmd *xmltree.Element) (commitPlan, *refusal) {
	plan := commitPlan{validate: cmd.Name == "validate"}
	for _, part := range cmd.Children {
		switch part.Name {
		case "description":
			plan.description = part.Text
		case "full":
		case "force":
			plan.force = true
			if inner := part.Child("partial"); inner != nil {
				if refused := plan.choose(inner); refused != nil {
					return plan, refused
				}
			}
		case "partial":
			if refused := plan.choose(part); refused != nil {
				return plan, refused
			}
		default:
			return plan, refuse(17, cmd.Name+" -> "+part.Name+" unexpected here")
		}
	}
	return plan, nil
}

// choose reads <partial>.
func (p *commitPlan) choose(partial *xmltree.Element) *refusal {
	p.partial, p.excluded = true, map[component]bool{}
	for _, part := range partial.Children {
		switch name := component(part.Name); name {
		case "admin":
			p.admins = part.Members()
		case deviceAndNetwork, sharedObject, policyAndObjects:
			if part.Text != "excluded" {
				return refuse(17, "commit -> partial -> "+part.Name+" '"+part.Text+"' is not an allowed keyword")
			}
			p.excluded[name] = true
		default:
			return refuse(17, "commit -> partial -> "+part.Name+" unexpected here")
		}
	}
	return nil
}

// chooses says whether the commit publishes the edit.
func (p *commitPlan) chooses(e *edit) bool {
	return !p.partial || (len(p.admins) == 0 || slices.Contains(p.admins, e.admin)) && !p.excluded[componentOf(e.path)]
}

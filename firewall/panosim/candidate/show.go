package candidate

import (
	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/xmltree"
)

// FullCommitRequired answers "check full-commit-required".
func (c *Config) FullCommitRequired(answer.Request) answer.Answer {
	return answer.Success("<result>no</result>")
}

// ShowEffective answers "show config effective-running", for superusers alone: the running configuration with what
// Panorama pushed folded in, its rules before and after the firewall's own.
func (c *Config) ShowEffective(r answer.Request) answer.Answer {
	if !c.Superuser(r.Admin) {
		return RefuseRole(c.o.Dialect.Denied, "op")
	}
	root := c.Running().Clone()
	for _, device := range root.Child("devices").Entries() {
		for _, vsys := range device.Child("vsys").Entries() {
			pre, post, objects := c.o.Pushed.Rules(vsys.ID())
			for _, scope := range objects {
				devicegroup.Fold(vsys, scope)
			}
			if rules := vsys.Down("rulebase", "security", "rules"); rules != nil {
				rules.Children = append(append(clones(pre), rules.Children...), clones(post)...)
			}
		}
	}
	return answer.Success("<result>" + root.String() + "</result>")
}

func clones(list []*xmltree.Element) []*xmltree.Element {
	var out []*xmltree.Element
	for _, e := range list {
		out = append(out, e.Clone())
	}
	return out
}

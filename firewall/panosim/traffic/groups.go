package traffic

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

// ShowGroups answers "show object dynamic-address-group", of one or of all. A group that is not there is left out,
// which is unverified. members is what the groups of the policy's virtual system know.
func (p *Policy) ShowGroups(r answer.Request, members *userid.Membership, d *dialect.Dialect) answer.Answer {
	if r.At.Child("all") == nil && r.At.Child("name") == nil {
		return answer.Unexpected(r.Command)
	}
	var b strings.Builder
	for _, e := range p.Scope.All("address-group") {
		if e.Child("dynamic") == nil || r.At.Child("name") != nil && r.At.Value("name") != e.ID() {
			continue
		}
		g := p.groups[e.ID()]
		if g == nil {
			g = userid.NewGroup(e)
			if d.Groups == dialect.GroupsInPolicy {
				g.Filter = nil
			}
		}
		writeGroup(&b, p.VSys, g, members, p.tagged, d.HostForm)
	}
	return answer.XML(http.StatusOK,
		`<response cmd="status" status="success"><result><dyn-addr-grp>`+b.String()+`</dyn-addr-grp></result></response>`)
}

// writeGroup writes one group in the shape of the vendor's example.
func writeGroup(b *strings.Builder, vsys string, g *userid.Group, m *userid.Membership, objects []userid.TaggedObject, form dialect.HostForm) {
	fmt.Fprintf(b, "<entry><vsys>%s</vsys><group-name>%s</group-name><filter>%s</filter><member-list>",
		answer.Escape(vsys), answer.Escape(g.Name), answer.Escape(g.Text))
	registered, named := m.Members(g, objects)
	for _, t := range registered {
		b.WriteString(`<entry name="` + t.Text(form) + `" type="registered-ip"/>`)
	}
	for _, name := range named {
		b.WriteString(`<entry name="` + answer.Escape(name) + `" type="address-object"/>`)
	}
	b.WriteString("</member-list></entry>")
}

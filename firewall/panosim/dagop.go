package panosim

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// ShowGroups answers "show object dynamic-address-group", of one or of all. A group that is not there is left out,
// which is unverified. members is what the groups of the policy's virtual system know.
func (p *policy) ShowGroups(r answer.Request, members *membership, d *dialect.Dialect) answer.Answer {
	if r.At.Child("all") == nil && r.At.Child("name") == nil {
		return answer.Unexpected(r.Command)
	}
	var b strings.Builder
	for _, e := range p.scope.all("address-group") {
		if e.Child("dynamic") == nil || r.At.Child("name") != nil && r.At.Value("name") != e.ID() {
			continue
		}
		g := p.groups[e.ID()]
		if g == nil {
			g = newDynamicGroup(e)
			if d.Groups == dialect.GroupsInPolicy {
				g.filter = nil
			}
		}
		writeGroup(&b, p.vsys, g, members, p.tagged, d.HostForm)
	}
	return answer.XML(http.StatusOK,
		`<response cmd="status" status="success"><result><dyn-addr-grp>`+b.String()+`</dyn-addr-grp></result></response>`)
}

// writeGroup writes one group in the shape of the vendor's example.
func writeGroup(b *strings.Builder, vsys string, g *dynamicGroup, m *membership, objects []taggedObject, form dialect.HostForm) {
	fmt.Fprintf(b, "<entry><vsys>%s</vsys><group-name>%s</group-name><filter>%s</filter><member-list>",
		answer.Escape(vsys), answer.Escape(g.name), answer.Escape(g.text))
	registered, named := m.members(g, objects)
	for _, t := range registered {
		b.WriteString(`<entry name="` + t.text(form) + `" type="registered-ip"/>`)
	}
	for _, name := range named {
		b.WriteString(`<entry name="` + answer.Escape(name) + `" type="address-object"/>`)
	}
	b.WriteString("</member-list></entry>")
}

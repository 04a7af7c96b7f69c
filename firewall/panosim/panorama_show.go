package panosim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
)

// showDevices answers "show devices all" and "show devices connected", which firewalls do not know (it may be called on nil), with the elements of a recorded
// answer that say which firewall is what.
func (p *Panorama) showDevices(r answer.Request) answer.Answer {
	if p == nil {
		return answer.Unexpected(r.Command)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	b.WriteString("<result><devices>")
	for _, serial := range slices.Sorted(maps.Keys(p.managed)) {
		m := p.managed[serial]
		if connected := m.connected(); connected || r.At.Child("all") != nil {
			writeDevice(&b, m.sim, connected)
		}
	}
	b.WriteString("</devices></result>")
	return answer.Success(b.String())
}

// writeDevice writes a firewall as its Panorama lists it.
func writeDevice(b *strings.Builder, s *Sim, connected bool) {
	yesNo := map[bool]string{true: "yes", false: "no"}
	o := s.opts
	fmt.Fprintf(b, `<entry name="%s"><serial>%[1]s</serial><connected>%s</connected>`, answer.Escape(o.Serial), yesNo[connected])
	answer.WriteFields(b, []answer.Field{{Name: "hostname", Value: o.Hostname}, {Name: "ip-address", Value: "127.0.0.1"}, {Name: "ipv6-address", Value: "unknown"},
		{Name: "model", Value: o.Model}, {Name: "sw-version", Value: o.Version}})
	b.WriteString("<ha>")
	if m := s.seat.Load(); m == nil {
		b.WriteString("<state>no</state>")
	} else {
		fmt.Fprintf(b, "<state>%s</state><peer><serial>%s</serial></peer>", m.pair.State(s), answer.Escape(m.peer().sim.opts.Serial))
	}
	fmt.Fprintf(b, "</ha><operational-mode>normal</operational-mode><multi-vsys>%s</multi-vsys><vsys>", yesNo[len(o.VSys) > 1])
	for _, vsys := range o.VSys {
		fmt.Fprintf(b, `<entry name="%s"><display-name>%[1]s</display-name></entry>`, answer.Escape(vsys))
	}
	b.WriteString("</vsys></entry>")
}

package decision

import (
	"net/netip"
	"slices"
	"testing"
)

// Each condition of a rule counts, what is not known may match, and the first rule that surely matches decides.
func TestDecide(t *testing.T) {
	p := withDefaults(
		Rule{ID: "container", Action: "drop", From: []string{"untrust"}, Applications: []string{"facebook"}},
		Rule{ID: "users", Action: "deny", Users: []string{`example\mallory`}, To: []string{"trust"}},
		Rule{ID: "category", Action: "deny", Categories: []string{"gambling"}, To: []string{"trust"}},
		Rule{ID: "night", Action: "deny", Conditions: []string{"schedule nights"}, Destination: listed(one("198.51.100.9", "198.51.100.9"))},
		Rule{ID: "names", Action: Allow, Source: Addresses{Listed: true, Ranges: []Range{one("203.0.113.9", "203.0.113.9")}, Sets: []string{"FQDN example.com"}}, Services: ported(TCP, 25)},
		Rule{ID: "but names", Action: Allow, Source: Addresses{Listed: true, Negate: true, Ranges: []Range{one("203.0.113.9", "203.0.113.9")}, Sets: []string{"FQDN example.com"}}, Services: ported(TCP, 26)},
		Rule{ID: "from port", Action: Allow, Services: Services{Listed: true, Objects: []Service{{Protocol: UDP, Ports: []Ports{{53, 53}}, SourcePorts: []Ports{{53, 53}}}}}},
		Rule{ID: "default ports", Action: Allow, From: []string{"untrust"}, To: []string{"dmz"}, Applications: []string{"ours", "ssl"}, Services: Services{Listed: true, Default: true}},
		Rule{ID: "within", Kind: Intrazone, Action: "drop", From: []string{"dmz"}, To: []string{"trust"}},
		Rule{ID: "between", Kind: Interzone, Action: "drop", From: []string{"dmz"}},
	)
	p.Ports = map[string][]Service{"ours": {{Protocol: TCP, Ports: []Ports{{8443, 8443}}}}}
	base := Flow{From: "untrust", To: "dmz", Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("198.51.100.7"), Protocol: TCP, Port: 80, Application: "web-browsing"}
	for _, c := range []struct {
		what   string
		change func(*Flow)
		want   []string
	}{
		{"nothing matches", func(*Flow) {}, []string{"interzone-default"}},
		{"within a zone", func(f *Flow) { f.To = "untrust" }, []string{"intrazone-default"}},
		{"an application that another may stand for", func(f *Flow) { f.Application = "facebook-chat" }, []string{"container", "interzone-default"}},
		{"an application", func(f *Flow) { f.Application = "facebook" }, []string{"container"}},
		{"nothing is known of the user", func(f *Flow) { f.To, f.Category = "trust", "news" }, []string{"users", "interzone-default"}},
		{"a user, who may be in a group", func(f *Flow) { f.To, f.Category, f.User = "trust", "news", `example\alice` }, []string{"users", "interzone-default"}},
		{"the user", func(f *Flow) { f.To, f.User = "trust", `example\mallory` }, []string{"users"}},
		{"the category", func(f *Flow) { f.To, f.Category = "trust", "gambling" }, []string{"users", "category"}},
		{"a schedule", func(f *Flow) { f.Destination = netip.MustParseAddr("198.51.100.9") }, []string{"night", "interzone-default"}},
		{"a name", func(f *Flow) { f.Port = 25 }, []string{"names", "interzone-default"}},
		{"a name that is told", func(f *Flow) { f.Port, f.SourceIn = 25, map[string]bool{"FQDN example.com": false} }, []string{"interzone-default"}},
		{"an address", func(f *Flow) { f.Port, f.Source = 25, netip.MustParseAddr("::ffff:203.0.113.9") }, []string{"names"}},
		{"all but a name", func(f *Flow) { f.Port = 26 }, []string{"but names", "interzone-default"}},
		{"all but an address", func(f *Flow) { f.Port, f.Source = 26, netip.MustParseAddr("203.0.113.9") }, []string{"interzone-default"}},
		{"all but a name that is told", func(f *Flow) { f.Port, f.SourceIn = 26, map[string]bool{"FQDN example.com": true} }, []string{"interzone-default"}},
		{"a source port", func(f *Flow) { f.Protocol, f.Port, f.SourcePort = UDP, 53, 53 }, []string{"from port"}},
		{"another source port", func(f *Flow) { f.Protocol, f.Port, f.SourcePort = UDP, 53, 54 }, []string{"interzone-default"}},
		{"the default port", func(f *Flow) { f.Application, f.Port = "ours", 8443 }, []string{"default ports"}},
		{"another port", func(f *Flow) { f.Application, f.Port = "ours", 8444 }, []string{"interzone-default"}},
		{"an unknown default port", func(f *Flow) { f.Application, f.Port = "ssl", 443 }, []string{"default ports", "interzone-default"}},
		{"within, and its to zone does not count", func(f *Flow) { f.From, f.To = "dmz", "dmz" }, []string{"within"}},
		{"between", func(f *Flow) { f.From, f.To = "dmz", "untrust" }, []string{"between"}},
	} {
		f := base
		c.change(&f)
		var got []string
		decision := p.Decide(f)
		for _, i := range decision {
			got = append(got, p.Rules[i].ID)
		}
		if _, sure := decision.Rule(); !slices.Equal(got, c.want) || sure != (len(c.want) == 1) {
			t.Errorf("%s: %v decide, want %v", c.what, got, c.want)
		}
	}
}

package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
)

// theirs are entries of somebody else's that bear names of ours, by where they stand below Shared or a virtual system.
func theirs() map[string][]string {
	named := func(name, content string) string { return `<entry name="` + name + `">` + content + `</entry>` }
	list := named(tag, `<filter>All Logs</filter><send-syslog><member>siem</member></send-syslog>`)
	feed := `<type><ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip></type>`
	server := func(name, host string) string {
		return `<server>` + named(name, `<server>`+host+`</server><port>5514</port>`) + `</server>`
	}
	return map[string][]string{
		"address":                    {named(tag, `<ip-netmask>198.51.100.1</ip-netmask>`), named(tag+"-list", `<fqdn>partner.example.com</fqdn>`), named(tag+"-nobody", `<ip-netmask>198.51.100.2</ip-netmask>`)},
		"address-group":              {named(tag, `<dynamic><filter>'active-defense' or 'partner'</filter></dynamic>`), named(tag, `<static><member>web</member></static>`), named(tag+"-list", `<static><member>web</member></static>`)},
		"external-list":              {named(tag, feed), named(tag+"-list", feed), named("feed", strings.Replace(feed, "https://lists.example.net/x", hostileList, 1))},
		"region":                     {named(tag, `<address><member>198.51.100.0/24</member></address>`)},
		"tag":                        {named(tag, `<comments>SOC team</comments>`)},
		"certificate":                {named(tag+"-ca", `<public-key>unreadable</public-key>`)},
		"certificate-profile":        {named(tag, `<CA><entry name="company"/></CA>`)},
		"log-settings/syslog":        {named(tag, server("siem", "192.0.2.77")), named(tag, server("us", "127.0.0.1")), named("loghost", server("us", "127.0.0.1"))},
		"log-settings/profiles":      {named(tag, `<match-list>`+named("mail", `<log-type>traffic</log-type><send-email><member>noc</member></send-email>`)+`</match-list>`)},
		"log-settings/system":        {list},
		"log-settings/globalprotect": {list},
	}
}

// hostileList is where the list is fetched from; nobody serves it.
const hostileList = "https://127.0.0.1:1/list"

// base is what theirs refer to, in Shared.
const base = `<address><entry name="web"><ip-netmask>198.51.100.7</ip-netmask></entry>%s</address><certificate><entry name="company"><public-key>x</public-key></entry>%s</certificate>` +
	`<log-settings><syslog><entry name="siem"><server><entry name="siem"><server>192.0.2.78</server></entry></server></entry>%s</syslog><email><entry name="noc"/></email><profiles><entry name="to-siem"><match-list><entry name="active-defense-traffic"><log-type>traffic</log-type><send-syslog><member>siem</member></send-syslog></entry></match-list></entry>%s</profiles>` +
	`<system><match-list>%s</match-list></system><globalprotect><match-list>%s</match-list></globalprotect></log-settings>`

// Whatever of somebody else's bears our names, a plan is offered, it can be taken to its end, with --adopt and without, changes nothing
// of theirs without, leaves only a person's steps with it, and can be taken away again.
func TestNoNameOfOthersBreaksAPlan(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 11))
	pool := theirs()
	for round := range 24 {
		mode := modes[round%len(modes)]
		in := map[bool]map[string]string{true: {}, false: {}} // of Shared, and of the virtual system
		var chosen []string
		for _, path := range slices.Sorted(maps.Keys(pool)) {
			if random.IntN(3) > 0 {
				continue
			}
			entry := pool[path][random.IntN(len(pool[path]))]
			device := path == "log-settings/system" || path == "log-settings/globalprotect"
			in[device || random.IntN(2) == 0][path] = entry
			chosen = append(chosen, entry)
		}
		shared := fmt.Sprintf(base, in[true]["address"], in[true]["certificate"], in[true]["log-settings/syslog"], in[true]["log-settings/profiles"], in[true]["log-settings/system"], in[true]["log-settings/globalprotect"])
		vsys := ""
		for _, list := range []string{"address-group", "external-list", "region", "tag", "certificate-profile"} {
			shared += "<" + list + ">" + in[true][list] + "</" + list + ">"
			vsys += "<" + list + ">" + in[false][list] + "</" + list + ">"
		}
		vsys += "<address>" + in[false]["address"] + "</address><certificate>" + in[false]["certificate"] + "</certificate><log-settings><syslog>" + in[false]["log-settings/syslog"] +
			"</syslog><profiles>" + in[false]["log-settings/profiles"] + "</profiles></log-settings>"
		config := confOf(shared, vsys)
		if random.IntN(2) == 0 {
			config = strings.ReplaceAll(config, "</action></entry>", "</action><log-setting>to-siem</log-setting></entry>")
		}
		override := `<entry name="interzone-default"><action>` + []string{"deny", "drop", "allow"}[random.IntN(3)] + `</action>` + []string{"", "<log-end>yes</log-end>", "<log-end>yes</log-end><log-setting>to-siem</log-setting>"}[random.IntN(3)] + `</entry>`
		if random.IntN(2) == 0 {
			config = strings.Replace(config, "</rules></security>", "</rules></security><default-security-rules><rules>"+override+"</rules></default-security-rules>", 1)
			chosen = append(chosen, override)
		}
		t.Run(fmt.Sprintf("%d %s", round, mode), func(t *testing.T) {
			l := newProvisionLab(t, mode, func(o *panosim.Options) { o.Config = config })
			l.want.ListURL = hostileList
			intact := func(when string) {
				t.Helper()
				candidate := l.sim.Config().Candidate()
				for _, entry := range chosen {
					if !strings.Contains(candidate, entry) {
						t.Errorf("%s: it is changed or gone: %s", when, entry)
					}
				}
			}
			for _, adopt := range []bool{false, true} {
				l.apply(l.plan(), adopt)
				l.commit()
				if !adopt {
					intact("without --adopt")
					l.apply(l.removal(false), false)
					l.commit()
					intact("after --remove without --adopt")
					l.apply(l.plan(), false)
				}
			}
			if left := l.plan(); slices.ContainsFunc(left, func(s Step) bool { return s.Action != ActionPerson }) {
				t.Errorf("left: %v", left)
			} else if len(left) == 0 {
				for _, c := range Verify(ReadFacts(t.Context(), l.device, l.want), l.want) {
					if c.Result == ResultFail && slices.Contains(ofConfiguration, c.Check) {
						t.Errorf("nothing is missing, and %s fails: %s", c.Check, c.Detail)
					}
				}
			}
			for range 3 { // what is shared is freed step by step
				l.apply(l.removal(true), true)
				l.commit()
			}
			if left := l.removal(true); slices.ContainsFunc(left, func(s Step) bool { return s.Action != ActionPerson }) {
				t.Errorf("to be taken away still: %v", left)
			}
		})
	}
}

package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/ours"
	"activedefense/firewall/xmlapi"
)

// A device file in testdata/verify holds one firewall: what it shall be (want), what it answers (answers), and what
// the checks shall find (expect). base.xml is one on which everything is as it shall be; every other file says in its
// first comment what differs.

// expected is what one check shall find.
type expected struct{ check, result, detail string }

// device is one file.
type device struct {
	facts  *Facts
	want   Expectation
	expect []expected
	others string // the result of the checks that are not named; "": pass
}

// answered reads an answer, or the refusal that stands in its place as "kind: text".
func answered(n *xmlapi.Node) (*xmlapi.Node, error) {
	if refused := n.Attr("refused"); refused != "" {
		kind, text, _ := strings.Cut(refused, ": ")
		return nil, &xmlapi.Error{Firewall: "LAB-FW-01", Op: "ask", Kind: kind, Text: text}
	}
	return n.Child("result"), nil
}

// readDevice takes any document: the fuzzer uses it too.
func readDevice(doc *xmlapi.Node) device {
	want := readWant(doc.Child("want"))
	f := &Facts{Firewall: doc.Attr("name"), VSys: doc.Attr("vsys")}
	d := device{facts: f, want: want, others: doc.Child("expect").Attr("others")}
	for _, c := range doc.Child("expect").Entries() {
		d.expect = append(d.expect, expected{c.Attr("name"), c.Attr("result"), c.Text})
	}
	a := doc.Child("answers")
	info := a.Child("info")
	if _, err := answered(info); err != nil {
		f.nothing(err)
		return d
	}
	f.insecure = info.Attr("insecure") == "yes"
	f.info = learn(xmlapi.Info{Model: info.Attr("model"), Serial: info.Attr("serial"), Version: info.Attr("version"),
		Hostname: info.Attr("hostname"), ThreatVersion: info.Attr("threat-version"), MultiVSys: info.Attr("multi-vsys") == "yes"}, nil)
	f.version, _ = xmlapi.ParseVersion(info.Attr("version"))
	f.readConfigurations(a, want)
	f.readOthers(a, want)
	return d
}

func (f *Facts) readConfigurations(a *xmlapi.Node, want Expectation) {
	config := func(n *xmlapi.Node) (*xmlapi.Node, *xmlapi.Node) {
		root := n.Child("config")
		return root.Child("devices").FirstEntry().Child("vsys").Entry(f.VSys), root.Child("shared")
	}
	f.own.value, f.shared.value = config(a.Child("running"))
	_, f.own.err = answered(a.Child("running"))
	f.shared.err = f.own.err
	for name, fact := range map[string]*fact[[]xmlapi.Pushed]{"pushed-vsys": &f.vsysPushed, "pushed-shared": &f.barePushed} {
		result, err := answered(a.Child(name))
		*fact = learn(xmlapi.ParsePushed(result), err)
	}
	template, err := answered(a.Child("pushed-template"))
	f.template = learn(xmlapi.ParseTemplate(template), err)
	device := a.At("running", "config", "devices").FirstEntry()
	f.zone = learn(device.Value("deviceconfig", "system", "timezone"), f.own.err)
	f.lines = learn(ours.New(f.Firewall, f.VSys, nil, ours.Configuration{Network: device.Child("network"), System: device.Child("deviceconfig"),
		VSys: f.own.value, Shared: f.shared.value, Template: f.template.value, Pushed: f.pushed()}), f.own.err)
	_, err = answered(a.Child("pending"))
	f.pending = learn(a.Value("pending") == "yes", err)
	if f.pending.value {
		own, shared := config(a.Child("candidate"))
		edited := newPolicy(sources{vsys: f.VSys, own: own, shared: shared}).ownObjects(want)
		for i, o := range f.policy().ownObjects(want) {
			if i < len(edited) { // the same objects in the same order, if the edit adds none
				o.candidateFact.candidate = edited[i].running
			}
			f.candidate = append(f.candidate, o.candidateFact)
		}
	}
}

func (f *Facts) readOthers(a *xmlapi.Node, want Expectation) {
	right := func(name string) fact[bool] {
		if a.Child("rights").Attr(name) == "yes" {
			return learn(true, nil)
		}
		return learn(false, error(&xmlapi.Error{Kind: xmlapi.KindRole, Text: "Type [" + name + "] not authorized for user role"}))
	}
	f.rights = rights{op: learn(true, nil), config: right("config"), userID: right("user-id"), superuser: right("superuser")}
	f.rights.superuser.err = nil
	limits, err := answered(a.Child("limits"))
	f.limits = learn(capacity.ParseLimits(limits), err)
	f.lists.err, f.registered.err, f.members.err, f.list.err, f.refreshes.err = errNotAsked, errNotAsked, errNotAsked, errNotAsked, errNotAsked
	if want.Mode == firewall.ModeTag {
		registered, err := answered(a.Child("registered"))
		f.registered = learn(0, err)
		if err == nil {
			f.registered = learn(capacity.ParseCount(registered))
		}
		f.members = learn(answered(a.Child("members")))
	}
	if len(f.policy().lists(want.ListURL)) > 0 {
		list, err := answered(a.Child("list"))
		f.list = learn(list.Child("external-list"), err)
		result, err := answered(a.Child("jobs"))
		f.refreshes = learn(finishedRefreshes(jobsOf(result)), err)
	}
}

func jobsOf(result *xmlapi.Node) []xmlapi.Job {
	var out []xmlapi.Job
	if result != nil {
		for _, n := range result.Children {
			out = append(out, xmlapi.ParseJob(n))
		}
	}
	return out
}

func readWant(n *xmlapi.Node) Expectation {
	at := func(name string) time.Time {
		t, _ := time.Parse(time.RFC3339, n.Attr(name)) // none: the zero time
		return t
	}
	want := Expectation{
		Mode: n.Attr("mode"), Names: firewall.NamesFor(cmp.Or(n.Attr("tag"), "x")), ListURL: n.Attr("list-url"),
		InternetZones: n.Child("internet-zones").Members(), SyslogAddress: n.Attr("syslog-address"),
		Formats:         Formats{Traffic: n.Value("traffic"), Threat: n.Value("threat"), Default: n.Attr("read-default") == "yes"},
		CertificateEnds: at("certificate-ends"), MayProvision: n.Attr("may-provision") == "yes", Now: at("now"),
	}
	for _, name := range n.Child("timezones").Members() {
		if zone, err := time.LoadLocation(name); err == nil {
			want.Zones = append(want.Zones, zone)
		}
	}
	if ca := n.Value("ca"); ca != "" {
		want.CA = []byte(ca)
	}
	want.MaxEntries, _ = strconv.Atoi(n.Attr("max-entries")) // none: 0
	want.EmptyEntry, _ = netip.ParseAddr(n.Attr("empty-entry"))
	for _, e := range n.Child("entries").Entries() {
		p, ok := firewall.ParseAddress(e.Attr("name"))
		if !ok {
			continue
		}
		since, _ := time.Parse(time.RFC3339, e.Attr("since"))
		count := 1
		if more, err := strconv.Atoi(e.Attr("count")); err == nil && more > 0 && more <= 1<<17 {
			count = more // so many addresses from that one on
		}
		for addr := p.Addr(); count > 0; count-- {
			want.Entries = append(want.Entries, firewall.Entry{Prefix: netip.PrefixFrom(addr, p.Bits()), Since: since})
			addr = addr.Next()
		}
	}
	for _, e := range n.Child("released").Entries() {
		if p, ok := firewall.ParseAddress(e.Attr("name")); ok {
			at, _ := time.Parse(time.RFC3339, e.Attr("at")) // none: the zero time
			want.Released = append(want.Released, firewall.Entry{Prefix: p, Until: at})
		}
	}
	return want
}

// findingsText writes what is not a pass, for messages.
func findingsText(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		if c.Result != ResultPass {
			fmt.Fprintf(&b, "\n  %s %s: %s\n    %s", c.Result, c.Check, c.Detail, c.Remedy)
		}
	}
	return b.String()
}

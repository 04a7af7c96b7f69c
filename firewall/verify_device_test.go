package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
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
func answered(n *node) (*node, error) {
	if refused := n.attr("refused"); refused != "" {
		kind, text, _ := strings.Cut(refused, ": ")
		return nil, &Error{Firewall: "LAB-FW-01", Op: "ask", Kind: kind, Text: text}
	}
	return n.child("result"), nil
}

// readDevice takes any document: the fuzzer uses it too.
func readDevice(doc *node) device {
	want := readWant(doc.child("want"))
	f := &Facts{Firewall: doc.attr("name"), VSys: doc.attr("vsys")}
	d := device{facts: f, want: want, others: doc.child("expect").attr("others")}
	for _, c := range doc.child("expect").entries() {
		d.expect = append(d.expect, expected{c.attr("name"), c.attr("result"), c.text})
	}
	a := doc.child("answers")
	info := a.child("info")
	if _, err := answered(info); err != nil {
		f.nothing(err)
		return d
	}
	f.insecure = info.attr("insecure") == "yes"
	f.info = learn(Info{Model: info.attr("model"), Serial: info.attr("serial"), Version: info.attr("version"),
		Hostname: info.attr("hostname"), MultiVSys: info.attr("multi-vsys") == "yes"}, nil)
	f.version, _ = parseVersion(info.attr("version"))
	f.readConfigurations(a, want)
	f.readOthers(a, want)
	return d
}

func (f *Facts) readConfigurations(a *node, want Expectation) {
	config := func(n *node) (*node, *node) {
		root := n.child("config")
		return root.child("devices").anyEntry().child("vsys").entry(f.VSys), root.child("shared")
	}
	f.own.value, f.shared.value = config(a.child("running"))
	_, f.own.err = answered(a.child("running"))
	f.shared.err = f.own.err
	for name, fact := range map[string]*fact[[]pushedPart]{"pushed-vsys": &f.vsysPushed, "pushed-shared": &f.barePushed} {
		result, err := answered(a.child(name))
		*fact = learn(pushedParts(result), err)
	}
	template, err := answered(a.child("pushed-template"))
	f.template = learn(templateRoot(template, 0), err)
	_, err = answered(a.child("pending"))
	f.pending = learn(a.value("pending") == "yes", err)
	if f.pending.value {
		own, shared := config(a.child("candidate"))
		edited := newPolicy(sources{vsys: f.VSys, own: own, shared: shared}).ownObjects(want)
		for i, o := range f.policy().ownObjects(want) {
			if i < len(edited) { // the same objects in the same order, if the edit adds none
				o.candidateFact.candidate = edited[i].running
			}
			f.candidate = append(f.candidate, o.candidateFact)
		}
	}
}

func (f *Facts) readOthers(a *node, want Expectation) {
	right := func(name string) fact[bool] {
		if a.child("rights").attr(name) == "yes" {
			return learn(true, nil)
		}
		return learn(false, error(&Error{Kind: KindRole, Text: "Type [" + name + "] not authorized for user role"}))
	}
	f.rights = rights{op: learn(true, nil), config: right("config"), userID: right("user-id"), superuser: right("superuser")}
	f.rights.superuser.err = nil
	limits, err := answered(a.child("limits"))
	f.limits = learn(parseLimits(limits), err)
	f.registered.err, f.members.err, f.list.err, f.refreshes.err = errNotAsked, errNotAsked, errNotAsked, errNotAsked
	if want.Mode == ModeTag {
		registered, err := answered(a.child("registered"))
		f.registered = learn(0, err)
		if err == nil {
			f.registered = learn(parseCount(registered))
		}
		f.members = learn(answered(a.child("members")))
	}
	if len(f.policy().lists(want.ListURL)) > 0 {
		list, err := answered(a.child("list"))
		f.list = learn(list.child("external-list"), err)
		result, err := answered(a.child("jobs"))
		f.refreshes = learn(finishedRefreshes(jobsOf(result)), err)
	}
}

func jobsOf(result *node) []job {
	var out []job
	if result != nil {
		for _, n := range result.children {
			out = append(out, parseJob(n))
		}
	}
	return out
}

func readWant(n *node) Expectation {
	at := func(name string) time.Time {
		t, _ := time.Parse(time.RFC3339, n.attr(name)) // none: the zero time
		return t
	}
	want := Expectation{
		Mode: n.attr("mode"), Names: NamesFor(cmp.Or(n.attr("tag"), "x")), ListURL: n.attr("list-url"),
		InternetZones: n.child("internet-zones").members(), SyslogAddress: n.attr("syslog-address"),
		Formats:         Formats{Traffic: n.value("traffic"), Threat: n.value("threat"), Default: n.attr("read-default") == "yes"},
		CertificateEnds: at("certificate-ends"), MayProvision: n.attr("may-provision") == "yes", Now: at("now"),
	}
	if ca := n.value("ca"); ca != "" {
		want.CA = []byte(ca)
	}
	want.MaxEntries, _ = strconv.Atoi(n.attr("max-entries")) // none: 0
	want.EmptyEntry, _ = netip.ParseAddr(n.attr("empty-entry"))
	for _, e := range n.child("entries").entries() {
		p, ok := parseAddress(e.attr("name"))
		if !ok {
			continue
		}
		since, _ := time.Parse(time.RFC3339, e.attr("since"))
		count := 1
		if more, err := strconv.Atoi(e.attr("count")); err == nil && more > 0 && more <= 1<<17 {
			count = more // so many addresses from that one on
		}
		for addr := p.Addr(); count > 0; count-- {
			want.Entries = append(want.Entries, Entry{Prefix: netip.PrefixFrom(addr, p.Bits()), Since: since})
			addr = addr.Next()
		}
	}
	for _, e := range n.child("released").entries() {
		if p, ok := parseAddress(e.attr("name")); ok {
			at, _ := time.Parse(time.RFC3339, e.attr("at")) // none: the zero time
			want.Released = append(want.Released, Entry{Prefix: p, Until: at})
		}
	}
	return want
}

// findings writes what is not a pass, for messages.
func findings(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		if c.Result != ResultPass {
			fmt.Fprintf(&b, "\n  %s %s: %s\n    %s", c.Result, c.Check, c.Detail, c.Remedy)
		}
	}
	return b.String()
}

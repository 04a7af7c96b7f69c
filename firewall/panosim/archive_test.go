package panosim

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
)

// asks sends a call of a type with these parameters, and fetches what its job found where it is one.
func (p *peer) asks(kind string, pairs ...string) string {
	form := url.Values{"type": {kind}, "key": {p.sim.Key()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	got := p.post(form).body
	if job := regexp.MustCompile(`^<response status="success" code="19"><result><msg><line>(?:query|Report) job enqueued with jobid (\d+)</line></msg><job>(\d+)</job></result></response>$`).FindStringSubmatch(got); job != nil {
		return p.asks(kind, "action", "get", "job-id", job[2])
	}
	return got
}

// Every edit and every commit is an entry of the configuration log, with the fields that are recorded; the newest comes first.
func TestConfigurationLog(t *testing.T) {
	clock := newClock()
	s := start(t, Options{Now: clock.Now})
	p := newPeer(t, s)
	for _, e := range [][3]string{
		{"set", addressPath + "/entry[@name='a']", "<ip-netmask>192.0.2.1</ip-netmask>"}, {"set", addressPath + "/entry[@name='b']", "<ip-netmask>192.0.2.2</ip-netmask>"},
		{"delete", addressPath + "/entry[@name='a']", ""},
	} {
		if err := s.Config().Edit("ann", e[0], e[1], e[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Config().Commit("bob"); err != nil {
		t.Fatal(err)
	}
	got := p.asks("log", "log-type", "config", "query", "( cmd eq delete )")
	for _, want := range []string{
		`<status>FIN</status>`, `<log><logs count="1" progress="100"><entry logid="3"><domain>1</domain><receive_time>2026/03/01 12:00:00</receive_time>`,
		`<type>CONFIG</type>`, `<cmd>delete</cmd><admin>ann</admin><client>Web</client><result>Succeeded</result><path> vsys  vsys1 address  a</path>`,
		`<full-path>/config/devices/entry[@name=&#39;localhost.localdomain&#39;]/vsys/entry[@name=&#39;vsys1&#39;]/address/entry[@name=&#39;a&#39;]</full-path>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("deleted: %s, want %s", got, want)
		}
	}
	order := func(pairs ...string) string {
		got := p.asks("log", append([]string{"log-type", "config"}, pairs...)...)
		var ids []string
		for _, id := range regexp.MustCompile(`logid="(\d+)"`).FindAllStringSubmatch(got, -1) {
			ids = append(ids, id[1])
		}
		return strings.Join(ids, " ")
	}
	for what, c := range map[string]struct{ got, want string }{
		"all": {order(), "4 3 2 1"}, "forward": {order("dir", "forward"), "1 2 3 4"}, "two": {order("nlogs", "2"), "4 3"},
		"after two": {order("skip", "2"), "2 1"}, "bob's": {order("query", "(admin eq bob) and (cmd eq commit)"), "4"},
		"not ann's": {order("query", "!(admin eq ann)"), "4"}, "nor bob's": {order("query", "(admin neq bob)"), "3 2 1"}, "of before": {order("query", "(receive_time leq '2026/03/01 11:59:59')"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", what, c.got, c.want)
		}
	}
	for what, c := range map[string]struct{ got, want string }{
		"of no kind": {p.asks("log", "log-type", "weather"), "log-type"}, "too many": {p.asks("log", "log-type", "config", "nlogs", "5001"), "nlogs"},
		"bad query": {p.asks("log", "log-type", "config", "query", "(cmd is delete)"), `code="17"`}, "no job": {p.asks("log", "action", "get", "job-id", "99"), "No such query job 99"},
		"ended": {p.asks("log", "action", "finish", "job-id", "1"), "success"}, "then": {p.asks("log", "action", "get", "job-id", "1"), "No such query job 1"},
		"sideways": {p.asks("log", "log-type", "config", "dir", "left"), "dir"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: %s", what, c.got)
		}
	}
}

// Sessions, threats, logins and the system log are kept as well, and reports sum them up.
func TestLogsAndReports(t *testing.T) {
	clock := newClock()
	s := start(t, Options{Now: clock.Now})
	p := newPeer(t, s)
	rule := strings.NewReplacer(">g<", ">any<", ">drop<", ">allow<").Replace(ruleOne)
	if err := s.Config().Edit("admin", "set", rulesPath, strings.Replace(strings.Replace(rule, "</entry>", "<log-start>yes</log-start></entry>", 1), "</entry>", "<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting></entry>", 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	packet := func(source string, port uint16, threat *traffic.Threat) {
		s.Traffic().Packet(traffic.Packet{From: "untrust", To: "trust", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"), DestinationPort: port, Short: true, Threat: threat})
	}
	packet("203.0.113.1", 443, nil)
	packet("203.0.113.1", 443, &traffic.Threat{Name: "Some attack", ID: 95187})
	packet("203.0.113.2", 22, nil)
	s.Traffic().Login("", logs.Login{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.3"), User: "eve", Failed: true})
	for what, c := range map[string]struct{ got, want string }{
		"traffic":       {p.asks("log", "log-type", "traffic", "query", "(addr.src in 203.0.113.2/31) and (subtype eq end)"), `<src>203.0.113.2</src><dst>198.51.100.7</dst>`},
		"threat":        {p.asks("log", "log-type", "threat", "query", "(severity geq high)"), `<threatid>Some attack</threatid><tid>95187</tid>`},
		"globalprotect": {p.asks("log", "log-type", "globalprotect"), `<public_ip>203.0.113.3</public_ip>`},
		"system":        {p.asks("log", "log-type", "system", "query", "(opaque contains 'eve')"), `<severity>medium</severity>`},
	} {
		if !strings.Contains(c.got, c.want) || !strings.Contains(c.got, `count="1"`) {
			t.Errorf("%s: %s", what, c.got)
		}
	}
	clock.advance(time.Minute)
	const cmd = "<type><trsum><aggregate-by><member>src</member></aggregate-by></trsum></type>"
	for what, c := range map[string]struct{ got, want string }{
		"named": {p.asks("report", "reporttype", "dynamic", "reportname", "top-applications-summary", "period", "last-hour", "topn", "1"),
			`name="Top applications" start="2026/03/01 11:01:01" start-epoch="1772362861" end="2026/03/01 12:01:00" end-epoch="1772366460"`},
		"threats":      {p.asks("report", "reporttype", "dynamic", "reportname", "top-attackers-summary"), `<entry><src>203.0.113.1</src><count>1</count></entry></report>`},
		"of the call":  {p.asks("report", "reporttype", "dynamic", "reportname", custom, "cmd", cmd+"<period>last-hour</period><query>(dport eq 22)</query>"), `<entry><src>203.0.113.2</src><bytes>60</bytes><sessions>1</sessions></entry></report>`},
		"after them":   {p.asks("report", "reporttype", "dynamic", "reportname", custom, "cmd", cmd+"<start-time>2026/03/01 12:00:01</start-time><end-time>2026/03/01 12:00:59</end-time>"), `"></report>`},
		"before them":  {p.asks("report", "reporttype", "dynamic", "reportname", "top-src-summary", "start-time", "2026/03/01 11:59:00", "end-time", "2026/03/01 11:59:59"), `"></report>`},
		"no time":      {p.asks("report", "reporttype", "dynamic", "reportname", "top-src-summary", "start-time", "noon"), "is invalid"},
		"timeless":     {p.asks("report", "reporttype", "dynamic", "reportname", custom, "cmd", cmd, "period", "last-hour"), `start-epoch="0"`},
		"of before":    {p.asks("report", "reporttype", "predefined", "reportname", "top-sources"), `start="2026/02/28 00:00:00"`},
		"unknown":      {p.asks("report", "reporttype", "dynamic", "reportname", "top-weather"), "No such report top-weather"},
		"no such kind": {p.asks("report", "reporttype", "static", "reportname", "x"), "reporttype"}, "no name": {p.asks("report", "reporttype", "dynamic"), "reportname"},
		"bad period": {p.asks("report", "reporttype", "dynamic", "reportname", "top-rule-summary", "period", "always"), "not an allowed keyword"},
		"bad number": {p.asks("report", "reporttype", "dynamic", "reportname", "top-rule-summary", "topn", "0"), "topn"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: %s", what, c.got)
		}
	}
	if got := p.asks("report", "reporttype", "dynamic", "reportname", "top-src-summary", "topn", "1"); !strings.Contains(got, `<entry><src>203.0.113.1</src><bytes>120</bytes><sessions>2</sessions></entry></report>`) {
		t.Errorf("the first source alone: %s", got)
	}
	clock.advance(24 * time.Hour)
	if got := p.asks("report", "reporttype", "predefined", "reportname", "top-sources"); !strings.HasPrefix(got, `<report reportname="top-sources" logtype="trsum"><result name="Top sources"`) || !strings.Contains(got, "203.0.113.1") {
		t.Errorf("a day later: %s", got)
	}
}

const custom = "custom-dynamic-report"

// A report of the configuration is asked for by its name.
func TestCustomReport(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	if err := s.Config().Edit("admin", "set", "/config/shared/reports/entry[@name='mine']", "<type><trsum><aggregate-by><member>rule</member></aggregate-by></trsum></type><period>last-hour</period><topn>5</topn>"); err != nil {
		t.Fatal(err)
	}
	ask := func() string { return p.asks("report", "reporttype", "custom", "reportname", "mine") }
	if got := ask(); !strings.Contains(got, "No such report") {
		t.Errorf("before the commit: %s", got)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, `<report reportname="mine" logtype="trsum" name="mine"`) {
		t.Errorf("after it: %s", got)
	}
}

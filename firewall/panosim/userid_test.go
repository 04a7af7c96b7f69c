package panosim

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

const (
	emptyRegister   = `<response status="success"><result><uid-response><version>2.0</version><payload><register></register></payload></uid-response></result></response>`
	emptyUnregister = `<response status="success"><result><uid-response><version>2.0</version><payload><unregister></unregister></payload></uid-response></result></response>`
	emptyBoth       = `<response status="success"><result><uid-response><version>2.0</version><payload><unregister></unregister><register></register></payload></uid-response></result></response>`
	malformed       = `<response status="error"><msg><line>uid-message: payload is malformed</line></msg></response>`
)

// partial is the recorded shape of a message of which entries failed.
func partial(payload string) string {
	return `<response status="error"><msg><line><uid-response><version>2.0</version><payload>` + payload + `</payload></uid-response></line></msg></response>`
}

// said is an entry of an answer.
func said(ip, text string) string { return `<entry ip="` + ip + `" message="` + text + `"/>` }

// tags is an entry of several tags.
func tags(ip string, names ...string) string {
	return `<entry ip="` + ip + `"><tag><member>` + strings.Join(names, "</member><member>") + `</member></tag></entry>`
}

func TestRegisterAndUnregister(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	expect(t, "register", p.uid(`<register>`+tags("192.0.2.1", "a", "b")+tags("192.0.2.2", "a")+`</register>`), emptyRegister)
	expect(t, "registered", standing(s, "192.0.2.1", "192.0.2.2"), "192.0.2.1:a,b 192.0.2.2:a")
	expect(t, "unregister", p.uid(`<unregister>`+tags("192.0.2.1", "a")+tags("192.0.2.2", "a")+`</unregister>`), emptyUnregister)
	expect(t, "left", standing(s, "192.0.2.1"), "192.0.2.1:b")
	expect(t, "both", p.uid(`<register>`+tags("192.0.2.3", "c")+`</register><unregister>`+tags("192.0.2.1", "b")+`</unregister>`), emptyBoth)
	expect(t, "left after both", standing(s, "192.0.2.3"), "192.0.2.3:c")
}

func TestRepeatedTags(t *testing.T) {
	dup, gone, noIP := "tag a already exists, ignore", "tag a does not exist, ignore unreg", "ip 192.0.2.8 does not exist, ignore unreg"
	register := `<register>` + tags("192.0.2.1", "a", "new") + tags("192.0.2.2", "new") + `</register>`
	unregister := `<unregister>` + tags("192.0.2.3", "a", "old") + tags("192.0.2.8", "a") + tags("192.0.2.4", "old") + `</unregister>`
	for _, c := range []struct {
		how          dialect.Repeat
		registered   string
		unregistered string
	}{
		{dialect.Modern, "192.0.2.1:a,new 192.0.2.2:new 192.0.2.3:old 192.0.2.4:old", ""},
		{dialect.LegacyOthersApplied, "192.0.2.1:a,new 192.0.2.2:new 192.0.2.3:old 192.0.2.4:old", ""},
		{dialect.LegacyEntrySkipped, "192.0.2.1:a 192.0.2.2:new 192.0.2.3:old 192.0.2.4:old", "192.0.2.3:old"},
		{dialect.LegacyMessageRejected, "192.0.2.1:a 192.0.2.3:old 192.0.2.4:old", "192.0.2.3:old 192.0.2.4:old"},
	} {
		d := dialect.Dialect{Duplicates: c.how, Missing: c.how}
		t.Run(d.String(), func(t *testing.T) {
			s := start(t, Options{Dialect: d})
			p := newPeer(t, s)
			p.uid(`<register>` + tags("192.0.2.1", "a") + tags("192.0.2.3", "old") + tags("192.0.2.4", "old") + `</register>`)
			wantDup, wantGone := partial(`<register>`+said("192.0.2.1", dup)+`</register>`), partial(`<unregister>`+said("192.0.2.3", gone)+said("192.0.2.8", noIP)+`</unregister>`)
			if c.how == dialect.Modern {
				wantDup, wantGone = emptyRegister, emptyUnregister
			}
			expect(t, "answer to a duplicate", p.uid(register), wantDup)
			expect(t, "registered", standing(s, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), c.registered)
			s.Addresses().Clear("")
			p.uid(`<register>` + tags("192.0.2.3", "old") + tags("192.0.2.4", "old") + `</register>`)
			expect(t, "answer to what is missing", p.uid(unregister), wantGone)
			expect(t, "left", standing(s, "192.0.2.3", "192.0.2.4"), c.unregistered)
		})
	}
}

// A tag given twice in one message is a duplicate of itself.
func TestRepeatedWithinMessage(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{Duplicates: dialect.LegacyMessageRejected}})
	p := newPeer(t, s)
	dup := partial(`<register>` + said("192.0.2.1/32", "tag a already exists, ignore") + `</register>`)
	expect(t, "two entries", p.uid(`<register>`+tags("192.0.2.1", "a")+tags("192.0.2.1/32", "a")+`</register>`), dup)
	expect(t, "one entry", p.uid(`<register>`+tags("192.0.2.1/32", "a", "b", "a")+`</register>`), dup)
	expect(t, "registered", standing(s), "")

	s.SetDialect(dialect.Dialect{Missing: dialect.LegacyOthersApplied})
	p.uid(`<register>` + tags("192.0.2.1", "a", "b") + `</register>`)
	gone := partial(`<unregister>` + said("192.0.2.1", "tag a does not exist, ignore unreg") + `</unregister>`)
	expect(t, "two entries to take off", p.uid(`<unregister>`+tags("192.0.2.1", "a")+tags("192.0.2.1", "a")+`</unregister>`), gone)
	p.uid(`<register>` + tags("192.0.2.1", "a") + `</register>`)
	expect(t, "one entry to take off", p.uid(`<unregister>`+tags("192.0.2.1", "a", "a")+`</unregister>`), gone)
	expect(t, "left", standing(s, "192.0.2.1"), "192.0.2.1:b")
}

func TestOrderOfHalves(t *testing.T) {
	both := `<register>` + tags("192.0.2.1", "a") + `</register><unregister>` + tags("192.0.2.1", "a") + `</unregister>`
	for order, want := range map[dialect.Order]string{dialect.RegisterFirst: "", dialect.UnregisterFirst: "192.0.2.1:a"} {
		s := start(t, Options{Dialect: dialect.Dialect{Order: order}})
		p := newPeer(t, s)
		expect(t, "answer", p.uid(both), emptyBoth)
		expect(t, s.dialect.String(), standing(s, "192.0.2.1"), want)
	}
}

func TestUnregisterWithoutTag(t *testing.T) {
	for bare, want := range map[dialect.Bare]string{dialect.BareRemovesAll: "192.0.2.2:a", dialect.BareRefused: "192.0.2.1:a,b 192.0.2.2:a"} {
		s := start(t, Options{Dialect: dialect.Dialect{Bare: bare}})
		p := newPeer(t, s)
		p.uid(`<register>` + tags("192.0.2.1", "a", "b") + tags("192.0.2.2", "a") + `</register>`)
		answer := p.uid(`<unregister><entry ip="192.0.2.1"/></unregister>`)
		if refused := strings.Contains(answer, "Failed to unregister"); refused != (bare == dialect.BareRefused) {
			t.Errorf("%v: answer %s", s.dialect, answer)
		}
		expect(t, s.dialect.String(), standing(s, "192.0.2.1", "192.0.2.2"), want)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		Version, ip, want string // want "": refused
	}{
		{"9.1.0", "192.0.2.1", "192.0.2.1/32"},
		{"9.1.0", "192.0.2.1/32", "192.0.2.1/32"},
		{"9.1.0", "2001:DB8:0:0:0:0:0:1", "2001:db8::1/128"},
		{"9.1.0", "2001:db8::1/128", "2001:db8::1/128"},
		{"9.1.0", "192.0.2.0/24", ""},
		{"9.1.0", "192.0.2.1-192.0.2.9", ""},
		{"10.0.0", "192.0.2.7/24", "192.0.2.0/24"},
		{"10.0.0", "192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"},
		{"10.0.0", "192.0.2.9-192.0.2.1", ""},
		{"10.0.0", "2001:db8::/64", ""},
		{"10.0.0", "2001:db8::1-2001:db8::9", ""},
		{"10.0.0", "::ffff:192.0.2.1", ""},
		{"10.0.0", "::ffff:192.0.2.1/128", ""},
		{"10.0.0", "fe80::1%eth0", ""},
		{"10.0.0", "192.0.2.256", ""},
		{"10.0.0", "host.example", ""},
		{"10.0.0", "", ""},
	} {
		s := start(t, Options{Version: c.Version})
		p := newPeer(t, s)
		answer := p.uid(`<register>` + tags("198.51.100.1", "a") + tags(c.ip, "a") + `</register>`)
		var got []string
		for other := range s.Addresses().Registered("") {
			if other != prefix("198.51.100.1") {
				got = append(got, other.String())
			}
		}
		for ranged := range s.Addresses().Ranges("") {
			got = append(got, ranged)
		}
		expect(t, c.Version+" "+c.ip, strings.Join(got, " "), c.want)
		if refused := strings.Contains(answer, `<entry ip="`+c.ip+`" message=`); refused != (c.want == "") {
			t.Errorf("%s %q: answer %s", c.Version, c.ip, answer)
		}
		if s.Addresses().Registered("")[prefix("198.51.100.1")] == nil {
			t.Errorf("%s %q: the other entry is not applied", c.Version, c.ip)
		}
	}
}

func TestBadEntryRejectsMessage(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{BadEntry: dialect.BadEntryRejected}})
	p := newPeer(t, s)
	answer := p.uid(`<register>` + tags("192.0.2.1", "a") + tags("nonsense", "a") + `</register>`)
	expect(t, "answer", answer, partial(`<register>`+said("nonsense", "ip nonsense is not a valid ip address")+`</register>`))
	expect(t, "registered", standing(s), "")
}

func TestTagsOfAnAddressAreLimited(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	var names []string
	for i := range userid.MaxTags {
		names = append(names, "t"+strconv.Itoa(i))
	}
	expect(t, "32 tags", p.uid(`<register>`+tags("192.0.2.1", names...)+`</register>`), emptyRegister)
	answer := p.uid(`<register>` + tags("192.0.2.1", "one more") + tags("192.0.2.2", strings.Repeat("x", 127)) + tags("192.0.2.3", strings.Repeat("x", 128)) + `</register>`)
	all := s.Addresses().Registered("")
	if len(all[prefix("192.0.2.1")]) != userid.MaxTags || !strings.Contains(answer, `<entry ip="192.0.2.1" message="Failed to register`) {
		t.Errorf("%d tags, answer %s", len(all[prefix("192.0.2.1")]), answer)
	}
	if all[prefix("192.0.2.2")] == nil || all[prefix("192.0.2.3")] != nil || !strings.Contains(answer, "1 to 127 characters") {
		t.Errorf("long tags: registered %d addresses, answer %s", len(all), answer)
	}
}

func TestMalformedMessages(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	good := `<register>` + tags("192.0.2.1", "a") + `</register>`
	for _, cmd := range []string{
		"nonsense", "<uid-message>", "<other/>",
		`<uid-message><version>1.0</version><type>update</type></uid-message>`,
		`<uid-message><version>1.0</version><type>wrong</type><payload>` + good + `</payload></uid-message>`,
		uidMessage(good + `<regster/>`), uidMessage(good) + "<more/>", uidMessage(good) + "&",
		uidMessage(`<register><entry><tag><member>a</member></tag></entry></register>`),
	} {
		got := p.post(map[string][]string{"type": {"user-id"}, "key": {s.Key()}, "cmd": {cmd}}).body
		expect(t, cmd, got, malformed)
	}
	expect(t, "registered", standing(s), "")
	users := p.uid(`<login><entry name="u" ip="192.0.2.1" timeout="20"/></login><logout/><groups/><register-user/><unregister-user/>`)
	if !strings.Contains(users, `status="success"`) {
		t.Errorf("mappings of users: %s", users)
	}
}

func TestVirtualSystems(t *testing.T) {
	s := start(t, Options{VSys: []string{"vsys1", "vsys2"}})
	p := newPeer(t, s)
	form := func(vsys string) map[string][]string {
		return map[string][]string{"type": {"user-id"}, "key": {s.Key()}, "vsys": {vsys}, "cmd": {uidMessage(`<register>` + tags("192.0.2.1", "in "+vsys) + `</register>`)}}
	}
	expect(t, "vsys2", p.post(form("vsys2")).body, emptyRegister)
	expect(t, "vsys1", p.post(form("")).body, emptyRegister)
	expect(t, "vsys99", p.post(form("vsys99")).body, `<response status="error" code="17"><msg><line>vsys99 is invalid vsys</line></msg></response>`)
	if a, b := s.Addresses().Registered("vsys1")[prefix("192.0.2.1")], s.Addresses().Registered("vsys2")[prefix("192.0.2.1")]; len(a) != 1 || a[0] != "in " || len(b) != 1 || b[0] != "in vsys2" {
		t.Errorf("vsys1 has %q, vsys2 has %q", a, b)
	}
	if info := p.op("<show><system><info/></system></show>"); !strings.Contains(info, "<multi-vsys>on</multi-vsys>") {
		t.Errorf("system info = %s", info)
	}
}

func TestPlatformLimit(t *testing.T) {
	message := `<register>` + tags("192.0.2.1", "b") + tags("192.0.2.3", "a") + tags("192.0.2.4", "a") + `</register>`
	for _, c := range []struct {
		limit dialect.Limit
		want  string
	}{
		{dialect.LimitSilentDrop, emptyRegister},
		{dialect.LimitPerEntryError, partial(`<register>` + said("192.0.2.4", "Failed to register ip 192.0.2.4") + `</register>`)},
	} {
		s := start(t, Options{MaxRegistered: 3, Dialect: dialect.Dialect{Limit: c.limit}})
		p := newPeer(t, s)
		p.uid(`<register>` + tags("192.0.2.1", "a") + tags("192.0.2.2", "a") + `</register>`)
		expect(t, s.dialect.String(), p.uid(message), c.want)
		expect(t, "registered", standing(s, "192.0.2.1", "192.0.2.2", "192.0.2.3"), "192.0.2.1:a,b 192.0.2.2:a 192.0.2.3:a")
		log := s.SystemLog()
		if len(log) != 1 || log[0].Text != "max registered-ip for the platform reached (3)" || log[0].Severity != "critical" || log[0].Subtype != "userid" {
			t.Errorf("system log = %+v", log)
		}
		p.uid(`<unregister>` + tags("192.0.2.1", "a", "b") + `</unregister>`)
		expect(t, "room again", p.uid(`<register>`+tags("192.0.2.4", "a")+`</register>`), emptyRegister)
	}
}

// What a message takes off makes room for what it registers after.
func TestPlatformLimitWithinMessage(t *testing.T) {
	both := `<register>` + tags("192.0.2.2", "a") + `</register><unregister>` + tags("192.0.2.1", "a") + `</unregister>`
	for order, want := range map[dialect.Order]string{dialect.RegisterFirst: "", dialect.UnregisterFirst: "192.0.2.2:a"} {
		s := start(t, Options{MaxRegistered: 1, Dialect: dialect.Dialect{Order: order}})
		p := newPeer(t, s)
		p.uid(`<register>` + tags("192.0.2.1", "a") + `</register>`)
		p.uid(both)
		expect(t, s.dialect.String(), standing(s, "192.0.2.2"), want)
	}
}

func TestChangesAreReported(t *testing.T) {
	c := newClock()
	var got []userid.Change
	var s *Sim
	s = start(t, Options{Now: c.Now, OnChange: func(change userid.Change) {
		// Outside all locks: looking is allowed, and sees the change.
		_, stands := s.Addresses().Registered("vsys1")[change.Address]
		if stands != (change.Action == userid.Registered || change.Action == userid.Renewed) {
			t.Errorf("%s %s: stands %v", change.Action, change.Address, stands)
		}
		got = append(got, change)
	}})
	p := newPeer(t, s)
	p.uid(`<register>` + entryXML("192.0.2.1", "a", "60") + `</register>`)
	p.uid(`<register>` + entryXML("192.0.2.1", "a", "30") + `</register>`)
	p.uid(`<unregister>` + entryXML("192.0.2.1", "a", "") + `</unregister>`)
	if err := s.Addresses().Register("vsys1", netip.MustParsePrefix("198.51.100.7/24"), "b", time.Second); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Second)
	s.Addresses().Count()
	if err := s.Addresses().Register("vsys9", host(1), "b", 0); err == nil {
		t.Error("an unknown virtual system is accepted")
	}
	if err := s.Addresses().Unregister("", netip.Prefix{}, "b"); err == nil {
		t.Error("a prefix that is none is accepted")
	}
	start, first, network := c.Now().Add(-time.Second), prefix("192.0.2.1"), prefix("198.51.100.0/24")
	var none netip.Addr
	want := []userid.Change{
		{Seq: 1, Time: start, Action: userid.Registered, VSys: "vsys1", Address: first, To: none, Tag: "a", Timeout: time.Minute, Owner: false},
		{Seq: 2, Time: start, Action: userid.Renewed, VSys: "vsys1", Address: first, To: none, Tag: "a", Timeout: 30 * time.Second, Owner: false},
		{Seq: 3, Time: start, Action: userid.Unregistered, VSys: "vsys1", Address: first, To: none, Tag: "a", Timeout: 30 * time.Second, Owner: false},
		{Seq: 4, Time: start, Action: userid.Registered, VSys: "vsys1", Address: network, To: none, Tag: "b", Timeout: time.Second, Owner: true},
		{Seq: 5, Time: c.Now(), Action: userid.Expired, VSys: "vsys1", Address: network, To: none, Tag: "b", Timeout: time.Second, Owner: false},
	}
	if len(got) != len(want) {
		t.Fatalf("changes = %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("change %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestAnotherOwner(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{Duplicates: dialect.LegacyOthersApplied}})
	p := newPeer(t, s)
	for _, tag := range []string{"theirs", "ours"} {
		if err := s.Addresses().Register("", prefix("192.0.2.1"), tag, 0); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "a tag that another owner set", p.uid(`<register>`+tags("192.0.2.1", "ours")+`</register>`),
		partial(`<register>`+said("192.0.2.1", "tag ours already exists, ignore")+`</register>`))
	p.uid(`<unregister>` + tags("192.0.2.1", "ours") + `</unregister>`)
	expect(t, "their tag", standing(s, "192.0.2.1"), "192.0.2.1:theirs")
	if err := s.Addresses().Unregister("", prefix("192.0.2.1"), ""); err != nil {
		t.Fatal(err)
	}
	expect(t, "after all were taken off", standing(s), "")
}

// Who is at an address is known until logout, or until the login's time in minutes is over.
func TestUserMapping(t *testing.T) {
	clock := newClock()
	s := start(t, Options{Now: clock.Now, VSys: []string{"vsys1", "vsys2"}})
	p := newPeer(t, s)
	show := func(what string) string {
		return p.op("<show><user><ip-user-mapping-mp>" + what + "</ip-user-mapping-mp></user></show>")
	}
	expect(t, "logged in", p.uid(`<login><entry name="lab\ann" ip="192.0.2.1" timeout="20"/><entry name="lab\bob" ip="2001:db8::1" timeout="0"/></login>`),
		`<response status="success"><result><uid-response><version>2.0</version><payload><login></login></payload></uid-response></result></response>`)
	expect(t, "one address", show("<ip>192.0.2.1</ip>"), `<response status="success"><result><entry><ip>192.0.2.1</ip><vsys>vsys1</vsys><type>XMLAPI</type><user>lab\ann</user>`+
		`<idle_timeout>1200</idle_timeout><timeout>1200</timeout></entry></result></response>`)
	for _, c := range []struct{ what, got, want string }{
		{"nobody", show("<ip>192.0.2.2</ip>"), `<response status="success"><result></result></response>`},
		{"both", show("<all/>"), "<timeout>Never</timeout></entry><count>2</count>"}, {"no address", show("<ip>here</ip>"), `code="17"`},
		{"as the data plane has it", p.op("<show><user><ip-user-mapping><all/></ip-user-mapping></user></show>"), "<count>2</count>"},
		{"no name", p.uid(`<login><entry name="" ip="192.0.2.9"/></login>`), `<login><entry name="" ip="192.0.2.9" message="Invalid user name"/></login>`},
		{"bad address", p.uid(`<login><entry name="x" ip="here"/></login>`), "Invalid IP address"}, {"bad time", p.uid(`<login><entry name="x" ip="192.0.2.9" timeout="-1"/></login>`), "Invalid timeout"},
		{"another's logout", p.uid(`<logout><entry name="eve" ip="192.0.2.1"/></logout>`), `status="error"`}, {"logout", p.uid(`<logout><entry name="LAB\Bob" ip="2001:db8::1"/></logout>`), `status="success"`},
		{"twice", p.uid(`<logout><entry name="lab\bob" ip="2001:db8::1"/></logout>`), "Delete mapping failed"}, {"one left", show("<all/>"), "<count>1</count>"},
		{"no groups", p.op("<show><user><group><list/></group></user></show>"), "Total: 0"},
		{"groups", p.uid(`<groups><entry name="staff"><members><entry name="lab\ann"/></members></entry></groups>`), `status="success"`},
		{"listed", p.op("<show><user><group><list/></group></user></show>"), "staff"}, {"members", p.op("<show><user><group><name>staff</name></group></user></show>"), `[1    ] lab\ann`},
		{"no such group", p.op("<show><user><group><name>others</name></group></user></show>"), "does not exist"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: %s", c.what, c.got)
		}
	}
	clock.advance(20*time.Minute - time.Second)
	if got := show("<all/>"); !strings.Contains(got, "<timeout>1</timeout>") {
		t.Errorf("a second before its end: %s", got)
	}
	clock.advance(time.Second)
	if got := show("<all/>"); strings.Contains(got, "ann") {
		t.Errorf("at its end: %s", got)
	}
}

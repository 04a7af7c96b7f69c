package panosim

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// A clone is an entry of its own: other name, other identifier, and its content.
func TestClone(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	rule := strings.ReplaceAll(ruleOne, ">g<", ">any<")
	if err := s.Config().Edit("admin", "set", rulesPath, rule); err != nil {
		t.Fatal(err)
	}
	clone := func(from, name string) string {
		return p.post(url.Values{"type": {"config"}, "action": {"clone"}, "key": {s.Key()}, "xpath": {rulesPath}, "from": {rulesPath + from}, "newname": {name}}).body
	}
	expect(t, "cloned", clone("/entry[@name='one']", "two"), succeeded)
	candidate := s.Config().Candidate()
	ids := strings.Split(candidate, `uuid="`)
	if len(ids) != 3 || ids[1][:36] == ids[2][:36] || strings.Count(candidate, ">drop</action>") != 2 || !strings.Contains(candidate, `<entry name="two"`) {
		t.Errorf("cloned: %s", candidate)
	}
	for what, c := range map[string]struct{ from, name, want string }{
		"a name that is taken": {"/entry[@name='one']", "two", "two already exists"},
		"of nothing":           {"/entry[@name='three']", "four", `code="7"`},
		"of a list":            {"", "four", `code="7"`},
		"a name too long":      {"/entry[@name='one']", strings.Repeat("x", 64), "at most 63 characters, but current length: 64"},
		"no name":              {"/entry[@name='one']", "", "newname"},
	} {
		if got := clone(c.from, c.name); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// A partial commit is sent with action=partial by some clients, and without by others.
func TestActionPartial(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	commit := func(action, cmd string) string {
		return p.post(url.Values{"type": {"commit"}, "action": {action}, "key": {s.Key()}, "cmd": {cmd}}).body
	}
	const partial = "<commit><partial><admin><member>admin</member></admin></partial></commit>"
	for _, action := range []string{"partial", ""} {
		if err := s.Config().Edit("admin", "set", vsysPath+"/tag/entry[@name='t"+action+"']", "<comments>x</comments>"); err != nil {
			t.Fatal(err)
		}
		if got := commit(action, partial); !strings.Contains(got, "enqueued with jobid") || s.Config().Pending("admin") != 0 {
			t.Errorf("action %q: %s", action, got)
		}
	}
	for action, want := range map[string]string{"all": "Illegal value", "partially": "Illegal value"} {
		if got := commit(action, partial); !strings.Contains(got, want) {
			t.Errorf("action %q: %s", action, got)
		}
	}
	if got := commit("partial", "<commit/>"); !strings.Contains(got, "partial is missing") {
		t.Errorf("a full one as partial: %s", got)
	}
}

// Keys are base64: where they stand in an address or a form, + and = are escaped, or + is read as a space.
func TestKeysWithPlusAndEquals(t *testing.T) {
	const key = "LUFRPT1+a/b+c=="
	s := start(t, Options{APIKey: key})
	p := newPeer(t, s)
	const ask = "type=op&cmd=%3Cshow%3E%3Csystem%3E%3Cinfo%2F%3E%3C%2Fsystem%3E%3C%2Fshow%3E"
	get := func(query, header string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/api/?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-PAN-KEY", header)
		response, err := p.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r, err := read(response)
		if err != nil {
			t.Fatal(err)
		}
		return r.body
	}
	for how, got := range map[string]string{
		"escaped in the address": get(ask+"&key="+url.QueryEscape(key), ""), "in the header": get(ask, key),
		"escaped in the form": p.post(url.Values{"type": {"op"}, "key": {key}, "cmd": {"<show><system><info/></system></show>"}}).body,
	} {
		if !strings.Contains(got, "<sw-version>") {
			t.Errorf("%s: %s", how, got)
		}
	}
	if got := get(ask+"&key="+key, ""); !strings.Contains(got, "Invalid Credential") {
		t.Errorf("unescaped in the address: %s", got)
	}
}

// Rules of newer versions name users and tenants of SaaS applications, and application-default among the services.
func TestRulesAsExported(t *testing.T) {
	s := start(t, Options{})
	rule := strings.NewReplacer(">g<", ">any<", "<service><member>any</member></service>", "<service><member>application-default</member></service>"+
		"<saas-user-list><member>any</member></saas-user-list><saas-tenant-list><member>any</member></saas-tenant-list>").Replace(ruleOne)
	if err := s.Config().Edit("admin", "set", rulesPath, rule); err != nil {
		t.Fatal(err)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	if running := s.Config().Running(); !strings.Contains(running, "<saas-tenant-list><member>any</member>") || !strings.Contains(running, "application-default") {
		t.Errorf("the rule runs as %s", running)
	}
}

// What pan-python's live tests send: a multi-config under another name, a payload inside the type, a show of no xpath.
func TestAsPanPythonSends(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	config := func(pairs url.Values) string {
		pairs.Set("type", "config")
		pairs.Set("key", s.Key())
		return p.post(pairs).body
	}
	if got := config(url.Values{"action": {"multi-config"}, "element": {`<multi-config><set xpath="` + vsysPath + `/tag/entry[@name='t']" id="101"><comments>x</comments></set></multi-config>`}}); !strings.Contains(got, `code="20" id="101"`) {
		t.Errorf("multi-config: %s", got)
	}
	if got := config(url.Values{"action": {"multi-config"}, "element": {"<multi/>"}}); !strings.Contains(got, "is invalid") {
		t.Errorf("multi-config of another kind: %s", got)
	}
	if got := config(url.Values{"action": {"show"}}); !strings.Contains(got, "<mgt-config>") {
		t.Errorf("show: %s", got)
	}
	if got := config(url.Values{"action": {"get"}}); !strings.Contains(got, "xpath") || !strings.Contains(got, "error") {
		t.Errorf("get: %s", got)
	}
	uid := func(message string) string {
		return p.post(url.Values{"type": {"user-id"}, "key": {s.Key()}, "cmd": {message}}).body
	}
	const register = `<payload><register><entry ip="192.0.2.1"><tag><member>t</member></tag></entry></register></payload>`
	if got := uid("<uid-message><type>update" + register + "</type></uid-message>"); !strings.Contains(got, "success") || s.Addresses().Count() != 1 {
		t.Errorf("a payload in the type: %s", got)
	}
	if got := uid("<uid-message><type>other" + register + "</type></uid-message>"); !strings.Contains(got, "malformed") {
		t.Errorf("another type: %s", got)
	}
}

// The hash of a password, written for an administrator, is what it logs in with.
func TestPasswordHash(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	got := p.op("<request><password-hash><password>secret</password></password-hash></request>")
	_, hash, _ := strings.Cut(got, "<phash>")
	hash, _, found := strings.Cut(hash, "</phash>")
	if !found || len(hash) > 63 {
		t.Fatalf("the hash is %s", got)
	}
	if err := s.Config().Edit("admin", "set", "/config/mgt-config/users/entry[@name='new']", "<phash>"+hash+"</phash><permissions><role-based><superuser>yes</superuser></role-based></permissions>"); err != nil {
		t.Fatal(err)
	}
	login := func(user, password string) reply {
		return p.post(url.Values{"type": {"keygen"}, "user": {user}, "password": {password}})
	}
	if got := login("new", "secret"); !strings.Contains(got.body, "<key>") {
		t.Errorf("with the right password: %s", got.body)
	}
	for _, c := range [][2]string{{"new", "Secret"}, {"admin", ""}, {"nobody", "secret"}} {
		if got := login(c[0], c[1]); got.status != http.StatusForbidden {
			t.Errorf("as %s: %s", c[0], got.body)
		}
	}
}

// Refusals that pass by themselves come as they were recorded, as often as they are wanted, and nothing is done meanwhile.
func TestTransientRefusals(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	commit := func() string { return p.commit("", "<commit><force/></commit>") }
	for _, text := range []string{
		"Timed out while getting config lock. Please try again.", "Session timed out", "Failed to synchronize running configuration with HA peer",
		"Server error : op command for client dagger timed out as client is not available", "job failed because of configd restart",
	} {
		before := len(s.Jobs())
		s.SetFault(Fault{Effect: Refuse, Kind: KindCommit, Calls: 2, Status: 13, Text: text})
		for range 2 {
			expect(t, text, commit(), `<response status="error" code="13"><msg><line>`+text+`</line></msg></response>`)
		}
		if got := commit(); !strings.Contains(got, "enqueued") || len(s.Jobs()) != before+1 {
			t.Errorf("after %q: %s, %d jobs", text, got, len(s.Jobs())-before)
		}
	}
}

// Some answers keep 16 bits of the number of a job: that to the commit, or those that list jobs.
func TestJobNumbersAreCut(t *testing.T) {
	for numbers, want := range map[dialect.JobNumbers]struct{ told, found, missing int }{
		dialect.JobNumbersWhole: {65537, 65537, 1}, dialect.JobNumbersCutInAnswer: {1, 65537, 1}, dialect.JobNumbersCutInList: {65537, 1, 65537},
	} {
		s := start(t, Options{LastJob: 1 << 16, Dialect: dialect.Dialect{JobNumbers: numbers}})
		p := newPeer(t, s)
		if got := p.commit("", "<commit><force/></commit>"); !strings.Contains(got, fmt.Sprintf("jobid %d<", want.told)) {
			t.Errorf("%d: told %s", numbers, got)
		}
		if got := p.job(want.found); !strings.Contains(got, fmt.Sprintf("<id>%d</id>", want.found)) {
			t.Errorf("%d: %s", numbers, got)
		}
		if got := p.job(want.missing); !strings.Contains(got, "not found") {
			t.Errorf("%d: %s", numbers, got)
		}
	}
}

// The session that asks is marked in the list of administrators, or it is not.
func TestAdminsThatAreLoggedIn(t *testing.T) {
	for admins, marked := range map[dialect.Admins]bool{dialect.AdminsPlain: false, dialect.AdminsSelf: true} {
		s := start(t, Options{Dialect: dialect.Dialect{Admins: admins}})
		got := newPeer(t, s).op("<show><admins/></show>")
		if !strings.Contains(got, "<admin>admin</admin>") || strings.Contains(got, "<entry><self/><admin>") != marked {
			t.Errorf("marked %v: %s", marked, got)
		}
	}
}

// A key may be given as it stands in an address.
func TestKeygenEscapes(t *testing.T) {
	const key = "LUFRPT1+a/b+c=="
	for keygen, want := range map[dialect.Keygen]string{dialect.KeygenPlain: key, dialect.KeygenEscaped: url.QueryEscape(key)} {
		s := start(t, Options{APIKey: key, Users: map[string]string{"admin": "secret"}, Dialect: dialect.Dialect{Keygen: keygen}})
		got := newPeer(t, s).post(url.Values{"type": {"keygen"}, "user": {"admin"}, "password": {"secret"}}).body
		expect(t, "key", got, "<response status = 'success'><result><key>"+want+"</key></result></response>")
	}
}

// A firewall may show when a tag ends; one that has no end shows 0.
func TestEndsOfTags(t *testing.T) {
	for ends, want := range map[dialect.Ends][2]string{
		dialect.EndsHidden: {"<member>t</member>", "<member>t</member>"}, dialect.EndsLeft: {`<member expires-in="540">t</member>`, `<member expires-in="0">t</member>`},
		dialect.EndsTimeout: {`<member timeout="600">t</member>`, `<member timeout="0">t</member>`},
	} {
		clock := newClock()
		s := start(t, Options{Now: clock.Now, Dialect: dialect.Dialect{Ends: ends}})
		p := newPeer(t, s)
		p.uid("<register>" + entryXML("192.0.2.1", "t", "600") + entryXML("192.0.2.2", "t", "") + "</register>")
		clock.advance(time.Minute)
		for i, ip := range []string{"192.0.2.1", "192.0.2.2"} {
			if got := p.registered("<ip>" + ip + "</ip>"); !strings.Contains(got, want[i]) {
				t.Errorf("%d: %s shows %s, want %s", ends, ip, got, want[i])
			}
		}
	}
}

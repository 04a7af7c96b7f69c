package panosim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// commit makes a call of type=commit as the owner of the key ("" is that of Options).
func (p *peer) commit(key, cmd string) string {
	p.Helper()
	if key == "" {
		key = p.sim.Key()
	}
	return p.post(url.Values{"type": {"commit"}, "key": {key}, "cmd": {cmd}}).body
}

// keyOf generates a key.
func (p *peer) keyOf(user, password string) string {
	p.Helper()
	body := p.post(url.Values{"type": {"keygen"}, "user": {user}, "password": {password}}).body
	_, rest, _ := strings.Cut(body, "<key>")
	key, _, ok := strings.Cut(rest, "</key>")
	if !ok {
		p.Fatalf("keygen: %s", body)
	}
	return key
}

// job asks for one job.
func (p *peer) job(id int) string {
	p.Helper()
	return p.op(fmt.Sprintf("<show><jobs><id>%d</id></jobs></show>", id))
}

func enqueued(id int) string {
	return fmt.Sprintf(`<response status="success" code="19"><result><msg><line>Commit job enqueued with jobid %d</line></msg><job>%[1]d</job></result></response>`, id)
}

// pend has an administrator make an edit.
func pend(t *testing.T, s *Sim, admin, name string) {
	t.Helper()
	if err := s.Config().Edit(admin, "set", addressPath, `<entry name="`+name+`"><fqdn>`+name+`.example</fqdn></entry>`); err != nil {
		t.Fatal(err)
	}
}

func TestJobsOverReboot(t *testing.T) {
	s := start(t, Options{CommitTime: time.Hour})
	p := newPeer(t, s)
	pend(t, s, "admin", "a")
	expect(t, "commit", p.commit("", "<commit/>"), enqueued(1))
	end := s.AddJob("Install", "admin")
	s.SetDialect(dialect.Dialect{JobsOverReboot: dialect.JobsForgotten})
	s.Reboot()
	end(true)
	if got := p.op("<show><jobs><all/></jobs></show>"); strings.Contains(got, "<job>") {
		t.Errorf("after a restart: %s", got)
	}
	expect(t, "commit after a restart", p.commit("", "<commit/>"), enqueued(1))
}

func TestCommitJob(t *testing.T) {
	c := newClock()
	s := start(t, Options{Now: c.Now, CommitTime: 100 * time.Second})
	p := newPeer(t, s)
	pend(t, s, "admin", "a")
	expect(t, "commit", p.commit("", "<commit><description>d &amp; e</description></commit>"), enqueued(1))
	head := `<response status="success"><result><job><tenq>2026/03/01 12:00:00</tenq><tdeq>12:00:00</tdeq><id>1</id><user>admin</user><type>Commit</type>`
	active := `<status>ACT</status><queued>NO</queued><stoppable>yes</stoppable><result>PEND</result><tfin>Still Active</tfin>` +
		`<description>d &amp; e</description><positionInQ>0</positionInQ>`
	none := `<details></details><warnings></warnings></job></result></response>`
	expect(t, "begun", p.job(1), head+active+`<progress>0</progress>`+none)
	c.advance(40 * time.Second)
	expect(t, "at work", p.job(1), head+active+`<progress>40</progress>`+none)
	if strings.Contains(s.Config().Running(), "a.example") || s.Config().Pending("admin") != 1 {
		t.Error("published before the job has ended")
	}

	// Edits that are made meanwhile are not part of it; a second commit takes its turn.
	pend(t, s, "admin", "b")
	expect(t, "second", p.commit("", "<commit/>"), enqueued(2))
	if got := p.job(2); !strings.Contains(got, "<tdeq></tdeq>") || !strings.Contains(got, "<status>PEND</status><queued>YES</queued>") ||
		!strings.Contains(got, "<positionInQ>1</positionInQ>") {
		t.Errorf("queued job = %s", got)
	}
	c.advance(70 * time.Second) // nobody looked when the first ended and the second began
	expect(t, "ended", p.job(1), head+`<status>FIN</status><queued>NO</queued><stoppable>no</stoppable><result>OK</result><tfin>12:01:40</tfin>`+
		`<description>d &amp; e</description><positionInQ>0</positionInQ><progress>100</progress>`+
		`<details><line>Configuration committed successfully</line></details><warnings></warnings></job></result></response>`)
	if running := s.Config().Running(); !strings.Contains(running, "a.example") || strings.Contains(running, "b.example") {
		t.Errorf("running = %s", running)
	}
	c.advance(90 * time.Second)
	if !strings.Contains(s.Config().Running(), "b.example") || s.Config().Pending("") != 0 {
		t.Error("the second commit has not ended when its time was over")
	}
	if jobs := s.Jobs(); len(jobs) != 2 || !jobs[1].Ended.Equal(jobs[0].Ended.Add(100*time.Second)) || jobs[1].User != "admin" {
		t.Errorf("jobs = %+v", jobs)
	}
}

func TestCommitAnswers(t *testing.T) {
	c := newClock()
	s := start(t, Options{Now: c.Now, CommitTime: time.Minute})
	p := newPeer(t, s)
	for none, want := range map[dialect.NoChanges]string{
		dialect.NoChangesPlain: `<response status="success" code="19"><msg>There are no changes to commit.</msg></response>`,
		dialect.NoChangesSame: `<response status="success" code="13"><msg>The result of this commit would be the same as the previous commit ` +
			`queued/processed. No edits have been made in between these two commits.</msg></response>`,
		dialect.NoChangesJob: enqueued(1),
	} {
		s.SetDialect(dialect.Dialect{NoChanges: none})
		expect(t, "nothing to commit", p.commit("", "<commit/>"), want)
	}
	c.advance(time.Minute)
	s.SetDialect(dialect.Dialect{})
	expect(t, "force", p.commit("", "<commit><force/></commit>"), enqueued(2))
	c.advance(time.Minute)
	pend(t, s, "admin", "a")
	expect(t, "what is queued", p.commit("", "<commit/>"), enqueued(3))
	expect(t, "is not there to commit again", p.commit("", "<commit/>"), `<response status="success" code="19"><msg>There are no changes to commit.</msg></response>`)
	pend(t, s, "admin", "b")
	s.SetDialect(dialect.Dialect{Busy: dialect.BusyRefuses})
	expect(t, "busy", p.commit("", "<commit/>"), refused(13, "Another commit/validate is in progress. Please try again later"))
	expect(t, "strict", p.multi("", "strict-transactional", "yes"), refused(13, "Another commit/validate is in progress. Please try again later"))
	expect(t, "revert", p.op("<revert><config/></revert>"), refused(13, "Local commit jobs are queued. Revert operation is not allowed."))
	c.advance(time.Minute)
	end := s.AddJob("Install", "bob")
	expect(t, "install", p.commit("", "<commit/>"), refused(13, "You cannot commit while an install is in progress. Please try again later."))
	end(true)
	expect(t, "then", p.commit("", "<commit/>"), enqueued(5))
	expect(t, "no job", p.job(99), `<response status="error" code="7"><msg><line>job 99 not found</line></msg></response>`)
	s.SetDialect(dialect.Dialect{UnknownJob: dialect.UnknownJobQuery})
	expect(t, "no job", p.job(99), `<response status="error"><msg><line>No such query job 99</line></msg></response>`)
	for what, cmd := range map[string]string{
		"other command": "<commit-all/>", "other part": "<commit><dance/></commit>", "other part of partial": "<commit><partial><dance/></partial></commit>",
		"no keyword": "<commit><partial><shared-object>yes</shared-object></partial></commit>",
	} {
		if got := p.commit("", cmd); !strings.HasPrefix(got, `<response status="error" code="17">`) {
			t.Errorf("%s: %s", what, got)
		}
	}
	expect(t, "malformed", p.commit("", "<commit>"), `<response status="error" code="18"><msg><line>Malformed command</line></msg></response>`)
}

func TestPartialCommit(t *testing.T) {
	s := start(t, Options{Users: map[string]string{"service": "pass"}, Dialect: dialect.Dialect{References: dialect.ReferencesAtCommit, Details: dialect.DetailsNested}})
	p := newPeer(t, s)
	key := p.keyOf("service", "pass")
	only := func(parts string) string { return p.commit(key, "<commit><partial>"+parts+"</partial></commit>") }
	pend(t, s, "service", "ours")
	pend(t, s, "bob", "bobs")
	expect(t, "commit ours", only("<admin><member>service</member></admin>"), enqueued(1))
	if running := s.Config().Running(); !strings.Contains(running, "ours.example") || strings.Contains(running, "bobs.example") || s.Config().Pending("bob") != 1 {
		t.Errorf("running = %s, bob's pending = %d", running, s.Config().Pending("bob"))
	}
	expect(t, "nothing of ours", only("<admin><member>service</member></admin>"),
		`<response status="success" code="19"><msg>There are no changes to commit.</msg></response>`)

	// What builds on another's edit cannot be published without it: an entry inside one of his, an object of his.
	for what, edit := range map[string]struct{ path, content, line string }{
		"inside": {addressPath + "/entry[@name='bobs']", "<description>x</description>",
			"Change of service at " + addressPath + "/entry[@name='bobs'] depends on changes of other administrators that are not committed"},
		"reference": {groupPath, `<entry name="g"><static><member>bobs</member></static></entry>`,
			"address-group -> g -> static 'bobs' is not a valid reference"},
	} {
		if err := s.Config().Edit("service", "set", edit.path, edit.content); err != nil {
			t.Fatal(err)
		}
		before, edited := s.Config().Running(), s.Config().Candidate()
		only("<admin><member>service</member></admin>")
		job := s.Jobs()[len(s.Jobs())-1]
		if job.Result != "FAIL" || !slices.Contains(job.Details, edit.line) || len(job.Details) < 2 {
			t.Errorf("%s: job = %+v", what, job)
		}
		if got := p.job(job.ID); !strings.Contains(got, "<line><newjob><newmsg>"+answer.Escape(edit.line)+"</newmsg></newjob></line>") {
			t.Errorf("%s: nested details: %s", what, got)
		}
		expect(t, what+": running", s.Config().Running(), before)
		expect(t, what+": candidate", s.Config().Candidate(), edited)
		if got := p.post(url.Values{"type": {"op"}, "key": {key}, "cmd": {"<revert><config><partial><admin><member>service</member></admin></partial></config></revert>"}}).body; !strings.Contains(got, "All changes were reverted from configuration") {
			t.Errorf("%s: revert: %s", what, got)
		}
	}
	if s.Config().Pending("service") != 0 || s.Config().Pending("bob") != 1 {
		t.Errorf("pending: %d of service, %d of bob", s.Config().Pending("service"), s.Config().Pending("bob"))
	}

	// Parts of the configuration can be left out.
	for _, e := range []struct{ path, content string }{
		{"/config/shared/tag", `<entry name="t"/>`}, {vsysPath + "/zone", `<entry name="z"/>`}, {addressPath, hostA},
		{"/config/mgt-config/users", `<entry name="eve"/>`},
	} {
		if err := s.Config().Edit("service", "set", e.path, e.content); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		part string
		left int
	}{{"<policy-and-objects>excluded</policy-and-objects><shared-object>excluded</shared-object>", 2}, {"<shared-object>excluded</shared-object>", 1}, {"", 0}} {
		only("<admin><member>service</member></admin>" + c.part)
		if got := s.Config().Pending("service"); got != c.left {
			t.Errorf("without %q: %d pending, want %d", c.part, got, c.left)
		}
	}
	if s.Config().Pending("bob") != 1 {
		t.Errorf("bob's pending = %d", s.Config().Pending("bob"))
	}
}

func TestCommitDemands(t *testing.T) {
	for name, c := range map[string]struct{ path, content, line string }{
		"empty static group":    {groupPath, `<entry name="g"><static/></entry>`, "address-group -> g -> static Static Address Groups cannot be empty"},
		"address of nothing":    {addressPath, `<entry name="x"/>`, "address -> x is missing one of 'ip-netmask', 'ip-range', 'fqdn', 'ip-wildcard'"},
		"address of two things": {addressPath, `<entry name="x"><ip-netmask>192.0.2.1</ip-netmask><fqdn>x.example</fqdn></entry>`, "address -> x Node ip-netmask and fqdn are mutually exclusive"},
		"list without interval": {vsysPath + "/external-list", `<entry name="x"><type><ip><url>u</url></ip></type></entry>`, "external-list -> x -> type -> ip is missing 'recurring'"},
		"rule without service":  {rulesPath, strings.NewReplacer("<service><member>any</member></service>", "", ">g<", ">any<").Replace(ruleOne), "rulebase -> security -> rules -> one is missing 'service'"},
		"unknown reference":     {groupPath, groupG, "address-group -> g -> static 'a' is not a valid reference"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{Dialect: dialect.Dialect{References: dialect.ReferencesAtCommit, Choice: dialect.ChoiceAdds}})
			if err := s.Config().Edit("admin", "set", c.path, c.content); err != nil {
				t.Fatal(err)
			}
			before := s.Config().Running()
			err := s.Config().Commit("admin")
			if err == nil || !strings.Contains(err.Error(), "Validation Error: | "+c.line) {
				t.Errorf("commit: %v, want %s", err, c.line)
			}
			if s.Config().Running() != before || s.Config().Pending("admin") != 1 {
				t.Error("a commit that failed changed something")
			}
		})
	}
}

// What is wrong with the configuration at the start is nobody's fault.
func TestCommitOverOldFaults(t *testing.T) {
	s := start(t, Options{Config: `<config><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` +
		`<rulebase><security><rules><entry name="r"><source><member>nobody</member></source></entry></rules></security></rulebase>` +
		`</entry></vsys></entry></devices></config>`})
	pend(t, s, "admin", "a")
	if err := s.Config().Commit("admin"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"<config>", "<response/>", "x"} {
		if s, err := Start(Options{Config: bad}); err == nil {
			s.Close()
			t.Errorf("Start accepts the configuration %q", bad)
		}
	}
}

func TestJobList(t *testing.T) {
	c := newClock()
	s := start(t, Options{Now: c.Now, CommitTime: time.Hour, Version: "11.1.4"})
	p := newPeer(t, s)
	end := s.AddJob("EDLRefresh", "")
	pend(t, s, "admin", "a")
	expect(t, "commit", p.commit("", "<commit/>"), enqueued(2))
	types := func(which string) string {
		var out []string
		for _, part := range strings.Split(p.op("<show><jobs><"+which+"/></jobs></show>"), "<job>")[1:] {
			_, rest, _ := strings.Cut(part, "<type>")
			kind, _, _ := strings.Cut(rest, "</type>")
			out = append(out, kind)
		}
		return strings.Join(out, " ")
	}
	expect(t, "all", types("all"), "Commit EDLRefresh")
	expect(t, "pending", types("pending"), "Commit EDLRefresh")
	end(false, "one", "two & three")
	expect(t, "processed", types("processed"), "EDLRefresh")
	if got := p.job(1); !strings.Contains(got, "<result>FAIL</result><tfin>2026/03/01 12:00:00</tfin>") ||
		!strings.Contains(got, "<details><line>one</line><line>two &amp; three</line></details>") {
		t.Errorf("job = %s", got)
	}
	s.Config().FailCommit("Commit failed", "phase 2: no luck")
	c.advance(time.Hour)
	if job := s.Jobs()[1]; job.Result != "FAIL" || !slices.Equal(job.Details, []string{"Commit failed", "phase 2: no luck"}) || s.Config().Pending("") != 1 {
		t.Errorf("job = %+v", job)
	}
	s.Config().WarnCommit("a rule shadows another")
	p.commit("", "<commit/>")
	c.advance(time.Hour)
	if job := s.Jobs()[2]; job.Result != "OK" || !slices.Equal(job.Warnings, []string{"a rule shadows another"}) || len(job.Details) != 5 {
		t.Errorf("job = %+v", job)
	}
	pend(t, s, "admin", "b")
	p.commit("", "<commit/>")
	s.Reboot()
	expect(t, "after a restart", types("all"), "Failed-Job Commit Commit EDLRefresh")
	if got := p.op("<show><jobs><all/></jobs></show>"); !strings.Contains(got,
		"<job><type>Failed-Job</type><details><line>job failed because of configd restart</line></details></job>") {
		t.Errorf("jobs = %s", got)
	}
	expect(t, "a lost job", p.job(4), `<response status="error" code="7"><msg><line>job 4 not found</line></msg></response>`)
	if s.Config().Pending("admin") != 1 {
		t.Error("the restart lost the candidate")
	}
	s.SetDialect(dialect.Dialect{CandidateOverReboot: dialect.CandidateLost})
	s.Reboot()
	if s.Config().Pending("") != 0 || s.Config().Candidate() != s.Config().Running() {
		t.Error("the restart kept the candidate")
	}
	for _, bad := range []string{"<show><jobs/></show>", "<show><jobs><dance/></jobs></show>", "<show><jobs><id>x</id></jobs></show>"} {
		if got := p.op(bad); !strings.Contains(got, `code="17"`) {
			t.Errorf("%s: %s", bad, got)
		}
	}
	for range 200 {
		s.AddJob("EDLRefresh", "")(true)
	}
	if n := len(s.Jobs()); n != 200 {
		t.Errorf("%d jobs are kept", n)
	}
}

// A commit of which the client never hears takes effect all the same.
func TestCommitAnswerLost(t *testing.T) {
	for name, f := range map[string]Fault{
		"reset": {Effect: Reset, Applied: true}, "page": {Effect: HTML, Applied: true, Status: 502}, "cut": {Effect: Break, Applied: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{})
			p := newPeer(t, s)
			pend(t, s, "admin", "a")
			f.Kind, f.Calls = KindCommit, 1
			s.SetFault(f)
			if got, err := p.try(url.Values{"type": {"commit"}, "key": {s.Key()}, "cmd": {"<commit/>"}}); err == nil && got.status == 200 {
				t.Errorf("the fault did not meet the commit: %+v", got)
			}
			if got := p.job(1); !strings.Contains(got, "<type>Commit</type><status>FIN</status>") || !strings.Contains(s.Config().Running(), "a.example") {
				t.Errorf("job = %s", got)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	s, p := configured(t, Options{})
	changes := func(parts string) string {
		return p.op("<show><config><list><changes>" + parts + "</changes></list></config></show>")
	}
	entry := func(path, owner, action, history, component string) string {
		return "<entry><xpath>" + answer.Escape(path) + "</xpath><owner>" + owner + "</owner><action> " + action + "</action><admin-history>" + history +
			"</admin-history><component-type>" + component + "</component-type></entry>"
	}
	expect(t, "none", changes(""), `<response status="success"><result></result></response>`)
	expect(t, "no admins", p.op("<show><config><list><admins/></list></config></show>"), `<response status="success"><result><admins></admins></result></response>`)
	expect(t, "nothing pending", p.op("<check><pending-changes></pending-changes></check>"), `<response status="success"><result>no</result></response>`)
	for _, e := range []struct{ admin, action, path, content string }{
		{"bob", "set", vsysPath, "<address>" + `<entry name="c"><fqdn>c.example</fqdn></entry><entry name="a"><description>x</description></entry></address>`},
		{"eve", "set", addressPath + "/entry[@name='a']", "<description>y</description>"},
		{"eve", "delete", addressPath + "/entry[@name='b']", ""},
		{"eve", "set", "/config/shared/tag", `<entry name="t"/>`},
		{"bob", "edit", addressPath + "/entry[@name='c']", `<entry name="c"><fqdn>d.example</fqdn></entry>`},
	} {
		if err := s.Config().Edit(e.admin, e.action, e.path, e.content); err != nil {
			t.Fatal(err)
		}
	}
	c := entry(addressPath+"/entry[@name='c']", "bob", "CREATE", "bob", "policy-and-objects")
	b := entry(addressPath+"/entry[@name='b']", "eve", "DELETE", "eve", "policy-and-objects")
	tag := entry("/config/shared/tag/entry[@name='t']", "eve", "CREATE", "eve", "shared-object")
	expect(t, "all", changes(""), `<response status="success"><result><journal>`+c+
		entry(addressPath+"/entry[@name='a']", "eve", "EDIT", "bob,eve", "policy-and-objects")+b+tag+`</journal></result></response>`)
	expect(t, "bob's", changes("<partial><admin><member>bob</member></admin></partial>"), `<response status="success"><result><journal>`+c+
		entry(addressPath+"/entry[@name='a']", "bob", "EDIT", "bob", "policy-and-objects")+`</journal></result></response>`)
	expect(t, "admins", p.op("<show><config><list><admins/></list></config></show>"),
		`<response status="success"><result><admins><member>bob</member><member>eve</member></admins></result></response>`)
	expect(t, "pending", p.op("<check><pending-changes></pending-changes></check>"), `<response status="success"><result>yes</result></response>`)

	// What one drops, the other keeps; what the other builds on cannot be dropped.
	partial := func(admin string) string {
		return p.op("<revert><config><partial><admin><member>" + admin + "</member></admin></partial></config></revert>")
	}
	if err := s.Config().Edit("eve", "set", addressPath+"/entry[@name='c']", "<description>mine now</description>"); err != nil {
		t.Fatal(err)
	}
	before := s.Config().Candidate()
	expect(t, "revert bob's", partial("bob"), `<response status="error"><result><msg><line>Failed to revert configuration.</line></msg></result></response>`)
	expect(t, "candidate", s.Config().Candidate(), before)
	reverted := `<response status="success"><result><msg><line>All changes were reverted from configuration</line></msg></result></response>`
	expect(t, "revert eve's", partial("eve"), reverted)
	expect(t, "bob's stay", p.config("get", addressPath), found(1, `<address><entry name="a"><ip-netmask>192.0.2.1</ip-netmask><description>x</description></entry>`+
		hostB+`<entry name="c"><fqdn>d.example</fqdn></entry></address>`))
	expect(t, "revert all", p.op("<revert><config/></revert>"), reverted)
	expect(t, "candidate", s.Config().Candidate(), s.Config().Running())
	expect(t, "load", p.op("<load><config><from>other.xml</from></config></load>"), `<response status="error"><msg><line>other.xml does not exist</line></msg></response>`)
}

func TestLocks(t *testing.T) {
	s := start(t, Options{VSys: []string{"vsys1", "vsys2"}, Now: fixed})
	p := newPeer(t, s)
	set := func(path string) string { return p.config("set", path+"/tag", "element", `<entry name="t"/>`) }
	other := strings.Replace(vsysPath, "vsys1", "vsys2", 1)
	for _, c := range []struct {
		scope                 string
		reach                 dialect.LockReach
		shared, first, second bool // may be written
	}{
		{"", dialect.LockReachDevice, false, false, false}, {"shared", dialect.LockReachShared, false, true, true}, {"vsys2", dialect.LockReachDevice, true, true, false},
	} {
		s.SetDialect(dialect.Dialect{LockReach: c.reach})
		s.Config().LockConfig("bob", c.scope)
		for path, want := range map[string]bool{"/config/shared": c.shared, vsysPath: c.first, other: c.second} {
			if got := set(path) == succeeded; got != want {
				t.Errorf("lock on %q, %v: %s can be written: %t, want %t", c.scope, c.reach, path, got, want)
			}
		}
		if err := s.Config().Edit("bob", "set", other+"/tag", `<entry name="bobs"/>`); err != nil {
			t.Errorf("the owner of the lock: %v", err)
		}
		s.Config().UnlockConfig(c.scope)
	}
	s.Config().LockConfig("bob", "vsys2")
	expect(t, "commit", p.commit("", "<commit/>"), refused(14, "Other administrators are holding config locks for scope vsys2."))
	expect(t, "revert", p.op("<revert><config/></revert>"), refused(13, "Configuration is locked by bob"))
	list := `<entry name="bob"><type>vsys</type><name>vsys2</name><created>2026/11/21 10:00:00</created><last-activity>2026/11/21 10:00:00</last-activity>` +
		`<loggedin>yes</loggedin><comment><![CDATA[(null)]]></comment></entry>`
	expect(t, "all locks", p.op("<show><config-locks><vsys>all</vsys></config-locks></show>"), `<response status="success"><result><config-locks>`+list+`</config-locks></result></response>`)
	expect(t, "locks of vsys1", p.op("<show><config-locks><vsys>vsys1</vsys></config-locks></show>"), `<response status="success"><result><config-locks></config-locks></result></response>`)
	lockOf := func(vsys, cmd string) string {
		return p.post(url.Values{"type": {"op"}, "key": {s.Key()}, "vsys": {vsys}, "cmd": {cmd}}).body
	}
	expect(t, "lock an unknown vsys", lockOf("vsys9", "<request><config-lock><add/></config-lock></request>"), `<response status="error" code="17"><msg><line>vsys9 is invalid vsys</line></msg></response>`)
	expect(t, "lock", lockOf("vsys1", "<request><config-lock><add/></config-lock></request>"),
		`<response status="success"><result>Successfully acquired lock. Other administrators will not be able to modify configuration until lock is released by admin.</result></response>`)
	expect(t, "another's", lockOf("vsys2", "<request><config-lock><remove/></config-lock></request>"), `<response status="error"><msg><line>Config for scope vsys2 is currently locked by bob</line></msg></response>`)
	s.SetDialect(dialect.Dialect{LockedCommit: dialect.LockedCommitAllowed})
	expect(t, "commit over a config lock", p.commit("", "<commit/>"), enqueued(1))
	s.Config().LockCommit("bob", "vsys1")
	pend(t, s, "admin", "a")
	expect(t, "commit over a commit lock", p.commit("", "<commit/>"), refused(14, "Other administrators are holding commit locks."))
	expect(t, "take it", lockOf("vsys1", "<request><commit-lock><add/></commit-lock></request>"), `<response status="error"><msg><line>Commit lock is already held by bob</line></msg></response>`)
	const takeAway = "<request><config-lock><remove><admin>bob</admin></remove></config-lock></request>"
	s.Config().SetRole("admin", RightOperation)
	expect(t, "take another's away without being a superuser", lockOf("vsys2", takeAway), `<response status="error"><msg><line>Config for scope vsys2 is currently locked by bob</line></msg></response>`)
	s.Config().SetRole("admin")
	expect(t, "take another's away", lockOf("vsys2", takeAway), `<response status="success"><result>Config lock released for bob</result></response>`)
	expect(t, "give back what another holds", lockOf("vsys1", "<request><commit-lock><remove/></commit-lock></request>"), `<response status="error"><msg><line>Commit lock is not currently held by admin</line></msg></response>`)
	if err := s.Config().Commit("bob"); err != nil {
		t.Fatal(err)
	}
	expect(t, "the lock ends with the owner's commit", p.op("<show><commit-locks/></show>"), `<response status="success"><result><commit-locks></commit-locks></result></response>`)
}

func TestRoles(t *testing.T) {
	s := start(t, Options{Users: map[string]string{"service": "pass"}})
	p := newPeer(t, s)
	key := p.keyOf("service", "pass")
	calls := map[Right]url.Values{
		RightConfiguration: {"type": {"config"}, "action": {"get"}, "xpath": {"/config"}},
		RightOperation:     {"type": {"op"}, "cmd": {"<show><system><info/></system></show>"}},
		RightCommit:        {"type": {"commit"}, "cmd": {"<commit/>"}},
		RightUserID:        {"type": {"user-id"}, "cmd": {uidMessage("")}},
	}
	for _, allowed := range [][]Right{{RightUserID, RightOperation}, {RightConfiguration, RightCommit}, {RightLog}} {
		s.Config().SetRole("service", allowed...)
		for how, mark := range map[dialect.Denied]string{dialect.DeniedUnauth: `status="unauth"`, dialect.DeniedForbidden: "not authorized for user role"} {
			s.SetDialect(dialect.Dialect{Denied: how})
			for right, form := range calls {
				form.Set("key", key)
				want := slices.Contains(allowed, right)
				if got := p.post(form).body; strings.Contains(got, mark) == want {
					t.Errorf("%v may %s: %s", allowed, right, got)
				}
				form.Set("key", s.Key())
				if got := p.post(form).body; strings.Contains(got, mark) {
					t.Errorf("the superuser may not %s: %s", right, got)
				}
			}
		}
	}
	s.SetDialect(dialect.Dialect{})
	s.Config().SetRole("service", RightOperation)
	expect(t, "profile", p.config("show", "/config/shared/admin-role/entry[@name='service-role']/role/device/xmlapi"),
		"<response status=\"success\"><result><xmlapi><report>disable</report><log>disable</log><config>disable</config><op>enable</op><commit>disable</commit>"+
			"<user-id>disable</user-id><iot>disable</iot><export>disable</export><import>disable</import></xmlapi></result></response>")
	expect(t, "admins", p.op("<show><admins><all/></admins></show>"), `<response status="success"><result><admins><entry><admin>admin</admin><role>superuser</role></entry>`+
		`<entry><admin>service</admin><role>service-role</role></entry></admins></result></response>`)
	effective := url.Values{"type": {"op"}, "key": {key}, "cmd": {"<show><config><effective-running/></config></show>"}}
	if got := p.post(effective).body; !strings.Contains(got, `status="unauth"`) {
		t.Errorf("effective-running without being a superuser: %s", got)
	}
	s.Config().SetRole("service")
	if got := p.post(effective).body; !strings.Contains(got, `<entry name="untrust">`) {
		t.Errorf("effective-running: %s", got)
	}
}

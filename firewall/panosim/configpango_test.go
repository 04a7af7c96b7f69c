package panosim

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/PaloAltoNetworks/pango"
	"github.com/PaloAltoNetworks/pango/commit"
	"github.com/PaloAltoNetworks/pango/dev/profile/syslog"
	panoserrors "github.com/PaloAltoNetworks/pango/errors"
	"github.com/PaloAltoNetworks/pango/objs/addr"
	"github.com/PaloAltoNetworks/pango/objs/addrgrp"
	"github.com/PaloAltoNetworks/pango/objs/edl"
	"github.com/PaloAltoNetworks/pango/objs/profile/logfwd"
	"github.com/PaloAltoNetworks/pango/objs/profile/logfwd/matchlist"
	pangotags "github.com/PaloAltoNetworks/pango/objs/tags"
	"github.com/PaloAltoNetworks/pango/poli/security"
	"github.com/PaloAltoNetworks/pango/util"

	"activedefense/firewall/panosim/dialect"
)

// publish commits with pango and waits for the job; pending is what the commit is to fail with, "" for nothing.
func publish(t *testing.T, fw *pango.Firewall, c commit.FirewallCommit) error {
	t.Helper()
	id, _, err := fw.Commit(c, "", nil)
	if err != nil || id == 0 {
		t.Fatalf("Commit = job %d, error %v", id, err)
	}
	return fw.WaitForJob(id, time.Millisecond, nil, nil)
}

// host ranges of objects that pango writes and reads back the same, one and many at a time.
func TestPangoObjects(t *testing.T) {
	fw := connect(t, start(t, Options{}), nil)
	one := addr.Entry{Name: "one", Value: "192.0.2.1", Type: addr.IpNetmask, Description: `<"&'>`, Tags: []string{"ours"}}
	many := []addr.Entry{
		{Name: "two", Value: "192.0.2.2", Type: addr.IpNetmask}, {Name: "three", Value: "192.0.2.3-192.0.2.9", Type: addr.IpRange},
		{Name: "four", Value: "example.com", Type: addr.Fqdn},
	}
	for what, err := range map[string]error{
		"tag":       fw.Objects.Tags.Set("", pangotags.Entry{Name: "ours", Color: "color1", Comment: "not by hand"}),
		"address":   fw.Objects.Address.Set("", one),
		"addresses": fw.Objects.Address.Set("", many...),
		"group": fw.Objects.AddressGroup.Set("", addrgrp.Entry{Name: "blocked", StaticAddresses: []string{"one", "two"},
			Tags: []string{"ours"}}),
		"dynamic group": fw.Objects.AddressGroup.Set("", addrgrp.Entry{Name: "dynamic", DynamicMatch: "'ours'"}),
		"list": fw.Objects.Edl.Set("", edl.Entry{Name: "list", Type: edl.TypeIp, Source: "https://192.0.2.9/list",
			Repeat: edl.RepeatEveryFiveMinutes}),
	} {
		if err != nil {
			t.Errorf("set %s: %v", what, err)
		}
	}
	if got, err := fw.Objects.Address.Get("", "one"); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("Get = %+v, %v", got, err)
	}
	if got, err := fw.Objects.Address.GetList(""); err != nil || len(got) != 4 {
		t.Errorf("GetList = %v, %v", got, err)
	}
	if got, err := fw.Objects.Address.GetAll(""); err != nil || len(got) != 4 || !reflect.DeepEqual(got[0], one) {
		t.Errorf("GetAll = %v, %v", got, err)
	}
	if got, err := fw.Objects.AddressGroup.Get("", "dynamic"); err != nil || got.DynamicMatch != "'ours'" {
		t.Errorf("dynamic group = %+v, %v", got, err)
	}
	if got, err := fw.Objects.Edl.Get("", "list"); err != nil || got.Repeat != edl.RepeatEveryFiveMinutes || got.Source != "https://192.0.2.9/list" {
		t.Errorf("list = %+v, %v", got, err)
	}

	// Not committed, so show has nothing.
	if got, err := fw.Objects.Address.ShowList(""); err != nil || len(got) != 0 {
		t.Errorf("ShowList before the commit = %v, %v", got, err)
	}
	if _, err := fw.Objects.Address.Show("", "one"); err == nil || err.Error() != "No such node" {
		t.Errorf("Show before the commit: %v", err)
	}
	if err := publish(t, fw, commit.FirewallCommit{Description: "all"}); err != nil {
		t.Error(err)
	}
	if got, err := fw.Objects.Address.Show("", "one"); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("Show = %+v, %v", got, err)
	}

	one.Value, one.Tags = "192.0.2.77", nil
	if err := fw.Objects.Address.Edit("", one); err != nil {
		t.Error(err)
	}
	if got, err := fw.Objects.Address.Get("", "one"); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("after Edit = %+v, %v", got, err)
	}

	var refused panoserrors.Panos
	err := fw.Objects.Address.Delete("", "one")
	if !errors.As(err, &refused) || refused.Code != 10 ||
		refused.Msg != "one cannot be deleted because of references from: | vsys -> vsys1 -> address-group -> blocked -> static" {
		t.Errorf("delete what is in use: %v", err)
	}
	if err := fw.Objects.AddressGroup.Delete("", "blocked"); err != nil {
		t.Error(err)
	}
	if err := fw.Objects.Address.Delete("", "one", "two"); err != nil {
		t.Error(err)
	}
	if err := fw.Objects.Address.Delete("", "gone"); !errors.As(err, &refused) || !refused.ObjectNotFound() {
		t.Errorf("delete what is not there: %v", err)
	}
	if _, err := fw.Objects.Address.Get("", "one"); !errors.As(err, &refused) || !refused.ObjectNotFound() {
		t.Errorf("get what is not there: %v", err)
	}
}

// Before 10.1.5, pango deletes with one path that names all.
func TestPangoDeletesByOnePath(t *testing.T) {
	s := start(t, Options{Version: "9.1.3"})
	fw := connect(t, s, nil)
	var names []any
	var all []addr.Entry
	for i := range 2000 {
		name := fmt.Sprintf("host-%d", i)
		names = append(names, name)
		all = append(all, addr.Entry{Name: name, Value: "192.0.2.1", Type: addr.IpNetmask})
	}
	if err := fw.Objects.Address.Set("", all...); err != nil {
		t.Fatal(err)
	}
	if err := fw.Objects.Address.Delete("", names[:1999]...); err != nil {
		t.Fatal(err)
	}
	if got, err := fw.Objects.Address.GetList(""); err != nil || !reflect.DeepEqual(got, []string{"host-1999"}) {
		t.Errorf("left: %v, %v", got, err)
	}
}

func TestPangoRules(t *testing.T) {
	s := start(t, Options{})
	fw := connect(t, s, nil)
	order := func(want ...string) {
		t.Helper()
		if got, err := fw.Policies.Security.GetList(""); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("rules = %v, %v; want %v", got, err, want)
		}
	}
	rule := func(name, action string) security.Entry {
		e := security.Entry{Name: name, Action: action}
		e.Defaults()
		return e
	}
	web, mail := rule("web", "allow"), rule("mail", "allow")
	if err := fw.Policies.Security.ConfigureRules("", []security.Entry{web, mail}, nil, false, util.MoveSkip, "", nil); err != nil {
		t.Fatal(err)
	}
	order("web", "mail")
	block := rule("block", "drop")
	block.SourceZones, block.LogSetting = []string{"untrust"}, ""
	for range 2 { // the second time there is nothing to do, and it is "already at the top"
		if err := fw.Policies.Security.ConfigureRules("", []security.Entry{block}, nil, false, util.MoveTop, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	order("block", "web", "mail")
	for _, c := range []struct {
		move  int
		other string
		group []security.Entry
		want  []string
	}{
		{util.MoveBottom, "", []security.Entry{block}, []string{"web", "mail", "block"}},
		{util.MoveBottom, "", []security.Entry{block}, []string{"web", "mail", "block"}},
		{util.MoveBefore, "web", []security.Entry{block}, []string{"block", "web", "mail"}},
		{util.MoveDirectlyAfter, "web", []security.Entry{block}, []string{"web", "block", "mail"}},
		{util.MoveDirectlyBefore, "web", []security.Entry{mail, block}, []string{"mail", "block", "web"}},
		{util.MoveTop, "", []security.Entry{block, web}, []string{"block", "web", "mail"}},
	} {
		if err := fw.Policies.Security.MoveGroup("", c.move, c.other, c.group...); err != nil {
			t.Error(err)
		}
		order(c.want...)
	}
	got, err := fw.Policies.Security.Get("", "block")
	if err != nil || len(got.Uuid) != 36 || !security.RulesMatch(got, block) {
		t.Errorf("rule = %+v, %v", got, err)
	}
	uuid := got.Uuid
	block.Description = "changed"
	if err := fw.Policies.Security.Edit("", block); err != nil {
		t.Fatal(err)
	}
	if got, err := fw.Policies.Security.Get("", "block"); err != nil || got.Uuid != uuid || got.Description != "changed" {
		t.Errorf("after Edit: %+v, %v, want uuid %s", got, err, uuid)
	}
	bad := rule("bad", "drop")
	bad.SourceAddresses = []string{"nothing"}
	err = fw.Policies.Security.Set("", bad)
	if want := "bad -> source 'nothing' is not a valid reference | bad -> source is invalid | bad is invalid"; err == nil || err.Error() != want {
		t.Errorf("a rule for nothing: %v, want %s", err, want)
	}
	// pango looks for this text, and then tries the rules one by one.
	if err := fw.Policies.Security.Set("", rule("fine", "allow"), bad); err == nil || !strings.Contains(err.Error(), "Error with rule 2") {
		t.Errorf("two rules, one for nothing: %v", err)
	}
}

func TestPangoLogForwarding(t *testing.T) {
	fw := connect(t, start(t, Options{}), nil)
	profile := syslog.Entry{
		Name: "agent", Traffic: "Type=$type; Src=$src;", EscapedCharacters: `\`, EscapeCharacter: `\`,
		Servers: []syslog.Server{{Name: "agent", Server: "192.0.2.9", Transport: "UDP", Port: 514, SyslogFormat: "BSD", Facility: "LOG_USER"}},
	}
	if err := fw.Device.SyslogServerProfile.Set("", profile); err != nil {
		t.Fatal(err)
	}
	if got, err := fw.Device.SyslogServerProfile.Get("", "agent"); err != nil || !reflect.DeepEqual(got, profile) {
		t.Errorf("syslog profile = %+v, %v", got, err)
	}
	// pango writes the format of threat logs into an element of another name.
	profile.Threat = "Type=$type;"
	want := "agent -> format -> thread unexpected here | agent -> format is invalid | agent is invalid"
	if err := fw.Device.SyslogServerProfile.Edit("", profile); err == nil || err.Error() != want {
		t.Errorf("threat format: %v, want %s", err, want)
	}
	if err := fw.Objects.LogForwardingProfile.Set("", logfwd.Entry{Name: "to-agent"}); err != nil {
		t.Fatal(err)
	}
	list := matchlist.Entry{Name: "traffic", LogType: "traffic", Filter: "All Logs", SyslogProfiles: []string{"agent"}}
	if err := fw.Objects.LogForwardingProfileMatchList.Set("", "to-agent", list); err != nil {
		t.Fatal(err)
	}
	if got, err := fw.Objects.LogForwardingProfileMatchList.Get("", "to-agent", "traffic"); err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("match list = %+v, %v", got, err)
	}
	if err := fw.Device.SyslogServerProfile.Delete("", "agent"); err == nil ||
		!strings.Contains(err.Error(), "log-settings -> profiles -> to-agent -> match-list -> traffic -> send-syslog") {
		t.Errorf("delete a profile that is in use: %v", err)
	}
	if err := publish(t, fw, commit.FirewallCommit{}); err != nil {
		t.Error(err)
	}
}

func TestPangoMultiConfig(t *testing.T) {
	s := start(t, Options{})
	fw := connect(t, s, nil)
	write := func(entries ...addr.Entry) pango.MultiConfigureResponse {
		t.Helper()
		fw.PrepareMultiConfigure(len(entries))
		for _, e := range entries {
			if err := fw.Objects.Address.Set("", e); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := fw.SendMultiConfigure(false)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	good := addr.Entry{Name: "good", Value: "192.0.2.1", Type: addr.IpNetmask}
	bad := addr.Entry{Name: "bad", Value: "nowhere", Type: addr.IpNetmask}
	answer := write(good, bad, addr.Entry{Name: "late", Value: "192.0.2.2", Type: addr.IpNetmask})
	if answer.Ok() || answer.Code != 13 || len(answer.Results) != 2 || !answer.Results[0].Ok() || answer.Results[1].Code != 12 ||
		answer.Error() != "bad -> ip-netmask 'nowhere' is an invalid ipv4/v6 address | bad -> ip-netmask is invalid | bad is invalid" {
		t.Errorf("answer = %+v: %s", answer, answer.Error())
	}
	if s.Config().Pending("") != 0 || s.Config().Candidate() != s.Config().Running() {
		t.Errorf("a refused multi-config left %d edits", s.Config().Pending(""))
	}
	if answer := write(good); !answer.Ok() || len(answer.Results) != 1 || s.Config().Pending("admin") != 1 {
		t.Errorf("answer = %+v, %d pending", answer, s.Config().Pending("admin"))
	}
}

func TestPangoCommits(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	s := start(t, Options{Users: map[string]string{"service": "pass"}, CommitTime: time.Minute, Now: func() time.Time { return now }})
	fw := connect(t, s, func(c *pango.Client) { c.ApiKey, c.Username, c.Password = "", "service", "pass" })
	if id, body, err := fw.Commit(commit.FirewallCommit{}, "", nil); id != 0 || err != nil {
		t.Errorf("nothing to commit: job %d, %v: %s", id, err, body)
	}
	if err := s.Config().Edit("bob", "set", vsysPath+"/address", `<entry name="bobs"><ip-netmask>192.0.2.7</ip-netmask></entry>`); err != nil {
		t.Fatal(err)
	}
	bobs := s.Config().Candidate()
	if err := fw.Objects.Address.Set("", addr.Entry{Name: "ours", Value: "192.0.2.1", Type: addr.IpNetmask}); err != nil {
		t.Fatal(err)
	}
	id, _, err := fw.Commit(commit.FirewallCommit{Description: "block", Admins: []string{"service"}}, "", nil)
	if err != nil || id == 0 {
		t.Fatalf("job %d, %v", id, err)
	}
	now = now.Add(30 * time.Second)
	var job util.BasicJob
	if _, err := fw.Op(fmt.Sprintf("<show><jobs><id>%d</id></jobs></show>", id), "", nil, &job); err != nil {
		t.Fatal(err)
	}
	if job.Status != "ACT" || job.Result != "PEND" || job.Progress != 50 {
		t.Errorf("job = %+v", job)
	}
	now = now.Add(30 * time.Second)
	if err := fw.WaitForJob(id, time.Millisecond, nil, nil); err != nil {
		t.Error(err)
	}
	if running := s.Config().Running(); !strings.Contains(running, `"ours"`) || strings.Contains(running, `"bobs"`) {
		t.Errorf("running = %s", running)
	}
	// What another administrator has not committed stays as it was, to the byte.
	entry := bobs[strings.Index(bobs, `<entry name="bobs"`):]
	entry = entry[:strings.Index(entry, "</entry>")]
	if candidate := s.Config().Candidate(); !strings.Contains(candidate, entry) || s.Config().Pending("bob") != 1 || s.Config().Pending("service") != 0 {
		t.Errorf("candidate = %s, want in it %s", candidate, entry)
	}
	if err := fw.RevertToRunningConfig(); err != nil || s.Config().Pending("") != 0 || s.Config().Candidate() != s.Config().Running() {
		t.Errorf("revert: %v, %d pending", err, s.Config().Pending(""))
	}
}

func TestPangoLocks(t *testing.T) {
	s := start(t, Options{})
	fw := connect(t, s, nil)
	if err := fw.LockConfig("", "maintenance"); err != nil {
		t.Fatal(err)
	}
	if err := fw.LockConfig("", ""); err == nil || err.Error() != "You already own a config lock for scope shared" {
		t.Errorf("second lock: %v", err)
	}
	locks, err := fw.ConfigLocks("")
	if err != nil || len(locks) != 1 || locks[0].Owner != "admin" || locks[0].Name != "shared" || locks[0].Comment.Text != "maintenance" {
		t.Errorf("locks = %+v, %v", locks, err)
	}
	if err := fw.UnlockConfig(""); err != nil {
		t.Error(err)
	}
	if err := fw.UnlockConfig(""); err == nil || err.Error() != "Config is not currently locked for scope shared" {
		t.Errorf("unlock what is not locked: %v", err)
	}
	s.Config().LockConfig("bob", "")
	if err := fw.LockConfig("", ""); err == nil || err.Error() != "Config for scope shared is currently locked by bob" {
		t.Errorf("lock what is locked: %v", err)
	}
	if err := fw.Objects.Tags.Set("", pangotags.Entry{Name: "x"}); err == nil || err.Error() != "Configuration is locked by bob" {
		t.Errorf("set while locked: %v", err)
	}
	s.Config().UnlockConfig("")
	if err := fw.LockCommits("vsys1", ""); err != nil {
		t.Error(err)
	}
	if locks, err := fw.CommitLocks("vsys1"); err != nil || len(locks) != 1 || locks[0].Type != "vsys" {
		t.Errorf("commit locks = %+v, %v", locks, err)
	}
	if err := fw.UnlockCommits("vsys1", "admin"); err != nil {
		t.Error(err)
	}
	s.Config().LockCommit("bob", "")
	if err := fw.Objects.Tags.Set("", pangotags.Entry{Name: "x"}); err != nil {
		t.Error(err)
	}
	if _, _, err := fw.Commit(commit.FirewallCommit{}, "", nil); err == nil ||
		err.Error() != "Other administrators are holding device wide commit locks." {
		t.Errorf("commit while locked: %v", err)
	}
}

func TestPangoValidates(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{References: dialect.ReferencesAtCommit}})
	fw := connect(t, s, nil)
	if err := fw.Objects.AddressGroup.Set("", addrgrp.Entry{Name: "g", StaticAddresses: []string{"nobody"}}); err != nil {
		t.Fatal(err)
	}
	want := "Validation Error: | address-group -> g -> static 'nobody' is not a valid reference | " +
		"address-group -> g -> static is invalid | address-group -> g is invalid | address-group is invalid | vsys is invalid | devices is invalid"
	if _, err := fw.ValidateConfig(true, time.Millisecond); err == nil || err.Error() != want {
		t.Errorf("validation: %v\nwant %s", err, want)
	}
	if err := publish(t, fw, commit.FirewallCommit{}); err == nil || err.Error() != want {
		t.Errorf("commit: %v", err)
	}
	if err := fw.Objects.Address.Set("", addr.Entry{Name: "nobody", Value: "192.0.2.1", Type: addr.IpNetmask}); err != nil {
		t.Fatal(err)
	}
	if err := publish(t, fw, commit.FirewallCommit{Force: true}); err != nil {
		t.Error(err)
	}
}

func TestPangoReadsWholeConfig(t *testing.T) {
	fw := connect(t, start(t, Options{}), nil)
	if err := fw.Objects.Tags.Set("", pangotags.Entry{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"running": false, "candidate": true} {
		if err := fw.RetrievePanosConfig(file); err != nil {
			t.Fatal(err)
		}
		if got, err := fw.Policies.Security.AllFromPanosConfig(""); err != nil || len(got) != 0 {
			t.Errorf("rules in %s = %v, %v", file, got, err)
		}
		if got, err := fw.Device.SyslogServerProfile.AllFromPanosConfig(""); err != nil || len(got) != 0 {
			t.Errorf("profiles in %s = %v, %v", file, got, err)
		}
		path := []string{"config", "devices", "entry[@name='localhost.localdomain']", "vsys", "entry[@name='vsys1']", "tag", "entry[@name='x']"}
		if got := util.FindXmlNodeInTree(path, fw.ConfigTree()) != nil; got != want {
			t.Errorf("%s has the tag: %t, want %t", file, got, want)
		}
	}
}

package panosim

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// idle is a firewall without a network, for tests that make very many calls.
func idle(o Options) *Sim {
	o.Version = "11.1.0"
	s, err := newSim(o)
	if err != nil {
		panic(err) // the factory configuration
	}
	return s
}

// call makes a call as it comes over the wire.
func (s *Sim) call(form url.Values) string {
	r := httptest.NewRequest("POST", "/api/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	send(w, s.answer(understand(w, r, s.opts.MaxRequest)))
	return w.Body.String()
}

// Whatever three administrators do in whatever order: the candidate is the running configuration with what is
// pending carried out; an edit, a refusal and another's revert or commit change no edit of anybody else; nothing
// but a commit changes the running configuration, and nothing changes one that somebody has kept.
func TestJournal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := idle(Options{Dialect: rapid.SampledFrom([]dialect.Dialect{
			{}, {References: dialect.ReferencesAtCommit, Choice: dialect.ChoiceAdds}, {Unchanged: dialect.UnchangedPending, Renamed: dialect.RenamedLeaves},
		}).Draw(t, "dialect")})
		admin := rapid.SampledFrom([]string{"ann", "bob", "eve"})
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		pending := func() (out []string) {
			for _, e := range s.config.journal {
				out = append(out, fmt.Sprint(e.admin, e.id))
			}
			return out
		}
		var kept []*xmltree.Element
		var texts []string
		keep := func() {
			kept, texts = append(kept, s.config.Running(), s.config.Candidate()), append(texts, s.config.running.String(), s.config.candidate.Root.String())
		}
		others := func(who string) []string {
			return slices.DeleteFunc(pending(), func(e string) bool { return strings.HasPrefix(e, who) })
		}
		change := func(t *rapid.T) {
			who, running, before, candidate := admin.Draw(t, "admin"), s.Config().Running(), pending(), s.Config().Candidate()
			action := rapid.SampledFrom([]string{"set", "set", "set", "edit", "delete", "move", "rename"}).Draw(t, "action")
			path := rapid.SampledFrom([]string{addressPath, groupPath, rulesPath}).Draw(t, "path")
			n := name.Draw(t, "name")
			content := map[string]string{
				addressPath: `<entry name="` + n + `">` + rapid.SampledFrom([]string{"<ip-netmask>192.0.2.1</ip-netmask>", "<fqdn>x</fqdn>"}).Draw(t, "value") + `</entry>`,
				groupPath:   `<entry name="` + n + `"><static><member>` + name.Draw(t, "member") + `</member></static></entry>`,
				rulesPath:   strings.NewReplacer(`"one"`, `"`+n+`"`, ">g<", ">any<").Replace(ruleOne),
			}[path]
			switch action {
			case "move":
				content = rapid.SampledFrom([]string{"top", "bottom", "before a", "after b"}).Draw(t, "where")
			case "rename":
				content = name.Draw(t, "new name")
			}
			if action != "set" {
				path += "/entry[@name='" + n + "']"
			}
			err := s.Config().Edit(who, action, path, content)
			if s.Config().Running() != running {
				t.Fatalf("%s %s changed the running configuration", action, path)
			}
			after := pending()
			if len(after) > len(before) {
				after = after[:len(before)]
			}
			if !slices.Equal(after, before) || err != nil && s.Config().Candidate() != candidate {
				t.Fatalf("%s %s: pending %v, before %v; error %v", action, path, pending(), before, err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"edit": change, "edit more": change, "edit still more": change,
			"commit": func(t *rapid.T) {
				keep()
				if err := s.Config().Commit(admin.Draw(t, "admin")); err == nil && (s.Config().Running() != s.Config().Candidate() || len(pending()) > 0) {
					t.Fatalf("after a full commit %v is pending", pending())
				}
			},
			"commit one's own": func(t *rapid.T) {
				keep()
				who, running, candidate := admin.Draw(t, "admin"), s.Config().Running(), s.config.Candidate()
				before, rest := pending(), others(who)
				key := "key of " + who
				s.keys.valid[key] = apiKey{user: who}
				s.call(url.Values{"type": {"commit"}, "key": {key}, "cmd": {"<commit><partial><admin><member>" + who + "</member></admin></partial></commit>"}})
				jobs := s.Jobs()
				switch after := pending(); {
				case len(jobs) == 0 || jobs[len(jobs)-1].Result != "OK":
					if !slices.Equal(after, before) || s.Config().Running() != running {
						t.Fatalf("a commit that did nothing: pending %v, before %v", after, before)
					}
				case !slices.Equal(after, rest):
					t.Fatalf("pending %v, want %v", after, rest)
				case !candidate.Alike(s.config.Candidate()):
					t.Fatalf("a commit changed the candidate: %s\nwas %s", s.config.Candidate(), candidate)
				}
			},
			"revert one's own": func(t *rapid.T) {
				who, before, candidate := admin.Draw(t, "admin"), pending(), s.Config().Candidate()
				rest := others(who)
				if s.config.revert(func(e *edit) bool { return e.admin == who }) {
					before = rest
				} else if s.Config().Candidate() != candidate {
					t.Fatal("a revert that was refused changed the candidate")
				}
				if !slices.Equal(pending(), before) {
					t.Fatalf("pending %v, want %v", pending(), before)
				}
			},
			"": func(t *rapid.T) {
				again := xmltree.NewTree(s.config.running)
				for _, e := range s.config.journal {
					if _, refused := e.apply(&again); refused != nil && refused.code != 14 {
						t.Fatalf("%s of %s cannot be carried out again: %v", e.action, e.path, refused)
					}
				}
				if got, want := again.Root.String(), s.config.candidate.Root.String(); got != want {
					t.Fatalf("candidate\n%s\nis not running and journal\n%s", want, got)
				}
				for i, e := range kept {
					if e.String() != texts[i] {
						t.Fatalf("a configuration that was kept has changed: %s\nwas %s", e, texts[i])
					}
				}
			},
		})
	})
}

func FuzzSchemaPath(f *testing.F) {
	for _, seed := range []string{
		rulesPath, addressPath + "/entry[@name='a' or @name=\"b\"]/@name", groupPath + "/entry[@name='g']/static/member[text()='a' or text()='b']",
		"/config/*/x", "/", "//a", "/a[", "/entry[@name=''']", "/entry[@name='a'or @name='b']", "/a/@", "/member[text()='ü']",
	} {
		f.Add(seed)
	}
	s := idle(Options{})
	root := s.config.Running()
	before := root.String()
	f.Fuzz(func(t *testing.T, text string) {
		x, err := xmltree.ParsePath(text)
		if err != nil {
			return
		}
		firewallSchema.at(x)
		base(x, root)
		if root.String() != before {
			t.Error("looking changes the configuration")
		}
	})
}

func FuzzConfigCall(f *testing.F) {
	for _, seed := range [][4]string{
		{"set", addressPath, hostA, ""}, {"edit", addressPath + "/entry[@name='a']", hostA, ""}, {"delete", addressPath, "", ""},
		{"move", rulesPath + "/entry[@name='one']", "", "before"}, {"rename", addressPath + "/entry[@name='b']", "", "z"},
		{"multi-config", "", `<multi-configure-request><set xpath="/config/shared/tag"><entry name="t"/></set></multi-configure-request>`, ""},
		{"get", "/config", "", ""}, {"show", addressPath + "/entry/@name", "", ""}, {"set", "/config/shared", "<tag><entry/></tag>", ""},
		{"set", vsysPath + "/*", "<x/>", ""}, {"edit", "/config", "<config/>", ""}, {"delete", "/config/devices", "", ""}, {"delete", "/config", "", ""},
		{"set", "/response", "<x/>", ""}, {"edit", vsysPath, `<entry name="vsys1"/>`, ""}, {"set", addressPath + "/entry", "<fqdn>x</fqdn>", ""},
		{"set", groupPath + "/entry[@name='g']/static", "<member>b</member>text", ""}, {"set", vsysPath + "/rulebase", "<security>x</security>", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, action, path, content, where string) {
		s := idle(Options{})
		for _, e := range []struct{ path, content string }{{addressPath, hostA + hostB}, {groupPath, groupG}, {rulesPath, ruleOne}} {
			if err := s.Config().Edit("setup", "set", e.path, e.content); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Config().Commit("setup"); err != nil {
			t.Fatal(err)
		}
		before := s.Config().Running()
		form := url.Values{
			"type": {"config"}, "key": {s.Key()}, "action": {action}, "xpath": {path}, "element": {content}, "where": {where}, "dst": {"one"}, "newname": {where},
		}
		for range 2 { // the second time on what the first has made
			answer := s.call(form)
			if _, err := xmltree.Parse(answer); err != nil {
				t.Errorf("the answer cannot be read: %v: %s", err, answer)
			}
		}
		if s.Config().Running() != before {
			t.Errorf("the running configuration has changed without a commit: %s", s.Config().Running())
		}
		candidate := s.Config().Candidate()
		if _, err := xmltree.ParseConfig(candidate); err != nil {
			t.Errorf("the candidate cannot be read: %v: %s", err, candidate)
		}
		s.config.revert(func(e *edit) bool { return e.admin == "admin" })
		if s.Config().Candidate() != before {
			t.Errorf("reverted, the candidate is not the running configuration: %s", s.Config().Candidate())
		}
	})
}

// What is not committed is read while it is committed: under the race detector this is what fails.
func TestReadingDuringACommit(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	form := url.Values{"type": {"config"}, "action": {"get"}, "xpath": {"/config"}, "key": {s.Key()}}
	var reading sync.WaitGroup
	defer reading.Wait()
	done := make(chan struct{})
	defer close(done)
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, err := p.try(form); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for i := range 50 {
		pend(t, s, "admin", "a"+strconv.Itoa(i))
		if err := s.Config().Commit("admin"); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Config().Pending(""); got != 0 {
		t.Errorf("%d edits are pending", got)
	}
}

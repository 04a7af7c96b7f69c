package panosim

import (
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

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
		edited := s.Config().Candidate()
		if _, err := xmltree.ParseConfig(edited); err != nil {
			t.Errorf("the candidate cannot be read: %v: %s", err, edited)
		}
		s.call(url.Values{"type": {"op"}, "key": {s.Key()}, "cmd": {"<revert><config/></revert>"}})
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

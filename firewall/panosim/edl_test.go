package panosim

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/edl"
)

// listServer serves a list over TLS as a test has it.
type listServer struct {
	*httptest.Server
	authority string // PEM

	mu      sync.Mutex
	body    string
	status  int
	handler http.HandlerFunc // instead of body and status
	seen    int
}

// newListServer serves with a certificate that was made at a time; the zero time is now.
func newListServer(t *testing.T, made time.Time) *listServer {
	t.Helper()
	if made.IsZero() {
		made = time.Now()
	}
	cert, err := newCertificate(made, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l := &listServer{authority: string(cert.authority), status: http.StatusOK}
	l.Server = httptest.NewUnstartedServer(l)
	l.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what some tests are about
	l.TLS = &tls.Config{Certificates: []tls.Certificate{*cert.leaf}}
	l.StartTLS()
	t.Cleanup(l.Close)
	return l
}

func (l *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.seen++
	body, status, handler := l.body, l.status, l.handler
	l.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (l *listServer) set(status int, body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.body, l.handler = status, body, nil
}

func (l *listServer) handle(h http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = h
}

func (l *listServer) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// listXML defines a list; more is further elements of the type.
func listXML(name, address, more string) string {
	return `<external-list><entry name="` + name + `"><type><ip><url>` + address + `</url>` + more + `</ip></type></entry></external-list>`
}

// authorityXML is a certificate profile "cp" with one authority.
func authorityXML(pem string) string {
	return `<certificate><entry name="ca"><public-key>` + pem + `</public-key></entry></certificate>` +
		`<certificate-profile><entry name="cp"><CA><entry name="ca"/></CA></entry></certificate-profile>`
}

const profiled = `<certificate-profile>cp</certificate-profile><recurring><five-minute/></recurring>`

// listRules blocks the list "bl" and allows the rest.
func listRules() string {
	return ruleXML("block", "drop", fieldXML("source", "bl")) + ruleXML("rest", "allow", "")
}

// listSim enforces the server's list, which is fetched.
func listSim(t *testing.T, l *listServer, o Options) *Sim {
	t.Helper()
	o.Config = deviceConfig(authorityXML(l.authority)+listXML("bl", l.URL+"/list.txt", profiled), "", listRules())
	s := start(t, o)
	s.Lists().Fetch()
	return s
}

// logged says whether the system log has a line that holds all of the texts.
func logged(s *Sim, texts ...string) bool {
	for _, line := range s.SystemLog() {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line.Text, text)
		}
		if all {
			return true
		}
	}
	return false
}

func state(t *testing.T, s *Sim, name string) edl.State {
	t.Helper()
	st, ok := s.Lists().State("", name)
	if !ok {
		t.Fatalf("no list %s", name)
	}
	return st
}

func TestAListIsFetchedAndEnforced(t *testing.T) {
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1 scanner\n203.0.113.0/24\n10.0.0.5-10.0.0.7\n2001:db8::/48\nnonsense\n")
	c := newClock()
	c.now = time.Now()
	s := listSim(t, l, Options{Now: c.Now})
	if st := state(t, s, "bl"); st.Entries != 4 || st.Invalid != 1 || st.Stopped || st.Failure != "" || !st.InPolicy || !st.Fetched.Equal(c.now) {
		t.Errorf("%+v", st)
	}
	for source, want := range map[string]string{
		"192.0.2.1": "block", "192.0.2.2": "rest", "203.0.113.200": "block", "10.0.0.6": "block", "10.0.0.8": "rest", "2001:db8:0:1::": "block",
	} {
		if got := ruleFor(s, source); got != want {
			t.Errorf("%s meets %s, want %s", source, got, want)
		}
	}
	l.set(200, "192.0.2.2\n")
	c.advance(5*time.Minute - time.Second)
	s.Lists().Fetch()
	if l.requests() != 1 || ruleFor(s, "192.0.2.1") != "block" {
		t.Errorf("before the interval has passed: %d requests", l.requests())
	}
	c.advance(time.Second)
	s.Lists().Fetch()
	if l.requests() != 2 || ruleFor(s, "192.0.2.1") != "rest" || ruleFor(s, "192.0.2.2") != "block" {
		t.Errorf("after the interval: %d requests", l.requests())
	}
}

func TestAListThatNoRuleNames(t *testing.T) {
	for use, want := range map[dialect.ListUse]int{dialect.ListUseAll: 1, dialect.ListUseInPolicy: 0} {
		l := newListServer(t, time.Time{})
		l.set(200, "192.0.2.1\n")
		shared := authorityXML(l.authority) + listXML("bl", l.URL+"/list.txt", profiled)
		s := start(t, Options{Config: deviceConfig(shared, "", ruleXML("rest", "allow", "")), Dialect: dialect.Dialect{ListUse: use}})
		s.Lists().Fetch()
		if got := l.requests(); got != want {
			t.Errorf("%s: fetched %d times", s.opts.Dialect, got)
		}
		newPeer(t, s).refresh("bl")
		if got := l.requests(); got != 2*want {
			t.Errorf("%s: fetched %d times with a refresh", s.opts.Dialect, got)
		}
		if st := state(t, s, "bl"); st.InPolicy || st.Entries != want || st.Failure != "" {
			t.Errorf("%s: %+v", s.opts.Dialect, st)
		}
		commitConfig(t, s, deviceConfig(shared, "", listRules()))
		until(t, "the list is fetched once a rule names it", func() bool { return ruleFor(s, "192.0.2.1") == "block" })
	}
}

func TestAListThatHasNotChanged(t *testing.T) {
	for _, c := range []struct {
		fetch dialect.ListFetch
		field string
	}{{dialect.ListFetchWhole, ""}, {dialect.ListFetchSince, "If-Modified-Since"}, {dialect.ListFetchMatch, "If-None-Match"}} {
		l := newListServer(t, time.Time{})
		var asked []string
		serve := func(body, tag, modified string) {
			l.handle(func(w http.ResponseWriter, r *http.Request) {
				var got []string
				for _, name := range []string{"If-Modified-Since", "If-None-Match", "Accept-Encoding"} {
					if v := r.Header.Get(name); v != "" {
						got = append(got, name+": "+v)
					}
				}
				asked = append(asked, strings.Join(got, ", "))
				if v := r.Header.Get("If-None-Match") + r.Header.Get("If-Modified-Since"); v != "" && (v == tag || v == modified) {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				w.Header().Set("ETag", tag)
				w.Header().Set("Last-Modified", modified)
				_, _ = io.WriteString(w, body)
			})
		}
		const first, second = "Sun, 01 Mar 2026 10:00:00 GMT", "Sun, 01 Mar 2026 10:00:05 GMT"
		serve("192.0.2.1\n", `"a"`, first)
		s := listSim(t, l, Options{Dialect: dialect.Dialect{ListFetch: c.fetch}})
		p := newPeer(t, s)
		p.refresh("bl")
		if st := state(t, s, "bl"); st.Failure != "" || st.Entries != 1 || ruleFor(s, "192.0.2.1") != "block" {
			t.Errorf("%s: unchanged: %+v", s.opts.Dialect, st)
		}
		serve("192.0.2.2\n", `"b"`, second)
		p.refresh("bl")
		if ruleFor(s, "192.0.2.1") != "rest" || ruleFor(s, "192.0.2.2") != "block" {
			t.Errorf("%s: changed: %+v", s.opts.Dialect, state(t, s, "bl"))
		}
		want := map[string]string{"": "", "If-Modified-Since": "If-Modified-Since: " + first, "If-None-Match": `If-None-Match: "a"`}[c.field]
		expect(t, s.opts.Dialect.String(), strings.Join(asked, "; "), "; "+want+"; "+want)
	}
}

func TestAnUnchangedListThatNobodyAskedAbout(t *testing.T) {
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1\n")
	s := listSim(t, l, Options{})
	l.set(304, "")
	newPeer(t, s).refresh("bl")
	if st := state(t, s, "bl"); ruleFor(s, "192.0.2.1") != "block" {
		t.Errorf("%+v", st)
	}
}

func TestWhatFailsKeepsTheOldCopyOrStops(t *testing.T) {
	l := newListServer(t, time.Time{})
	other := newListServer(t, time.Time{})
	redirect := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/list.txt" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "192.0.2.9\n")
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "192.0.2.9\n")
	}
	const old, stopped, fresh = "old copy", "stopped", "fresh"
	for _, c := range []struct {
		name    string
		dialect dialect.Dialect
		change  func(s *Sim)
		want    string
	}{
		{"503", dialect.Dialect{}, func(*Sim) { l.set(503, "") }, old},
		{"404", dialect.Dialect{}, func(*Sim) { l.set(404, "192.0.2.9\n") }, old},
		{"401", dialect.Dialect{}, func(*Sim) { l.set(401, "") }, stopped},
		{"403", dialect.Dialect{}, func(*Sim) { l.set(403, "") }, stopped},
		{"cut off", dialect.Dialect{}, func(*Sim) { l.handle(cut) }, old},
		{"redirect", dialect.Dialect{}, func(*Sim) { l.handle(redirect) }, old},
		{"redirect", dialect.Dialect{Redirect: dialect.RedirectFollowed}, func(*Sim) { l.handle(redirect) }, fresh},
		{"empty", dialect.Dialect{}, func(*Sim) { l.set(200, "") }, "nothing"},
		{"empty", dialect.Dialect{EmptyList: dialect.EmptyListKept}, func(*Sim) { l.set(200, "") }, old},
		{"unknown authority", dialect.Dialect{}, func(s *Sim) {
			commitConfig(t, s, deviceConfig(authorityXML(other.authority)+listXML("bl", l.URL+"/list.txt", profiled), "", listRules()))
		}, stopped},
		{"profile without the authority", dialect.Dialect{}, func(s *Sim) {
			commitConfig(t, s, deviceConfig(listXML("bl", l.URL+"/list.txt", profiled), "", listRules()))
		}, stopped},
		{"other host name", dialect.Dialect{}, func(s *Sim) {
			_, port, _ := net.SplitHostPort(l.Listener.Addr().String())
			commitConfig(t, s, deviceConfig(authorityXML(l.authority)+listXML("bl", "https://localhost:"+port+"/list.txt", profiled), "", listRules()))
		}, "stopped from the first"},
	} {
		t.Run(c.name+" "+c.dialect.String(), func(t *testing.T) {
			l.set(200, "192.0.2.1\n")
			s := listSim(t, l, Options{Dialect: c.dialect})
			if ruleFor(s, "192.0.2.1") != "block" {
				t.Fatal("is not enforced at first")
			}
			c.change(s)
			newPeer(t, s).refresh("bl")
			st := state(t, s, "bl")
			got := map[[2]string]string{{"block", "rest"}: old, {"rest", "block"}: fresh, {"rest", "rest"}: "nothing"}[[2]string{ruleFor(s, "192.0.2.1"), ruleFor(s, "192.0.2.9")}]
			if st.Stopped {
				if got != "nothing" {
					t.Errorf("stopped, and yet %s", got)
				}
				got = stopped
				if st.Fetched.IsZero() {
					got += " from the first"
				}
			}
			if got != c.want {
				t.Errorf("%s, want %s: %+v", got, c.want, st)
			}
			if wantOld := c.want == old; wantOld != logged(s, "Unable to fetch external list. Using old copy for refresh.") {
				t.Errorf("system log: %v", s.SystemLog())
			}
			if strings.HasPrefix(c.want, stopped) != logged(s, "certificate authentication failed", "bl") {
				t.Errorf("system log: %v", s.SystemLog())
			}
			l.set(200, "192.0.2.9\n")
			if !strings.HasPrefix(c.want, stopped) {
				newPeer(t, s).refresh("bl")
				if st := state(t, s, "bl"); st.Failure != "" || ruleFor(s, "192.0.2.9") != "block" {
					t.Errorf("when the server is well again: %+v", st)
				}
			}
		})
	}
}

// refresh asks for a refresh and waits for its job, whose number the answer does not give.
func (p *peer) refresh(name string) {
	p.Helper()
	before := len(p.sim.Jobs())
	answer := p.op("<request><system><external-list><refresh><type><ip><name>" + name + "</name></ip></type></refresh></external-list></system></request>")
	if answer != `<response status="success"><result>EDL refresh job enqueued</result></response>` {
		p.Fatalf("refresh: %s", answer)
	}
	waitFor(p.T, "the refresh job", func() bool {
		jobs := p.sim.Jobs()
		for _, j := range jobs[before:] {
			if j.Type == "EDLRefresh" && j.Status == "FIN" {
				return true
			}
		}
		return false
	})
}

// waitFor waits until something is so, at most ten seconds.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within ten seconds", what)
		case <-tick.C:
		}
	}
}

func TestUnreachableListServers(t *testing.T) {
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1\n")
	s := listSim(t, l, Options{})
	l.Close()
	newPeer(t, s).refresh("bl")
	if st := state(t, s, "bl"); st.Stopped || st.Failure == "" || ruleFor(s, "192.0.2.1") != "block" {
		t.Errorf("a server that went: %+v", st)
	}
	s.Reboot()
	if ruleFor(s, "192.0.2.1") != "block" {
		t.Error("the copy does not survive a restart")
	}

	hanging := newListServer(t, time.Time{})
	released := make(chan struct{})
	hanging.handle(func(http.ResponseWriter, *http.Request) { <-released })
	defer close(released)
	s = listSim(t, hanging, Options{FetchTimeout: 50 * time.Millisecond})
	if st := state(t, s, "bl"); st.Failure == "" || st.Stopped || !st.Fetched.IsZero() {
		t.Errorf("a server that hangs: %+v", st)
	}
}

func TestCloseEndsAFetch(t *testing.T) {
	l := newListServer(t, time.Time{})
	began, released := make(chan struct{}), make(chan struct{})
	l.handle(func(http.ResponseWriter, *http.Request) { close(began); <-released })
	defer close(released)
	s := start(t, Options{Config: deviceConfig(authorityXML(l.authority)+listXML("bl", l.URL, profiled), "", listRules())})
	p := newPeer(t, s)
	p.op("<request><system><external-list><refresh><type><ip><name>bl</name></ip></type></refresh></external-list></system></request>")
	<-began
	s.Close() // hangs if the fetch does not end
}

func TestCertificatesAreJudgedByTheFirewallsClock(t *testing.T) {
	c := newClock()
	l := newListServer(t, c.now)
	l.set(200, "192.0.2.1\n")
	s := listSim(t, l, Options{Now: c.Now})
	if st := state(t, s, "bl"); st.Entries != 1 {
		t.Fatalf("%+v", st)
	}
	c.advance(certificateLife + time.Second)
	s.Lists().Fetch()
	if st := state(t, s, "bl"); !st.Stopped || st.Entries != 0 || !strings.Contains(st.Failure, "expired") {
		t.Errorf("after the certificate has expired: %+v", st)
	}
	if ruleFor(s, "192.0.2.1") != "rest" {
		t.Error("the list is still enforced")
	}
}

func TestListsWithoutACertificateProfile(t *testing.T) {
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1\n")
	for _, c := range []struct {
		dialect dialect.Dialect
		entries int
	}{{dialect.Dialect{}, 1}, {dialect.Dialect{NoProfile: dialect.NoProfileRefused}, 0}} {
		s := start(t, Options{Dialect: c.dialect, Config: deviceConfig(listXML("bl", l.URL, ""), "", listRules())})
		s.Lists().Fetch()
		if st := state(t, s, "bl"); st.Entries != c.entries || st.Stopped != (c.entries == 0) {
			t.Errorf("%v: %+v", c.dialect, st)
		}
	}
	plain := httptest.NewServer(l)
	defer plain.Close()
	s := start(t, Options{Dialect: dialect.Dialect{NoProfile: dialect.NoProfileRefused}, Config: deviceConfig(listXML("bl", plain.URL, ""), "", listRules())})
	s.Lists().Fetch()
	if st := state(t, s, "bl"); st.Entries != 1 {
		t.Errorf("over HTTP: %+v", st)
	}
}

func TestBasicAuthenticationAndExceptions(t *testing.T) {
	l := newListServer(t, time.Time{})
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("fw:pass word"))
	l.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != want {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "192.0.2.1\n192.0.2.2\n")
	})
	auth := func(password string) string {
		return `<auth><username>fw</username><password>` + password + `</password></auth><exception-list><member>192.0.2.2/32</member></exception-list>` + profiled
	}
	s := start(t, Options{Config: deviceConfig(authorityXML(l.authority)+listXML("bl", l.URL, auth("pass word")), "", listRules())})
	s.Lists().Fetch()
	if ruleFor(s, "192.0.2.1") != "block" || ruleFor(s, "192.0.2.2") != "rest" {
		t.Errorf("%+v", state(t, s, "bl"))
	}
	if answer := newPeer(t, s).showList("bl", ""); !strings.Contains(answer, "<total-ignored>1</total-ignored>") {
		t.Errorf("an exception is not ignored: %s", answer)
	}
	commitConfig(t, s, deviceConfig(authorityXML(l.authority)+listXML("bl", l.URL, auth("wrong")), "", listRules()))
	waitFor(t, "the job of the commit", func() bool { return state(t, s, "bl").Stopped })
	for _, line := range s.SystemLog() {
		if strings.Contains(line.Text, "wrong") {
			t.Errorf("the password is in the log: %s", line.Text)
		}
	}
}

func (p *peer) showList(name, more string) string {
	p.Helper()
	return p.op("<request><system><external-list><show><type><ip><name>" + name + "</name>" + more + "</ip></type></show></external-list></system></request>")
}

func TestACommitFetchesLists(t *testing.T) {
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1\n")
	s := start(t, Options{Config: deviceConfig("", "", listRules())})
	commitConfig(t, s, deviceConfig(authorityXML(l.authority)+listXML("bl", l.URL, profiled), "", listRules()))
	waitFor(t, "the list", func() bool { return state(t, s, "bl").Entries == 1 })
	// Another address is another list, whose old copy is none.
	commitConfig(t, s, deviceConfig(authorityXML(l.authority)+listXML("bl", "https://127.0.0.1:1/", profiled), "", listRules()))
	waitFor(t, "the failure", func() bool { return state(t, s, "bl").Failure != "" })
	if ruleFor(s, "192.0.2.1") != "rest" {
		t.Error("the copy of another list is enforced")
	}
	commitConfig(t, s, deviceConfig("", "", listRules()))
	if _, ok := s.Lists().State("", "bl"); ok {
		t.Error("a list that was deleted is still there")
	}
}

func TestCapacity(t *testing.T) {
	l := newListServer(t, time.Time{})
	var body strings.Builder
	for i := range 10 {
		fmt.Fprintf(&body, "192.0.2.%d\n", i)
	}
	l.set(200, body.String())
	lists := `<external-list>`
	for _, name := range []string{"unused", "one", "two", "three"} {
		lists += `<entry name="` + name + `"><type><ip><url>` + l.URL + "/" + name + `</url></ip></type></entry>`
	}
	lists += `</external-list>`
	rules := ruleXML("block", "drop", fieldXML("source", "two")) + ruleXML("block1", "drop", fieldXML("destination", "one")) + ruleXML("block3", "drop", fieldXML("destination", "three"))
	for _, c := range []struct {
		overflow                     dialect.ListOverflow
		valid, ignored, members, was int
	}{{dialect.ListOverflowIgnored, 5, 5, 5, 5}, {dialect.ListOverflowSilent, 5, 0, 5, 5}, {dialect.ListOverflowValid, 10, 0, 5, 5}} {
		s := start(t, Options{MaxListEntries: 15, Dialect: dialect.Dialect{ListOverflow: c.overflow}, Config: deviceConfig(lists, "", rules)})
		s.Lists().Fetch()
		for name, want := range map[string][2]int{"unused": {10, 0}, "one": {10, 0}, "two": {5, 5}, "three": {0, 10}} {
			if st := state(t, s, name); st.Entries != want[0] || st.Skipped != want[1] || st.InPolicy != (name != "unused") {
				t.Errorf("%s: %+v, want %v", name, st, want)
			}
		}
		if ruleFor(s, "192.0.2.4") != "block" || ruleFor(s, "192.0.2.5") == "block" {
			t.Error("not the first entries are kept")
		}
		if !logged(s, "shared/two", "limit", "5 entries are skipped") {
			t.Errorf("system log: %v", s.SystemLog())
		}
		answer := newPeer(t, s).showList("two", "")
		for _, want := range []string{
			fmt.Sprintf("<total-valid>%d</total-valid><total-ignored>%d</total-ignored><total-invalid>0</total-invalid>", c.valid, c.ignored),
		} {
			if !strings.Contains(answer, want) || strings.Count(answer, "<member>") != c.members {
				t.Errorf("%d: %s", c.overflow, answer)
			}
		}
	}
}

func TestShowList(t *testing.T) {
	l := newListServer(t, time.Time{})
	var body strings.Builder
	for i := range 250 {
		fmt.Fprintf(&body, "10.0.0.%d\n", i)
	}
	l.set(200, body.String()+"bad <line>\n")
	s := listSim(t, l, Options{})
	p := newPeer(t, s)
	const counts = "<total-valid>250</total-valid><total-ignored>0</total-ignored><total-invalid>1</total-invalid>"
	for _, c := range []struct {
		more, attributes, first string
		members                 int
	}{
		{"", `total-count="250" count="100"`, "10.0.0.0", 100},
		{"<anchor>101</anchor>", `total-count="250" count="100"`, "10.0.0.100", 100},
		{"<anchor>201</anchor>", `total-count="250" count="100"`, "10.0.0.200", 50},
		{"<anchor>251</anchor>", `total-count="250" count="100"`, "", 0},
		{"<anchor>4294967295</anchor>", `total-count="250" count="100"`, "", 0},
		{"<anchor>1</anchor><num-records>10000</num-records>", `total-count="250" count="250"`, "10.0.0.0", 250},
		{"<num-records>4294967295</num-records>", `total-count="250" count="250"`, "10.0.0.0", 250},
		{"<num-records>3</num-records>", `total-count="250" count="3"`, "10.0.0.0", 3},
	} {
		answer := p.showList("bl", c.more)
		valid, _, _ := strings.Cut(answer, "<invalid-members>")
		if !strings.Contains(answer, "<result "+c.attributes+">") || !strings.Contains(answer, counts) || strings.Count(valid, "<member>") != c.members {
			t.Errorf("%s: %s", c.more, answer)
		}
		if c.first != "" && !strings.Contains(answer, "<valid-members><member>"+c.first+"</member>") {
			t.Errorf("%s begins otherwise: %s", c.more, answer)
		}
	}
	if answer := p.showList("bl", ""); !strings.Contains(answer, "<invalid-members><member>bad</member></invalid-members>") {
		t.Errorf("invalid line: %s", answer)
	}
	for _, more := range []string{"<num-records>0</num-records>", "<num-records>4294967296</num-records>", "<anchor>0</anchor>", "<anchor>x</anchor>"} {
		if answer := p.showList("bl", more); !strings.Contains(answer, `code="17"`) {
			t.Errorf("%s: %s", more, answer)
		}
	}
	s.SetDialect(dialect.Dialect{ListHost: dialect.ListHostPrefix})
	if answer := p.showList("bl", "<num-records>1</num-records>"); !strings.Contains(answer, "<member>10.0.0.0/32</member>") {
		t.Errorf("with length: %s", answer)
	}
}

func TestShowOfAListThatWasNeverFetched(t *testing.T) {
	s := start(t, Options{Config: deviceConfig("", listXML("bl", "https://127.0.0.1:1/x", ""), listRules())})
	s.Lists().Fetch()
	answer := newPeer(t, s).showList("bl", "")
	if !strings.Contains(answer, "<vsys>vsys1</vsys><name>bl</name><total-valid>0</total-valid><total-ignored>0</total-ignored><total-invalid>1</total-invalid>"+
		"<invalid-members><member>cURL error: ") {
		t.Error(answer)
	}
}

func TestHowAStoppedListIsTold(t *testing.T) {
	l := newListServer(t, time.Time{})
	for _, c := range []struct {
		dialect dialect.Dialect
		show    string
		result  string
	}{
		{dialect.Dialect{}, "<total-valid>0</total-valid><total-ignored>0</total-ignored><total-invalid>1</total-invalid><invalid-members>", "OK"},
		{dialect.Dialect{ListStopped: dialect.ListStoppedEmpty}, "<total-valid>0</total-valid><total-ignored>0</total-ignored><total-invalid>0</total-invalid></external-list>", "OK"},
		{dialect.Dialect{ListJob: dialect.ListJobFails}, "<total-invalid>1</total-invalid>", "FAIL"},
	} {
		l.set(200, "192.0.2.1\n")
		s := listSim(t, l, Options{Dialect: c.dialect})
		p := newPeer(t, s)
		l.set(401, "")
		p.refresh("bl")
		if answer := p.showList("bl", ""); !strings.Contains(answer, c.show) {
			t.Errorf("%v: %s", c.dialect, answer)
		}
		jobs := s.Jobs()
		if j := jobs[len(jobs)-1]; j.Result != c.result || len(j.Details) != 1 || !strings.Contains(j.Details[0], "authentication failed") {
			t.Errorf("%v: %+v", c.dialect, j)
		}
		l.set(200, "192.0.2.1\n")
		p.refresh("bl")
		if jobs = s.Jobs(); jobs[len(jobs)-1].Result != "OK" || state(t, s, "bl").Entries != 1 {
			t.Errorf("%v: when the server is well again: %+v", c.dialect, jobs)
		}
	}
}

func TestListsAreFoundByTypeAndVirtualSystem(t *testing.T) {
	config := strings.Replace(deviceConfig(`<external-list><entry name="domains"><type><domain><url>x</url></domain></type></entry></external-list>`,
		listXML("own1", "https://127.0.0.1:1/", ""), ""), "</entry></vsys>", `</entry><entry name="vsys2">`+listXML("own2", "https://127.0.0.1:1/", "")+`</entry></vsys>`, 1)
	const invalid = ` is invalid name.Current target-vsys is `
	show := func(s *Sim, kind, name, vsys string) string {
		return newPeer(t, s).post(url.Values{"type": {"op"}, "key": {s.Key()}, "vsys": {vsys}, "cmd": {
			"<request><system><external-list><show><type><" + kind + "><name>" + name + "</name></" + kind + "></type></show></external-list></system></request>"}}).body
	}
	target := func(s *Sim, vsys string) string {
		return newPeer(t, s).op("<set><system><setting><target-vsys>" + vsys + "</target-vsys></setting></system></set>")
	}
	for _, d := range []dialect.Dialect{{}, {ListTarget: dialect.ListTargetParameter}, {ListTarget: dialect.ListTargetSetting}} {
		s := start(t, Options{VSys: []string{"vsys1", "vsys2"}, Dialect: d, Config: config})
		for _, c := range []struct{ kind, name, vsys, want string }{
			{"ip", "own1", "", `code="17"`}, {"ip", "own1", "vsys1", "<name>own1</name>"},
			{"predefined-ip", "own1", "", "own1" + invalid + "vsys1"},
			{"ip", "domains", "", "domains" + invalid + "vsys1"},
			{"domain", "domains", "", "<vsys>shared</vsys><name>domains</name>"},
			{"ip", "own2", "", "own2" + invalid + "vsys1"},
		} {
			if c.vsys == "" && c.name == "own1" && c.kind == "ip" {
				c.want = "<name>own1</name>"
			}
			if got := show(s, c.kind, c.name, c.vsys); !strings.Contains(got, c.want) {
				t.Errorf("%v %s %s %s: %s", d, c.kind, c.name, c.vsys, got)
			}
		}
		byParameter := strings.Contains(show(s, "ip", "own2", "vsys2"), "<name>own2</name>")
		if byParameter != (d.ListTarget != dialect.ListTargetSetting) {
			t.Errorf("%v: the parameter chooses: %v", d, byParameter)
		}
		if got := target(s, "vsys2"); got != `<response status="success"><result>Session target vsys changed to vsys2</result></response>` {
			t.Error(got)
		}
		bySetting := strings.Contains(show(s, "ip", "own2", ""), "<name>own2</name>")
		if bySetting != (d.ListTarget != dialect.ListTargetParameter) {
			t.Errorf("%v: target-vsys chooses: %v", d, bySetting)
		}
		if got := target(s, "none"); !strings.Contains(got, "success") || !strings.Contains(show(s, "ip", "own1", ""), "<name>own1</name>") {
			t.Errorf("no target: %s", got)
		}
		if got := target(s, "vsys9"); !strings.Contains(got, `code="17"`) {
			t.Error(got)
		}
	}
	s := start(t, Options{Config: deviceConfig("", "", "")})
	if got := show(s, "ip", "x", "vsys9"); !strings.Contains(got, "vsys9 is invalid vsys") {
		t.Error(got)
	}
	if got := newPeer(t, s).op("<request><system><external-list><refresh><type><ip><name>x</name></ip></type></refresh></external-list></system></request>"); !strings.Contains(got, "x is invalid name") {
		t.Error(got)
	}
}

func TestManyEntriesAreMatchedFast(t *testing.T) {
	l := newListServer(t, time.Time{})
	var body strings.Builder
	for i := range 50_000 {
		body.WriteString(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}).String() + "\n")
	}
	l.set(200, body.String())
	s := listSim(t, l, Options{})
	began := time.Now()
	for i := range 256 {
		want := "block" // 50,000 addresses end at 203.0.195.79
		if i > 195 {
			want = "rest"
		}
		if got := ruleFor(s, netip.AddrFrom4([4]byte{203, 0, byte(i), 7}).String()); got != want {
			t.Errorf("203.0.%d.7 meets %s", i, got)
		}
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("256 packets took %v", d)
	}
}

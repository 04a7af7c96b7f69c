package web

import (
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"activedefense/store"
)

// log puts a record into the store.
func (s *stage) log(r store.Record) {
	s.t.Helper()
	if _, err := s.store.Commit(s.t.Context(), &store.Batch{Records: []store.Record{r}}); err != nil {
		s.t.Fatal(err)
	}
}

// A step is a form that is sent, and what the page says then.
type step struct {
	path   string
	fields []string
	status int
	says   string
}

// do takes steps, one after the other.
func (v *visitor) do(steps ...step) {
	v.s.t.Helper()
	for _, x := range steps {
		status, text := 0, ""
		if x.fields == nil {
			status, text = v.get(x.path)
		} else {
			status, text = v.post(x.path, x.fields...)
		}
		if status != x.status || !strings.Contains(plain(text), x.says) {
			v.s.t.Errorf("%s %v: %d instead of %d, and does not say %q: %s", x.path, x.fields, status, x.status, x.says, plain(text))
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// plain is what a page says, without its marks.
func plain(text string) string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(text, " ")), " "))
}

// An operator releases, accepts, blocks and allows, and the history has it with his name.
func TestAnOperatorDoesWhatTheCommandsDo(t *testing.T) {
	s := newStage(t, true)
	s.put("203.0.113.1/32", store.Blocked)
	s.put("203.0.113.2/32", store.Held)
	s.put("203.0.113.3/32", store.Blocked)
	s.put("2001:db8:1::/64", store.Blocked)
	v := s.signedIn("anna")
	v.do(
		step{"/ui/address/203.0.113.1", nil, 200, "203.0.113.1 is blocked"},
		step{"/ui/release", []string{"address", "203.0.113.1", "reason", "it is ours"}, 200, "It is released"},
		step{"/ui/address/203.0.113.1", nil, 200, "by anna: it is ours"},
		step{"/ui/release", []string{"address", "203.0.113.1"}, 404, "203.0.113.1 is not blocked, held or observed"},
		step{"/ui/address/203.0.113.2", nil, 200, "Why held it is a partner"},
		step{"/ui/accept", []string{"address", "203.0.113.2"}, 200, "203.0.113.2 is blocked"},
		step{"/ui/accept", []string{"address", "203.0.113.2"}, 409, "203.0.113.2 is blocked"},
		step{"/ui/address/203.0.113.2", nil, 200, "by detector, accepted by anna"},
		step{"/ui/blocked?q=203.0.113.2", nil, 200, "detector, accepted by anna LAB-FW-01"},
		step{"/ui/block", []string{"address", "203.0.113.9", "reason", ""}, 400, "reason is missing"},
		step{"/ui/block", []string{"address", "203.0.113.9", "reason", "seen elsewhere", "for", "soon"}, 400, `for "soon"`},
		step{"/ui/block", []string{"address", " 203.0.113.9 ", "reason", "seen elsewhere", "for", "24h"}, 200, "by anna"},
		step{"/ui/block", []string{"address", "10.1.2.3", "reason", "x"}, 422, "not blocked"},
		step{"/ui/allow", []string{"entry", "203.0.113.3", "reason", "a scanner of ours", "for", "7d"}, 200, "the blocks of it are lifted"},
		step{"/ui/allow", []string{"entry", "203.0.113.4", "for", "never"}, 400, `for "never": use a duration`},
		step{"/ui/allow", []string{"entry", "203.0.113.4"}, 200, "203.0.113.4 203.0.113.4 anna"},
		step{"/ui/disallow", []string{"entry", "203.0.113.4"}, 200, "It is off the allow-list"},
		step{"/ui/pause", []string{"for", "10m", "reason", "a test"}, 200, "Enforcement is paused"},
		step{"/ui/resume", []string{}, 200, "Enforcement goes on"},
		step{"/ui/release", []string{"address", "2001:db8:1::/64"}, 200, "2001:db8:1::/64 is not blocked now"},
		step{"/ui/history", nil, 200, "allow 203.0.113.3 anna a scanner of ours"},
		step{"/ui/history?address=203.0.113.1", nil, 200, "release 203.0.113.1 anna it is ours"},
		step{"/ui/nothing", nil, 404, "There is no page /ui/nothing"},
	)
	if _, text := s.signedIn("reader").get("/ui/address/203.0.113.2"); strings.Contains(text, "<form method=\"post\" action=\"/ui/release\"") {
		t.Error("a viewer has forms that he may not send")
	}
	if _, text := v.get("/ui/blocked?done=<script>"); strings.Contains(text, `class="done"`) {
		t.Error("an address has the page say something")
	}
}

// Many are released and accepted at once: those that were chosen, or all that a search finds, after their number was shown.
func TestManyAreDecidedAtOnce(t *testing.T) {
	s := newStage(t, true)
	for i := range 120 {
		s.put(fmt.Sprintf("203.0.113.%d/32", i+1), store.Blocked)
	}
	for i := range 3 {
		s.put(fmt.Sprintf("198.51.100.%d/32", i+1), store.Held)
	}
	standing := func(state store.State) (n int) {
		t.Helper()
		if err := s.store.Entries(t.Context(), store.EntryFilter{States: []store.State{state}}, func(*store.Entry) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	v := s.signedIn("anna")
	many := func(status int, says string, addresses []string, fields ...string) string {
		t.Helper()
		form := url.Values{"csrf": {v.csrf}, "address": addresses}
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		got, text := v.ask("POST", "/ui/many", form)
		if got != status || !strings.Contains(plain(text), says) {
			t.Errorf("%v: %d instead of %d, and does not say %q: %s", fields, got, status, says, plain(text))
		}
		return text
	}
	two := []string{"203.0.113.1", "203.0.113.2"}
	v.do(step{"/ui/blocked", nil, 200, "Release the chosen"}, step{"/ui/blocked?state=held", nil, 200, "Accept all that is found"})
	text := many(200, "Release 2 entries?", two, "do", "release")
	if !strings.Contains(text, `name="address" value="203.0.113.2"`) || standing(store.Blocked) != 120 {
		t.Errorf("it is not asked first: %s", plain(text))
	}
	many(200, "It is another number now: it was 3", two, "do", "release", "sure", "3")
	many(200, "Released: 2 of 2 entries", two, "do", "release", "sure", "2", "reason", "they are ours")
	many(200, "Released: 1 of 2 entries. 1 entry had ended already", []string{"203.0.113.1", "203.0.113.3"}, "do", "release", "sure", "2")
	text = many(200, "Release 117 entries?", nil, "do", "release-all", "q", "203.0.113.0/24")
	if !strings.Contains(plain(text), "and 17 more") {
		t.Errorf("not so many are named: %s", plain(text))
	}
	many(200, "Released: 117 of 117 entries", nil, "do", "release-all", "q", "203.0.113.0/24", "sure", "117")
	many(200, "Accept 3 entries: block what is held?", nil, "do", "accept-all", "state", "all")
	many(200, "Blocked now: 1 of 2 entries. 203.0.113.9 is not on the blacklist", []string{"198.51.100.1", "203.0.113.9"}, "do", "accept", "sure", "2")
	many(200, "Blocked now: 2 of 2 entries", nil, "do", "accept-all", "state", "held", "sure", "2")
	many(400, "no entry is chosen", nil, "do", "accept-all", "state", "held")
	many(400, "no entry is chosen", nil, "do", "release")
	many(400, `do "away"`, two, "do", "away")
	many(400, "neither an address", []string{"x"}, "do", "release", "sure", "1")
	if blocked, held := standing(store.Blocked), standing(store.Held); blocked != 3 || held != 0 {
		t.Errorf("%d are blocked, and %d held", blocked, held)
	}
	v.do(step{"/ui/history?address=203.0.113.2", nil, 200, "release 203.0.113.2 anna they are ours"}, step{"/ui/history?address=198.51.100.2", nil, 200, "accept 198.51.100.2 anna"})
	if _, text := s.signedIn("reader").get("/ui/blocked"); strings.Contains(text, "checkbox") {
		t.Error("a viewer may choose")
	}
}

// The log lines of the blocks before are there, whoever made the present one.
func TestTheLinesOfEarlierBlocksAreThere(t *testing.T) {
	s := newStage(t, true)
	s.put("203.0.113.1/32", store.Blocked, func(b *store.Block) {
		b.Evidence = []store.Evidence{{Time: b.BlockedAt, Device: "LAB-FW-01", Line: "the line that led to it"}}
	})
	s.signedIn("anna").do(
		step{"/ui/address/203.0.113.1", nil, 200, "Log lines that led to it"},
		step{"/ui/release", []string{"address", "203.0.113.1"}, 200, "the line that led to it"},
		step{"/ui/block", []string{"address", "203.0.113.1", "reason", "again"}, 200, "None are kept. Log lines that led to that of"},
		step{"/ui/address/203.0.113.1", nil, 200, "before it, rule port-scan"},
		step{"/ui/address/203.0.113.1", nil, 200, "LAB-FW-01 the line that led to it"},
	)
}

// The list is searched, by state too, and given page by page.
func TestTheListIsSearchedAndPaged(t *testing.T) {
	s := newStage(t, false)
	for i := range pageSize + 20 {
		s.put(fmt.Sprintf("203.0.%d.%d/32", 113+i/100, i%100), store.Blocked)
	}
	s.put("198.51.100.99/32", store.Observed, func(b *store.Block) { b.Rule = "probe" })
	v := s.visitor()
	rows := func(path string) int {
		_, text := v.get(path)
		return strings.Count(text, `<th scope="row"`)
	}
	for path, want := range map[string]int{
		"/ui/blocked": pageSize, "/ui/blocked?page=2": 20, "/ui/blocked?page=3": 0, "/ui/blocked?page=-1": pageSize,
		"/ui/blocked?q=203.0.113.7": 1, "/ui/blocked?q=203.0.114.0/24": 20, "/ui/blocked?state=observed": 1, "/ui/blocked?state=all&rule=probe": 1, "/ui/blocked?rule=probe": 0,
	} {
		if got := rows(path); got != want {
			t.Errorf("%s has %d entries instead of %d", path, got, want)
		}
	}
	for path, want := range map[string]int{"/ui/history": pageSize, "/ui/history?page=2": 21, "/ui/history?page=3": 0, "/ui/history?address=203.0.113.7": 1} {
		if _, text := v.get(path); strings.Count(text, `<td data-label="Of"`) != want {
			t.Errorf("%s has not %d changes: %s", path, want, plain(text))
		}
	}
	v.do(step{"/ui/history?page=2", nil, 200, "203.0.113.0 detector"}, step{"/ui/history?page=2", nil, 200, "Newer Page 2"}, step{"/ui/history?page=3", nil, 200, "There are no older changes"})
	if _, text := v.get("/ui/blocked?q=203.0&state=all"); !strings.Contains(text, `href="/ui/blocked?page=2&amp;q=203.0&amp;state=all" rel="next"`) {
		t.Error("the next page forgets the search")
	}
	v.do(step{"/ui/blocked?state=gone", nil, 400, `state "gone"`}, step{"/ui/blocked?q=nobody", nil, 200, "Nothing is found for nobody"})
}

// Records are searched by every field, and each has a page that shows all of it.
func TestRecordsAreSearched(t *testing.T) {
	s := newStage(t, true)
	at := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	s.log(store.Record{Time: at, Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.66"), SrcPort: 40000, SrcUser: "corp\\anna", SrcCountry: "Netherlands", Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 22,
		DstCountry: "Australia", Action: "deny", Rule: "last", RuleID: "321ef4bf", ThreatName: "SSH guess", ThreatID: "40015", Severity: "high", Subtype: "vulnerability", Type: "THREAT",
		Application: "ssh", FromZone: "internet", ToZone: "dmz", SessionEndReason: "policy-deny", Outcome: store.Refused, Grade: store.Proven})
	s.log(store.Record{Time: at.Add(time.Second), Src: netip.MustParseAddr("203.0.113.67"), Dst: netip.MustParseAddr("198.51.100.7"), Type: "TRAFFIC"})
	v := s.signedIn("anna")
	for name, values := range map[string][2]string{
		"since": {"2h", "1m"}, "until": {"1m", "2d"}, "src": {"203.0.113.66, 192.0.2.1", "192.0.2.1"}, "src_port": {"39999-40001", "1"}, "dst": {"198.51.100.0/24", "192.0.2.0/24"}, "dst_port": {"22,23", "23"},
		"user": {`*anna`, "berta"}, "action": {"deny", "allow"}, "severity": {"high", "low"}, "device": {"LAB-FW-01", "LAB-FW-02"}, "type": {"threat", "system"}, "subtype": {"vulnerability", "url"},
		"rule": {"last", "first"}, "threat_id": {"40015", "1"}, "application": {"ssh", "ssl"}, "zone": {"dmz", "lan"}, "src_country": {"Netherlands", "Norway"}, "dst_country": {"Australia", "Austria"},
		"end_reason": {"policy-deny", "aged-out"}, "outcome": {"refused", "answered"}, "grade": {"proven", "forgeable"},
	} {
		for i, value := range values {
			path := "/ui/records?src_port=40000&" + name + "=" + strings.NewReplacer(",", "%2C", " ", "%20", "/", "%2F", "*", "%2A").Replace(value)
			if name == "src_port" {
				path = "/ui/records?src_port=" + value
			}
			if name == "until" && i == 1 {
				path += "&since=3d"
			}
			status, text := v.get(path)
			if found := strings.Contains(text, "203.0.113.66</a>"); status != http.StatusOK || found != (i == 0) {
				t.Errorf("%s: %d, found %v", path, status, found)
			}
		}
	}
	_, text := v.get("/ui/records?since=2h")
	link := regexp.MustCompile(`/ui/record\?[^"]*40000[^"]*`).FindString(text)
	status, page := v.get(html.UnescapeString(link))
	said := plain(page)
	for _, want := range []string{"203.0.113.66", "port 40000", `User corp\anna`, "Source country Netherlands", "198.51.100.7", "port 22", "Destination country Australia", "Action deny", "rule last", "Rule id 321ef4bf",
		"Threat SSH guess", "Threat id 40015", "Severity high", "Subtype vulnerability", "Type THREAT", "Application ssh", "From zone internet", "To zone dmz", "Session end reason policy-deny", "Outcome refused",
		"Grade proven", "Firewall LAB-FW-01", "Log file not in the log", "Block 203.0.113.66 by hand", "Allow 203.0.113.66"} {
		if status != http.StatusOK || !strings.Contains(said, want) {
			t.Errorf("%s: the record does not say %q: %d %s", link, want, status, said)
		}
	}
	v.do(step{"/ui/record?time=2020-01-01T00:00:00Z&src=192.0.2.1", nil, 404, "There is no such record"}, step{"/ui/record?time=x", nil, 400, "names no record"},
		step{"/ui/records?src=x", nil, 400, "neither an address nor a network"}, step{"/ui/records?type=threat&action=denied", nil, 200, "has denied as action; there are deny"})
}

// What is not known is said to be so.
func TestTheUnknownIsSaid(t *testing.T) {
	s := newStage(t, false)
	s.say(map[string]any{"store": map[string]any{}, "blacklist": nil, "held": nil, "observed": nil, "ready": false, "not_ready": []string{"the list is not loaded yet"}, "firewalls": []any{map[string]any{"name": "LAB-FW-01", "state": "unknown"}},
		"inputs": []any{map[string]any{"path": "/var/log/Firewall/a.log"}}, "policies": []any{map[string]any{"firewall": "LAB-FW-01", "state": "unknown"}}})
	v := s.visitor()
	v.do(step{"/", nil, 200, "Not ready: the list is not loaded yet"}, step{"/", nil, 200, "Sources blocked unknown"}, step{"/", nil, 200, "Firewalls that answer 0 of 1"}, step{"/", nil, 200, "size unknown"},
		step{"/", nil, 200, "LAB-FW-01 unknown unknown unknown unknown"}, step{"/ui/firewalls", nil, 200, "Not looked at yet"}, step{"/ui/address/203.0.113.7", nil, 200, "no record of it is stored"},
		step{"/ui/address/203.0.113.7", nil, 200, "Country unknown"}, step{"/ui/address/x", nil, 400, "neither an address nor a network"})
}

// The country of an address is that of its newest record that has one; why it is unknown is said as it is.
func TestACountryIsThatOfTheNewestRecordThatHasOne(t *testing.T) {
	s := newStage(t, false)
	at := time.Now().Add(-time.Hour)
	for i, country := range []string{"Norway", "Netherlands", ""} {
		s.log(store.Record{Time: at.Add(time.Duration(i) * time.Second), Src: netip.MustParseAddr("203.0.113.66"), SrcCountry: country, Dst: netip.MustParseAddr("198.51.100.7"), Type: "TRAFFIC"})
	}
	b := &store.Batch{}
	for i := range 2 * countryOf {
		b.Records = append(b.Records, store.Record{Time: at.Add(time.Duration(i) * time.Second), Src: netip.MustParseAddr("203.0.113.67"), Type: "TRAFFIC"})
	}
	b.Records = append(b.Records, store.Record{Time: at, Src: netip.MustParseAddr("203.0.113.68"), Type: "TRAFFIC"})
	if _, err := s.store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.visitor().do(step{"/ui/address/203.0.113.66", nil, 200, "Country Netherlands, as its newest record that has one says"},
		step{"/ui/address/203.0.113.67", nil, 200, "Country unknown: none of its newest 100 records has one"},
		step{"/ui/address/203.0.113.68", nil, 200, "Country unknown: none of its records of the last 30 days has one"},
		step{"/ui/address/203.0.113.69", nil, 200, "Country unknown: there is no record of it of the last 30 days"})
}

// A form that is refused for what it says is there as it was sent, to be mended, with the way back; one that would be refused again is not.
func TestARefusedFormCanBeMended(t *testing.T) {
	s := newStage(t, true)
	v := s.signedIn("anna")
	v.get("/ui/address/203.0.113.9")
	send := func(v *visitor, path, reason, length, from string) (int, string) {
		return v.ask("POST", path, url.Values{"csrf": {v.csrf}, "address": {"203.0.113.9"}, "reason": {reason}, "for": {length}}, "Referer", from)
	}
	status, text := send(v, "/ui/block", `seen "elsewhere"`, "1x", s.url+"/ui/address/203.0.113.9?done=released")
	for _, want := range []string{`<form method="post" action="/ui/block" class="stack">`, `name="address" value="203.0.113.9"`, `name="reason" value="seen &#34;elsewhere&#34;"`, `name="for" value="1x"`, `<a href="/ui/address/203.0.113.9">go back</a>`} {
		if status != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%d: the page has no %s:\n%s", status, want, text)
		}
	}
	if status, text := send(v, "/ui/block", "seen elsewhere", "1h", ""); status != http.StatusOK || !strings.Contains(text, "203.0.113.9 is blocked") && !strings.Contains(plain(text), "203.0.113.9 is blocked") {
		t.Errorf("mended, it is answered %d %s", status, plain(text))
	}
	if status, text := send(v, "/ui/accept", "", "", "https://evil.example/ui/blocked"); status != http.StatusConflict || strings.Contains(text, "Send it again") || strings.Contains(text, "go back") {
		t.Errorf("what would be refused again: %d %s", status, text)
	}
}

// Of an entry that was held, and is blocked now, is said that it was held before.
func TestAnAcceptedEntryWasHeldBefore(t *testing.T) {
	s := newStage(t, true)
	s.put("203.0.113.2/32", store.Held)
	v := s.signedIn("anna")
	v.do(step{"/ui/blocked?state=held", nil, 200, "Held: it is a partner"}, step{"/ui/address/203.0.113.2", nil, 200, "203.0.113.2: held , rule port-scan"},
		step{"/ui/accept", []string{"address", "203.0.113.2"}, 200, "203.0.113.2 is blocked"}, step{"/ui/blocked", nil, 200, "Held before: it is a partner"})
}

// What is held needs a person, whether there are troubles or not.
func TestWhatIsHeldNeedsAPerson(t *testing.T) {
	s := newStage(t, false)
	for _, c := range []struct {
		held any
		want string
	}{{0, "Nothing needs a person."}, {2, "Held for a decision: 2"}, {nil, "Whether anything is held for a decision is not."}} {
		s.say(map[string]any{"held": c.held})
		_, text := s.visitor().get("/")
		if said := plain(text); !strings.Contains(said, c.want) || strings.Contains(said, "Nothing needs a person") != (c.held == 0) {
			t.Errorf("of %v held it says %s", c.held, said)
		}
	}
}

// While enforcement is paused, what can be done is to resume it.
func TestAPauseCanBeEnded(t *testing.T) {
	s := newStage(t, true)
	s.say(map[string]any{"paused": map[string]any{"since": time.Now(), "until": time.Now().Add(time.Hour), "by": "anna", "reason": "a test"}})
	if _, text := s.signedIn("anna").get("/"); !strings.Contains(text, "Resume enforcement") || strings.Contains(text, "/ui/pause") {
		t.Errorf("the page is %s", plain(text))
	}
	s.say(nil)
	if _, text := s.signedIn("anna").get("/"); strings.Contains(text, "Resume enforcement") || !strings.Contains(text, "/ui/pause") {
		t.Errorf("without a pause, the page is %s", plain(text))
	}
}

// Troubles come first, with their remedies, and so do the checks that a person should see to.
func TestTroublesComeFirst(t *testing.T) {
	s := newStage(t, false)
	s.say(map[string]any{"troubles": []any{map[string]any{"since": time.Now(), "what": "firewall-down: LAB-FW-01 does not answer", "remedy": "Look at its management interface."}},
		"policies": []any{map[string]any{"firewall": "LAB-FW-01", "state": "fail", "since": time.Now(), "at": time.Now(), "checks": []any{
			map[string]any{"firewall": "LAB-FW-01", "check": "api", "result": "pass", "detail": "it answers"}, map[string]any{"firewall": "LAB-FW-01", "check": "licence", "result": "warn", "detail": "ends soon", "remedy": "Renew it."},
			map[string]any{"firewall": "LAB-FW-01", "check": "rule", "result": "fail", "detail": "no rule drops", "remedy": "Run provision."}}}}})
	v := s.visitor()
	_, text := v.get("/")
	if at, newest := strings.Index(text, "LAB-FW-01 does not answer"), strings.Index(text, "h-numbers"); at < 0 || at > newest || !strings.Contains(plain(text), "Look at its management interface.") {
		t.Errorf("a trouble does not come first: %s", plain(text))
	}
	_, text = v.get("/ui/firewalls")
	if fail, warn := strings.Index(text, "Run provision."), strings.Index(text, "Renew it."); fail < 0 || warn < fail || strings.Contains(text, "it answers") || !strings.Contains(text, "Passed: 1") {
		t.Errorf("the checks are %s", plain(text))
	}
}

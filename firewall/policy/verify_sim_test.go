package policy

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// simulated is a device file on a simulated firewall.
type simulated struct {
	sim    *panosim.Sim
	device *xmlapi.Device
	want   Expectation
}

// simulate starts a firewall with the running configuration of a device file and what it has registered. Change may
// alter the text before.
func simulate(t *testing.T, text string, o panosim.Options) simulated {
	t.Helper()
	doc, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, info := readDevice(doc), doc.At("answers", "info")
	config := doc.At("answers", "running", "config")
	o.Config, o.Model, o.Serial, o.Version = config.XML(), info.Attr("model"), info.Attr("serial"), info.Attr("version")
	o.Threats = info.Attr("threat-version")
	for _, vsys := range config.Child("devices").FirstEntry().Child("vsys").Entries() {
		o.VSys = append(o.VSys, vsys.Attr("name"))
	}
	o.Now = func() time.Time { return d.want.Now }
	sim, err := panosim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	for _, g := range doc.At("answers", "members", "result", "dyn-addr-grp").Entries() {
		for _, m := range g.Child("member-list").Entries() {
			p, _ := firewall.ParseAddress(m.Attr("name"))
			if err := sim.Addresses().Register(d.facts.VSys, p, strings.Trim(g.Value("filter"), "'"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	device, err := xmlapi.Open(xmlapi.Options{Name: "LAB-FW-01", URL: sim.URL(), VSys: d.facts.VSys, APIKey: sim.Key(), CA: sim.CA(), Now: o.Now, RetryWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	return simulated{sim, device, d.want}
}

// verify asks and judges.
func (s simulated) verify(ctx context.Context) []Check {
	return Verify(ReadFacts(ctx, s.device, s.want), s.want)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(verifyDir, name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overTheWire are the checks for which a simulated firewall gives what a device file says. The others need a served
// list, a commit, or a role, and have tests of their own.
var overTheWire = []string{
	CheckBlockSource, CheckBlockRule, CheckBlockPosition, CheckBlockLogs, CheckSensor, CheckForwarding, CheckFormat, CheckInternetRules, CheckMembers, CheckPeers,
}

// What the device files say of the running configuration is also found when a firewall is asked for it.
func TestFactsOfDeviceFiles(t *testing.T) {
	asked := 0
	for _, c := range verifyCases() {
		text := readFile(t, c.name)
		switch {
		case strings.Contains(text, " refused="), // not the simulator's way to refuse
			!strings.Contains(text, "<pushed-template><result/>"),          // templates are not simulated
			strings.Count(text, "No shared policy pushed to device") < 2,   // has a test of its own
			c.name == "members-no-group" || c.name == "members-other-vsys": // the simulator tells the truth about groups
			continue
		}
		asked++
		t.Run(c.name, func(t *testing.T) {
			s := simulate(t, text, panosim.Options{Dialect: dialect.Dialect{Groups: dialect.GroupsAll}, MaxRegistered: 100_000})
			for _, check := range s.verify(t.Context()) {
				listed := strings.HasPrefix(c.name, "list-") || strings.HasPrefix(c.name, "peers-listed") // by what a server serves
				if !slices.Contains(overTheWire, check.Check) || listed && check.Check == CheckPeers {
					continue
				}
				want := expected{check.Check, ResultPass, ""}
				for _, e := range c.expect {
					if e.check == check.Check {
						want = e
					}
				}
				if check.Result != want.result || !strings.Contains(check.Detail, want.detail) {
					t.Errorf("%s: %s (%s), want %s with %q", check.Check, check.Result, check.Detail, want.result, want.detail)
				}
			}
		})
	}
	if asked < 90 {
		t.Errorf("%d device files were asked for", asked)
	}
}

// agentList serves a list over TLS, as we do.
func agentList(t *testing.T, lines string) (url string, authority []byte) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, lines) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL + "/files/blacklist.txt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// served is the base file with a list that is really served, and fetched.
func served(t *testing.T, lines string, o panosim.Options) simulated {
	t.Helper()
	return servedFile(t, "base", lines, o)
}

func servedFile(t *testing.T, name, lines string, o panosim.Options) simulated {
	t.Helper()
	url, authority := agentList(t, lines)
	base := readFile(t, name)
	ours := strings.TrimSpace(base[strings.Index(base, "<ca>")+len("<ca>") : strings.Index(base, "</ca>")])
	base = strings.ReplaceAll(base, ours, strings.TrimSpace(string(authority)))
	s := simulate(t, strings.ReplaceAll(base, "https://agent.example.com:8443/files/blacklist.txt", url), o)
	s.sim.Lists().Fetch()
	return s
}

const allListed = "203.0.113.66\n198.51.100.0/24\n2001:db8::66\n"

// leastRole is what README asks for in dynamic-tag mode.
var leastRole = []panosim.Right{panosim.RightOperation, panosim.RightUserID}

// Everything passes on a firewall that is as it shall be, asked by an administrator with the least role, whatever
// dialect it speaks; and it is as it was.
func TestFactsInEveryDialect(t *testing.T) {
	for _, dialect := range everyDialect() {
		t.Run(dialect.String(), func(t *testing.T) {
			s := served(t, allListed, panosim.Options{Dialect: dialect})
			s.sim.Config().SetRole("admin", leastRole...)
			s.sim.Lists().Fetch()
			running, registered := s.sim.Config().Running(), s.sim.Addresses().Registered("vsys1")
			for _, c := range s.verify(t.Context()) {
				if c.Result != ResultPass {
					t.Errorf("%s: %s: %s", c.Check, c.Result, c.Detail)
				}
			}
			if s.sim.Config().Running() != running || s.sim.Config().Pending("") != 0 || len(s.sim.Addresses().Registered("vsys1")) != len(registered) {
				t.Error("asking has changed something")
			}
		})
	}
}

func result(checks []Check, name string) Check { return checks[slices.Index(checkNames, name)] }

// only judges that one check has the result and every other passes.
func only(t *testing.T, checks []Check, name, want, detail string) {
	t.Helper()
	for _, c := range checks {
		switch {
		case c.Check == name && (c.Result != want || !strings.Contains(c.Detail, detail)):
			t.Errorf("%s: %s (%s), want %s with %q", c.Check, c.Result, c.Detail, want, detail)
		case c.Check != name && c.Result != ResultPass:
			t.Errorf("%s: %s: %s", c.Check, c.Result, c.Detail)
		}
	}
}

func TestFactsRights(t *testing.T) {
	s := served(t, allListed, panosim.Options{})
	only(t, s.verify(t.Context()), CheckRole, ResultWarn, "superuser")
	s.sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightConfiguration)
	s.sim.Lists().Fetch()
	only(t, s.verify(t.Context()), CheckRole, ResultFail, "User-ID")
	s.sim.Config().SetRole("admin", leastRole...)
	s.want.MayProvision = true
	only(t, s.verify(t.Context()), CheckRole, ResultFail, "no permission to read and write the configuration")
	s.want.MayProvision = false
	s.sim.Config().SetRole("admin", panosim.RightUserID)
	checks := s.verify(t.Context())
	if c := result(checks, CheckAPI); c.Result != ResultFail || !strings.Contains(c.Remedy, "Operational Requests") {
		t.Errorf("without operational commands: %+v", c)
	}
	if c := result(checks, CheckBlockRule); c.Result != ResultWarn || !strings.Contains(c.Detail, "could not be checked") {
		t.Errorf("without operational commands: %+v", c)
	}
}

func TestFactsOfCandidate(t *testing.T) {
	s := served(t, allListed, panosim.Options{})
	s.sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightUserID, panosim.RightConfiguration)
	s.sim.Lists().Fetch()
	vsys := xmlapi.VSysPath("vsys1")
	edit := func(action, path, content string) {
		t.Helper()
		if err := s.sim.Config().Edit("somebody", action, vsys+path, content); err != nil {
			t.Fatal(err)
		}
	}
	edit("set", "/address/entry[@name='web-server']", "<ip-netmask>192.0.2.81</ip-netmask>")
	only(t, s.verify(t.Context()), CheckCommitted, ResultPass, "none of them to our objects")
	s.sim.Config().SetRole("admin", leastRole...) // which may not read it
	if c := result(s.verify(t.Context()), CheckCommitted); c.Result != ResultWarn || c.Detail != "there are uncommitted changes; whether any is to our objects could not be checked without the right to the configuration" {
		t.Errorf("with the role of the mode: %+v", c)
	}
	s.sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightUserID, panosim.RightConfiguration)
	edit("set", "/rulebase/security/rules/entry[@name='active-defense-block']", "<disabled>yes</disabled>")
	only(t, s.verify(t.Context()), CheckCommitted, ResultWarn, `security rule "active-defense-block" was changed`)
	if err := s.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	s.sim.Lists().Fetch()
	checks := s.verify(t.Context())
	if c := result(checks, CheckCommitted); c.Result != ResultPass {
		t.Errorf("after the commit: %+v", c)
	}
	if c := result(checks, CheckBlockRule); c.Result != ResultFail || !strings.Contains(c.Detail, "is disabled") {
		t.Errorf("after the commit: %+v", c)
	}
}

func TestFactsOfLists(t *testing.T) {
	s := served(t, "203.0.113.66\n198.51.100.0/24\n", panosim.Options{})
	s.sim.Config().SetRole("admin", leastRole...)
	s.sim.Lists().Fetch()
	only(t, s.verify(t.Context()), CheckList, ResultFail, "2001:db8::66")
	s.want.Mode = firewall.ModeList
	only(t, s.verify(t.Context()), CheckList, ResultFail, "2001:db8::66")
	s.want.CertificateEnds = s.want.Now.Add(24 * time.Hour)
	only(t, s.verify(t.Context()), CheckList, ResultFail, "2026-03-02")
}

// Another device of the connection that chooses its own virtual system waits until what was asked about the list is
// answered.
func TestFactsOfListsInOneVirtualSystemOfTwo(t *testing.T) {
	s := servedFile(t, "vsys2", allListed, panosim.Options{Dialect: dialect.Dialect{ListTarget: dialect.ListTargetSetting}})
	s.sim.Config().SetRole("admin", leastRole...)
	s.sim.Lists().Fetch()
	other, err := s.device.Sibling(xmlapi.Options{Name: "LAB-FW-01-vsys1", VSys: "vsys1"})
	if err == nil {
		err = other.Identify(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	s.device, err = s.device.Sibling(xmlapi.Options{Name: "LAB-FW-01", VSys: "vsys2", OnCall: func(kind string, _ time.Duration, _ error) {
		if kind != firewall.CallList {
			return
		}
		calls++
		// Where it need not wait, it chooses at once.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := other.InVSys(ctx, "another's choice", func() error { return nil }); err != nil && xmlapi.Kind(err) != xmlapi.KindTimeout {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if only(t, s.verify(t.Context()), "", "", ""); calls != 2 {
		t.Errorf("%d calls about lists, want the choice and the question", calls)
	}
}

// A firewall that fetched the list while it was empty holds the one line it was served as, until it fetches again.
func TestFactsOfAListThatWasEmpty(t *testing.T) {
	s := served(t, allListed+"192.0.2.255\n", panosim.Options{})
	s.sim.Config().SetRole("admin", leastRole...)
	s.sim.Lists().Fetch()
	s.want.EmptyEntry = netip.MustParseAddr("192.0.2.255")
	only(t, s.verify(t.Context()), "", "", "")
	s.want.EmptyEntry = netip.MustParseAddr("192.0.2.254")
	only(t, s.verify(t.Context()), CheckList, ResultWarn, "192.0.2.255")
}

// A firewall that breaks off, hangs or talks nonsense costs checks, not the program; and nothing is reported as fine
// that was not seen.
func TestFactsOfBrokenFirewalls(t *testing.T) {
	for _, effect := range []panosim.Effect{panosim.Garbage, panosim.Reset, panosim.Empty, panosim.Truncate, panosim.SessionTimeout, panosim.Flood} {
		s := served(t, allListed, panosim.Options{})
		s.sim.SetFault(panosim.Fault{Effect: effect})
		for i, c := range s.verify(t.Context()) {
			if want := map[bool]string{true: ResultFail, false: ResultWarn}[i == 0]; c.Result != want {
				t.Errorf("effect %v: %s: %s (%s), want %s", effect, c.Check, c.Result, c.Detail, want)
			}
		}
	}
}

// The same through a Panorama, whose pushed rules stand where only the firewall shows them.
func TestFactsThroughPanorama(t *testing.T) {
	for _, systems := range []string{"", `<entry name="vsys2"><zone><entry name="outside"/></zone></entry>`} {
		for _, folded := range []dialect.PushedRules{dialect.PushedRulesApart, dialect.PushedRulesFolded} {
			text := readFile(t, "base")
			block, end := ruleAt(t, text, "active-defense-block")
			rule := strings.TrimSpace(text[block:end])
			text = text[:block] + text[end:]
			text = strings.Replace(text, "</vsys>\n          </entry>\n        </devices>", systems+"</vsys>\n          </entry>\n        </devices>", 1)
			s := simulate(t, text, panosim.Options{Dialect: dialect.Dialect{PushedRules: folded}})
			pre := func(rules string) string {
				return "<pre-rulebase><security><rules>" + rules + "</rules></security></pre-rulebase>"
			}
			config := `<config><shared>` + pre(`<entry name="hq">`+web("untrust", "dmz", "any")+`</entry>`) + `</shared><devices><entry name="localhost.localdomain"><device-group>` +
				`<entry name="branches"><devices><entry name="012801000001"/></devices>` + pre(rule) + `</entry></device-group></entry></devices></config>`
			panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Options: panosim.Options{Config: config}, Managed: []*panosim.Sim{s.sim}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(panorama.Close)
			device, err := xmlapi.Open(xmlapi.Options{Name: "LAB-FW-01", URL: panorama.URL(), Target: "012801000001", APIKey: panorama.Key(), CA: panorama.CA()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(device.Close)
			s.device = device
			if c := result(s.verify(t.Context()), CheckBlockRule); c.Result != ResultFail {
				t.Errorf("before the push: %+v", c)
			}
			if err := panorama.Push("branches"); err != nil {
				t.Fatal(err)
			}
			checks := s.verify(t.Context())
			if c := result(checks, CheckBlockRule); c.Result != ResultPass || !strings.Contains(c.Detail, "device group branches") {
				t.Errorf("after the push: %+v", c)
			}
			if c := result(checks, CheckBlockPosition); c.Result != ResultFail || strings.Count(c.Detail, `"hq" (pushed by Panorama, Shared)`) != 1 {
				t.Errorf("a shared pre-rule above: %+v", c)
			}
		}
	}
}

// A serial number that a Panorama does not manage is a matter of target.
func TestAFirewallThatPanoramaDoesNotManage(t *testing.T) {
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	device, err := xmlapi.Open(xmlapi.Options{Name: "LAB-FW-01", URL: panorama.URL(), Target: "009", APIKey: panorama.Key(), CA: panorama.CA()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	want := Expectation{Mode: firewall.ModeTag, Names: firewall.NamesFor(tag)}
	if c := result(Verify(ReadFacts(t.Context(), device, want), want), CheckAPI); c.Result != ResultFail || !strings.Contains(c.Detail, "is not a managed device") ||
		!strings.Contains(c.Remedy, "Set target of this firewall to its serial number") {
		t.Errorf("%+v", c)
	}
}

func TestFactsUnknownVSys(t *testing.T) {
	s := simulate(t, readFile(t, "base"), panosim.Options{})
	d, err := s.device.Sibling(xmlapi.Options{Name: "LAB-FW-01-vsys9", VSys: "vsys9"})
	if err != nil {
		t.Fatal(err)
	}
	checks := Verify(ReadFacts(t.Context(), d, s.want), s.want)
	if c := result(checks, CheckAPI); c.Result != ResultFail || !strings.Contains(c.Detail, "vsys9") || c.Firewall != "LAB-FW-01-vsys9" {
		t.Errorf("%+v", c)
	}
}

// A passive member that takes no tags is not found to lack any, nor the right to be sent them.
func TestFactsOfAPassiveMember(t *testing.T) {
	s := simulate(t, readFile(t, "base"), panosim.Options{Dialect: dialect.Dialect{PassiveTags: dialect.PassiveTagsRefused, Groups: dialect.GroupsAll}})
	s.sim.Config().SetRole("admin", leastRole...)
	s.want.Entries = append(s.want.Entries, firewall.Entry{Prefix: netip.MustParsePrefix("203.0.113.200/32")})
	if c := result(s.verify(t.Context()), CheckMembers); c.Result != ResultFail {
		t.Fatalf("alone: %+v", c)
	}
	active, err := panosim.Start(panosim.Options{Serial: "012801000002"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(active.Close)
	active.Config().SetRole("admin", leastRole...)
	panosim.Pair(active, s.sim, panosim.PairOptions{})
	checks := s.verify(t.Context())
	if c := result(checks, CheckMembers); c.Result != ResultPass || !strings.Contains(c.Detail, "does not accept tags") {
		t.Errorf("passive: %+v", c)
	}
	if c := result(checks, CheckRole); c.Result != ResultPass {
		t.Errorf("passive: %+v", c)
	}
}

// What the firewall holds for others counts, however it tells their number.
func TestFactsOfCapacity(t *testing.T) {
	for counting, detail := range map[dialect.Counting]string{
		dialect.CountingRefused: "could not be counted", dialect.CountingText: "6 of 200000 registered addresses", dialect.CountingElement: "6 of 200000 registered addresses"} {
		s := simulate(t, readFile(t, "base"), panosim.Options{Dialect: dialect.Dialect{Counting: counting}})
		for _, address := range []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"} {
			if err := s.sim.Addresses().Register("vsys1", netip.MustParsePrefix(address), "theirs", 0); err != nil {
				t.Fatal(err)
			}
		}
		if c := result(s.verify(t.Context()), CheckCapacity); c.Result != ResultPass || !strings.Contains(c.Detail, detail) {
			t.Errorf("%v: %+v", counting, c)
		}
	}
}

// No key and no password stands in what the checks say.
func TestFactsKeepSecrets(t *testing.T) {
	s := simulate(t, readFile(t, "base"), panosim.Options{})
	s.sim.SetFault(panosim.Fault{Effect: panosim.Garbage})
	for _, c := range s.verify(t.Context()) {
		if strings.Contains(c.Detail+c.Remedy, s.sim.Key()) {
			t.Errorf("%s holds the key", c.Check)
		}
	}
}

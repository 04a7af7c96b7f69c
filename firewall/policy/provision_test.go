package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	simulator "activedefense/firewall/panosim/traffic"
	"activedefense/firewall/xmlapi"
)

const (
	customFormat = "SrcIP=$src; DstIP=$dst; Type=$type;"
	gpFormat     = "Type=$type; SrcIP=$public_ip; SrcUser=$srcuser;"
	systemFormat = "Type=$type; Event=$eventid; Description=$opaque;"
)

// provisionLab is a simulated firewall that can fetch a list, and a device of ours that looks after it.
type provisionLab struct {
	t      *testing.T
	clock  *clock
	sim    *panosim.Sim
	device *xmlapi.Device
	opts   xmlapi.Options
	want   Expectation
}

func newProvisionLab(t *testing.T, mode string, sim func(*panosim.Options)) *provisionLab {
	t.Helper()
	url, authority := agentList(t, "192.0.2.255\n")
	l := &provisionLab{t: t, clock: newClock()}
	o := panosim.Options{Now: l.clock.Now, MaxRegistered: 200_000, Admin: "svc-activedefense"}
	if sim != nil {
		sim(&o)
	}
	var err error
	if l.sim, err = panosim.Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sim.Close)
	l.opts = xmlapi.Options{
		Name: "LAB-FW-01", URL: l.sim.URL(), VSys: "vsys1", APIKey: l.sim.Key(), CA: l.sim.CA(), Now: l.clock.Now, Timeout: 10 * time.Second,
		RetryWait: time.Millisecond,
		Pause: func(ctx context.Context, d time.Duration) bool {
			l.clock.move(d)
			return ctx.Err() == nil
		},
	}
	l.restart()
	l.want = Expectation{
		Mode: mode, Names: firewall.NamesFor(tag), InternetZones: []string{"untrust"}, ListURL: url, SyslogAddress: "127.0.0.1:5514",
		Formats: Formats{Traffic: customFormat, Threat: customFormat, GlobalProtect: gpFormat, System: systemFormat, Default: true, Logins: true}, EmptyEntry: netip.MustParseAddr("192.0.2.255"),
		CA: authority, Now: l.clock.Now(),
	}
	return l
}

// restart gives a device that remembers nothing.
func (l *provisionLab) restart() {
	l.t.Helper()
	device, err := xmlapi.Open(l.opts)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(device.Close)
	l.device = device
}

func (l *provisionLab) plan() []Step {
	l.t.Helper()
	plan, err := Provision(l.t.Context(), l.device, l.want)
	if err != nil {
		l.t.Fatal(err)
	}
	return plan.Steps
}

func (l *provisionLab) apply(steps []Step, adopt bool) int {
	l.t.Helper()
	n, err := Take(l.t.Context(), l.device, steps, adopt)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *provisionLab) commit() {
	l.t.Helper()
	if _, err := Commit(l.t.Context(), l.device, l.want, ""); err != nil {
		l.t.Fatal(err)
	}
	l.sim.Lists().Fetch()
}

// fails gives the checks that do not pass, with what they found.
func (l *provisionLab) fails() []string {
	l.t.Helper()
	l.want.Now = l.clock.Now()
	var out []string
	for _, c := range Verify(ReadFacts(l.t.Context(), l.device, l.want), l.want) {
		if c.Result != ResultPass {
			out = append(out, c.Check+" "+c.Result+": "+c.Detail)
		}
	}
	return out
}

var modes = []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList}

// An empty firewall is made ready in every mode and dialect; then all checks pass, and nothing is left to do.
func TestProvisionAnEmptyFirewall(t *testing.T) {
	for _, mode := range modes {
		for _, o := range everyFirewall() {
			t.Run(mode+" "+o.Version+" "+o.Dialect.String(), func(t *testing.T) {
				l := newProvisionLab(t, mode, func(options *panosim.Options) { options.Dialect, options.Version = o.Dialect, o.Version })
				steps := l.plan()
				if n := l.apply(steps, false); n != len(steps) || n < 7 {
					t.Fatalf("took %d of %d steps: %v", n, len(steps), steps)
				}
				if again := l.plan(); len(again) != 0 {
					t.Fatalf("after applying, there is still to do: %v", again)
				}
				if running := l.sim.Config().Running(); strings.Contains(running, tag) {
					t.Fatal("applying has changed the running configuration")
				}
				l.commit()
				for _, f := range l.fails() {
					if !strings.HasPrefix(f, "api-role warn") { // the simulated administrator is a superuser
						t.Error(f)
					}
				}
				if again := l.plan(); len(again) != 0 {
					t.Errorf("after the commit, there is still to do: %v", again)
				}
			})
		}
	}
}

const rulesOfOthers = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">
<zone><entry name="untrust"/><entry name="dmz"/></zone>
<rulebase><security><rules>
<entry name="web"><from><member>untrust</member></from><to><member>dmz</member></to><source><member>any</member></source><destination><member>198.51.100.7</member></destination>
<application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>
<entry name="cleanup"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>
<application><member>any</member></application><service><member>any</member></service><action>deny</action></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`

// What others made is named, and changed only when it is adopted.
func TestProvisionLeavesOthersAloneUnlessAdopted(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	steps := l.plan()
	var foreign []string
	for _, s := range steps {
		if s.Foreign {
			foreign = append(foreign, s.Object)
		}
	}
	slices.Sort(foreign)
	if want := []string{`security rule "cleanup"`, `security rule "web"`}; !slices.Equal(foreign, want) {
		t.Fatalf("somebody else's: %v, want %v", foreign, want)
	}
	l.apply(steps, false)
	for _, name := range []string{"web", "cleanup"} {
		if rule := ruleOf(t, l.sim.Config().Candidate(), name); strings.Contains(rule, "log-setting") {
			t.Errorf("rule %s was changed without being adopted: %s", name, rule)
		}
	}
	left := l.plan()
	if len(left) != 2 || !left[0].Foreign || !left[1].Foreign {
		t.Fatalf("left to do: %v", left)
	}
	l.apply(left, true)
	l.commit()
	for _, f := range l.fails() {
		if !strings.HasPrefix(f, "api-role warn") && !strings.Contains(f, `"web" has no vulnerability protection`) {
			t.Error(f)
		}
	}
	if n := l.sim.Config().Pending("svc-activedefense"); n != 0 {
		t.Errorf("%d edits are not committed", n)
	}
}

// ruleOf gives the text of a rule in a configuration.
func ruleOf(t *testing.T, config, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(config, `<entry name="`+name+`"`)
	if !found {
		t.Fatalf("no rule %s", name)
	}
	rule, _, _ := strings.Cut(rest, "</action>")
	_, tail, _ := strings.Cut(rest, "</action>")
	tail, _, _ = strings.Cut(tail, "</entry>")
	return rule + tail
}

// A rule of ours that was moved, disabled or narrowed is fixed.
func TestProvisionFixesWhatIsOurs(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.apply(l.plan(), false)
	l.commit()
	const vsys1 = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
	const rules = vsys1 + "/rulebase/security/rules"
	for _, edit := range [][3]string{
		{"set", rules + "/entry[@name='" + tag + "-block']", "<disabled>yes</disabled>"},
		{"edit", vsys1 + "/rulebase/default-security-rules/rules/entry[@name='interzone-default']/log-end", "<log-end>no</log-end>"},
		{"set", rules, `<entry name="late"><from><member>untrust</member></from><to><member>trust</member></to><source><member>any</member></source><destination><member>198.51.100.7</member></destination>` +
			`<application><member>any</member></application><service><member>any</member></service><action>allow</action><log-setting>` + tag + `</log-setting></entry>`},
	} {
		if err := l.sim.Config().Edit("somebody", edit[0], edit[1], edit[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	if len(l.fails()) < 2 {
		t.Fatalf("not noticed: %v", l.fails())
	}
	l.apply(l.plan(), false)
	l.commit()
	for _, f := range l.fails() {
		if !strings.HasPrefix(f, "api-role warn") && !strings.Contains(f, `"late" has no vulnerability protection`) {
			t.Error(f)
		}
	}
}

func TestProvisionSaysWhatItCannotDo(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeList, nil)
	l.want.ListURL, l.want.SyslogAddress = "", ""
	var said []string
	for _, s := range l.plan() {
		if s.Action == ActionPerson {
			said = append(said, s.Detail)
		}
	}
	all := strings.Join(said, "\n")
	for _, key := range []string{"edl.url", "syslog_address"} {
		if !strings.Contains(all, key) {
			t.Errorf("%s is not asked for: %s", key, all)
		}
	}
	l.opts.VSys = "vsys9"
	l.restart()
	if _, err := Provision(t.Context(), l.device, l.want); err == nil || !strings.Contains(err.Error(), "vsys9") {
		t.Errorf("an unknown virtual system: %v", err)
	}
}

// Where the default format alone is read, none is written, and a custom one that stands is taken out.
func TestProvisionForTheDefaultFormat(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	custom := l.want.Formats
	l.want.Formats = Formats{Default: true}
	l.apply(l.plan(), false)
	if strings.Contains(l.sim.Config().Candidate(), "<traffic") {
		t.Error("a custom format was written that is not read")
	}
	l.want.Formats = custom
	l.want.Formats.Default = false
	l.apply(l.plan(), false)
	if !strings.Contains(l.sim.Config().Candidate(), "SrcIP=$src") {
		t.Fatal("the custom format was not written")
	}
	l.want.Formats = Formats{Default: true}
	l.apply(l.plan(), false)
	if strings.Contains(l.sim.Config().Candidate(), "<traffic") {
		t.Error("a custom format stands, which is not read")
	}
	if left := l.plan(); len(left) != 0 {
		t.Errorf("still to do: %v", left)
	}
}

// Provision names the zones that the firewall does not have, and makes rules for the others.
func TestProvisionNamesUnknownZones(t *testing.T) {
	for zones, rules := range map[string]bool{"wlan": false, "untrust wlan": true} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
			o.Config = `<config><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone><entry name="untrust"/><entry name="dmz"/></zone>` +
				`</entry></vsys></entry></devices></config>`
		})
		l.want.InternetZones = strings.Fields(zones)
		steps := l.plan()
		named := slices.ContainsFunc(steps, func(s Step) bool {
			return s.Action == ActionPerson && s.Object == "zones" && strings.Contains(s.Detail, `no zone "wlan"`) && strings.Contains(s.Detail, `"untrust", "dmz"`)
		})
		made := slices.ContainsFunc(steps, func(s Step) bool { return strings.HasPrefix(s.Object, "security rule") })
		if !named || made != rules {
			t.Errorf("internet zones %s: %v", zones, steps)
		}
	}
}

// What is collected for the next commit is no change that somebody forgot to commit.
func TestABatchIsNoForgottenEdit(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeGroup, nil)
	group, err := firewall.NewGroup(firewall.GroupOptions{Names: firewall.NamesFor(tag), CommitInterval: time.Minute}, l.device)
	if err != nil {
		t.Fatal(err)
	}
	var blocked []firewall.Entry
	for i, address := range []string{"203.0.113.1/32", "203.0.113.2/32"} {
		blocked = append(blocked, firewall.Entry{Prefix: netip.MustParsePrefix(address), Until: l.clock.Now().Add(24 * time.Hour)})
		r, err := group.Reconcile(t.Context(), blocked, false)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 && r.Waiting == 0 {
			t.Fatal("the second block did not wait for its commit")
		}
	}
	want := Expectation{Mode: firewall.ModeGroup, Names: firewall.NamesFor(tag), Now: l.clock.Now()}
	c := result(Verify(ReadFacts(t.Context(), l.device, want), want), CheckCommitted)
	if c.Result != ResultPass || !strings.Contains(c.Detail, "wait for the daemon's next commit") {
		t.Errorf("%+v", c)
	}
}

// servingFirewall serves GlobalProtect, IKE and BGP on the address by which its learned default route leaves, from a zone whose name
// says nothing. %s is more of the policy.
const servingFirewall = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><network>
<interface><ethernet><entry name="ethernet1/1"><layer3><ip><entry name="203.0.113.2/29"/></ip></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="10.1.0.1/16"/></ip></layer3></entry></ethernet></interface>
<virtual-router><entry name="edge"><interface><member>ethernet1/1</member><member>ethernet1/2</member></interface><protocol><bgp><enable>yes</enable></bgp></protocol></entry></virtual-router>
%s</network><vsys><entry name="vsys1"><zone><entry name="lan"><network><layer3><member>ethernet1/2</member></layer3></network></entry>
<entry name="provider"><network><layer3><member>ethernet1/1</member></layer3></network></entry><entry name="untrust"/></zone>
<rulebase>%s</rulebase></entry></vsys></entry></devices></config>`

const ikeOnIt = `<ike><gateway><entry name="branch"><local-address><interface>ethernet1/1</interface></local-address></entry></gateway></ike>`

// Whatever is asked for, and whoever overrides what, a plan that is carried out decides no flow otherwise, but for what is blocked; scans
// are logged to us, and what is blocked is dropped, at the firewall's own address, too.
func TestNoPlanCutsTraffic(t *testing.T) {
	deny := `<default-security-rules><rules><entry name="intrazone-default"><action>deny</action><log-end>no</log-end></entry></rules></default-security-rules>`
	for name, c := range map[string]struct{ sensor, network, rules, last string }{
		"as it comes":                     {SensorLog, ikeOnIt, "", "intrazone-default"},
		"dropping would cut IKE":          {SensorDrop, ikeOnIt, "", "intrazone-default"},
		"dropping would cut what is BGP":  {SensorDrop, "", "", "intrazone-default"},
		"dropping cuts nothing":           {SensorDrop, ikeOnIt, deny, "active-defense-sensor"},
		"an override here, to be adopted": {SensorLog, ikeOnIt, deny, "intrazone-default"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(servingFirewall, c.network, c.rules) })
			l.sim.Learn("edge", "ethernet1/1")
			l.want.InternetZones, l.want.Sensor = nil, c.sensor
			var flows []simulator.Packet
			for _, zones := range [][2]string{{"provider", "provider"}, {"provider", "lan"}, {"lan", "provider"}, {"lan", "lan"}, {"untrust", "lan"}, {"untrust", "untrust"}} {
				for _, port := range []uint16{22, 179, 443, 500} {
					flows = append(flows, simulator.Packet{From: zones[0], To: zones[1], Source: netip.MustParseAddr("198.51.100.9"), Destination: netip.MustParseAddr("203.0.113.2"), DestinationPort: port, Short: true})
				}
			}
			decide := func(p simulator.Packet) bool { return l.sim.Traffic().Packet(p).Allowed }
			var before []bool
			for _, p := range flows {
				before = append(before, decide(p))
			}
			l.apply(l.plan(), true)
			l.commit()
			for i, p := range flows {
				if after := decide(p); after != before[i] {
					t.Errorf("from %s to %s, port %d: allowed %v, and before %v", p.From, p.To, p.DestinationPort, after, before[i])
				}
			}
			if v := l.sim.Traffic().Packet(flows[0]); v.Rule != c.last || v.Lines == 0 {
				t.Errorf("a scan of the firewall's own address: %+v, want a line by %s", v, c.last)
			}
			for _, f := range l.fails() {
				if !strings.HasPrefix(f, "api-role warn") {
					t.Error(f)
				}
			}
			if left := l.plan(); len(left) != 0 {
				t.Errorf("still to do: %v", left)
			}
			if err := l.sim.Addresses().Register("vsys1", netip.MustParsePrefix("198.51.100.9/32"), tag, 0); err != nil {
				t.Fatal(err)
			}
			for _, p := range flows {
				if blocked := l.sim.Traffic().Packet(p).Rule == "active-defense-block"; blocked != (p.From == "provider") {
					t.Errorf("from %s to %s, port %d, of a blocked source: blocked %v", p.From, p.To, p.DestinationPort, blocked)
				}
			}
		})
	}
}

// sensor: drop makes its rule where nothing stands at the zone's interface that is not known to be harmless, and says what does, in the plan
// and of a rule that stands.
func TestTheSensorDropsOnlyWhereThatIsProven(t *testing.T) {
	quiet := strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1)
	for network, want := range map[string]string{
		"": "",
		"<secure-web-gateway><enablement>explicit</enablement></secure-web-gateway>":                               "perhaps network/secure-web-gateway on ethernet1/1",
		"<tunnel><ipsec><entry name='t'><tunnel-interface>ethernet1/1</tunnel-interface></entry></ipsec></tunnel>": "perhaps network/tunnel/ipsec/t/tunnel-interface on ethernet1/1",
	} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, network, "") })
		l.want.InternetZones, l.want.Sensor = []string{"provider"}, SensorDrop
		steps := fmt.Sprint(l.plan())
		if drops := strings.Contains(steps, `create security rule "active-defense-sensor"`); drops != (want == "") || !strings.Contains(steps, want) {
			t.Errorf("with %q: makes the rule: %v, want %q: %s", network, drops, want, steps)
		}
		standing := `<security><rules><entry name="active-defense-sensor"><from><member>provider</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action></entry></rules></security>`
		l = newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, network, standing) })
		l.want.InternetZones = []string{"provider"}
		c := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckSensor)
		if warned := strings.Contains(c.Detail, "drops what the firewall itself serves"); warned != (want != "") || !strings.Contains(c.Detail, want) {
			t.Errorf("with %q: %+v", network, c)
		}
		l.want.Sensor = SensorDrop
		if steps := fmt.Sprint(l.plan()); strings.Contains(steps, "drops what the firewall itself serves") != (want != "") {
			t.Errorf("with %q, of the rule that stands: %s", network, steps)
		}
	}
}

// What only somebody's edits that are not committed take from the firewall's own services, the running configuration still has: a commit
// of ours would cut it. Of a rule that stands, and cuts what was added since, a plan says so.
func TestTheSensorCutsNothingThatIsInForce(t *testing.T) {
	quiet := strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1)
	const gateways = "/config/devices/entry[@name='localhost.localdomain']/network/ike/gateway"
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, ikeOnIt, "") })
	l.want.InternetZones, l.want.Sensor = []string{"provider"}, SensorDrop
	if err := l.device.Edit(t.Context(), "by a colleague", []xmlapi.Edit{xmlapi.Delete(gateways + "/entry[@name='branch']")}); err != nil {
		t.Fatal(err)
	}
	if steps := fmt.Sprint(l.plan()); strings.Contains(steps, `create security rule "active-defense-sensor"`) || !strings.Contains(steps, "IKE gateway branch on ethernet1/1 in the running configuration") {
		t.Errorf("with a deletion that is not committed: %s", steps)
	}
	if err := l.sim.Config().Edit("boss", "set", gateways, strings.TrimSuffix(strings.TrimPrefix(ikeOnIt, "<ike><gateway>"), "</gateway></ike>")); err != nil {
		t.Fatal(err)
	}
	if steps := fmt.Sprint(l.plan()); !strings.Contains(steps, "IKE gateway branch on ethernet1/1") || strings.Contains(steps, "in the running configuration") {
		t.Errorf("where it stands in both, nobody's edits take it: %s", steps)
	}
}

// Where the line has come to another zone, our own rules are mended, for they are ours: as we make them, but for the zone. What somebody narrowed
// there is his.
func TestOurRulesFollowTheLineToAnotherZone(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = withoutCleanup() })
	l.want.InternetZones = []string{"untrust"}
	l.apply(l.plan(), false)
	l.commit()
	l.want.InternetZones = []string{"dmz"}
	steps := l.plan()
	if rules := slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return !strings.HasPrefix(s.Object, `security rule "active-defense-block`) }); len(rules) != 2 || rules[0].Foreign || rules[1].Foreign {
		t.Fatalf("the plan is %v", steps)
	}
	l.apply(steps, false)
	l.commit()
	if left := taken(l.plan(), false); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := errors.Join(l.sim.Config().Edit("boss", "edit", vsys1+rulesPath+"/entry[@name='active-defense-block']/to", "<to><member>untrust</member></to>"), l.sim.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	l.want.InternetZones = []string{"untrust"}
	for _, s := range l.plan() {
		if foreign := s.Object == `security rule "active-defense-block"`; strings.HasPrefix(s.Object, `security rule "active-defense-block`) && s.Foreign != foreign {
			t.Errorf("narrowed by somebody: %v", s)
		}
	}
}

// The sensor rule that an earlier run wrote, and that would cut by now what a colleague committed since, is not committed: the refusal says what it would cut,
// and to delete it.
func TestASensorRuleThatWouldCutByNowIsNotCommitted(t *testing.T) {
	quiet := strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1)
	const gateways = "/config/devices/entry[@name='localhost.localdomain']/network/ike/gateway"
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, "", "") })
	l.want.InternetZones, l.want.Sensor, l.want.Admin = []string{"provider"}, SensorDrop, ourAdmin
	steps := l.plan() // the colleague is quicker than who applies it
	gateway := strings.TrimSuffix(strings.TrimPrefix(ikeOnIt, "<ike><gateway>"), "</gateway></ike>")
	if err := errors.Join(l.sim.Config().Edit("boss", "set", gateways, gateway), l.sim.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	l.apply(steps, false)
	for _, l.want.CommitAlone = range []bool{true, false} {
		plan, err := Provision(t.Context(), l.device, l.want)
		if err != nil {
			t.Fatal(err)
		}
		refused := fmt.Sprint(plan.MayTakeAlong(l.device))
		if !l.want.CommitAlone {
			if refused != "<nil>" || !slices.ContainsFunc(plan.Steps, func(s Step) bool {
				return s.Action == ActionDelete && strings.Contains(s.Object, "active-defense-sensor")
			}) {
				t.Errorf("the plan does not take it away: %s, %v", refused, plan.Steps)
			}
			continue
		}
		if !strings.Contains(refused, "drops what the firewall itself serves: IKE gateway branch on ethernet1/1. Do not commit it: run provision --apply") || strings.Contains(refused, "by hand") ||
			strings.Contains(refused, "Commit it first") || plan.TakesAlong() != "" {
			t.Errorf("commit alone: %s", refused)
		}
	}
	waits := l.sim.Config().Candidate()
	l.want.CommitAlone = false
	l.apply(l.plan(), false)
	plan, err := Provision(t.Context(), l.device, l.want)
	if err != nil || plan.MayTakeAlong(l.device) != nil || len(taken(plan.Steps, false)) != 0 || strings.Contains(l.sim.Config().Candidate(), "active-defense-sensor") || !strings.Contains(waits, "active-defense-sensor") {
		t.Errorf("with it taken away: %v, %v, %v", plan.Steps, plan.MayTakeAlong(l.device), err)
	}
}

// It is taken away, too, where only an edit that is not committed takes away what it would cut.
func TestASensorRuleThatWouldCutWhatIsInForceIsTakenAway(t *testing.T) {
	quiet := strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1)
	const gateways = "/config/devices/entry[@name='localhost.localdomain']/network/ike/gateway"
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, "", "") })
	l.want.InternetZones, l.want.Sensor, l.want.Admin = []string{"provider"}, SensorDrop, ourAdmin
	steps := l.plan() // the colleague is quicker than who applies it
	gateway := strings.TrimSuffix(strings.TrimPrefix(ikeOnIt, "<ike><gateway>"), "</gateway></ike>")
	if err := errors.Join(l.sim.Config().Edit("boss", "set", gateways, gateway), l.sim.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	l.apply(steps, false)
	if err := l.sim.Config().Edit("boss", "delete", gateways+"/entry[@name='branch']", ""); err != nil {
		t.Fatal(err)
	}
	l.want.CommitAlone = true
	if plan, err := Provision(t.Context(), l.device, l.want); err != nil || !strings.Contains(fmt.Sprint(plan.MayTakeAlong(l.device)), "IKE gateway branch on ethernet1/1") {
		t.Errorf("commit alone: %v, %v", plan.MayTakeAlong(l.device), err)
	}
	l.want.CommitAlone = false
	l.apply(l.plan(), false)
	if strings.Contains(l.sim.Config().Candidate(), "active-defense-sensor") {
		t.Error("it is still there")
	}
}

// A zone that is given another interface is told of as what the firewall itself serves is: the rule that stands drops what passes between them.
func TestASensorRuleOfAZoneThatGetsAnotherInterfaceIsToldOf(t *testing.T) {
	quiet := strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1)
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(quiet, "", "") })
	l.want.InternetZones, l.want.Sensor, l.want.Admin = []string{"provider"}, SensorDrop, ourAdmin
	l.apply(l.plan(), false)
	l.commit()
	const within = `what passes within zone "provider" between its 2 interfaces`
	told := func() (verify, plan bool) {
		c := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckSensor)
		return strings.Contains(c.Detail, within), strings.Contains(fmt.Sprint(l.plan()), within)
	}
	if verify, plan := told(); verify || plan {
		t.Errorf("with one interface: verify %v, plan %v", verify, plan)
	}
	network := "/config/devices/entry[@name='localhost.localdomain']/network/"
	if err := errors.Join(l.sim.Config().Edit("boss", "set", network+"interface/ethernet", `<entry name="ethernet1/3"><layer3><ip><entry name="203.0.113.10/29"/></ip></layer3></entry>`),
		l.sim.Config().Edit("boss", "set", network+"virtual-router/entry[@name='edge']/interface", `<member>ethernet1/3</member>`),
		l.sim.Config().Edit("boss", "set", vsys1+"/zone/entry[@name='provider']/network/layer3", `<member>ethernet1/3</member>`), l.sim.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	if verify, plan := told(); !verify || !plan {
		t.Errorf("with two: verify %v, plan %v", verify, plan)
	}
}

// What somebody else deleted that was never in force may be what we made, and a commit of ours may put it in force after all: it waits for his.
func TestWhatOthersDeletedBeforeItWasInForceIsNotCommitted(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	const rule = vsys1 + rulesPath + "/entry[@name='active-defense-block']"
	if err := l.sim.Config().Edit("boss", "delete", rule, ""); err != nil {
		t.Fatal(err)
	}
	plan, err := Provision(t.Context(), l.device, l.want)
	if err != nil || !strings.Contains(fmt.Sprint(plan.MayTakeAlong(l.device)), `nothing is committed: boss deleted security rule "active-defense-block" (vsys1), which was never in force`) {
		t.Errorf("deleted by boss: %v, %v", plan.MayTakeAlong(l.device), err)
	}
	if err := l.sim.Config().Commit("boss"); err != nil { // who may commit all ends it, too
		t.Fatal(err)
	}
	if plan, err := Provision(t.Context(), l.device, l.want); err != nil || plan.MayTakeAlong(l.device) != nil {
		t.Errorf("committed by boss: %v, %v", plan.MayTakeAlong(l.device), err)
	}
}

// What somebody else edited and did not commit, and the plan changes, too, a commit of ours alone could not take: that is said, with his name, before
// anything is written; and where it was written, the refusal names him.
func TestWhatOthersEditWhereThePlanDoesIsNamedBeforeItIsWritten(t *testing.T) {
	const override = vsys1 + defaultRulesPath + "/entry[@name='intrazone-default']"
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(withoutCleanup(), "</rulebase>", `<default-security-rules><rules><entry name="intrazone-default"><action>deny</action></entry></rules></default-security-rules></rulebase>`, 1)
	})
	l.want.Admin = ourAdmin
	if err := l.sim.Config().Edit("boss", "delete", override, ""); err != nil {
		t.Fatal(err)
	}
	plan, err := Provision(t.Context(), l.device, l.want)
	if err != nil {
		t.Fatal(err)
	}
	const says = `boss edited default rule "intrazone-default" (vsys1)`
	if refused := fmt.Sprint(plan.MayWriteAlone(l.device)); !strings.Contains(refused, "nothing was written: "+says) || plan.MayTakeAlong(l.device) != nil {
		t.Errorf("before it is written: %s; %v", refused, plan.MayTakeAlong(l.device))
	}
	l.apply(plan.Steps, false)
	if plan, err = Provision(t.Context(), l.device, l.want); err != nil {
		t.Fatal(err)
	}
	if refused := fmt.Sprint(plan.MayTakeAlong(l.device)); !strings.Contains(refused, says) || strings.Contains(refused, "Commit it first") || plan.MayWriteAlone(l.device) != nil {
		t.Errorf("once it is written: %s", refused)
	}

	// What he edits elsewhere stops nothing.
	other := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	other.want.Admin = ourAdmin
	if err := other.sim.Config().Edit("boss", "set", vsys1+rulesPath, letIn("his", "dmz")); err != nil {
		t.Fatal(err)
	}
	if plan, err = Provision(t.Context(), other.device, other.want); err != nil || plan.MayWriteAlone(other.device) != nil {
		t.Errorf("elsewhere: %v, %v", plan.MayWriteAlone(other.device), err)
	}
}

// A group of our name that somebody else filled is named by no rule of ours before it is adopted; one that another mode left is ours.
func TestAGroupOfSomebodyElse(t *testing.T) {
	group := func(member, object string) func(*panosim.Options) {
		return func(o *panosim.Options) {
			o.Config = strings.Replace(rulesOfOthers, "<rulebase>", `<address><entry name="`+member+`">`+object+`</entry></address><address-group><entry name="`+tag+`"><static><member>`+member+`</member></static></entry></address-group><rulebase>`, 1)
		}
	}
	l := newProvisionLab(t, firewall.ModeTag, group("partner", "<ip-netmask>203.0.113.9</ip-netmask>"))
	l.apply(l.plan(), false)
	if rule := tag + `-block"`; strings.Contains(l.sim.Config().Candidate(), `<entry name="`+rule) {
		t.Errorf("a rule names somebody else's group:\n%s", l.sim.Config().Candidate())
	}
	l.apply(l.plan(), true)
	if left := l.plan(); len(left) != 0 || !strings.Contains(ruleOf(t, l.sim.Config().Candidate(), tag+"-block"), tag) {
		t.Errorf("after the adoption, left: %v", left)
	}
	l = newProvisionLab(t, firewall.ModeTag, group(tag+"-nobody", "<ip-netmask>192.0.2.255</ip-netmask>"))
	if i := slices.IndexFunc(l.plan(), func(s Step) bool { return s.Foreign && strings.HasPrefix(s.Object, "address group") }); i >= 0 {
		t.Errorf("what another mode left is somebody else's: %v", l.plan()[i])
	}
}

// What is adopted waits for a commit as what is ours does, whether the next plan adopts or not.
func TestWhatIsAdoptedWaitsForItsCommit(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.apply(l.plan(), false)
	l.commit()
	l.apply(l.plan(), true)
	for _, adopt := range []bool{false, true} {
		l.want.Adopt = adopt
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || len(plan.Steps) != 0 || !plan.Uncommitted {
			t.Errorf("adopt %v: %d steps, uncommitted %v, %v", adopt, len(plan.Steps), plan.Uncommitted, err)
		}
	}
	l.commit()
	if plan, err := Provision(t.Context(), l.device, l.want); err != nil || len(plan.Steps) != 0 || plan.Uncommitted {
		t.Errorf("after the commit: %d steps, uncommitted %v, %v", len(plan.Steps), plan.Uncommitted, err)
	}
}

// What somebody else edits of his own rules is nothing of ours that waits.
func TestEditsOfOthersAreNotOursToCommit(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config, o.Dialect.Admins = rulesOfOthers, dialect.AdminsSelf })
	l.apply(l.plan(), false)
	l.commit()
	for _, name := range []string{"web", "cleanup"} {
		if err := l.sim.Config().Edit("boss", "delete", vsys1+"/rulebase/security/rules/entry[@name='"+name+"']", ""); err != nil {
			t.Fatal(err)
		}
	}
	if plan, err := Provision(t.Context(), l.device, l.want); err != nil || !plan.Pending || plan.Uncommitted {
		t.Errorf("pending %v, uncommitted %v, %v", plan.Pending, plan.Uncommitted, err)
	}
}

// What the mode before has left is named, and only that.
func TestWhatAnotherModeLeft(t *testing.T) {
	const rule, listed, group, list, nobody = `security rule "active-defense-block"`, `security rule "active-defense-block-list"`, `address group "active-defense"`, `external dynamic list "active-defense-list"`, `address "active-defense-nobody"`
	for _, c := range []struct {
		from, to string
		served   bool
		left     []string
	}{
		{firewall.ModeTag, firewall.ModeTag, true, nil},
		{firewall.ModeGroup, firewall.ModeGroup, true, nil},
		{firewall.ModeList, firewall.ModeList, true, nil},
		{firewall.ModeTag, firewall.ModeTag, false, []string{listed, list}},
		{firewall.ModeTag, firewall.ModeList, true, []string{rule, group}},
		{firewall.ModeTag, firewall.ModeGroup, true, nil}, // the group is made another
		{firewall.ModeGroup, firewall.ModeTag, true, []string{nobody}},
		{firewall.ModeGroup, firewall.ModeList, true, []string{rule, group, nobody}},
		{firewall.ModeList, firewall.ModeTag, true, nil},
		{firewall.ModeList, firewall.ModeTag, false, []string{list}},
	} {
		l := newProvisionLab(t, c.from, func(o *panosim.Options) { o.Config = withoutCleanup() })
		l.apply(l.plan(), false)
		l.commit()
		if l.want.Mode = c.to; !c.served {
			l.want.ListURL, l.want.CA = "", nil
		}
		plan, err := Provision(t.Context(), l.device, l.want)
		want := ""
		if len(c.left) > 0 {
			want = "there is " + strings.Join(c.left, ", ") + ", which mode " + c.to + " does not use"
		}
		if err != nil || !strings.Contains(plan.FormerMode, want) || want == "" && plan.FormerMode != "" {
			t.Errorf("%s to %s, list served %v: %q, %v", c.from, c.to, c.served, plan.FormerMode, err)
		}
	}
}

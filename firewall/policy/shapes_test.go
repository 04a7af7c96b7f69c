package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/schema"
	simulator "activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
	"activedefense/firewall/xmlapi"
)

// The configurations in testdata/shapes are whole firewalls, with what their policies decide and what verify shall find
// there; README.md there has the formats.
const shapesDir = "testdata/shapes"

// shapeFlow is a kind of session, with what the policy decides about it.
type shapeFlow struct {
	at           string // file and line
	packet       simulator.Packet
	serves       string // what of the firewall itself it is for; "": it passes through
	action, rule string
}

// shape is one configuration with what shall be found there.
type shape struct {
	name            string
	running, pushed string // XML; pushed: the configuration of a Panorama, "" without one
	vsys            []string
	device          panosim.Options // model and version
	leases, learned [][2]string     // interface and address; router and interface of its default route
	blocked         []netip.Prefix  // registered with our tag
	flows           []shapeFlow
	expect          map[string]*shapeExpectation // by virtual system
}

// shapeExpectation is what shall be found in one virtual system, without internet_zones.
type shapeExpectation struct {
	internet []string            // zones; empty: it cannot be told, for the reason below
	unknown  string              // why it cannot be told
	drop     bool                // a sensor that drops cuts nothing that the firewall serves, and nothing is allowed below it
	dropWhy  string              //
	checks   map[string]expected // by check
	told     []string            // what else is to be told, for which no check had a name when it was written
}

// servable are the services of a firewall that a flow may be for.
var servable = []string{"ike", "ipsec", "globalprotect", "bgp", "ospf", "dhcp", "ping", "management", "pim", "vrrp", "dns"}

// shapeChecks are the checks that a configuration decides, with what is blocked; the others need a list, a role or a commit.
var shapeChecks = []string{
	CheckBlockSource, CheckBlockRule, CheckBlockPosition, CheckBlockLogs, CheckSensor, CheckForwarding, CheckFormat, CheckInternetRules, CheckPeers,
}

// shapeNames lists the shapes.
func shapeNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shapesDir, "*", "running.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		out = append(out, filepath.Base(filepath.Dir(file)))
	}
	return out
}

// readShape reads one.
func readShape(t *testing.T, name string) *shape {
	t.Helper()
	s := &shape{name: name, expect: map[string]*shapeExpectation{}}
	s.running, s.pushed = s.text(t, "running.xml", true), s.text(t, "pushed.xml", false)
	root, err := xmlapi.Parse([]byte(s.running))
	if err != nil {
		t.Fatalf("%s/running.xml: %v", name, err)
	}
	for _, e := range root.Child("devices").FirstEntry().Child("vsys").Entries() {
		s.vsys = append(s.vsys, e.Attr("name"))
		s.expect[e.Attr("name")] = &shapeExpectation{checks: map[string]expected{}}
	}
	for _, file := range []struct {
		name string
		must bool
		read func(fields []string, text string) error
	}{
		{"device.txt", false, s.readState}, {"flows.txt", true, s.readFlow}, {"expected.txt", true, s.readExpectation},
	} {
		for i, line := range strings.Split(s.text(t, file.name, file.must), "\n") {
			text, _, _ := strings.Cut(line, "#") // no name has one
			fields := shapeField.FindAllString(text, -1)
			if len(fields) == 0 {
				continue
			}
			at := fmt.Sprintf("%s/%s:%d", name, file.name, i+1)
			if err := file.read(fields, strings.TrimSpace(text)); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			if file.name == "flows.txt" {
				s.flows[len(s.flows)-1].at = at
			}
		}
	}
	return s
}

// shapeField is a word, or several in quotes, which may stand behind an option's name.
var shapeField = regexp.MustCompile(`(?:[a-z]+=)?"[^"]*"|\S+`)

func (s *shape) text(t *testing.T, name string, must bool) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shapesDir, s.name, name))
	if err != nil && (must || !os.IsNotExist(err)) {
		t.Fatal(err)
	}
	return string(text)
}

// readState reads a line of device.txt: "model PA-440", "version 11.1.4", "lease ethernet1/1 192.0.2.77/24",
// "learned default ethernet1/1" or "blocked 203.0.113.66/32".
func (s *shape) readState(fields []string, _ string) error {
	switch {
	case fields[0] == "model" && len(fields) == 2:
		s.device.Model = fields[1]
	case fields[0] == "version" && len(fields) == 2:
		s.device.Version = fields[1]
	case fields[0] == "lease" && len(fields) == 3:
		if _, err := netip.ParsePrefix(fields[2]); err != nil {
			return err
		}
		s.leases = append(s.leases, [2]string{fields[1], fields[2]})
	case fields[0] == "blocked" && len(fields) == 2:
		p, err := netip.ParsePrefix(fields[1])
		if err != nil {
			return err
		}
		s.blocked = append(s.blocked, p)
	case fields[0] == "learned" && len(fields) == 3:
		s.learned = append(s.learned, [2]string{fields[1], fields[2]})
	default:
		return fmt.Errorf("%q is none of model NAME, version NUMBER, lease INTERFACE PREFIX, learned ROUTER INTERFACE, blocked PREFIX", fields)
	}
	return nil
}

// readFlow reads a line of flows.txt.
func (s *shape) readFlow(fields []string, _ string) error {
	const columns = 8
	if len(fields) < columns {
		return fmt.Errorf("%d columns, want from, to, source, destination, application, service, action, rule", len(fields))
	}
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `"`, "")
	}
	f := shapeFlow{action: fields[6], rule: fields[7], packet: simulator.Packet{From: fields[0], To: fields[1], Application: fields[4], VSys: s.vsys[0], SourcePort: 40000}}
	var err1, err2, err3 error
	f.packet.Source, err1 = netip.ParseAddr(fields[2])
	f.packet.Destination, err2 = netip.ParseAddr(fields[3])
	protocol, port, hasPort := strings.Cut(fields[5], "/")
	f.packet.Protocol = protocol
	var number uint64
	if hasPort {
		number, err3 = strconv.ParseUint(port, 10, 16)
		f.packet.DestinationPort = uint16(number)
	}
	if err := cmp.Or(err1, err2, err3); err != nil {
		return err
	}
	if f.packet.ProtocolNumber() == 0 || hasPort != (protocol == "tcp" || protocol == "udp") {
		return fmt.Errorf("service %q is none: tcp/PORT, udp/PORT, or the name of another protocol", fields[5])
	}
	if !slices.Contains([]string{"allow", "deny", "drop", "reset-client", "reset-server", "reset-both"}, f.action) {
		return fmt.Errorf("action %q is none of a rule", f.action)
	}
	for _, option := range fields[columns:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "vsys":
			f.packet.VSys = value
		case "user":
			f.packet.User = value
		case "at":
			var err error
			if f.packet.At, err = time.Parse("2006-01-02T15:04", value); err != nil {
				return err
			}
		case "source-port":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return err
			}
			f.packet.SourcePort = uint16(port)
		case "serves":
			if f.serves = value; !slices.Contains(servable, value) {
				return fmt.Errorf("serves %q is none of %q", value, servable)
			}
		default:
			return fmt.Errorf("option %q is none of vsys=, user=, at=, source-port=, serves=", option)
		}
	}
	if !slices.Contains(s.vsys, f.packet.VSys) {
		return fmt.Errorf("there is no virtual system %q", f.packet.VSys)
	}
	s.flows = append(s.flows, f)
	return nil
}

// readExpectation reads a line of expected.txt: what comes behind a colon is a reason, for people.
func (s *shape) readExpectation(_ []string, text string) error {
	text, why, found := strings.Cut(text, ": ")
	fields := strings.Fields(text)
	if len(fields) < 2 || s.expect[fields[1]] == nil {
		return fmt.Errorf("%q names no virtual system of the configuration in its second column", text)
	}
	e := s.expect[fields[1]]
	switch {
	case fields[0] == "internet" && len(fields) == 3 && fields[2] == "unknown" && found && e.unknown == "" && e.internet == nil:
		e.unknown = why
	case fields[0] == "internet" && len(fields) > 2 && fields[2] != "unknown" && e.unknown == "" && e.internet == nil:
		e.internet = fields[2:]
	case fields[0] == "drop" && len(fields) == 3 && (fields[2] == "yes" || fields[2] == "no") && found && e.dropWhy == "":
		e.drop, e.dropWhy = fields[2] == "yes", why
	case fields[0] == "check" && len(fields) == 4 && slices.Contains(shapeChecks, fields[2]) &&
		slices.Contains([]string{ResultPass, ResultWarn, ResultFail}, fields[3]) && e.checks[fields[2]].check == "" && found:
		e.checks[fields[2]] = expected{fields[2], fields[3], why}
	case fields[0] == "told" && len(fields) == 2 && found:
		e.told = append(e.told, why)
	default:
		return fmt.Errorf("%q is none of internet VSYS ZONE..., internet VSYS unknown: WHY, drop VSYS yes|no: WHY, check VSYS CHECK RESULT: WHY, told VSYS: WHAT, or not the first of its kind", text)
	}
	return nil
}

// start has the firewall of a shape run, with what Panorama pushed to it and what its network has given it.
func (s *shape) start(t *testing.T) *panosim.Sim {
	t.Helper()
	o := s.device
	o.Config, o.VSys, o.Now = s.running, s.vsys, newClock().Now
	sim, err := panosim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	for _, l := range s.leases {
		sim.Lease(l[0], netip.MustParsePrefix(l[1]))
	}
	for _, l := range s.learned {
		sim.Learn(l[0], l[1])
	}
	for _, p := range s.blocked {
		for _, vsys := range s.vsys {
			if err := sim.Addresses().Register(vsys, p, tag, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s.pushed == "" {
		return sim
	}
	root, err := xmlapi.Parse([]byte(s.pushed))
	if err != nil {
		t.Fatalf("%s/pushed.xml: %v", s.name, err)
	}
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Options: panosim.Options{Config: s.pushed}, Managed: []*panosim.Sim{sim}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	for _, group := range root.Child("devices").FirstEntry().Child("device-group").Entries() {
		if len(group.Child("devices").Entries()) == 0 {
			continue
		}
		if err := panorama.Push(group.Attr("name")); err != nil {
			t.Fatal(err)
		}
	}
	return sim
}

// Every flow is decided as it was worked out by hand, and by that rule; and the configuration is one that can be committed.
func TestShapesDecideAsWorkedOut(t *testing.T) {
	for _, name := range shapeNames(t) {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, name)
			for _, line := range s.invalid(t) {
				t.Errorf("running.xml could not be committed: %s", line)
			}
			s.silence()
			sim := s.start(t)
			for _, f := range s.flows {
				if v := sim.Traffic().Packet(f.packet); v.Action != f.action || v.Rule != f.rule {
					t.Errorf("%s: %s by %q, want %s by %q", f.at, v.Action, v.Rule, f.action, f.rule)
				}
			}
		})
	}
}

// silence takes the log forwarding from the rules, so that no packet of a test has a log sent anywhere.
func (s *shape) silence() {
	forwarding := regexp.MustCompile(`<log-setting>[^<]*</log-setting>`)
	s.running, s.pushed = forwarding.ReplaceAllString(s.running, ""), forwarding.ReplaceAllString(s.pushed, "")
}

// invalid is what a commit would find wrong with the configuration, together with what was pushed.
func (s *shape) invalid(t *testing.T) []string {
	t.Helper()
	parse := func(text string) *xmltree.Element {
		root, err := xmltree.ParseConfig(text)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		return root
	}
	var pushed []*xmltree.Element
	if s.pushed != "" {
		panorama := parse(s.pushed)
		pushed = append(panorama.Down("devices").Child("entry").Child("device-group").Entries(), panorama.Child("shared"))
	}
	root := parse(s.running)
	return schema.Invalid(root, schema.NewInventory(root, func(string) []*xmltree.Element { return pushed }), false)
}

// The files say enough: the names in them exist, what the firewall serves is among the flows, and nothing is left open.
func TestShapesAreWhole(t *testing.T) {
	names := shapeNames(t)
	if len(names) < 25 {
		t.Errorf("%d shapes, want at least 25", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, name)
			sim := s.start(t)
			if len(s.flows) < 12 || len(s.flows) > 25 {
				t.Errorf("%d flows, want 12 to 25", len(s.flows))
			}
			for _, vsys := range s.vsys {
				s.checkExpectation(t, vsys)
			}
			s.checkFlows(t, sim)
			s.checkServices(t)
			s.checkAddresses(t)
		})
	}
}

func (s *shape) root(t *testing.T) *xmlapi.Node {
	t.Helper()
	root, err := xmlapi.Parse([]byte(s.running))
	if err != nil {
		t.Fatal(err)
	}
	return root.Child("devices").FirstEntry()
}

func (s *shape) zones(t *testing.T, vsys string) []string {
	t.Helper()
	var out []string
	for _, e := range s.root(t).Child("vsys").Entry(vsys).Child("zone").Entries() {
		out = append(out, e.Attr("name"))
	}
	return out
}

func (s *shape) checkExpectation(t *testing.T, vsys string) {
	t.Helper()
	e := s.expect[vsys]
	if e.internet == nil && e.unknown == "" || e.dropWhy == "" {
		t.Errorf("%s: expected.txt lacks internet or drop", vsys)
	}
	for _, zone := range e.internet {
		if !slices.Contains(s.zones(t, vsys), zone) {
			t.Errorf("%s has no zone %q", vsys, zone)
		}
	}
	if missing := len(shapeChecks) - len(e.checks); missing > 0 {
		t.Errorf("%s: expected.txt lacks %d checks: it has %q", vsys, missing, slices.Sorted(maps.Keys(e.checks)))
	}
	if e.drop && e.internet == nil {
		t.Errorf("%s: no rule steps where the internet cannot be told", vsys)
	}
}

func (s *shape) checkFlows(t *testing.T, sim *panosim.Sim) {
	t.Helper()
	own := s.ownAddresses(t)
	for _, f := range s.flows {
		zones := s.zones(t, f.packet.VSys)
		if !slices.Contains(zones, f.packet.From) || !slices.Contains(zones, f.packet.To) && f.packet.To != "multicast" {
			t.Errorf("%s: zones %q and %q, %s has %q", f.at, f.packet.From, f.packet.To, f.packet.VSys, zones)
		}
		known := f.rule == "intrazone-default" || f.rule == "interzone-default"
		for _, r := range sim.Traffic().Rules(f.packet.VSys) {
			known = known || r.Name == f.rule && !r.Disabled
		}
		if !known {
			t.Errorf("%s: there is no enabled rule %q", f.at, f.rule)
		}
		d := f.packet.Destination
		if f.serves != "" && !own[d] && !d.IsMulticast() && d != netip.MustParseAddr("255.255.255.255") {
			t.Errorf("%s: %s is no address of the firewall", f.at, d)
		}
	}
}

// ownAddresses are those of the interfaces, floating ones and leases included.
func (s *shape) ownAddresses(t *testing.T) map[netip.Addr]bool {
	t.Helper()
	own := map[netip.Addr]bool{}
	add := func(text string) {
		if p, err := netip.ParsePrefix(text); err == nil {
			own[p.Addr()] = true
		} else if a, err := netip.ParseAddr(text); err == nil {
			own[a] = true
		}
	}
	var walk func(n *xmlapi.Node)
	walk = func(n *xmlapi.Node) {
		for _, e := range slices.Concat(n.Child("ip").Entries(), n.At("ipv6", "address").Entries()) {
			add(e.Attr("name"))
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(s.root(t).At("network", "interface"))
	for _, l := range s.leases {
		add(l[1])
	}
	return own
}

// checkServices holds that what the configuration has the firewall serve is among the flows.
func (s *shape) checkServices(t *testing.T) {
	t.Helper()
	network := s.root(t).Child("network")
	has := map[string]bool{"ike": len(network.At("ike", "gateway").Entries()) > 0, "dhcp": len(network.At("dhcp", "interface").Entries()) > 0}
	for _, e := range network.At("profiles", "interface-management-profile").Entries() {
		has["ping"] = has["ping"] || e.Yes("ping")
		has["management"] = has["management"] || e.Yes("https") || e.Yes("ssh")
	}
	routers := network.Child("virtual-router").Entries()
	for _, e := range network.Child("logical-router").Entries() {
		routers = append(routers, e.Child("vrf").Entries()...)
	}
	for _, e := range routers {
		has["pim"] = has["pim"] || e.Yes("multicast", "enable")
		for _, protocol := range []string{"bgp", "ospf"} {
			has[protocol] = has[protocol] || e.Yes("protocol", protocol, "enable") || e.Yes(protocol, "enable")
		}
	}
	for _, e := range s.root(t).Child("vsys").Entries() {
		has["globalprotect"] = has["globalprotect"] || len(e.At("global-protect", "global-protect-portal").Entries()) > 0
	}
	for service, configured := range has {
		inFlows := slices.ContainsFunc(s.flows, func(f shapeFlow) bool { return f.serves == service })
		if configured && !inFlows {
			t.Errorf("the firewall serves %s, and no flow is for it", service)
		}
	}
}

// allowedAddresses are those of documentation (RFC 5737, RFC 3849, RFC 6676), of private networks (RFC 1918), of multicast and of nobody.
var allowedAddresses = regexp.MustCompile(`^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|224\.0\.0\.|233\.252\.0\.|255\.255\.255\.255|0\.0\.0\.0|2001:db8:|ff02:|fe80:)`)

// checkAddresses holds that no stranger's address is in the files. Version numbers have three parts.
func (s *shape) checkAddresses(t *testing.T) {
	t.Helper()
	for _, file := range []string{"running.xml", "pushed.xml", "flows.txt", "expected.txt", "device.txt"} {
		for _, text := range regexp.MustCompile(`\d+\.\d+\.\d+\.\d+|[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,}`).FindAllString(s.text(t, file, false), -1) {
			if !allowedAddresses.MatchString(text) {
				t.Errorf("%s/%s: %s is no address of documentation", s.name, file, text)
			}
		}
	}
}

// What is mistyped in a file is said, and not passed over.
func TestShapeFilesAreReadStrictly(t *testing.T) {
	s := &shape{vsys: []string{"vsys1"}, expect: map[string]*shapeExpectation{"vsys1": {checks: map[string]expected{}}}}
	split := func(text string) []string { return shapeField.FindAllString(text, -1) }
	const good = "outside dmz 203.0.113.9 198.51.100.2 ssl tcp/443 allow"
	for _, bad := range []string{
		good, "outside dmz 203.0.113 198.51.100.2 ssl tcp/443 allow web", "outside dmz 203.0.113.9 198.51.100.2 ssl tcp/99999 allow web",
		"outside dmz 203.0.113.9 198.51.100.2 ssl tcp allow web", "outside dmz 203.0.113.9 198.51.100.2 ssl icmp/8 allow web",
		"outside dmz 203.0.113.9 198.51.100.2 ssl tcp/443 permit web", good + " web serves=telnet", good + " web vsys=vsys2", good + " web at=noon", good + " web color=red", good + " web source-port=any",
	} {
		if err := s.readFlow(split(bad), bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if err := s.readFlow(split(good+` "web in" user=example\alice at=2026-03-01T12:00`), ""); err != nil || s.flows[0].rule != "web in" || s.flows[0].packet.User != `example\alice` {
		t.Errorf("%v: %+v", err, s.flows)
	}
	for _, bad := range []string{
		"internet vsys1", "internet vsys2 outside", "internet vsys1 unknown", "drop vsys1 yes", "drop vsys1 maybe: it depends", "check vsys1 sensor fail: no",
		"check vsys1 sensor-rule bad: no", "check vsys1 sensor-rule fail", "check vsys1 api pass: yes", "told vsys1", "nothing vsys1: no", "internet",
	} {
		if err := s.readExpectation(split(bad), bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for i, once := range []string{"internet vsys1 outside", "drop vsys1 no: IKE", "check vsys1 sensor-rule fail: no"} {
		if err := s.readExpectation(split(once), once); err != nil {
			t.Errorf("%q: %v", once, err)
		}
		if err := s.readExpectation(split(once), once); err == nil {
			t.Errorf("line %d was taken twice", i)
		}
	}
	for _, bad := range []string{"model", "lease ethernet1/1 192.0.2.77", "learned default", "cpu 2", "blocked 203.0.113"} {
		if err := s.readState(split(bad), bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

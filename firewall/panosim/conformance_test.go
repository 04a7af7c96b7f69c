package panosim_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// The conformance tests hold that answers have the shapes on which clients of the XML API rely, whoever gives them: they
// run against simulated firewalls always, and against a real device as well when these variables are set.
const (
	deviceURL     = "PANOS_TEST_URL"      // https://HOST[:PORT]
	deviceKey     = "PANOS_TEST_KEY"      // an API key, or
	deviceKeyFile = "PANOS_TEST_KEY_FILE" // a file that holds it
	deviceCA      = "PANOS_TEST_CA"       // a file with the authorities to trust, in PEM; "" is those of the system
	deviceVSys    = "PANOS_TEST_VSYS"     // the virtual system that is meant; "" is what the device takes by itself
	deviceWrite   = "PANOS_TEST_WRITE"    // "1" allows what changes the device; it is taken back, and never committed
)

// What the tests that write leave behind for a moment: an address of documentation, and names that are ours.
const (
	conformanceName    = "active-defense-conformance"
	conformanceAddress = "192.0.2.77"
)

// target is something that speaks the XML API.
type target struct {
	name, url, key, vsys string
	client               *http.Client
	writes               bool
}

// targets lists the simulated firewalls, and the device if there is one.
func targets(t *testing.T) []target {
	t.Helper()
	all := dialect.All()
	out := []target{
		simulated(t, "simulator", panosim.Options{}),
		simulated(t, "simulator, PAN-OS 9.1, odd in every way", panosim.Options{Version: "9.1.0", Dialect: all[len(all)-1]}),
		paired(t, "simulator, active member of a pair"),
	}
	if device, ok := fromEnvironment(t); ok {
		out = append(out, device)
	}
	return out
}

// conformanceConfig is one with a list and a dynamic group that rules name.
const conformanceConfig = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` +
	`<zone><entry name="trust"/><entry name="untrust"/></zone>` +
	`<address-group><entry name="blocked"><dynamic><filter>'blocked'</filter></dynamic></entry></address-group>` +
	`<external-list><entry name="list"><type><ip><url>http://127.0.0.1:1/list</url><recurring><hourly/></recurring></ip></type></entry></external-list>` +
	`<rulebase><security><rules><entry name="block"><from><member>untrust</member></from><to><member>any</member></to><source><member>blocked</member>` +
	`<member>list</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member>` +
	`</service><action>drop</action></entry></rules></security></rulebase></entry></vsys></entry></devices></config>`

// started is a simulated firewall with more registered addresses than one page shows.
func started(t *testing.T, o panosim.Options) *panosim.Sim {
	t.Helper()
	o.Config = conformanceConfig
	s, err := panosim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for i := range 1200 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
		if err := s.Addresses().Register("", p, "blocked", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func simulated(t *testing.T, name string, o panosim.Options) target {
	t.Helper()
	return targetOf(t, name, started(t, o))
}

func paired(t *testing.T, name string) target {
	t.Helper()
	active, passive := started(t, panosim.Options{}), started(t, panosim.Options{Serial: "007000000000002"})
	panosim.Pair(active, passive, panosim.PairOptions{})
	return targetOf(t, name, active)
}

func targetOf(t *testing.T, name string, s *panosim.Sim) target {
	t.Helper()
	transport := s.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return target{name: name, url: s.URL(), key: s.Key(), writes: true, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// fromEnvironment is the device that the variables name; false: they name none.
func fromEnvironment(t *testing.T) (target, bool) {
	t.Helper()
	address, key := os.Getenv(deviceURL), os.Getenv(deviceKey)
	if file := os.Getenv(deviceKeyFile); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key = strings.TrimSpace(string(content))
	}
	if address == "" && key == "" {
		return target{}, false
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || key == "" {
		t.Fatalf("%s is https://HOST[:PORT], and goes with %s or %s", deviceURL, deviceKey, deviceKeyFile)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := os.Getenv(deviceCA); file != "" {
		authorities, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authorities) {
			t.Fatalf("%s: no certificate in %s", deviceCA, file)
		}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return target{
		name: "device", url: strings.TrimSuffix(address, "/"), key: key, vsys: os.Getenv(deviceVSys), writes: os.Getenv(deviceWrite) == "1",
		client: &http.Client{Transport: transport, Timeout: time.Minute},
	}, true
}

// reply is an answer as it came.
type reply struct {
	status int
	body   string
	root   *xmltree.Element // <response>; nil: the body is none
}

// ok says whether the answer is a success.
func (r reply) ok() bool { return r.status == http.StatusOK && r.root.Attribute("status") == "success" }

// result is the element <result>, or nil.
func (r reply) result() *xmltree.Element { return r.root.Child("result") }

// text is that of the element <result>, without white space around it.
func (r reply) text() string {
	if r.result() == nil {
		return ""
	}
	return strings.TrimSpace(r.result().Text)
}

// says whether a line of the message, or the message, has the text.
func (r reply) says(text string) bool { return strings.Contains(r.body, text) }

// conversation is a target in a test.
type conversation struct {
	target
	t *testing.T
}

// send posts a form with the key given, "" for none.
func (c conversation) send(key string, form url.Values) reply {
	c.t.Helper()
	if c.vsys != "" {
		form.Set("vsys", c.vsys)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/api/", strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		request.Header.Set("X-PAN-KEY", key)
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatal(errors.Unwrap(err)) // without the form
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	r := reply{status: response.StatusCode, body: string(body)}
	r.root, _ = xmltree.Parse(r.body)
	if r.root != nil && r.root.Name != "response" {
		r.root = nil
	}
	return r
}

// op sends an operational command.
func (c conversation) op(cmd string) reply {
	c.t.Helper()
	return c.send(c.key, url.Values{"type": {"op"}, "cmd": {cmd}})
}

// config sends a call of type=config.
func (c conversation) config(action, xpath string, more ...string) reply {
	c.t.Helper()
	form := url.Values{"type": {"config"}, "action": {action}, "xpath": {xpath}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return c.send(c.key, form)
}

// want fails the test unless the answer is as it should be.
func (c conversation) want(what string, is bool, r reply) {
	c.t.Helper()
	if !is {
		c.t.Errorf("%s: HTTP %d %.2000s", what, r.status, r.body)
	}
}

// place is where the objects of the virtual system stand.
func (c conversation) place() string {
	vsys := c.vsys
	if vsys == "" {
		vsys = "vsys1"
	}
	return "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='" + vsys + "']"
}

// with runs the test against every target; with writing, against those alone that may be changed.
func with(t *testing.T, writing bool, test func(conversation)) {
	for _, one := range targets(t) {
		if writing && !one.writes {
			continue
		}
		t.Run(one.name, func(t *testing.T) { test(conversation{one, t}) })
	}
}

// isNumber says whether the text is a whole number that is not negative.
func isNumber(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 0
}

// What the variables name is a device like any other.
func TestTheDeviceOfTheVariables(t *testing.T) {
	s := started(t, panosim.Options{})
	directory := t.TempDir()
	for name, content := range map[string][]byte{"key": []byte(s.Key() + "\n"), "ca.pem": s.CA()} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{deviceURL, deviceKey, deviceKeyFile, deviceCA, deviceVSys, deviceWrite} {
		t.Setenv(name, "")
	}
	if device, ok := fromEnvironment(t); ok {
		t.Errorf("without the variables there is %s", device.url)
	}
	t.Setenv(deviceURL, s.URL()+"/")
	t.Setenv(deviceCA, filepath.Join(directory, "ca.pem"))
	t.Setenv(deviceKeyFile, filepath.Join(directory, "key"))
	t.Setenv(deviceVSys, "vsys1")
	device, ok := fromEnvironment(t)
	if !ok || device.writes {
		t.Fatalf("a device: %v, that may be changed: %v", ok, device.writes)
	}
	c := conversation{device, t}
	r := c.op("<show><system><info/></system></show>")
	c.want("it answers", r.ok(), r)
	t.Setenv(deviceWrite, "1")
	if device, _ := fromEnvironment(t); !device.writes {
		t.Error("it may not be changed although it is allowed")
	}
}

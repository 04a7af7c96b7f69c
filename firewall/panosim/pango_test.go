package panosim

import (
	"net"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/PaloAltoNetworks/pango"
	"github.com/PaloAltoNetworks/pango/userid"

	"activedefense/firewall/panosim/dialect"
)

// start runs a simulated firewall for the length of a test.
func start(t *testing.T, o Options) *Sim {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// connect gives a pango client of the firewall that is ready to be used.
func connect(t *testing.T, s *Sim, change func(*pango.Client)) *pango.Firewall {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	host, portText, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	fw := &pango.Firewall{Client: pango.Client{
		Hostname: host, Port: uint(port), ApiKey: s.Key(), Timeout: 10, Logging: pango.LogQuiet,
		VerifyCertificate: true, Transport: s.Transport(),
	}}
	t.Cleanup(fw.Transport.CloseIdleConnections)
	if change != nil {
		change(&fw.Client)
	}
	if err := fw.Initialize(); err != nil {
		t.Fatalf("Initialize: %v", err)
	}
	return fw
}

func TestPangoConnects(t *testing.T) {
	s := start(t, Options{Version: "11.1.4-h7", Model: "PA-440", Serial: "021201000001", Hostname: "edge"})
	fw := connect(t, s, nil)
	if got := fw.Version.String(); got != "11.1.4-h7" {
		t.Errorf("version = %s", got)
	}
	for name, want := range map[string]string{
		"model": "PA-440", "serial": "021201000001", "hostname": "edge", "multi-vsys": "off", "family": "440",
	} {
		if got := fw.SystemInfo[name]; got != want {
			t.Errorf("system info %s = %q, want %q", name, got, want)
		}
	}
	if len(fw.Plugin) != 1 || fw.Plugin[0].Installed != "yes" {
		t.Errorf("plugins = %+v", fw.Plugin)
	}
}

func TestPangoGeneratesKey(t *testing.T) {
	s := start(t, Options{Users: map[string]string{"admin": "correct"}})
	fw := connect(t, s, func(c *pango.Client) { c.ApiKey, c.Username, c.Password = "", "admin", "correct" })
	if fw.ApiKey != s.Key() {
		t.Errorf("key = %q, want %q", fw.ApiKey, s.Key())
	}
	fw.Password = "wrong"
	if err := fw.RetrieveApiKey(); err == nil || err.Error() != "Invalid Credential" {
		t.Errorf("wrong password: error %v", err)
	}
}

func TestPangoTagsAndReadsBack(t *testing.T) {
	s := start(t, Options{})
	fw := connect(t, s, nil)
	err := fw.UserId.Run(&userid.Message{TagIps: []userid.TagIp{
		{Ip: "192.0.2.1", Tags: []string{"a", "b"}}, {Ip: "2001:db8::1", Tags: []string{"a"}},
	}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := fw.UserId.Run(&userid.Message{UntagIps: []userid.UntagIp{{Ip: "192.0.2.1", Tags: []string{"b"}}}}, ""); err != nil {
		t.Fatal(err)
	}
	got, err := fw.UserId.GetIpTags("", "a", "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"192.0.2.1": {"a"}, "2001:db8::1": {"a"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("GetIpTags = %v, want %v", got, want)
	}
}

// pango asks for the page that begins after the entries it has.
func TestPangoPages(t *testing.T) {
	for count, pages := range map[int]int{0: 1, 499: 1, 500: 2, 501: 2, 1000: 3} {
		s := start(t, Options{})
		fw := connect(t, s, nil)
		for i := range count {
			if err := s.Addresses().Register("", host(i), "many", 0); err != nil {
				t.Fatal(err)
			}
		}
		got, err := fw.UserId.GetIpTags("", "many", "")
		if err != nil {
			t.Fatal(err)
		}
		if calls := s.Stats().Calls[KindRegisteredIP]; len(got) != count || calls != pages {
			t.Errorf("%d registered: read %d in %d calls, want %d calls", count, len(got), calls, pages)
		}
	}
}

// What pango makes of a partial failure: bytes that tell everything, and an error without a text.
func TestPangoSeesPartialFailure(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{Duplicates: dialect.LegacyOthersApplied}})
	fw := connect(t, s, nil)
	cmd := uidMessage(`<register>` + entryXML("192.0.2.1", "a", "") + `</register>`)
	if _, err := fw.Uid(cmd, "vsys1", nil, nil); err != nil {
		t.Fatal(err)
	}
	body, err := fw.Uid(cmd, "vsys1", nil, nil)
	if err == nil || err.Error() != "" {
		t.Errorf("error = %v, want one without a text", err)
	}
	if want := `<entry ip="192.0.2.1" message="tag a already exists, ignore"/>`; !strings.Contains(string(body), want) {
		t.Errorf("body = %s, want %s in it", body, want)
	}
}

func TestPangoRefusesOutfile(t *testing.T) {
	s := start(t, Options{Version: "7.1.9"})
	fw := connect(t, s, nil)
	for i := range 501 {
		if err := s.Addresses().Register("", host(i), "many", 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := fw.UserId.GetIpTags("", "many", ""); err == nil || !strings.Contains(err.Error(), "regipdump") {
		t.Errorf("GetIpTags = %d entries, error %v; want an error that names the file", len(got), err)
	}
}

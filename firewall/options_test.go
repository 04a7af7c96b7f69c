package firewall_test

import (
	"bytes"
	"errors"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name   string
		change func(*labOptions)
		text   string // "": it is fine
	}{
		{"as it is", func(*labOptions) {}, ""},
		{"port and slash", func(o *labOptions) { o.URL = "https://192.0.2.1:4443/" }, ""},
		{"IPv6", func(o *labOptions) { o.URL = "https://[2001:db8::1]" }, ""},
		{"path of the API", func(o *labOptions) { o.URL = "https://fw.example.com/api/" }, ""},
		{"user and password", func(o *labOptions) { o.APIKey, o.Username, o.Password = "", "svc", "swordfish" }, ""},
		{"no name", func(o *labOptions) { o.Name = "" }, "name"},
		{"name of two lines", func(o *labOptions) { o.Name = "a\nb" }, "name"},
		{"no URL", func(o *labOptions) { o.URL = "" }, "url"},
		{"host alone", func(o *labOptions) { o.URL = "192.0.2.1" }, "url"},
		{"not a URL", func(o *labOptions) { o.URL = "https://[::1" }, "url"},
		{"in the clear", func(o *labOptions) { o.URL = "http://192.0.2.1" }, "https"},
		{"password in the URL", func(o *labOptions) { o.URL = "https://admin:swordfish@192.0.2.1" }, "url"},
		{"path", func(o *labOptions) { o.URL = "https://192.0.2.1/php/login" }, "url"},
		{"query", func(o *labOptions) { o.URL = "https://192.0.2.1/?key=swordfish" }, "url"},
		{"port 0", func(o *labOptions) { o.URL = "https://192.0.2.1:0" }, "port"},
		{"port too large", func(o *labOptions) { o.URL = "https://192.0.2.1:65536" }, "port"},
		{"target", func(o *labOptions) { o.Target = "0123'" }, "target"},
		{"vsys", func(o *labOptions) { o.VSys = "vsys 1" }, "vsys"},
		{"no tag", func(o *labOptions) { o.Tag = "" }, "tag"},
		{"long tag", func(o *labOptions) { o.Tag = strings.Repeat("x", 128) }, "tag"},
		{"tag with a quote", func(o *labOptions) { o.Tag = "it's" }, "tag"},
		{"tag with spaces around", func(o *labOptions) { o.Tag = " x" }, "tag"},
		{"no key", func(o *labOptions) { o.APIKey = "" }, "API key"},
		{"user alone", func(o *labOptions) { o.APIKey, o.Username = "", "svc" }, "API key"},
		{"key with its line end", func(o *labOptions) { o.APIKey = "swordfish\n" }, "API key"},
		{"CA", func(o *labOptions) { o.CA = []byte("swordfish") }, "CA"},
		{"timeout", func(o *labOptions) { o.Timeout = -time.Second }, "timeout"},
		{"percent", func(o *labOptions) { o.MaxRemovalPercent = 101 }, "max_removal_percent"},
		{"batch", func(o *labOptions) { o.BatchSize = 5000 }, "batch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := labOptions{
				xmlapi.Options{Name: "LAB-FW-01", URL: "https://192.0.2.1", APIKey: "swordfish"}, firewall.TagOptions{Tag: tag},
			}
			test.change(&o)
			device, _, err := o.open()
			if test.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				device.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "swordfish") {
				t.Errorf("got %v, want something about %q", err, test.text)
			}
		})
	}
}

// Characters are counted as the configuration counts them, so that what one takes the other does not refuse.
func TestTagsAreCountedInCharacters(t *testing.T) {
	l := newLab(t, nil, func(o *labOptions) { o.Tag = strings.Repeat("ü", 127) })
	if _, err := firewall.NewTags(l.device, firewall.TagOptions{Tag: strings.Repeat("ü", 128)}); err == nil || !strings.Contains(err.Error(), "LAB-FW-01") {
		t.Errorf("128 characters: %v", err)
	}
}

func TestKindOfForeignErrors(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), os.ErrNotExist} {
		if xmlapi.Kind(err) != "" || xmlapi.Transient(err) {
			t.Errorf("%v: kind %q, transient %v", err, xmlapi.Kind(err), xmlapi.Transient(err))
		}
	}
}

// The global log belongs to whoever runs us; pango and net/http write to it if they are let.
func TestNothingIsLogged(t *testing.T) {
	var out bytes.Buffer
	before := log.Writer()
	log.SetOutput(&out)
	defer log.SetOutput(before)
	l := newLab(t, func(o *panosim.Options) { o.Users = map[string]string{"svc": "swordfish"} }, nil)
	l.opts.APIKey, l.opts.Username, l.opts.Password = "", "svc", "swordfish"
	l.restart()
	l.level(l.entries(0, 3))
	l.sim.SetFault(panosim.Fault{Effect: panosim.Garbage})
	if _, err := l.fw.Reconcile(t.Context(), nil, true); err == nil {
		t.Fatal("no error")
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", &out)
	}
}

func TestCertificates(t *testing.T) {
	l := newLab(t, nil, nil)
	other := newLab(t, nil, nil)
	l.opts.CA = other.sim.CA()
	l.restart()
	if _, err := l.fw.Reconcile(t.Context(), l.entries(0, 1), true); xmlapi.Kind(err) != xmlapi.KindTLS {
		t.Errorf("the certificate of another authority: %v", err)
	}
	if n := len(l.sim.Stats().Calls); n != 0 {
		t.Errorf("%d calls were made over a connection that does not verify", n)
	}
	l.opts.InsecureSkipVerify = true
	l.restart()
	l.pass(l.entries(0, 1), true)
}

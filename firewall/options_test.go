package firewall_test

import (
	"bytes"
	"log"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

func TestNewTagsRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name   string
		change func(*labOptions)
		text   string // "": it is fine
	}{
		{"as it is", func(*labOptions) {}, ""},
		{"no tag", func(o *labOptions) { o.Tag = "" }, "tag"},
		{"long tag", func(o *labOptions) { o.Tag = strings.Repeat("x", 128) }, "tag"},
		{"tag with a quote", func(o *labOptions) { o.Tag = "it's" }, "tag"},
		{"tag with spaces around", func(o *labOptions) { o.Tag = " x" }, "tag"},
		{"percent", func(o *labOptions) { o.MaxRemovalPercent = 101 }, "max_removal_percent"},
		{"batch", func(o *labOptions) { o.BatchSize = 5000 }, "batch"},
		{"negative batch", func(o *labOptions) { o.BatchSize = -1 }, "batch"},
		{"pass time", func(o *labOptions) { o.PassTime = -time.Second }, "pass time"},
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

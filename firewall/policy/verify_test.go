package policy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
)

var update = flag.Bool("update", false, "write the device files anew")

const verifyDir = "testdata/verify"

// render makes the file of a case from base.xml.
func (c verifyCase) render(t *testing.T, base string) string {
	t.Helper()
	text := base
	for _, change := range c.changes {
		text = change(t, text)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<!-- As base.xml, but %s. -->", c.differs)
	head := `<?xml version="1.0" encoding="UTF-8"?>`
	text = strings.Replace(text, head, head+b.String(), 1)
	b.Reset()
	b.WriteString("\n  <expect")
	if c.others != "" {
		b.WriteString(` others="` + c.others + `"`)
	}
	b.WriteString(">")
	for _, e := range c.expect {
		fmt.Fprintf(&b, "\n    <entry name=%q result=%q>%s</entry>", e.check, e.result, xmlapi.Escape(e.detail))
	}
	b.WriteString("\n  </expect>")
	return strings.Replace(text, "\n  <want ", b.String()+"\n  <want ", 1)
}

// TestDeviceFiles holds the files to what they are made from.
func TestDeviceFiles(t *testing.T) {
	base, err := os.ReadFile(filepath.Join(verifyDir, "base.xml"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"base.xml": true}
	for _, c := range verifyCases() {
		name := c.name + ".xml"
		if known[name] {
			t.Fatalf("two cases are called %s", name)
		}
		known[name] = true
		t.Run(c.name, func(t *testing.T) {
			path, want := filepath.Join(verifyDir, name), []byte(c.render(t, string(base)))
			if *update {
				if err := os.WriteFile(path, want, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
				t.Errorf("%s is not what the case makes of base.xml (%v); go test -run DeviceFiles -update writes it", path, err)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(verifyDir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[filepath.Base(f)] {
			t.Errorf("no case makes %s", f)
		}
	}
}

func loadDevice(t *testing.T, path string) device {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xmlapi.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return readDevice(doc)
}

var checkNames = []string{
	"api", "api-role", "block-source", "block-rule", "block-rule-position", "block-rule-logs", "sensor-rule",
	"log-forwarding", "syslog-format", "internet-rules", "edl-source", "committed", "capacity", "dag-members", "peers",
}

func TestVerify(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(verifyDir, "*.xml"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d device files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".xml"), func(t *testing.T) {
			d := loadDevice(t, path)
			checks := Verify(d.facts, d.want)
			d.judge(t, checks)
			if again := Verify(d.facts, d.want); !slices.Equal(again, checks) {
				t.Errorf("the same facts were judged otherwise:%s", findingsText(again))
			}
		})
	}
}

// judge compares what the checks found with what they shall find.
func (d device) judge(t *testing.T, checks []Check) {
	t.Helper()
	for i, c := range checks {
		if c.Check != checkNames[i] || c.Firewall != d.facts.Firewall {
			t.Errorf("check %d is %q of %q, want %q", i, c.Check, c.Firewall, checkNames[i])
		}
		want := expected{c.Check, ResultPass, ""}
		if d.others != "" {
			want.result = d.others
		}
		for _, e := range d.expect {
			if e.check == c.Check {
				want = e
			}
		}
		if c.Result != want.result || !strings.Contains(c.Detail, want.detail) {
			t.Errorf("%s: %s (%s), want %s with %q", c.Check, c.Result, c.Detail, want.result, want.detail)
		}
		if strings.Contains(c.Remedy, "disabled yes") || strings.Contains(strings.ToLower(c.Remedy), "disable the") {
			t.Errorf("%s: a remedy disables a rule: %s", c.Check, c.Remedy)
		}
		if c.Detail == "" || c.Result == ResultPass && c.Remedy != "" || c.Result == ResultFail && c.Remedy == "" {
			t.Errorf("%s: %s with detail %q and remedy %q", c.Check, c.Result, c.Detail, c.Remedy)
		}
	}
	if len(checks) != len(checkNames) {
		t.Errorf("%d checks, want %d", len(checks), len(checkNames))
	}
	if t.Failed() {
		t.Logf("found:%s", findingsText(checks))
	}
}

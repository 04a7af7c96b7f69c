package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

// uncommented gives the example with its firewall, listener (over TCP, for its certificate is not here), ignored records and label switched on, and the key file in a folder of the test.
func uncommented(t *testing.T) []byte {
	t.Helper()
	head, firewalls, found := strings.Cut(string(Example), "\nfirewalls: []\n")
	if !found {
		t.Fatal("the example has no line \"firewalls: []\"")
	}
	firewalls = regexp.MustCompile(`(?m)^#`).ReplaceAllString(firewalls, "")
	for _, key := range []string{"  ignore", "rules", "labels", "  webhooks"} { // their elements stand right below
		above, block, found := strings.Cut(head, "\n"+key+": []\n")
		elements, below, end := strings.Cut(block, "\n\n")
		if !found || !end {
			t.Fatalf("the example has no line %q with elements below it", key+": []")
		}
		head = above + "\n" + key + ":\n" + regexp.MustCompile(`(?m)^#`).ReplaceAllString(elements, "") + "\n\n" + below
	}
	above, inputs, found := strings.Cut(head, "\n#  - listen:")
	listener, below, end := strings.Cut(inputs, "\n\n")
	if !found || !end {
		t.Fatal("the example has no input that listens")
	}
	head = above + "\n  - listen:" + regexp.MustCompile(`(?m)^#`).ReplaceAllString(strings.Replace(listener, "tls:", "tcp:", 1), "") + "\n\n" + below
	head = regexp.MustCompile(`(cert|key)_file: /etc/activedefense/syslog.(pem|key)`).ReplaceAllString(head, `${1}_file: ""`)
	key := filepath.Join(t.TempDir(), "lab-fw-01.key")
	if err := os.WriteFile(key, []byte("LUFRPT1example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte(head + "\nfirewalls:\n" + strings.ReplaceAll(firewalls, "/etc/activedefense/lab-fw-01.key", key))
}

func TestExampleLoads(t *testing.T) {
	c, warnings, err := loadBytes(Example)
	if err != nil || keysOf(warnings) != "networks.own never_block" {
		t.Fatalf("Load(example) = %v, warnings %v", err, warnings)
	}
	builtIn, _, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.settings, builtIn.settings = nil, nil // how they are written differs
	if !reflect.DeepEqual(c, builtIn) {
		t.Errorf("the example gives\n%+v\nbut the built-in defaults are\n%+v", c, builtIn)
	}
}

func TestExampleWithFirewallLoads(t *testing.T) {
	c, warnings, err := loadBytes(uncommented(t))
	if err != nil || keysOf(warnings) != "edl.url networks.own never_block" { // the firewall says what is ours, and not all of it
		t.Fatalf("Load = %v, warnings %v", err, warnings)
	}
	f := c.Firewalls[0]
	if f.Name != "LAB-FW-01" || f.URL != "https://192.0.2.1" || f.APIKey.Reveal() != "LUFRPT1example" || f.Tag != "active-defense" {
		t.Errorf("firewall = %+v", f)
	}
	if l := c.Inputs[1].Listen; l.Address != "0.0.0.0:6514" || len(l.Allow) != 1 || l.SpoolSize != 4_000_000_000 {
		t.Errorf("listener = %+v", l)
	}
	if i := c.Detect.Ignore[0]; i.Reason == "" || len(i.DstPort) != 2 || len(i.Rules) != 2 || i.Until.Year() != 2027 {
		t.Errorf("ignore = %+v", i)
	}
	if l := c.Labels[0]; l != (Label{"/etc/activedefense/scanners.txt", "known scanner", "label"}) {
		t.Errorf("label = %+v", l)
	}
}

// The defaults are written down in the schema; the example only repeats them.
func TestExampleShowsEveryDefault(t *testing.T) {
	tree, err := yaml.Parser().Unmarshal(uncommented(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range schema {
		if f.kind == elements {
			continue
		}
		value, found := at(tree, strings.Split(strings.ReplaceAll(f.path, "[]", ".0"), "."))
		commented := regexp.MustCompile(`(?m)^ +# ` + regexp.QuoteMeta(f.path[strings.LastIndexByte(f.path, '.')+1:]) + `: ""$`).Match(uncommented(t))
		switch {
		case !found && commented && f.preset == "": // one of several ways: shown, but not all at once
		case !found:
			t.Errorf("%s is not in the example", f.path)
		case f.path == "firewalls[].api_key_file", f.preset == nil:
		case f.kind == headers:
			if len(value.(map[string]any)) > 0 {
				t.Errorf("%s is %v in the example, and none by default", f.path, value)
			}
		case f.path == "rules[].count": // one value as well as a list
			if value != "events" {
				t.Errorf("%s is %v in the example, and %v by default", f.path, value, f.preset)
			}
		case f.kind == patterns:
			if len(value.([]any)) != 0 {
				t.Errorf("%s is %v in the example, and none by default", f.path, value)
			}
		case f.kind == list, f.kind == values:
			if len(value.([]any)) != len(f.preset.([]string)) {
				t.Errorf("%s is %v in the example, and %v by default", f.path, value, f.preset)
			}
		case value != f.preset:
			t.Errorf("%s is %v in the example, and %v by default", f.path, value, f.preset)
		}
	}
	if path, _ := at(tree, []string{"inputs", "0", "path"}); path != presetInput(t) {
		t.Errorf("inputs[0].path is %v in the example, and %v by default", path, presetInput(t))
	}
}

func presetInput(t *testing.T) any {
	t.Helper()
	f, ok := lookup("inputs")
	if !ok {
		t.Fatal("no inputs in the schema")
	}
	return f.preset.([]any)[0].(map[string]any)["path"]
}

// at walks into a tree of maps and lists.
func at(tree any, path []string) (any, bool) {
	for i, part := range path {
		switch node := tree.(type) {
		case map[string]any:
			value, ok := node[part]
			if !ok {
				return nil, false
			}
			tree = value
		case []any:
			if part != "0" {
				return nil, false
			}
			for _, element := range node { // the first that has it
				if value, ok := at(element, path[i+1:]); ok {
					return value, true
				}
			}
			return nil, false
		default:
			return nil, false
		}
	}
	return tree, true
}

func TestInstalledFiles(t *testing.T) {
	for name, content := range map[string][]byte{
		"example.yaml": Example, "activedefense.service": Unit, "rsyslog.conf": Rsyslog, "logrotate.conf": Logrotate,
	} {
		onDisk, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(onDisk, content) || len(content) == 0 {
			t.Errorf("%s is not what is embedded: %v", name, err)
		}
	}
	// One folder in all of them: the daemon finds what rsyslog writes and logrotate rotates.
	folder := filepath.Dir(presetInput(t).(string))
	for name, content := range map[string][]byte{"unit": Unit, "rsyslog": Rsyslog, "logrotate": Logrotate} {
		if !bytes.Contains(content, []byte(folder)) {
			t.Errorf("the %s file does not name %s", name, folder)
		}
	}
}

package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEnvironmentOverridesFile(t *testing.T) {
	c, warnings, err := loadBytes([]byte(`
log: {level: debug, format: json}
never_block: [192.0.2.7]
inputs: [{path: /a.log}, {path: /b.log, format: csv}]
firewalls: [{name: A, url: https://192.0.2.1, api_key_file: /nowhere}]
`),
		"PATH=/bin", "NOT_ACTIVEDEFENSE_X=1", "ACTIVEDEFENSE_WITHOUT_EQUALS_SIGN",
		"ACTIVEDEFENSE_LOG__LEVEL=warn",
		"ACTIVEDEFENSE_STORE__URL=postgres://agent:hush-1@db.example/ad?sslmode=disable&a=b",
		"ACTIVEDEFENSE_STORE__KEEP_RECORDS=1d12h",
		"ACTIVEDEFENSE_NEVER_BLOCK=198.51.100.0/24, 2001:db8::1 ,203.0.113.9",
		"ACTIVEDEFENSE_INPUTS__1__TIMEZONE=UTC",
		"ACTIVEDEFENSE_INPUTS__2__PATH=/c.log",
		"ACTIVEDEFENSE_DETECT__PORT_SCAN__PORTS=20",
		"ACTIVEDEFENSE_DETECT__HOST_SWEEP__WINDOW=0",
		"ACTIVEDEFENSE_EDL__ALLOW=",
		"ACTIVEDEFENSE_EDL__URL=https://192.0.2.10/files/blacklist.txt",
		"ACTIVEDEFENSE_FIREWALLS__0__API_KEY_FILE=",
		"ACTIVEDEFENSE_FIREWALLS__0__API_KEY=hush-2",
		"ACTIVEDEFENSE_FIREWALLS__1__NAME=B",
		"ACTIVEDEFENSE_FIREWALLS__1__URL=https://192.0.2.2",
		"ACTIVEDEFENSE_FIREWALLS__1__USERNAME=agent",
		"ACTIVEDEFENSE_FIREWALLS__1__PASSWORD=hush,3",
		"ACTIVEDEFENSE_FIREWALLS__1__TIMEOUT=5s",
	)
	if err != nil {
		t.Fatal(err)
	}
	if keysOf(warnings) != "networks.own" {
		t.Errorf("secrets of the environment are not written in the configuration: %v", warnings)
	}
	for what, pair := range map[string][2]any{
		"level":        {c.Log.Level, "warn"},
		"format":       {c.Log.Format, "json"},
		"store":        {c.Store.URL, "postgres://agent:hush-1@db.example/ad?sslmode=disable&a=b"},
		"keep":         {c.Store.KeepRecords, 36 * time.Hour},
		"never":        {c.NeverBlock, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("203.0.113.9/32")}},
		"inputs":       {len(c.Inputs), 3},
		"first input":  {c.Inputs[0].Path, "/a.log"},
		"second input": {c.Inputs[1].Path + " " + c.Inputs[1].Format + " " + c.Inputs[1].Location.String(), "/b.log csv UTC"},
		"third input":  {c.Inputs[2].Path + " " + c.Inputs[2].Format + " " + c.Inputs[2].Timezone, "/c.log auto Local"},
		"ports":        {c.Detect.PortScan.Ports, 20},
		"off":          {c.Detect.HostSweep.Window, time.Duration(0)},
		"allow":        {len(c.EDL.Allow), 0},
		"key":          {c.Firewalls[0].APIKey.Reveal() + c.Firewalls[0].APIKeyFile, "hush-2"},
		"second":       {c.Firewalls[1].Name + " " + c.Firewalls[1].Username + " " + c.Firewalls[1].Password.Reveal() + " " + c.Firewalls[1].VSys, "B agent hush,3 vsys1"},
		"timeout":      {c.Firewalls[1].Timeout, 5 * time.Second},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestEnvironmentWithoutFile(t *testing.T) {
	c, _, err := Load(Options{Environ: []string{"ACTIVEDEFENSE_INPUTS__0__FORMAT=kv"}})
	if err != nil || len(c.Inputs) != 1 || c.Inputs[0].Format != "kv" || c.Inputs[0].Path != "/var/log/Firewall/*.log" {
		t.Errorf("Load = %+v, %v", c, err)
	}
	again, _, err := Load(Options{})
	if err != nil || again.Inputs[0].Format != "auto" {
		t.Errorf("a variable has changed the built-in defaults: %+v, %v", again, err)
	}
}

func TestEnvironmentFaults(t *testing.T) {
	for _, c := range []struct{ variable, key, text string }{
		{"STORE_URL=x", "ACTIVEDEFENSE_STORE_URL", "did you mean ACTIVEDEFENSE_STORE__URL?"},
		{"FIREWALLS__1__API_KEYS=x", "ACTIVEDEFENSE_FIREWALLS__1__API_KEYS", "did you mean ACTIVEDEFENSE_FIREWALLS__0__API_KEY?"},
		{"NEVER_BLOCK__0=192.0.2.7", "ACTIVEDEFENSE_NEVER_BLOCK__0", "did you mean ACTIVEDEFENSE_NEVER_BLOCK?"},
		{"log__level=info", "ACTIVEDEFENSE_log__level", "did you mean ACTIVEDEFENSE_LOG__LEVEL?"},
		{"SERVICE_HOST=192.0.2.7", "ACTIVEDEFENSE_SERVICE_HOST", "__ for each dot"},
		{"LOG=info", "ACTIVEDEFENSE_LOG", "unknown variable"},
		{"INPUTS=/x", "ACTIVEDEFENSE_INPUTS", "unknown variable"},
		{"INPUTS__00__PATH=/x", "ACTIVEDEFENSE_INPUTS__00__PATH", "unknown variable"},
		{"INPUTS__-1__PATH=/x", "ACTIVEDEFENSE_INPUTS__-1__PATH", "unknown variable"},
		{"=hush-1", "ACTIVEDEFENSE_", "unknown variable"},
		{"INPUTS__2__PATH=/x", "inputs[2]", "0 to 1"},
		{"LOG__LEVEL=loud", "log.level", "(set by ACTIVEDEFENSE_LOG__LEVEL)"},
		{"NEVER_BLOCK=192.0.2.7,,", "never_block[1]", "(set by ACTIVEDEFENSE_NEVER_BLOCK)"},
		{"DETECT__MAX_SOURCES=many", "detect.max_sources", "whole number (set by ACTIVEDEFENSE_DETECT__MAX_SOURCES)"},
		{"FIREWALLS__0__INSECURE_SKIP_VERIFY=maybe", "firewalls[0].insecure_skip_verify", "true or false"},
		{"FIREWALLS__0__API_KEY=hush-1\xff", "firewalls[0].api_key", "UTF-8"},
		{"STORE__URL=hush-1", "store.url", "postgres://"},
	} {
		yaml := "{}"
		if strings.HasPrefix(c.variable, "FIREWALLS__0") {
			yaml = "firewalls: [{name: A, url: https://192.0.2.1, api_key: k}]"
		}
		_, _, err := loadBytes([]byte(yaml), "ACTIVEDEFENSE_"+c.variable)
		fs := faultsOf(t, err)
		named := 0
		for _, f := range fs {
			if f.Key == c.key && strings.Contains(f.Text, c.text) {
				named++
			}
		}
		if named != 1 || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %s with %q", c.variable, err, c.key, c.text)
		}
	}
}

// Whatever a file can say, the environment can say to the same effect.
func TestEnvironmentSaysWhatFileSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := rapid.IntRange(1, 65535).Draw(t, "ports")
		window := FormatDuration(time.Duration(rapid.IntRange(1, 86400).Draw(t, "seconds")) * time.Second)
		level := rapid.SampledFrom([]string{"trace", "debug", "info", "warn", "error"}).Draw(t, "level")
		tag := rapid.StringMatching(`tag[a-z0-9_.:,=-]{0,20}`).Draw(t, "tag")
		skip := rapid.Bool().Draw(t, "skip")
		networks := rapid.SliceOfN(rapid.SampledFrom([]string{"192.0.2.7", "198.51.100.0/24", "2001:db8::/32"}), 0, 4).Draw(t, "networks")

		quoted := make([]string, len(networks))
		for i, n := range networks {
			quoted[i] = strconv.Quote(n)
		}
		firewall := "firewalls:\n  - name: A\n    url: https://192.0.2.1\n    api_key: k\n"
		file := fmt.Sprintf("log: {level: %s}\ndetect: {port_scan: {ports: %d, window: %s}}\nnever_block: [%s]\n%s    tag: %q\n    insecure_skip_verify: %t\n",
			level, ports, window, strings.Join(quoted, ", "), firewall, tag, skip)
		fromFile, _, err := loadBytes([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		fromEnvironment, _, err := loadBytes([]byte(firewall),
			"ACTIVEDEFENSE_LOG__LEVEL="+level,
			"ACTIVEDEFENSE_DETECT__PORT_SCAN__PORTS="+strconv.Itoa(ports),
			"ACTIVEDEFENSE_DETECT__PORT_SCAN__WINDOW="+window,
			"ACTIVEDEFENSE_NEVER_BLOCK="+strings.Join(networks, ","),
			"ACTIVEDEFENSE_FIREWALLS__0__TAG="+tag,
			"ACTIVEDEFENSE_FIREWALLS__0__INSECURE_SKIP_VERIFY="+strconv.FormatBool(skip))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fromFile, fromEnvironment) {
			t.Fatalf("file:\n%+v\nenvironment:\n%+v", fromFile, fromEnvironment)
		}
	})
}

// Every key of the schema can be set by its variable: none is unknown.
func TestEveryKeyHasVariable(t *testing.T) {
	for _, f := range schema {
		if f.kind == elements {
			continue
		}
		l := newLoader("")
		name := "ACTIVEDEFENSE_" + strings.ToUpper(strings.NewReplacer("[].", "__0__", ".", "__").Replace(f.path))
		value := map[kind]string{integer: "1", boolean: "true"}[f.kind]
		key, typed := l.variable(name, value)
		if want := strings.ReplaceAll(f.path, "[]", ".0"); key != want || typed == nil || len(l.faults) > 0 {
			t.Errorf("%s gives %q, %v, %v; want the key %q", name, key, typed, l.faults, want)
		}
	}
}

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A credential that makes a firewall complete in the cases below.
const login = `api_key: LUFRPT1x`

// firewallWith gives a configuration with one firewall: complete, but for the lines given.
func firewallWith(lines string) string {
	section := "firewalls:\n  - "
	if !strings.HasPrefix(lines, "name:") {
		section += "name: LAB-FW-01\n    "
	}
	if !strings.Contains(lines, "url:") {
		section += "url: https://192.0.2.1\n    "
	}
	return section + strings.ReplaceAll(lines, "\n", "\n    ") + "\n"
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, yaml, key, text string }{
		{"unknown at the top", "stat_dir: /x", "stat_dir", "did you mean state_dir?"},
		{"unknown in a section", "log: {levle: info}", "log.levle", "did you mean log.level?"},
		{"unknown in an element", "inputs: [{path: /a, zone: UTC}]", "inputs[0].zone", "known keys: path, format, timezone, start"},
		{"key of another section", "release_after: 1d", "release_after", "did you mean blacklist.release_after?"},
		{"key of an element", "api_key_file: /x", "api_key_file", "did you mean firewalls[].api_key_file?"},
		{"case", "Store: {url: x}", "Store", "did you mean store?"},
		{"dotted key", "log.level: debug", `"log.level"`, "cannot contain a dot"},
		{"odd key", `"a b": 1`, `"a b"`, "unknown key"},
		{"number as key", "7: 1", "7", "unknown key"},

		{"text as section", "log: info", "log", "must be a section"},
		{"section as list", "inputs: {path: /a}", "inputs", "must be a list"},
		{"text as element", "inputs: [/a]", "inputs[0]", "{path: ...}"},
		{"nothing as element", "inputs:\n  -\n", "inputs[0]", "{path: ...}"},
		{"number as text", "state_dir: 7", "state_dir", "put it in quotes"},
		{"no value", "edl: {listen: }", "edl.listen", "the default (:8443)"},
		{"text as number", `detect: {max_sources: "5000"}`, "detect.max_sources", "whole number"},
		{"fraction", "edl: {max_entries: 1.5}", "edl.max_entries", "whole number"},
		{"text as truth", firewallWith(login + "\ninsecure_skip_verify: yes please"), "firewalls[0].insecure_skip_verify", "true or false"},
		{"number as duration", "blacklist: {release_after: 30}", "blacklist.release_after", "with a unit"},
		{"text as list", "never_block: 192.0.2.7", "never_block", "must be a list"},
		{"zone as list", firewallWith(login + "\ninternet_zones: untrust"), "firewalls[0].internet_zones", "such as [untrust]"},
		{"number in a list", "never_block: [192.0.2.7, 7]", "never_block[1]", "put it in quotes"},

		{"state_dir", `state_dir: ""`, "state_dir", "is missing"},
		{"level", "log: {level: loud}", "log.level", "not one of trace, debug, info, warn, error"},
		{"log format", "log: {format: xml}", "log.format", "not one of auto, json, console"},
		{"store scheme", "store: {url: mysql://db/x}", "store.url", "postgres://"},
		{"store unparsable", "store: {url: 'postgres://u:hush-1%zz@db/x'}", "store.url", "percent-encoded"},
		{"store with a bare hash", "store: {url: 'postgres://u:1#hush-1@db/x'}", "store.url", "percent-encoded"},
		{"store with a bare slash", "store: {url: 'postgres://u:1/hush-1@db/x'}", "store.url", "percent-encoded"},
		{"store with a bad option", "store: {url: 'postgres://u:hush-1@db/x?sslmode=perhaps'}", "store.url", "after the question mark"},
		{"store with a bad pool", "store: {url: 'postgres://u:hush-1@db/x?pool_max_conns=many'}", "store.url", "after the question mark"},
		{"store with a missing CA", "store: {url: 'postgres://u:hush-1@db/x?sslmode=verify-full&sslrootcert=/none'}", "store.url", "the files they name"},
		{"store as key=value", "store: {url: 'host=db password=hush-1'}", "store.url", "postgres://"},
		{"size without a unit", "store: {max_size: 200}", "store.max_size", "such as 200GB"},
		{"records in no form", "store: {records: columns}", "store.records", "not one of auto, blocks, rows"},
		{"rows in SQLite", "store: {records: rows}", "store.records", "PostgreSQL alone"},
		{"size that is none", "store: {max_size: much}", "store.max_size", "is not a size"},
		{"size that holds nothing", "store: {max_size: 20MB}", "store.max_size", "at least 100 MB"},
		{"records kept too briefly", "store: {keep_records: 23h}", "store.keep_records", "at least 1d"},
		{"records kept less than two windows", "store: {keep_records: 1d}\ndetect: {host_sweep: {window: 13h}}", "store.keep_records", "at least 1d2h"},

		{"no inputs", "inputs: []", "inputs", "at least one"},
		{"input without path", "inputs: [{format: kv}]", "inputs[0].path", "is missing"},
		{"bad glob", "inputs: [{path: '/a/[b.log'}]", "inputs[0].path", "is not a valid glob"},
		{"same glob", "inputs: [{path: /a/*.log}, {path: /a//*.log}]", "inputs[1].path", "inputs[0].path matches too"},
		{"path within glob", "inputs: [{path: /a/x.log}, {path: /b/*}, {path: /a/*.log}]", "inputs[2].path", "inputs[0].path matches too (/a/x.log)"},
		{"narrower glob", "inputs: [{path: /a/*.log}, {path: /a/fw*.log}]", "inputs[1].path", "inputs[0].path matches too"},
		{"input format", "inputs: [{path: /a, format: xml}]", "inputs[0].format", "not one of auto, kv, csv, cef, leef"},
		{"device with a line break", `inputs: [{path: /a, device: "a\nb"}]`, "inputs[0].device", "is not a valid name"},
		{"silence too short", "inputs: [{path: /a, silent_after: 1ms}]", "inputs[0].silent_after", "at least 1s"},
		{"silence too long", "inputs: [{path: /a, silent_after: 400d}]", "inputs[0].silent_after", "at most 365d"},
		{"zone", "inputs: [{path: /a, timezone: Europe/Amsterdm}]", "inputs[0].timezone", "IANA name"},
		{"zone outside", "inputs: [{path: /a, timezone: ../../etc/passwd}]", "inputs[0].timezone", "IANA name"},
		{"empty zone", "inputs: [{path: /a, timezone: ''}]", "inputs[0].timezone", "Local"},
		{"start", "inputs: [{path: /a, start: middle}]", "inputs[0].start", "not one of beginning, end"},

		{"no ports", "detect: {port_scan: {ports: 0}}", "detect.port_scan.ports", "1 to 65535"},
		{"too many ports", "detect: {port_scan: {ports: 65536}}", "detect.port_scan.ports", "1 to 65535"},
		{"short window", "detect: {port_scan: {window: 999ms}}", "detect.port_scan.window", "at least 1s"},
		{"long window", "detect: {host_sweep: {window: 1d1s}}", "detect.host_sweep.window", "at most 1d"},
		{"no window", "detect: {host_sweep: {window: soon}}", "detect.host_sweep.window", "is not a duration"},
		{"negative window", "detect: {host_sweep: {window: -1h}}", "detect.host_sweep.window", "is not a duration"},
		{"no hosts", "detect: {host_sweep: {hosts: 0}}", "detect.host_sweep.hosts", "use 1 to"},
		{"severity", "detect: {vulnerability: {severity: low}}", "detect.vulnerability.severity", "not one of off, critical, high"},
		{"few sources", "detect: {max_sources: 999}", "detect.max_sources", "use 1000 to"},

		{"never_block", "never_block: [192.0.2.7, example]", "never_block[1]", "is not an address or network"},
		{"never_block with host bits", "never_block: [198.51.100.9/24]", "never_block[0]", "use 198.51.100.0/24 for the network"},
		{"never_block with host bits, IPv6", "never_block: ['2001:db8::1/32']", "never_block[0]", "use 2001:db8::/32 for the network"},
		{"never_block with host bits, mapped", "never_block: ['::ffff:198.51.100.9/120']", "never_block[0]", "use 198.51.100.0/24 for the network"},
		{"never_block with a zone", "never_block: ['fe80::1%eth0']", "never_block[0]", "is not an address"},
		{"release_after", "blacklist: {release_after: 59s}", "blacklist.release_after", "at least 1m"},

		{"the agent's name", "name: ' north'", "name", "is not a valid name"},

		{"edl listen", "edl: {listen: '8443'}", "edl.listen", "host:port"},
		{"edl port", "edl: {listen: ':65536'}", "edl.listen", "1 to 65535"},
		{"edl service name", "edl: {listen: ':https'}", "edl.listen", "1 to 65535"},
		{"edl bare IPv6", "edl: {listen: '2001:db8::1:8443'}", "edl.listen", "host:port"},
		{"edl path", "edl: {path: files/x}", "edl.path", "slash"},
		{"edl path of a router's pattern", "edl: {path: '/{x}'}", "edl.path", "plain path"},
		{"edl path that climbs", "edl: {path: /a/../b}", "edl.path", "plain path"},
		{"certificate without key", "edl: {tls: {cert_file: /x}}", "edl.tls.key_file", "cert_file requires it"},
		{"key without certificate", "edl: {tls: {key_file: /x}}", "edl.tls.cert_file", "key_file requires it"},
		{"edl allow", "edl: {allow: [10.0.0.1/8]}", "edl.allow[0]", "use 10.0.0.0/8"},
		{"edl max_entries", "edl: {max_entries: 0}", "edl.max_entries", "use 1 to"},
		{"edl empty_entry", "edl: {empty_entry: 8.8.8.8}", "edl.empty_entry", "documentation range"},
		{"edl empty_entry no address", "edl: {empty_entry: none}", "edl.empty_entry", "is not an address"},
		{"admin listen", "admin: {listen: ''}", "admin.listen", "host:port"},
		{"one port for two", "admin: {listen: 127.0.0.1:8443}", "admin.listen", "uses the port of edl.listen"},
		{"a long socket", "admin: {socket: /" + strings.Repeat("x", 107) + "}", "admin.socket", "has 108 bytes, and the system takes at most 107"},
		{"a relative socket", "admin: {socket: x.sock}", "admin.socket", "depends on the working directory"},
		{"no tokens file", "admin: {tokens_file: /nowhere}", "admin.tokens_file", "no such file"},
		{"tokens in the clear", "admin: {listen: ':9400', tokens_file: /nowhere}", "admin.tls", "is not on loopback"},
		{"no certificate", "admin: {tls: true}\nedl: {listen: ''}", "admin.tls", "edl.listen is empty"},

		{"no name", firewallWith("name: ''\n" + login), "firewalls[0].name", "is missing"},
		{"name", firewallWith("name: ' x'\n" + login), "firewalls[0].name", "is not a valid name"},
		{"no url", "firewalls: [{name: A, " + login + "}]", "firewalls[0].url", "is missing"},
		{"http", firewallWith("url: http://192.0.2.1\n" + login), "firewalls[0].url", "https://"},
		{"no scheme", firewallWith("url: 192.0.2.1\n" + login), "firewalls[0].url", "https://"},
		{"no host", firewallWith("url: 'https://:443'\n" + login), "firewalls[0].url", "no valid host"},
		{"path", firewallWith("url: https://192.0.2.1/api/\n" + login), "firewalls[0].url", "after the host"},
		{"user in url", firewallWith("url: https://admin:hush-1@192.0.2.1\n" + login), "firewalls[0].url", "contains a user name"},
		{"damaged url", firewallWith("url: 'https://admin:hush-1%zz@192.0.2.1'\n" + login), "firewalls[0].url", "is not a URL"},
		{"port of url", firewallWith("url: https://192.0.2.1:65536\n" + login), "firewalls[0].url", "no valid port"},
		{"no login", firewallWith("vsys: vsys1"), "firewalls[0].api_key_file", "no other credentials are set"},
		{"two logins", firewallWith(login + "\nusername: u\npassword: hush-1"), "firewalls[0].username", "cannot be combined with api_key;"},
		{"user alone", firewallWith("username: u"), "firewalls[0].password_file", "username requires it"},
		{"password alone", firewallWith("password: hush-1"), "firewalls[0].username", "is missing"},
		{"two passwords", firewallWith("username: u\npassword: hush-1\npassword_file: /x"), "firewalls[0].password", "cannot be combined with password_file"},
		{"number as key", firewallWith("api_key: 123456"), "firewalls[0].api_key", "put it in quotes"},
		{"list as password", firewallWith("username: u\npassword: [hush-1]"), "firewalls[0].password", "put it in quotes"},
		{"key with spaces", firewallWith("api_key: hush-1 hush-2"), "firewalls[0].api_key", "one word"},
		{"key where its file belongs", firewallWith("api_key_file: hush-1"), "firewalls[0].api_key_file", "cannot be read: no such file"},
		{"key of a peer without a peer", firewallWith(login + "\npeer_api_key_file: /x"), "firewalls[0].peer_api_key_file", "peer_url, which is missing"},
		{"key of a peer beside a login", firewallWith("url: https://192.0.2.1\nusername: u\npassword: hush-1\npeer_url: https://192.0.2.2\npeer_api_key_file: /x"), "firewalls[0].peer_api_key_file", "cannot be combined with username"},
		{"vsys", firewallWith(login + "\nvsys: vsys0"), "firewalls[0].vsys", "use vsys1"},
		{"vsys name", firewallWith(login + "\nvsys: Customers"), "firewalls[0].vsys", "use vsys1"},
		{"mode", firewallWith(login + "\nmode: tags"), "firewalls[0].mode", "not one of dynamic-tag"},
		{"mode without its list", "edl: {listen: \"\"}\n" + firewallWith(login+"\nmode: edl"), "firewalls[0].mode", "edl.listen is empty"},
		{"peer", firewallWith(login + "\nurl: https://192.0.2.1\npeer_url: http://192.0.2.2"), "firewalls[0].peer_url", "https://"},
		{"peer is the same", firewallWith(login + "\nurl: https://192.0.2.1\npeer_url: https://192.0.2.1:443"), "firewalls[0].peer_url", "they would undo"},
		{"target", firewallWith(login + "\ntarget: \"0123-4567\""), "firewalls[0].target", "serial number"},
		{"peer and target", firewallWith(login + "\nurl: https://192.0.2.1\npeer_url: https://192.0.2.2\ntarget: \"012345678901\""), "firewalls[0].peer_url", "a separate entry"},
		{"commit interval", firewallWith(login + "\ncommit_interval: 10ms"), "firewalls[0].commit_interval", "1s"},
		{"commit admin", firewallWith(login + "\ncommit_admin: \" x\""), "firewalls[0].commit_admin", "not a valid name"},
		{"refresh interval", firewallWith(login + "\nrefresh_interval: 1d"), "firewalls[0].refresh_interval", "1h"},
		{"zone", firewallWith(login + "\ninternet_zones: [untrust, \"it's\"]"), "firewalls[0].internet_zones[1]", "not a valid zone name"},
		{"panorama", firewallWith(login + "\npanorama: push"), "firewalls[0].panorama", "apply"},
		{"panorama without target", firewallWith(login + "\npanorama: apply"), "firewalls[0].panorama", "set url to the Panorama's management address and target"},
		{"sensor", firewallWith(login + "\nsensor: deny"), "firewalls[0].sensor", "log"},
		{"zone twice", firewallWith(login + "\ninternet_zones: [untrust, untrust]"), "firewalls[0].internet_zones[1]", "twice"},
		{"syslog address", firewallWith(login + "\nsyslog_address: \"https://x\""), "firewalls[0].syslog_address", "not an address"},
		{"long syslog name", firewallWith(login + "\nsyslog_address: " + strings.Repeat("a", 60) + ".org:514"), "firewalls[0].syslog_address", "64 characters"},
		{"list URL in the clear", "edl: {url: \"http://192.0.2.10/files/blacklist.txt\"}", "edl.url", "https://"},
		{"list URL longer than PAN-OS takes", "edl: {url: \"https://192.0.2.10/" + strings.Repeat("a", 237) + "\"}", "edl.url", "256 characters"},
		{"list URL with a password", "edl: {url: \"https://a:b@192.0.2.10/files/blacklist.txt\"}", "edl.url", "https://"},
		{"no tag", firewallWith(login + "\ntag: ''"), "firewalls[0].tag", "is missing"},
		{"long tag", firewallWith(login + "\ntag: " + strings.Repeat("é", 128)), "firewalls[0].tag", "127"},
		{"quote in tag", firewallWith(login + "\ntag: it's"), "firewalls[0].tag", "quote"},
		{"control character in tag", firewallWith(login + "\ntag: \"a\\tb\""), "firewalls[0].tag", "control character"},
		{"operator in tag", firewallWith(login + "\ntag: good AND bad"), "firewalls[0].tag", `"AND"`},
		{"spaces in tag", firewallWith(login + "\ntag: 'a  b'"), "firewalls[0].tag", "spaces"},
		{"share", firewallWith(login + "\nmax_removal_percent: 101"), "firewalls[0].max_removal_percent", "use 1 to 100"},
		{"timeout", firewallWith(login + "\ntimeout: 0"), "firewalls[0].timeout", "at least 1s"},
		{"same name", "firewalls:\n  - {name: A, url: https://192.0.2.1, " + login + "}\n  - {name: a, url: https://192.0.2.2, " + login + "}\n", "firewalls[1].name", "is also firewalls[0].name"},
		{"same place", "firewalls:\n  - {name: A, url: https://fw.example, " + login + "}\n  - {name: B, url: 'https://FW.example:443/', " + login + "}\n", "firewalls[1].url", "firewalls[0].url"},

		{"syntax", "log:\n  level: info\n  - x\n", "test.yaml:3", "did not find"},
		{"bracket", "log: {}\nnever_block: [192.0.2.7,\n  192.0.2.8\nstate_dir: /x\n", "test.yaml:2", "unclosed quote or bracket"},
		{"bracket far above", "log: {}\nnever_block: [\n" + strings.Repeat("  192.0.2.8,\n", 100) + "state_dir: /x\nadmin: {}\n", "test.yaml:103", "unclosed quote or bracket"},
		{"quote", "log: {}\nstate_dir: \"/x\n" + strings.Repeat("# more\n", 5000), "test.yaml:2", "unclosed quote or bracket"},
		{"regular expression in double quotes", "log: {}\nstate_dir: \"\\S+\"\n", "test.yaml:2", "single quotes"},
		{"tab", "log:\n\tlevel: info\n", "test.yaml:2", "spaces, not tabs"},
		{"key twice", "log: {level: info}\nstore: {}\nlog: {}\n", "test.yaml:3", `duplicate key "log"; the first is on line 1`},
		{"not a mapping", "just hush-1", "test.yaml:1", "must contain keys with values"},
		{"anchor", "log: {}\nstore:\n  url: *hush-1\n", "test.yaml:3", "in quotes"},
		{"tag", "log: {}\nedl: {max_entries: !!int hush-1}\n", "test.yaml:2", "in quotes"},
		{"control characters", "log: {}\nstate_dir: \"\x01\"\n", "test.yaml:2", "UTF-8"},
		{"Latin-1", "log: {}\nstate_dir: \"\xe9\"\n", "test.yaml:2", "UTF-8"},
		{"second document", "log: {level: info}\n---\nlog: {level: debug}\n", "test.yaml:2", "second YAML document"},
		{"after the end, without a marker", "log: {level: info}\n...\n# so far\nlog: {level: debug}\n", "test.yaml:4", "second YAML document"},
		{"after the end", "log: {level: info}\n...\n---\nlog: {level: debug}\n", "test.yaml:3", "second YAML document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadBytes([]byte(c.yaml))
			fs := faultsOf(t, err)
			if len(fs) != 1 || fs[0].Key != c.key || !strings.Contains(fs[0].Text, c.text) {
				t.Errorf("faults of\n%s\nare %v\nwant one of %s with %q", c.yaml, err, c.key, c.text)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the fault gives a secret away: %v", err)
			}
		})
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	_, _, err := loadBytes([]byte(`
log: {level: loud, colour: red}
store: {keep_records: 1h}
detect: {port_scan: {window: never}}
edl: {path: x}
firewalls:
  - {name: A, url: https://192.0.2.1, api_key: k}
  - {name: B, url: ftp://192.0.2.2, tag: "a'b"}
`), "ACTIVEDEFENSE_COLOUR=red")
	var keys []string
	for _, f := range faultsOf(t, err) {
		keys = append(keys, f.Key)
	}
	want := []string{
		"log.colour", "ACTIVEDEFENSE_COLOUR", "log.level", "store.keep_records", "detect.port_scan.window", "edl.path",
		"firewalls[1].url", "firewalls[1].api_key_file", "firewalls[1].tag",
	}
	if !slices.Equal(keys, want) {
		t.Errorf("faults at\n%q\nwant\n%q\n%v", keys, want, err)
	}
	for _, key := range want {
		if !strings.Contains(err.Error(), "\n  "+key+": ") {
			t.Errorf("the error does not name %s:\n%v", key, err)
		}
	}
}

// A file of another program, say, has more faults than anybody reads.
func TestFaultsWithoutEnd(t *testing.T) {
	var b strings.Builder
	for i := range 3 * mostFaults {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	_, _, err := loadBytes([]byte(b.String()))
	fs := faultsOf(t, err)
	if len(fs) != mostFaults+1 || fs[mostFaults].Text != "has 2000 more faults; fix these first" {
		t.Errorf("%d faults, the last: %v", len(fs), fs[len(fs)-1])
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{filepath.Join(folder, "missing.yaml"), folder} {
		_, _, err := Load(Options{Path: path})
		if fs := faultsOf(t, err); len(fs) != 1 || fs[0].Key != path {
			t.Errorf("Load(%s) = %v, want one fault that names it", path, err)
		}
	}
}

func TestFileTooLarge(t *testing.T) {
	comment := strings.Repeat("# as long as it may be\n", mostConfig/23)
	if _, _, err := Load(Options{Path: write(t, "c.yaml", comment, 0o600)}); err != nil {
		t.Errorf("a large file: %v", err)
	}
	for _, path := range []string{write(t, "c.yaml", comment+comment, 0o600), "/dev/zero"} {
		_, _, err := Load(Options{Path: path})
		if fs := faultsOf(t, err); len(fs) != 1 || fs[0].Key != path || !strings.Contains(fs[0].Text, "512 KiB") {
			t.Errorf("Load(%s) = %v, want one fault that names its size", path, err)
		}
	}
}

// What takes most of such a file is named, as ten thousand patterns do.
func TestFileTooLargeNamesItsLargestSection(t *testing.T) {
	patterns := strings.Repeat(`      - {event: a, regexp: '^\S+ app\[\d+\]: login of (?P<src_user>.*) from (?P<src>\S+) refused$'}`+"\n", 10_000)
	path := write(t, "c.yaml", "state_dir: /tmp\ninputs:\n  - path: /a.log\n    format: pattern\n    patterns:\n"+patterns, 0o600)
	_, _, err := Load(Options{Path: path})
	if fs := faultsOf(t, err); len(fs) != 1 || fs[0].Key != path || !strings.Contains(fs[0].Text, "inputs takes 511 KiB; shorten that (an input takes at most 1000 patterns)") {
		t.Error(err)
	}
}

func TestInputsOverExistingFiles(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"fw-a.log", "other.log"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(folder, "fw-a.log"), filepath.Join(folder, "link.txt")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		first, second string
		overlap       bool
	}{
		{"fw-*", "*-a.log", true}, // no pattern matches the other, the file there matches both
		{"fw-*", "*.txt", true},   // the same file by another name
		{"fw-*", "other*", false},
		{"fw-[a-c].log", "fw-[d-f].log", false},
		{"fw-[a-c].log", "fw-[a-c].log", true},
	} {
		yaml := "inputs: [{path: '" + folder + "/" + c.first + "'}, {path: '" + folder + "/" + c.second + "'}]"
		_, _, err := loadBytes([]byte(yaml))
		fs := faultsOf(t, err)
		if got := len(fs) == 1 && fs[0].Key == "inputs[1].path"; got != c.overlap || !c.overlap && err != nil {
			t.Errorf("%s and %s: %v, want overlap %v", c.first, c.second, err, c.overlap)
		}
	}
}
